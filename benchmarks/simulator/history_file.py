"""What one peer of a day saw, as a history file: the screen shows a failing seed as it shows a real topic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from amdbg_tui.history import History
from amdbg_tui.history.records import (
    ConnectionRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerRecord,
    Record,
    StateShape,
    TransitionRecord,
)
from ampubsub.topic.events import (
    ClockChanged,
    MachineExposed,
    MachineGone,
    MachineReplaced,
    MachineSourceChanged,
    Noticed,
    PeerChanged,
)
from benchmarks.simulator.day import Day
from benchmarks.simulator.network import TOPIC
from benchmarks.simulator.peer import Belief

DAY_BEGAN_S = 1.8e9
"""Wall-clock time of second 0 of a day."""


def write_history(day: Day, observer: int, path: Path) -> int:
    """Write what a peer saw on a day that was run with `Day.records`; returns the number of records."""
    records = list(_records(day, observer))
    with History(path) as history:
        for start in range(0, len(records), 500):
            history.append(records[start : start + 500])
        history.flush()
    return len(records)


def _records(day: Day, observer: int) -> Iterator[Record]:
    shown: dict[tuple[str, int], MachineRecord] = {}
    watched = day.peers[observer]
    if watched is None or day.records is None:
        return
    yield ConnectionRecord(
        DAY_BEGAN_S, "joined", TOPIC, watched.peer_id, detail=f"seed {day.seed}, {watched.name}"
    )
    yield PeerRecord(DAY_BEGAN_S, watched.peer_id, "self", watched.name)
    for fault in day.faults:
        yield NoticeRecord(DAY_BEGAN_S + fault.start_s, "warning", f"fault: {fault!r}")
    for at_s, peer, event, belief in day.records:
        if peer.name != watched.name:
            continue
        now = DAY_BEGAN_S + at_s
        match event:
            case PeerChanged():
                name = day.truth.name(event.peer_id)
                yield PeerRecord(now, event.peer_id, event.status.value, name, event.reason)
            case MachineExposed() | MachineReplaced() if belief is not None:
                shown[event.key] = _machine(now, belief, getattr(event, "reason", ""))
                yield shown[event.key]
            case MachineSourceChanged() | MachineGone() if event.key in shown:
                source = "gone" if isinstance(event, MachineGone) else event.source.value
                record = replace(shown[event.key], at_s=now, source=source, reason=event.reason, clock=())
                shown[event.key] = record
                yield record
            case ClockChanged():
                yield TransitionRecord(
                    now,
                    MachineKey(*event.key),
                    "",
                    "clock",
                    (),
                    True,
                    tuple(event.before),
                    tuple(event.after),
                    derived=True,
                    source=event.teller,
                    trust=event.source.value,
                )
            case Noticed():
                yield NoticeRecord(now, event.severity, event.text, event.peer_id)
            case _:
                pass


def _machine(at_s: float, belief: Belief, reason: str) -> MachineRecord:
    shapes = []
    for name in belief.states:
        state = belief.schema[name]
        shapes.append(
            StateShape(
                name, state.auto, state.multi, state.require, state.add, state.remove, state.after, state.tags
            )
        )
    return MachineRecord(
        at_s,
        MachineKey(*belief.key),
        belief.machine_id,
        tuple(shapes),
        belief.source.value,
        clock=tuple(belief.clock),
        reason=reason,
    )
