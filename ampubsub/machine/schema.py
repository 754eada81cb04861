"""What a machine is made of: states with their relations, as plain immutable data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Union

from ampubsub.machine.state_lists import joined

EXCEPTION = "Exception"
"""The state that every machine has: an error happened."""


def nearest(name: str, names: Iterable[str]) -> str:
    """A word of advice about a name that is not known: the one that was probably meant."""
    close = get_close_matches(name, list(names), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def state_name(state: object) -> str:
    """The name of a state given as text or as a member of an Enum. Raises `TypeError` for anything else.

    An Enum member stands for its value if that is text, else for its own name.
    """
    if type(state) is str:
        return state
    if isinstance(state, Enum):
        return str.__str__(state.value) if isinstance(state.value, str) else state.name
    if isinstance(state, str):
        return str.__str__(state)
    if isinstance(state, (list, tuple, set, frozenset)):
        raise TypeError(
            f"states are given one by one, not as a {type(state).__name__}: write *{list(state)!r}"
        )
    raise TypeError(f"a state is given by its name, not as {type(state).__name__} {state!r}")


@dataclass(frozen=True, slots=True)
class State:
    """One state's properties and relations (asyncmachine manual, "Defining states")."""

    auto: bool = False
    """The machine itself tries to activate it after each accepted change."""
    multi: bool = False
    """Can be activated again while active; its tick then grows by 2."""
    require: tuple[str, ...] = ()
    """States that must be active for this one to be active."""
    add: tuple[str, ...] = ()
    """States activated together with this one, as far as possible."""
    remove: tuple[str, ...] = ()
    """States deactivated when this one gets active."""
    after: tuple[str, ...] = ()
    """States whose handlers run before this one's in the same transition."""
    tags: tuple[str, ...] = ()
    """Free words for people and tools."""

    def __post_init__(self) -> None:
        for field in ("require", "add", "remove", "after", "tags"):
            value = getattr(self, field)
            if isinstance(value, tuple) and (not value or all(type(entry) is str for entry in value)):
                continue
            if isinstance(value, str):
                raise TypeError(
                    f"State.{field} is a list of names, not the string {value!r}: write [{value!r}]"
                )
            if field != "tags":
                value = (entry if isinstance(entry, State) else state_name(entry) for entry in value)
            object.__setattr__(self, field, tuple(value))

    def extended(self, other: State) -> State:
        """This state with another's flags and relations added; tags stay."""
        return State(
            auto=self.auto or other.auto,
            multi=self.multi or other.multi,
            require=joined(self.require, other.require),
            add=joined(self.add, other.add),
            remove=joined(self.remove, other.remove),
            after=joined(self.after, other.after),
            tags=self.tags,
        )

    def replaced(self, auto: bool, multi: bool, other: State) -> State:
        """This state with these flags, and each relation that `other` has in place of its own; tags stay."""
        return State(
            auto=auto,
            multi=multi,
            require=other.require or self.require,
            add=other.add or self.add,
            remove=other.remove or self.remove,
            after=other.after or self.after,
            tags=self.tags,
        )


def merge_schemas(*schemas: Schema) -> dict[str, State]:
    """All states of all schemas; of one name, the last."""
    return {name: state for schema in schemas for name, state in schema.items()}


Schema = Mapping[str, State]
"""State name to its properties; the order of the mapping has no meaning."""
StateName = Union[str, Enum, State]  # noqa: UP007 - used as an annotation where a State stands for its name
"""How a state can be named: as text, by a member of an Enum, or by an attribute of a class of states."""
