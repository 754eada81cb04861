"""Stdout that is closed, full, or read by somebody who goes away: one line and the right status, never a crash report."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = f"{sys.executable} -c 'from amdbg_tui.cli import main; main()'"
COMMANDS = ("why FILE lamp.On", "watch FILE lamp.On", "reach FILE lamp On", "ls FILE --states")


def _shell(command: str, recording) -> subprocess.CompletedProcess[str]:
    script = f"set -o pipefail; {PROGRAM} {command.replace('FILE', str(recording))}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("end", "status", "words"),
    [
        (" >/dev/full", 74, "cannot write to stdout: no space left on device"),
        (" >&-", 2, "stdout is closed: nobody would read the lines"),
        (" | (sleep 0.3; exec 0<&-)", 0, ""),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_ends_with_one_line_and_its_status(recording, command, end, status, words) -> None:
    ended = _shell(command + end, recording)
    assert ended.returncode == status, ended.stderr
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == bool(words)


def test_a_reader_that_takes_one_line_of_many_is_no_failure(recording) -> None:
    ended = _shell("watch FILE lamp.On --json | head -1", recording)
    assert ended.returncode == 0
    assert ended.stdout.count("\n") == 1
    assert ended.stderr == ""
