"""The demo's child process, seen from the parent: start it, get its address, be sure that it ends.

The child reads its stdin and ends when that ends. The other end of this pipe is held by the parent alone, so
the child goes with the parent however the parent goes, kill -9 included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

from amdbg_tui.demo.settings import DemoSettings


class DemoError(Exception):
    """The demo network did not come up; the text says why."""


class DemoProcess:
    """The root and four peers in a process of their own. `start` returns at once, `addresses` waits.

    Neither imports the network: the screen can be painted first. A context manager; safe from any thread.
    """

    def __init__(self, settings: DemoSettings | None = None) -> None:
        self.settings = settings or DemoSettings()
        self._process: subprocess.Popen[str] | None = None
        self._heard = threading.Event()
        self._addresses: tuple[str, ...] = ()
        self._complaints: list[str] = []
        self._readers: list[threading.Thread] = []

    @property
    def process_id(self) -> int | None:
        """The child's, once started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the child. A second call does nothing."""
        if self._process is not None:
            return
        seed = str(self.settings.seed)
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "amdbg_tui.demo.child", seed],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for the parent, who then ends the child.
        )
        for job in (self._read_addresses, self._read_complaints):
            reader = threading.Thread(target=job, args=(process,), name="demo", daemon=True)
            reader.start()
            self._readers.append(reader)

    def addresses(self) -> tuple[str, ...]:
        """Where the root can be dialled. Waits for it. Raises `DemoError`."""
        self.start()
        in_time = self._heard.wait(self.settings.start_timeout_s)
        if self._addresses:
            return self._addresses
        why = self._complaints[-1] if self._complaints else "no reason given"
        if not in_time:
            why = f"not ready within {self.settings.start_timeout_s:.0f} s"
        raise DemoError(f"the demo network did not start: {why}")

    def stop(self) -> None:
        """Have it say bye and end; kill it if it does not. Idempotent."""
        process = self._process
        if process is None:
            return
        pipes = [pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe]
        pipes[0].close()
        try:
            process.wait(self.settings.stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in pipes:
            pipe.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_addresses(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            try:
                self._addresses = tuple(json.loads(line)["addresses"])
            except (ValueError, KeyError, TypeError):
                continue
            self._heard.set()
        self._heard.set()

    def _read_complaints(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr
        for line in process.stderr:
            if text := line.strip():
                self._complaints[-19:] = [*self._complaints[-19:], text]
