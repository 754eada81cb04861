"""The screen in a real terminal: keys, sizes, pasting, suspending, the mouse and the clipboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui import terminal
from tests.tui.terminal import Terminal

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(bool(terminal.missing()), reason=terminal.missing()),
]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Terminal]:
    """The screen over the fixed history, started and painted."""
    with Terminal(tmp_path, lines=36) as found:
        start(found)
        yield found


def start(screen: Terminal) -> None:
    screen.run(sys.executable, "-m", "tests.tui.terminal_app")
    screen.sees("order-4711 · 12 states")


def test_it_starts_answers_keys_and_quits_with_a_clean_terminal(screen: Terminal) -> None:
    screen.press("2", "Down", "Down")
    screen.sees("Start active")
    screen.press("Enter")
    screen.sees("no relations")
    screen.press("?")
    screen.sees("To the record before")
    screen.press("Escape")
    screen.sees_no_longer("To the record before")
    screen.press("C-q")
    assert screen.ended_with() == 0
    assert "Machines:9" not in screen.text()
    screen.assert_restored()


def test_ctrl_c_with_nothing_selected_leaves_too(screen: Terminal) -> None:
    screen.press("C-c")
    assert screen.ended_with() == 0


def test_it_follows_the_size_of_the_terminal(screen: Terminal) -> None:
    screen.resize(80, 24)
    screen.sees_no_longer("Why ·")
    screen.sees("12 states")
    screen.resize(60, 24)
    screen.sees_no_longer("12 states")
    screen.sees("Machines:9")
    screen.press("3")
    screen.sees("Records ·")
    screen.resize(210, 50)
    for title in ("Records ·", "Machines:9", "12 states", "Why ·"):
        screen.sees(title)
    screen.press("C-q")
    assert screen.ended_with() == 0


def test_what_is_pasted_goes_into_the_prompt_and_not_into_keys(screen: Terminal) -> None:
    screen.press("+")
    screen.sees("add order-4711")
    screen.paste('InStock note="two words"\nq')
    screen.sees('InStock note="two words"')
    screen.press("Enter")
    screen.sees("Executed")
    screen.press("Escape", "C-q")
    assert screen.ended_with() == 0


def test_it_can_be_suspended_and_comes_back_as_it_was(screen: Terminal) -> None:
    screen.press("2", "Down", "Down")
    screen.sees("Start active")
    screen.press("C-z")
    screen.sees_no_longer("12 states")
    screen.run("fg")
    screen.sees("Start active")
    screen.press("C-q")
    screen.sees("status=0")


def test_a_click_chooses_and_a_row_is_copied_through_the_terminal(screen: Terminal) -> None:
    lines = screen.text().splitlines()
    line = next(place for place, text in enumerate(lines) if "TrafficLight" in text)
    screen.click(5, line)
    screen.sees("TrafficLight · 7 states")
    screen.press("M-c")
    screen.sees("Copied")
    assert screen.clipboard().endswith("/TrafficLight")
    screen.press("C-q")
    assert screen.ended_with() == 0


def test_without_colours_no_colour_is_sent(tmp_path: Path) -> None:
    with Terminal(tmp_path, env={"NO_COLOR": "1"}) as screen:
        start(screen)
        painted = screen.text_with_colours()
        codes = {code for part in painted.split("\x1b[")[1:] for code in part.partition("m")[0].split(";")}
        colours = {str(code) for code in (*range(30, 39), *range(40, 49), *range(90, 108))}
        assert not codes & colours, codes
        assert "7" in codes  # the cursor is reversed instead
        screen.press("C-q")
        assert screen.ended_with() == 0
