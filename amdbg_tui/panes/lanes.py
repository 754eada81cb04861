"""State lanes: when each state of a machine was active, one lane a state, told by signs as well as by colours.

    ·····+━━━━-··+━━━┃━━━    + on   - off   ━ active   · inactive   2 ticked so often   ✗ asked for and refused   ┃ the moment

Pure: records in, cells out. By time a column is a stretch of seconds; by record it is one record, with am-dbg's signs of the rain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.filters import TransitionFilter, is_error_state
from amdbg_tui.history.live import Changes, LiveMachine, Moment
from amdbg_tui.history.records import MachineKey
from amdbg_tui.widgets.paint import Row

SPANS_S = (2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0)
READ = 400
HELD = 4_000
NEWER_SHARE = 0.25
"""In the past this share of the width is for what came after the moment."""


@dataclass(slots=True)
class Lanes:
    """The cells of one machine's states. `rows[state]` is one row of spans, as wide as the lanes."""

    rows: dict[int, Row] = field(default_factory=dict)
    columns: int = 0
    head: int = -1
    """Column of the moment; -1: not in sight."""
    begin_s: float = 0.0
    end_s: float = 0.0
    numbers: list[int] = field(default_factory=list)
    """By column the record a click goes to; 0: none."""


class LaneSource:
    """The records of one machine in and around the stretch that is shown; read again only when one goes beyond it."""

    def __init__(self, key: MachineKey) -> None:
        self.key = key
        self.moments: list[Moment] = []
        self.version = 0
        self._begin_s = 0.0
        self._recorded_s = 0.0
        self._whole_before = False
        self._full = False
        self._tail = False

    @property
    def known_s(self) -> float:
        """From when on the records are here; before it, what was active is not known here."""
        return self._recorded_s if self._whole_before or not self.moments else self.moments[0].record.at_s

    def cover(
        self, cursor: Cursor, begin_s: float, end_s: float, moment: int | None, recorded_s: float = 0.0
    ) -> None:
        """Have what is needed for a stretch of time. `recorded_s`: when the recording began."""
        self._recorded_s = recorded_s
        if self._covers(begin_s, end_s, moment):
            return
        wanted = TransitionFilter(machines=frozenset({self.key}))
        found: list[Moment] = []
        self._tail = moment is None
        if moment is not None:
            page = cursor.page(wanted, after=moment, limit=READ)
            found = list(page.moments)
            self._tail = not page.more
        before = None if moment is None else moment + 1
        more = True
        while more and len(found) < HELD:
            page = cursor.page(wanted, before=before, limit=READ)
            found[:0] = page.moments
            before, more = page.first, page.more
            if page.moments and page.moments[0].record.at_s < begin_s:
                break
        self._whole_before, self._full = not more, len(found) >= HELD
        self._begin_s = found[0].record.at_s if found else begin_s
        self.moments = found
        self.version += 1

    def _covers(self, begin_s: float, end_s: float, moment: int | None) -> bool:
        if not self.version or not (self._whole_before or self._full or self._begin_s <= begin_s):
            return False
        if self._tail:
            return True
        return bool(self.moments) and self.moments[-1].record.at_s >= end_s and self.known_s <= begin_s

    def take(self, changes: Changes) -> None:
        """New records of this machine come at the end."""
        if changes.rebuilt or changes.gap:
            self.version = 0  # read again
            return
        if not self._tail or not self.version:
            return
        last = self.moments[-1].number if self.moments else 0
        found = [each for each in changes.transitions if each.record.key == self.key and each.number > last]
        if found:
            self.moments += found
            self.version += 1
            if len(self.moments) > HELD + READ:
                del self.moments[:-HELD]
                self._begin_s = self.moments[0].record.at_s
                self._whole_before, self._full = False, True


def by_time(
    machine: LiveMachine, moments: Sequence[Moment], begin_s: float, end_s: float, columns: int,
    *, known_s: float, present_s: float, moment: int | None, moment_s: float,
) -> Lanes:  # fmt: skip
    """Lanes whose columns are stretches of time; nothing is drawn before `known_s` and beyond `present_s`."""
    states = len(machine.names)
    width = max((end_s - begin_s) / columns, 1e-9)
    base = _base(machine, moments, begin_s, states)
    events: dict[tuple[int, int], tuple[int, int]] = {}
    refused: set[tuple[int, int]] = set()
    numbers = [0] * columns
    for each in moments:
        at_s = each.record.at_s
        if at_s < begin_s or at_s >= end_s:
            continue
        column = min(columns - 1, int((at_s - begin_s) / width))
        numbers[column] = each.number
        if not each.record.accepted and not each.record.check:
            for name in each.record.called if not each.record.auto else ():
                if (at := machine.index.get(name)) is not None:
                    refused.add((at, column))
            continue
        before, after = each.record.before, each.record.after
        for at in each.changed:
            earlier = before[at] if at < len(before) else 0
            later = after[at] if at < len(after) else 0
            ticks, _ = events.get((at, column), (0, 0))
            events[at, column] = (ticks + later - earlier, later % 2)
    lanes = Lanes(columns=columns, begin_s=begin_s, end_s=end_s, numbers=numbers)
    if moment is not None and begin_s <= moment_s < end_s:
        lanes.head = min(columns - 1, int((moment_s - begin_s) / width))
    shown = max(0, min(columns, int((present_s - begin_s) / width) + 1))
    for at in range(states):
        active = base[at] % 2 if at < len(base) else 0
        cells: list[tuple[str, str]] = []
        for column in range(shown):
            if begin_s + (column + 1) * width < known_s:
                cells.append((" ", "off"))
                continue
            event = events.get((at, column))
            sign, kind = ("━", "on") if active else ("·", "off")
            if event is not None:
                ticks, active = event
                sign = str(min(9, ticks)) if ticks > 1 else "+" if active else "-"
                kind = "again" if ticks > 1 else "start" if active else "end"
            if (at, column) in refused:
                sign, kind = "✗", "refused"
            cells.append((sign, kind))
        lanes.rows[at] = _row(cells, machine, at, lanes.head, columns)
    return lanes


def by_record(machine: LiveMachine, moments: Sequence[Moment], columns: int, *, moment: int | None) -> Lanes:
    """am-dbg's rain on its side: a column a record, the newest at the right, or the moment three quarters along."""
    place = len(moments)
    if moment is not None:
        place = sum(each.number <= moment for each in moments)
        place = min(len(moments), place + int(columns * NEWER_SHARE))
    shown = moments[max(0, place - columns) : place]
    lanes = Lanes(columns=columns, numbers=[each.number for each in shown])
    if moment is not None:
        past = [at for at, each in enumerate(shown) if each.number <= moment]
        lanes.head = past[-1] if past else -1
    if shown:
        lanes.begin_s, lanes.end_s = shown[0].record.at_s, shown[-1].record.at_s
    for at, name in enumerate(machine.names):
        cells = [rain_cell(each, at, name) for each in shown]
        lanes.rows[at] = _row(cells, machine, at, lanes.head, columns)
    return lanes


def rain_cell(moment: Moment, at: int, name: str) -> tuple[str, str]:
    """(sign, kind) of a state in a record: `2` active and touched, `1` active, `|` switched off, `c` called in vain, `*`
    touched, `.` inactive."""
    record = moment.record
    active = at < len(record.after) and record.after[at] % 2 == 1
    changed = at in moment.changed
    called = name in record.called
    touched = changed or called or any(name in (step.from_state, step.to_state) for step in record.steps)
    if active:
        return ("2", "again") if touched else ("1", "on")
    if changed:
        return "|", "end"
    if called and not record.accepted:
        return "c", "refused"
    return ("*", "end") if touched else (".", "off")


def _base(machine: LiveMachine, moments: Sequence[Moment], begin_s: float, states: int) -> Sequence[int]:
    """The clock at the beginning of a stretch."""
    before: Sequence[int] | None = None
    for each in moments:
        if each.record.at_s >= begin_s:
            return before if before is not None else each.record.before
        before = each.record.after
    return before if before is not None else machine.clock or (0,) * states


_LOOKS = {"off": "faint", "end": "inactive", "refused": "error bold"}


def _row(cells: Sequence[tuple[str, str]], machine: LiveMachine, at: int, head: int, columns: int) -> Row:
    """Cells as spans, alike neighbours together; what is newer than the moment is dim."""
    shape = machine.record.states[at]
    lit = "error" if is_error_state(shape.name) else "multi" if shape.multi else "active"
    row: Row = []
    for column, (sign, kind) in enumerate(cells):
        look = _LOOKS.get(kind) or (f"{lit} bold" if kind in ("start", "again") else lit)
        if head >= 0 and column > head:
            look = "faint"
        if row and row[-1][1] == look:
            row[-1] = (row[-1][0] + sign, look)
        else:
            row.append((sign, look))
        if column == head:
            row.append(HEAD)
    missing = columns - len(cells)
    return [*row, (" " * missing, "plain")] if missing > 0 else row


HEAD = ("┃", "stale bold")
"""The moment, drawn between its column and the next."""
