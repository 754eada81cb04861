"""A part of a recording as a recording of its own: by time, by machine, and without what may be secret."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import Moment, Numbered
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    MachineKey,
    MachineRecord,
    MessageRecord,
    NoticeRecord,
    PeerDetailRecord,
    Record,
    TransitionRecord,
    replace,
)
from amdbg_tui.history.store import History
from amdbg_tui.history.tables import HistoryError, connect, write_meta
from amdbg_tui.history.writer import Writer
from amdbg_tui.settings import HistorySettings

PIECE = 20_000
HIDDEN = "…"
NO_BOUND = 1e6
"""Megabytes: a part of a recording is never larger than it."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    records: int
    first: int
    last: int


def export(
    history: History,
    target: Path,
    *,
    first: int = 1,
    last: int | None = None,
    machines: Collection[MachineKey] | None = None,
    redact: bool = False,
) -> Exported:
    """Write records `first` to `last` of some machines (None: of all) to a new file, with their numbers.

    How everything stood before is in it, too, so that every moment of the part can be told. Raises `HistoryError`.
    """
    if target.exists():
        raise HistoryError(f"{target} exists already: choose another name")
    last = history.last if last is None else min(last, history.last)
    cursor = history.cursor()
    bounds = {name: NO_BOUND for name in HistorySettings.__dataclass_fields__ if name.endswith("_mb")}
    count = 0
    try:
        connection = connect(target)
        try:
            writer = Writer(connection, HistorySettings(**bounds))  # type: ignore[arg-type]
            if first > 1:
                writer.begin_with(_only(cursor.live_at(first - 1), machines, redact), first - 1)
            for entries in _pieces(cursor, first, last, machines, redact):
                writer.see(entries)
                writer.store(entries)
                count += len(entries)
            write_meta(connection, last=last, exported_from=history.path.name if history.path else "")
            writer.end()
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise HistoryError(f"cannot write {target}: {getattr(error, 'strerror', None) or error}") from error
    return Exported(count, first, last)


def chosen(
    cursor: Cursor, first: int, last: int, machines: Collection[MachineKey] | None, redact: bool
) -> Iterator[Numbered]:
    """Records of a part, in order."""
    for piece in _pieces(cursor, first, last, machines, redact):
        yield from piece


def _pieces(
    cursor: Cursor, first: int, last: int, machines: Collection[MachineKey] | None, redact: bool
) -> Iterator[list[Numbered]]:
    for start in range(first - 1, last, PIECE):
        yield [
            _redacted(entry) if redact else entry
            for entry in cursor.entries(start, min(start + PIECE, last))
            if machines is None or _concerns(entry, machines)
        ]


def _concerns(entry: Numbered, machines: Collection[MachineKey]) -> bool:
    """Records of other machines are left out, and of peers that have none of these."""
    record = entry.record
    if isinstance(record, TransitionRecord | MachineRecord | CommandRecord):
        return record.key in machines
    peer_id = getattr(record, "peer_id", "")
    return (
        not peer_id or isinstance(record, ConnectionRecord) or any(key.peer_id == peer_id for key in machines)
    )


def _only(live: Live, machines: Collection[MachineKey] | None, redact: bool) -> Live:
    if machines is not None:
        live.machines = {key: known for key, known in live.machines.items() if key in machines}
        peers = {key.peer_id for key in machines}
        live.peers = {peer_id: peer for peer_id, peer in live.peers.items() if peer_id in peers}
    if redact:
        for peer in live.peers.values():
            if peer.detail is not None:
                peer.detail = replace(peer.detail, addresses=())
        if live.connection is not None:
            live.connection = replace(live.connection, addresses=(), detail="")
    return live


def _redacted(entry: Numbered) -> Numbered:
    """Without arguments' values, log texts, errors, addresses, messages' bytes. States, ticks and ids stay."""
    record = entry.record
    if type(entry) is Moment:
        assert isinstance(record, TransitionRecord)
        if not (record.args or record.log or record.error):
            return entry
        return entry._replace(
            record=replace(
                record,
                args=tuple([(name, HIDDEN) for name, _ in record.args]),
                log=tuple([(level, _prefix(text)) for level, text in record.log]),
                error=HIDDEN if record.error else "",
            )
        )
    hidden: Record = record
    if isinstance(record, PeerDetailRecord):
        hidden = replace(record, addresses=())
    elif isinstance(record, NoticeRecord):
        hidden = replace(record, text=HIDDEN)
    elif isinstance(record, CommandRecord):
        hidden = replace(record, args=tuple([(name, HIDDEN) for name, _ in record.args]), reason="")
    elif isinstance(record, ConnectionRecord):
        hidden = replace(record, addresses=(), detail="")
    elif isinstance(record, MessageRecord):
        hidden = replace(record, data=b"")
    return entry._replace(record=hidden)  # type: ignore[arg-type]


def _prefix(text: str) -> str:
    prefix, bracket, _ = text.partition("]")
    return f"{prefix}] {HIDDEN}" if bracket and text.startswith("[") else HIDDEN
