"""States as a class: names that editors complete and checkers know, relations to what stands above.

    class Lamp(States):
        Power = State()
        On = State(require=[Power])

    lamp = Machine(Lamp, id="lamp")
    lamp.add(Lamp.On, Lamp.Power)

Once the class stands, `Lamp.On` is the name "On", so it goes wherever a name does. What stands further down is named by text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

from ampubsub.machine.errors import SchemaError
from ampubsub.machine.schema import State, StateName, state_name

_RELATIONS = ("require", "add", "remove", "after")


class States:
    """The base of classes whose attributes are states. A class that extends another has its states, too."""

    __states__: Mapping[str, State] = {}
    """All of them by name, in the order in which they were written."""

    def __init_subclass__(cls) -> None:
        found: dict[str, State] = {}
        for base in reversed(cls.__mro__[1:]):
            found.update(getattr(base, "__states__", {}))
        own = {name: value for name, value in vars(cls).items() if isinstance(value, State)}
        names = {id(state): name for name, state in own.items()}
        for name, state in own.items():
            relations = {
                relation: tuple(_name(cls, name, other, names) for other in getattr(state, relation))
                for relation in _RELATIONS
            }
            found[name] = replace(state, **relations)  # type: ignore[arg-type]
            setattr(cls, name, name)
        cls.__states__ = found


def _name(cls: type, owner: str, other: object, names: Mapping[int, str]) -> str:
    if isinstance(other, State):
        found = names.get(id(other))
        if found is None:
            raise SchemaError(
                f"{cls.__name__}.{owner} names a state that is no attribute of {cls.__name__}: write its name"
            )
        return found
    return state_name(other)


SchemaLike = Mapping[str, State] | Mapping[StateName, State] | type[States] | type[Enum]
"""What a machine can be made of: names to states, a class of states, or an Enum."""


def schema_of(source: object) -> Mapping[str, State]:
    """The schema in whatever form it was given. Raises `SchemaError`.

    Members of an Enum are states named by their text, or by their own name if their value is a `State`.
    """
    if isinstance(source, Mapping):
        return source
    if isinstance(source, type) and issubclass(source, States):
        return source.__states__
    if isinstance(source, type) and issubclass(source, Enum):
        twins = [name for name, member in source.__members__.items() if name != member.name]
        if twins:
            raise SchemaError(
                f"{source.__name__}.{twins[0]} is the same member as {source.__members__[twins[0]].name}, because their "
                f"values are equal: name the states by text, or write a class of States"
            )
        return {
            state_name(member): member.value if isinstance(member.value, State) else State()
            for member in source
        }
    raise SchemaError(
        f"a machine is made of a mapping of names to State(...), a class of States or an Enum, not of {source!r}"
    )
