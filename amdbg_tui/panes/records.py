"""What the log and the transitions pane share: rows over the a stream of records, following, older
pages."""

from __future__ import annotations

from collections.abc import Hashable

from amdbg_tui.history.moments import Moment
from amdbg_tui.panes.stream import Stream
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.virtual_list import VirtualList


class RecordsPane(VirtualList):
    """A list whose rows each belong to one record of the stream."""

    tails = True
    DEFAULT_CSS = """
    RecordsPane { border: solid $frame; }
    RecordsPane:focus { border: double $frame-focused; }
    """

    def __init__(self, view: View, stream: Stream, *, id: str) -> None:
        super().__init__(id=id)
        self.view = view
        self.stream = stream
        self._rebuilt_for: Hashable = None
        self._taken = 0

    # What the two panes answer.

    def rows_of(self, index: int) -> int:
        """Make the rows of the stream's record `index`; how many there are."""
        return 1

    def clear_rows(self) -> None:
        """Forget all rows."""

    def moment_at(self, index: int) -> Moment | None:
        """The record a row belongs to."""
        return None

    def row_of_number(self, number: int) -> int | None:
        """The first row of a record."""
        for index in range(self.row_count() - 1, -1, -1):
            moment = self.moment_at(index)
            if moment is not None and moment.number == number:
                return index
        return None

    @property
    def filter_words(self) -> str:
        """What else narrows it, for the title."""
        view = self.view
        state = f" · only {view.state}" if view.only_state and view.state else ""
        return state + (f" · like {view.log_text}" if view.log_text else "")

    def title(self) -> str:
        """The border's title."""
        return ""

    # Keeping up.

    def resized(self) -> None:
        """Another size may have room for more."""
        self.update()

    def update(self) -> None:
        """Take what changed in the stream."""
        self.following = self.view.following
        stream = self.stream
        made_for = self.made_for()
        if made_for != self._rebuilt_for:
            held = self.moment_at(self.cursor)
            self._rebuilt_for = made_for
            self.clear_rows()
            self._taken = 0
            self._take()
            if not self.following and held is not None:
                self.cursor = self.row_of_number(held.number) or 0
                self.rebuilt()
                self.go(self.cursor, centre=True)
            else:
                self.rebuilt()
        elif self._taken < len(stream.moments):
            self._take()
        self.set_title(self.title(), key=made_for)
        missed = stream.missed
        self.set_subtitle(f"Paused · {missed:,} new" if not self.view.following else "")
        self.sync()

    def made_for(self) -> Hashable:
        """Rows are made anew when this changes."""
        stream, view = self.stream, self.view
        return (
            stream.rebuilt_version,
            stream.scope_words,
            view.level,
            view.log_text,
            view.shows["health"],
            view.autos,
        )

    def _take(self) -> None:
        moments = self.stream.moments
        for index in range(self._taken, len(moments)):
            if self.view.passes(moments[index].record):
                self.rows_of(index)
        self._taken = len(moments)

    def moved_by_hand(self) -> None:
        """Reading ends following; at the first row older records are read."""
        if self.view.following != self.following or self.cursor < self._count - 1:
            self.view.follow(self.following and self.cursor >= self._count - 1)
        if self.cursor == 0 and self._count:
            self.load_older()

    def reached_top(self) -> None:
        """The wheel reads older records, too."""
        self.load_older()

    def load_older(self) -> None:
        """Read one page of older records, if there are any."""
        held = self.moment_at(0)
        if self.stream.load_older() and held is not None:
            self.update()
            at = self.row_of_number(held.number)
            if at is not None:
                self.go(at, centre=True)

    def current(self) -> Moment | None:
        """The record under the cursor."""
        return self.moment_at(self.cursor)

    def row_look(self, index: int) -> str:
        """The opened record is lit."""
        moment = self.moment_at(index)
        opened = self.view.opened
        return (
            "on lit" if moment is not None and opened is not None and moment.number == opened.number else ""
        )
