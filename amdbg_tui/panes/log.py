"""The log: what machines wrote while they changed, one line each, with am-dbg's gutter and levels."""

from __future__ import annotations

from collections.abc import Hashable

from amdbg_tui.history.log_lines import LogLine, log_lines
from amdbg_tui.history.moments import Moment
from amdbg_tui.panes import looks, words
from amdbg_tui.panes.records import RecordsPane
from amdbg_tui.panes.view import LEVELS, View
from amdbg_tui.widgets.paint import Row, pad

TIMES_FROM_CELLS = 54
"""Narrower panes leave out the time of day."""
NAME_CELLS = 14


class LogPane(RecordsPane):
    """Log lines of the stream's records."""

    def __init__(self, view: View) -> None:
        super().__init__(view, view.log, id="log")
        self.rows: list[tuple[Moment, int, LogLine, float | None]] = []
        """(record, line number in it, the line, time of the row above)."""

    def clear_rows(self) -> None:
        """Forget all lines."""
        self.rows = []

    def rows_of(self, index: int) -> int:
        """The lines of a record, as many as the level lets through."""
        moment = self.stream.moments[index]
        names = self.view.live.names_of(moment.record.key)
        lines = log_lines(moment, names, self.view.level) if self.view.level else []
        before = self.rows[-1][0].record.at_s if self.rows else None
        for place, line in enumerate(lines):
            self.rows.append((moment, place, line, before if place == 0 else moment.record.at_s))
        return len(lines)

    def title(self) -> str:
        """Level, and what the log is of."""
        return f"Log:{LEVELS[self.view.level]} · {self.stream.scope_words}{self.filter_words}"

    def row_count(self) -> int:
        """Lines of the log."""
        return len(self.rows)

    def row_key(self, index: int) -> Hashable:
        """The record and the line in it: lines move up when old ones go."""
        moment, place, _, _ = self.rows[index]
        return (moment.number, place)

    def row_version(self, index: int) -> Hashable:
        """Lines never change; their looks do."""
        return (self.view.state, self.stream.scope)

    def moment_at(self, index: int) -> Moment | None:
        """The record of a line."""
        return self.rows[index][0] if index < len(self.rows) else None

    def build_row(self, index: int, width: int) -> Row:
        """Gutter, time, machine, text."""
        moment, place, line, before = self.rows[index]
        record = moment.record
        sign, look = looks.outcome(record, bool(moment.changed))
        row: Row = [(f"{sign} " if place == 0 or sign == "▌" else "  ", look)]
        if width >= TIMES_FROM_CELLS:
            row += looks.stamp(record.at_s, before) if place == 0 else [(" " * 12, "plain")]
            row.append((" ", "plain"))
        if self.stream.names_machines:
            machine = self.view.live.machines.get(record.key)
            name = looks.machine_name(machine, words.short_id(record.key.peer_id))
            trust = words.TRUST_LOOK.get(record.trust, "plain")
            row += [(pad(name if place == 0 else "", NAME_CELLS), trust), (" ", "plain")]
        sign = words.TRUST_SIGN.get(record.trust, " ").strip()
        if sign and place == 0:
            row.append((sign, words.TRUST_LOOK[record.trust]))
        return row + looks.spans_of(line, record.called, self.view.state)
