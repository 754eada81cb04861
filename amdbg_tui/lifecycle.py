"""Running the program from the first paint to a clean terminal, however it ends.

| way | what happens | status |
| --- | --- | --- |
| the quit key, Ctrl-C with nothing selected | bye, terminal restored | 0 |
| quit while nothing could ever be joined | the same, and one line says why | 2 |
| SIGINT, SIGTERM, SIGHUP | bye, terminal restored | 128 + number |
| the terminal hangs and takes no output | bye after a grace, then the process ends itself | 128 + number |
| the process that started it dies | as SIGHUP | 129 |
| a crash of the screen or the peer | bye, terminal restored, a report is kept and its path printed | 70 |
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from amdbg_tui.crash_report import write_crash_report
from amdbg_tui.history.recordings import new_recording
from amdbg_tui.history.store import History
from amdbg_tui.history.tables import HistoryError
from amdbg_tui.node import Node
from amdbg_tui.settings import PROGRAM, HistorySettings, Locations

if TYPE_CHECKING:
    from textual.app import App

    from amdbg_tui.node.debugger import DebuggerNode

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WRONG_INPUT, CRASH = 2, 70
PARENT_CHECK_S = 1.0
STUCK_AFTER_S = 3.0
"""How long the screen may take to end after a signal before the process ends itself."""
RESTORE = "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?7h" + "".join(
    f"\x1b[?{mode}l" for mode in (1000, 1002, 1003, 1006, 1016, 1004, 2004, 2048)
)
"""Leaves the alternate screen and switches off everything that Textual switched on."""


def open_history(locations: Locations, settings: HistorySettings) -> History:
    """A recording of this run; in memory, which `trouble` says for good, when the state folder cannot be written."""
    if settings.in_memory:
        return History(None, settings)
    try:
        path = new_recording(locations.history, settings.files, int(settings.files_mb * 1_000_000))
        return History(path, settings)
    except OSError as error:
        why = f"{locations.history}: {(error.strerror or str(error)).lower()}"
    except HistoryError as error:
        why = str(error)
    history = History(None, settings)
    history.note_trouble(f"nothing is recorded, the history is kept in memory only ({why})")
    return history


def run(
    app: App[Any],
    history: History,
    node: Node | DebuggerNode | None,
    locations: Locations,
    *,
    mouse: bool = True,
) -> int:
    """Run the app until it ends, say bye, restore everything. Returns the exit status of the process."""
    leaving = _Leaving(app, history, node)
    with _terminal_restored(leaving), _signals_handled(leaving):
        try:
            asyncio.run(_run_app(app, leaving, mouse))
        except (asyncio.CancelledError, KeyboardInterrupt):
            leaving.status = leaving.status or 128 + signal.SIGINT
        except Exception as error:
            leaving.error = error
        leaving.screen_is_over = True
        said_bye = node is None or node.stop()
        history.on_fresh = None
        history.close()
    if not said_bye:
        _say("the peer did not end in time; others will notice its silence")
    return _conclude(app, history, node, leaving, locations)


class _Leaving:
    """Why and how the program is about to end."""

    def __init__(self, app: App[Any], history: History, node: Node | DebuggerNode | None) -> None:
        self.app = app
        self.history = history
        self.node = node
        self.status = 0
        self.error: BaseException | None = None
        self.screen_is_over = False
        self.is_clean = False
        """Textual restored the terminal itself."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self._watchdog: threading.Thread | None = None
        self._attributes: list[Any] | None = None

    def leave(self, status: int) -> None:
        """End the app from a signal handler. A screen that is stuck is ended by a thread after a grace."""
        if self._watchdog is not None:
            return
        self.status = status
        self._watchdog = threading.Thread(target=self._end_if_stuck, name="watchdog", daemon=True)
        self._watchdog.start()
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._exit_app)

    def _exit_app(self) -> None:
        if not self.screen_is_over:
            self.app.exit(return_code=self.status)

    def _end_if_stuck(self) -> None:
        limit = time.monotonic() + STUCK_AFTER_S
        done = threading.Event()
        while time.monotonic() < limit:
            if self.screen_is_over:
                return
            done.wait(0.05)
        if self.node is not None:
            self.node.stop()
        self.history.close(1.0)
        self.restore_terminal()
        os._exit(self.status)

    def save_terminal(self) -> None:
        """Remember how the terminal was."""
        import termios

        with contextlib.suppress(termios.error, OSError, ValueError):
            self._attributes = termios.tcgetattr(sys.__stdin__.fileno()) if sys.__stdin__ else None

    def restore_terminal(self) -> None:
        """Put the terminal back as it was, without waiting for one that takes no output."""
        import termios

        if self._attributes is not None and sys.__stdin__:
            with contextlib.suppress(termios.error, OSError, ValueError):
                termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, self._attributes)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            descriptor = sys.__stderr__.fileno()  # type: ignore[union-attr]
            os.set_blocking(descriptor, False)
            try:
                os.write(descriptor, RESTORE.encode())
            finally:
                os.set_blocking(descriptor, True)


async def _run_app(app: App[Any], leaving: _Leaving, mouse: bool) -> None:
    leaving.loop = loop = asyncio.get_running_loop()
    _keep_crashes_quiet(app)

    def on_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and not leaving.screen_is_over:
            app._handle_exception(error)

    loop.set_exception_handler(on_error)
    if leaving.status:
        return
    watching = asyncio.create_task(_watch_parent(leaving))
    try:
        await app.run_async(mouse=mouse)
    finally:
        leaving.screen_is_over = True
        watching.cancel()
    leaving.is_clean = app._exception is None
    leaving.error = app._exception


async def _watch_parent(leaving: _Leaving) -> None:
    parent = os.getppid()
    while True:
        await asyncio.sleep(PARENT_CHECK_S)
        if os.getppid() != parent:
            leaving.leave(128 + signal.SIGHUP)
            return


def _keep_crashes_quiet(app: App[Any]) -> None:
    """No traceback on the terminal: the error is kept in `app._exception` and goes to a report instead."""
    app._fatal_error = app._close_messages_no_wait  # type: ignore[method-assign]
    app._print_error_renderables = app._exit_renderables.clear  # type: ignore[method-assign]


@contextlib.contextmanager
def _signals_handled(leaving: _Leaving) -> Iterator[None]:
    def on_signal(number: int, _: FrameType | None) -> None:
        leaving.leave(128 + number)

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _terminal_restored(leaving: _Leaving) -> Iterator[None]:
    leaving.save_terminal()
    try:
        yield
    finally:
        if not leaving.is_clean:
            leaving.restore_terminal()


def _conclude(
    app: App[Any], history: History, node: Node | DebuggerNode | None, leaving: _Leaving, locations: Locations
) -> int:
    """What remains to be said, and the exit status."""
    crash = leaving.error or (node.crash if node is not None else None)
    if crash is not None:
        who = "the screen" if leaving.error is not None else "the peer"
        path = write_crash_report(crash, locations.crashes)
        where = f"a report is in {path}" if path else "and no report could be written"
        _say(f"{who} crashed ({type(crash).__name__}); {where}")
        return CRASH
    if history.error:
        _say(history.error)
    if leaving.status:
        return leaving.status
    if node is not None and node.failure:
        _say(node.failure)
        return WRONG_INPUT
    return app.return_code or 0


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)
