"""An expression over what is recorded: every record at which it became true, or false again, without reading all.

Names are looked up in all that the recording tells of machines and peers, which is little. That gives the states that the
expression hangs on; the history's index says in which blocks they were touched, and only transitions that touched them are
read. Between those nothing changes but time: an expression with `age` or `changed` is looked at again when its span is over.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from amdbg_tui.answers.expression import Bound, Directory, Expression
from amdbg_tui.history import History
from amdbg_tui.history.cursor import Canceled, Cursor
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import Moment, Numbered
from amdbg_tui.history.records import MachineKey, MachineRecord, PeerDetailRecord, RecordClass

NEWS = (RecordClass.MACHINE, RecordClass.PEER)
PAGE = 20_000
"""Transitions read at a time."""


class Turn(NamedTuple):
    """An expression became true, or false again."""

    number: int
    """Of the record that made it so; of the newest one then, when time alone did."""
    at_s: float
    is_true: bool


def turns(
    history: History,
    expression: Expression,
    *,
    first: int | None = None,
    last: int | None = None,
    canceled: Callable[[], bool] = lambda: False,
) -> Iterator[Turn]:
    """Every turn between two records, from the beginning to the end unless told otherwise.

    One that is true at the beginning begins with a turn there. Raises `Canceled` when `canceled` answers True meanwhile.
    """
    last = history.last if last is None else last
    cursor = history.cursor()
    then = history.at(0 if first is None else max(0, first - 1)).copy()
    before = then.newest_number
    then.is_recording = True
    news = cursor.entries(before, last, _classes(expression))
    searches = _searches(expression, then.copy(), news)
    transitions = _merged([_pages(cursor, wanted, before, last, canceled) for wanted in searches])
    entries = heapq.merge(transitions, news, key=_number)
    yield from _Walk(history, expression, then, before).through(entries, last)


def _classes(expression: Expression) -> tuple[RecordClass, ...]:
    return (*NEWS, RecordClass.DETAIL) if expression.depends_on_time else NEWS


def _searches(expression: Expression, shadow: Live, news: list[Numbered]) -> list[TransitionFilter]:
    """Filters that find all transitions that may turn the expression."""
    by_names: dict[str, set[MachineKey]] = {}
    whole: set[MachineKey] = set()

    def note() -> None:
        bound = expression.bound(Directory(shadow))
        for touch in bound.touches:
            machine = shadow.machines[touch.key]
            if touch.state is None:
                whole.add(touch.key)
            elif touch.state < len(machine.names):
                by_names.setdefault(machine.names[touch.state], set()).add(touch.key)

    note()
    for entry in news:
        known = shadow.structure_version
        shadow.apply((entry,))
        if shadow.structure_version != known and not isinstance(entry.record, PeerDetailRecord):
            note()
    by_machines: dict[frozenset[MachineKey], set[str]] = {}
    for name, keys in by_names.items():
        by_machines.setdefault(frozenset(keys - whole), set()).add(name)
    found = [
        TransitionFilter(machines=keys, states=frozenset(names), changes=True)
        for keys, names in by_machines.items()
        if keys
    ]
    if whole:
        found.append(TransitionFilter(machines=frozenset(whole)))
    return found


def _pages(
    cursor: Cursor, wanted: TransitionFilter, after: int, last: int, canceled: Callable[[], bool]
) -> Iterator[Numbered]:
    while after < last:
        page = cursor.page(wanted, after=after, limit=PAGE, canceled=canceled)
        for moment in page.moments:
            if moment.number > last:
                return
            yield moment
        if not page.more:
            return
        after = page.last


def _merged(streams: list[Iterator[Numbered]]) -> Iterator[Numbered]:
    newest = 0
    for entry in heapq.merge(*streams, key=_number) if len(streams) > 1 else chain(*streams):
        if entry.number != newest:
            newest = entry.number
            yield entry


def _number(entry: Numbered) -> int:
    return entry.number


class _Walk:
    """Goes through the records that matter, and looks after each."""

    def __init__(self, history: History, expression: Expression, shadow: Live, before: int) -> None:
        self.history, self.expression, self.shadow = history, expression, shadow
        self.bound: Bound = expression.bound(Directory(shadow))
        self.is_true = False
        self.before = before
        self.due: list[float] = []
        """Wall-clock times at which a span is over."""

    def through(self, entries: Iterator[Numbered], last: int) -> Iterator[Turn]:
        """All turns."""
        shadow, spans_s = self.shadow, self.expression.spans_s
        if turn := self._turned(self.before, shadow.at_s):
            yield turn
        for span_s in spans_s:
            heapq.heappush(self.due, shadow.at_s + span_s)
        test = self.bound.test
        for entry in entries:
            at_s = entry.record.at_s
            if spans_s:
                yield from self._over(at_s, entry.number - 1)
            shadow.apply((entry,))
            if type(entry) is not Moment and self._renamed(entry):
                self.bound = self.expression.bound(Directory(shadow))
                test = self.bound.test
            answer = test(shadow)
            if answer is not self.is_true:
                self.is_true = answer
                yield Turn(entry.number, at_s, answer)
            if spans_s:
                self._await(entry)
        if spans_s:
            yield from self._over(self.history.time_of(last), last)

    def _renamed(self, entry: Numbered) -> bool:
        return not isinstance(entry.record, PeerDetailRecord)

    def _await(self, entry: Numbered) -> None:
        record = entry.record
        begins = [record.at_s]
        if isinstance(record, PeerDetailRecord) and record.last_heard_s:
            begins.append(record.last_heard_s)
        elif isinstance(record, MachineRecord):
            return
        for begin_s in begins:
            for span_s in self.expression.spans_s:
                heapq.heappush(self.due, begin_s + span_s)

    def _over(self, until_s: float, last: int) -> Iterator[Turn]:
        """Spans that end before the next record that matters."""
        while self.due and self.due[0] <= until_s:
            at_s = heapq.heappop(self.due)
            known_s = self.shadow.at_s
            for look_s in (at_s, at_s + 1e-6):
                if look_s < known_s:
                    continue
                self.shadow.at_s = look_s
                if self._test() is not self.is_true:
                    number = min(max(self.history.number_at(look_s), self.shadow.newest_number), last)
                    if turn := self._turned(number, look_s):
                        yield turn
            self.shadow.at_s = max(known_s, min(at_s, until_s))

    def _test(self) -> bool:
        return self.bound.test(self.shadow)

    def _turned(self, number: int, at_s: float) -> Turn | None:
        answer = self._test()
        if answer is self.is_true:
            return None
        self.is_true = answer
        return Turn(number, at_s, answer)


__all__ = ["Canceled", "Turn", "turns"]
