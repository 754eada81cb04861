"""Subscriptions: who waits for what on one machine.

A wait hangs where the change that can fire it is seen, so that a transition which touches nobody's states costs a look at
a few masks (`relations.py` says what a mask is).

* `when`, `when_not`: equal ones share a group. A `when` hangs on one of its states that is inactive: as long as that
  one stays so, nothing else matters. Once it is entered, the group fires, or moves on to another inactive one.
  `when_not` does the same with an active one.
* `when_time`: in one heap per state, by tick. Once a state has reached its tick it counts as reached for good.
* `when_args`: by state and one pair of key and value, looked up while that state's final handlers run.
* `when_query`: asked after each transition. `when_queue`: in a heap by queue tick. `when_queue_ends`: at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from heapq import heappush
from typing import Any, Protocol

from ampubsub.machine.context import Context, StateContext, Waiter, call_all
from ampubsub.machine.mutation import Args
from ampubsub.machine.relations import bits
from ampubsub.machine.waits import ArgsWait, Heap, QueryWait, StatesGroup, TimeWait, Wait, pair_of

Fired = list[Waiter]


class Watched(Protocol):
    """What subscriptions need of their machine."""

    id: str

    def tick(self, state: str) -> int:
        """Tick of a state."""

    def _logs(self, level: int) -> bool:
        """Whether a line of that level would be written."""

    def log_line(self, level: int, text: str) -> None:
        """Write to its log."""


class Subscriptions:
    """All waits of one machine (or replica), and its state contexts."""

    __slots__ = (
        "_disposal",
        "_groups",
        "_index",
        "_names",
        "_queries",
        "_queue",
        "_serial",
        "args",
        "contexts",
        "enter",
        "entering",
        "lasting",
        "leave",
        "leaving",
        "machine",
        "queue_ends",
        "ticking",
        "times",
    )  # fmt: skip

    def __init__(self, machine: Watched, names: Sequence[str]) -> None:
        self.machine = machine
        self._serial = 0
        self._take_names(names)
        self._reset()

    def _reset(self) -> None:
        self._groups: dict[tuple[tuple[str, ...], bool], StatesGroup] = {}
        self.enter: dict[int, dict[StatesGroup, None]] = {}
        self.leave: dict[int, dict[StatesGroup, None]] = {}
        self.entering = self.leaving = 0
        """Masks of the states that groups hang on."""
        self.contexts: dict[int, StateContext] = {}
        self.lasting = 0
        """Mask of the states that have contexts."""
        self.times: dict[int, Heap] = {}
        self.ticking = 0
        """Mask of the states whose ticks are waited for."""
        self.args: dict[int, dict[Any, dict[ArgsWait, None]]] = {}
        """Per state and pair of key and value; None stands for what has no such pair."""
        self._queries: dict[QueryWait, None] = {}
        self._queue = Heap()
        self.queue_ends: dict[Wait, None] = {}
        self._disposal: dict[Wait, None] = {}

    def _take_names(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._index = {name: i for i, name in enumerate(names)}

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    @property
    def looks_always(self) -> bool:
        """Whether somebody has to be asked after each transition, whatever it touches."""
        return bool(self._queries or self._queue.items)

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits for anything, and no context lasts."""
        return not (
            self._groups or self.contexts or self.args or self._queries or self.queue_ends or self._disposal
            or any(not item[2].is_over for heap in (*self.times.values(), self._queue) for item in heap.items)
        )  # fmt: skip

    # -- binding ---------------------------------------------------------------------------------

    def when(
        self,
        waiter: Waiter,
        states: tuple[str, ...],
        mask: int,
        active: bool,
        context: Context | None,
        lacking: int,
    ) -> None:
        """Fire once all states are active (or none is) at the same time. `lacking` are those of the mask that lack it."""
        key = (states, active)
        group = self._groups.get(key)
        if group is None:
            self._serial += 1
            group = self._groups[key] = StatesGroup(states, active, mask, self._serial)
            self._hang(group, lacking)
        self._serial += 1
        wait = Wait(waiter, self._serial, context)
        if not wait.is_over:
            group.waits[wait] = None
            wait.drop = partial(self._drop_from, group)
        elif not group.waits:
            self._unhang(group)
        if self.machine._logs(3):
            self.machine.log_line(3, f"[{'when' if active else 'whenNot'}:new] {' '.join(states)}")

    def _hang(self, group: StatesGroup, lacking: int) -> None:
        low = lacking & -lacking
        group.hangs_on = state = low.bit_length() - 1
        if group.active:
            self.entering |= low
            table = self.enter
        else:
            self.leaving |= low
            table = self.leave
        hanging = table.get(state)
        if hanging is None:
            table[state] = {group: None}
        else:
            hanging[group] = None

    def _unhang(self, group: StatesGroup) -> None:
        table = self.enter if group.active else self.leave
        hanging = table.get(group.hangs_on)
        if hanging is not None:
            hanging.pop(group, None)
            if not hanging:
                del table[group.hangs_on]
                if group.active:
                    self.entering &= ~(1 << group.hangs_on)
                else:
                    self.leaving &= ~(1 << group.hangs_on)
        if self._groups.get((group.states, group.active)) is group:
            del self._groups[group.states, group.active]

    def _drop_from(self, group: StatesGroup, wait: Wait) -> None:
        group.waits.pop(wait, None)
        if not group.waits:
            self._unhang(group)

    def when_time(
        self, waiter: Waiter, states: tuple[str, ...], times: tuple[int, ...], context: Context | None
    ) -> None:
        """Fire once every state has reached its tick, each at its own moment. Unknown states never do."""
        self._serial += 1
        wait = TimeWait(waiter, self._serial, context)
        if wait.is_over:
            return
        wait.states, wait.times = states, times
        tick, index = self.machine.tick, self._index
        missing, places = 0, []
        for state, time in zip(states, times, strict=True):
            if tick(state) < time:
                missing += 1
                place = index.get(state)
                if place is not None:
                    places.append(place)
                    heap = self.times.get(place)
                    if heap is None:
                        heap = self.times[place] = Heap()
                        self.ticking |= 1 << place
                    heappush(heap.items, (time, self._serial, wait))
        wait.missing = missing
        wait.drop = partial(self._drop_time, places)
        if self.machine._logs(3):
            self.machine.log_line(3, f"[whenTime:new] {','.join(states)} {' '.join(map(str, times))}")

    def _drop_time(self, places: Sequence[int], _: Wait) -> None:
        for place in places:
            heap = self.times.get(place)
            if heap is not None:
                heap.one_is_over()
                if not heap.items:
                    del self.times[place]
                    self.ticking &= ~(1 << place)

    def when_args(self, waiter: Waiter, state: str, args: Args, context: Context | None) -> None:
        """Fire when the state is entered with these arguments."""
        if self.machine._logs(3):
            self.machine.log_line(3, f"[whenArgs:new] {state} ({','.join(args)})")
        wait = ArgsWait(waiter, self._next(), context)
        if wait.is_over:
            return
        wait.args = dict(args)
        pair = pair_of(args)
        place = self._index[state]
        self.args.setdefault(place, {}).setdefault(pair, {})[wait] = None
        wait.drop = partial(self._drop_args, place, pair)

    def _drop_args(self, place: int, pair: object, wait: Wait) -> None:
        table = self.args.get(place)
        if table is None or pair not in table:
            return
        table[pair].pop(wait, None)  # type: ignore[call-overload]
        if not table[pair]:
            del table[pair]
            if not table:
                del self.args[place]

    def when_query(self, waiter: Waiter, query: Callable[[Any], bool], context: Context | None) -> None:
        """Fire after the first accepted transition at which the query is true."""
        if self.machine._logs(3):
            self.machine.log_line(3, f"[whenQuery:new] {len(self._queries)}")
        wait = QueryWait(waiter, self._next(), context)
        if not wait.is_over:
            wait.query = query
            self._queries[wait] = None
            wait.drop = partial(_take_out, self._queries)

    def when_queue(self, waiter: Waiter, tick: int) -> None:
        """Fire after the first accepted transition at or past that queue tick."""
        if self.machine._logs(3):
            self.machine.log_line(3, f"[whenQueue:new] {tick}")
        wait = Wait(waiter, self._next(), None)
        heappush(self._queue.items, (tick, wait.serial, wait))
        wait.drop = lambda _: self._queue.one_is_over()

    def when_queue_ends(self, waiter: Waiter) -> None:
        """Fire once the queue is empty."""
        wait = Wait(waiter, self._next(), None)
        self.queue_ends[wait] = None
        wait.drop = partial(_take_out, self.queue_ends)

    def when_disposed(self, waiter: Waiter) -> None:
        """Fire once the machine is gone."""
        wait = Wait(waiter, self._next(), None)
        self._disposal[wait] = None
        wait.drop = partial(_take_out, self._disposal)

    def state_context(self, state: str, is_active: bool) -> StateContext:
        """The context of a state's present activation; already ended when it is not active."""
        place = self._index[state]
        found = self.contexts.get(place)
        if found is not None:
            return found
        context = StateContext(self.machine.id, state, self.machine.tick(state))
        if not is_active:
            context.cancel()
            return context
        self.contexts[place] = context
        self.lasting |= 1 << place
        if self.machine._logs(3):
            self.machine.log_line(3, f"[ctx:new] {state}")
        return context

    def renamed(self, names: Sequence[str], active: Callable[[str], bool]) -> None:
        """The index order changed: everything hangs anew."""
        old = self._names
        self._take_names(names)
        index = self._index

        def moved(table: Mapping[int, Any]) -> dict[int, Any]:
            return {index[old[place]]: found for place, found in table.items()}

        self.contexts, self.times, self.args = moved(self.contexts), moved(self.times), moved(self.args)
        self.lasting = sum(1 << place for place in self.contexts)
        self.ticking = sum(1 << place for place in self.times)
        waits = [item[2] for heap in self.times.values() for item in heap.items]
        for wait in waits:
            if isinstance(wait, TimeWait) and not wait.is_over:
                places = [index[state] for state in wait.states if state in index]
                wait.drop = partial(self._drop_time, places)
        for place, table in self.args.items():
            for pair, found in table.items():
                for wait in found:
                    wait.drop = partial(self._drop_args, place, pair)
        groups = list(self._groups.values())
        self.enter, self.leave = {}, {}
        self.entering = self.leaving = 0
        for group in groups:
            places = [index[state] for state in group.states]
            group.mask = sum(1 << place for place in set(places))
            self._hang(
                group, sum({1 << index[state] for state in group.states if active(state) is not group.active})
            )

    # -- what happened ---------------------------------------------------------------------------

    def cares(self, entered: int, left: int, clock: Sequence[int], ticks: int = 0) -> bool:
        """Whether a transition that these states entered or left is anybody's business.

        `clock` is that afterwards, or from before if none of it ticks more than `ticks` times.
        """
        if (
            entered & self.entering
            or left & (self.leaving | self.lasting)
            or self._queries
            or self._queue.items
        ):
            return True
        ticked = (entered | left) & self.ticking
        return bool(ticked) and any(
            self.times[state].items[0][0] <= clock[state] + ticks for state in bits(ticked)
        )

    def after_transition(
        self,
        entered: Sequence[int],
        left: Sequence[int],
        now: int,
        clock: Sequence[int],
        queue_tick: int,
        *,
        ticked: int = -1,
        accepted: bool = True,
    ) -> list[Callable[[], object]]:
        """A transition is over: what has to be called now, contexts first.

        `entered` and `left` are the states that came and went, in order; `now` is the mask of active ones, `ticked`
        of those whose ticks may have changed. Queue ticks and queries are looked at only when it was accepted.
        """
        calls: list[Callable[[], object]] = []
        for state in left:
            if self.lasting >> state & 1:
                self.lasting &= ~(1 << state)
                context = self.contexts.pop(state)
                if self.machine._logs(3):
                    self.machine.log_line(3, f"[ctx:match] {context.state}")
                calls.append(context.cancel)
        fired: Fired = []
        self._moved(entered, left, now, fired)
        if ticked & self.ticking:
            for state in bits(self.ticking & ticked if ticked >= 0 else self.ticking):
                self._ticked(state, clock[state], fired)
        if accepted and self._queue.items:
            for reached, wait in self._queue.reached(queue_tick):
                if self.machine._logs(3):
                    self.machine.log_line(3, f"[whenQueue:match] {reached}")
                _fire(wait, fired)
        calls += [waiter.finish for waiter in fired]
        if accepted and self._queries:
            calls += self._asked()
        return calls

    def _moved(self, entered: Sequence[int], left: Sequence[int], now: int, fired: Fired) -> None:
        """Fire groups that have come true; the others hang on another state that still lacks."""
        complete: list[StatesGroup] = []
        for table, states in ((self.enter, entered), (self.leave, left)):
            if not table:
                continue
            for state in states:
                groups = table.pop(state, None)
                if groups is None:
                    continue
                if table is self.enter:
                    self.entering &= ~(1 << state)
                else:
                    self.leaving &= ~(1 << state)
                for group in groups:
                    lacking = group.mask & ~now if group.active else group.mask & now
                    if lacking:
                        self._hang(group, lacking)
                    else:
                        complete.append(group)
        if len(complete) > 1:
            # In the order in which the states came that completed them.
            place = {state: i for i, state in enumerate((*entered, *left))}
            complete.sort(
                key=lambda group: (
                    max((place.get(state, -1) for state in bits(group.mask)), default=-1),
                    group.serial,
                )
            )
        for group in complete:
            self._groups.pop((group.states, group.active), None)
            kind = "when" if group.active else "whenNot"
            for wait in list(group.waits):
                if not wait.is_over:
                    if self.machine._logs(3):
                        self.machine.log_line(3, f"[{kind}:match] {' '.join(group.states)}")
                    _fire(wait, fired)
            group.waits.clear()

    def _ticked(self, state: int, tick: int, fired: Fired) -> None:
        heap = self.times[state]
        for _, wait in heap.reached(tick):
            assert isinstance(wait, TimeWait)
            wait.missing -= 1
            if not wait.missing:
                times = " ".join(map(str, wait.times))
                if self.machine._logs(3):
                    self.machine.log_line(3, f"[whenTime:match] {' '.join(wait.states)} [{times}]")
                _fire(wait, fired)
        if not heap.items and state in self.times:
            del self.times[state]
            self.ticking &= ~(1 << state)

    def _asked(self) -> list[Callable[[], object]]:
        """Ask all queries. One that fails ends its own wait with its error."""
        calls: list[Callable[[], object]] = []
        for number, wait in enumerate(list(self._queries)):
            waiter = wait.waiter
            if waiter is None:
                continue
            try:
                if not wait.query(self.machine):
                    continue
            except Exception as error:
                calls.append(partial(waiter.fail, error))
                continue
            if self.machine._logs(3):
                self.machine.log_line(3, f"[whenQuery:match] {number}")
            calls.append(waiter.finish)
        return calls

    def awaits(self, entered: Sequence[int], args: Args) -> bool:
        """Whether entering these states with these arguments may fire something."""
        try:
            for state in entered:
                table = self.args.get(state)
                if table and (None in table or any(pair in table for pair in args.items())):
                    return True
        except TypeError:  # an argument that cannot be looked up
            return True
        return False

    def entered_with(self, state: int, args: Args) -> list[Callable[[], object]]:
        """The final handlers of a state have run: what has to be called for its arguments."""
        table = self.args.get(state)
        if not table:
            return []
        found: dict[ArgsWait, None] = {}
        try:
            for pair in (None, *args.items()):
                found.update(table.get(pair, {}))
        except TypeError:  # an argument that cannot be looked up: ask all
            for waits in table.values():
                found.update(waits)
        fired: Fired = []
        for wait in sorted(found, key=lambda wait: wait.serial):
            if not wait.is_over and wait.matches(args):
                if self.machine._logs(3):
                    self.machine.log_line(3, f"[whenArgs:match] {self._names[state]} ({','.join(wait.args)})")
                _fire(wait, fired)
        return [waiter.finish for waiter in fired]

    def queue_ended(self) -> list[Callable[[], object]]:
        """The queue is empty: what has to be called."""
        fired: Fired = []
        for wait in list(self.queue_ends):
            _fire(wait, fired)
        return [waiter.finish for waiter in fired]

    def close(self, end: Callable[[Waiter], None]) -> None:
        """The machine goes: hand every waiter to `end`, and end all contexts. Raises the first error of a callback."""
        contexts = list(self.contexts.values())
        waits: list[Wait] = [wait for group in self._groups.values() for wait in group.waits]
        waits += [item[2] for heap in self.times.values() for item in heap.items]
        waits += [wait for table in self.args.values() for found in table.values() for wait in found]
        waits += [*self._queries, *[item[2] for item in self._queue.items], *self.queue_ends]
        waiters = dict.fromkeys(wait.waiter for wait in waits)
        disposal = [wait.waiter for wait in self._disposal]
        self._reset()
        call_all(
            [
                *(context.cancel for context in contexts),
                *(partial(end, waiter) for waiter in waiters if waiter is not None),
                *(waiter.finish for waiter in disposal if waiter is not None),
            ]
        )


def _take_out(waits: dict[Any, None], wait: Wait) -> None:
    waits.pop(wait, None)
    if not waits:
        waits.clear()  # gives back the room that many took


def _fire(wait: Wait, fired: Fired) -> None:
    """Take a wait out; its waiter is to be told."""
    waiter = wait.waiter
    if waiter is not None:
        fired.append(waiter)
