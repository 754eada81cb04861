"""Writing numbered records to the file, in batches, by one thread; and dropping the oldest beyond the bounds.

Each batch adds a small block to every class it has records of. Small blocks are joined with their neighbour while
that is not larger, as digits carry in a binary counter, until a block is full: so there are few blocks whatever
the pace, and a batch is in the file at once. The writer keeps a `Live` of its own and writes it as a keyframe now
and then. Each class has a bound in bytes; the oldest blocks of a class that exceeds it go.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import msgpack

from amdbg_tui.history.blocks import Packed, pack_others, pack_transitions
from amdbg_tui.history.keyframes import pack_keyframe
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import Entry, Generation, Moment, Numbered, weight_of
from amdbg_tui.history.records import (
    ConnectionRecord,
    RecordClass,
    class_of,
    replace,
)
from amdbg_tui.history.tables import (
    STATE_CLASSES,
    TRANSITION_CLASSES,
    HistoryError,
    create,
    dropped_key,
    format_of,
    prepare_to_write,
    read_meta,
    write_meta,
)
from amdbg_tui.settings import PROGRAM, HistorySettings

FULL = 1_024
"""A block of this weight is full. A clock change weighs 1, a record with steps and log as much as it is larger."""
MOST = 2_048
"""Greatest weight of a block of several records."""
KEYFRAME_RECORDS = 1_024
"""Records from one keyframe to the next, at least."""
KEYFRAME_RECORDS_MOST = 32_768
KEYFRAMES_SHARE = 2
"""A keyframe may be this many times as large as the records since the last one, or waits for more of them."""

_encode = msgpack.Encoder().encode


@dataclass(slots=True)
class OpenBlock:
    """A block that may still be joined with its neighbour."""

    id: int
    size: int
    weight: int
    entries: list[Numbered]
    full: bool = False


@dataclass(slots=True)
class Shelf:
    """The blocks of one class: how many bytes, and the newest ones while they are not full."""

    bytes: int = 0
    open: list[OpenBlock] = field(default_factory=list)
    dropped: int = 0
    dropped_last: int = 0


class Writer:
    """Owns the connection that writes. Not safe for threads: the history holds a lock around each call."""

    def __init__(self, connection: sqlite3.Connection, settings: HistorySettings) -> None:
        """Begins a recording in an empty file or goes on with one. Raises `sqlite3.Error`, `HistoryError`."""
        self.connection = connection
        self.settings = settings
        self.live = Live(tail_length=1, notes_length=1)
        """How everything stands as of the newest record seen: keyframes are made of it."""
        self.last = 0
        """Number of the newest record in the file."""
        self.newly_dropped: list[tuple[RecordClass, int, int]] = []
        """(class, count, last number) of classes that reached their bound for the first time."""
        self.ended = False
        self._bounds = {kind: settings.bytes_of(kind) for kind in RecordClass}
        self._shelves = {kind: Shelf() for kind in RecordClass}
        self._next_block = 1
        self._generations: list[Generation] = []
        """Not in the file yet."""
        self._stored_generations: set[int] = set()
        self._keyframe_number = 0
        self._keyframe_size = 0
        self._since_records = self._since_bytes = 0
        self._keyframe_bytes = 0
        self._generation_bytes = 0
        self._meta: dict[str, object] = {}
        """To be written with the next batch."""
        version = format_of(connection)
        if version not in (0, 2):
            raise HistoryError(f"it was written by another version of this program (format {version})")
        prepare_to_write(connection)
        if version == 0:
            create(connection)
            write_meta(
                connection, program=PROGRAM, version=_version(), start_s=time.time(), ended=False, last=0
            )
        else:
            self._remember()

    # Writing.

    def see(self, entries: Sequence[Numbered]) -> None:
        """Let keyframes know of records, once, whether they can be stored or not."""
        for entry in entries:
            generation = entry.generation
            if generation.id and generation.id not in self._stored_generations:
                self._stored_generations.add(generation.id)
                self._generations.append(generation)
            if isinstance(entry.record, ConnectionRecord):
                self._meta.update(topic=entry.record.topic, peer_id=entry.record.peer_id)
        self.live.apply(entries)
        self.live.notices.clear()

    def store(self, entries: Sequence[Numbered]) -> None:
        """Store records that were seen, in one transaction, all or none. Raises `sqlite3.Error`."""
        if not entries:
            return
        by_class: dict[RecordClass, list[Numbered]] = {}
        for entry in entries:
            by_class.setdefault(class_of(entry.record), []).append(entry)
        before = [(shelf, shelf.bytes, list(shelf.open), shelf.dropped, shelf.dropped_last)
                  for shelf in self._shelves.values()]  # fmt: skip
        figures = self._since_records, self._since_bytes, self._keyframe_number, self._keyframe_bytes
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for generation in self._generations:
                self._store_generation(generation)
            for kind, records in by_class.items():
                for weight, some in _portions(records):
                    self._shelve(kind, some, weight)
            self._keep_keyframe(entries[-1].number, len(entries))
            self._drop_oldest(entries[-1].number)
            write_meta(self.connection, last=entries[-1].number, end_s=entries[-1].record.at_s, **self._meta)
            execute("COMMIT")
        except BaseException:
            self.newly_dropped.clear()
            for shelf, size, blocks, dropped, dropped_last in before:
                shelf.bytes, shelf.open, shelf.dropped, shelf.dropped_last = (
                    size,
                    blocks,
                    dropped,
                    dropped_last,
                )
            self._since_records, self._since_bytes, self._keyframe_number, self._keyframe_bytes = figures
            if self.connection.in_transaction:
                execute("ROLLBACK")
            raise
        self._generations.clear()
        self._meta.clear()
        self.last = entries[-1].number

    def end(self) -> None:
        """Note that the recording ended in order. Raises `sqlite3.Error`."""
        if not self.ended:
            write_meta(self.connection, **{**self._meta, "ended": True})
            self.ended = True

    def begin_with(self, live: Live, number: int) -> None:
        """Begin an empty file with how everything stood as of a record. Raises `sqlite3.Error`."""
        self.live = live
        for known in live.machines.values():
            self._stored_generations.add(known.generation.id)
            self._store_generation(known.generation)
        self.connection.execute("INSERT INTO keyframes VALUES (?, ?)", (number, pack_keyframe(live)))
        self._keyframe_number = number
        write_meta(self.connection, begins_after=number)

    def go_on_with(self, connection: sqlite3.Connection, lost: int) -> None:
        """Go on in another, empty file, as of what was stored last. Raises `sqlite3.Error`."""
        prepare_to_write(connection)
        create(connection)
        fresh = {known.generation.id: known.generation for known in self.live.machines.values()}
        self.connection = connection
        self._generations = [
            *fresh.values(), *(known for known in self._generations if known.id not in fresh)
        ]  # fmt: skip
        self._shelves = {kind: Shelf() for kind in RecordClass}
        self._keyframe_bytes = 0
        self._keyframe_number = 0
        self._since_records = KEYFRAME_RECORDS_MOST
        connection.execute("BEGIN")
        write_meta(
            connection, program=PROGRAM, version=_version(), start_s=time.time(), ended=False, last=0,
            removed_before=lost, topic=self.live.connection.topic if self.live.connection else "",
            peer_id=self.live.own_peer_id,
        )  # fmt: skip
        connection.execute("COMMIT")

    def _store_generation(self, generation: Generation) -> None:
        record = replace(generation.record, clock=(), reason="", source="")
        key, body = generation.key, _encode(record)
        self._generation_bytes += len(body)
        self.connection.execute(
            "INSERT OR REPLACE INTO generations VALUES (?, ?, ?, ?, ?)",
            (generation.id, key.peer_id, key.slot, self.last + 1, body),
        )

    def _shelve(self, kind: RecordClass, entries: list[Numbered], weight: int) -> None:
        """Add a block, joined with the ones before it that are not heavier."""
        shelf = self._shelves[kind]
        joined: list[OpenBlock] = []
        while shelf.open:
            block = shelf.open[-1]
            if block.full or block.weight > weight or block.weight + weight > MOST:
                break
            shelf.open = shelf.open[:-1]
            joined.append(block)
            entries = block.entries + entries
            weight += block.weight
        for block in joined:
            self.connection.execute("DELETE FROM blocks WHERE id = ?", (block.id,))
            shelf.bytes -= block.size
        full = weight >= FULL
        packed = _packed(kind, entries)
        identity = self._next_block
        self._next_block += 1
        self._insert(identity, kind, packed, full)
        shelf.bytes += packed.size
        self._since_bytes += packed.size
        if full:
            shelf.open = [block for block in shelf.open if not block.full]
        block = OpenBlock(identity, packed.size, weight, [] if full else entries, full)
        shelf.open = [*shelf.open, block][-64:]

    def _insert(self, identity: int, kind: RecordClass, packed: Packed, full: bool) -> None:
        self.connection.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                identity, kind.value, packed.first, packed.last, packed.records, packed.stands_for, full, packed.at_min,
                packed.at_max, packed.elapsed_first, packed.elapsed_last, packed.size, packed.errors, packed.refused,
                packed.columns, packed.bodies, packed.words,
            ),
        )  # fmt: skip
        if full and packed.touched:
            self.connection.executemany(
                "INSERT INTO touched VALUES (?, ?, ?)",
                [(generation, identity, mask) for generation, mask in sorted(packed.touched.items())],
            )

    def _keep_keyframe(self, number: int, records: int) -> None:
        self._since_records += records
        due = self._since_records >= KEYFRAME_RECORDS_MOST or (
            self._since_records >= KEYFRAME_RECORDS
            and self._since_bytes * KEYFRAMES_SHARE >= self._keyframe_size
        )
        if not due or self.live.newest_number != number:
            return
        data = pack_keyframe(self.live)
        self.connection.execute("INSERT OR REPLACE INTO keyframes VALUES (?, ?)", (number, data))
        self._keyframe_number, self._keyframe_size = number, len(data)
        self._keyframe_bytes += len(data)
        self._since_records = self._since_bytes = 0

    # Dropping.

    def _drop_oldest(self, number: int) -> None:
        went = False
        if not self._keyframe_number and any(
            shelf.bytes > self._bounds[kind] for kind, shelf in self._shelves.items()
        ):
            self._since_records = KEYFRAME_RECORDS_MOST  # what goes must be known from a keyframe
            self._keep_keyframe(number, 0)
        for kind, shelf in self._shelves.items():
            while shelf.bytes > self._bounds[kind]:
                row = self.connection.execute(
                    "SELECT id, last, stands_for, size FROM blocks WHERE class = ? ORDER BY last LIMIT 1",
                    (kind.value,),
                ).fetchone()
                if row is None:
                    shelf.bytes = 0
                    break
                identity, last, count, size = row
                self.connection.execute("DELETE FROM blocks WHERE id = ?", (identity,))
                self.connection.execute("DELETE FROM touched WHERE block = ?", (identity,))
                shelf.open = [block for block in shelf.open if block.id != identity]
                shelf.bytes -= size
                if not shelf.dropped and kind is not RecordClass.LOSS:
                    self.newly_dropped.append((kind, count, last))
                shelf.dropped += count
                shelf.dropped_last = last
                went = True
                self._meta[dropped_key(kind)] = [shelf.dropped, last]
        if went or self._generation_bytes > self._bounds[RecordClass.MACHINE]:
            self._drop_unused()
        bound = sum(self._bounds[kind] for kind in STATE_CLASSES) // 4
        if self._keyframe_bytes > bound:
            self._thin_keyframes(bound)

    def _drop_unused(self) -> None:
        """Keyframes and generations that no kept record needs."""
        marks = ",".join("?" * len(TRANSITION_CLASSES))
        classes = [kind.value for kind in TRANSITION_CLASSES]
        execute = self.connection.execute
        (oldest,) = execute(f"SELECT min(first) FROM blocks WHERE class IN ({marks})", classes).fetchone()
        oldest = self.last if oldest is None else oldest
        (needed,) = execute("SELECT max(number) FROM keyframes WHERE number <= ?", (oldest,)).fetchone()
        needed = needed or 0
        sizes = execute("SELECT sum(length(data)) FROM keyframes WHERE number < ?", (needed,)).fetchone()
        if sizes[0]:
            execute("DELETE FROM keyframes WHERE number < ?", (needed,))
            self._keyframe_bytes -= sizes[0]
        current = {known.generation.id for known in self.live.machines.values()}
        bound, kept = self._bounds[RecordClass.MACHINE], 0
        later: dict[tuple[str, int], int] = {}
        for identity, peer, slot, number, length in execute(
            "SELECT id, peer, slot, number, length(body) FROM generations ORDER BY id DESC"
        ).fetchall():
            replaced = later.get((peer, slot))
            kept += length
            unused = replaced is not None and replaced < needed
            if identity not in current and (unused or kept > bound):
                execute("DELETE FROM generations WHERE id = ?", (identity,))
                kept -= length
            later[peer, slot] = number
        self._generation_bytes = kept

    def _thin_keyframes(self, bound: int) -> None:
        """Every second of the older half goes: their moments take longer, that is all."""
        rows = self.connection.execute(
            "SELECT number, length(data) FROM keyframes ORDER BY number"
        ).fetchall()
        for number, size in rows[1 : max(len(rows) // 2, 2) : 2]:
            self.connection.execute("DELETE FROM keyframes WHERE number = ?", (number,))
            self._keyframe_bytes -= size

    # Going on.

    def figures(self) -> tuple[int, int]:
        """(highest generation, microseconds recorded) so far."""
        execute = self.connection.execute
        (highest,) = execute("SELECT coalesce(max(id), 0) FROM generations").fetchone()
        (elapsed,) = execute("SELECT coalesce(max(elapsed_last), 0) FROM blocks").fetchone()
        return highest, elapsed

    def _remember(self) -> None:
        """Go on with an existing file where it ended; its newest blocks stay as they are."""
        execute = self.connection.execute
        meta = read_meta(self.connection)
        self.last = int(meta.get("last", 0))
        for kind, shelf in self._shelves.items():
            (size,) = execute(
                "SELECT coalesce(sum(size), 0) FROM blocks WHERE class = ?", (kind.value,)
            ).fetchone()
            shelf.bytes = size
            shelf.dropped, shelf.dropped_last = meta.get(dropped_key(kind), (0, 0))
        (highest,) = execute("SELECT coalesce(max(id), 0) FROM blocks").fetchone()
        self._next_block = highest + 1
        self._stored_generations = {identity for (identity,) in execute("SELECT id FROM generations")}
        (self._generation_bytes,) = execute(
            "SELECT coalesce(sum(length(body)), 0) FROM generations"
        ).fetchone()
        number, size = execute("SELECT max(number), sum(length(data)) FROM keyframes").fetchone()
        self._keyframe_number, self._keyframe_bytes = number or 0, size or 0
        self._since_records = self.last - self._keyframe_number
        self._meta["ended"] = False


def _packed(kind: RecordClass, entries: Iterable[Numbered]) -> Packed:
    if kind in TRANSITION_CLASSES:
        return pack_transitions([entry for entry in entries if type(entry) is Moment])
    return pack_others([entry for entry in entries if type(entry) is Entry])


def _portions(entries: Sequence[Numbered]) -> Iterator[tuple[int, list[Numbered]]]:
    """(weight, records) of pieces that fit into a block each."""
    some: list[Numbered] = []
    weight = 0
    for entry in entries:
        one = weight_of(entry)
        if some and weight + one > MOST:
            yield weight, some
            some, weight = [], 0
        some.append(entry)
        weight += one
    yield weight, some


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return ""
