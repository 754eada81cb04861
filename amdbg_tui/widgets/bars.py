"""The one-line bars: a row of spans across the screen, and the toolbar of switches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from amdbg_tui.widgets.paint import Row, width_of
from amdbg_tui.widgets.virtual_list import paint_of


class Bar(Widget):
    """Spans at the left and at the right of one line; the left ones give way when there is no room."""

    DEFAULT_CSS = """
    Bar { height: 1; background: $bar; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left: Row = []
        self._right: Row = []

    def show(self, left: Row, right: Row | None = None) -> None:
        """Paint these, if they are others than before."""
        right = right or []
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        paint = paint_of(self.app)
        width = self.size.width
        ground = paint.style("plain on bar")
        right = Strip(paint.segments(self._right, "on bar"))
        room = max(0, width - right.cell_length)
        left = Strip(paint.segments(self._left, "on bar"))
        if left.cell_length > room > 0:
            left = Strip.join([left.crop(0, room - 1), Strip(paint.segments([("…", "grey")], "on bar"))])
        return Strip.join([left.adjust_cell_length(room, ground), right]).adjust_cell_length(width, ground)


@dataclass(frozen=True, slots=True)
class Switch:
    """A cell of the toolbar: `[X]label`."""

    label: str
    action: str
    value: Callable[[], str]
    """What stands between the brackets; a blank when it is off."""
    push: bool = False
    """A button, not a switch: its brackets hold an icon."""


class Toolbar(Widget, can_focus=True):
    """am-dbg's toolbar: Left and Right move among the switches, Enter or a click presses."""

    DEFAULT_CSS = """
    Toolbar { height: 1; background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "Left", show=False),
        Binding("right", "step(1)", "Right", show=False),
        Binding("enter", "press", "Press", show=False),
    ]

    @dataclass
    class Pressed(Message):
        """A switch was pressed; `action` is the app's."""

        action: str

    def __init__(self, switches: Sequence[Switch], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.switches = list(switches)
        self.at = 0
        self._shown: tuple[str, ...] = ()

    def update(self) -> None:
        """Repaint when a value changed."""
        shown = tuple(switch.value() for switch in self.switches)
        if shown != self._shown:
            self._shown = shown
            self.refresh()

    def _cells(self) -> list[Row]:
        cells: list[Row] = []
        for place, switch in enumerate(self.switches):
            value = switch.value()
            look = "bold active" if self.has_focus and place == self.at else "plain"
            on = bool(value.strip()) and not switch.push
            bracket = look if self.has_focus and place == self.at else "grey"
            cells.append(
                [
                    (" [", bracket),
                    (value, "bright bold" if on else "plain"),
                    ("]", bracket),
                    (switch.label, look if self.has_focus else "grey"),
                ]
            )
        return cells

    def render_line(self, y: int) -> Strip:
        """The switches; shifted so that the one with the cursor is in sight."""
        paint = paint_of(self.app)
        width = self.size.width
        cells = self._cells()
        end = sum(width_of(cell) for cell in cells[: self.at + 1])
        shift = max(0, end - width) if self.has_focus else 0
        over = "on blurred" if self.has_focus else "on ground"
        segments = [segment for cell in cells for segment in paint.segments(cell, over)]
        total = sum(width_of(cell) for cell in cells)
        strip = Strip(segments).crop_extend(shift, shift + width, paint.style(f"plain {over}"))
        if shift:
            strip = Strip([*paint.segments([("‹", "bright")], over), *strip.crop(1, width)])
        if total - shift > width:
            strip = Strip([*strip.crop(0, width - 1), *paint.segments([("›", "bright")], over)])
        return strip

    def action_step(self, by: int) -> None:
        """To the next switch, round the end."""
        self.at = (self.at + by) % len(self.switches)
        self.refresh()

    def action_press(self) -> None:
        """Press the switch under the cursor."""
        self.post_message(self.Pressed(self.switches[self.at].action))

    def on_click(self, event: events.Click) -> None:
        """Press the switch that was clicked."""
        at = 0
        for place, cell in enumerate(self._cells()):
            at += sum(cell_len(text) for text, _ in cell)
            if event.x < at:
                self.at = place
                self.action_press()
                return

    def on_focus(self) -> None:
        """Its look tells where the focus is."""
        self.refresh()

    def on_blur(self) -> None:
        """As above."""
        self.refresh()
