"""A transition: one mutation being carried out, from the called states to the ticks it made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ampubsub.machine.arguments import Kind, args_as
from ampubsub.machine.clock import Time
from ampubsub.machine.mutation import Args, Mutation, Source, is_health
from ampubsub.machine.result import MutationKind
from ampubsub.machine.steps import Step

if TYPE_CHECKING:
    from ampubsub.machine.machine import Machine


class Role(NamedTuple):
    """When a handler is called: a kind (`handlers.py`) and up to two states, by number."""

    kind: int
    start: int
    end: int


class Call:
    """One handler of one binding, in one role."""

    __slots__ = ("binding", "function", "is_bound", "may_refuse", "name", "number", "role", "shown")

    def __init__(
        self, role: Role, name: str, function: Callable[[Event], Any] | None, number: int, binding: str
    ) -> None:
        self.role = role
        self.name = name
        self.is_bound = function is not None
        """Whether there is such a handler."""
        self.function: Callable[[Event], Any] = function or _nothing
        self.number = number
        """Of the binding."""
        self.binding = binding
        """Its name."""
        self.may_refuse = not name.endswith(("State", "End"))
        self.shown: str = f"{number}:{name}" if number else name
        """The name in `Transition.handlers`."""


def _nothing(event: Event) -> None:
    pass


class Resolved(Protocol):
    """What a transition shows of its resolution."""

    @property
    def names(self) -> tuple[str, ...]:
        """State names by number."""

    @property
    def kind(self) -> MutationKind:
        """What was asked for."""

    @property
    def called_names(self) -> tuple[str, ...]:
        """The states that it named, when it is remembered."""

    @property
    def target(self) -> Sequence[int]:
        """States active afterwards."""

    @property
    def enters(self) -> Sequence[int]:
        """States that come."""

    @property
    def exits(self) -> Sequence[int]:
        """States that leave."""

    @property
    def ticks(self) -> Sequence[tuple[int, int]]:
        """(state, ticks more)."""


class Transition:
    """What a tracer and a handler see of one mutation's way. Complete once `completed` is true."""

    # Without slots: what most transitions never set stands once, here, as each mutation makes one of these.
    accepted = True
    completed = settled = ticked = False
    """Whether it is over, whether it is decided if clocks tick, and whether they did."""
    error: BaseException | None = None
    """What a handler raised, if one did."""
    latest: Call | None = None
    """The handler called last."""
    left_in: Sequence[int] | None = None
    """Target states while handlers take some out of an Auto mutation."""
    resolved: Resolved | None = None
    """What relations made of it; None until they have."""
    recorded: list[Step] | None = None
    """Steps, where they are recorded."""
    lines: list[tuple[int, str]] | None = None
    lines_before: list[tuple[int, str]] | None = None
    """Lines of the log, where there are any."""
    queue_len = 0
    """Mutations waiting when it ended."""

    def __init__(
        self,
        machine: Machine,
        mutation: Mutation | None,
        args: Args,
        queue_tick: int,
        number: int,
        before: tuple[int, ...],
        clock: tuple[int, ...],
    ) -> None:
        self.machine = machine
        self._mutation = mutation
        self.args = args
        """The mutation's arguments."""
        self._queue_tick = queue_tick
        self.number = number
        self.before = before
        """States active before, by number."""
        self._clock_before = clock
        self.handlers: list[str] = []
        """Names of the bound handlers that ran, in order; one that refused or failed ends with `!`."""

    @property
    def mutation(self) -> Mutation:
        """The mutation being carried out."""
        found = self._mutation
        if found is None:  # it never waited in the queue: made when somebody looks
            resolved = self.resolved
            assert resolved is not None
            found = self._mutation = Mutation(resolved.kind, resolved.called_names, self.args)
            found.queue_tick, found.queue_tick_now = self._queue_tick, self._queue_tick - 1
        return found

    @property
    def id(self) -> str:
        """Unique within the machine."""
        return f"{self.number:x}"

    @property
    def is_auto(self) -> bool:
        """Asked for by the machine itself, for its Auto states."""
        return self.mutation.auto

    @property
    def called(self) -> tuple[str, ...]:
        """The states that the mutation named."""
        return self.mutation.called

    @property
    def target(self) -> list[str]:
        """States active afterwards, in handler order; none before relations are resolved."""
        if self.left_in is not None:
            return self._of(self.left_in)
        return [] if self.resolved is None else self._of(self.resolved.target)

    @property
    def enters(self) -> list[str]:
        """States that come, and called Multi states that stay, in handler order."""
        return [] if self.resolved is None else self._of(self.resolved.enters)

    @property
    def exits(self) -> list[str]:
        """States that leave, in handler order."""
        return [] if self.resolved is None else self._of(self.resolved.exits)

    @property
    def active_before(self) -> tuple[str, ...]:
        """States active before, in the machine's order."""
        return tuple(self._of(self.before))

    @property
    def time_before(self) -> Time:
        """All ticks before."""
        return Time(self._clock_before)

    @property
    def time_after(self) -> Time:
        """All ticks after; a guess by the called states alone until handlers have agreed."""
        ticks = list(self._clock_before)
        if self.ticked and self.resolved is not None:
            for state, more in self.resolved.ticks:
                ticks[state] += more
        elif not self.settled:
            self._guess(ticks)
        return Time(ticks)

    def _guess(self, ticks: list[int]) -> None:
        mutation, schema = self.mutation, self.machine.schema
        if mutation.check:
            return
        for name in mutation.called:
            position = self.machine.index(name)
            active = ticks[position] & 1
            if mutation.kind is MutationKind.ADD:
                ticks[position] += 1 if not active else 2 if schema[name].multi else 0
            elif mutation.kind is MutationKind.REMOVE and active:
                ticks[position] += 1

    @property
    def steps(self) -> list[Step]:
        """What relations and handlers did; empty unless the machine records steps."""
        return self.recorded or []

    @property
    def log(self) -> list[tuple[int, str]]:
        """(level, text) lines written while it ran."""
        return self.lines or []

    @property
    def log_before(self) -> list[tuple[int, str]]:
        """Lines written between the transition before and this one's end; the last ones, if they are many."""
        return self.lines_before or []

    @property
    def source(self) -> Source:
        """What a mutation made during this transition has as its source."""
        return Source(self.machine.id, self.id, self.time_before.sum())

    @property
    def is_health(self) -> bool:
        """A lone Heartbeat or Healthcheck: brings no Auto states along."""
        return is_health(self.mutation)

    def _of(self, numbers: Sequence[int]) -> list[str]:
        names = self.machine.state_names if self.resolved is None else self.resolved.names
        return [names[number] for number in numbers]

    def __str__(self) -> str:
        lines = [f"tx#{self.id}", self.mutation.string(self.machine.state_names)]
        source = self.mutation.source
        if source is not None:
            lines.append(
                f"source: [{source.transition_id}]({source.machine_id}/{source.transition_id}/t{source.machine_time})"
            )
        lines += [f"- {step}" for step in self.steps]
        return "\n".join(lines)


class Panic:
    """What the Exception state's handlers get to know about a handler that raised."""

    __slots__ = ("active_before", "called", "kind", "transition")

    def __init__(self, transition: Transition) -> None:
        self.called = transition.called
        self.kind = transition.mutation.kind.value
        self.active_before = transition.active_before
        self.transition = transition


class Event:
    """What a handler is called with: who calls it, and why."""

    __slots__ = ("machine", "name", "transition")

    def __init__(self, name: str, machine: Machine, transition: Transition) -> None:
        self.name = name
        """Name of the handler being called, such as `OnState`."""
        self.machine = machine
        self.transition = transition

    @property
    def args(self) -> Args:
        """Arguments of the mutation."""
        return self.transition.args

    def args_as(self, kind: type[Kind]) -> Kind:
        """The arguments as the dataclass they were given as, or as one of the same names. Raises `MachineError`."""
        return args_as(self.transition.args, kind, self.name)

    @property
    def mutation(self) -> Mutation:
        """The mutation being carried out."""
        return self.transition.mutation

    def __repr__(self) -> str:
        return f"<Event {self.name} of {self.machine.id}>"
