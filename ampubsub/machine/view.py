"""What every machine can be asked, be it our own or a replica of a remote one: checks, clocks, waits, strings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ampubsub.machine.clock import Time
from ampubsub.machine.context import Context, StateContext, Waiter, call_all
from ampubsub.machine.errors import MachineGoneError, SchemaError, UnknownStateError
from ampubsub.machine.mutation import Args
from ampubsub.machine.schema import EXCEPTION, State, StateName, nearest, state_name
from ampubsub.machine.subscriptions import Subscriptions


class MachineView:
    """Reading and waiting, shared by `Machine` and `ampubsub.NetworkMachine`.

    `states` is the index order; `schema` has one entry for each. A tick is odd while its state is active.
    """

    def __init__(
        self,
        machine_id: str,
        schema: Mapping[str, State],
        states: Sequence[str],
        *,
        tags: Iterable[str] = (),
        parent_id: str = "",
    ) -> None:
        self.id = machine_id
        self._schema: Mapping[str, State] = schema
        self._names: tuple[str, ...] = tuple(states)
        self._index: dict[str, int] = {name: i for i, name in enumerate(self._names)}
        self._clock: list[int] = [0] * len(self._names)
        self._tags: tuple[str, ...] = tuple(dict.fromkeys(tags))
        self.parent_id = parent_id
        self._gone = ""
        self._groups: dict[str, tuple[int, ...]] = {}
        self._subscriptions: Subscriptions | None = None

    # -- what it is --------------------------------------------------------------------------------

    @property
    def schema(self) -> Mapping[str, State]:
        """States by name, as parsed."""
        return self._schema

    @property
    def state_names(self) -> tuple[str, ...]:
        """State names in index order."""
        return self._names

    @property
    def tags(self) -> tuple[str, ...]:
        """Free words, often `key:value`."""
        return self._tags

    @property
    def groups(self) -> Mapping[str, tuple[int, ...]]:
        """Named groups of state indexes, in their order."""
        return self._groups

    @property
    def queue_tick(self) -> int:
        """How many mutations have run, plus one; always 0 for a replica."""
        return 0

    @property
    def is_disposed(self) -> bool:
        """The machine is gone for good."""
        return bool(self._gone)

    def has(self, *states: StateName) -> bool:
        """Whether the schema has all these states."""
        return not self._gone and all(state_name(state) in self._index for state in states)

    def index(self, state: StateName) -> int:
        """Index of a state; -1 when unknown."""
        return -1 if self._gone else self._index.get(state_name(state), -1)

    def parse_states(self, states: Iterable[str]) -> tuple[str, ...]:
        """The known ones of these states, each once."""
        return tuple(state for state in dict.fromkeys(states) if state in self._index)

    # -- what is active ----------------------------------------------------------------------------

    def is_(self, *states: StateName) -> bool:
        """Whether all of these are active. Unknown states never are."""
        clock, index = self._clock, self._index
        for state in states:
            position = index.get(state)  # type: ignore[arg-type] # most are text; what is not is not found
            if position is None:
                position = index.get(state_name(state))
                if position is None:
                    self.log_line(4, f"[is] state {state} not found")
                    return False
            if not clock[position] & 1:
                return False
        return not self._gone

    def not_(self, *states: StateName) -> bool:
        """Whether none of these is active. Raises `UnknownStateError`."""
        if self._gone:
            return False
        names = self._known(states)
        return not any(self._clock[self._index[name]] & 1 for name in names)

    def any(self, *states: StateName | Iterable[StateName]) -> bool:
        """Whether any of these is active; of a list of states, all of them."""
        if self._gone:
            return False
        return any(
            self.is_(*state) if isinstance(state, (list, tuple, set, frozenset)) else self.is_(state)  # type: ignore[arg-type]
            for state in states
        )

    def switch(self, *groups: Iterable[str]) -> str:
        """The first active state of the groups, or an empty string."""
        return next((state for group in groups for state in group if self.is_(state)), "")

    def is_err(self) -> bool:
        """Whether Exception is active."""
        return self.is_(EXCEPTION)

    def active_states(self, *states: StateName) -> tuple[str, ...]:
        """Active states, of all or of those given (in the given order)."""
        return tuple(name for name in map(state_name, states or self._names) if self.is_(name))

    # -- clocks ------------------------------------------------------------------------------------

    def tick(self, state: StateName) -> int:
        """Tick of a state; 0 for an unknown one."""
        position = self._index.get(state_name(state))
        return 0 if position is None else self._clock[position]

    def time(self, *states: StateName) -> Time:
        """Ticks of all states in index order, or of those given in the given order."""
        if states:
            return Time(self.tick(state) for state in states)
        return Time(self._clock)

    def clock(self, *states: StateName) -> dict[str, int]:
        """Ticks by state name."""
        if self._gone:
            return {}
        return {name: self.tick(name) for name in map(state_name, states or self._names)}

    def is_time(self, time: Sequence[int], *states: StateName) -> bool:
        """Whether the ticks (of all or of these states) equal `time`."""
        return not self._gone and tuple(self.time(*states)) == tuple(time)

    def was_time(self, time: Sequence[int], *states: StateName) -> bool:
        """Whether every tick (of all or of these states) has reached `time`."""
        now = self.time(*states)
        return (
            not self._gone and len(now) >= len(time) and all(a >= b for a, b in zip(now, time, strict=False))
        )

    def is_clock(self, clock: Mapping[str, int]) -> bool:
        """Whether the ticks of these states equal `clock`."""
        return not self._gone and all(self.tick(state) == tick for state, tick in clock.items())

    def was_clock(self, clock: Mapping[str, int]) -> bool:
        """Whether the ticks of these states have all reached `clock`."""
        return not self._gone and all(self.tick(state) >= tick for state, tick in clock.items())

    # -- waiting -----------------------------------------------------------------------------------

    def when(self, *states: StateName, ctx: Context | None = None) -> Waiter:
        """Done once all states are active at the same time. Raises `UnknownStateError`."""
        return self._wait_states(states, True, ctx)

    def when_not(self, *states: StateName, ctx: Context | None = None) -> Waiter:
        """Done once none of the states is active. Raises `UnknownStateError`."""
        return self._wait_states(states, False, ctx)

    def when_err(self, ctx: Context | None = None) -> Waiter:
        """Done once Exception is active."""
        return self.when(EXCEPTION, ctx=ctx)

    def when_time(
        self, states: Sequence[StateName], times: Sequence[int], ctx: Context | None = None
    ) -> Waiter:
        """Done once each state has reached its tick; a later tick does not undo it. Raises `SchemaError`."""
        if len(states) != len(times):
            raise SchemaError(
                f"{self.id}: when_time got {len(states)} states and {len(times)} times; give one time for each state"
            )
        names = tuple(map(state_name, states))
        waiter = Waiter((self.id, " to reach ", tuple(map(str, times)), " for ", names))
        if not self._closed(waiter):
            if all(self.tick(name) >= time for name, time in zip(names, times, strict=True)):
                waiter.finish()
            else:
                self.subscriptions.when_time(waiter, names, tuple(times), ctx)
        return waiter

    def when_ticks(self, state: StateName, ticks: int = 1, ctx: Context | None = None) -> Waiter:
        """Done once the state has ticked that often from now."""
        return self.when_time([state], [self.tick(state) + ticks], ctx)

    def when_args(self, state: StateName, args: Args, ctx: Context | None = None) -> Waiter:
        """Done once the state is entered by a mutation whose arguments contain `args`."""
        name = state_name(state)
        waiter = self._waiter(f"{self.id} to enter {name} with {dict(args)}")
        if not self._closed(waiter):
            self._known((name,))
            self.subscriptions.when_args(waiter, name, args, ctx)
        return waiter

    def when_query(self, query: Callable[[MachineView], bool], ctx: Context | None = None) -> Waiter:
        """Done after the next accepted transition at which `query(machine)` is true."""
        waiter = self._waiter(f"a query about {self.id} to be true")
        if not self._closed(waiter):
            self.subscriptions.when_query(waiter, query, ctx)
        return waiter

    def when_queue(self, tick: int) -> Waiter:
        """Done once the queue tick is reached (a `Result` that is queued can be given)."""
        waiter = self._waiter(f"{self.id} to reach queue tick {int(tick)}")
        if not self._closed(waiter):
            if self.queue_tick >= tick:
                waiter.finish()
            else:
                self.subscriptions.when_queue(waiter, int(tick))
        return waiter

    def when_queue_ends(self) -> Waiter:
        """Done once nothing is running or queued."""
        waiter = self._waiter(f"the queue of {self.id} to end")
        if not self._closed(waiter):
            if self._is_idle():
                waiter.finish()
            else:
                self.subscriptions.when_queue_ends(waiter)
        return waiter

    def when_disposed(self) -> Waiter:
        """Done once the machine is gone."""
        waiter = Waiter(f"{self.id} to be disposed of", done=bool(self._gone))
        if not waiter.done:
            self.subscriptions.when_disposed(waiter)
        return waiter

    def state_context(self, state: StateName) -> StateContext:
        """Lasts as long as the state's present activation; already ended when it is inactive."""
        name = state_name(state)
        if self._gone:
            context = StateContext(self.id, name, 0)
            context.cancel()
            return context
        self._known((name,))
        return self.subscriptions.state_context(name, self.is_(name))

    # -- in words ----------------------------------------------------------------------------------

    def __str__(self) -> str:
        if self._gone:
            return ""
        return f"({self._ticks(True)})"

    def string_all(self) -> str:
        """Active states with their ticks, then the others: `(A:1) [B:0]`."""
        if self._gone:
            return ""
        return f"({self._ticks(True)}) [{self._ticks(False)}]"

    def inspect(self, *states: StateName) -> str:
        """State by state, with tick, properties and relations: a text for people."""
        lines: list[str] = []
        if self._gone:
            return ""
        for name in map(state_name, states or self._names):
            state = self._schema[name]
            lines.append(f"{int(self.is_(name))} {name}")
            rows: list[tuple[str, str]] = [("Tick", str(self.tick(name)))]
            rows += [(word, "true") for word, on in (("Auto", state.auto), ("Multi", state.multi)) if on]
            lists = (
                ("Add", state.add),
                ("Require", state.require),
                ("Remove", state.remove),
                ("After", state.after),
            )
            rows += [(word, " ".join(names)) for word, names in lists if names]
            lines += [f"    |{word:<8} {text}" for word, text in rows]
        return "\n".join(lines) + "\n" if lines else ""

    def to_mermaid(self) -> str:
        """States and relations as a Mermaid flow chart, active states filled."""
        from ampubsub.machine.diagram import to_mermaid

        return to_mermaid({name: self._schema[name] for name in self._names}, self.is_)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self}>"

    # -- for those who build on it -----------------------------------------------------------------

    @property
    def subscriptions(self) -> Subscriptions:
        """Who waits for what here."""
        found = self._subscriptions
        if found is None:
            found = self._subscriptions = Subscriptions(self, self._names)
        return found

    def _logs(self, level: int) -> bool:
        """Whether a line of that level would be written to the machine's log."""
        return False

    def log_line(self, level: int, text: str) -> None:
        """Write one line to the machine's log; a replica has none."""

    def _active_mask(self) -> int:
        """The mask of active states."""
        return sum(1 << position for position, tick in enumerate(self._clock) if tick & 1)

    def _is_idle(self) -> bool:
        return True

    def _ticks(self, active: bool) -> str:
        pairs = zip(self._names, self._clock, strict=True)
        return " ".join(f"{name}:{tick}" for name, tick in pairs if (tick & 1 == 1) is active)

    def _known(self, states: Iterable[StateName]) -> tuple[str, ...]:
        """The names of states. Raises `UnknownStateError`, with the nearest name."""
        names = tuple(map(state_name, states))
        unknown = [name for name in names if name not in self._index]
        if unknown:
            raise UnknownStateError(
                f"missing states: {' '.join(unknown)} not defined in schema for {self.id}"
                f"{nearest(unknown[0], self._names)}"
            )
        return names

    def _waiter(self, *what: str) -> Waiter:
        return Waiter(what)

    def _closed(self, waiter: Waiter) -> bool:
        """After the end every wait ends at once."""
        if self._gone:
            self._end_waiter(waiter)
            return True
        return False

    def _end_waiter(self, waiter: Waiter) -> None:
        waiter.fail(MachineGoneError(f"{waiter.what}: it will not happen, {self._gone}"))

    def _wait_states(self, states: tuple[StateName, ...], active: bool, ctx: Context | None) -> Waiter:
        index, mask = self._index, 0
        names: tuple[str, ...] = states  # type: ignore[assignment] # most often they are
        try:
            for name in names:
                mask |= 1 << index[name]
        except (KeyError, TypeError):
            names = tuple(map(state_name, states)) if self._gone else self._known(states)
            mask = 0 if self._gone else sum({1 << index[name] for name in names})
        waiter = Waiter((self.id, " to have ", names, " active" if active else " inactive"))
        if self._gone:
            self._end_waiter(waiter)
            return waiter
        now = self._active_mask()
        lacking = mask & ~now if active else mask & now
        if lacking:
            self.subscriptions.when(waiter, names, mask, active, ctx, lacking)
        else:
            waiter.finish()
        return waiter

    def _apply_clock(self, ticks: Sequence[int]) -> None:
        """Take over a whole clock (one tick for each state) and tell whoever waits."""
        entered, left, ticked = [], [], 0
        clock = self._clock
        for position, tick in enumerate(ticks):
            before = clock[position]
            if tick == before:
                continue
            clock[position] = tick
            ticked |= 1 << position
            if tick & 1:
                entered.append(position)
            if before & 1 and not (tick & 1 and self._schema[self._names[position]].multi):
                left.append(position)  # left, or left and entered again meanwhile: its context is over
        if ticked and self._subscriptions is not None:
            call_all(
                self._subscriptions.after_transition(
                    entered, left, self._active_mask(), clock, self.queue_tick, ticked=ticked
                )
            )

    def _end(self, reason: str) -> None:
        """The machine is gone; everything that waits ends with `reason`."""
        if self._gone:
            return
        self._gone = reason
        if self._subscriptions is not None:
            self._subscriptions.close(self._end_waiter)
