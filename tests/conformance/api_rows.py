"""Rows of pure functions: {fn, in, out or panic}, each mapped to ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ampubsub.machine import LogLevel, MutationKind, Relation, Result, State, StepKind, Time
from ampubsub.machine.blueprint import parse_schema
from ampubsub.machine.clock import TimeIndex, is_active_tick
from ampubsub.machine.groups import BASE, StateSet
from ampubsub.machine.handlers import parse_handler_name
from ampubsub.machine.log_args import args_mapper, format_args
from ampubsub.machine.schema import merge_schemas
from ampubsub.machine.state_lists import (
    difference,
    joined,
    names_at,
    picked,
    positions,
    same,
    shared,
    without,
)
from tests.conformance.compare import first_difference

LISTS = ("require", "add", "remove", "after", "tags")


def state(raw: Mapping[str, Any]) -> State:
    """A state from asyncmachine's JSON form."""
    unknown = set(raw) - {"auto", "multi", *LISTS}
    if unknown:
        raise ValueError(f"unknown state fields {', '.join(sorted(unknown))}")
    return State(
        raw.get("auto", False), raw.get("multi", False), *(tuple(raw.get(name) or ()) for name in LISTS)
    )


def raw_state(found: State) -> dict[str, Any]:
    """The JSON form of a state, empty fields left out."""
    raw: dict[str, Any] = {name: True for name in ("auto", "multi") if getattr(found, name)}
    raw.update({name: list(getattr(found, name)) for name in LISTS if getattr(found, name)})
    return raw


def _schema(raw: Mapping[str, Any]) -> dict[str, State]:
    return {name: state(value) for name, value in raw.items()}


def _member(kind: Any, words: list[str]) -> Callable[[int], str]:
    return lambda number: words[number] if 0 <= number < len(words) else ""


def _state_sets(text: str) -> dict[str, Any]:
    """Read `TopDef{*StatesBase,Own}` and list names and groups."""
    tokens = re.findall(r"[A-Za-z0-9]+|[*{},]", text)

    def read(position: int) -> tuple[StateSet, int]:
        name = tokens[position]
        if position + 1 >= len(tokens) or tokens[position + 1] != "{":
            return (BASE if name == "StatesBase" else StateSet(name)), position + 1
        position, members = position + 2, []
        while tokens[position] != "}":
            if tokens[position] == ",":
                position += 1
            elif tokens[position] == "*":
                inner, position = read(position + 1)
                members.append(inner)
            else:
                members.append(tokens[position])
                position += 1
        return StateSet(name, *members), position + 1

    top = read(0)[0]
    names, groups = top.states, top.groups()
    return {
        "names": list(names),
        "order": list(groups),
        "groups": {name: list(positions(names, members)) for name, members in groups.items()},
        "Base0": "Base0" if "Base0" in names else "",
        "Exception": "Exception" if "Exception" in names else "",
    }


def _time(raw: list[int] | None) -> Time:
    return Time(raw or ())


def _index(time: list[int], names: list[str]) -> TimeIndex:
    return TimeIndex(_time(time), tuple(names))


def _signed(time: list[int] | None) -> str:
    # Go prints ticks above 2**63 as negative numbers; ours are printed as they are.
    return str(Time(tick - (1 << 64) if tick >> 63 else tick for tick in time or ()))


_LEVELS = [str(level) for level in LogLevel]
_STEPS = [kind.value for kind in (
    StepKind.RELATION, StepKind.HANDLER, StepKind.ACTIVATE, StepKind.DEACTIVATE, StepKind.DEACTIVATE_PASSIVE,
    StepKind.CALLED, StepKind.CANCEL,
)]  # fmt: skip

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Time.String": _signed,
    "Time.Sum": lambda time, indexes: _time(time).sum(indexes),
    "Time.NonZeroStates": lambda time: _time(time).non_zero(),
    "Time.ActiveStates": lambda time, *indexes: _time(time).active(),
    "Time.Filter": lambda time, indexes: _time(time).filter(indexes),
    "Time.Increment": lambda time, index: _time(time).increment(index),
    "Time.Is1": lambda time, index: _time(time).is_(index) if index < len(time or ()) else False,
    "Time.Not1": lambda time, index: 0 <= index < len(time or ()) and _time(time).not_(index),
    "Time.Is": lambda time, indexes: _time(time).is_(*indexes),
    "Time.Not": lambda time, indexes: _time(time).not_(*indexes),
    "Time.Any1": lambda time, indexes: _time(time).any(*indexes),
    "Time.Any": lambda time, groups: _time(time).any(*groups),
    "Time.Tick": lambda time, index: _time(time).tick(index),
    "Time.After": lambda time, or_equal, other: _time(time).after(other or (), or_equal),
    "Time.Before": lambda time, or_equal, other: _time(time).before(other or (), or_equal),
    "Time.Equal": lambda time, strict, other: _time(time).equal(other or (), strict),
    "Time.Add": lambda time, other: None if time is None else _time(time).add(other or ()),
    "Time.DiffSince": lambda time, other: _time(time).diff_since(other or ()),
    "TimeIndex.String": lambda time, names: str(_index(time, names)),
    "TimeIndex.ActiveStates": lambda time, names, states: _index(time, names).active_states(states),
    "TimeIndex.NonZeroStates": lambda time, names: _index(time, names).non_zero_states(),
    "TimeIndex.Sum": lambda time, names, states: _index(time, names).sum(states),
    "TimeIndex.Filter": lambda time, names, states: _index(time, names).filter(states),
    "TimeIndex.StateName": lambda time, names, index: _index(time, names).name(index),
    "TimeIndex.Is": lambda time, names, states: _index(time, names).is_(*states),
    "TimeIndex.Is1": lambda time, names, name: _index(time, names).is_(name),
    "TimeIndex.Not": lambda time, names, states: _index(time, names).not_(*states),
    "TimeIndex.Not1": lambda time, names, name: _index(time, names).not_(name),
    "TimeIndex.Any": lambda time, names, states: _index(time, names).any(*states),
    "TimeIndex.Any1": lambda time, names, states: _index(time, names).any(*states),
    "NewTimeIndex": lambda names, active: TimeIndex.of_active(names, active).time,
    "StatesDiff": difference,
    "StatesShared": shared,
    "StatesEqual": same,
    "SAdd": joined,
    "SRem": lambda states, *lists: without(states, *lists[1:]),  # Go's skips the first list it is given
    "StatesToIndex": positions,
    "IndexToStates": names_at,
    "IndexToTime": lambda names, active: TimeIndex.of_active(names, active).time,
    "S.Filter": picked,
    "IsQueued": lambda number: Result(number).is_queued,
    "Result.String": lambda number: str(Result(number)),
    "IsActiveTick": is_active_tick,
    "LogLevel.String": lambda number: _LEVELS[number] if 0 <= number < len(_LEVELS) else "nothing",
    "MutationType.String": _member(MutationKind, [kind.value for kind in MutationKind]),
    "Relation.String": _member(Relation, [kind.value for kind in Relation]),
    "StepType.String": lambda number: {1 << i: word for i, word in enumerate(_STEPS)}.get(number, ""),
    "StateAdd": lambda one, other: raw_state(state(one).extended(state(other))),
    "StateSet": lambda one, auto, multi, other: raw_state(state(one).replaced(auto, multi, state(other))),
    "SchemaMerge": lambda *schemas: {
        n: raw_state(s) for n, s in merge_schemas(*map(_schema, schemas)).items()
    },
    "ParseSchema.err": lambda schema: "\n".join(parse_schema(_schema(schema))[1]),
    "IsHandler": parse_handler_name,
    "LogArgs": lambda longest, names, args: format_args(args_mapper(names, longest)(args or {}) or {}),
    "MutationFormatArgs": format_args,
    "NewStates": _state_sets,
}


def _plain(value: Any) -> Any:
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def replay(row: dict[str, Any]) -> str:
    """Call our function with the row's arguments; compare what comes out, or that it fails."""
    function = FUNCTIONS.get(row["fn"])
    if function is None:
        return f"no function of ours stands for {row['fn']}"
    given = row.get("in")
    arguments = given if isinstance(given, list) else [given]
    try:
        seen = _plain(function(*arguments))
    except IndexError:
        return "" if "panic" in row else f"raised IndexError, recorded {row.get('out')!r}"
    if "panic" in row:
        return f"seen {seen!r}, recorded the panic {row['panic']}"
    return first_difference(seen, row.get("out"), "out")
