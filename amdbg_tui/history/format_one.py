"""Recordings of format 1 (a row a record): read, and written anew as format 2 into a temporary file.

Numbers stay as they were. What format 1 did not keep (monotone time, program version) is missing or made up from
the records' wall-clock times.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from amdbg_tui.history.moments import Numbered, Numbering
from amdbg_tui.history.packing import unpack_numbers
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    TransitionRecord,
    replace,
)
from amdbg_tui.history.tables import HistoryError, connect, connect_to_read, format_of
from amdbg_tui.history.writer import Writer
from amdbg_tui.settings import HistorySettings

BATCH = 2_000
TYPES: dict[str, type[Any]] = {
    "peer": PeerRecord,
    "detail": PeerDetailRecord,
    "notice": NoticeRecord,
    "command": CommandRecord,
    "connection": ConnectionRecord,
}
FLAGS = {"accepted": 1, "auto": 2, "check": 4, "derived": 8, "by_hand": 16}


def is_format_one(path: Path) -> bool:
    """Whether a file is such a recording. Raises `HistoryError` when it cannot be read or is no history."""
    connection = connect_to_read(path)
    try:
        return format_of(connection) == 1
    except (sqlite3.Error, HistoryError, ValueError) as error:
        raise HistoryError(f"cannot use the history {path}: {error}") from error
    finally:
        connection.close()


def converted(path: Path) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """A folder to be removed afterwards, and the recording in it as format 2. Raises `HistoryError`."""
    folder = tempfile.TemporaryDirectory(prefix="ampubsub-tui-")
    newer = Path(folder.name) / path.name
    old = connect_to_read(path)
    try:
        connection = connect(newer)
        try:
            _convert(old, Writer(connection, HistorySettings()))
        finally:
            connection.close()
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError) as error:
        folder.cleanup()
        raise HistoryError(f"cannot convert the recording {path} of format 1: {error}") from error
    finally:
        old.close()
    return folder, newer


def _convert(old: sqlite3.Connection, writer: Writer) -> None:
    newest_s = [0.0]
    numbering = Numbering(lambda: newest_s[0])
    batch: list[Numbered] = []
    first_s: float | None = None
    for number, record in _records(old):
        first_s = record.at_s if first_s is None else first_s
        newest_s[0] = max(newest_s[0], record.at_s - first_s)
        numbering.last = number - 1
        batch += numbering.take([record])
        if len(batch) >= BATCH:
            writer.see(batch)
            writer.store(batch)
            batch = []
    if batch:
        writer.see(batch)
        writer.store(batch)
    writer.end()


def _records(old: sqlite3.Connection) -> Iterator[tuple[int, Record]]:
    """(number, record) of everything, in order."""
    machines = {row: _load(MachineRecord, body) for row, body in old.execute("SELECT id, body FROM machines")}
    tellers = dict(old.execute("SELECT id, name FROM tellers"))
    rows = old.execute(
        "SELECT number, 1, at, machine, kind, flags, trust, teller, before, after, body FROM transitions"
        " UNION ALL SELECT number, 0, at, machine, type, NULL, NULL, NULL, NULL, NULL, body FROM others"
        " ORDER BY number"
    )
    known: set[MachineKey] = set()
    for number, is_transition, at_s, machine, kind, flags, trust, teller, before, after, body in rows:
        if not is_transition:
            record = _other(kind, machines.get(machine), at_s, body)
            if isinstance(record, MachineRecord):
                known.add(record.key)
            yield number, record
            continue
        key = MachineKey(*machines[machine].key)
        clocks = tuple(unpack_numbers(before)), tuple(unpack_numbers(after))
        if key not in known:  # its own record was dropped: its schema is still there
            known.add(key)
            yield number, replace(machines[machine], at_s=at_s, key=key, source=trust, clock=clocks[0])
        if body is not None:
            yield number, replace(_load(TransitionRecord, body), key=key, before=clocks[0], after=clocks[1])
        else:
            bits: dict[str, Any] = {name: bool(flags & bit) for name, bit in FLAGS.items()}
            yield number, TransitionRecord(
                at_s, key, "", kind, (), before=clocks[0], after=clocks[1], source=tellers.get(teller, ""),
                trust=trust, **bits,
            )  # fmt: skip


def _other(kind: str, machine: MachineRecord | None, at_s: float, body: str) -> Record:
    if kind == "machine" and machine is not None:
        source, reason, clock = json.loads(body)
        key = MachineKey(*machine.key)
        return replace(machine, at_s=at_s, key=key, source=source, reason=reason, clock=tuple(clock))
    record: Record = _load(TYPES[kind], body)
    return record


def _load(kind: type[Any], body: str) -> Any:
    return msgspec.convert([kind.__struct_config__.tag, *json.loads(body)], kind)
