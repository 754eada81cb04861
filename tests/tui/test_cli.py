"""The command line: quick help, and one line with status 2 for whatever cannot be used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amdbg_tui import cli

GOOD = "/ip4/127.0.0.1/udp/7410/quic-v1/p2p/12D3KooWLVu1sBJ7TMeM82EKy1mV9uVprTHBtidtXyd53BBM8GYL"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line; its status and what it printed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TERM", "xterm-256color")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.run(arguments)
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def refused(run: Run) -> Callable[..., str]:
    """Run a command line that must be refused; the one line that says why."""

    def refused(*arguments: str) -> str:
        status, out, err = run(*arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("ampubsub-tui: ")
        assert "Traceback" not in err
        return err

    return refused


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            [],
            "no command given. Try 'ampubsub-tui join ADDRESS', 'ampubsub-tui demo' or 'ampubsub-tui --help'.",
        ),
        (["join"], "whom to join"),
        (["join", "nonsense"], "nonsense is not a multiaddr"),
        (["join", "/ip4/127.0.0.1/udp/7410/quic-v1"], "append /p2p/PEERID"),
        (["join", "/ip4/127.0.0.1/udp/7410/p2p/x"], "without /quic-v1"),
        (["join", "--topic", "x", "--listen", "/ip4/192.0.2.1/udp/0/quic-v1"], "no address of this machine"),
        (["join", "--topic", "x", "--listen", GOOD], "leave out the /p2p/ part"),
        (["join", GOOD, "--theme", "nope"], "--theme: there is no theme nope; known are dark"),
        (["join", GOOD], "needs a terminal to draw on"),
        (["demo"], "needs a terminal to draw on"),
        (["peer"], "whom to join"),
        (["frobnicate"], "frobnicate"),
        (["join", "--frobnicate"], "--frobnicate"),
        (["completion", "tcsh"], "tcsh"),
        (["join", "\x1b[31mred\n\x07"], "?[31mred"),
    ],
)
def test_wrong_input_is_one_line(refused: Callable[..., str], arguments: list[str], complaint: str) -> None:
    assert complaint in refused(*arguments)


@pytest.mark.parametrize("transport", ["udp/{}/quic-v1", "tcp/{}"])
def test_a_port_in_use_is_named(refused: Callable[..., str], transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport.startswith("udp") else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        address = f"/ip4/127.0.0.1/{transport.format(taken.getsockname()[1])}"
        text = refused("join", "--topic", "x", "--listen", address)
        assert f"cannot listen on {address}: the port is in use" in text


def test_a_fault_in_the_settings_is_named_with_its_file(refused: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "config" / "ampubsub-tui" / "settings.toml"
    path.parent.mkdir(parents=True)
    path.write_text("theme = 3")
    assert f"{path}: theme must be a text in quotes" in refused("join", GOOD)
    path.write_text("theme = 'gone'")
    assert f"{path}: there is no theme gone" in refused("join", GOOD)


def test_a_terminal_that_cannot_move_its_cursor_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_is_terminal", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert "cannot draw on this terminal (TERM is dumb)" in refused("join", GOOD)
    monkeypatch.delenv("TERM")
    assert "TERM is not set" in refused("demo")


def test_a_crash_leaves_a_report_and_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(cli, "load_settings", broken)
    status, out, err = run("join", GOOD)
    assert (status, out, err.count("\n")) == (70, "", 1)
    assert "it crashed (ZeroDivisionError: boom); a report is in" in err
    (report,) = (tmp_path / "state" / "ampubsub-tui" / "crashes").iterdir()
    assert "boom" in report.read_text()


def test_locate_prints_every_path(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("locate")
    assert status == 0
    for path in (
        "config/ampubsub-tui/settings.toml",
        "config/ampubsub-tui/themes",
        "state/ampubsub-tui/history",
    ):
        assert str(tmp_path / path) in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(run: Run, shell: str) -> None:
    status, out, _ = run("completion", shell)
    assert status == 0
    assert out.startswith("# ")
    assert "_AMPUBSUB_TUI_COMPLETE" in out


def test_the_shell_completes_commands_and_themes(run: Run) -> None:
    program = [sys.executable, "-c", "from amdbg_tui.cli import main; main()"]
    env = {"_AMPUBSUB_TUI_COMPLETE": "bash_complete", "COMP_WORDS": "ampubsub-tui jo", "COMP_CWORD": "1"}
    assert "join" in _output(program, env)
    env |= {"COMP_WORDS": "ampubsub-tui join --theme da", "COMP_CWORD": "3"}
    assert "dark" in _output(program, env)


def test_help_imports_neither_the_screen_nor_the_network() -> None:
    code = (
        "import sys\nfrom amdbg_tui import cli\ncli.run(['--help'])\n"
        "print([name for name in ('textual', 'trio', 'libp2p', 'sqlite3', 'rich') if name in sys.modules])"
    )
    out = _output([sys.executable, "-c", code], {})
    assert "join" in out
    assert out.rstrip().endswith("[]")


def _output(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=os.environ | env, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
