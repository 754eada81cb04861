"""A real terminal for tests: tmux with a server of its own, driven by keys and read as text."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
LOOK_S = 0.05


def missing() -> str:
    """Why there is no such terminal here; empty when there is."""
    return "" if shutil.which("tmux") else "tmux is not installed"


class Terminal:
    """One pane of `columns` x `lines` with a shell in it; a context manager."""

    def __init__(
        self, home: Path, *, columns: int = 120, lines: int = 34, env: Mapping[str, str] | None = None
    ) -> None:
        self._server = f"ampubsub-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._size = (columns, lines)
        self.home = home
        self._env = {
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "PYTHONPATH": str(ROOT),
            "PATH": os.environ["PATH"],
            "PS1": "$ ",
            "LANG": "C.UTF-8",
            "COLORTERM": "truecolor",
            **(env or {}),
        }

    def __enter__(self) -> Terminal:
        columns, lines = self._size
        unwanted = ("COLUMNS", "LINES", "TMUX", "NO_COLOR")
        clean = {name: value for name, value in os.environ.items() if name not in unwanted}
        settings = [item for name, value in self._env.items() for item in ("-e", f"{name}={value}")]
        self._tmux(
            "new-session", "-d", "-x", str(columns), "-y", str(lines), *settings,
            "-c", str(self.home), "sh", env=clean,
        )  # fmt: skip
        self._tmux("set", "-g", "escape-time", "0")
        self._tmux("set", "-g", "set-clipboard", "on")
        self.until(lambda: self.text().strip())
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(
            ["tmux", "-L", self._server, "kill-server"], capture_output=True, check=False, timeout=20
        )

    def run(self, *command: str) -> None:
        """Type a command; its exit status is printed after it as `status=N`."""
        self.type(f"{shlex.join(command)}; echo status=$?")
        self.press("Enter")

    def program(self, *arguments: str) -> None:
        """Run the program `ampubsub-tui`."""
        self.run(sys.executable, "-m", "amdbg_tui.cli", *arguments)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: `Enter`, `C-q`, `M-o` ..."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self._tmux("send-keys", "-l", text)

    def paste(self, text: str) -> None:
        """Paste text, bracketed if the program asked for that."""
        self._tmux("set-buffer", text)
        self._tmux("paste-buffer", "-p")

    def click(self, column: int, line: int) -> None:
        """Press and release the left button; cells count from 0."""
        for end in "Mm":
            self.type(f"\x1b[<0;{column + 1};{line + 1}{end}")

    def resize(self, columns: int, lines: int) -> None:
        """Another size."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def text(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def text_with_colours(self) -> str:
        """The same with the escape sequences that colour it."""
        return self._tmux("capture-pane", "-p", "-e")

    def clipboard(self) -> str:
        """What programs copied."""
        return self._tmux("show-buffer")

    def ask(self, what: str) -> str:
        """A format of tmux, such as `#{alternate_on}`."""
        return self._tmux("display-message", "-p", what).strip()

    def until(self, condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Look again and again until something is true of the screen."""
        limit = time.monotonic() + patience_s
        while not condition():
            if time.monotonic() > limit:
                raise AssertionError(f"never came; the screen is\n{self.text()}")
            time.sleep(LOOK_S)  # a terminal tells nobody when it has drawn

    def sees(self, text: str) -> None:
        """Wait for a text on the screen."""
        self.until(lambda: text in self.text())

    def sees_no_longer(self, text: str) -> None:
        """Wait until a text is gone from the screen."""
        self.until(lambda: text not in self.text())

    def process(self, command_part: str) -> int:
        """The process id of what runs in the pane and has this in its command line."""

        def found() -> list[int]:
            pane = int(self.ask("#{pane_pid}"))
            return [
                pid for pid, line in _descendants(pane) if command_part in line and not line.startswith("sh ")
            ]

        self.until(found)
        return found()[0]

    def ended_with(self) -> int:
        """Wait for the end of what runs; its exit status."""
        found: list[str] = []

        def ended() -> bool:
            found[:] = re.findall(r"status=(\d+)", self.text())
            return bool(found)

        self.until(ended)
        return int(found[-1])

    def assert_restored(self) -> None:
        """Nothing of the program is left in the terminal."""
        flags = self.ask("#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_cursor_flag}")
        assert flags == "0 1 0 0", f"alternate screen, cursor, mouse, keypad: {flags}"
        self.type("stty -a; echo set=$?")
        self.press("Enter")
        self.sees("set=0")
        modes = self.text()
        for mode in ("-icanon", "-echo ", "-isig", "-icrnl", "-opost"):
            assert f" {mode}" not in modes, f"the terminal was left with {mode}"

    def _tmux(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        command: Sequence[str] = ["tmux", "-L", self._server, "-f", "/dev/null", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=30, check=False)
        if done.returncode:
            raise AssertionError(f"tmux {words[0]}: {done.stderr}")
        return done.stdout


def _descendants(pid: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in children:
        try:
            line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found.append((int(child), line))
        found += _descendants(int(child))
    return found
