"""Why: the record of the moment, in sentences, then in every detail that is known, with links to what it came from.

It keeps its place whatever is opened. A row with `→` leads on: Enter goes there, and Backspace back again.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from amdbg_tui.history.live import Live, Moment
from amdbg_tui.history.log_lines import log_lines
from amdbg_tui.history.records import MachineKey
from amdbg_tui.history.timeline import Step
from amdbg_tui.panes import looks, words
from amdbg_tui.panes.pane import Pane
from amdbg_tui.panes.reasons import reasons_of
from amdbg_tui.panes.view import View
from amdbg_tui.panes.why_words import explain, names, source_of, step_words
from amdbg_tui.widgets.paint import Row, wrap

CAUSED_LOOKED_AT = 300
"""So many records after this one are looked at for what it caused."""
CHAIN_MOST = 6
FOLDED = frozenset({"Queue and ticks", "Log"})
"""Sections that are closed until they are opened."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where Enter on a row leads."""

    record: int = 0
    step: int = 0
    section: str = ""
    states: tuple[str, ...] = ()
    """States to ask for in the prompt."""


class WhyPane(Pane):
    """The answer for one record."""

    pane_name = "why"
    hints = ("time.step_before", "time.step_after", "time.before", "time.after", "time.back", "see.expand")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.rows: list[Row] = []
        self.targets: dict[int, Target] = {}
        """By row."""
        self.open_sections: dict[str, bool] = {}
        self._made_for: Hashable = None
        self._record = 0
        self._width = 40

    def show(self, now: Live) -> None:
        """The record of the moment; in the present the newest of the selected machine."""
        moment = self._moment(now)
        key = (
            moment.number if moment is not None else 0,
            self.view.chosen.step,
            self.row_width,
            tuple(sorted(self.open_sections.items())),
            now.moment,
        )
        if key != self._made_for:
            self._made_for = key
            self._width = max(20, self.row_width)
            self.rows, self.targets = [], {}
            if moment is None:
                self._nothing()
            else:
                self._build(moment, now)
            number = moment.number if moment is not None else 0
            if number != self._record:
                self._record = number
                self.cursor = 0
                self.scroll_to(y=0, animate=False, force=True)
            elif self.view.chosen.step:
                self._to_step()
            self.rebuilt()
        if moment is None:
            self.set_title("Why")
        else:
            self.set_title(
                f"Why · {self._machine_name(moment.record.key)} · {words.clock_time(moment.record.at_s)}"
            )
        place, visits = self.view.visits
        self.set_subtitle(f"{place}/{visits} looked at" if visits > 1 and not self.view.is_live else "")
        self.sync()

    def _moment(self, now: Live) -> Moment | None:
        chosen = self.view.chosen
        if chosen.record and not self.view.is_live:
            found = self.view.history.moment(chosen.record)
            if found is not None:
                return found
        machine = self.view.machine
        if machine is None or not machine.last_transition:
            return None
        if self.view.is_live:
            for moment in reversed(now.tail):
                if moment.record.key == machine.key:
                    return moment
        return self.view.history.moment(machine.last_transition)

    def _machine_name(self, key: MachineKey) -> str:
        machine = self.view.live.machines.get(key)
        return machine.record.machine_id if machine is not None else words.short_id(key.peer_id)

    # What there is to read.

    def _nothing(self) -> None:
        if self.view.machine is not None:
            self._say([("Nothing was recorded of this machine yet.", "grey")])
        self._say([("←", "bright"), (" goes to the record before, and this says why it happened.", "grey")])

    def _say(self, row: Row, indent: str = "", target: Target | None = None) -> None:
        for part in wrap(row, self._width, indent):
            if target is not None:
                self.targets[len(self.rows)] = target
            self.rows.append(part)

    def _build(self, moment: Moment, now: Live) -> None:
        record = moment.record
        for sentence in explain(moment):
            self._say(sentence, "  ")
        self._handlers(moment)
        if not self.view.is_live:
            self._missing(moment)
            self._came_from(moment)
            self._caused(moment)
        if record.args:
            self._section(
                "Arguments", [([(f"{k} ", "bright"), (v, "inactive")], None) for k, v in record.args]
            )
        self._steps(moment)
        self._queue(moment)
        lines = [
            looks.spans_of(line, record.called, "")
            for line in log_lines(moment, moment.names, 5)
            if record.log
        ]
        self._section("Log", [(line, None) for line in lines])

    def _section(self, title: str, rows: list[tuple[Row, Target | None]], note: str = "") -> None:
        if not rows:
            return
        is_open = self.open_sections.get(title, title not in FOLDED)
        self.rows.append([])
        count = note or str(len(rows))
        head: Row = [("▾ " if is_open else "▸ ", "grey"), (title, "active bold")]
        gap = max(2, self._width - len(title) - 2 - len(count))
        self.targets[len(self.rows)] = Target(section=title)
        self.rows.append([*head, (" " * gap, "plain"), (count, "grey")])
        for row, target in rows if is_open else ():
            if target is not None:
                row = [*row, ("  →", "own bold")]
            self._say([("  ", "plain"), *row], "    ", target)

    def _handlers(self, moment: Moment) -> None:
        record = moment.record
        if record.derived:
            return
        if not record.handlers:
            if record.accepted and not record.check:
                self._say([("No handler ran.", "grey")])
            return
        row: Row = [("Handlers, in order: ", "plain")]
        for place, name in enumerate(record.handlers):
            if place:
                row.append((" → ", "faint"))
            row.append((name.rstrip("!"), "error bold" if name.endswith("!") else "bright"))
            if name.endswith("!"):
                row.append((" refused", "error"))
        self._say(row, "  ")

    def _missing(self, moment: Moment) -> None:
        """For a refused one: since when what it needs is inactive, and what would help."""
        if moment.record.accepted or moment.record.derived:
            return
        rows: list[tuple[Row, Target | None]] = []
        needs = list(dict.fromkeys(need for _, need in reasons_of(moment).unmet))
        history = self.view.history
        for need in needs:
            last = history.step(
                moment.number, forward=False, what=Step.STATE, machine=moment.record.key, state=need
            )
            found = history.moment(last) if last is not None else None
            if found is not None:
                since = f"last touched {words.clock_time(found.record.at_s)[:8]}, record {found.number:,}"
                rows.append(([*names([need]), (f" {since}", "grey")], Target(record=found.number)))
            else:
                rows.append(
                    ([*names([need]), (" was not touched before, as far as was recorded", "grey")], None)
                )
        self._section("What was missing", rows)
        if needs and self.view.machine is not None and self.view.machine.is_own:
            self._section(
                "It may work after",
                [([("+", "plain"), *names(needs)], Target(states=tuple(needs)))],
                "enter asks",
            )

    def _came_from(self, moment: Moment) -> None:
        rows: list[tuple[Row, Target | None]] = []
        seen = moment
        for _ in range(CHAIN_MOST):
            source = self._source(seen)
            if source is None:
                break
            passed = moment.record.at_s - source.record.at_s
            rows.append(
                (self._about(source, f"{words.span_words(passed)} before"), Target(record=source.number))
            )
            seen = source
        _, transition, _ = source_of(moment.record)
        if not rows and transition and not moment.record.derived:
            rows.append(([(f"transition {transition} is not in this recording", "grey")], None))
        before = self.view.history.step(moment.number, forward=False, machine=moment.record.key)
        if before is not None and (found := self.view.history.moment(before)) is not None:
            passed = moment.record.at_s - found.record.at_s
            row: Row = [("before it: ", "grey"), *self._about(found, f"{words.span_words(passed)} before")]
            rows.append((row, Target(record=before)))
        self._section("Where it came from", rows)

    def _source(self, moment: Moment) -> Moment | None:
        """The record of the transition that asked for this one."""
        machine, transition, _ = source_of(moment.record)
        if not transition or moment.record.derived:
            return None
        page = self.view.history.cursor().page(before=moment.number + 8, limit=CAUSED_LOOKED_AT)
        for found in reversed(page.moments):
            if found.record.transition_id == transition and self._machine_name(found.record.key) == machine:
                return found
        return None

    def _caused(self, moment: Moment) -> None:
        record = moment.record
        if not record.transition_id:
            return
        name = self._machine_name(record.key)
        page = self.view.history.cursor().page(after=max(0, moment.number - 8), limit=CAUSED_LOOKED_AT)
        rows: list[tuple[Row, Target | None]] = []
        for found in page.moments:
            machine, transition, _ = source_of(found.record)
            if found.number != moment.number and (machine, transition) == (name, record.transition_id):
                rows.append((self._about(found, ""), Target(record=found.number)))
        self._section("What it caused", rows[:20])

    def _about(self, moment: Moment, when: str) -> Row:
        row: Row = [(self._machine_name(moment.record.key) + " ", "bright")]
        row += looks.change(moment, "")[:6]
        return [*row, (when, "grey")]

    def _steps(self, moment: Moment) -> None:
        at = self.view.chosen.step if moment.number == self.view.chosen.record else 0
        steps: list[tuple[Row, Target | None]] = []
        for place, step in enumerate(moment.record.steps, 1):
            mark = ("▶", "own bold") if place == at else (" ", "plain")
            number = (f"{place:>3} ", "bright" if place == at else "faint")
            words_of = step_words(step)
            if 0 < at < place:
                words_of = [(text, "faint") for text, _ in words_of]
            steps.append(([mark, number, *words_of], Target(record=moment.number, step=place)))
        note = f"{at} of {len(steps)}" if at else ""
        title = "Steps"
        if not steps:
            return
        is_open = self.open_sections.get(title, True) or bool(at)
        self.rows.append([])
        self.targets[len(self.rows)] = Target(section=title)
        count = note or str(len(steps))
        gap = max(2, self._width - len(title) - 2 - len(count))
        self.rows.append(
            [
                ("▾ " if is_open else "▸ ", "grey"),
                (title, "active bold"),
                (" " * gap, "plain"),
                (count, "grey"),
            ]
        )
        for row, target in steps if is_open else ():
            self._say(row, "      ", target)

    def _queue(self, moment: Moment) -> None:
        record = moment.record
        time_before, time_after = sum(record.before), sum(record.after)
        moved = f" (+{time_after - time_before})" if time_after != time_before else ""
        rows: list[tuple[Row, Target | None]] = [
            ([(f"t{time_before:,} → t{time_after:,}{moved}", "plain")], None)
        ]
        if record.queue_tick:
            rows.append(([(f"queue q{record.queue_tick:,}", "plain")], None))
        if record.transition_id:
            rows.append(([(f"transition {record.transition_id}", "plain")], None))
        rows.append(([(f"record {moment.number:,}", "plain")], None))
        for at in moment.changed:
            name = moment.names[at] if at < len(moment.names) else f"#{at}"
            before = record.before[at] if at < len(record.before) else 0
            rows.append(([(name, "bright"), (f"  {before:,} → {record.after[at]:,}", "grey")], None))
        self._section("Queue and ticks", rows)

    def _to_step(self) -> None:
        wanted = self.view.chosen.step
        for row, target in self.targets.items():
            if target.step == wanted:
                self._set_count(len(self.rows))
                self.go(row, margin=2)
                return

    # A list of rows.

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

    def opened(self, index: int) -> None:
        """Follow a link, open or close a section, ask for what was missing."""
        target = self.targets.get(index)
        if target is None:
            return
        if target.section:
            opened = self.open_sections.get(target.section, target.section not in FOLDED)
            self.open_sections[target.section] = not opened
        elif target.states:
            self.post_message(self.Wants(f"prompt('add', {' '.join(target.states)!r})"))
            return
        else:
            found = self.view.history.moment(target.record)
            if found is not None:
                self.view.select_machine(found.record.key)
                self.view.go_to(target.record, step=target.step)
        self.changed()

    def action_expand(self) -> None:
        """Open or close all sections."""
        titles = [target.section for target in self.targets.values() if target.section]
        closed = [title for title in titles if not self.open_sections.get(title, title not in FOLDED)]
        self.open_sections |= dict.fromkeys(titles, bool(closed))
        self.changed()
