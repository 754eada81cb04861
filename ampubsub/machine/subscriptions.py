"""Subscriptions: who waits for what on one machine.

One mechanism carries all kinds. A subscription hangs where nothing but its own matter can touch it, so those
that do not fire cost nothing:

* `when`: on one of its states that is not active yet. When that one gets active and others are missing, it
  moves on to one of those. `when_not` is the mirror.
* `when_time`: in one heap per state, by tick. Once a state has reached its tick it counts as reached for good.
* `when_args`: on its state's name, looked at while that state's final handlers run.
* `when_query`: in a list, asked after each accepted transition.
* `when_queue`: in a heap by queue tick. `when_queue_ends`: in a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from ampubsub.machine.context import Context, StateContext, Waiter
from ampubsub.machine.mutation import Args

if TYPE_CHECKING:
    from ampubsub.machine.view import MachineView

Query = Callable[["MachineView"], bool]


class StatesWait:
    """A `when` or `when_not`: hangs on one state that still is the wrong way."""

    __slots__ = ("active", "context", "states", "waiter")

    def __init__(
        self, waiter: Waiter, states: tuple[str, ...], active: bool, context: Context | None
    ) -> None:
        self.waiter = waiter
        self.states = states
        self.active = active
        self.context = context


class TimeWait:
    """A `when_time`: counts the states that have not reached their tick yet."""

    __slots__ = ("context", "missing", "states", "times", "waiter")

    def __init__(
        self,
        waiter: Waiter,
        states: tuple[str, ...],
        times: tuple[int, ...],
        missing: int,
        context: Context | None,
    ) -> None:
        self.waiter = waiter
        self.states = states
        self.times = times
        self.missing = missing
        self.context = context


class ArgsWait:
    """A `when_args`: a state entered by a mutation with these arguments, or more."""

    __slots__ = ("args", "context", "waiter")

    def __init__(self, waiter: Waiter, args: Args, context: Context | None) -> None:
        self.waiter = waiter
        self.args = dict(args)
        self.context = context


class QueryWait:
    """A `when_query`: any question about the machine."""

    __slots__ = ("context", "query", "waiter")

    def __init__(self, waiter: Waiter, query: Query, context: Context | None) -> None:
        self.waiter = waiter
        self.query = query
        self.context = context


def _contains(args: Args, part: Args) -> bool:
    return all(key in args and args[key] == value for key, value in part.items())


class Subscriptions:
    """All waits of one machine (or replica), and its state contexts."""

    def __init__(self, machine: MachineView) -> None:
        self.machine = machine
        self.contexts: dict[str, StateContext] = {}
        self.to_enter: dict[str, list[StatesWait]] = {}
        self.to_exit: dict[str, list[StatesWait]] = {}
        self.times: dict[str, list[tuple[int, int, TimeWait]]] = {}
        self.args: dict[str, list[ArgsWait]] = {}
        self.queries: list[QueryWait] = []
        self.queue: list[tuple[int, int, Waiter]] = []
        self.queue_ends: list[Waiter] = []
        self._serial = count()

    # -- binding ---------------------------------------------------------------------------------

    def when(self, waiter: Waiter, states: tuple[str, ...], active: bool, context: Context | None) -> None:
        """Fire once all states are active (or none is) at the same time."""
        self._hang(StatesWait(waiter, states, active, context))
        self.machine.log_line(3, f"[{'when' if active else 'whenNot'}:new] {' '.join(states)}")

    def when_time(
        self, waiter: Waiter, states: tuple[str, ...], times: tuple[int, ...], context: Context | None
    ) -> None:
        """Fire once every state has reached its tick, each at its own moment."""
        tick = self.machine.tick
        missing = [(state, time) for state, time in zip(states, times, strict=True) if tick(state) < time]
        wait = TimeWait(waiter, states, times, len(missing), context)
        for state, time in missing:
            heappush(self.times.setdefault(state, []), (time, next(self._serial), wait))
        self.machine.log_line(3, f"[whenTime:new] {','.join(states)} {' '.join(map(str, times))}")

    def when_args(
        self, state: str, args: Args, context: Context | None, make: Callable[[], Waiter]
    ) -> Waiter:
        """Fire when the state is entered with these arguments. A narrower wait that exists already is shared."""
        self.machine.log_line(3, f"[whenArgs:new] {state} ({','.join(args)})")
        for wait in self.args.get(state, ()):
            if _contains(wait.args, args):
                return wait.waiter
        waiter = make()
        self.args.setdefault(state, []).append(ArgsWait(waiter, args, context))
        return waiter

    def when_query(self, waiter: Waiter, query: Query, context: Context | None) -> None:
        """Fire after the first accepted transition at which the query is true."""
        self.machine.log_line(3, f"[whenQuery:new] {len(self.queries)}")
        self.queries.append(QueryWait(waiter, query, context))

    def when_queue(self, waiter: Waiter, tick: int) -> None:
        """Fire after the first accepted transition at or past that queue tick."""
        self.machine.log_line(3, f"[whenQueue:new] {tick}")
        heappush(self.queue, (tick, next(self._serial), waiter))

    def state_context(self, state: str) -> StateContext:
        """The context of a state's present activation; already ended when it is not active."""
        machine = self.machine
        found = self.contexts.get(state)
        if found is not None:
            return found
        context = StateContext(machine.id, state, machine.tick(state))
        if not machine.is_(state):
            context.cancel()
            return context
        self.contexts[state] = context
        machine.log_line(3, f"[ctx:new] {state}")
        return context

    def indifferent_to(self, moved: Iterable[str], queue_tick: int) -> bool:
        """Whether nobody here cares about these states' clocks changing."""
        if self.queries or (self.queue and self.queue[0][0] <= queue_tick):
            return False
        enter, leave, times, args, contexts = (
            self.to_enter,
            self.to_exit,
            self.times,
            self.args,
            self.contexts,
        )
        for state in moved:
            if state in enter or state in leave or state in times or state in args or state in contexts:
                return False
        return True

    # -- what happened ---------------------------------------------------------------------------

    def after_transition(self, entered: Sequence[str], exited: Sequence[str], ticked: Iterable[str]) -> None:
        """An accepted transition is over: end contexts, then fire what has come true."""
        fired: list[Waiter] = []
        if self.contexts:
            for state in exited:
                self._end_context(state)
        if self.to_enter and entered:
            self._moved(self.to_enter, entered, exited, fired)
        if self.to_exit and exited:
            self._moved(self.to_exit, exited, (), fired)
        if self.times:
            self._ticked(ticked, fired)
        if self.queue:
            tick = self.machine.queue_tick
            while self.queue and self.queue[0][0] <= tick:
                reached, _, waiter = heappop(self.queue)
                self.machine.log_line(3, f"[whenQueue:match] {reached}")
                fired.append(waiter)
        if self.queries:
            self._asked(fired)
        for waiter in fired:
            waiter.finish()

    def entered_with(self, state: str, args: Args) -> None:
        """The final handlers of a state have run: fire the waits for its arguments."""
        waits = self.args.get(state)
        if not waits:
            return
        for wait in list(waits):
            expired = wait.context is not None and wait.context.done
            if not expired and not _contains(args, wait.args):
                continue
            waits.remove(wait)
            self.machine.log_line(3, f"[whenArgs:match] {state} ({','.join(wait.args)})")
            if not expired:
                wait.waiter.finish()
        if not waits:
            self.args.pop(state, None)

    def queue_ended(self) -> None:
        """The queue is empty."""
        if self.queue_ends:
            waiting, self.queue_ends = self.queue_ends, []
            for waiter in waiting:
                waiter.finish()

    def close(self, end: Callable[[Waiter], None]) -> None:
        """The machine goes: hand every waiter to `end`, and end all contexts."""
        for context in list(self.contexts.values()):
            context.cancel()
        self.contexts.clear()
        waiters = [
            wait.waiter
            for table in (self.to_enter, self.to_exit)
            for waits in table.values()
            for wait in waits
        ]
        waiters += [entry[2].waiter for heap in self.times.values() for entry in heap]
        waiters += [wait.waiter for waits in self.args.values() for wait in waits]
        waiters += [wait.waiter for wait in self.queries]
        waiters += [entry[2] for entry in self.queue]
        waiters += self.queue_ends
        for table in (self.to_enter, self.to_exit, self.times, self.args):
            table.clear()
        self.queries, self.queue, self.queue_ends = [], [], []
        for waiter in waiters:
            end(waiter)

    # -- inside ----------------------------------------------------------------------------------

    def _hang(self, wait: StatesWait) -> bool:
        """Hang a wait on a state that is the wrong way; False when there is none."""
        tick = self.machine.tick
        for state in wait.states:
            if (tick(state) & 1 == 1) is not wait.active:
                table = self.to_enter if wait.active else self.to_exit
                table.setdefault(state, []).append(wait)
                return True
        return False

    def _end_context(self, state: str) -> None:
        context = self.contexts.pop(state, None)
        if context is not None:
            self.machine.log_line(3, f"[ctx:match] {state}")
            context.cancel()

    def _moved(
        self,
        table: dict[str, list[StatesWait]],
        moved: Sequence[str],
        leaving: Sequence[str],
        fired: list[Waiter],
    ) -> None:
        """States turned the right way. States that leave in the same transition still count, as in Go."""
        is_active = self.machine.is_
        for state in moved:
            waits = table.pop(state, None)
            if not waits:
                continue
            for wait in waits:
                if wait.waiter.error is not None:
                    continue
                expired = wait.context is not None and wait.context.done
                true_now = all(is_active(other) is wait.active or other in leaving for other in wait.states)
                if not true_now and not expired:
                    self._hang(wait)
                    continue
                kind = "when" if wait.active else "whenNot"
                self.machine.log_line(3, f"[{kind}:match] {' '.join(wait.states)}")
                if not expired:
                    fired.append(wait.waiter)

    def _ticked(self, ticked: Iterable[str], fired: list[Waiter]) -> None:
        for state in ticked:
            heap = self.times.get(state)
            if heap is None:
                continue
            tick = self.machine.tick(state)
            while heap and heap[0][0] <= tick:
                wait = heappop(heap)[2]
                wait.missing -= 1
                if wait.missing or wait.waiter.error is not None:
                    continue
                times = " ".join(map(str, wait.times))
                self.machine.log_line(3, f"[whenTime:match] {' '.join(wait.states)} [{times}]")
                if wait.context is None or not wait.context.done:
                    fired.append(wait.waiter)
            if not heap:
                del self.times[state]

    def _asked(self, fired: list[Waiter]) -> None:
        for wait in list(self.queries):
            expired = wait.context is not None and wait.context.done
            if not expired and not wait.query(self.machine):
                continue
            self.machine.log_line(3, f"[whenQuery:match] {self.queries.index(wait)}")
            self.queries.remove(wait)
            if not expired:
                fired.append(wait.waiter)
