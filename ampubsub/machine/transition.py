"""A transition: one mutation being carried out, from the called states to the ticks it made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ampubsub.machine.clock import Time
from ampubsub.machine.mutation import Args, Mutation, Source
from ampubsub.machine.result import MutationKind
from ampubsub.machine.schema import State
from ampubsub.machine.steps import Step

if TYPE_CHECKING:
    from ampubsub.machine.handlers import Binding
    from ampubsub.machine.machine import Machine
    from ampubsub.machine.plans import Call, Plan
    from ampubsub.machine.queue import QueueView


class Known(Protocol):
    """What a guess needs to know of a machine."""

    @property
    def index(self) -> Mapping[str, int]:
        """State name to index."""

    @property
    def schema(self) -> Mapping[str, State]:
        """States by name."""


class Transition:
    """What a tracer and a handler see of one mutation's way. Complete once `completed` is true."""

    __slots__ = (
        "accepted",
        "active_before",
        "completed",
        "enters",
        "error",
        "exits",
        "handlers",
        "latest_final",
        "latest_is_enter",
        "latest_state",
        "log",
        "log_before",
        "machine",
        "mutation",
        "number",
        "queue_len",
        "resume",
        "steps",
        "target",
        "time_after",
        "time_before",
    )

    def __init__(
        self, machine: QueueView, mutation: Mutation, active_before: tuple[str, ...], time: Time
    ) -> None:
        self.machine: Machine = machine  # type: ignore[assignment] # a whole Machine, seen from its engine
        self.mutation = mutation
        self.number = 0
        self.active_before = active_before
        """States active before, in the machine's order."""
        self.time_before = time
        self.time_after = time
        self.accepted = True
        self.completed = False
        self.target: list[str] = []
        """States active afterwards, in handler order."""
        self.enters: list[str] = []
        self.exits: list[str] = []
        self.steps: list[Step] = []
        """Empty unless the machine records steps."""
        self.handlers: list[str] = []
        """Names of the bound handlers that ran, in order; one that refused or failed ends with `!`."""
        self.log: list[tuple[int, str]] = []
        """(level, text) lines written while it ran."""
        self.log_before: list[tuple[int, str]] = []
        """Lines written between the transition before and this one's end."""
        self.queue_len = 0
        """Mutations waiting when it ended."""
        self.error: BaseException | None = None
        """What a handler raised, if one did."""
        self.latest_state = ""
        self.latest_is_enter = False
        self.latest_final = False
        self.resume: tuple[str, int, tuple[Binding, ...]] | None = None
        """Handler name, number of its binding and the bindings then, when a plan was left in the middle."""

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
    def args(self) -> Args:
        """The mutation's arguments."""
        return self.mutation.args

    @property
    def source(self) -> Source:
        """What a mutation made during this transition has as its source."""
        return Source(self.machine.id, self.id, self.time_before.sum())

    @property
    def is_health(self) -> bool:
        """A lone Heartbeat or Healthcheck: brings no Auto states along."""
        mutation = self.mutation
        return (
            len(mutation.called) == 1
            and mutation.called[0] in ("Heartbeat", "Healthcheck")
            and mutation.kind.value == "add"
        )

    def __str__(self) -> str:
        lines = [f"tx#{self.id}", self.mutation.string(self.machine.state_names)]
        source = self.mutation.source
        if source is not None:
            lines.append(
                f"source: [{source.transition_id}]({source.machine_id}/{source.transition_id}/t{source.machine_time})"
            )
        lines += [f"- {step}" for step in self.steps]
        return "\n".join(lines)


class PlannedTransition(Transition):
    """A transition that goes by a plan: what nobody looks at is never made."""

    __slots__ = ("_args", "clock_before", "latest", "plan", "queue_tick", "settled")

    latest: Call | None
    """The handler called last."""
    settled: bool
    """Whether clocks have changed, or will not."""

    def __init__(
        self,
        machine: QueueView,
        plan: Plan,
        number: int,
        clock: tuple[int, ...],
        args: Args,
        queue_tick: int,
    ) -> None:
        self.machine: Machine = machine  # type: ignore[assignment]
        self.plan = plan
        self.number = number
        self.clock_before = clock
        self._args = args
        self.queue_tick = queue_tick

    @property
    def called(self) -> tuple[str, ...]:
        """The states that the mutation named."""
        return self.plan.called

    @property
    def args(self) -> Args:
        """The mutation's arguments."""
        return self._args

    def __getattr__(self, name: str) -> Any:
        # Called for slots that nobody has filled yet.
        make = _MADE_ONCE.get(name)
        if make is not None:
            value = make(self)
            setattr(self, name, value)
            return value
        make = _CHANGING.get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return make(self)

    def _mutation(self) -> Mutation:
        plan = self.plan
        mutation = Mutation(plan.kind, plan.called, self._args, auto=plan.auto)
        mutation.queue_tick = self.queue_tick
        mutation.queue_tick_now = self.queue_tick - 1
        mutation.queue_len = 1
        return mutation

    def _time_after(self) -> Time:
        clock = list(self.clock_before)
        if self.settled:
            for position, more in self.plan.ticks:
                clock[position] += more
            return Time(clock)
        return guess_time(self.plan.kind, self.plan.called, clock, self.plan.node.graph)

    def stop(self, call: Call) -> None:
        """Leave the plan: a handler refused or failed. From here on everything is kept as it comes."""
        self.handlers = self._handlers()
        self.time_after = self._time_after()
        self.latest_state = call.state
        self.latest_is_enter = call.enter
        self.latest_final = call.final

    def _handlers(self) -> list[str]:
        names: list[str] = []
        latest = self.latest
        if latest is not None:
            for call in self.plan.asks + self.plan.finals:
                names.append(call.shown)
                if call is latest:
                    break
        return names


_MADE_ONCE: dict[str, Callable[[PlannedTransition], Any]] = {
    "mutation": PlannedTransition._mutation,
    "active_before": lambda t: t.plan.node.active,
    "time_before": lambda t: Time(t.clock_before),
    "accepted": lambda t: t.plan.accepted,
    "target": lambda t: list(t.plan.target),
    "enters": lambda t: list(t.plan.enters),
    "exits": lambda t: list(t.plan.exits),
    "steps": lambda t: [],
    "log": lambda t: [],
    "log_before": lambda t: [],
    "error": lambda t: None,
    "latest_state": lambda t: "",
    "latest_is_enter": lambda t: False,
    "latest_final": lambda t: False,
    "resume": lambda t: None,
}
_CHANGING: dict[str, Callable[[PlannedTransition], Any]] = {
    "time_after": PlannedTransition._time_after,
    "handlers": PlannedTransition._handlers,
    "latest": lambda t: None,
    "settled": lambda t: False,
    "completed": lambda t: False,
    "queue_len": lambda t: 0,
}


def guess_time(kind: MutationKind, called: Sequence[str], clock: Sequence[int], known: Known) -> Time:
    """The time after a mutation, judged by its called states alone: all that is known before handlers agree."""
    ticks = list(clock)
    for name in called:
        position = known.index.get(name)
        if position is None:
            continue
        active = ticks[position] & 1
        if kind is MutationKind.ADD:
            ticks[position] += 1 if not active else 2 if known.schema[name].multi else 0
        elif kind is MutationKind.REMOVE and active:
            ticks[position] += 1
    return Time(ticks)


class Event:
    """What a handler is called with: who calls it, and why."""

    __slots__ = ("machine", "name", "transition")

    def __init__(self, name: str, machine: QueueView, transition: Transition) -> None:
        self.name = name
        """Name of the handler being called, such as `OnState`."""
        self.machine: Machine = machine  # type: ignore[assignment]
        self.transition = transition

    @property
    def args(self) -> Args:
        """Arguments of the mutation."""
        return self.transition.args

    @property
    def mutation(self) -> Mutation:
        """The mutation being carried out."""
        return self.transition.mutation

    def __repr__(self) -> str:
        return f"<Event {self.name} of {self.machine.id}>"
