"""A terminal that a test can type into and read: tmux on a socket of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Terminal:
    """Runs a shell with one command in it. Use as a context manager."""

    def __init__(
        self, command: str, *, columns: int = 120, lines: int = 36, env: dict[str, str] | None = None
    ) -> None:
        self.socket = f"ampubsub-{uuid.uuid4().hex[:8]}"
        given = {"PYTHONPATH": str(ROOT), "COLORTERM": "truecolor", **(env or {})}
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in given.items())
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", "-s", "t", "-x", str(columns), "-y", str(lines)),
            "env -u COLUMNS -u LINES -u NO_COLOR PS1='$ ' sh -i",
        )
        self._tmux("set", "-g", "escape-time", "0")
        self._tmux("set", "-g", "set-clipboard", "on")
        self.wait("$")
        self.type(f" cd {shlex.quote(str(ROOT))} && {words} {command}; echo left:$?")
        self.keys("Enter")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True, check=False)

    def _tmux(self, *words: str) -> str:
        # env is given because readline puts COLUMNS and LINES into the C environment behind Python's back
        done = subprocess.run(
            ["tmux", "-L", self.socket, *words],
            check=True,
            capture_output=True,
            text=True,
            env=dict(os.environ),
        )
        return done.stdout

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names."""
        self._tmux("send-keys", "-t", "t", *names)

    def type(self, text: str) -> None:
        """Type letters."""
        self._tmux("send-keys", "-t", "t", "-l", text)

    def paste(self, text: str) -> None:
        """Paste, bracketed when the program asked for it."""
        self._tmux("set-buffer", "-b", "pasted", text)
        self._tmux("paste-buffer", "-p", "-b", "pasted", "-t", "t")

    def click(self, column: int, line: int) -> None:
        """Press and release the left button; cells count from 0."""
        self.type(f"\x1b[<0;{column + 1};{line + 1}M")
        self.type(f"\x1b[<0;{column + 1};{line + 1}m")

    def resize(self, columns: int, lines: int) -> None:
        """Another size."""
        self._tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(lines))

    def screen(self) -> str:
        """What is seen."""
        return self._tmux("capture-pane", "-p", "-t", "t")

    def clipboard(self) -> str:
        """What programs copied."""
        return self._tmux("show-buffer")

    def wait(self, text: str, *, gone: bool = False, timeout_s: float = 20.0) -> str:
        """The screen, once a text is on it (or gone from it)."""
        limit = time.monotonic() + timeout_s
        while True:
            screen = self.screen()
            if (text in screen) is not gone:
                return screen
            if time.monotonic() > limit:
                raise AssertionError(f"{text!r} {'stayed' if gone else 'never came'}:\n{screen}")
            time.sleep(0.03)


def program() -> Terminal:
    """The screen over the fixed history, started and painted."""
    terminal = Terminal(f"{shlex.quote(sys.executable)} -m tests.tui.terminal_app")
    terminal.wait("order-4711 · Schema:12")
    return terminal
