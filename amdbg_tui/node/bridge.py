"""The thread that runs the peer under trio, and the two ways across: records out, commands in with an answer.

The screen's thread never waits for the peer's and the other way round. Records go to `feed`, which is a
queue. A command becomes a task of the peer and its answer a `concurrent.futures.Future`; one that is still
on its way when the peer stops is answered with a `CommandError`.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from amdbg_tui.history.records import Record
from amdbg_tui.node.commands import Command, CommandError
from amdbg_tui.node.join_request import JoinRequest

if TYPE_CHECKING:
    from amdbg_tui.node.session import Session

SWITCH_INTERVAL_S = 0.001
"""How long one thread may keep the interpreter while another wants it: keeps keys quick while the peer is
busy.
"""


class Node:
    """Owns the peer's thread. All methods are for the screen's thread (or any other), none blocks but
    `stop`.
    """

    def __init__(self, feed: Callable[[Sequence[Record]], None], join: JoinRequest) -> None:
        self.join = join
        self.failure = ""
        """Why nothing was ever joined, in one line; empty as long as there is hope or after a success."""
        self.crash: BaseException | None = None
        """What ended the peer against its will."""
        self.crash_report = ""
        """The traceback of `crash`."""
        self._feed = feed
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._over = False
        self._early: list[tuple[Command, Future[Any]]] = []

    @property
    def is_running(self) -> bool:
        """The thread was started and has not ended."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the peer. Call it after the first paint; a second call does nothing."""
        with self._lock:
            if self._thread is not None or self._over:
                return
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            self._thread = threading.Thread(target=self._run, name="peer", daemon=True)
            self._thread.start()

    def call(self, command: Command) -> Future[Any]:
        """Have the peer do something; `amdbg_tui.node.commands` says what each command answers.

        The future fails with `CommandError` when it cannot be done, in words for the person.
        """
        future: Future[Any] = Future()
        with self._lock:
            if self._over:
                future.set_exception(CommandError("the peer has left"))
            elif self._session is None:
                self._early.append((command, future))
            else:
                self._session.submit(command, future)
        return future

    def stop(self, timeout_s: float | None = None) -> bool:
        """Say bye, close every connection and join the thread. False when that was not done in time.

        The default limit is that of the settings, plus a second. May be called again.
        """
        with self._lock:
            self._over = True
            early, self._early = self._early, []
            session = self._session
        for _, future in early:
            _fail(future)
        if session is not None:
            session.request_stop()
        thread = self._thread
        if thread is None:
            return True
        thread.join(self.join.settings.leave_timeout_s + 1 if timeout_s is None else timeout_s)
        return not thread.is_alive()

    def _run(self) -> None:
        try:
            from amdbg_tui.node.session import Session, run_session

            session = Session(self.join, self._feed, self._set_failure)
            run_session(session, lambda: self._ready(session))
        except BaseException as error:
            self.crash = error
            self.crash_report = "".join(traceback.format_exception(error))
            self.failure = self.failure or f"the peer ended: {_first_cause(error)}"
            self._tell_crash()
        finally:
            with self._lock:
                self._over = True
                early, self._early = self._early, []
            for _, future in early:
                _fail(future)

    def _ready(self, session: Session) -> None:
        """Called in trio once tasks can be started."""
        with self._lock:
            self._session = session
            early, self._early = self._early, []
            over = self._over
        for command, future in early:
            session.submit(command, future)
        if over:
            session.request_stop()

    def _set_failure(self, text: str) -> None:
        self.failure = text

    def _tell_crash(self) -> None:
        import time

        from amdbg_tui.history.records import ConnectionRecord, NoticeRecord
        from amdbg_tui.safe_text import TEXT_CELLS, safe_text

        text = safe_text(f"the peer ended unexpectedly: {_first_cause(self.crash)}", TEXT_CELLS)
        now = time.time()
        self._feed([NoticeRecord(now, "error", text), ConnectionRecord(now, "failed", detail=text)])


def _fail(future: Future[Any]) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(CommandError("the peer has left"))


def _first_cause(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
