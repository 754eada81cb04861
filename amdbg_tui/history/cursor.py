"""Reading the history: pages of transitions by filter, and how everything stood at any moment.

A moment is a record number. Every method with `at` answers as of after that record; None means the newest.
A page looks at a bounded stretch of the history, so one call takes a few milliseconds however rare
the matches are: a page may hold fewer rows than asked for and still have more before it (`more`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

from amdbg_tui.history.encoding import load, unpack_clock
from amdbg_tui.history.filters import FLAGS, TransitionFilter, changed_states
from amdbg_tui.history.live import Moment
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    TransitionRecord,
)

STRETCH = 20_000
"""Records looked at for one page."""
STRETCH_ONE_MACHINE = 5_000
"""Transitions of one machine looked at for one page."""
EVERY = TransitionFilter()
COLUMNS = "number, at, machine, kind, flags, trust, teller, before, after, body"
Keyed = TypeVar("Keyed", PeerRecord, PeerDetailRecord)
Plain = TypeVar("Plain", NoticeRecord, CommandRecord, ConnectionRecord)


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


class Cursor:
    """Reads a history, whose writer goes on meanwhile. May be used by several threads, one call at a time."""

    def __init__(self, connection: sqlite3.Connection, lock: AbstractContextManager[object]) -> None:
        self._connection = connection
        self._lock = lock
        self._machines: dict[int, MachineRecord] = {}
        self._tellers: dict[int, str] = {}

    @property
    def newest_number(self) -> int:
        """Number of the newest record; 0 when there is none."""
        ((newest,),) = self._rows(
            "SELECT max(coalesce((SELECT max(number) FROM transitions), 0),"
            " coalesce((SELECT max(number) FROM others), 0))"
        )
        return int(newest)

    @property
    def oldest_transition(self) -> int:
        """Number of the oldest transition kept; 0 when there is none."""
        ((oldest,),) = self._rows("SELECT coalesce(min(number), 0) FROM transitions")
        return int(oldest)

    @property
    def dropped_transitions(self) -> int:
        """How many transitions were dropped because the history is bounded."""
        ((dropped,),) = self._rows("SELECT value FROM meta")
        return int(dropped)

    def page(
        self,
        wanted: TransitionFilter = EVERY,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 200,
    ) -> Page:
        """Transitions that pass a filter.

        The newest `limit` of those before the number `before` (None: of all), or with `after` the oldest of
        those after it.
        """
        ids = self._ids_of(wanted)
        forward = after is not None
        start = after if after is not None else before if before is not None else self.newest_number + 1
        if ids is not None and not ids:
            return Page((), 0 if not forward else start, start, False)
        condition, values = wanted.where(ids)
        one = ids is not None and len(ids) == 1
        end = self._stretch_end(start, forward, ids[0] if one and ids else None)
        low, high = (start, end) if forward else (end - 1, start - 1)
        way = "INDEXED BY transitions_by_machine" if one else "NOT INDEXED"
        rows = self._rows(
            f"SELECT {COLUMNS} FROM transitions {way}"
            f" WHERE number > ? AND number <= ? AND {condition}"
            f" ORDER BY number {'ASC' if forward else 'DESC'} LIMIT ?",
            (low, high, *values, limit),
        )
        moments = [self._moment(row) for row in rows]
        full = len(moments) == limit
        if not forward:
            moments.reverse()
            first = moments[0].number if full and moments else end
            return Page(tuple(moments), first, start - 1, first > max(self.oldest_transition, 1))
        last = moments[-1].number if full and moments else end
        return Page(tuple(moments), start + 1, last, last < self.newest_number)

    def transition(self, number: int) -> Moment | None:
        """One transition by its number; None when that is no transition or was dropped."""
        rows = self._rows(f"SELECT {COLUMNS} FROM transitions WHERE number = ?", (number,))
        return self._moment(rows[0]) if rows else None

    def number_at(self, at_s: float) -> int:
        """Number of the last transition that came up to a wall-clock time (seconds since the epoch); 0: none.

        Found by halving, since times grow with the numbers.
        """
        low, high = self.oldest_transition, self.newest_number
        found = 0
        while low <= high:
            middle = (low + high) // 2
            rows = self._rows(
                "SELECT number, at FROM transitions WHERE number >= ? ORDER BY number LIMIT 1", (middle,)
            )
            if rows and rows[0][1] <= at_s:
                found = rows[0][0]
                low = found + 1
            else:
                high = middle - 1
        return found

    def peers(self, at: int | None = None) -> dict[str, PeerRecord]:
        """The newest record of each peer."""
        return self._newest(PeerRecord, "peer", at)

    def details(self, at: int | None = None) -> dict[str, PeerDetailRecord]:
        """The newest figures of each peer."""
        return self._newest(PeerDetailRecord, "detail", at)

    def machines(self, at: int | None = None) -> dict[MachineKey, MachineRecord]:
        """The newest record of each machine."""
        rows = self._rows(
            "SELECT peer, slot, at, machine, body, max(number) FROM others"
            " WHERE type = 'machine' AND number <= ? GROUP BY peer, slot ORDER BY max(number)",
            (self._at(at),),
        )
        return {
            MachineKey(peer, slot): self._machine_record(at_s, machine, body)
            for peer, slot, at_s, machine, body, _ in rows
        }

    def clock(self, key: MachineKey, at: int | None = None) -> tuple[int, ...]:
        """A machine's ticks in index order; empty when it was not known then."""
        moment = self._at(at)
        news = self._rows(
            "SELECT machine, body, number FROM others WHERE type = 'machine' AND peer = ? AND slot = ?"
            " AND number <= ? ORDER BY number DESC LIMIT 1",
            (*key, moment),
        )
        if not news:
            return ()
        ((machine, body, said_at),) = news
        return self._clock(machine, body, said_at, moment)

    def clocks(self, at: int | None = None) -> dict[MachineKey, tuple[int, ...]]:
        """The clock of every machine that was known."""
        moment = self._at(at)
        rows = self._rows(
            "SELECT peer, slot, machine, body, max(number) FROM others"
            " WHERE type = 'machine' AND number <= ? GROUP BY peer, slot",
            (moment,),
        )
        return {
            MachineKey(peer, slot): self._clock(machine, body, said_at, moment)
            for peer, slot, machine, body, said_at in rows
        }

    def connection(self, at: int | None = None) -> ConnectionRecord | None:
        """How our own peer stood."""
        rows = self._plain(ConnectionRecord, "connection", self._at(at) + 1, 1)
        return rows[0][1] if rows else None

    def notices(self, *, before: int | None = None, limit: int = 200) -> list[tuple[int, NoticeRecord]]:
        """(number, notice) pairs in order: the newest `limit` of those before a number."""
        return self._plain(NoticeRecord, "notice", before, limit)

    def commands(self, *, before: int | None = None, limit: int = 200) -> list[tuple[int, CommandRecord]]:
        """(number, command) pairs in order: the newest `limit` of those before a number."""
        return self._plain(CommandRecord, "command", before, limit)

    def names(self, machine: int) -> tuple[str, ...]:
        """State names of a row of the table `machines`."""
        return tuple(state.name for state in self._machine(machine).states)

    def _rows(self, statement: str, values: Iterable[object] = ()) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, tuple(values)).fetchall()

    def _at(self, at: int | None) -> int:
        return self.newest_number if at is None else at

    def _ids_of(self, wanted: TransitionFilter) -> list[int] | None:
        """Rows of `machines` that a filter's machines and peers stand for; None when it names neither."""
        if wanted.machines is None and wanted.peers is None:
            return None
        rows = self._rows("SELECT id, peer, slot FROM machines")
        return [
            row
            for row, peer, slot in rows
            if (wanted.peers is None or peer in wanted.peers)
            and (wanted.machines is None or (peer, slot) in wanted.machines)
        ]

    def _stretch_end(self, start: int, forward: bool, machine: int | None) -> int:
        """The number at which a page that begins at `start` stops looking."""
        if machine is None:
            return start + STRETCH if forward else max(start - STRETCH, 0)
        beyond, order = (">", "ASC") if forward else ("<", "DESC")
        rows = self._rows(
            f"SELECT number FROM transitions INDEXED BY transitions_by_machine WHERE machine = ?"
            f" AND number {beyond} ? ORDER BY number {order} LIMIT 1 OFFSET ?",
            (machine, start, STRETCH_ONE_MACHINE),
        )
        return rows[0][0] if rows else self.newest_number if forward else 0

    def _moment(self, row: tuple[Any, ...]) -> Moment:
        number, at_s, machine, kind, flags, trust, teller, packed_before, packed_after, body = row
        before, after = unpack_clock(packed_before), unpack_clock(packed_after)
        key = self._machine(machine).key
        if body is not None:
            record = replace(load(TransitionRecord, body), key=key, before=before, after=after)
        else:
            bits: dict[str, Any] = {name: bool(flags & bit) for name, bit in FLAGS.items()}
            source = self._teller(teller) if teller else ""
            record = TransitionRecord(
                at_s, key, "", kind, (), before=before, after=after, source=source, trust=trust, **bits
            )
        return Moment(number, record, changed_states(before, after), self.names(machine))

    def _machine(self, row: int) -> MachineRecord:
        known = self._machines.get(row)
        if known is None:
            ((body,),) = self._rows("SELECT body FROM machines WHERE id = ?", (row,))
            record = load(MachineRecord, body)
            known = self._machines[row] = replace(record, key=MachineKey(*record.key))
        return known

    def _machine_record(self, at_s: float, machine: int, body: str) -> MachineRecord:
        source, reason, clock = _machine_news(body)
        return replace(self._machine(machine), at_s=at_s, source=source, reason=reason, clock=clock)

    def _clock(self, machine: int, body: str, said_at: int, moment: int) -> tuple[int, ...]:
        """The clock after a machine's last transition up to a moment, or as its record said if that is
        newer.
        """
        rows = self._rows(
            "SELECT number, after FROM transitions INDEXED BY transitions_by_machine WHERE machine = ?"
            " AND number <= ? ORDER BY number DESC LIMIT 1",
            (machine, moment),
        )
        said = _machine_news(body)[2]
        if rows and (rows[0][0] > said_at or not said):
            return unpack_clock(rows[0][1])
        if said:
            return said
        later = self._rows(
            "SELECT before FROM transitions INDEXED BY transitions_by_machine WHERE machine = ?"
            " ORDER BY number LIMIT 1",
            (machine,),
        )
        return unpack_clock(later[0][0]) if later else (0,) * len(self._machine(machine).states)

    def _teller(self, row: int) -> str:
        known = self._tellers.get(row)
        if known is None:
            ((known,),) = self._rows("SELECT name FROM tellers WHERE id = ?", (row,))
            self._tellers[row] = known
        return known

    def _newest(self, kind: type[Keyed], name: str, at: int | None) -> dict[str, Keyed]:
        rows = self._rows(
            "SELECT peer, body, max(number) FROM others WHERE type = ? AND number <= ?"
            " GROUP BY peer ORDER BY max(number)",
            (name, self._at(at)),
        )
        return {peer: load(kind, body) for peer, body, _ in rows}

    def _plain(self, kind: type[Plain], name: str, before: int | None, limit: int) -> list[tuple[int, Plain]]:
        rows = self._rows(
            "SELECT number, body FROM others INDEXED BY others_by_type WHERE type = ? AND number < ?"
            " ORDER BY number DESC LIMIT ?",
            (name, self._at(before) if before is not None else self.newest_number + 1, limit),
        )
        return [(number, load(kind, body)) for number, body in reversed(rows)]


@lru_cache(maxsize=4_096)
def _machine_news(body: str) -> tuple[str, str, tuple[int, ...]]:
    return load(tuple[str, str, tuple[int, ...]], body)
