"""One list for millions of rows: what the machines, states, transitions and log panes are built on.

It draws with Textual's Line API, so that only rows on the screen are ever made. A row has a version: as
long as that (and the theme and the width) stays the same, its strip comes from a cache, and `sync` repaints
only rows on the screen whose version changed. There is a cursor, keys for it, following of the tail,
sideways shifting, the mouse, selecting text to copy, and search as one types.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollTo
from textual.selection import Selection
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from amdbg_tui.widgets.paint import Paint, Row, text_of, width_of

SEARCH_WINDOW_S = 1.5
"""Letters typed within this time of each other make one search, as in am-dbg."""
CACHE_ROWS = 1024
TITLE_S = 1.0
SHIFT_COLUMNS = 8
FALLBACK_PAINT = Paint({})
VI_KEYS: dict[str, tuple[str, int] | tuple[str]] = {
    "j": ("cursor", 1),
    "k": ("cursor", -1),
    "g": ("first",),
    "G": ("last",),
    "upper_g": ("last",),
}


def paint_of(app: App[object]) -> Paint:
    """The paint of the app's theme; an app without one (a test's) draws without colours."""
    paint = getattr(app, "paint", None)
    return paint if isinstance(paint, Paint) else FALLBACK_PAINT


class VirtualList(ScrollView, can_focus=True):
    """A list whose rows are asked for when they are seen. Subclasses say what the rows are."""

    DEFAULT_CSS = """
    VirtualList {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        overflow-y: auto;
    }
    """
    ALLOW_SELECT = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor(-1)", "Up", show=False),
        Binding("down", "cursor(1)", "Down", show=False),
        Binding("pageup,alt+p", "page(-1)", "Page up", show=False),
        Binding("pagedown,alt+n", "page(1)", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
        Binding("shift+left", "shift(-1)", "Left", show=False),
        Binding("shift+right", "shift(1)", "Right", show=False),
        Binding("enter", "open", "Open", show=False),
    ]

    searchable = False
    """Letters typed search; where they do not, `j k g G` move as in vi."""
    tails = False
    """New rows come at the end, and the cursor may stick to it."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.cursor = 0
        self.following = self.tails
        self.shift = 0
        self.search = ""
        self._search_at = 0.0
        self._search_timer: Timer | None = None
        self._count = 0
        self._subtitle = ""
        self._title: tuple[str, Hashable, float] = ("", None, 0.0)
        self._seen: dict[int, Hashable] = {}
        self._strips: OrderedDict[Hashable, tuple[Hashable, Strip]] = OrderedDict()
        self._strips_of: tuple[Paint, int, int, int] | None = None
        self._paint = FALLBACK_PAINT

    # What subclasses answer.

    def row_count(self) -> int:
        """How many rows there are."""
        raise LookupError(f"{type(self).__name__} does not say how many rows it has")

    def row_version(self, index: int) -> Hashable:
        """Changes whenever the row would look different."""
        return 0

    def row_key(self, index: int) -> Hashable:
        """Names the row wherever it stands in the list; a list whose rows move says what moves with them."""
        return index

    def build_row(self, index: int, width: int) -> Row:
        """The spans of a row, for a list `width` cells wide."""
        raise LookupError(f"{type(self).__name__} does not say what row {index} looks like")

    def row_look(self, index: int) -> str:
        """`on ROLE` laid over the whole row, or nothing."""
        return ""

    def search_text(self, index: int) -> str:
        """The text in which letters typed are looked for; empty for rows that are not found."""
        return text_of(self.build_row(index, self.size.width))

    def moved_by_hand(self) -> None:
        """The person moved the cursor."""

    def opened(self, index: int) -> None:
        """Enter on a row, or a click on the row under the cursor."""

    def clicked(self, index: int, column: int) -> bool:
        """A click on a place of a row; True when it has a meaning of its own."""
        return False

    def row_cells(self, index: int) -> int:
        """How wide a row is, for shifting sideways."""
        return width_of(self.build_row(index, self.row_width))

    def scrolled_away(self) -> None:
        """The wheel or the scroll bar ended following."""

    def reached_top(self) -> None:
        """The wheel goes on above the first row."""

    # Keeping up with the model.

    def sync(self) -> None:
        """After the model changed: take the new number of rows, follow the tail, repaint what looks
        different."""
        count = self.row_count()
        width = self.size.width
        if count != self._count or self.virtual_size.width != width:
            self._set_count(count)
            self.refresh()
        if self.following and count:
            self.cursor = count - 1
            if self.scroll_offset.y != self.max_scroll_y:
                self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        elif self.cursor >= count:
            self.cursor = max(0, count - 1)
        top = self.scroll_offset.y
        for index in range(top, min(count, top + self.size.height)):
            if self._seen.get(index, self) != self._key(index):
                self.refresh_row(index)

    def _set_count(self, count: int) -> None:
        """Another number of rows: the scroll bar is told, without laying out the whole screen anew."""
        self._count = count
        self.set_reactive(Widget.virtual_size, Size(self.size.width, count))
        self._scroll_update(self.virtual_size)

    def set_title(self, text: str, *, key: Hashable = None) -> None:
        """The title in the frame. While its `key` stays, it changes once a second at most: a title repaints
        all."""
        now = time.monotonic()
        before, before_key, at = self._title
        if text == before or (key is not None and key == before_key and now - at < TITLE_S):
            return
        self._title = (text, key, now)
        self.border_title = Content(text)

    def set_subtitle(self, text: str) -> None:
        """The title in the lower frame."""
        if text != self._subtitle:
            self._subtitle = text
            self.border_subtitle = Content(text)

    def _key(self, index: int) -> Hashable:
        return (self.row_key(index), self.row_version(index), index == self.cursor, self.row_look(index))

    def refresh_row(self, index: int) -> None:
        """Repaint one row, if it is on the screen."""
        line = index - self.scroll_offset.y
        if 0 <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def rebuilt(self) -> None:
        """Rows moved: forget every strip and repaint."""
        self._strips.clear()
        self._seen.clear()
        self.sync()
        self.refresh()

    def notify_style_update(self) -> None:
        """Textual tells of a new theme or focus: strips are made anew."""
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """One line of the list, mostly from the cache."""
        width = self.size.width
        index = y + self.scroll_offset.y
        paint = paint_of(self.app)
        ground = Style(bgcolor=self.visual_style.rich_style.bgcolor)
        if not 0 <= index < self._count:
            return Strip.blank(width, ground)
        made_for = (paint, width, self.row_width, self.shift)
        if made_for != self._strips_of:
            self._strips.clear()
            self._strips_of = made_for
        self._paint = paint
        key = self._key(index)
        self._seen[index] = key
        if len(self._seen) > 4 * CACHE_ROWS:
            self._seen = {index: key}
        name = self.row_key(index)
        cached = self._strips.get(name)
        if cached is not None and cached[0] == (key, self.has_focus):
            strip = cached[1]
            self._strips.move_to_end(name)
        else:
            strip = self._make(index, width, ground)
            self._strips[name] = ((key, self.has_focus), strip)
            if len(self._strips) > CACHE_ROWS:
                self._strips.popitem(last=False)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(index)) is not None:
            start, end = span
            start = max(0, start - self.shift)
            end = strip.cell_length if end == -1 else max(start, end - self.shift)
            marked = strip.crop(start, end).apply_style(self._paint.style("reverse"))
            strip = Strip.join([strip.crop(0, start), marked, strip.crop(end)])
        return strip.apply_offsets(self.shift, index)

    def _make(self, index: int, width: int, ground: Style) -> Strip:
        over = self.row_look(index)
        if index == self.cursor and self.shows_cursor:
            over = "bold on cursor" if self.has_focus else "on blurred"
        row = self.build_row(index, self.row_width)
        segments = self._paint.segments(row, over)
        fill = self._paint.style(over) if over else ground
        strip = Strip(segments).apply_style(ground) if not over else Strip(segments)
        if strip.cell_length - self.shift > width > 1:  # a row that is cut says so
            more = Strip(
                [
                    *strip.crop(self.shift, self.shift + width - 1),
                    *self._paint.segments([("›", "grey")], over),
                ]
            )
            strip = more if over else more.apply_style(ground)
            return strip.crop_extend(0, width, fill)
        return strip.crop_extend(self.shift, self.shift + width, fill)

    @property
    def row_width(self) -> int:
        """Cells for a row: without the scroll bar's."""
        return self.scrollable_content_region.width

    @property
    def shows_cursor(self) -> bool:
        """Whether the row under the cursor is marked."""
        return True

    # Moving.

    def go(self, index: int, *, centre: bool = False, margin: int = 0) -> None:
        """Move the cursor to a row and bring it into sight, `margin` rows from the edges."""
        index = max(0, min(self._count - 1, index))
        before, self.cursor = self.cursor, index
        height = self.size.height
        top = self.scroll_offset.y
        margin = min(margin, max(0, (height - 1) // 2))
        if not top + margin <= index < top + height - margin:
            to = (
                index - height // 2
                if centre
                else index - margin
                if index < top + margin
                else index - height + 1 + margin
            )
            self.scroll_to(y=max(0, to), animate=False, force=True)
        self.refresh_row(before)
        self.refresh_row(index)

    def _by_hand(self, index: int) -> None:
        at_end = index >= self._count - 1
        self.following = self.tails and at_end and self.following
        self.go(index)
        self.moved_by_hand()

    def action_cursor(self, by: int) -> None:
        """One row up or down."""
        self._by_hand(self.cursor + by)

    def action_page(self, by: int) -> None:
        """One page up or down."""
        self._by_hand(self.cursor + by * max(1, self.size.height - 1))

    def action_first(self) -> None:
        """To the first row."""
        self._by_hand(0)

    def action_last(self) -> None:
        """To the last row; a list with a tail follows it from there."""
        if self.tails:
            self.following = True
        self._by_hand(self._count - 1)

    def action_shift(self, by: int) -> None:
        """Sideways, as far as rows in sight are wider than the list."""
        top = self.scroll_offset.y
        rows = range(top, min(self._count, top + self.size.height))
        most = max(0, max((self.row_cells(index) for index in rows), default=0) - self.row_width)
        shift = max(0, min(most, self.shift + by * SHIFT_COLUMNS))
        if shift != self.shift:
            self.shift = shift
            self.refresh()

    def action_open(self) -> None:
        """Open the row under the cursor."""
        if self._count:
            self.opened(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """The first click on a row moves there, the second opens it."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = offset.y + self.scroll_offset.y
        if not 0 <= index < self._count:
            return
        if self.clicked(index, offset.x + self.shift):
            return
        if index == self.cursor:
            self.action_open()
        else:
            self._by_hand(index)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel ends following: the person looks at something."""
        if self.following:
            self.following = False
            self.scrolled_away()
        elif self._count and self.scroll_offset.y <= 0:
            self.reached_top()

    def on_scroll_to(self, event: ScrollTo) -> None:
        """So does dragging the scroll bar."""
        if self.following and event.y is not None and event.y < self.max_scroll_y:
            self.following = False
            self.scrolled_away()

    # Search as you type.

    def on_key(self, event: events.Key) -> None:
        """Letters search in the rows, or move in them; a minus or digit only continues a search."""
        character = event.character
        if not self.searchable and (by := VI_KEYS.get(event.key)):
            event.stop()
            event.prevent_default()
            getattr(self, f"action_{by[0]}")(*by[1:])
            return
        if not self.searchable or character is None or len(character) != 1:
            return
        if event.key.startswith(("alt+", "ctrl+")):
            return
        if event.key == "escape" and self.search:
            self._end_search()
            event.stop()
            return
        fresh = time.monotonic() - self._search_at < SEARCH_WINDOW_S and bool(self.search)
        if character.isalpha() or character == "_" or (fresh and (character.isdigit() or character in "-.")):
            event.stop()
            event.prevent_default()
            self._search_on(self.search + character if fresh else character)

    def _search_on(self, wanted: str) -> None:
        self.search = wanted
        self._search_at = time.monotonic()
        if self._search_timer is not None:
            self._search_timer.stop()
        self._search_timer = self.set_timer(SEARCH_WINDOW_S, self._end_search)
        found = self.find(wanted, self.cursor if len(wanted) > 1 else self.cursor + 1)
        self.show_search(wanted, found is not None)
        if found is not None:
            self._by_hand(found)

    def find(self, wanted: str, start: int) -> int | None:
        """The row that begins with `wanted`, else one that contains it; from `start` on, round the end."""
        wanted = wanted.casefold()
        inside = None
        for step in range(self._count):
            index = (start + step) % self._count
            text = self.search_text(index).casefold()
            if text.startswith(wanted):
                return index
            if inside is None and wanted in text:
                inside = index
        return inside

    def _end_search(self) -> None:
        self.search = ""
        self.show_search("", True)

    def show_search(self, wanted: str, found: bool) -> None:
        """Show what is searched for in the lower border."""
        text = "" if not wanted else f" {wanted} " if found else f" {wanted}: nothing "
        self.set_subtitle(text)

    # Copying.

    def row_text(self, index: int) -> str:
        """A row as it is copied."""
        return text_of(self.build_row(index, max(self.size.width, 400)))

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text selected with the mouse."""
        top, bottom = self._selected_rows(selection)
        lines = [text_of(self.build_row(index, self.row_width)) for index in range(top, bottom)]
        text = "\n".join([""] * top + lines) if top < CACHE_ROWS else "\n".join(lines)
        return (selection.extract(text), "\n") if top < CACHE_ROWS else (text, "\n")

    def _selected_rows(self, selection: Selection) -> tuple[int, int]:
        start = 0 if selection.start is None else selection.start.y
        end = self._count - 1 if selection.end is None else selection.end.y
        return max(0, start), min(self._count, end + 1)

    def selection_updated(self, selection: Selection | None) -> None:
        """Repaint with the selection."""
        self.refresh()

    def on_focus(self) -> None:
        """The cursor's look tells where the focus is."""
        self.refresh()

    def on_blur(self) -> None:
        """As above."""
        self.refresh()

    def on_resize(self) -> None:
        """Another width makes other rows, and the cursor stays in sight."""
        self._set_count(self._count)
        self.resized()
        if self.following:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        elif self._count:
            self.go(self.cursor)

    def resized(self) -> None:
        """Make rows anew that depend on the size."""
