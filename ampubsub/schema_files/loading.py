"""From a document, or from a Python object, to machines.

A file holds `machines`, a list of tables or a table by id; a file with one machine may leave that level
out. A machine has `id`, `schema` and, if wanted, `states`, `tags`, `parent` and `active`; a state has
asyncmachine's own seven keys: `auto`, `multi`, `require`, `add`, `remove`, `after`, `tags`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ampubsub.machine import Machine, MachineError, Result, State
from ampubsub.schema_files.document import SUFFIXES, line_of, read_document, truth
from ampubsub.schema_files.errors import FileLimits, SchemaFileError
from ampubsub.schema_files.objects import machines_of_object

MACHINE_KEYS = ("id", "schema", "states", "tags", "parent", "active")
RELATIONS = ("require", "add", "remove", "after")
STATE_KEYS = ("auto", "multi", *RELATIONS, "tags")
EXCEPTION = "Exception"


def load_machines(spec: str, *, limits: FileLimits | None = None) -> list[Machine]:
    """The machines that `spec` names, in the order of the file.

    `spec` is a file ending in .toml, .yaml, .yml or .json, or `module:object` (also `FILE.py:object`) where
    the object is a machine, several, or a callable that returns them. The machines belong to no thread
    yet. Raises `SchemaFileError`.
    """
    limits = limits or FileLimits()
    if spec.lower().endswith(SUFFIXES):
        machines = _File(Path(spec), limits).machines()
    elif ":" in spec:
        machines = machines_of_object(spec)
    elif spec.endswith(".py"):
        raise SchemaFileError(f"{spec}: name the object in it as well: {spec}:NAME")
    else:
        raise SchemaFileError(
            f"{spec}: not a schema file ({', '.join(SUFFIXES)}) and not of the form module:object"
        )
    seen: set[str] = set()
    for machine in machines:
        if machine.id in seen:
            raise SchemaFileError(f"{spec}: two machines have the id {machine.id!r}; give each its own")
        seen.add(machine.id)
        machine.release()
    return machines


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file we are, for messages."""

    path: Path
    inside: str = ""

    def refused(self, problem: str, table: object = None, key: str = "") -> SchemaFileError:
        line = line_of(table, key)
        place = f"{self.path}:{line}" if line else str(self.path)
        return SchemaFileError(f"{place}: {self.inside + ': ' if self.inside else ''}{problem}")


class _File:
    def __init__(self, path: Path, limits: FileLimits) -> None:
        self.path = path
        self.limits = limits

    def machines(self) -> list[Machine]:
        place = _Place(self.path)
        document = read_document(self.path, self.limits)
        if document is None or document == {}:
            raise place.refused("is empty; it needs at least one machine with an id and a schema")
        if not isinstance(document, Mapping):
            raise place.refused(f"needs a table at the top, not {_kind(document)}")
        entries = list(self._entries(document, place))
        if not entries:
            raise place.refused("has no machines; give at least one an id and a schema", document, "machines")
        if len(entries) > self.limits.machines:
            raise place.refused(f"has {len(entries)} machines; the most is {self.limits.machines}")
        made: dict[str, Machine] = {}
        for machine_id, entry in entries:
            if machine_id in made:
                raise place.refused(
                    f"two machines have the id {machine_id!r}; give each its own", entry, "id"
                )
            made[machine_id] = self._machine(machine_id, entry, made)
        return list(made.values())

    def _entries(
        self, document: Mapping[str, object], place: _Place
    ) -> Iterable[tuple[str, Mapping[str, object]]]:
        """(id, table) of each machine, whichever of the three ways the file is laid out in."""
        if "machines" not in document:
            if "schema" not in document:
                _check_keys(document, ("machines", *MACHINE_KEYS), place)
                raise place.refused("has neither `machines` nor a `schema`")
            yield self._id(document, place, self.path.stem), document
            return
        _check_keys(document, ("machines",), place)
        machines = document["machines"]
        if isinstance(machines, Mapping):
            for machine_id, entry in machines.items():
                inside = _Place(self.path, f"machine {machine_id}")
                table = _table(entry, inside, machines, machine_id, "a machine")
                if table.get("id", machine_id) != machine_id:
                    raise inside.refused("its `id` differs from its key; leave `id` out", table, "id")
                yield self._name(machine_id, inside, machines, machine_id), table
        elif isinstance(machines, list):
            for number, entry in enumerate(machines, 1):
                inside = _Place(self.path, f"machine number {number}")
                table = _table(entry, inside, document, "machines", "a machine")
                if "id" not in table:
                    _check_keys(table, MACHINE_KEYS, inside)
                    raise inside.refused('has no `id`; give it one, such as id = "order"')
                yield self._id(table, inside, ""), table
        else:
            raise place.refused(
                f"`machines` is a list or a table of machines, not {_kind(machines)}", document, "machines"
            )

    def _id(self, table: Mapping[str, object], place: _Place, otherwise: str) -> str:
        return self._name(table.get("id", otherwise), place, table, "id")

    def _machine(self, machine_id: str, entry: Mapping[str, object], above: Mapping[str, Machine]) -> Machine:
        place = _Place(self.path, f"machine {machine_id}")
        _check_keys(entry, MACHINE_KEYS, place)
        schema = self._schema(entry, machine_id, place)
        order = self._order(entry, schema, place)
        tags = self._names(entry, "tags", place)
        active = self._names(entry, "active", place)
        for state in active:
            _check_known(state, schema, place, "`active`", entry, "active")
        parent = None
        if "parent" in entry:
            parent_id = self._name(entry["parent"], place, entry, "parent")
            parent = above.get(parent_id)
            if parent is None:
                raise place.refused(
                    f"its parent {parent_id!r} is not a machine above it in this file", entry, "parent"
                )
        try:
            machine = Machine(schema, id=machine_id, states=order, tags=tags, parent=parent)
            refused = bool(active) and machine.add(*active) == Result.CANCELED
        except MachineError as error:
            raise place.refused(" ".join(str(error).split())) from None
        missing = [state for state in active if not machine.is_(state)]
        if refused or missing:
            names = ", ".join(missing or active)
            raise place.refused(
                f"its relations do not let {names} be active at the start: see their `require` and `remove`",
                entry,
                "active",
            )
        return machine

    def _schema(self, entry: Mapping[str, object], machine_id: str, place: _Place) -> dict[str, State]:
        if "schema" not in entry:
            raise place.refused("has no `schema`; it is the table of its states")
        table = _table(entry["schema"], place, entry, "schema", "`schema`")
        if not table:
            raise place.refused("its `schema` has no states", entry, "schema")
        if len(table) > self.limits.states:
            raise place.refused(f"has {len(table)} states; the most is {self.limits.states}", entry, "schema")
        schema = {} if EXCEPTION in table else {EXCEPTION: State(multi=True)}
        for name, value in table.items():
            inside = _Place(self.path, f"machine {machine_id}, state {name}")
            self._name(name, place, table, name)
            schema[name] = self._state(value, inside, table, name)
        for name, state in schema.items():
            inside = _Place(self.path, f"machine {machine_id}, state {name}")
            written = table.get(name)
            for relation in RELATIONS:
                for other in getattr(state, relation):
                    _check_known(other, schema, inside, f"`{relation}`", written, relation)
            if both := set(state.require) & set(state.remove):
                raise inside.refused(
                    f"both requires and removes {', '.join(sorted(both))}; drop one of the two",
                    written,
                    "remove",
                )
        return schema

    def _state(self, value: object, place: _Place, above: object, name: str) -> State:
        table = {} if value is None else _table(value, place, above, name, "a state")
        _check_keys(table, STATE_KEYS, place)
        return State(
            auto=self._flag(table, "auto", place),
            multi=self._flag(table, "multi", place),
            require=self._names(table, "require", place),
            add=self._names(table, "add", place),
            remove=self._names(table, "remove", place),
            after=self._names(table, "after", place),
            tags=self._names(table, "tags", place),
        )

    def _flag(self, table: Mapping[str, object], key: str, place: _Place) -> bool:
        value = truth(table.get(key, False))
        if value is None:
            raise place.refused(f"`{key}` is true or false, not {_kind(table[key])}", table, key)
        return value

    def _order(
        self, entry: Mapping[str, object], schema: Mapping[str, State], place: _Place
    ) -> tuple[str, ...]:
        """The index order: `states` when given (it must be whole), else as the schema is written."""
        if isinstance(entry.get("states"), Mapping):
            raise place.refused(
                "`states` is the list of names in index order; the states themselves go under `schema`",
                entry,
                "states",
            )
        order = self._names(entry, "states", place)
        if not order:
            return tuple(schema)
        for state in order:
            _check_known(state, schema, place, "`states`", entry, "states")
        if twice := {state for state in order if order.count(state) > 1}:
            raise place.refused(f"`states` has {', '.join(sorted(twice))} twice", entry, "states")
        if EXCEPTION not in order:
            order = (EXCEPTION, *order)
        if left_out := [state for state in schema if state not in order]:
            raise place.refused(
                f"`states` leaves out {', '.join(left_out)}; name all or none", entry, "states"
            )
        return order

    def _names(self, table: Mapping[str, object], key: str, place: _Place) -> tuple[str, ...]:
        value = table.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            hint = f'; write ["{value}"]' if isinstance(value, str) else ""
            raise place.refused(f"`{key}` is a list of names, not {_kind(value)}{hint}", table, key)
        if len(value) > self.limits.names:
            raise place.refused(
                f"`{key}` has {len(value)} names; the most is {self.limits.names}", table, key
            )
        return tuple(self._name(name, place, table, key) for name in value)

    def _name(self, value: object, place: _Place, table: object, key: str) -> str:
        if not isinstance(value, str):
            raise place.refused(f"`{key}` needs a name, not {_kind(value)}", table, key)
        if not value or value != value.strip() or not value.isprintable():
            raise place.refused(
                f"{value[:40]!r} cannot be a name: it is empty, has outer blanks or unprintable characters",
                table,
                key,
            )
        if len(value) > self.limits.name_length:
            raise place.refused(
                f"the name {value[:20]}... has {len(value)} characters, more than {self.limits.name_length}",
                table,
                key,
            )
        return str(value)


def _table(value: object, place: _Place, above: object, key: str, what: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise place.refused(f"{what} is a table, not {_kind(value)}", above, key)
    return value


def _check_keys(table: Mapping[str, object], known: tuple[str, ...], place: _Place) -> None:
    for key in table:
        if key not in known:
            raise place.refused(f"unknown key {key[:40]!r}; {_suggestion(key, known)}", table, key)


def _check_known(
    name: str, schema: Mapping[str, State], place: _Place, where: str, table: object, key: str
) -> None:
    if name not in schema:
        raise place.refused(
            f"{where} names the unknown state {name!r}; {_suggestion(name, schema)}", table, key
        )


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = list(known)
    lower = {each.lower(): each for each in reversed(names)}
    close = difflib.get_close_matches(name.lower()[:60], lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean {lower[close[0]]!r}?"
    return f"known: {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, str):
        return f"the word {value[:40]!r}"
    if isinstance(value, int | float):
        return f"the number {value!r:.40}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, Mapping):
        return "a table"
    return "nothing" if value is None else f"a {type(value).__name__}"
