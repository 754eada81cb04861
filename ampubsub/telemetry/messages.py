"""The two things that telemetry says: a machine's schema, and what happened to one mutation.

Go's structs `DbgMsgStruct` and `DbgMsgTx` of asyncmachine-go v0.12 to v0.19, as frozen dataclasses. `read_schema` and
`read_transition` make them of decoded gob, check and bound what a stranger wrote, and raise `TelemetryError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from ampubsub.machine import State
from ampubsub.telemetry.gob import GobError, read_time
from ampubsub.telemetry.limits import TelemetryLimits


class TelemetryError(Exception):
    """A program said something that cannot be used. The text says what, and of which machine."""


class StepKind(IntEnum):
    """What a step of a transition did; Go's numbers."""

    RELATION = 1
    HANDLER = 2
    ACTIVATE = 4
    DEACTIVATE = 8
    DEACTIVATE_PASSIVE = 16
    CALLED = 32
    CANCEL = 64


RELATIONS = ("after", "add", "require", "remove")
"""The names of a step's relation, by Go's number."""

KINDS = ("add", "remove", "set")
"""The names of a mutation's kind, by Go's number."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. A state is told by its index; -1 for none."""

    kind: StepKind
    from_state: int = -1
    to_state: int = -1
    relation: int = 0
    """Index into `RELATIONS`; of relation steps only."""
    final: bool = False
    own: bool = False
    """A handler of a state with itself (Go: `IsSelf`)."""
    enter: bool = False


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the machine logged. `text` begins with `[word] `."""

    level: int
    """1 external, 2 changes, 3 operations, 4 decisions, 5 everything (since v0.15)."""
    text: str


@dataclass(frozen=True, slots=True)
class MachineSchema:
    """Who a machine is. Said first on a connection, and again after each change."""

    machine_id: str
    state_names: tuple[str, ...]
    """The order that every index follows."""
    states: Mapping[str, State]
    parent_id: str = ""
    tags: tuple[str, ...] = ()
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Group name to the indexes of its states, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class MachineTransition:
    """A mutation that was queued, or a transition that ended.

    Pairing: a transition belongs to the queued record with the same `queue_token`, or, when that is 0, to the one whose
    `queued_for` is its `queue_tick`.
    """

    machine_id: str
    transition_id: str
    clock: tuple[int, ...]
    """One tick per state in index order, after the transition; of a queued mutation: at that moment."""
    kind: str = "add"
    """`add`, `remove` or `set`."""
    called: tuple[str, ...] = ()
    """Names of the states that were asked for."""
    queued: bool = False
    """The mutation was queued; its transition is told later."""
    accepted: bool = True
    auto: bool = False
    check: bool = False
    """Nothing was to be changed: `CanAdd`, `CanRemove`."""
    queue_tick: int = 0
    queued_for: int = 0
    queue_token: int = 0
    queue_length: int = 0
    args: tuple[tuple[str, str], ...] = ()
    steps: tuple[Step, ...] = ()
    log: tuple[LogLine, ...] = ()
    """Written during the transition."""
    log_before: tuple[LogLine, ...] = ()
    """Written between the last transition and this one."""
    at_s: float | None = None
    """Seconds since 1970; in dump files only: on the wire the receiver's own clock stands."""
    stack_trace: str = ""
    """Who asked (since v0.18.8)."""

    @property
    def ended(self) -> bool:
        """A transition that ended, not a mutation that was queued."""
        return not self.queued


def read_schema(value: Any, limits: TelemetryLimits) -> MachineSchema:
    """A schema from a decoded `DbgMsgStruct`. Raises `TelemetryError`."""
    value = _mapping(value, "a schema")
    machine_id = _name(value.get("ID", ""), limits, "a machine's id")
    if not machine_id:
        raise TelemetryError("a machine without an id")
    names = _names(value.get("StatesIndex", ()), limits.states, limits, f"states of {machine_id!r}")
    if len(set(names)) != len(names):
        raise TelemetryError(f"machine {machine_id!r} names a state twice")
    stated = _mapping(value.get("States", {}), f"the states of {machine_id!r}")
    if len(stated) > limits.states:
        raise TelemetryError(f"machine {machine_id!r} has {len(stated)} states; at most {limits.states}")
    groups = _mapping(value.get("Groups") or {}, f"the groups of {machine_id!r}")
    if len(groups) > limits.tags:
        raise TelemetryError(f"machine {machine_id!r} has {len(groups)} groups; at most {limits.tags}")
    order = [name for name in value.get("GroupsOrder") or () if name in groups]
    return MachineSchema(
        machine_id=machine_id,
        state_names=names,
        states={name: _state(stated.get(name, {}), limits, machine_id) for name in names},
        parent_id=_name(value.get("Parent", ""), limits, "a parent's id"),
        tags=_names(value.get("Tags") or (), limits.tags, limits, f"tags of {machine_id!r}"),
        groups={
            _name(name, limits, "a group's name"): tuple(
                index for index in groups[name] or () if isinstance(index, int) and 0 <= index < len(names)
            )
            for name in dict.fromkeys([*order, *groups])
        },
    )


def _state(value: Any, limits: TelemetryLimits, machine_id: str) -> State:
    value = _mapping(value, f"a state of {machine_id!r}")

    def names(relation: str) -> tuple[str, ...]:
        return _names(value.get(relation) or (), limits.relations, limits, f"{relation} of {machine_id!r}")

    return State(
        auto=bool(value.get("Auto")),
        multi=bool(value.get("Multi")),
        require=names("Require"),
        add=names("Add"),
        remove=names("Remove"),
        after=names("After"),
        tags=names("Tags"),
    )


def read_transition(
    value: Any, names_of: Mapping[str, tuple[str, ...]], limits: TelemetryLimits
) -> MachineTransition:
    """A record from a decoded `DbgMsgTx`. `names_of` has the state names of the machines known so far.

    Called states and steps with an index outside of the schema are left out; a clock with more or fewer ticks than states
    is kept as it came. Raises `TelemetryError`, also for a machine whose schema was not told.
    """
    value = _mapping(value, "a transition")
    machine_id = value.get("MachineID", "")
    names = names_of.get(machine_id) if isinstance(machine_id, str) else None
    if names is None:
        raise TelemetryError(f"a transition of machine {str(machine_id)[:64]!r}, whose schema was not told")
    kind = value.get("Type", 0)
    if not isinstance(kind, int) or not 0 <= kind < len(KINDS):
        raise TelemetryError(f"a transition of {machine_id!r} with mutation type {kind!r}")
    clock = value.get("Clocks") or ()
    if len(clock) > limits.states or not (set(map(type, clock)) <= _WHOLE and min(clock, default=0) >= 0):
        raise TelemetryError(f"a transition of {machine_id!r} with a clock that is none")
    index = {name: at for at, name in enumerate(names)} if value.get("Steps") else {}
    return MachineTransition(
        machine_id=machine_id,
        transition_id=_name(value.get("ID", ""), limits, "a transition's id"),
        clock=tuple(clock),
        kind=KINDS[kind],
        called=_called(value, names, limits),
        queued=bool(value.get("IsQueued")),
        accepted=bool(value.get("Accepted")),
        auto=bool(value.get("IsAuto")),
        check=bool(value.get("IsCheck")),
        queue_tick=_number(value.get("QueueTick", 0)),
        queued_for=_number(value.get("MutQueueTick", 0)),
        queue_token=_number(value.get("MutQueueToken", 0)),
        queue_length=_number(value.get("Queue", 0)),
        args=_arguments(value.get("Args") or {}, limits),
        steps=_steps(value.get("Steps") or (), index, len(names), limits),
        log=_log(value.get("LogEntries") or (), limits),
        log_before=_log(value.get("PreLogEntries") or (), limits),
        at_s=_time(value.get("Time")),
        stack_trace=str(value.get("StackTrace", ""))[: limits.log_chars],
    )


_WHOLE = {int}


def _called(value: Mapping[str, Any], names: tuple[str, ...], limits: TelemetryLimits) -> tuple[str, ...]:
    by_index = value.get("CalledStatesIdxs")
    if by_index:
        return tuple(
            names[at] for at in by_index[: limits.states] if isinstance(at, int) and 0 <= at < len(names)
        )
    by_name = value.get("CalledStates") or ()
    return tuple(name for name in by_name[: limits.states] if name in names)


def _steps(
    steps: Iterable[Any], index: Mapping[str, int], states: int, limits: TelemetryLimits
) -> tuple[Step, ...]:
    found = []
    for step in list(steps)[: limits.steps]:
        if not isinstance(step, Mapping):
            raise TelemetryError("a step that is none")
        start, end = step.get("FromState", ""), step.get("ToState", "")
        if start or end:  # on the wire by name, in dump files by index
            ends = index.get(start, -1), index.get(end, -1)
        else:
            ends = step.get("FromStateIdx", 0), step.get("ToStateIdx", 0)
        kind, relation = step.get("Type", 0), step.get("RelType", 0)
        if kind not in _STEP_KINDS or not all(isinstance(at, int) and -1 <= at < states for at in ends):
            continue
        found.append(
            Step(
                _STEP_KINDS[kind],
                *ends,
                relation=relation if isinstance(relation, int) and 0 <= relation < len(RELATIONS) else 0,
                final=bool(step.get("IsFinal")),
                own=bool(step.get("IsSelf")),
                enter=bool(step.get("IsEnter")),
            )
        )
    return tuple(found)


_STEP_KINDS = {int(kind): kind for kind in StepKind}


def _log(lines: Iterable[Any], limits: TelemetryLimits) -> tuple[LogLine, ...]:
    return tuple(
        LogLine(_number(line.get("Level", 0)), str(line.get("Text", ""))[: limits.log_chars])
        for line in list(lines)[: limits.log_lines]
        if isinstance(line, Mapping)
    )


def _arguments(args: Any, limits: TelemetryLimits) -> tuple[tuple[str, str], ...]:
    args = _mapping(args, "arguments")
    longest = limits.argument_chars
    return tuple(
        (str(name)[:longest], str(args[name])[:longest]) for name in sorted(args, key=str)[: limits.arguments]
    )


def _time(value: Any) -> float | None:
    if not isinstance(value, bytes):
        return None
    try:
        return read_time(value)
    except GobError as error:
        raise TelemetryError(f"a transition with {error}") from error


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise TelemetryError(f"{str(value)[:64]!r} where a number belongs")
    return value


def _mapping(value: Any, what: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise TelemetryError(f"{what} that is none")
    return value


def _name(value: Any, limits: TelemetryLimits, what: str) -> str:
    if not isinstance(value, str):
        raise TelemetryError(f"{what} that is no text")
    if len(value) > limits.name_chars:
        raise TelemetryError(f"{what} with {len(value)} characters; at most {limits.name_chars}")
    return value


def _names(values: Any, most: int, limits: TelemetryLimits, what: str) -> tuple[str, ...]:
    if not isinstance(values, (list, tuple)):
        raise TelemetryError(f"{what}: no list")
    if len(values) > most:
        raise TelemetryError(f"{len(values)} {what}; at most {most}")
    return tuple(_name(value, limits, what) for value in values)
