"""A schema, parsed and made ready: shared by all machines that have the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ampubsub.machine.errors import SchemaError
from ampubsub.machine.relations import Relations
from ampubsub.machine.resolution import Memory
from ampubsub.machine.schema import EXCEPTION, Schema, State, nearest, state_name

_KEEP = 256
"""How many blueprints are remembered for machines to come, before all are forgotten."""
_KEEP_ORDERS = 16
"""How many index orders of one schema."""


def _without_first(items: Sequence[str], item: str) -> tuple[str, ...]:
    if item not in items:
        return tuple(items)
    position = items.index(item)
    return (*items[:position], *items[position + 1 :])


def parse_schema(schema: Schema) -> tuple[dict[str, State], list[str]]:
    """Mend what can be mended in a schema; return it with the conflicts that cannot.

    Per state: its own name leaves Remove and After; what it adds leaves Remove; unknown names leave Add, Remove
    and After, not Require (a state that requires an unknown one can never be active).
    """
    parsed: dict[str, State] = {}
    conflicts: list[str] = []
    for key, state in schema.items():
        name = state_name(key)
        if not isinstance(state, State):
            raise SchemaError(f"state {name} is {type(state).__name__}, not State: write State(...)")
        if not (state.remove or state.add or state.after or state.require):
            parsed[name] = state
            continue
        remove = _without_first(state.remove, name)
        add = state.add
        for other in state.add:
            if other in remove:
                remove = _without_first(remove, other)
            elif other not in schema:
                add = _without_first(add, other)
        after = _without_first(state.after, name)
        conflicts += [
            f"schema error: require-remove conflict for {name} to {other}"
            for other in state.require
            if other in remove
        ]
        for other in tuple(remove):
            if other not in schema:
                remove = _without_first(remove, other)
        for other in tuple(after):
            if other not in schema:
                after = _without_first(after, other)
        parsed[name] = replace(state, add=add, remove=remove, after=after)
    return parsed, conflicts


class Blueprint:
    """A parsed schema with its index order and relations. Never changes."""

    __slots__ = ("_reordered", "conflicts", "index", "memory", "names", "relations", "schema")

    def __init__(
        self, schema: Mapping[str, State], names: Sequence[str], conflicts: Sequence[str] = ()
    ) -> None:
        self.schema = dict(schema)
        self.names = tuple(names)
        self.conflicts = tuple(conflicts)
        self.index = {name: i for i, name in enumerate(self.names)}
        self.relations = Relations(self.schema, self.names)
        self.memory = Memory(self.relations)
        """What machines that never had handlers remember; they differ in nothing but their clocks."""
        self._reordered: dict[tuple[str, ...], Blueprint] = {}

    def with_names(self, names: Sequence[str]) -> Blueprint:
        """The same schema in another index order."""
        order = tuple(names)
        if order == self.names:
            return self
        found = self._reordered.get(order)
        if found is None:
            if len(self._reordered) >= _KEEP_ORDERS:
                self._reordered.clear()
            found = self._reordered[order] = Blueprint(self.schema, order, self.conflicts)
        return found


_remembered: dict[tuple[object, ...], Blueprint] = {}


def blueprint(schema: Schema, *, strict: bool = False) -> Blueprint:
    """The blueprint of a schema, from memory if an equal one was made before.

    `strict`: raise `SchemaError` for a relation to a state that there is not; otherwise it is dropped, as in Go.
    """
    key = (strict, tuple(schema.items()))
    try:
        found = _remembered.get(key)
    except TypeError:
        found = None
    if found is not None:
        return found
    if strict:
        check_relations(schema)
    parsed, conflicts = parse_schema(schema)
    parsed.setdefault(EXCEPTION, State(multi=True))
    made = Blueprint(parsed, sorted(parsed), conflicts)
    _remembered[key] = made
    if len(_remembered) > _KEEP:
        _remembered.clear()
    return made


def check_relations(schema: Schema) -> None:
    """Raise `SchemaError` when a state names one that there is not, with the nearest name."""
    names = {EXCEPTION, *map(state_name, schema)}
    for key, state in schema.items():
        for relation in ("require", "add", "remove", "after"):
            for other in getattr(state, relation, ()):
                if other not in names:
                    raise SchemaError(
                        f"state {state_name(key)}: {relation} names {other!r}, which there is not{nearest(str(other), names)}"
                    )


def verified_names(machine_id: str, known: Blueprint, states: Sequence[str]) -> tuple[str, ...]:
    """An index order that names every state; repeats are dropped. Raises `SchemaError`."""
    unknown = [name for name in states if name not in known.schema]
    if unknown:
        raise SchemaError(
            "\n".join(f"state {name} not defined in schema for {machine_id}" for name in unknown)
        )
    names = tuple(dict.fromkeys(states))
    missing = [name for name in known.names if name not in names]
    if missing:
        raise SchemaError(
            f"error: trying to verify less states than registered for {machine_id}; missing: {' '.join(missing)}"
        )
    return names
