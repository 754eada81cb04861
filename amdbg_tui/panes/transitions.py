"""The transitions, one a row: when, which machine, what changed, what was asked and by whom."""

from __future__ import annotations

from collections.abc import Hashable

from amdbg_tui.history.moments import Moment
from amdbg_tui.history.records import TransitionRecord
from amdbg_tui.panes import looks, words
from amdbg_tui.panes.records import RecordsPane
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row, pad, width_of

NAME_CELLS, LONG_NAME_CELLS = 14, 18
ROOMY_CELLS = 66
"""From here on there is room for longer names."""


class TransitionsPane(RecordsPane):
    """Transitions of the stream; derived ones of network machines are marked `≈`."""

    def __init__(self, view: View) -> None:
        super().__init__(view, view.transitions, id="transitions")
        self.rows: list[tuple[Moment, float | None]] = []

    def clear_rows(self) -> None:
        """Forget all rows."""
        self.rows = []

    def rows_of(self, index: int) -> int:
        """One row a record."""
        before = self.rows[-1][0].record.at_s if self.rows else None
        self.rows.append((self.stream.moments[index], before))
        return 1

    def title(self) -> str:
        """How many, and of what."""
        more = "" if self.stream.complete else "+"
        return f"Transitions:{len(self.rows):,}{more} · {self.stream.scope_words}{self.filter_words}"

    def row_count(self) -> int:
        """Transitions at hand."""
        return len(self.rows)

    def row_key(self, index: int) -> Hashable:
        """The record's number: rows move up when old ones go."""
        return self.rows[index][0].number

    def row_version(self, index: int) -> Hashable:
        """Records never change; their looks do."""
        return (self.view.state, self.stream.scope)

    def moment_at(self, index: int) -> Moment | None:
        """The record of a row."""
        return self.rows[index][0] if index < len(self.rows) else None

    def build_row(self, index: int, width: int) -> Row:
        """Sign, time, machine, what changed; at the right what was asked, and by whom."""
        moment, before = self.rows[index]
        record = moment.record
        machine = self.view.live.machines.get(record.key)
        sign, look = looks.outcome(record, bool(moment.changed))
        row: Row = [(sign + " ", look), *looks.stamp(record.at_s, before), (" ", "plain")]
        if self.stream.names_machines:
            name = looks.machine_name(machine, words.short_id(record.key.peer_id))
            cells = NAME_CELLS if width < ROOMY_CELLS else LONG_NAME_CELLS
            row += [(pad(name, cells), words.TRUST_LOOK.get(record.trust, "plain")), (" ", "plain")]
        at = width_of(row)
        if not record.accepted:
            row += _refusal(record)
        for kind, name, ticks in words.changes(
            machine.record if machine else None, record.before, record.after
        ):
            found = "grey" if kind == "-" else "multi" if kind == "·" else "active"
            if name == self.view.state:
                found += " on lit"
            row.append((("+" if kind == "·" else kind) + name, found))
            row.append((f":+{ticks} " if kind == "·" else " ", "grey"))
        if record.accepted and width_of(row) == at:
            row.append(("nothing moved ", "faint"))
        origin = _origin(record)
        room = width - width_of(row)
        if width_of(origin) < room:
            row += [(" " * (room - width_of(origin)), "plain"), *origin]
        return row


def _refusal(record: TransitionRecord) -> Row:
    refused = next((name.rstrip("!") for name in record.handlers if name.endswith("!")), "")
    sign = {"remove": "-", "set": "="}.get(record.kind, "+")
    row: Row = [(f"{sign}{name} ", "grey") for name in record.called]
    return [*row, (f"canceled by {refused} " if refused else "canceled ", "error")]


def _origin(record: TransitionRecord) -> Row:
    """At the right end: what was asked, and by whom."""
    if record.derived:
        return (
            []
            if record.trust == "first-hand"
            else [(record.trust, words.TRUST_LOOK.get(record.trust, "grey"))]
        )
    if record.by_hand:
        return [(f"{record.kind} by hand", "own")]
    if record.check:
        return [("check", "grey")]
    source = record.source.partition("/")[0]
    return [(f"{'auto' if record.auto else record.kind}{' by ' + source if source else ''}", "faint")]
