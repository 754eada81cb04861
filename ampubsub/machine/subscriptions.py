"""Subscriptions: who waits for what on one machine.

One mechanism carries all kinds: a subscription hangs on the names of the states whose change can fire it, so
that a transition which touches none of them costs nothing.

* `when`, `when_not`: equal ones share a group, which hangs on each of its states. Whether a group fires depends
  on the plan alone that a transition goes by, so plans at which nothing fires are remembered as *quiet* until
  the groups change. After a transition broken by an exception groups go on with what they knew, as in Go: a
  state that got active in it counts once it is entered again.
* `when_time`: in one heap per state, by tick. Once a state has reached its tick it counts as reached for good.
* `when_args`: on its state's name, looked at while that state's final handlers run.
* `when_query`: in a list, asked after each accepted transition.
* `when_queue`: in a heap by queue tick. `when_queue_ends`: in a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from ampubsub.machine.context import Context, StateContext, Waiter, call_all
from ampubsub.machine.mutation import Args

if TYPE_CHECKING:
    from ampubsub.machine.plans import Plan, Whole
    from ampubsub.machine.view import MachineView

_KEEP_QUIET = 1000
"""How many quiet plans are remembered."""
_FAR = 1 << 40
_MOST_TICKS = 8
"""No transition ticks a state more often, not even one broken by an exception."""

Query = Callable[["MachineView"], bool]


class StatesGroup:
    """All equal `when`, or `when_not`: the same states, to be active or not."""

    __slots__ = ("active", "known", "states", "waits")

    def __init__(self, states: tuple[str, ...], active: bool) -> None:
        self.states = states
        self.active = active
        self.waits: list[tuple[Waiter, Context | None]] = []
        self.known: dict[str, bool] = {}
        """What it takes for active or not where a broken transition made it something else."""


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
        self.groups: dict[tuple[tuple[str, ...], bool], StatesGroup] = {}
        self.to_enter: dict[str, list[StatesGroup]] = {}
        self.to_exit: dict[str, list[StatesGroup]] = {}
        self.quiet: dict[object, int] = {}
        """Plans at which nobody here wakes up, before that transition number."""
        self.times: dict[str, list[tuple[int, int, TimeWait]]] = {}
        self.args: dict[str, list[ArgsWait]] = {}
        self.bare = 0
        """How many waits for arguments are content with none."""
        self.queries: list[QueryWait] = []
        self.queue: list[tuple[int, int, Waiter]] = []
        self.queue_ends: list[Waiter] = []
        self._serial = count()

    # -- binding ---------------------------------------------------------------------------------

    def when(self, waiter: Waiter, states: tuple[str, ...], active: bool, context: Context | None) -> None:
        """Fire once all states are active (or none is) at the same time."""
        key = (states, active)
        group = self.groups.get(key)
        if group is None or group.known:
            group = self.groups[key] = StatesGroup(states, active)
            table = self.to_enter if active else self.to_exit
            for state in dict.fromkeys(states):
                table.setdefault(state, []).append(group)
        group.waits.append((waiter, context))
        self.quiet.clear()
        self.machine.log_line(3, f"[{'when' if active else 'whenNot'}:new] {' '.join(states)}")

    def when_time(
        self, waiter: Waiter, states: tuple[str, ...], times: tuple[int, ...], context: Context | None
    ) -> None:
        """Fire once every state has reached its tick, each at its own moment."""
        tick = self.machine.tick
        missing = [(state, time) for state, time in zip(states, times, strict=True) if tick(state) < time]
        wait = TimeWait(waiter, states, times, len(missing), context)
        self.quiet.clear()
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
        self.bare += not args
        self.machine._args_awaited()
        return waiter

    def when_query(self, waiter: Waiter, query: Query, context: Context | None) -> None:
        """Fire after the first accepted transition at which the query is true."""
        self.machine.log_line(3, f"[whenQuery:new] {len(self.queries)}")
        self.queries.append(QueryWait(waiter, query, context))
        self.quiet.clear()

    def when_queue(self, waiter: Waiter, tick: int) -> None:
        """Fire after the first accepted transition at or past that queue tick."""
        self.machine.log_line(3, f"[whenQueue:new] {tick}")
        heappush(self.queue, (tick, next(self._serial), waiter))
        self.quiet.clear()

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
        self.quiet.clear()
        machine.log_line(3, f"[ctx:new] {state}")
        return context

    def find_quiet(self, whole: Whole, number: int) -> None:
        """Remember several plans as one if each of them is quiet."""
        until = min(self.quiet.get(plan, 0) for plan in whole.plans)
        if until > number:
            self.quiet[whole] = until

    def _quiet_until(
        self, entered: Sequence[str], exited: Sequence[str], moved: Iterable[str], number: int
    ) -> int:
        """Before which transition these states' moving again wakes nobody; 0 when the next one may."""
        if self.queries or self.queue or len(self.quiet) >= _KEEP_QUIET:
            return 0
        for group in self._touched(entered, exited):
            if group.known or any(context is not None for _, context in group.waits):
                return 0
        nearest = _FAR
        for state in moved:
            if state in self.contexts:
                return 0
            heap = self.times.get(state)
            if heap:
                nearest = min(nearest, heap[0][0] - self.machine.tick(state))
        return number + nearest // _MOST_TICKS

    def awaits_args(self, entered: Iterable[str], args: Args) -> bool:
        """Whether entering these states with these arguments may fire something."""
        if not args and not self.bare:
            return False
        return any(
            _contains(args, wait.args) or (wait.context is not None and wait.context.done)
            for state in entered
            for wait in self.args.get(state, ())
        )

    # -- what happened ---------------------------------------------------------------------------

    def after_transition(
        self,
        entered: Sequence[str],
        exited: Sequence[str],
        ticked: Iterable[str],
        plan: Plan | None = None,
        number: int = 0,
        *,
        merged: bool = False,
    ) -> None:
        """An accepted transition is over: end contexts, then fire what has come true.

        If nothing has, the plan it went by is remembered as quiet, from this transition number on. `merged`: it may
        have been several, so that what left and what came may never have been active together.
        """
        fired: list[Waiter] = []
        failure: Exception | None = None
        failed: Sequence[Callable[[], object]] = ()
        if self.contexts:
            try:
                call_all([partial(self._end_context, state) for state in exited])
            except Exception as error:  # somebody's callback; others must be told all the same
                failure = error
        if self.to_enter or self.to_exit:
            self._moved(self._touched(entered, exited), entered, exited, fired, merged)
        if self.times:
            self._ticked(ticked, fired)
        if self.queue:
            tick = self.machine.queue_tick
            while self.queue and self.queue[0][0] <= tick:
                reached, _, waiter = heappop(self.queue)
                self.machine.log_line(3, f"[whenQueue:match] {reached}")
                fired.append(waiter)
        if self.queries:
            failed = self._asked(fired)
        if fired or failed:
            self.quiet.clear()
        elif plan is not None:
            until = self._quiet_until(entered, exited, plan.moved, number)
            if until > number:
                self.quiet[plan] = until
        if fired or failed or failure is not None:
            call_all([*(waiter.finish for waiter in fired), *failed], failure)

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
            self.bare -= not wait.args
            self.machine.log_line(3, f"[whenArgs:match] {state} ({','.join(wait.args)})")
            if not expired:
                wait.waiter.finish()
        if not waits:
            self.args.pop(state, None)

    def queue_ended(self) -> None:
        """The queue is empty."""
        if self.queue_ends:
            waiting, self.queue_ends = self.queue_ends, []
            call_all([waiter.finish for waiter in waiting])

    def close(self, end: Callable[[Waiter], None]) -> None:
        """The machine goes: hand every waiter to `end`, and end all contexts."""
        contexts = list(self.contexts.values())
        self.contexts.clear()
        tables = (self.to_enter, self.to_exit)
        groups = {group: None for table in tables for hanging in table.values() for group in hanging}
        waiters = [waiter for group in groups for waiter, _ in group.waits]
        self.groups.clear()
        self.quiet.clear()
        self.bare = 0
        waiters += [entry[2].waiter for heap in self.times.values() for entry in heap]
        waiters += [wait.waiter for waits in self.args.values() for wait in waits]
        waiters += [wait.waiter for wait in self.queries]
        waiters += [entry[2] for entry in self.queue]
        waiters += self.queue_ends
        for table in (self.to_enter, self.to_exit, self.times, self.args):
            table.clear()
        self.queries, self.queue, self.queue_ends = [], [], []
        call_all([*(context.cancel for context in contexts), *(partial(end, waiter) for waiter in waiters)])

    # -- inside ----------------------------------------------------------------------------------

    def _end_context(self, state: str) -> None:
        context = self.contexts.pop(state, None)
        if context is not None:
            self.machine.log_line(3, f"[ctx:match] {state}")
            context.cancel()

    def broken(self, before: Sequence[str]) -> None:
        """A transition was broken by an exception: nobody is told, and groups keep what they knew."""
        is_active = self.machine.is_
        for table in (self.to_enter, self.to_exit):
            for state, groups in table.items():
                was = state in before
                if is_active(state) is not was:
                    for group in groups:
                        group.known.setdefault(state, was)
        self.quiet.clear()

    def _touched(self, entered: Sequence[str], exited: Sequence[str]) -> dict[StatesGroup, None]:
        """Groups that this transition tells something."""
        return {
            group: None
            for table in (self.to_enter, self.to_exit)
            for states in (entered, exited)
            for state in states
            for group in table.get(state, ())
        }

    def _moved(
        self,
        touched: Iterable[StatesGroup],
        entered: Sequence[str],
        exited: Sequence[str],
        fired: list[Waiter],
        merged: bool,
    ) -> None:
        """Fire groups that have come true. For `when`, states that leave in the same transition still count."""
        is_active = self.machine.is_
        for group in touched:
            wanted, known = group.active, group.known
            if known:
                for state in (*entered, *exited):
                    known.pop(state, None)
            moved = entered if wanted else exited
            true_now = any(state in moved for state in group.states) and all(
                known.get(state, is_active(state)) is wanted or (wanted and not merged and state in exited)
                for state in group.states
            )
            kept: list[tuple[Waiter, Context | None]] = []
            for waiter, context in group.waits:
                expired = context is not None and context.done
                if not true_now and not expired:
                    if waiter.error is None:
                        kept.append((waiter, context))
                    continue
                kind = "when" if wanted else "whenNot"
                self.machine.log_line(3, f"[{kind}:match] {' '.join(group.states)}")
                if not expired:
                    fired.append(waiter)
            group.waits = kept
            if not kept:
                self._drop(group)

    def _drop(self, group: StatesGroup) -> None:
        table = self.to_enter if group.active else self.to_exit
        for state in dict.fromkeys(group.states):
            hanging = table[state]
            hanging.remove(group)
            if not hanging:
                del table[state]
        if self.groups.get((group.states, group.active)) is group:
            del self.groups[group.states, group.active]

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

    def _asked(self, fired: list[Waiter]) -> list[Callable[[], object]]:
        """Ask all queries. One that fails ends its own wait with its error; returns what tells those."""
        failed: list[Callable[[], object]] = []
        for wait in list(self.queries):
            expired = wait.context is not None and wait.context.done
            try:
                if not expired and not wait.query(self.machine):
                    continue
            except Exception as error:
                self.queries.remove(wait)
                failed.append(partial(wait.waiter.fail, error))
                continue
            self.machine.log_line(3, f"[whenQuery:match] {self.queries.index(wait)}")
            self.queries.remove(wait)
            if not expired:
                fired.append(wait.waiter)
        return failed
