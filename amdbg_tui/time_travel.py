"""Moving the whole screen through time: by record, step, state, error, refusal, bookmark; play; a place that was typed. Used by the app."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.timeline import Step
from amdbg_tui.panes.records import RecordsPane
from amdbg_tui.panes.selection import SCHEME, AddressError
from amdbg_tui.panes.view import View

FAST_RECORDS = 50
_TIME = re.compile(r"^(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?$")
_AGO = re.compile(r"^-(\d+(?:\.\d+)?)\s*(s|min|m|h)?$")
UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of a move: whether the moment is another now, and what to say when it is not."""

    moved: bool
    why_not: str = ""


class TimeTravel:
    """Moves over a view; `records` is the stream whose filters count."""

    def __init__(self, view: View, records: RecordsPane) -> None:
        self.view = view
        self.records = records

    def record(self, by: int) -> Moved:
        """So many matching records before or after."""
        moved = False
        for _ in range(abs(by)):
            if not self.records.step_record(1 if by > 0 else -1):
                break
            moved = True
        return Moved(moved, "" if moved else self._end(by))

    def step(self, by: int) -> Moved:
        """A step inside the record; at its ends on to the record beside."""
        view = self.view
        if view.is_live:
            if by > 0 or not self.records.step_record(-1):
                return Moved(False, self._end(by))
            return self._enter(view.chosen.record, last=True)
        moment = view.history.moment(view.chosen.record) if view.chosen.record else None
        steps = len(moment.record.steps) if moment is not None else 0
        at = view.chosen.step
        if by < 0:
            target = steps if at == 0 else at - 1
            if target >= 1:
                view.go_to(view.chosen.moment, step=target, record=view.chosen.record)
                return Moved(True)
            if self.records.step_record(-1):
                return self._enter(view.chosen.record, last=True)
            return Moved(False, self._end(by))
        if 0 < at < steps:
            view.go_to(view.chosen.moment, step=at + 1, record=view.chosen.record)
            return Moved(True)
        if self.records.step_record(1):
            return self._enter(view.chosen.record, last=False)
        return Moved(False, self._end(by))

    def _enter(self, number: int, *, last: bool) -> Moved:
        view = self.view
        moment = view.history.moment(number) if not view.is_live else None
        if moment is not None and moment.record.steps:
            view.go_to(view.chosen.moment, step=len(moment.record.steps) if last else 1, record=number)
        return Moved(True)

    def jump(self, by: int) -> Moved:
        """To the lit state's next record before or after, else 50 records."""
        if not self.view.state:
            return self.record(by * FAST_RECORDS)
        return self.find("state", by)

    def find(self, what: str, by: int) -> Moved:
        """To the nearest error, refused attempt, bookmark, loss, or record of the lit state."""
        view, history = self.view, self.view.history
        at = view.chosen.moment if view.chosen.moment is not None else history.last + 1
        kind = Step(what)
        of_machine = kind in (Step.ERROR, Step.REFUSAL, Step.STATE) and view.scope == "machine"
        found: int | None = at
        for _ in range(2_000):
            found = history.step(
                found or 0, forward=by > 0, what=kind, machine=view.machine_key if of_machine else None,
                state=view.state if kind is Step.STATE else "",
            )  # fmt: skip
            if found is None or kind in (Step.BOOKMARK, Step.LOSS):
                break
            moment = history.moment(found)
            if moment is None or (self._is_seen(moment.record.key) and view.accepts(moment)):
                break
        if found is None:
            where = f" of {view.scope_words}" if of_machine else ""
            words = {"state": f"record of {view.state}", "refusal": "refused attempt"}.get(what, what)
            return Moved(False, f"There is no {words}{where} {'after' if by > 0 else 'before'} this moment.")
        view.go_to(found)
        return Moved(True)

    def _is_seen(self, key: object) -> bool:
        return self.view.scope == "machine" or key in self.view.exposed_machines

    def live(self) -> Moved:
        """Hold still at the newest record, or back to the present."""
        view = self.view
        view.playing = False
        if not view.is_live:
            view.go_to(None)
            return Moved(True)
        if self.records.window.moments and self.records.window.is_tail:
            view.go_to(self.records.window.moments[-1].number)
        elif view.history.last:
            view.go_to(view.history.last)
        else:
            return Moved(False, "There is no record to hold still at yet.")
        return Moved(True)

    def _end(self, by: int) -> str:
        return "This is the present." if by > 0 else "This is the first record that is kept."

    def go(self, text: str) -> Moved:
        """To what was typed: a time of day, `-90s`, a percentage, `t123`, a record's number, a bookmark's text, an address."""
        view, history, text = self.view, self.view.history, text.strip()
        if text.startswith(SCHEME):
            try:
                view.open_address(text)
            except AddressError as error:
                return Moved(False, f"{error}")
            return Moved(True)
        if not history.last:
            return Moved(False, "Nothing was recorded yet.")
        if text.endswith("%") and re.fullmatch(r"\d+(\.\d+)?%", text):
            begin, end = history.time_of(history.first), history.time_of(history.last)
            return self._at_wall(begin + (end - begin) * min(100.0, float(text[:-1])) / 100)
        if (found := _TIME.match(text)) is not None:
            return self._at_wall(self._time_of_day(found))
        if (found := _AGO.match(text)) is not None:
            return self._at_wall(view.wall_s - float(found.group(1)) * UNITS_S[found.group(2) or "s"])
        if re.fullmatch(r"t[\d,]+", text):
            return self._at_tick(int(text[1:].replace(",", "")))
        if re.fullmatch(r"#?[\d,]+", text):
            number = int(text.lstrip("#").replace(",", ""))
            if not history.first <= number <= history.last:
                return Moved(False, f"Records {history.first:,} to {history.last:,} are kept.")
            view.go_to(number)
            return Moved(True)
        if text in ("now", "live"):
            view.go_to(None)
            return Moved(True)
        for mark in history.bookmarks:
            if text and text.casefold() in mark.text.casefold():
                view.go_to(mark.number)
                return Moved(True)
        return Moved(
            False, f"{text or 'nothing'}: write 16:58:28, -90s, 42%, t631, #404, a bookmark or mach://…"
        )

    def _time_of_day(self, found: re.Match[str]) -> float:
        hour, minute, second, part = found.groups()
        end = time.localtime(self.view.history.time_of(self.view.history.last))
        day = time.mktime((*end[:3], int(hour), int(minute), int(second or 0), 0, 0, -1))
        wall_s = day + float(part or 0)
        return wall_s if wall_s <= self.view.history.time_of(self.view.history.last) else wall_s - 86_400

    def _at_wall(self, wall_s: float) -> Moved:
        number = self.view.history.number_at(wall_s)
        if not number:
            return Moved(False, "That is before the first record that is kept.")
        self.view.go_to(number)
        return Moved(True)

    def _at_tick(self, tick: int) -> Moved:
        """The first record of the selected machine whose ticks sum up to so much."""
        key = self.view.machine_key
        if key is None:
            return Moved(False, "Choose a machine first: ticks are a machine's.")
        cursor, after = self.view.history.cursor(), 0
        wanted = TransitionFilter(machines=frozenset({key}))
        while True:
            page = cursor.page(wanted, after=after, limit=1_000)
            for moment in page.moments:
                if sum(moment.record.after) >= tick:
                    self.view.go_to(moment.number)
                    return Moved(True)
            if not page.more:
                return Moved(False, f"The machine has not come to t{tick:,} in this recording.")
            after = page.last
