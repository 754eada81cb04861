"""The thread that writes a recording, and what it does when the disk is full or the file is gone.

While the file cannot be written, records wait in memory (bounded, see `backlog.py`) and writing is tried again each
second; `trouble` says so as long as it lasts, and a `LossRecord` in the file says so for good. When the file or its
folder was removed, a new file is begun at the same place, as of that moment. A record that cannot be written at all
is given up alone. Nothing ends the thread but `close`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from amdbg_tui.history.backlog import Backlog, Taken
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import Numbered
from amdbg_tui.history.records import LossKind, LossRecord
from amdbg_tui.history.tables import HistoryError, connect
from amdbg_tui.history.writer import Writer
from amdbg_tui.settings import HistorySettings

AGAIN_S = 1.0
"""How long to wait before trying to write again, and how often to look whether the file is still there."""
LOCK_SUFFIX = "-lock"


class Recorder:
    """Writes what is put into `backlog`. `lock` is held while the file changes."""

    def __init__(
        self, path: Path | None, settings: HistorySettings, tell: Callable[[LossRecord], None]
    ) -> None:
        """Raises `sqlite3.Error`, `OSError`, `HistoryError` when the file cannot be used."""
        self.path = path
        self.settings = settings
        self.backlog = Backlog(settings.waiting)
        self.lock = threading.RLock()
        self.trouble = ""
        self.unwritten = 0
        self._tell = tell
        self._said: list[str] = []
        """Troubles that are over, to be said at the end."""
        self._since_s = 0.0
        self._seen: Sequence[Numbered] = ()
        self._pending = Taken([])
        """Records that could not be written so far."""
        self._looked_s = 0.0
        self._closing = threading.Event()
        self._is_closed = False
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self._held: IO[bytes] | None = None
        self.reader: sqlite3.Connection
        self._open()

    def _open(self) -> None:
        self._hold()
        connection = connect(self.path)
        try:
            self.writer = Writer(connection, self.settings)
            self.reader = connection if self.path is None else connect(self.path)
        except BaseException:
            connection.close()
            raise
        self._identity = self._look()

    def _hold(self) -> None:
        """No two programs write one file."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        held = self.path.with_name(self.path.name + LOCK_SUFFIX).open("ab")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held.close()
            raise HistoryError(f"another program records into {self.path}") from error
        self._held = held

    def resume_from(self, live: Live) -> tuple[int, int]:
        """Go on from how everything stands; answers (highest generation, microseconds recorded so far)."""
        self.writer.live = live_copy = live.copy()
        live_copy.notices.clear()
        return self.writer.figures()

    def start(self) -> None:
        """Begin to write in a thread of its own, if that has not begun."""
        if self._thread is None:
            with self.lock:
                if self._thread is None and not self._closing.is_set():
                    self._thread = threading.Thread(target=self._run, name="history", daemon=True)
                    self._thread.start()

    def write_now(self) -> None:
        """Write everything that waits, in the caller's thread."""
        with self.lock:
            while self._write_some():
                if self.trouble:
                    return

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written; False when the time was over first."""
        limit = time.monotonic() + timeout_s
        over = threading.Event()
        while (len(self.backlog) or not self._idle.is_set()) and time.monotonic() < limit:
            over.wait(0.002)
        return not len(self.backlog)

    def verdict(self) -> str:
        """What is to be said of this recording at the end; empty when it is whole."""
        if self.trouble:
            return self.trouble
        return "; ".join(dict.fromkeys(self._said))

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most some seconds, and close the file."""
        if self._is_closed:
            return
        self._closing.set()
        self.backlog.wake()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self.trouble = f"the history {self._name} could not be written in time: {len(self.backlog):,} records lost"
                return
        elif hasattr(self, "writer"):
            self.write_now()
        self._is_closed = True
        with self.lock:
            if hasattr(self, "writer"):
                with contextlib.suppress(sqlite3.Error):
                    self.writer.end()
                self.reader.close()
                with contextlib.suppress(
                    sqlite3.Error
                ):  # one file, that can be read where nothing can be written
                    self.writer.connection.execute("PRAGMA journal_mode = DELETE")
                self.writer.connection.close()
            if self._held is not None:
                with contextlib.suppress(OSError):
                    self.path.with_name(self.path.name + LOCK_SUFFIX).unlink()  # type: ignore[union-attr]
                self._held.close()

    # The thread.

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._work()
            except Exception as error:  # whatever it is, the recording goes on
                self._note_trouble(f"the recording was disturbed: {type(error).__name__}: {error}")
                self._closing.wait(AGAIN_S)
        with contextlib.suppress(Exception), self.lock:
            limit = time.monotonic() + 2.0
            while self._write_some() and time.monotonic() < limit:
                if self.trouble:
                    self.unwritten += len(self.backlog)
                    return

    def _work(self) -> None:
        while not self._closing.is_set():
            self.backlog.wait(AGAIN_S)
            self._idle.clear()
            with self.lock:
                count = self._write_some()
                self._look_for_file()
            self._idle.set()
            if self._pending.entries:
                self._closing.wait(AGAIN_S)
            elif count < self.settings.batch:
                self._closing.wait(self.settings.interval_s)

    def _write_some(self) -> int:
        """Write the next batch, or the one that could not be written; how many records it had."""
        taken = self._pending
        if not taken.entries:
            taken = self.backlog.take(self.settings.batch)
            if not taken.entries:
                self.backlog.done()
                return 0
            self.writer.see(taken.entries)
        try:
            self._store(taken.entries)
        except (sqlite3.Error, OSError) as error:
            self._pending = taken
            self._note_trouble(f"cannot write the history {self._name}: {_in_words(error)}")
            return len(taken.entries)
        self._pending = Taken([])
        self.backlog.done()
        self._end_trouble()
        self._tell_losses(taken)
        return len(taken.entries)

    def _store(self, entries: Sequence[Numbered]) -> None:
        try:
            self.writer.store(entries)
            return
        except (sqlite3.Error, OSError):
            raise
        except Exception as error:
            if len(entries) > 1:
                for entry in entries:
                    self._store([entry])
                return
            reason = f"{type(error).__name__}: {error}"
        number = entries[0].number
        self.unwritten += 1
        text = f"record {number} cannot be written and was left out ({reason})"
        self._say(text)
        self._tell(LossRecord(time.time(), LossKind.UNWRITTEN, 1, number, number, text))

    def _tell_losses(self, taken: Taken) -> None:
        now = time.time()
        if taken.merged:
            text = f"the disk could not keep up: {taken.merged:,} records were merged into later ones"
            self._say(text)
            self._tell(LossRecord(now, LossKind.MERGED, taken.merged, taken.first, taken.last, text))
        dropped, self.writer.newly_dropped = self.writer.newly_dropped, []
        for kind, count, last in dropped:
            text = f"the oldest records of class {kind.value} are dropped from here on: its bound is reached"
            self._tell(LossRecord(now, LossKind.DROPPED, count, 1, last, text))

    # Troubles.

    def _note_trouble(self, text: str) -> None:
        if not self.trouble:
            self._since_s = time.time()
        self.trouble = text

    def _end_trouble(self) -> None:
        if not self.trouble or not self._since_s:
            return
        lasted = time.time() - self._since_s
        text = (
            f"the history could not be written for {lasted:.0f} s ({self.trouble});"
            " what came meanwhile waited in memory"
        )
        self.trouble, self._since_s = "", 0.0
        self._say(text)
        self._tell(LossRecord(time.time(), LossKind.GAP, 0, self.writer.last, self.writer.last, text))

    def _say(self, text: str) -> None:
        if len(self._said) < 5:
            self._said.append(text)

    def _look(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _look_for_file(self) -> None:
        """Whether what we write still has a name; if not, begin a new file."""
        now = time.monotonic()
        if self.path is None or now - self._looked_s < AGAIN_S:
            return
        self._looked_s = now
        if self._look() == self._identity:
            return
        lost = self.writer.last
        try:
            if self._held is not None:
                self._held.close()
                self._held = None
            self._hold()
            connection = connect(self.path)
            self.writer.go_on_with(connection, lost)
            reader = connect(self.path)
        except (sqlite3.Error, OSError, HistoryError) as error:
            self._note_trouble(
                f"the history file {self._name} was removed, and no new one can be made: {_in_words(error)}"
            )
            return
        self.reader, old = reader, self.reader
        old.close()
        self._identity = self._look()
        text = f"the history file {self._name} was removed: recording into a new one, records 1 to {lost:,} are lost"
        self._say(text)
        self._tell(LossRecord(time.time(), LossKind.REMOVED, lost, 1, lost, text))

    @property
    def _name(self) -> str:
        return str(self.path) if self.path else "in memory"


def _in_words(error: Exception) -> str:
    text = str(error)
    if "disk is full" in text or getattr(error, "errno", None) == 28:
        return "the disk is full"
    if "readonly" in text or "read-only" in text.lower():
        return "the folder is read-only"
    return getattr(error, "strerror", None) or text
