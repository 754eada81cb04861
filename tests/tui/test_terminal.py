from __future__ import annotations

import shlex
import shutil
import sys

import pytest

from tests.tui.tmux import Terminal, program

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


def test_it_starts_answers_keys_and_quits_with_a_clean_terminal() -> None:
    with program() as terminal:
        terminal.keys("2", "Down", "Down")
        terminal.wait("Start active")
        terminal.keys("Enter")
        terminal.wait("no relations")
        terminal.keys("?")
        terminal.wait("Show only what matches")
        terminal.keys("Escape")
        terminal.wait("Show only what matches", gone=True)
        terminal.keys("C-q")
        screen = terminal.wait("left:0")
        assert "Machines:9" not in screen
        terminal.type("echo still here")
        terminal.keys("Enter")
        terminal.wait("\nstill here")


def test_ctrl_c_with_nothing_selected_leaves_too() -> None:
    with program() as terminal:
        terminal.keys("C-c")
        terminal.wait("left:0")


def test_it_follows_the_size_of_the_terminal() -> None:
    with program() as terminal:
        terminal.resize(80, 24)
        terminal.wait("Log:", gone=True)
        terminal.wait("Schema:12")
        terminal.resize(60, 24)
        terminal.wait("Schema:12", gone=True)
        terminal.wait("Machines:9")
        terminal.keys("3")
        terminal.wait("Log:changes")
        terminal.resize(210, 50)
        for title in ("Transitions:", "Machines:9", "Schema:12", "Log:changes"):
            terminal.wait(title)
        terminal.keys("C-q")
        terminal.wait("left:0")


def test_what_is_pasted_goes_into_the_prompt_and_not_into_keys() -> None:
    with program() as terminal:
        terminal.keys("+")
        terminal.wait("add order-4711")
        terminal.paste('InStock note="two words"\nq')
        terminal.wait('InStock note="two words"')
        terminal.keys("Enter")
        terminal.wait("Executed")
        terminal.keys("Escape", "C-q")
        terminal.wait("left:0")


def test_it_can_be_suspended_and_comes_back_as_it_was() -> None:
    with program() as terminal:
        terminal.keys("2", "Down", "Down")
        terminal.wait("Start active")
        terminal.keys("C-z")
        terminal.wait("Schema:12", gone=True)
        terminal.type("echo in the shell; fg")
        terminal.keys("Enter")
        terminal.wait("Start active")
        terminal.keys("C-q")
        terminal.wait("left:")


def test_a_click_chooses_and_a_row_is_copied_through_the_terminal() -> None:
    with program() as terminal:
        screen = terminal.screen().splitlines()
        line = next(place for place, text in enumerate(screen) if "TrafficLight" in text)
        terminal.click(5, line)
        terminal.wait("TrafficLight · Schema:7")
        terminal.keys("M-c")
        terminal.wait("Copied")
        assert terminal.clipboard().endswith("/TrafficLight")
        terminal.keys("C-q")
        terminal.wait("left:0")


def test_without_colours_no_colour_is_sent() -> None:
    command = f"{shlex.quote(sys.executable)} -m tests.tui.terminal_app"
    with Terminal(command, env={"NO_COLOR": "1"}) as terminal:
        terminal.wait("order-4711 · Schema:12")
        painted = terminal._tmux("capture-pane", "-p", "-e", "-t", "t")
        codes = {code for part in painted.split("\x1b[")[1:] for code in part.partition("m")[0].split(";")}
        colours = {str(code) for code in (*range(30, 39), *range(40, 49), *range(90, 108))}
        assert not codes & colours, codes
        assert "7" in codes  # the cursor is reversed instead
        terminal.keys("C-q")
        terminal.wait("left:0")
