"""Arguments of mutations: a mapping, or a dataclass that handlers get back with its types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from ampubsub.machine.errors import MachineError
from ampubsub.machine.mutation import Args

Kind = TypeVar("Kind")


class DataclassLike(Protocol):
    """An object of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


ArgsLike = Args | DataclassLike | None
"""What the arguments of a mutation can be given as."""


class TypedArgs(dict[str, Any]):
    """The fields of a dataclass as arguments, with the object they came from."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        super().__init__({field.name: getattr(value, field.name) for field in fields(value)})
        self.value = value


def as_args(given: object) -> Args:
    """Arguments in whatever form they were given. Raises `TypeError`."""
    if isinstance(given, Mapping):
        return given
    if is_dataclass(given) and not isinstance(given, type):
        return TypedArgs(given)
    raise TypeError(f"args are a mapping of names to values or a dataclass, not {type(given).__name__}")


def args_as(args: Args, kind: type[Kind], handler: str) -> Kind:
    """Arguments as the dataclass they came from, or as a new one of the same names. Raises `MachineError`."""
    if isinstance(args, TypedArgs) and isinstance(args.value, kind):
        return args.value
    known = {field.name: args[field.name] for field in fields(kind) if field.name in args}  # type: ignore[arg-type]
    try:
        return kind(**known)
    except TypeError as error:
        raise MachineError(
            f"{handler}: the arguments {sorted(args)} make no {kind.__name__}: {error}"
        ) from None
