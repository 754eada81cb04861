"""One transition opened: why it came out so, in sentences; then arguments, steps and log."""

from __future__ import annotations

from collections.abc import Hashable

from amdbg_tui.history.log_lines import log_lines
from amdbg_tui.history.moments import Moment
from amdbg_tui.panes import looks, words
from amdbg_tui.panes.view import View
from amdbg_tui.panes.why import explain, step_words
from amdbg_tui.widgets.paint import Row, wrap
from amdbg_tui.widgets.text_list import TextList


class TransitionDetail(TextList):
    """The transition the person opened."""

    DEFAULT_CSS = """
    TransitionDetail { border: solid $frame; height: 2fr; }
    TransitionDetail:focus { border: double $frame-focused; }
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="detail")
        self.view = view
        self._made_for: Hashable = None

    def update(self) -> None:
        """Show the opened transition."""
        opened = self.view.opened
        self.display = opened is not None
        made_for = (opened.number if opened else None, self.size.width)
        if made_for != self._made_for:
            other = self._made_for is None or self._made_for[0] != made_for[0]  # type: ignore[index]
            self._made_for = made_for
            self.rows = self._build(opened) if opened is not None else []
            if other:
                self.cursor = 0
                self.scroll_to(y=0, animate=False, force=True)
            self.rebuilt()
        if opened is not None:
            name = self._machine_name(opened)
            self.set_title(f"Why · {name} · {words.clock_time(opened.record.at_s)}")
            self.set_subtitle("esc closes")
        self.sync()

    def _machine_name(self, moment: Moment) -> str:
        machine = self.view.live.machines.get(moment.record.key)
        return looks.machine_name(machine, words.short_id(moment.record.key.peer_id))

    def _build(self, moment: Moment) -> list[Row]:
        record = moment.record
        machine = self.view.live.machines.get(record.key)
        width = max(20, self.size.width - 1)
        rows: list[Row] = []
        for sentence in explain(record, machine):
            rows += wrap(sentence, width, "  ")
        time_before, time_after = sum(record.before), sum(record.after)
        rows.append([])
        moved = f" (+{time_after - time_before})" if time_after != time_before else ""
        queue = f" · q{record.queue_tick}" if record.queue_tick else ""
        facts = f"t{time_before} → t{time_after}{moved}{queue}"
        if record.transition_id:
            facts += f" · transition {record.transition_id}"
        rows += wrap([(facts, "grey")], width, "  ")
        rows += self._section(
            "Arguments", [[(f"{k} ", "bright"), (v, "inactive")] for k, v in record.args], width
        )
        steps = [
            [(f"{place:>3}  ", "faint"), *step_words(step)] for place, step in enumerate(record.steps, 1)
        ]
        rows += self._section("Steps", steps, width)
        names = self.view.live.names_of(record.key)
        log = [looks.spans_of(line, record.called, "") for line in log_lines(moment, names, 5) if record.log]
        rows += self._section("Log", log, width)
        return rows

    @staticmethod
    def _section(title: str, rows: list[Row], width: int) -> list[Row]:
        if not rows:
            return []
        found: list[Row] = [[], [(f"{title} ", "active bold"), (f"({len(rows)})", "grey")]]
        for row in rows:
            found += wrap([("  ", "plain"), *row], width, "    ")
        return found

    def resized(self) -> None:
        """Lines are broken anew."""
        self.update()
