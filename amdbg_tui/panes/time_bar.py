"""The time bar: what happened when, from the beginning of the recording to now, with the moment as a cursor.

    ▂▂▃▅▆▄▃▁  ▁▂▃▃▄▄▅▆▆▇▅▃▂┃▃▂▁     how many records
          !          ✗   m  ┃ live ▶   errors, refused attempts, bookmarks, ░ where records are missing
    16:51      16:52      16:53       when

Click or drag goes there, the wheel moves by five records, `z` and `Z` zoom. Always on the screen, two rows high where there is
little room.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from amdbg_tui import keymap
from amdbg_tui.history.live import Live
from amdbg_tui.history.timeline import Bucket
from amdbg_tui.panes import words
from amdbg_tui.panes.pane import PaneBase
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row
from amdbg_tui.widgets.virtual_list import paint_of

BLOCKS = " ▁▂▃▄▅▆▇█"
ZOOMS_S = (5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0, 0.0)
"""Stretches that can be shown; 0: the whole recording."""
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)
LABEL_CELLS = 14
REREAD_S = 1.0
SPARE_SHARE = 30
"""Between two readings at least so many times as long as one takes."""
WHEEL_RECORDS = 5


class TimeBar(PaneBase, Widget, can_focus=True):
    """Density, marks and times; the cursor is the moment."""

    DEFAULT_CSS = """
    TimeBar { height: 5; border: solid $frame; background: $background; }
    TimeBar:focus { border: double $frame-focused; }
    """
    pane_name = "time"
    hints = (
        "time.before",
        "time.after",
        "time.zoom_in",
        "time.zoom_out",
        "time.mark",
        "time.go",
        "time.play",
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
        Binding("h", "by(-1)", "Before", show=False),
        Binding("l", "by(1)", "After", show=False),
        Binding("pageup", "by(-50)", "Back", show=False),
        Binding("pagedown", "by(50)", "On", show=False),
        *keymap.bindings_of("time"),
    ]

    def __init__(self, view: View) -> None:
        super().__init__(id=self.pane_name)
        self.view = view
        self.zoom = len(ZOOMS_S) - 1
        self.buckets: list[Bucket] = []
        self.read = 0
        """How often the recording was asked: counted by tests."""
        self._made_for: Hashable = None
        self._read_for: Hashable = None
        self._read_at = 0.0
        self._cost_s = 0.0
        self._dragging = False

    # Keeping up.

    def show(self, now: Live) -> None:
        """Read again when time went on enough, and draw the cursor."""
        history, width = self.view.history, self.size.width
        if width < 4:
            return
        moment = now.moment
        first, last = history.first, history.last
        about = (
            width,
            self.zoom,
            moment if self.zoom < len(ZOOMS_S) - 1 else 0,
            first == 0,
            len(history.bookmarks),
        )
        passed = time.monotonic() - self._read_at
        due = passed >= max(REREAD_S, SPARE_SHARE * self._cost_s)
        if self._read_for is None or about != self._read_for[0] or (due and last != self._read_for[1]):  # type: ignore[index]
            self._read_for = (about, last)
            begin = time.monotonic()
            self._read(now, first, last, width)
            self._read_at = time.monotonic()
            self._cost_s = self._read_at - begin
            self.read += 1
        made_for = (self._read_for, moment, self.view.version, history.trouble)
        if made_for != self._made_for:
            self._made_for = made_for
            self._show_title(now)
            self.refresh()

    def _read(self, now: Live, first: int, last: int, width: int) -> None:
        history = self.view.history
        span_s = ZOOMS_S[self.zoom]
        if span_s and last:
            end_s = history.time_of(last)
            if now.moment is not None:
                end_s = min(end_s, now.wall_s + span_s / 3)
            first = max(first, history.number_at(end_s - span_s))
            last = max(first, history.number_at(end_s))
        self.buckets = list(history.density(first, last, width)) if last else []

    def _show_title(self, now: Live) -> None:
        begin, end = self.span_s
        if not self.buckets:
            self.border_title = Content("Time · nothing recorded yet")
            return
        span = f"{words.clock_time(begin)[:8]} ─ {words.clock_time(end)[:8]}"
        shown = (
            "whole recording" if not ZOOMS_S[self.zoom] else f"{words.span_words(ZOOMS_S[self.zoom])} of it"
        )
        count = sum(bucket.records for bucket in self.buckets)
        self.border_title = Content(f"{span} · {count:,} records · {shown}")
        trouble = self.view.history.trouble
        self.border_subtitle = Content(trouble or "click or drag · wheel ±5 · z Z zoom · ctrl+g a time")

    @property
    def span_s(self) -> tuple[float, float]:
        """Wall-clock times of both ends."""
        return (self.buckets[0].begin_s, self.buckets[-1].end_s) if self.buckets else (0.0, 0.0)

    @property
    def head(self) -> int:
        """The column of the moment; the last one in the present; -1 when it is not in sight."""
        if not self.buckets:
            return -1
        if self.view.is_live:
            return len(self.buckets) - 1
        wall_s = self.view.wall_s
        begin, end = self.span_s
        if not begin <= wall_s <= end or end <= begin:
            return 0 if wall_s < begin else len(self.buckets) - 1
        return min(len(self.buckets) - 1, int((wall_s - begin) / (end - begin) * len(self.buckets)))

    # Drawing.

    def render_line(self, y: int) -> Strip:
        """Density, marks, times: the last one is left out where there are two rows."""
        paint = paint_of(self.app)
        ground = paint.style("plain on ground")
        row = [self._density_row, self._marks_row, self._times_row][y]() if y < 3 and self.buckets else []
        strip = Strip(paint.segments(row, "on ground"))
        return strip.adjust_cell_length(self.size.width, ground)

    def _density_row(self) -> Row:
        most = max((bucket.records for bucket in self.buckets), default=0)
        cells = []
        head = self.head
        for column, bucket in enumerate(self.buckets):
            level = 0 if not bucket.records else 1 + int(7 * (bucket.records / most) ** 0.5)
            look = "inactive" if bucket.records else "faint"
            if bucket.errors:
                look = "error"
            if not self.view.is_live and column > head:
                look = "faint"
            cells.append((BLOCKS[min(8, level)], look))
        return self._with_head(cells)

    def _marks_row(self) -> Row:
        cells: list[tuple[str, str]] = []
        marks = [mark.at_s for mark in self.view.history.bookmarks]
        end = self.span_s[1]
        for column, bucket in enumerate(self.buckets):
            sign, look = " ", "plain"
            if bucket.lost or bucket.gap:
                sign, look = "░", "stale"
            if bucket.refusals:
                sign, look = "✗", "canceled"
            if bucket.errors:
                sign, look = "!", "error bold"
            if any(
                bucket.begin_s <= at_s < bucket.end_s or (column + 1 == len(self.buckets) and at_s == end)
                for at_s in marks
            ):
                sign, look = "m", "own bold"
            cells.append((sign, look))
        if not self.view.is_live and len(cells) > 30 and self.head < len(cells) - 8:
            for place, sign in enumerate("live ▶"):
                cells[len(cells) - 7 + place] = (sign, "inactive")
        return self._with_head(cells)

    def _times_row(self) -> Row:
        begin, end = self.span_s
        width = len(self.buckets)
        if end <= begin:
            return []
        step = next((step for step in STEPS_S if step / (end - begin) * width >= LABEL_CELLS), STEPS_S[-1])
        text = [" "] * width
        at_s = (int(begin) // step + 1) * step
        while at_s < end:
            column = int((at_s - begin) / (end - begin) * width)
            label = words.clock_time(at_s)[: 8 if step < 60 else 5]
            if column + len(label) + 1 < width:
                text[column : column + len(label) + 1] = list("╷" + label)
            at_s += step
        return self._with_head([(sign, "grey") for sign in text])

    def _with_head(self, cells: list[tuple[str, str]]) -> Row:
        head = self.head
        if 0 <= head < len(cells):
            cells[head] = ("┃", "inactive bold" if self.view.is_live else "stale bold")
        row: Row = []
        for sign, look in cells:
            if row and row[-1][1] == look:
                row[-1] = (row[-1][0] + sign, look)
            else:
                row.append((sign, look))
        return row

    # Keys and mouse.

    def go_to_column(self, column: int) -> None:
        """The last record up to the end of a column; the last column is the present."""
        if not self.buckets:
            return
        column = max(0, min(len(self.buckets) - 1, column))
        is_end = not ZOOMS_S[self.zoom] or self.buckets[-1].last >= self.view.history.last - 1
        if column == len(self.buckets) - 1 and is_end:
            self.view.go_to(None)
        else:
            known = [bucket.last for bucket in self.buckets[: column + 1] if bucket.records]
            if not known:
                known = [next((bucket.first for bucket in self.buckets if bucket.records), 0)]
            if not known[-1]:
                return
            self.view.go_to(known[-1])
        self.post_message(self.Changed())

    def _column(self, event: events.MouseEvent) -> int | None:
        offset = event.get_content_offset(self)
        return None if offset is None else offset.x

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Go there, and drag on."""
        column = self._column(event)
        if column is not None:
            self._dragging = True
            self.capture_mouse()
            self.go_to_column(column)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Dragging moves the moment."""
        if self._dragging:
            self.go_to_column(event.x - self.gutter.left)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """The end of dragging."""
        if self._dragging:
            self._dragging = False
            self.release_mouse()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Five records back."""
        event.stop()
        self.post_message(self.Wants(f"record(-{WHEEL_RECORDS})"))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Five records on."""
        event.stop()
        self.post_message(self.Wants(f"record({WHEEL_RECORDS})"))

    def action_by(self, by: int) -> None:
        """So many records."""
        self.post_message(self.Wants(f"record({by})"))

    def action_first(self) -> None:
        """The first record that is kept."""
        self.view.go_to(max(1, self.view.history.first))
        self.post_message(self.Changed())

    def action_last(self) -> None:
        """The present."""
        self.view.go_to(None)
        self.post_message(self.Changed())

    def action_zoom(self, by: int) -> None:
        """A shorter or longer stretch."""
        self.zoom = max(0, min(len(ZOOMS_S) - 1, self.zoom + by))
        self.post_message(self.Changed())

    def on_focus(self) -> None:
        """Its frame tells."""
        self.refresh()

    def on_resize(self, _: Any) -> None:
        """Another width, other columns."""
        self.show(self.view.now)
