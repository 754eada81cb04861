"""A few lines of spans, as high as there are lines."""

from __future__ import annotations

from textual.strip import Strip
from textual.widget import Widget

from amdbg_tui.widgets.paint import Row
from amdbg_tui.widgets.virtual_list import paint_of


class Lines(Widget):
    """Shows rows; takes no focus."""

    DEFAULT_CSS = """
    Lines { height: 1; width: 1fr; background: $bar; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []

    def show(self, rows: list[Row]) -> None:
        """Show these rows instead."""
        if rows != self._rows:
            self._rows = rows
            self.styles.height = max(1, len(rows))
            self.refresh()

    @property
    def text(self) -> str:
        """What is shown, without looks."""
        return "\n".join("".join(text for text, _ in row) for row in self._rows)

    def render_line(self, y: int) -> Strip:
        """One line."""
        paint = paint_of(self.app)
        row = self._rows[y] if y < len(self._rows) else []
        strip = Strip(paint.segments(row, "on bar"))
        return strip.adjust_cell_length(self.size.width, paint.style("plain on bar"))
