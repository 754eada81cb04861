"""The queue between the peer's thread and the writer of the history: bounded, and nothing is lost.

While the writer cannot keep up (a disk that hangs), derived clock changes of one machine are merged into
one that goes from the first one's `before` to the last one's `after`, so the bound is one record per
machine beyond the limit, every clock ends up right, and `merged` says how many changes are no longer told
apart.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from amdbg_tui.history.records import MachineKey, MachineRecord, Record, TransitionRecord


class Inbox:
    """Records on their way to the writer. `put` never blocks and may be called by any thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.merged = 0
        """How many clock changes were merged into another one, ever."""
        self._records: deque[Record] = deque()
        self._surplus: dict[MachineKey, TransitionRecord] = {}
        self._lock = threading.Lock()
        self._filled = threading.Event()

    def __len__(self) -> int:
        return len(self._records) + len(self._surplus)

    def put(self, records: Iterable[Record]) -> None:
        """Add records in order; wakes whoever waits."""
        if self._surplus or len(self._records) >= self.limit:
            with self._lock:
                for record in records:
                    self._put_when_full(record)
        else:
            self._records.extend(records)
        if not self._filled.is_set():
            self._filled.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until there is something to take, or `wake` was called. False when the time was over first."""
        return self._filled.wait(timeout_s)

    def wake(self) -> None:
        """Let whoever waits go on."""
        self._filled.set()

    def take(self, most: int) -> list[Record]:
        """The oldest records, at most `most` (and the merged ones when all others were taken)."""
        self._filled.clear()
        records = self._records
        taken: list[Record] = []
        while records and len(taken) < most:
            taken.append(records.popleft())
        if self._surplus and not records:
            with self._lock:
                taken.extend(self._surplus.values())
                self._surplus.clear()
        if records:
            self._filled.set()
        return taken

    def _put_when_full(self, record: Record) -> None:
        if isinstance(record, TransitionRecord):
            waiting = self._surplus.get(record.key)
            if record.derived and (waiting is not None or len(self._records) >= self.limit):
                if waiting is not None:
                    self.merged += 1
                    record = replace(record, before=waiting.before)
                self._surplus[record.key] = record
                return
            self._settle(record.key)
        elif isinstance(record, MachineRecord):
            self._settle(record.key)
        self._records.append(record)

    def _settle(self, key: MachineKey) -> None:
        """Whatever waits for a machine goes before a record that must not overtake it."""
        waiting = self._surplus.pop(key, None)
        if waiting is not None:
            self._records.append(waiting)
