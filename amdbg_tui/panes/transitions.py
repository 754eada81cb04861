"""The transitions, one a row: when, which machine, what was called, what came of it, and who asked."""

from __future__ import annotations

from collections.abc import Hashable

from amdbg_tui.history.live import Moment
from amdbg_tui.panes import looks, words
from amdbg_tui.panes.records import RecordsPane
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row, clip, pad, width_of

NAME_CELLS = 14
CALLED_CELLS = 24


class TransitionsPane(RecordsPane):
    """Transitions of the window; derived ones of network machines are marked `≈`."""

    def __init__(self, view: View) -> None:
        super().__init__(view, id="transitions")
        self.rows: list[tuple[Moment, float | None]] = []

    def clear_rows(self) -> None:
        """Forget all rows."""
        self.rows = []

    def rows_of(self, index: int) -> int:
        """One row a record."""
        before = self.rows[-1][0].record.at_s if self.rows else None
        self.rows.append((self.view.window.moments[index], before))
        return 1

    def title(self) -> str:
        """How many, and of what."""
        more = "" if self.view.window.complete else "+"
        return f"Transitions:{len(self.rows):,}{more} · {self.view.scope_words}"

    def row_count(self) -> int:
        """Transitions at hand."""
        return len(self.rows)

    def row_key(self, index: int) -> Hashable:
        """The record's number: rows move up when old ones go."""
        return self.rows[index][0].number

    def row_version(self, index: int) -> Hashable:
        """Records never change; their looks do."""
        return (self.view.state, self.view.scope)

    def moment_at(self, index: int) -> Moment | None:
        """The record of a row."""
        return self.rows[index][0] if index < len(self.rows) else None

    def build_row(self, index: int, width: int) -> Row:
        """Sign, time, machine, what was called, what changed, who asked."""
        moment, before = self.rows[index]
        record = moment.record
        machine = self.view.live.machines.get(record.key)
        sign, look = looks.outcome(record, bool(moment.changed))
        row: Row = [(sign + " ", look), *looks.stamp(record.at_s, before), (" ", "plain")]
        if self.view.scope != "machine" or self.view.machine_key is None:
            name = looks.machine_name(machine, words.short_id(record.key.peer_id))
            row += [(pad(name, NAME_CELLS), words.TRUST_LOOK.get(record.trust, "plain")), (" ", "plain")]
        if record.derived:
            trust = f"clock {words.TRUST_SIGN.get(record.trust, ' ')}".rstrip()
            row.append((pad(trust, CALLED_CELLS if width >= 70 else 8), "grey"))
        else:
            kind = "check" if record.check else "auto" if record.auto else record.kind
            called_look = "grey" if not record.accepted else "bright"
            room = CALLED_CELLS - len(kind) - 1 if width >= 70 else 16
            row += [
                (kind + " ", "own" if record.by_hand else "grey"),
                (pad(", ".join(record.called), room), called_look),
            ]
        row.append((" ", "plain"))
        if not record.accepted:
            refused = next((name.rstrip("!") for name in record.handlers if name.endswith("!")), "")
            row.append((f"canceled by {refused}" if refused else "canceled", "error"))
        for kind, name, ticks in words.changes(
            machine.record if machine else None, record.before, record.after
        ):
            found = "grey" if kind == "-" else "multi" if kind == "·" else "active"
            if name == self.view.state:
                found += " on lit"
            row.append((("+" if kind == "·" else kind) + name, found))
            row.append((f":+{ticks} " if kind == "·" else " ", "grey"))
        source = "by hand" if record.by_hand else "" if record.derived else record.source.partition("/")[0]
        room = width - width_of(row) - 1
        if source and room > 6:
            text = clip(source, room)
            row += [(" " * (room - len(text)), "plain"), (text, "own" if record.by_hand else "faint")]
        return row
