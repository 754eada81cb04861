"""The one stream of records: what changed, a row a record, with its log lines unfolding under it.

The cursor is the moment: moving it moves every pane through time, and at the end of the stream everything is the present again.
Records newer than the moment are dimmed. A row that is too long goes on in the next line, under its text.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rich.cells import cell_len

from amdbg_tui.history.live import Changes, Live, Moment
from amdbg_tui.history.log_lines import log_lines
from amdbg_tui.panes import looks, words
from amdbg_tui.panes.pane import Pane
from amdbg_tui.panes.record_filter import fold
from amdbg_tui.panes.record_window import RecordWindow
from amdbg_tui.panes.view import LEVELS, View
from amdbg_tui.widgets.paint import Row, Span, clip, pad, width_of, wrap

SHORT_TIMES_BELOW = 60
"""Narrower panes leave out the hour, which the time bar shows."""
NAME_CELLS, MOST_NAME_CELLS = 8, 22
CHANGE_PREFIXES = frozenset({"state", "auto_", "cancel", "empty", "clock", "check"})
"""Log lines that say what the record's own row says already."""


class RecordsPane(Pane):
    """Records around the moment, of the machine, its peer, or everything."""

    pane_name = "records"
    tails = True
    can_filter = True
    hints = ("time.before", "time.step_before", "time.error_before", "time.refused_before", "find.scope", "see.more",
             "find.filter", "pane.why")  # fmt: skip

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.window = RecordWindow(view.history.cursor)
        self.rows: list[tuple[Moment, int, Row | None, float | None]] = []
        """(record, line in it, its spans unless it is painted when seen, time of the record above)."""
        self._made_for: Hashable = None
        self._rows_for: Hashable = None
        self._placed_for: Hashable = None
        self._taken = 0
        self._forgotten = 0
        self._names_width = NAME_CELLS
        self._scrolled = False
        self._wrong = ""

    # Keeping up.

    def take(self, changes: Changes) -> None:
        """New records of this stream."""
        if self._made_for is not None and (changes.transitions or changes.rebuilt):
            self.window.take(changes)

    def show(self, now: Live) -> None:
        """The stream around the moment."""
        view, window = self.view, self.window
        wanted = view.wanted
        made_for = (wanted, view.filter, view.autos, view.shows["health"])
        if made_for != self._made_for:
            self._made_for = made_for
            window.wanted, window.accepts = wanted, view.accepts
            window.load(now.moment)
            self._placed_for = None
        elif now.moment is None and not window.is_tail:
            window.load(None)
        elif now.moment is not None and not window.covers(now.moment):
            window.load(now.moment)
        self.following = view.is_live
        self._make_rows()
        place = (view.chosen.moment, self._made_for)
        if place != self._placed_for or (view.is_live and window.version):
            moved = place != self._placed_for
            self._placed_for = place
            self._place(now.moment, moved=moved)
        self._show_titles()
        self.sync()

    def _make_rows(self) -> None:
        width = self.row_width
        rows_for = (self.window.version, self.view.level, width, self.view.names_machines)
        if rows_for != self._rows_for:
            held = self.moment_at(self.cursor)
            offset = self.cursor - self.scroll_offset.y
            self._rows_for = rows_for
            self._forgotten = self.window.forgotten
            self.rows, self._taken = [], 0
            self._names_width = self._name_cells()
            self._add_rows(width)
            if held is not None and not self.following:
                self.cursor = max(0, self._row_of(held.number))
                self._set_count(len(self.rows))
                self.scroll_to(y=max(0, self.cursor - offset), animate=False, force=True)
            self.rebuilt()
            return
        if self._forgotten != self.window.forgotten:
            self._forget_rows()
        if self._taken < len(self.window.moments):
            self._add_rows(width)

    def _forget_rows(self) -> None:
        """The oldest records were let go: their rows go too, without making the others anew."""
        self._taken -= self.window.forgotten - self._forgotten
        self._forgotten = self.window.forgotten
        oldest = self.window.moments[0].number
        count = next((at for at, row in enumerate(self.rows) if row[0].number >= oldest), len(self.rows))
        del self.rows[:count]
        self._taken = max(0, self._taken)
        self.cursor = max(0, self.cursor - count)
        if not self.following:
            self._set_count(len(self.rows))
            self.scroll_to(y=max(0, self.scroll_offset.y - count), animate=False, force=True)

    def _name_cells(self) -> int:
        names = {moment.record.key for moment in self.window.moments[-200:]}
        longest = max((cell_len(self._name_of(key)) for key in names), default=0)
        return max(NAME_CELLS, min(MOST_NAME_CELLS, longest))

    def _add_rows(self, width: int) -> None:
        moments = self.window.moments
        before = self.rows[-1][0].record.at_s if self.rows else None
        level = self.view.level
        for moment in moments[self._taken :]:
            self._add_record(moment, before, width, level)
            before = moment.record.at_s
        self._taken = len(moments)

    def _add_record(self, moment: Moment, before: float | None, width: int, level: int) -> None:
        if self._cells_of(moment, width) <= width:
            self.rows.append((moment, 0, None, before))
        else:
            rows = self._broken_row(moment, before, width)
            self.rows += [(moment, place, row, before) for place, row in enumerate(rows)]
        if level == 0 or not (moment.record.log or moment.record.error):
            return
        place = 100
        indent = " " * (self._indent(width) if width >= 40 else 2)
        for line in log_lines(moment, moment.names, level):
            if line.prefix in CHANGE_PREFIXES:
                continue
            spans = looks.spans_of(line, moment.record.called, "")
            for row in wrap([(indent, "plain"), *spans], max(20, width), indent + " " * 8):
                self.rows.append((moment, place, row, before))
                place += 1

    def _broken_row(self, moment: Moment, before: float | None, width: int) -> list[Row]:
        """A record that needs several lines: what was asked, and by whom, stands unbroken at the end of the last one."""
        origin = looks.origin(moment.record)
        rows = wrap(self._record_row(moment, before, width, ()), max(20, width), " " * self._indent(width))
        used, needed = width_of(rows[-1]), width_of(origin)
        if used + 1 + needed > width:
            rows.append([])
            used = 0
        rows[-1] += [(" " * max(1, width - used - needed), "plain"), *origin] if origin else []
        return rows

    def _cells_of(self, moment: Moment, width: int) -> int:
        """About how wide a record's row is; never too little."""
        record = moment.record
        total = self._indent(width) + 14
        total += sum(len(moment.names[at]) + 6 for at in moment.changed if at < len(moment.names))
        if not moment.changed or not record.accepted:
            total += sum(len(name) + 2 for name in record.called) + 34
        total += sum(len(name) + len(value) + 2 for name, value in record.args)
        return total + len(record.source.partition("/")[0]) * (not record.derived)

    def _place(self, moment: int | None, *, moved: bool) -> None:
        """Bring the cursor to the moment; what the person scrolled to stays."""
        if moment is None:
            self.cursor = max(0, len(self.rows) - 1)
            return
        index = self.window.index_at(moment)
        row = self._row_of(self.window.moments[index].number) if index >= 0 else 0
        self._set_count(len(self.rows))
        if self._scrolled:
            self._scrolled = False
            self.cursor = max(0, row)
            self.refresh()
        elif moved:
            self.go(max(0, row), margin=3)
            self.refresh()

    def _row_of(self, number: int) -> int:
        low, high = 0, len(self.rows)
        while low < high:
            middle = (low + high) // 2
            if self.rows[middle][0].number < number:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self.rows) and self.rows[low][0].number == number else low - 1

    def _show_titles(self) -> None:
        view, window = self.view, self.window
        total = view.total
        shown = len(window.moments)
        narrowed = bool(view.filter) or view.only_state
        if window.more_before:
            count = f"{shown:,}+ of {total:,}" if narrowed else f"{total:,}"
        else:
            count = f"{shown:,} of {total:,}" if shown != total else f"{total:,}"
        level = f" · log {LEVELS[view.level]}" if view.level != 2 else ""
        only = f" · only {view.state}" if view.only_state and view.state else ""
        like = f" · like {view.filter.typed}" if view.filter else ""
        self.set_title(
            f"Records · {view.scope_words} · {count}{like}{only}{level}",
            key=(self._made_for, view.level, self.size.width),
        )
        if self._wrong:
            self.set_subtitle(self._wrong)
        elif view.is_live:
            self.set_subtitle("")
        else:
            self.set_subtitle("newer ones are dim · space: the present")

    def row_count(self) -> int:
        """Lines, one at least: an empty stream says why."""
        return len(self.rows) or 1

    def row_key(self, index: int) -> Hashable:
        """The record and the line in it: lines move when others come and go."""
        if not self.rows:
            return "nothing"
        moment, place, _, _ = self.rows[index]
        return (moment.number, place)

    def row_version(self, index: int) -> Hashable:
        """Records never change; their looks do."""
        if not self.rows:
            return (self.view.filter, self.window.more_before, self.view.version)
        return (self.view.state, self.view.filter.typed, self._is_newer(self.rows[index][0]))

    def _is_newer(self, moment: Moment) -> bool:
        at = self.view.chosen.moment
        return at is not None and moment.number > at

    def moment_at(self, index: int) -> Moment | None:
        """The record of a line."""
        return self.rows[index][0] if 0 <= index < len(self.rows) else None

    def current(self) -> Moment | None:
        """The record under the cursor."""
        return self.moment_at(self.cursor)

    # What a row looks like.

    def row_look(self, index: int) -> str:
        """All lines of the record under the cursor."""
        moment = self.moment_at(index)
        chosen = self.view.chosen
        return (
            "on lit"
            if moment is not None and chosen.moment is not None and moment.number == chosen.record
            else ""
        )

    def build_row(self, index: int, width: int) -> Row:
        """A record's line, or a line of its log."""
        if not self.rows:
            return self._nothing()
        moment, place, row, before = self.rows[index]
        if row is None or place == 0:
            row = self._record_row(moment, before, width) if row is None else row
        if self.view.filter:
            row = _lit(row, self.view.filter.lit)
        if self._is_newer(moment):
            row = [(text, "faint") for text, _ in row]
        return row

    def _nothing(self) -> Row:
        view = self.view
        if self.window.more_before:
            return [("  looking further back …", "grey")]
        if view.filter or (view.only_state and view.state):
            wanted = view.filter.typed or view.state
            return [
                ("  nothing like ", "grey"),
                (wanted, "bright bold"),
                (" here: ", "grey"),
                ("esc", "bright"),
                (" clears", "grey"),
            ]
        if view.total:
            return [(f"  none of {view.total:,} records passes the switches below", "grey")]
        return [("  no record yet", "grey")]

    def _indent(self, width: int) -> int:
        times = 9 if width < SHORT_TIMES_BELOW else 12
        return 2 + times + 1 + (self._names_width + 1 if self.view.names_machines else 0)

    def _name_of(self, key: object) -> str:
        machine = self.view.live.machines.get(key)  # type: ignore[call-overload]
        return machine.record.machine_id if machine is not None else words.short_id(str(key[0]))  # type: ignore[index]

    def _record_row(
        self, moment: Moment, before: float | None, width: int, origin: Sequence[Span] | None = None
    ) -> Row:
        """Sign, time, machine, what changed; at the right what was asked, and by whom."""
        record = moment.record
        sign, look = looks.outcome(record, bool(moment.changed))
        row: Row = [
            (sign + " ", look),
            *looks.stamp(record.at_s, before, short=width < SHORT_TIMES_BELOW),
            (" ", "plain"),
        ]
        if self.view.names_machines:
            trust = words.TRUST_LOOK.get(record.trust, "plain")
            row += [(pad(self._name_of(record.key), self._names_width), trust), (" ", "plain")]
        row += looks.change(moment, self.view.state)
        origin = looks.origin(record) if origin is None else origin
        room = width - width_of(row)
        if not origin:
            return row
        if width_of(origin) < room:
            row += [(" " * (room - width_of(origin)), "plain"), *origin]
        else:
            row += [(" ", "plain"), *origin]
        return row

    # What keys do.

    def moved_by_hand(self) -> None:
        """The record under the cursor is the moment; at the end of the stream it is the present."""
        if self.cursor <= 2 and self.window.more_before:
            self._read(self.window.older)
        if self.cursor >= len(self.rows) - 2 and self.window.more_after:
            self._read(self.window.newer)
        moment = self.moment_at(self.cursor)
        if moment is None:
            return
        if self.following and self.cursor >= len(self.rows) - 1 and self.window.is_tail:
            self.view.go_to(None)
        else:
            self.view.go_to(moment.number)
        self.changed()

    def _read(self, more: object) -> None:
        held = self.moment_at(self.cursor)
        offset = self.cursor - self.scroll_offset.y
        more()  # type: ignore[operator]
        self.following = False
        self._make_rows()
        if held is not None:
            self.cursor = max(0, self._row_of(held.number))
            self._set_count(len(self.rows))
            self.scroll_to(y=max(0, self.cursor - offset), animate=False, force=True)
            self.rebuilt()

    def reached_top(self) -> None:
        """The wheel reads older records, too."""
        if self.window.more_before:
            self._read(self.window.older)

    def scrolled_away(self) -> None:
        """The wheel or the scroll bar ended following: hold still here."""
        moment = self.window.moments[-1] if self.window.moments else None
        if moment is not None and self.view.is_live:
            self._scrolled = True
            self.view.go_to(moment.number)
            self.changed()

    def action_first(self) -> None:
        """The oldest record kept."""
        first = self.view.history.step(0, forward=True)
        if first is not None:
            self.window.load(first)
            index = self.window.index_at(first)
            self.view.go_to(self.window.moments[max(0, index)].number if self.window.moments else first)
            self.changed()

    def action_last(self) -> None:
        """The present."""
        self.view.go_to(None)
        self.changed()

    def opened(self, index: int) -> None:
        """Why? And the record's machine becomes the selected one, at this moment."""
        moment = self.moment_at(index)
        if moment is None:
            return
        self.view.select_machine(moment.record.key)
        self.view.go_to(moment.number)
        self.changed()
        self.post_message(self.Wants("pane('why')"))

    def step_record(self, by: int) -> bool:
        """To the record before or after in this stream; False when there is none."""
        window, view = self.window, self.view
        at = view.chosen.moment
        if at is None:
            if by > 0 or not window.moments:
                return False
            view.go_to(window.moments[-1].number)
            return True
        if not window.covers(at):
            window.load(at)
        index = window.index_at(at)
        exact = index >= 0 and window.moments[index].number == at
        target = index + by if by > 0 or exact else index
        if target < 0 and window.more_before:
            target += window.older()
        if target >= len(window.moments) and window.more_after:
            window.newer()
        if target >= len(window.moments):
            view.go_to(None)
            return True
        if target < 0:
            return False
        view.go_to(window.moments[target].number)
        return True

    def action_record(self, by: int) -> None:
        """The next match."""
        self.post_message(self.Wants(f"record({by})"))

    def action_next_level(self) -> None:
        """The next log level, round the end."""
        self.view.set_level((self.view.level + 1) % len(LEVELS))
        self.changed()

    def action_scope(self) -> None:
        """This machine, its peer, everything."""
        self.view.next_scope()
        self.changed()

    def action_level(self, by: int) -> None:
        """More or less log."""
        self.view.set_level(self.view.level + by)
        self.changed()

    def action_only_state(self) -> None:
        """Only records that touch the lit state."""
        view = self.view
        if view.state or view.only_state:
            view.only_state = not view.only_state
            self.changed()
        else:
            self.notify("Put the cursor on a state first: its records are what is left.", markup=False)

    @property
    def filter_text(self) -> str:
        """As it was typed."""
        return self.view.filter.typed

    def set_filter(self, text: str) -> str:
        """Only records that match."""
        self.view.set_filter(text)
        self._wrong = clip(self.view.filter.wrong, max(10, self.size.width - 6))
        return self.view.filter.wrong

    def search_on(self) -> bool:
        """Look further back for rare matches; True when there is more to look at."""
        return self._made_for is not None and self.window.search_on()


def _lit(row: Row, texts: tuple[str, ...]) -> Row:
    """A row with every place lit where one of the texts stands."""
    if not texts:
        return row
    found: Row = []
    for text, look in row:
        folded, at = fold(text), 0
        while at < len(text):
            hits = [(folded.find(wanted, at), len(wanted)) for wanted in texts if wanted]
            hits = [(place, size) for place, size in hits if place >= 0]
            if not hits:
                break
            place, size = min(hits)
            found += [
                (text[at:place], look),
                (text[place : place + size], _without_ground(look) + " reverse"),
            ]
            at = place + size
        found.append((text[at:], look))
    return [(text, look) for text, look in found if text]


def _without_ground(look: str) -> str:
    return look.partition(" on ")[0]
