"""Reading a recording: pages of transitions by filter, single records, and how everything stood at any moment.

A moment is a record number. Every method with `at` answers as of after that record; None means the newest. What
was fed and is not in the file yet is read from memory, so an answer is never older than the live model. Each call
reads one state of the file, whatever the writer does meanwhile.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from amdbg_tui.history.block_reading import Search, TransitionBlock
from amdbg_tui.history.blocks import mask_of
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.harmless import make_harmless
from amdbg_tui.history.keyframes import unpack_keyframe
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import Generation, Moment, Numbered
from amdbg_tui.history.packing import unpack_numbers
from amdbg_tui.history.reader import Reader
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    LossRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    RecordClass,
)
from amdbg_tui.history.tables import STATE_CLASSES, TRANSITION_CLASSES, dropped_key, read_meta
from amdbg_tui.history.timeline import number_at

BASES_KEPT = 6
"""Moments kept in memory, whole."""
NEAR = 64
"""A step back this far is quick, however long the way to a moment was."""
NOTES = 500
"""Notices, commands and losses that a moment of the past lists."""
EVERY = TransitionFilter()
ONLY_ERRORS = TransitionFilter(errors=True)
ONLY_REFUSED = TransitionFilter(accepted=False)
Plain = TypeVar("Plain", bound=Record)


@dataclass(frozen=True, slots=True)
class Page:
    """Transitions in the order they happened, and where to go on."""

    moments: tuple[Moment, ...]
    first: int
    """Ask for the page before this number to go back in time. Nothing at or after it was left out."""
    last: int
    """Ask for the page after this number to go forward."""
    more: bool
    """There may be more in the direction that was asked for."""


class Canceled(Exception):  # noqa: N818 - somebody wanted it so
    """A search was given up."""


class Cursor(Reader):
    """Reads a history, whose writer goes on meanwhile. May be used by several threads, one call at a time."""

    # Transitions.

    def page(
        self,
        wanted: TransitionFilter = EVERY,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 200,
        canceled: Callable[[], bool] = lambda: False,
    ) -> Page:
        """Transitions that pass a filter.

        The newest `limit` of those before the number `before` (None: of all), or with `after` the oldest of
        those after it. Looks as far as it must. Raises `Canceled` when `canceled` answers True meanwhile.
        """
        forward = after is not None
        start = after if after is not None else before
        with self.snapshot() as (connection, waiting, newest):
            start = newest + 1 if start is None else start
            found = self._merged(connection, waiting, Search(wanted), start, forward, canceled)
            moments = [moment for _, moment in zip(range(limit + 1), found, strict=False)]
        more = len(moments) > limit
        del moments[limit:]
        if forward:
            last = moments[-1].number if more else max(newest, start)
            return Page(tuple(moments), start + 1, last, more)
        moments.reverse()
        return Page(tuple(moments), moments[0].number if more else 0, start - 1, more)

    def numbers(
        self, wanted: TransitionFilter = EVERY, *, canceled: Callable[[], bool] = lambda: False
    ) -> list[int]:
        """Numbers of all transitions that pass a filter, in order. Raises `Canceled`."""
        search = Search(wanted)
        found: list[int] = []
        with self.snapshot() as (connection, waiting, _):
            for kind in TRANSITION_CLASSES:
                for row in self._rows(connection, search, kind, 0, True):
                    if canceled():
                        raise Canceled
                    positions = self._hits(connection, row, search)
                    if positions is None or positions:
                        numbers = self.block(connection, row).numbers
                        found += numbers if positions is None else [numbers[at] for at in positions]
            found += [moment.number for moment in waiting if _passes(moment, wanted)]
        found.sort()
        return found

    def transition(self, number: int) -> Moment | None:
        """One transition by its number; None when that is no transition or was dropped."""
        entry = self.entry(number, TRANSITION_CLASSES)
        return entry if type(entry) is Moment else None

    def number_at(self, at_s: float) -> int:
        """Number of the last transition that came up to a wall-clock time (seconds since the epoch); 0: none."""
        return number_at(self, at_s)

    # Moments.

    def live_at(self, number: int) -> Live:
        """Everything as of a record: the keyframe before it, and what came since.

        A number before the oldest moment that can be told stands for that one.
        """
        with self.snapshot() as (connection, waiting, newest):
            number, live = self._base(connection, min(number, newest))
            start = live.newest_number
            missing = set(live.missing)
            entries = self._between(connection, waiting, start, number, frozenset(STATE_CLASSES))
            near = len(entries) - NEAR
            if near > NEAR:  # a place to go on from, for steps back from here
                live.apply(entries[:near])
                live.missing = tuple(missing)
                self._remember_base(live)
                live, entries = live.derived(), entries[near:]
            live.apply(entries)
            meta = read_meta(connection)
            for kind in (*TRANSITION_CLASSES, RecordClass.MACHINE, RecordClass.PEER):
                if start < meta.get(dropped_key(kind), (0, 0))[1]:
                    missing.add(kind)
            live.missing = tuple(sorted(missing))
            live.newest_number = number
            self._remember_base(live)
        live.notices.clear()
        live.notices.extend([each for _, each in self._plain(NoticeRecord, number + 1, NOTES)])
        live.commands.clear()
        live.commands.extend([each for _, each in self._plain(CommandRecord, number + 1, NOTES)])
        live.losses.clear()
        live.losses.extend(self._plain(LossRecord, number + 1, NOTES))
        live.moment = number
        length = live.tail_length
        live.read_tail_with(lambda: self.page(before=number + 1, limit=length).moments)
        return live

    def _base(self, connection: sqlite3.Connection, number: int) -> tuple[int, Live]:
        """Where to begin for a moment: (number, a `Live` not newer than it, to be changed).

        The number is a later one when the moment cannot be told any more.
        """
        newest = max((known for known in self._bases if known <= number), default=-1)
        row = connection.execute(
            "SELECT number FROM keyframes WHERE number <= ? ORDER BY number DESC LIMIT 1", (number,)
        ).fetchone()
        if row is None and newest < 0:
            meta = read_meta(connection)
            gone = any(meta.get(dropped_key(kind)) for kind in STATE_CLASSES)
            if gone or meta.get("removed_before") or meta.get("begins_after"):
                row = connection.execute("SELECT number FROM keyframes ORDER BY number LIMIT 1").fetchone()
            if row is None:
                return number, Live()
            number = max(number, row[0])
        if row is not None and row[0] > newest:
            newest = row[0]
            (data,) = connection.execute("SELECT data FROM keyframes WHERE number = ?", (newest,)).fetchone()
            live = unpack_keyframe(data, self._resolver(connection))
            self._remember_base(make_harmless(live) if self._clean else live)
        base = self._bases.pop(newest)
        self._bases[newest] = base
        live = base.derived()
        live.missing = base.missing
        return number, live

    def _remember_base(self, live: Live) -> None:
        self._bases[live.newest_number] = live
        if len(self._bases) > BASES_KEPT:
            del self._bases[next(iter(self._bases))]

    def peers(self, at: int | None = None) -> dict[str, PeerRecord]:
        """The newest record of each peer."""
        return {peer_id: peer.record for peer_id, peer in self._then(at).peers.items()}

    def details(self, at: int | None = None) -> dict[str, PeerDetailRecord]:
        """The newest figures of each peer."""
        peers = self._then(at).peers
        return {peer_id: peer.detail for peer_id, peer in peers.items() if peer.detail is not None}

    def machines(self, at: int | None = None) -> dict[MachineKey, MachineRecord]:
        """The newest record of each machine."""
        return {key: machine.record for key, machine in self._then(at).machines.items()}

    def clock(self, key: MachineKey, at: int | None = None) -> tuple[int, ...]:
        """A machine's ticks in index order; empty when it was not known then."""
        return self.clocks(at).get(key, ())

    def clocks(self, at: int | None = None) -> dict[MachineKey, tuple[int, ...]]:
        """The clock of every machine that was known."""
        return {key: machine.clock for key, machine in self._then(at).machines.items()}

    def connection(self, at: int | None = None) -> ConnectionRecord | None:
        """How our own peer stood."""
        return self._then(at).connection

    def _then(self, at: int | None) -> Live:
        return self.live_at(self.newest_number if at is None else at)

    # Other records.

    def notices(self, *, before: int | None = None, limit: int = 200) -> list[tuple[int, NoticeRecord]]:
        """(number, notice) pairs in order: the newest `limit` of those before a number."""
        return self._plain(NoticeRecord, before, limit)

    def commands(self, *, before: int | None = None, limit: int = 200) -> list[tuple[int, CommandRecord]]:
        """(number, command) pairs in order: the newest `limit` of those before a number."""
        return self._plain(CommandRecord, before, limit)

    def losses(self, *, before: int | None = None, limit: int = 10_000) -> list[tuple[int, LossRecord]]:
        """(number, loss) pairs in order: the newest `limit` of those before a number."""
        return self._plain(LossRecord, before, limit)

    def _plain(self, kind: type[Plain], before: int | None, limit: int) -> list[tuple[int, Plain]]:
        where = RecordClass.LOSS if kind is LossRecord else RecordClass.NOTICE
        found: list[tuple[int, Plain]] = []
        while len(found) < limit:
            asked = limit if kind is LossRecord else limit * 2
            entries = self.others(where, before=before, limit=asked)
            found[:0] = [(entry.number, entry.record) for entry in entries if isinstance(entry.record, kind)]
            if len(entries) < asked:
                break
            before = entries[0].number
        return found[-limit:] if limit else []

    # Blocks.

    def _merged(
        self,
        connection: sqlite3.Connection,
        waiting: Sequence[Numbered],
        search: Search,
        start: int,
        forward: bool,
        canceled: Callable[[], bool],
    ) -> Iterator[Moment]:
        """Matching transitions of all classes, in order from a number on, forward or backward."""
        streams: list[Iterable[Moment]] = [
            self._of_class(connection, search, kind, start, forward, canceled) for kind in TRANSITION_CLASSES
        ]
        fresh = [
            entry
            for entry in waiting
            if type(entry) is Moment
            and (entry.number > start if forward else entry.number < start)
            and _passes(entry, search.wanted)
        ]
        streams.append(fresh if forward else fresh[::-1])
        return iter(heapq.merge(*streams, key=_number, reverse=not forward))

    def _of_class(
        self,
        connection: sqlite3.Connection,
        search: Search,
        kind: RecordClass,
        start: int,
        forward: bool,
        canceled: Callable[[], bool],
    ) -> Iterator[Moment]:
        for row in self._rows(connection, search, kind, start, forward):
            if canceled():
                raise Canceled
            positions = self._hits(connection, row, search)
            if positions is not None and not positions:
                continue
            block = self.block(connection, row)
            assert isinstance(block, TransitionBlock)
            numbers = block.numbers
            chosen = range(len(block)) if positions is None else positions
            if forward and row[1] <= start:
                chosen = [at for at in chosen if numbers[at] > start]
            elif not forward and row[2] >= start:
                chosen = [at for at in chosen if numbers[at] < start]
            yield from _in_chunks(block, chosen, forward)

    def _rows(
        self, connection: sqlite3.Connection, search: Search, kind: RecordClass, start: int, forward: bool
    ) -> Iterator[Any]:
        """Blocks of a class that may hold matches, (id, first, last, elapsed_first, errors, refused)."""
        wanted = search.wanted
        conditions, values = ["class = ?"], [kind.value]  # type: list[str], list[object]
        conditions.append("last > ?" if forward else "first < ?")
        values.append(start)
        mask, value = search.bits
        if mask & value & 32:
            conditions.append("errors IS NOT NULL")
        if mask & 1 and not value & 1:
            conditions.append("refused IS NOT NULL")
        if wanted.since_s is not None:
            conditions.append("at_max >= ?")
            values.append(wanted.since_s)
        if wanted.until_s is not None:
            conditions.append("at_min <= ?")
            values.append(wanted.until_s)
        places = self._places(connection, search)
        order = "ASC" if forward else "DESC"
        statement = (
            f"SELECT id, first, last, elapsed_first, errors, refused, full FROM blocks INDEXED BY blocks_by_number"
            f" WHERE {' AND '.join(conditions)} ORDER BY last {order}"
        )
        for row in connection.execute(statement, values):
            if places is None or not row[6] or row[0] in places:
                yield row

    def _places(self, connection: sqlite3.Connection, search: Search) -> frozenset[int] | None:
        """Full blocks in which the machines and states that are looked for were touched; None: look everywhere."""
        wanted = search.wanted
        if wanted.machines is None and wanted.peers is None and not wanted.states:
            return None
        if search.places is not None:
            return search.places
        resolve = self._resolver(connection)
        found: set[int] = set()
        for (identity,) in connection.execute("SELECT id FROM generations").fetchall():
            fine, _ = search.machine(identity, resolve)
            if not fine:
                continue
            generation = resolve(identity)
            mask = mask_of(_indexes(generation, wanted.states)) if wanted.states else 0
            if wanted.states and not mask:
                continue
            rows = connection.execute(
                "SELECT block FROM touched WHERE generation = ? AND (mask & ? OR ? = 0)",
                (identity, mask, mask),
            )
            found.update([block for (block,) in rows])
        search.places = frozenset(found)
        return search.places

    def _hits(self, connection: sqlite3.Connection, row: Any, search: Search) -> list[int] | None:
        """Positions of the matches in a block, without reading it where that can be; None: all."""
        wanted = search.wanted
        if wanted == EVERY:
            return None
        for alone, packed in ((ONLY_ERRORS, row[4]), (ONLY_REFUSED, row[5])):
            if wanted == alone:
                return list(unpack_numbers(packed))
        block = self.block(connection, row)
        assert isinstance(block, TransitionBlock)
        return block.matching(search)


def _indexes(generation: Generation, names: Iterable[str]) -> list[int]:
    """Indexes of states by name; `#7` is the eighth state of a machine that has no name for it."""
    index = generation.index
    numbered = [
        int(name[1:]) for name in names if name not in index and name[:1] == "#" and name[1:].isdigit()
    ]
    return numbered + [index[name] for name in names if name in index]


def _passes(entry: Numbered, wanted: TransitionFilter) -> bool:
    return type(entry) is Moment and wanted.matches(entry.record, entry.generation.names, entry.changed)


def _in_chunks(block: TransitionBlock, positions: Sequence[int], forward: bool) -> Iterator[Moment]:
    """The transitions at some positions, few at first, since few may be wanted, then more at a time."""
    size, done = 16, 0
    while done < len(positions):
        end = min(done + size, len(positions))
        if forward:
            yield from block.moments(positions[done:end])
        else:
            yield from reversed(block.moments(positions[len(positions) - end : len(positions) - done]))
        done, size = end, size * 4


def _number(entry: Numbered) -> int:
    return entry.number
