"""`open`, `recordings`, `export`, `compare` as a person calls them, and what odd outputs end in: one line, one status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from amdbg_tui.cli import commands, run
from amdbg_tui.history import History
from amdbg_tui.history.records import ConnectionRecord
from tests.history.test_history import LAMP, lamp_ticks, machine, tick

PROGRAM = [sys.executable, "-m", "amdbg_tui.cli"]
SECOND = "20260102-000000-99999999.db"
FIRST = "20260101-000000-99999999.db"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with two recordings that diverge at the lamp's 31st tick."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = tmp_path / "ampubsub-tui" / "history"
    with History(found / FIRST) as history:
        history.append([ConnectionRecord(1.0, "joined", "demo", "peer-a"), machine(LAMP), *lamp_ticks(50)])
    with History(found / SECOND) as history:
        history.append([machine(LAMP), *lamp_ticks(30), tick(LAMP, (30, 0, 0), (30, 1, 0))])
    return found


def call(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments)


def test_recordings_are_listed_the_newest_first_and_one_can_be_kept(folder: Path) -> None:
    assert call("recordings", "pin", "20260101", "--title", "the bad day").output == f"{FIRST} stays\n"
    rows = call("recordings").output.splitlines()
    assert [row.split()[0] for row in rows[1:]] == [SECOND, FIRST]
    assert "demo  · pinned · “the bad day”" in rows[2]
    first = [json.loads(line) for line in call("recordings", "--json").output.splitlines()][1]
    assert (first["pinned"], first["records"], first["coverage"]["network"]["records"]) == (True, 52, 50)
    assert call("recordings", "unpin", "the bad day").output == f"{FIRST} goes when room is needed\n"


def test_a_part_is_exported_and_printed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "part.db"
    answer = call("export", "20260101", str(target), "--from", "13", "--until", "22")
    assert answer.output == f"10 records, 13 to 22, are in {target}\n"
    lines = [json.loads(line) for line in call("export", str(target), "--lines").output.splitlines()]
    assert [line["number"] for line in lines] == list(range(13, 23))
    assert lines[0]["record"] == "transition"
    assert lines[0]["changed"] == ["On"]


def test_two_recordings_two_moments_and_two_machines_are_compared(folder: Path) -> None:
    answer = call("compare", "20260101", "20260102")
    assert answer.return_value == 1 or answer.exit_code in (0, 1)
    assert "after 30 that are the same" in answer.output
    assert "20260102: clock: +Power [32]" in answer.output
    assert call("compare", "20260101", "20260101").output == "the same: 1 machines, 50 transitions\n"
    answer = call("compare", "20260101@12", "20260101@13", "--machine", "machine-peer-a-0")
    assert answer.output.splitlines()[1].split() == ["!", "On", "inactive", "10", "active", "11"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["open", "nothing"], "there is no recording nothing: see 'ampubsub-tui recordings'"),
        (["open", "/nowhere/run.db"], "there is no recording /nowhere/run.db"),
        (["open", "20260101"], "open needs a terminal to draw on"),
        (["export", "20260101"], "name a TARGET to write to, or --lines to print"),
        (["export", "20260101", "--lines", "--from", "soon"], "soon is neither a record's number"),
        (
            ["export", "20260101", "--lines", "--machine", "pump"],
            "there is no machine pump in this recording",
        ),
        (["export", "20260101", "/nowhere/at/all.db"], "cannot write /nowhere/at/all.db"),
        (["compare", "20260101"], "compare what with what?"),
        (["recordings", "pin", "2026"], "2026 may be any of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    if "/nowhere/at/all.db" in arguments and os.geteuid() == 0:
        arguments = [*arguments[:2], "/proc/nowhere/all.db"]
        words = "cannot write /proc/nowhere/all.db"
    assert run(arguments) == 2
    text = capsys.readouterr().err
    assert text.startswith("ampubsub-tui: ")
    assert words in text
    assert text.count("\n") == 1


def test_a_damaged_recording_is_said_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / FIRST
    data = bytearray(path.read_bytes())
    data[2_000:] = b"\xff" * (len(data) - 2_000)
    path.write_bytes(data)
    assert run(["export", str(path), "--lines"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# R4: odd outputs.


def odd(
    arguments: Sequence[str], tmp_path: Path, *, shell: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the program with a redirection of a shell."""
    line = " ".join([*PROGRAM, *arguments, shell])
    return subprocess.run(
        ["sh", "-c", line],
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.network
def test_a_peer_without_a_stdout_says_so(tmp_path: Path) -> None:
    done = odd(["peer", "--topic", "x"], tmp_path, shell=">&-")
    assert (done.returncode, done.stderr) == (
        2,
        "ampubsub-tui: stdout is closed: nobody would read the lines\n",
    )


@pytest.mark.network
def test_a_peer_whose_stdout_is_full_says_so(tmp_path: Path) -> None:
    done = odd(["peer", "--topic", "x"], tmp_path, shell=">/dev/full")
    assert (done.returncode, done.stderr) == (
        74,
        "ampubsub-tui: cannot write to stdout: no space left on device\n",
    )


@pytest.mark.network
def test_a_peer_whose_reader_goes_away_ends_without_a_word(tmp_path: Path) -> None:
    done = odd(["peer", "--topic", "x"], tmp_path, shell="| head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["event"] == "ready"


@pytest.mark.parametrize("command", ["locate", "--help", "--version", "recordings", "'completion' bash"])
def test_a_full_stdout_is_no_crash_and_leaves_no_report(command: str, tmp_path: Path) -> None:
    done = odd([command], tmp_path, shell=">/dev/full")
    assert (done.returncode, done.stderr) == (
        74,
        "ampubsub-tui: cannot write to stdout: no space left on device\n",
    )
    assert not list(tmp_path.rglob("crash-*"))


@pytest.mark.network
def test_a_home_that_is_no_folder_holds_no_settings(tmp_path: Path) -> None:
    gone = {"HOME": "/dev/null", "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": ""}
    done = odd(["peer", "--topic", "x"], tmp_path, shell="| head -1", **gone)
    assert done.stderr == ""
    assert json.loads(done.stdout)["event"] == "ready"


def test_a_home_that_is_no_folder_still_opens_a_history_and_says_what_it_does_not_keep() -> None:
    from amdbg_tui.lifecycle import open_history
    from amdbg_tui.settings import HistorySettings, Locations, load_settings

    nowhere = Path("/dev/null/state")
    assert load_settings(Path("/dev/null/config/settings.toml")).theme == "dark"
    with open_history(Locations(nowhere, nowhere), HistorySettings()) as history:
        history.append([machine(LAMP)])
        assert history.trouble == history.error
        assert history.trouble == (
            "nothing is recorded, the history is kept in memory only (/dev/null/state/history: not a directory)"
        )


@pytest.mark.network
def test_the_same_address_twice_is_once(tmp_path: Path) -> None:
    listen = "--listen /ip4/127.0.0.1/udp/0/quic-v1"
    done = odd(["peer", "--topic", "x", listen, listen], tmp_path, shell="| head -1")
    assert done.stderr == ""
    assert len(json.loads(done.stdout)["addresses"]) == 1
