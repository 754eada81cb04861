"""The filter: what is typed narrows the pane it was opened from, letter by letter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input

from amdbg_tui.widgets.lines import Lines

TYPING_PAUSE_S = 0.12
"""A search through the whole history waits for this long a pause."""


class FilterInput(Input):
    """The line; Escape clears and closes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "clear_all", "Clear", show=False)]

    @dataclass
    class Left(Message):
        """Escape."""

    def action_clear_all(self) -> None:
        """Clear and close."""
        self.post_message(self.Left())


class FilterLine(Horizontal):
    """One line at the bottom."""

    DEFAULT_CSS = """
    FilterLine { height: 1; display: none; background: $bar; }
    FilterLine Lines { width: auto; }
    FilterLine Input { width: 1fr; height: 1; border: none; padding: 0; background: $bar; }
    FilterLine Input:focus { border: none; background-tint: $bar 0%; }
    """

    @dataclass
    class Changed(Message):
        """Narrow the pane to this text."""

        pane: str
        text: str

    @dataclass
    class Entered(Message):
        """Enter, of a line that does nothing while one types."""

        pane: str
        text: str

    @dataclass
    class Closed(Message):
        """Back to the pane."""

        pane: str

    def __init__(self) -> None:
        super().__init__(id="filter")
        self.pane = ""
        self._at_once = True
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """What is filtered, and the line."""
        yield Lines(id="filter-what")
        yield FilterInput(id="filter-line", select_on_focus=False)
        yield Lines(id="filter-wrong")

    def complain(self, wrong: str) -> None:
        """Say what was not understood."""
        lines = self.query_one("#filter-wrong", Lines)
        lines.show([[(f" {wrong} ", "stale")]] if wrong else [])
        lines.styles.width = len(wrong) + 2 if wrong else 0

    def open(self, pane: str, text: str, *, label: str = "", at_once: bool = True) -> None:
        """Filter a pane, beginning with the text it is filtered by; or ask for something that Enter sends."""
        self.pane = pane
        self._at_once = at_once
        self.complain("")
        label = f" {label} › " if label else f" / {pane} › "
        what = self.query_one("#filter-what", Lines)
        what.show([[(label, "active bold")]])
        what.styles.width = len(label)
        self.display = True
        line = self.query_one(FilterInput)
        with line.prevent(Input.Changed):
            line.value = text
        line.cursor_position = len(text)
        self.screen.set_focus(line)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow after a pause in typing."""
        event.stop()
        if self._timer is not None:
            self._timer.stop()
        if not self._at_once:
            return
        self._timer = self.set_timer(TYPING_PAUSE_S, self._tell)

    def _tell(self) -> None:
        self.post_message(self.Changed(self.pane, self.query_one(FilterInput).value.strip()))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, back to the pane."""
        event.stop()
        if self._at_once:
            self._tell()
            self._close()
        else:
            self._close()
            self.post_message(self.Entered(self.pane, event.value.strip()))

    def on_filter_input_left(self, event: FilterInput.Left) -> None:
        """Drop the filter, back to the pane."""
        event.stop()
        if self._at_once:
            self.post_message(self.Changed(self.pane, ""))
        self._close()

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self.display = False
        self.post_message(self.Closed(self.pane))
