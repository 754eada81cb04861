"""Reading the file of a recording and what is not in it yet: blocks, single records, stretches of records.

Each call reads one state of the file, whatever the writer does meanwhile.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from msgspec import MsgspecError, msgpack

from amdbg_tui.history.block_reading import OtherBlock, TransitionBlock
from amdbg_tui.history.harmless import harmless
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import Entry, Generation, Moment, Numbered
from amdbg_tui.history.records import MachineKey, MachineRecord, RecordClass, class_of
from amdbg_tui.history.tables import TRANSITION_CLASSES, HistoryError, dropped_key, read_meta

BLOCKS_KEPT = 48
"""Blocks kept in memory, read."""
BLOCK = "id, first, last, elapsed_first, columns, bodies, words"


DAMAGES = (sqlite3.DatabaseError, zlib.error, MsgspecError, ValueError, LookupError, TypeError, OverflowError)
"""What reading a damaged file may raise."""


class Reader:
    """What cursors read with. May be used by several threads, one call at a time."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        lock: AbstractContextManager[object],
        waiting: Callable[[], Sequence[Numbered]] = list,
        known: dict[int, Generation] | None = None,
        *,
        clean: bool = False,
    ) -> None:
        """`waiting` are records not in the file yet; `known` generations by id, shared with who numbers them.

        `clean`: the file may be anybody's, so its texts are made harmless.
        """
        self._clean = clean
        self._connect = connect
        self._lock = lock
        self._waiting = waiting
        self._known = known if known is not None else {}
        self._bases: dict[int, Live] = {}
        """Moments that others are made from, by number; nobody changes them."""
        self._blocks: dict[int, TransitionBlock | OtherBlock] = {}

    @property
    def newest_number(self) -> int:
        """Number of the newest record; 0 when there is none."""
        waiting = self._waiting()
        if waiting:
            return waiting[-1].number
        with self._reading() as connection:
            return _last_of(connection)

    @property
    def oldest_transition(self) -> int:
        """Number of the oldest transition kept; 0 when there is none."""
        with self._reading() as connection:
            oldest = [
                connection.execute(
                    "SELECT first FROM blocks WHERE class = ? ORDER BY last LIMIT 1", (kind.value,)
                ).fetchone()
                for kind in TRANSITION_CLASSES
            ]
        numbers = [row[0] for row in oldest if row is not None]
        if not numbers:
            numbers = [entry.number for entry in self._waiting() if type(entry) is Moment]
        return min(numbers, default=0)

    @property
    def dropped_transitions(self) -> int:
        """How many transitions were dropped because the history is bounded."""
        with self._reading() as connection:
            meta = read_meta(connection)
        return sum(meta.get(dropped_key(kind), (0, 0))[0] for kind in TRANSITION_CLASSES)

    def entry(self, number: int, classes: Iterable[RecordClass] = tuple(RecordClass)) -> Numbered | None:
        """Any record by its number; None when it was dropped or merged."""
        with self.snapshot() as (connection, waiting, newest):
            if number > newest:
                return None
            for entry in waiting:
                if entry.number == number:
                    return entry if class_of(entry.record) in classes else None
            for kind in classes:
                row = connection.execute(
                    f"SELECT {BLOCK} FROM blocks WHERE class = ? AND last >= ? ORDER BY last LIMIT 1",
                    (kind.value, number),
                ).fetchone()
                if row is None or row[1] > number:
                    continue
                block = self.block(connection, row)
                numbers = block.numbers
                if number in numbers:
                    at = numbers.index(number)
                    return block.moments([at])[0] if isinstance(block, TransitionBlock) else block.entries[at]
        return None

    def entries(
        self, after: int, upto: int, classes: Iterable[RecordClass] = tuple(RecordClass)
    ) -> list[Numbered]:
        """All records of some classes with numbers above `after` and up to `upto`, in order."""
        with self.snapshot() as (connection, waiting, _):
            return self._between(connection, waiting, after, upto, frozenset(classes))

    def others(self, kind: RecordClass, *, before: int | None = None, limit: int = 200) -> list[Entry]:
        """Records of a class that holds no transitions (messages, say): the newest `limit` before a number."""
        found: list[Entry] = []
        with self.snapshot() as (connection, waiting, newest):
            beyond = newest + 1 if before is None else before
            found += [
                entry
                for entry in reversed(waiting)
                if type(entry) is Entry and entry.number < beyond and class_of(entry.record) is kind
            ][:limit]
            rows = connection.execute(
                f"SELECT {BLOCK} FROM blocks WHERE class = ? AND first < ? ORDER BY last DESC",
                (kind.value, beyond),
            )
            for row in rows:
                if len(found) >= limit:
                    break
                block = self.block(connection, row)
                assert isinstance(block, OtherBlock)
                found += [entry for entry in reversed(block.entries) if entry.number < beyond]
        del found[limit:]
        found.reverse()
        return found

    def transition_blocks(self) -> Iterator[TransitionBlock]:
        """All blocks of transitions, each class in order; what is not in the file yet is left out."""
        with self.snapshot() as (connection, _, _):
            for kind in TRANSITION_CLASSES:
                statement = "SELECT id FROM blocks WHERE class = ? ORDER BY last"
                for row in connection.execute(statement, (kind.value,)).fetchall():
                    yield self.block(connection, row)

    def _between(
        self,
        connection: sqlite3.Connection,
        waiting: Sequence[Numbered],
        after: int,
        upto: int,
        classes: frozenset[RecordClass],
    ) -> list[Numbered]:
        found: list[Numbered] = []
        for kind in classes:
            rows = connection.execute(
                f"SELECT {BLOCK} FROM blocks WHERE class = ? AND last > ? AND first <= ? ORDER BY last",
                (kind.value, after, upto),
            )
            for row in rows.fetchall():
                block = self.block(connection, row)
                positions = [at for at, number in enumerate(block.numbers) if after < number <= upto]
                if isinstance(block, TransitionBlock):
                    found += block.moments(positions)
                else:
                    found += [block.entries[at] for at in positions]
        found += [
            entry for entry in waiting if after < entry.number <= upto and class_of(entry.record) in classes
        ]
        found.sort(key=_number)
        return found

    def block(self, connection: sqlite3.Connection, row: Any) -> Any:
        """A block read, from a row that begins with its id."""
        identity = row[0]
        block = self._blocks.pop(identity, None)
        if block is None:
            kind, elapsed, columns, bodies, words = connection.execute(
                "SELECT class, elapsed_first, columns, bodies, words FROM blocks WHERE id = ?", (identity,)
            ).fetchone()
            resolve = self._resolver(connection)
            if kind in TRANSITION_CLASSES:
                block = TransitionBlock(columns, bodies, words, elapsed, resolve, clean=self._clean)
            else:
                block = OtherBlock(columns, elapsed, resolve, clean=self._clean)
        self._blocks[identity] = block
        if len(self._blocks) > BLOCKS_KEPT:
            del self._blocks[next(iter(self._blocks))]
        return block

    def _resolver(self, connection: sqlite3.Connection) -> Callable[[int], Generation]:
        known = self._known

        def resolve(identity: int) -> Generation:
            generation = known.get(identity)
            if generation is None:
                row = connection.execute("SELECT body FROM generations WHERE id = ?", (identity,)).fetchone()
                if row is None:
                    record = MachineRecord(0.0, MachineKey("", -2), f"? {identity}", (), "gone")
                else:
                    record = msgpack.decode(row[0], type=MachineRecord)
                    record = harmless(record) if self._clean else record
                generation = known[identity] = Generation(identity, record)
            return generation

        return resolve

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, with one state of the file for as long as it lasts."""
        with self._lock:
            connection = self._connect()
            inside = connection.in_transaction
            try:
                if not inside:
                    connection.execute("BEGIN")
                yield connection
            except DAMAGES as error:
                raise HistoryError(
                    f"the recording cannot be read here, it may be damaged: {error}"
                ) from error
            finally:
                for ending in ("COMMIT", "ROLLBACK"):
                    if not inside and connection.in_transaction:
                        with suppress(sqlite3.Error):
                            connection.execute(ending)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[sqlite3.Connection, Sequence[Numbered], int]]:
        """The file, what is not in it yet, and the newest number of both."""
        waiting = self._waiting()
        with self._reading() as connection:
            stored = _last_of(connection)
            fresh = [entry for entry in waiting if entry.number > stored]
            yield connection, fresh, fresh[-1].number if fresh else stored


def _last_of(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE key = 'last'").fetchone()
    return int(row[0]) if row else 0


def _number(entry: Numbered) -> int:
    return entry.number
