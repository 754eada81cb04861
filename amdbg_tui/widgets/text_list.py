"""Text that can be scrolled, searched and copied: rows made elsewhere, shown as a list."""

from __future__ import annotations

from collections.abc import Hashable

from amdbg_tui.widgets.paint import Row
from amdbg_tui.widgets.virtual_list import VirtualList


class TextList(VirtualList):
    """Rows as they were given. The cursor shows only while the text is read."""

    def __init__(self, rows: list[Row] | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: list[Row] = rows or []

    def row_count(self) -> int:
        """Lines of text."""
        return len(self.rows)

    def row_version(self, index: int) -> Hashable:
        """The text itself."""
        return tuple(self.rows[index])

    def build_row(self, index: int, width: int) -> Row:
        """One line."""
        return self.rows[index]

    @property
    def shows_cursor(self) -> bool:
        """Only while it is read."""
        return self.has_focus
