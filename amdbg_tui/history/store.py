"""The history: every record, numbered where it enters, shown at once, and written to one file (or to memory).

`feed` numbers records and puts them into two bounded queues: one for the screen, whose thread calls `refresh` at its
own pace and so brings `live` up to now; one for a writer thread of the history's own. Neither waits for the other:
a disk that hangs delays nothing on the screen, and a screen that stands still delays nothing in the file. Whatever
is lost on the way is a record, too (`LossRecord`).

    history = History(path)                       # or History(None): in memory
    history.on_fresh = wake_the_screen            # called by whoever feeds, once until the next refresh
    node = Node(history.feed, ...)
    changes = history.refresh()                   # the screen's thread
    then = history.at(number)                     # everything as of a record, the same class as history.live
    page = history.cursor().page(TransitionFilter(peers=frozenset({peer_id})))

`History.open(path)` looks at a recording and cannot change it, also while another process records it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from amdbg_tui.history.backlog import Backlog
from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.live import Changes, Live
from amdbg_tui.history.moments import Generation, Moment, Numbered, Numbering
from amdbg_tui.history.notes import Bookmark, Notes
from amdbg_tui.history.recorder import Recorder
from amdbg_tui.history.records import LossRecord, MachineKey, NoticeRecord, Record, replace
from amdbg_tui.history.tables import HistoryError, connect_to_read, format_of
from amdbg_tui.history.timeline import Bucket, Step, density, filter_of, number_at, time_of
from amdbg_tui.settings import HistorySettings

DEFAULTS = HistorySettings()
MOST_AT_ONCE = 5_000
"""Records applied by one refresh, so that it takes some ten milliseconds at most."""
FOLLOWED_AT_ONCE = 10_000
"""Records of another process taken in at once."""
FOLLOW_S = 0.2
"""How often a recording that is still written is looked at for news."""


class History:
    """All records. `append` writes at once (tests, pictures); `feed` through the writer's thread (a live peer).

    Raises `HistoryError` when the file cannot be opened. Use it as a context manager, or call `close`.
    """

    def __init__(
        self,
        path: Path | None = None,
        settings: HistorySettings = DEFAULTS,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` answers in seconds and is never set back."""
        self.path = path
        self.settings = settings
        self.read_only = read_only
        self.live = Live()
        self.on_fresh: Callable[[], None] | None = None
        """Called when there is something to refresh, by whoever fed it; once until `refresh` is called."""
        self.notes = Notes(path)
        self.temporary: contextlib.AbstractContextManager[object] | None = None
        """Ends with the history: the folder of a file made from an older format."""
        self._noted = ""
        self._known: dict[int, Generation] = {}
        self._numbering = Numbering(clock)
        self._entering = threading.Lock()
        self._fresh = Backlog(settings.behind)
        self._announced = False
        self._closing = threading.Event()
        self._recorder: Recorder | None = None
        self._follower: threading.Thread | None = None
        self._apart: list[sqlite3.Connection] = []
        self._lock = threading.RLock()
        self._read_lock = threading.RLock()
        try:
            if read_only:
                assert path is not None
                self._reader: sqlite3.Connection = connect_to_read(path)
                version = format_of(self._reader)
                if version != 2:
                    raise HistoryError(f"it is of format {version}, which this program cannot read")
            else:
                self._recorder = Recorder(path, settings, self._enter_loss)
                self._reader = self._recorder.reader
                if path is None:
                    self._read_lock = self._recorder.lock
            self._cursor = self.cursor()
            self._begin()
        except (sqlite3.Error, HistoryError, OSError, ValueError) as error:
            if self._recorder is not None:
                self._recorder.close(0.0)
            if read_only and isinstance(error, HistoryError) and str(path) in str(error):
                raise
            raise HistoryError(f"cannot use the history {self._name}: {error}") from error

    def _begin(self) -> None:
        last = self._cursor.newest_number
        if last:
            then = self._cursor.live_at(last)  # others are made from it: what goes on is another one
            self.live = live = then.derived()
            live.notices.extend(then.notices)
            live.commands.extend(then.commands)
            live.losses.extend(then.losses)
            live.missing = then.missing
            live.read_tail_with(lambda: then.tail)
        if self.read_only:
            self.live.is_recording = True
            self._look_finished(self.live)
            self._followed = last
        elif last and self._recorder is not None:
            newest = {known.generation.key: known.generation for known in self.live.machines.values()}
            highest, elapsed = self._recorder.resume_from(self.live)
            self._numbering.resume(last, newest, highest, elapsed)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = True, settings: HistorySettings = DEFAULTS) -> History:
        """A recording to look at, also while another process records it. Raises `HistoryError`.

        One of an older format is converted into a temporary file first.
        """
        if not read_only:
            return cls(path, settings)
        from amdbg_tui.history.format_one import converted, is_format_one

        if is_format_one(path):
            folder, newer = converted(path)
            history = cls(newer, settings, read_only=True)
            history.temporary = folder
            history.notes = Notes(path)
            return history
        return cls(path, settings, read_only=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    # How it goes.

    @property
    def waiting(self) -> int:
        """Records that are not in the file yet."""
        return len(self._recorder.backlog) if self._recorder else 0

    @property
    def behind(self) -> int:
        """Records that `live` does not have yet."""
        return len(self._fresh)

    @property
    def merged(self) -> int:
        """Records that were merged into another one, or given up, because the disk could not keep up."""
        return self._recorder.backlog.merged if self._recorder else 0

    @property
    def records(self) -> int:
        """How many records there were, ever."""
        return self.last

    @property
    def trouble(self) -> str:
        """What is wrong with the recording right now, for a lasting line on the screen; empty: nothing."""
        return (self._recorder.trouble if self._recorder else "") or self._noted

    def note_trouble(self, text: str) -> None:
        """Have something said about this recording as long as it lasts, and at its end."""
        self._noted = text
        self.append([NoticeRecord(time.time(), "warning", text)])

    @property
    def error(self) -> str:
        """What is wrong, or what of this recording was lost, to be said at the end; empty when all is well."""
        return self._noted or (self._recorder.verdict() if self._recorder else "")

    @property
    def unwritten(self) -> int:
        """How many records could not be written, ever."""
        return self._recorder.unwritten if self._recorder else 0

    # Records come in.

    def feed(self, records: Iterable[Record]) -> None:
        """Hand records over, in order. Never waits for disk or screen; any thread."""
        recorder = self._recorder
        if recorder is None:
            raise HistoryError(f"{self._name} was opened to look at")
        recorder.start()
        self._enter(records, recorder)

    def append(self, records: Iterable[Record]) -> None:
        """Hand records over and write all that waits now, in the caller's thread. Raises `HistoryError`."""
        recorder = self._recorder
        if recorder is None:
            raise HistoryError(f"{self._name} was opened to look at")
        self._enter(records, recorder)
        recorder.write_now()
        if recorder.trouble:
            raise HistoryError(recorder.trouble)

    def _enter(self, records: Iterable[Record], recorder: Recorder) -> None:
        with self._entering:
            entries = self._numbering.take(records)
            for entry in entries:
                if entry.generation.id:
                    self._known[entry.generation.id] = entry.generation
            self._fresh.put(entries)
            recorder.backlog.put(entries)
        self._announce()

    def _enter_loss(self, loss: LossRecord) -> None:
        if self._recorder is not None:
            self._enter((loss,), self._recorder)

    # The screen's side.

    def refresh(self) -> Changes:
        """Bring `live` up to date, in the screen's thread, and say what changed.

        Takes in at most 5,000 records a call; the rest is announced again through `on_fresh`.
        """
        self._announced = False
        taken = self._fresh.take(MOST_AT_ONCE)
        self._fresh.done()
        changes = self.live.apply(taken.entries)
        if taken.merged:
            changes.gap = changes.rebuilt = True
        if self.read_only and changes.connection:
            self._look_finished(self.live)
        if len(self._fresh):
            self._announce()
        return changes

    def cursor(self) -> Cursor:
        """A reader of everything that is kept."""
        recorder = self._recorder
        if recorder is None:
            return Cursor(lambda: self._reader, self._read_lock, list, self._known, clean=True)
        return Cursor(lambda: recorder.reader, self._read_lock, recorder.backlog.waiting, self._known)

    def cursor_apart(self) -> Cursor:
        """A reader for another thread (a long search), for which the screen need not wait. Ends with the history.

        In memory there is but one way to read: it is like `cursor`. Raises `HistoryError`.
        """
        if self.path is None:
            return self.cursor()
        path = self.path
        reader = connect_to_read(path)
        self._apart.append(reader)
        waiting = self._recorder.backlog.waiting if self._recorder else list
        return Cursor(lambda: reader, threading.RLock(), waiting, self._known, clean=self.read_only)

    def _announce(self) -> None:
        wake = self.on_fresh
        if not self._announced and wake is not None:
            self._announced = True
            wake()

    # Moving through time.

    @property
    def first(self) -> int:
        """Number of the oldest transition kept; 0 when there is none."""
        return self._cursor.oldest_transition

    @property
    def last(self) -> int:
        """Number of the newest record; 0 when there is none."""
        return self._numbering.last if not self.read_only else self._followed

    def at(self, number: int) -> Live:
        """Everything as of a record: the same class as `live`, which nobody changes any more."""
        then = self._cursor.live_at(number)
        if self.read_only:
            then.is_recording = True
            self._look_finished(then)
        return then

    def moment(self, number: int) -> Moment | None:
        """A transition by its number; None when that is none, or is no longer kept."""
        return self._cursor.transition(number)

    def entry(self, number: int) -> Numbered | None:
        """Any record by its number; None when it is no longer kept, or was merged."""
        return self._cursor.entry(number)

    def number_at(self, wall_s: float) -> int:
        """Number of the last transition up to a wall-clock time (seconds since the epoch); 0: none."""
        return number_at(self._cursor, wall_s)

    def time_of(self, number: int) -> float:
        """Wall-clock time of a record, or of the nearest one kept before it; 0.0: none."""
        return time_of(self._cursor, number)

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
        if what in (Step.BOOKMARK, Step.LOSS):
            marks = [mark.number for mark in self.notes.bookmarks]
            numbers = marks if what is Step.BOOKMARK else [at for at, _ in self.losses]
            beyond = [n for n in numbers if (n > number if forward else n < number)]
            return (min if forward else max)(beyond, default=None)
        wanted = filter_of(what, machine, state)
        way = {"after" if forward else "before": number}
        moments = self._cursor.page(wanted, **way, limit=1).moments  # type: ignore[arg-type]
        return moments[0].number if moments else None

    def density(self, first: int, last: int, buckets: int) -> list[Bucket]:
        """What happened between two records, in columns of equal time."""
        return density(self._cursor, first, last, buckets)

    @property
    def losses(self) -> list[tuple[int, LossRecord]]:
        """(number, record) of what was lost, oldest first."""
        return self._cursor.losses()

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

    # A recording that was opened to look at.

    def follow(self) -> None:
        """Have news of a recording that is still written come in, as if they were fed. Ends with `close`."""
        if self.read_only and self._follower is None:
            self._follower = threading.Thread(target=self._follow, name="follow", daemon=True)
            self._follower.start()

    def _follow(self) -> None:
        while not self._closing.wait(FOLLOW_S):
            with contextlib.suppress(HistoryError):
                while self.look_for_news() and not self._closing.is_set():
                    pass

    def look_for_news(self) -> int:
        """Take in what came to the file since; how many records. Raises `HistoryError`."""
        newest = min(self._cursor.newest_number, self._followed + FOLLOWED_AT_ONCE)
        if newest <= self._followed:
            return 0
        entries = self._cursor.entries(self._followed, newest)
        self._followed = newest
        self._fresh.put(entries)
        if entries:
            self._announce()
        return len(entries)

    def _look_finished(self, live: Live) -> None:
        """A recording that ended is looked at like any other: that its peer has left is no reason to hide it."""
        connection = live.connection
        if connection is not None and connection.phase in ("leaving", "closed"):
            name = self.path.name if self.path else ""
            live.connection = replace(connection, phase="recording", detail=f"{name}: this run has ended")

    # The end.

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything that was fed is in the file. False when the time was over first."""
        return self._recorder.flush(timeout_s) if self._recorder else True

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits (for at most `timeout_s`), end the threads and close the file. Idempotent."""
        self._closing.set()
        if self._follower is not None:
            self._follower.join(timeout_s)
        for reader in self._apart:
            with contextlib.suppress(sqlite3.Error):
                reader.close()
        self._apart.clear()
        if self._recorder is not None:
            self._recorder.close(timeout_s)
        else:
            with self._read_lock:
                self._reader.close()
        if self.temporary is not None:
            temporary, self.temporary = self.temporary, None
            temporary.__exit__(None, None, None)

    @property
    def _name(self) -> str:
        return str(self.path) if self.path else "in memory"
