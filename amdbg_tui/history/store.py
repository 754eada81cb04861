"""The history: every record, in one SQLite file (or in memory), written as it comes.

Three threads meet here and never wait for one another. The peer's thread hands records to `feed`, which
puts them into a queue. A writer thread of the history's own stores them in batches. The screen's thread
calls `refresh` at its own pace, which brings `live` up to what was stored and says what changed. When the
screen was busy for so long that too much waits for it, that is forgotten and `live` is read anew from the
store: nothing is lost, and memory stays bounded.

    history = History(path)                       # or History(None): in memory
    history.on_fresh = wake_the_screen            # called in the writer's thread, once until the next refresh
    node = Node(history.feed, ...)
    changes = history.refresh()                   # the screen's thread
    page = history.cursor().page(TransitionFilter(peers=frozenset({peer_id})))
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.filters import TransitionFilter, has_error
from amdbg_tui.history.inbox import Inbox
from amdbg_tui.history.live import Changes, Live, Moment, Numbered
from amdbg_tui.history.notes import Bookmark, Notes
from amdbg_tui.history.records import LossRecord, MachineKey, NoticeRecord, Record
from amdbg_tui.history.timeline import Bucket, Step
from amdbg_tui.history.writer import HistoryError, Writer
from amdbg_tui.settings import HistorySettings

DEFAULTS = HistorySettings()
MOST_AT_ONCE = 5_000
"""Records applied by one refresh, so that it takes some ten milliseconds at most."""


class History:
    """All records. `append` writes at once (tests, pictures); `feed` through the writer's thread (a live
    peer).

    Raises `HistoryError` when the file cannot be opened. Use it as a context manager, or call `close`.
    """

    def __init__(self, path: Path | None = None, settings: HistorySettings = DEFAULTS) -> None:
        self.path = path
        self.settings = settings
        self.live = Live()
        self.on_fresh: Callable[[], None] | None = None
        """Called by the writer's thread when there is something to refresh; once until `refresh` is called.
        """
        self.error = ""
        """Why records could not be written lately, in words; empty when all is well."""
        self.unwritten = 0
        """How many transitions could not be written, ever."""
        self._lock = threading.RLock()
        self._connection = self._connect()
        self._reader = self._connection if path is None else self._connect()
        self._read_lock = self._lock if path is None else threading.RLock()
        self.notes = Notes(path)
        self.read_only = False
        self._inbox = Inbox(settings.waiting)
        self._fresh: deque[Numbered] = deque()
        self._announced = False
        self._too_much = False
        self._writing = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._writer = Writer(self._connection, settings)
        except (sqlite3.Error, HistoryError) as error:
            self._connection.close()
            raise HistoryError(f"cannot use the history {self._name}: {error}") from error
        if self._writer.next_number > 1:
            self._rebuild()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return len(self._inbox)

    @property
    def behind(self) -> int:
        """Records written that `live` does not have yet."""
        return len(self._fresh)

    @property
    def merged(self) -> int:
        """Clock changes that were merged into another one because the disk could not keep up."""
        return self._inbox.merged

    @property
    def records(self) -> int:
        """How many records were written, ever."""
        return self._writer.next_number - 1

    def feed(self, records: Iterable[Record]) -> None:
        """Hand records over to be written, in order. Never blocks; any thread, but one at a time."""
        if self._thread is None:
            self._start()
        self._inbox.put(records)

    def append(self, records: Iterable[Record]) -> None:
        """Write records now, in the caller's thread. Raises `HistoryError`."""
        self._write(list(records))
        if self.error:
            raise HistoryError(self.error)

    def refresh(self) -> Changes:
        """Bring `live` up to date, in the screen's thread, and say what changed.

        Takes in at most 5,000 records a call; the rest is announced again through `on_fresh`.
        """
        self._announced = False
        if self._too_much:
            return self._rebuild()
        fresh = self._fresh
        batch = [fresh.popleft() for _ in range(min(len(fresh), MOST_AT_ONCE))]
        changes = self.live.apply(batch)
        if fresh:
            self._announce()
        return changes

    def cursor(self) -> Cursor:
        """A reader of everything that is stored."""
        return Cursor(self._reader, self._read_lock)

    # Moving through time.

    @classmethod
    def open(cls, path: Path, *, read_only: bool = True, settings: HistorySettings = DEFAULTS) -> History:
        """A recording to look at, also while another process records it. Raises `HistoryError`."""
        return cls(path, settings)

    @property
    def first(self) -> int:
        """Number of the oldest record kept; 0 when there is none."""
        return self.cursor().oldest_transition

    @property
    def last(self) -> int:
        """Number of the newest record; 0 when there is none."""
        return self._writer.next_number - 1

    def at(self, number: int) -> Live:
        """Everything as of a record: the same class as `live`, which nobody writes any more."""
        then = Live()
        self._fill(then, number)
        then.moment = number
        then.at_s = self.time_of(number)
        return then

    def moment(self, number: int) -> Moment | None:
        """A transition by its number; None when that is none, or is no longer kept."""
        return self.cursor().transition(number)

    def number_at(self, wall_s: float) -> int:
        """Number of the last record up to a wall-clock time (seconds since the epoch); 0: none."""
        return self.cursor().number_at(wall_s)

    def time_of(self, number: int) -> float:
        """Wall-clock time of a record, or of the nearest one kept before it; 0.0: none."""
        page = self.cursor().page(before=number + 1, limit=1)
        return page.moments[-1].record.at_s if page.moments else 0.0

    def step(
        self,
        number: int,
        *,
        forward: bool,
        what: Step = Step.RECORD,
        machine: MachineKey | None = None,
        state: str = "",
    ) -> int | None:
        """Number of the nearest record of a kind after (or before) a number; None when there is none."""
        if what is Step.BOOKMARK:
            numbers = [mark.number for mark in self.notes.bookmarks]
            beyond = [n for n in numbers if (n > number if forward else n < number)]
            return (min if forward else max)(beyond, default=None)
        if what is Step.LOSS:
            beyond = [n for n, _ in self.live.losses if (n > number if forward else n < number)]
            return (min if forward else max)(beyond, default=None)
        wanted = TransitionFilter(
            machines=None if machine is None else frozenset({machine}),
            errors=True if what is Step.ERROR else None,
            accepted=False if what is Step.REFUSAL else None,
            states=frozenset({state}) if what is Step.STATE else frozenset(),
        )
        place = number
        while True:
            page = self.cursor().page(wanted, **{"after" if forward else "before": place}, limit=1)
            if page.moments:
                return page.moments[0].number
            if not page.more:
                return None
            place = page.last if forward else page.first

    def density(self, first: int, last: int, buckets: int) -> list[Bucket]:
        """What happened between two records, in columns of equal time."""
        begin, end = self.time_of(first), self.time_of(last)
        width = max(end - begin, 1e-6) / max(buckets, 1)
        found: list[list[Moment]] = [[] for _ in range(max(buckets, 1))]
        place = first - 1
        while place < last:
            page = self.cursor().page(after=place, limit=2_000)
            for moment in page.moments:
                if moment.number <= last:
                    at = int((moment.record.at_s - begin) / width)
                    found[min(max(at, 0), buckets - 1)].append(moment)
            place = page.last
            if not page.more:
                break
        return [
            Bucket(
                column[0].number if column else 0,
                column[-1].number if column else -1,
                len(column),
                sum(has_error(each.record, each.names, each.changed) for each in column),
                sum(not each.record.accepted for each in column),
                0,
                False,
                begin + at * width,
                begin + (at + 1) * width,
            )
            for at, column in enumerate(found)
        ]

    @property
    def losses(self) -> list[tuple[int, LossRecord]]:
        """(number, record) of what was lost, oldest first."""
        return list(self.live.losses)

    @property
    def trouble(self) -> str:
        """What is wrong with the recording right now, for a lasting line on the screen; empty: nothing."""
        return self.error

    @property
    def bookmarks(self) -> list[Bookmark]:
        """In the order of their numbers."""
        return list(self.notes.bookmarks)

    def add_bookmark(self, number: int, text: str) -> Bookmark:
        """Note something at a record, in place of a note that is there. Raises `HistoryError`."""
        try:
            return self.notes.add(number, text, self.time_of(number))
        except OSError as error:
            raise HistoryError(f"cannot keep the bookmark in {self.notes.path}: {error.strerror}") from error

    def remove_bookmark(self, number: int) -> bool:
        """Take a bookmark away; False when there is none. Raises `HistoryError`."""
        try:
            return self.notes.remove(number)
        except OSError as error:
            raise HistoryError(f"cannot write {self.notes.path}: {error.strerror}") from error

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything that was fed is written. False when the time was over first."""
        done = threading.Event()
        limit = time.monotonic() + timeout_s
        while (len(self._inbox) or self._writing) and time.monotonic() < limit:
            done.wait(0.002)
        return not (len(self._inbox) or self._writing)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits (for at most `timeout_s`), end the writer's thread and close the file.
        Idempotent.
        """
        self._closing.set()
        self._inbox.wake()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self.error = (
                    f"the history {self._name} could not be written in time: {self.waiting:,} records lost"
                )
                return
            self._thread = None
        with self._lock, self._read_lock:
            self._reader.close()
            self._connection.close()

    @property
    def _name(self) -> str:
        return str(self.path) if self.path else "in memory"

    def _connect(self) -> sqlite3.Connection:
        try:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            return sqlite3.connect(self.path or ":memory:", check_same_thread=False, cached_statements=64)
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(f"cannot open the history {self._name}: {error}") from error

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._write_on, name="history", daemon=True)
                self._thread.start()

    def _write_on(self) -> None:
        while True:
            if not self._closing.is_set():
                self._inbox.wait()
            self._writing = True
            batch = self._inbox.take(self.settings.batch)
            if batch:
                self._write(batch)
            self._writing = False
            if not batch and self._closing.is_set():
                return
            if len(batch) < self.settings.batch:
                self._closing.wait(self.settings.interval_s)

    def _write(self, batch: list[Record]) -> None:
        with self._lock:
            try:
                numbered = self._writer.write(batch)
                self.error = ""
            except sqlite3.Error as error:
                numbered = list(getattr(error, "numbered", ()))
                self.unwritten += sum(1 for item in numbered if item.changed)
                if not self.error:
                    self.error = f"cannot write the history {self._name}: {error}; is the disk full?"
                    notice = NoticeRecord(time.time(), "error", self.error)
                    numbered.append(Numbered(self._writer.next_number - 1, notice))
            if len(self._fresh) + len(numbered) > self.settings.behind:
                self._too_much = True
                self._fresh.clear()
            if not self._too_much:
                self._fresh.extend(numbered)
        self._announce()

    def _announce(self) -> None:
        if not self._announced and self.on_fresh is not None:
            self._announced = True
            self.on_fresh()

    def _rebuild(self) -> Changes:
        """Read `live` anew, as of the newest record written."""
        with self._lock:
            self._fresh.clear()
            self._too_much = False
            number = self._writer.next_number - 1
        live = self.live
        glow = {key: machine.changed_at for key, machine in live.machines.items()}
        self._fill(live, number)
        for key, known in live.machines.items():
            if len(glow.get(key, ())) == len(known.names):
                known.changed_at = glow[key]
        live.transitions = self._writer.kept_transitions + self._writer.dropped_transitions
        live.structure_version += 1
        live.clock_version += 1
        return Changes(
            peers=set(live.peers),
            machines=set(live.machines),
            transitions=list(live.tail),
            connection=True,
            rebuilt=True,
        )

    def _fill(self, live: Live, number: int) -> None:
        """Everything as of a record."""
        with self._lock:
            generations = dict(self._writer.generations)
        counts = {key: generation.transitions for key, generation in generations.items()}
        cursor = self.cursor()
        tail = cursor.page(before=number + 1, limit=live.tail_length).moments
        machines = cursor.machines(number)
        clocks = cursor.clocks(number)
        live.apply(Numbered(number, record) for record in cursor.peers(number).values())
        live.apply(Numbered(number, record) for record in cursor.details(number).values())
        live.apply(Numbered(number, record) for record in machines.values())
        for key, clock in clocks.items():
            machine = live.machines[key]
            machine.clock = clock
            machine.transitions = counts.get(key, machine.transitions)
            machine.version += 1
        live.tail.clear()
        live.tail.extend(tail)
        for moment in tail:
            if (known := live.machines.get(moment.record.key)) is not None:
                known.last_transition, known.last_at_s = moment.number, moment.record.at_s
        live.notices.clear()
        live.notices.extend(
            record for _, record in cursor.notices(before=number + 1, limit=live.notices.maxlen or 0)
        )
        live.commands.clear()
        live.commands.extend(
            record for _, record in cursor.commands(before=number + 1, limit=live.commands.maxlen or 0)
        )
        live.connection = cursor.connection(number) or live.connection
        live.newest_number = number
