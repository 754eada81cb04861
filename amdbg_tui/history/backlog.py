"""A bounded queue of numbered records between two threads that must not wait for one another.

As long as there is room everything is kept. Beyond the limit (a disk that hangs, a screen that stands still)
what is newest of each thing stays: the clock changes of one machine become one, from the first one's `before` to
the last one's `after`; of a peer, its figures, or a machine's news the last one stays; of notices, commands and
messages the newest ones. So memory is bounded, every clock ends up right, and `merged` says how many records are
no longer told apart.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from amdbg_tui.history.moments import Moment, Numbered, changed_states, weight_of
from amdbg_tui.history.records import (
    ConnectionRecord,
    MachineRecord,
    PeerDetailRecord,
    PeerRecord,
    replace,
)

NEWEST_KEPT = 1_000
"""Notices, commands, messages and losses kept beyond the limit."""


class Taken(NamedTuple):
    """What was taken out of a backlog."""

    entries: list[Numbered]
    merged: int = 0
    """How many records are missing among them."""
    first: int = 0
    last: int = 0
    """Numbers between which records are missing."""


class Backlog:
    """Numbered records on their way. `put` never blocks for long and may be called by any thread."""

    def __init__(self, limit: int) -> None:
        """`limit` is a weight (`weight_of`): that many clock changes, fewer of larger records."""
        self.limit = limit
        self.merged = 0
        """How many records were merged into another one or given up, ever."""
        self._queue: deque[Numbered] = deque()
        self._weight = 0
        """Of the queue."""
        self._newest: dict[Hashable, Numbered] = {}
        self._others: deque[Numbered] = deque(maxlen=NEWEST_KEPT)
        self._merged = 0
        self._first = self._last = 0
        self._in_flight: Sequence[Numbered] = ()
        self._lock = threading.Lock()
        self._filled = threading.Event()

    def __len__(self) -> int:
        return len(self._queue) + len(self._newest) + len(self._others) + len(self._in_flight)

    def put(self, entries: Sequence[Numbered]) -> None:
        """Add records in order; wakes whoever waits."""
        with self._lock:
            for entry in entries:
                if self._weight < self.limit and not self._newest and not self._others:
                    self._queue.append(entry)
                    self._weight += weight_of(entry)
                else:
                    self._condense(entry)
        if not self._filled.is_set():
            self._filled.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until there is something to take, or `wake` was called. False when the time was over first."""
        return self._filled.wait(timeout_s)

    def wake(self) -> None:
        """Let whoever waits go on."""
        self._filled.set()

    def take(self, most: int) -> Taken:
        """The oldest records, up to the weight `most`; those kept beyond the limit when all others were taken."""
        with self._lock:
            self._filled.clear()
            queue, weight = self._queue, 0
            entries: list[Numbered] = []
            while queue and weight < most:
                entries.append(queue.popleft())
                weight += weight_of(entries[-1])
            self._weight -= weight
            merged = first = last = 0
            if not queue and (self._newest or self._others):
                entries += sorted([*self._newest.values(), *self._others], key=_number)
                merged, first, last = self._merged, self._first, self._last
                self._newest.clear()
                self._others.clear()
                self._merged = 0
            if queue:
                self._filled.set()
            self._in_flight = entries
            return Taken(entries, merged, first, last)

    def done(self) -> None:
        """What was taken last has arrived: `waiting` need not show it any more."""
        self._in_flight = ()

    def waiting(self) -> list[Numbered]:
        """Everything that has not arrived yet, in order; a copy."""
        with self._lock:
            beyond = sorted([*self._newest.values(), *self._others], key=_number)
            return [*self._in_flight, *self._queue, *beyond]

    def _condense(self, entry: Numbered) -> None:
        record = entry.record
        place: Hashable
        if type(entry) is Moment:
            place = (Moment, entry.record.key)
            known = self._newest.get(place)
            if type(known) is Moment and known.generation is entry.generation:
                entry = merge(known, entry)
        elif isinstance(record, MachineRecord):
            place = (MachineRecord, record.key)
            before = self._newest.get((Moment, record.key))
            if type(before) is Moment and before.generation is not entry.generation:
                del self._newest[(Moment, record.key)]
                self._missing(before)
        elif isinstance(record, PeerRecord | PeerDetailRecord):
            place = (type(record), record.peer_id)
        elif isinstance(record, ConnectionRecord):
            place = ConnectionRecord
        else:
            if len(self._others) == NEWEST_KEPT:
                self._missing(self._others[0])
            self._others.append(entry)
            return
        known = self._newest.get(place)
        if known is not None:
            self._missing(known)
        self._newest[place] = entry

    def _missing(self, entry: Numbered) -> None:
        if not self._merged:
            self._first = entry.number
        self._last = max(self._last, entry.number)
        self._merged += 1
        self.merged += 1


def merge(first: Moment, then: Moment) -> Moment:
    """Two transitions of a machine as one; all that is known beside the clock is the later one's."""
    record = replace(then.record, before=first.record.before)
    return then._replace(
        record=record,
        changed=changed_states(record.before, record.after),
        error=first.error or then.error,
        stands_for=first.stands_for + then.stands_for,
    )


def _number(entry: Numbered) -> int:
    return entry.number
