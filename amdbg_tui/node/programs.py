"""Records of what programs tell a debugger: am-dbg's telemetry, live or from one of its dump files.

All machines of programs stand under one peer, `PROGRAMS_PEER`, one slot each. The same machine id heard again after its
connection ended takes its slot again; while both live they are two machines, until a person knows better. Nothing is
changed in what is told: a sum of ticks that falls is a restart, not an error. All text is made harmless here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from amdbg_tui.history.records import (
    PROGRAM_TRUST,
    PROGRAMS_PEER,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerRecord,
    Record,
    StateShape,
    StepRecord,
    TransitionRecord,
    replace,
)
from amdbg_tui.safe_text import TEXT_CELLS, safe_block, safe_text
from ampubsub.telemetry.dumps import DumpedMachine
from ampubsub.telemetry.messages import (
    RELATIONS,
    MachineSchema,
    MachineTransition,
    Step,
    StepKind,
)
from ampubsub.telemetry.receiver import (
    CallRefused,
    Heard,
    ProgramGone,
    SchemaHeard,
    TransitionHeard,
)

PROGRAMS_NAME = "programs"
NOTICE_INTERVAL_S = 5.0
"""Refused calls are told at most this often, with their number."""

_STEP_WORDS = {
    StepKind.RELATION: "rel",
    StepKind.HANDLER: "handler",
    StepKind.ACTIVATE: "activate",
    StepKind.DEACTIVATE: "deactivate",
    StepKind.DEACTIVATE_PASSIVE: "deactivate-passive",
    StepKind.CALLED: "called",
    StepKind.CANCEL: "cancel",
}
_SOURCE = "[source] "
_ERROR = "[error] "
_HANDLER = "[handler:"


@dataclass(slots=True)
class _Machine:
    record: MachineRecord
    names: tuple[str, ...]
    connection: int
    """0 once it ended."""
    clock: tuple[int, ...] = ()


class Programs:
    """Turns what a `Receiver` hears into records. Belongs to the receiver's thread."""

    def __init__(self, feed: Callable[[Sequence[Record]], object]) -> None:
        self._feed = feed
        self._machines: dict[int, _Machine] = {}
        """By slot."""
        self._slots: dict[tuple[int, str], int] = {}
        """Slot by connection and machine id."""
        self._refused: Counter[str] = Counter()
        self._refused_told_s = float("-inf")
        self._introduced = False

    def heard(self, event: Heard) -> None:
        """Take one event in, and feed what records it makes."""
        if isinstance(event, TransitionHeard):
            self._transition(event.connection, event.transition, event.at_s)
        elif isinstance(event, SchemaHeard):
            self._schema(event.connection, event.schema, event.at_s)
        elif isinstance(event, ProgramGone):
            self._gone(event)
        else:
            self._refusal(event)

    def _schema(self, connection: int, schema: MachineSchema, at_s: float) -> None:
        records: list[Record] = []
        if not self._introduced:
            self._introduced = True
            records.append(PeerRecord(at_s, PROGRAMS_PEER, "joined", PROGRAMS_NAME))
        slot, reason = self._slot(connection, schema.machine_id)
        known = self._machines.get(slot)
        clock = known.clock if known and known.connection == connection else ()
        record = _machine_record(schema, MachineKey(PROGRAMS_PEER, slot), at_s, reason, clock)
        self._machines[slot] = _Machine(record, schema.state_names, connection, clock)
        self._feed([*records, record])

    def _slot(self, connection: int, machine_id: str) -> tuple[int, str]:
        slot = self._slots.get((connection, machine_id))
        if slot is not None:
            return slot, "its schema, groups or tags changed"
        shown = safe_text(machine_id)
        ended = (at for at, known in self._machines.items() if _is_ended(known, shown))
        slot = next(ended, None)
        reason = "" if slot is None else "its program connected again"
        slot = len(self._machines) if slot is None else slot
        self._slots[connection, machine_id] = slot
        return slot, reason

    def _transition(self, connection: int, told: MachineTransition, at_s: float) -> None:
        if told.queued:
            return  # its transition is told once it ended
        machine = self._machines[self._slots[connection, told.machine_id]]
        records: list[Record] = []
        before = machine.clock or (0,) * len(machine.names)
        after = (told.clock + before[len(told.clock) :])[: len(machine.names)]
        if sum(after) < sum(before):
            records.append(
                replace(machine.record, at_s=at_s, clock=after, reason="it restarted: its ticks fell")
            )
            before = after
        machine.clock = after
        records.append(_transition_record(told, machine.record.key, machine.names, at_s, before, after))
        self._feed(records)

    def _gone(self, event: ProgramGone) -> None:
        records: list[Record] = []
        for machine_id in event.machine_ids:
            slot = self._slots.pop((event.connection, machine_id), None)
            if slot is None:
                continue
            machine = self._machines[slot]
            machine.connection = 0
            reason = safe_text(event.reason, TEXT_CELLS)
            machine.record = replace(
                machine.record, at_s=event.at_s, source="gone", reason=reason, clock=machine.clock
            )
            records.append(machine.record)
        self._feed(records)

    def _refusal(self, event: CallRefused) -> None:
        self._refused[event.reason] += 1
        if event.at_s - self._refused_told_s < NOTICE_INTERVAL_S:
            return
        self._refused_told_s = event.at_s
        reason, _ = self._refused.most_common(1)[0]
        count = self._refused.total()
        self._refused.clear()
        text = f"a program said what cannot be used: {safe_text(reason, TEXT_CELLS)}"
        if count > 1:
            text += f" (and {count - 1} more)"
        self._feed([NoticeRecord(event.at_s, "warning", text)])


def records_of_dump(machines: Iterable[DumpedMachine]) -> list[Record]:
    """The records of an am-dbg dump, in the order of their times, as if its programs told them now."""
    found: list[Record] = []
    programs = Programs(found.extend)
    events: list[tuple[float, int, Heard]] = []
    for connection, machine in enumerate(machines, 1):
        first = min((told.at_s or 0.0 for told in machine.transitions), default=0.0)
        events.append((first, 0, SchemaHeard(connection, machine.schema, first)))
        events.extend(
            (told.at_s or 0.0, 1, TransitionHeard(connection, told, told.at_s or 0.0))
            for told in machine.transitions
        )
    for _, _, event in sorted(events, key=lambda entry: entry[:2]):
        programs.heard(event)
    return found


def _machine_record(
    schema: MachineSchema, key: MachineKey, at_s: float, reason: str, clock: tuple[int, ...]
) -> MachineRecord:
    return MachineRecord(
        at_s,
        key,
        safe_text(schema.machine_id),
        tuple(
            StateShape(
                safe_text(name),
                state.auto,
                state.multi,
                require=tuple(map(safe_text, state.require)),
                add=tuple(map(safe_text, state.add)),
                remove=tuple(map(safe_text, state.remove)),
                after=tuple(map(safe_text, state.after)),
                tags=tuple(map(safe_text, state.tags)),
            )
            for name, state in schema.states.items()
        ),
        PROGRAM_TRUST,
        tuple(map(safe_text, schema.tags)),
        safe_text(schema.parent_id),
        tuple((safe_text(name), members) for name, members in schema.groups.items()),
        clock,
        reason,
    )


def _is_ended(machine: _Machine, shown_id: str) -> bool:
    return not machine.connection and machine.record.machine_id == shown_id


def _transition_record(
    told: MachineTransition,
    key: MachineKey,
    names: tuple[str, ...],
    at_s: float,
    before: tuple[int, ...],
    after: tuple[int, ...],
) -> TransitionRecord:
    log = tuple((line.level, safe_block(line.text)) for line in (*told.log_before, *told.log))
    return TransitionRecord(
        at_s,
        key,
        safe_text(told.transition_id),
        told.kind,
        tuple(map(safe_text, told.called)),
        told.accepted,
        before,
        after,
        auto=told.auto,
        check=told.check,
        source=next((text.removeprefix(_SOURCE) for _, text in log if text.startswith(_SOURCE)), ""),
        trust=PROGRAM_TRUST,
        queue_tick=told.queue_tick,
        args=tuple((safe_text(name), safe_text(value, TEXT_CELLS)) for name, value in told.args),
        handlers=tuple(
            text.partition("] ")[2] for _, text in log if text.startswith(_HANDLER) and text[9:10].isdigit()
        ),
        steps=tuple(_step(step, names) for step in told.steps),
        log=log,
        error=_error(told, log),
    )


def _error(told: MachineTransition, log: tuple[tuple[int, str], ...]) -> str:
    """The text of the error that a transition reports: from its log, or from its arguments."""
    for _, text in log:
        if text.startswith(_ERROR):
            return text.removeprefix(_ERROR)
    reports = told.accepted and any(name.startswith(("Exception", "Err")) for name in told.called)
    return safe_block(dict(told.args).get("err", "")) if reports else ""


def _step(step: Step, names: tuple[str, ...]) -> StepRecord:
    detail = ""
    if step.kind is StepKind.RELATION:
        detail = RELATIONS[step.relation]
    elif step.kind is StepKind.HANDLER:
        detail = "F" * step.final + "E" * step.enter + "S" * step.own
    return StepRecord(
        _STEP_WORDS[step.kind],
        safe_text(names[step.from_state]) if step.from_state >= 0 else "",
        safe_text(names[step.to_state]) if step.to_state >= 0 else "",
        detail,
    )
