"""A small recording, and the command line in this process."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from amdbg_tui.cli import commands
from amdbg_tui.history import History
from amdbg_tui.history.records import (
    MachineKey,
    MachineRecord,
    PeerRecord,
    StateShape,
    TransitionRecord,
)

LAMP, DOOR = MachineKey("12D3-boiler", 0), MachineKey("12D3-hall", 0)


@pytest.fixture
def recording(tmp_path):
    """Lamp goes on and off three times; the door is known by hearsay."""
    path = tmp_path / "night.db"
    start = time.time() - 100
    with History(path) as history:
        history.append(
            [
                PeerRecord(start, "12D3-boiler", "joined", "boiler"),
                PeerRecord(start, "12D3-hall", "stale", "hall", "nothing heard"),
                MachineRecord(
                    start, LAMP, "lamp", (StateShape("On"), StateShape("Power")), "first-hand",
                    tags=("room:kitchen",), clock=(0, 1),
                ),
                MachineRecord(start, DOOR, "door", (StateShape("Locked"),), "hearsay", clock=(1,)),
            ]
        )  # fmt: skip
        for tick in range(1, 7):
            kind = "add" if tick % 2 else "remove"
            before, after = (tick - 1, 1), (tick, 1)
            history.append(
                [
                    TransitionRecord(
                        start + tick, LAMP, str(tick), kind, ("On",), True, before, after, trust="first-hand"
                    )
                ]
            )
    return path


@pytest.fixture
def run():
    """Run a command; its status, stdout and stderr."""

    def run(*arguments: object) -> SimpleNamespace:
        result = CliRunner().invoke(
            commands, [str(argument) for argument in arguments], standalone_mode=False
        )
        status = result.return_value if result.exception is None else 2
        error = str(getattr(result.exception, "message", result.exception or ""))
        return SimpleNamespace(status=status, out=result.stdout, err=result.stderr + error)

    return run
