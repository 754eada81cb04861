"""What a watch runs on a hit: a command of the person's own, by the shell, told by environment variables.

| variable | |
| --- | --- |
| AMPUBSUB_EXPRESSION | the watch |
| AMPUBSUB_RECORD | number of the record |
| AMPUBSUB_AT | its time, seconds since the epoch |

Nothing that others said is part of a command line. Nothing waits for a command: at most a few run at a time, further hits
meanwhile are counted and not run, and what takes too long is ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable

from amdbg_tui.answers.watches import Hit

MOST_AT_ONCE = 4
LONGEST_S = 30.0
"""A command that runs longer is ended."""


class Commands:
    """Runs commands and owns them until `close`.

    Args:
        say: Called with one line, from any thread, when a command fails.
    """

    def __init__(
        self, say: Callable[[str], None], *, most: int = MOST_AT_ONCE, longest_s: float = LONGEST_S
    ) -> None:
        self.not_run = 0
        """Hits whose command was not run because too many ran already."""
        self._say, self._most, self._longest_s = say, most, longest_s
        self._lock = threading.Lock()
        self._running: dict[subprocess.Popen[bytes], threading.Thread] = {}
        self._closed = False

    def run(self, hit: Hit) -> bool:
        """Begin the command of a hit's watch; False when it was not."""
        with self._lock:
            if self._closed or len(self._running) >= self._most:
                self.not_run += 1
                return False
            command = hit.watch.settings.command
            told = {
                "AMPUBSUB_EXPRESSION": hit.watch.settings.expression,
                "AMPUBSUB_RECORD": str(hit.number),
                "AMPUBSUB_AT": f"{hit.at_s:.3f}",
            }
            try:
                process = subprocess.Popen(
                    command,
                    shell=True,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, **told},
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                self._say(f"the watch {hit.watch.settings.expression!r} cannot run {command!r}: {error}")
                return False
            thread = threading.Thread(target=self._await, args=(process, command), name="watch", daemon=True)
            self._running[process] = thread
        thread.start()
        return True

    def close(self, *, patient: bool = False) -> None:
        """End what runs; `patient`: let it come to its own end first, as long as it may."""
        with self._lock:
            running = dict(self._running)
            self._closed = not patient
        for thread in running.values() if patient else ():
            thread.join(self._longest_s + 5.0)
        with self._lock:
            self._closed = True
            running = dict(self._running)
        for process in running:
            _end(process)
        for thread in running.values():
            thread.join(5.0)

    def _await(self, process: subprocess.Popen[bytes], command: str) -> None:
        problem = ""
        try:
            status = process.wait(self._longest_s)
            if status and not self._closed:
                problem = f"a watch's command ended with status {status}: {command!r}"
        except subprocess.TimeoutExpired:
            _end(process)
            problem = f"a watch's command ran longer than {self._longest_s:g} s and was ended: {command!r}"
        with self._lock:
            del self._running[process]
        if problem:
            self._say(problem)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole session that the shell began: first asked, then made to."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except (ProcessLookupError, PermissionError):
            return
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            try:
                process.wait(0.05)
                return
            except subprocess.TimeoutExpired:
                continue
