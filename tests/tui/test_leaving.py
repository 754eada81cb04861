"""However the program is left: bye is said, the terminal is as before, the status says why."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdbg_tui.history import History
from tests.tui import terminal
from tests.tui.terminal import ROOT, Terminal

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.xdist_group("terminal"),
    pytest.mark.skipif(bool(terminal.missing()), reason=terminal.missing()),
]
PROGRAM = "tests.tui.leaving_program"


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path, env={"PYTHONPATH": str(ROOT)}) as found:
        yield found


def start(screen: Terminal, way: str) -> int:
    """Run the program until it has joined; its process id."""
    screen.run(sys.executable, "-m", PROGRAM, way)
    screen.sees("Alone on")
    return screen.process(f"{PROGRAM} quiet" if way == "child" else PROGRAM)


def assert_said_bye(home: Path) -> None:
    """The last thing the history knows of our peer is that it left in order."""
    (path,) = (home / "state" / "ampubsub-tui" / "history").glob("*.db")
    with History(path) as history:
        connection = history.live.connection
        assert connection is not None
        assert connection.phase == "closed"
        cursor = history.cursor()
        number = cursor.newest_number
        while (before := cursor.connection(number)) == connection:
            number -= 1
        assert before is not None
        assert before.phase == "leaving"


@pytest.mark.parametrize("keys", ["C-q", "C-c"])
def test_by_key(screen: Terminal, keys: str) -> None:
    start(screen, "quiet")
    screen.press(keys)
    assert screen.ended_with() == 0
    screen.assert_restored()
    assert_said_bye(screen.home)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_by_signal(screen: Terminal, number: signal.Signals) -> None:
    os.kill(start(screen, "quiet"), number)
    assert screen.ended_with() == 128 + number
    screen.assert_restored()
    assert_said_bye(screen.home)


def test_by_a_crash_of_the_screen(screen: Terminal) -> None:
    screen.run(sys.executable, "-m", PROGRAM, "screen-crash")
    assert screen.ended_with() == 70
    shown = screen.text().replace("\n", "")
    assert "the screen crashed (IndexError); a report is in" in shown
    assert "Traceback" not in shown
    (report,) = (screen.home / "state" / "ampubsub-tui" / "crashes").iterdir()
    assert report.name in shown
    assert "IndexError: list index out of range" in report.read_text()
    screen.assert_restored()
    assert_said_bye(screen.home)


def test_by_a_crash_of_the_peer_which_the_screen_explains_first(screen: Terminal) -> None:
    screen.run(sys.executable, "-m", PROGRAM, "peer-crash")
    screen.sees("the peer broke")
    screen.press("C-q")
    assert screen.ended_with() == 70
    (report,) = (screen.home / "state" / "ampubsub-tui" / "crashes").iterdir()
    assert "RuntimeError: the peer broke" in report.read_text()
    screen.assert_restored()


def test_when_the_process_that_started_it_is_killed(screen: Terminal) -> None:
    program = start(screen, "child")
    # What the shell says of it may be written over by the program that still draws.
    os.kill(screen.process(f"{PROGRAM} child"), signal.SIGKILL)
    screen.until(lambda: not Path(f"/proc/{program}").exists())
    screen.until(lambda: screen.ask("#{alternate_on}") == "0")
    assert_said_bye(screen.home)


def test_when_the_terminal_closes(screen: Terminal) -> None:
    program = start(screen, "quiet")
    home = screen.home
    screen.__exit__()
    limit = time.monotonic() + 30
    while Path(f"/proc/{program}").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    assert not Path(f"/proc/{program}").exists()
    assert_said_bye(home)


def test_when_the_terminal_takes_no_output_any_longer(tmp_path: Path) -> None:
    env = os.environ | {
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
    }
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", PROGRAM, "busy"], stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        seen = b""
        while b"Alone on" not in seen:
            seen = seen[-4_000:] + os.read(ours, 65_536)
        time.sleep(2.0)  # nobody reads: the pipe fills and the screen stops
        program.send_signal(signal.SIGTERM)
        assert program.wait(30) == 128 + signal.SIGTERM
    finally:
        program.kill()
        os.close(ours)
    assert_said_bye(tmp_path)
