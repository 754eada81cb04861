"""am-dbg's dump files (`.gob.br`) as recordings, and recordings as dump files that am-dbg imports.

What am-dbg knows and a topic does not (steps, log, arguments) is there where the recording has it: of own machines and of programs.
A machine whose schema changed is written as it was last, with the records of that schema: a dump has one schema a machine.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from amdbg_tui.history import History, HistoryError
from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.moments import Moment
from amdbg_tui.history.records import MachineKey, TransitionRecord
from amdbg_tui.node.programs import records_of_dump
from ampubsub.machine import State
from ampubsub.telemetry.dumps import DumpedMachine, DumpError, read_dump, write_dump
from ampubsub.telemetry.messages import (
    KINDS,
    RELATIONS,
    LogLine,
    MachineSchema,
    MachineTransition,
    Step,
    StepKind,
)

SUFFIX = ".gob.br"
_PIECE = 5_000
_STEPS = {
    "rel": StepKind.RELATION,
    "handler": StepKind.HANDLER,
    "activate": StepKind.ACTIVATE,
    "deactivate": StepKind.DEACTIVATE,
    "deactivate-passive": StepKind.DEACTIVATE_PASSIVE,
    "called": StepKind.CALLED,
    "cancel": StepKind.CANCEL,
}


def is_dump(name: str | Path) -> bool:
    """Whether a file is one of am-dbg's, by its name."""
    return str(name).endswith(SUFFIX)


def open_dump(path: Path) -> History:
    """A dump as a recording to look at; its temporary file ends with the history. Raises `HistoryError`."""
    try:
        machines = read_dump(path)
    except DumpError as error:
        raise HistoryError(str(error)) from error
    folder = tempfile.TemporaryDirectory(prefix="ampubsub-tui-")
    try:
        made = Path(folder.name) / path.name.replace(SUFFIX, ".db")
        with History(made) as history:
            records = records_of_dump(machines)
            for start in range(0, len(records), _PIECE):
                history.append(records[start : start + _PIECE])
        history = History.open(made)
    except BaseException:
        folder.cleanup()
        raise
    history.temporary = folder
    return history


def export_dump(
    history: History, target: Path, first: int, last: int, keys: Collection[MachineKey] | None
) -> int:
    """Write the transitions of a part of a recording as a dump; how many. Raises `HistoryError`."""
    live = history.at(last)
    chosen = {key: machine for key, machine in live.machines.items() if keys is None or key in keys}
    found: dict[MachineKey, list[MachineTransition]] = {key: [] for key in chosen}
    ids = _ids(chosen)
    cursor = history.cursor()
    for start in range(first - 1, last, _PIECE):
        for entry in cursor.entries(start, min(start + _PIECE, last)):
            if not isinstance(entry, Moment) or (machine := chosen.get(entry.record.key)) is None:
                continue
            if entry.generation == machine.generation:
                found[machine.key].append(_transition(entry, machine, ids[machine.key]))
    machines = [
        DumpedMachine(_schema(machine, ids[key]), tuple(found[key]))
        for key, machine in sorted(chosen.items())
    ]
    try:
        write_dump(target, machines)
    except DumpError as error:
        raise HistoryError(str(error)) from error
    return sum(map(len, found.values()))


def _ids(machines: Mapping[MachineKey, LiveMachine]) -> dict[MachineKey, str]:
    """Ids are unique in a dump: machines of one id are told apart by peer and index."""
    times = Counter(machine.record.machine_id for machine in machines.values())
    return {
        key: machine.record.machine_id
        if times[machine.record.machine_id] == 1
        else f"{machine.record.machine_id}-{key.peer_id[-6:]}-{key.slot}"
        for key, machine in machines.items()
    }


def _schema(machine: LiveMachine, identity: str) -> MachineSchema:
    record = machine.record
    return MachineSchema(
        identity,
        machine.names,
        {
            shape.name: State(
                auto=shape.auto,
                multi=shape.multi,
                require=shape.require,
                add=shape.add,
                remove=shape.remove,
                after=shape.after,
                tags=shape.tags,
            )
            for shape in record.states
        },
        record.parent_id,
        (*record.tags, f"peer:{record.key.peer_id}"),
        dict(record.groups),
    )


def _transition(moment: Moment, machine: LiveMachine, identity: str) -> MachineTransition:
    record: TransitionRecord = moment.record
    index = machine.index
    log = tuple(LogLine(level, text) for level, text in record.log)
    if not any(line.text.startswith(("[state] ", "[auto_] ")) for line in log) and moment.changed:
        names, after = moment.names, record.after
        changes = " ".join(f"{'+' if after[at] % 2 else '-'}{names[at]}" for at in moment.changed)
        log = (*log, LogLine(2, f"[state] {changes}"))
    return MachineTransition(
        identity,
        record.transition_id or f"{moment.number:x}",
        record.after,
        record.kind if record.kind in KINDS else "set",
        record.called,
        accepted=record.accepted,
        auto=record.auto,
        check=record.check,
        queue_tick=record.queue_tick,
        args=record.args,
        steps=tuple(
            Step(
                _STEPS[step.kind],
                index.get(step.from_state, -1),
                index.get(step.to_state, -1),
                relation=RELATIONS.index(step.detail) if step.detail in RELATIONS else 0,
                final=step.kind == "handler" and "F" in step.detail,
                own=step.kind == "handler" and "S" in step.detail,
                enter=step.kind == "handler" and "E" in step.detail,
            )
            for step in record.steps
        ),
        log=log,
        at_s=record.at_s,
    )
