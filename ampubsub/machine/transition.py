"""A transition: one mutation being carried out, from the called states to the ticks it made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ampubsub.machine.clock import Time
from ampubsub.machine.mutation import Args, Mutation, Source
from ampubsub.machine.steps import Step

if TYPE_CHECKING:
    from ampubsub.machine.machine import Machine
    from ampubsub.machine.queue import QueueView


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
        return self.transition.mutation.args

    @property
    def mutation(self) -> Mutation:
        """The mutation being carried out."""
        return self.transition.mutation

    def __repr__(self) -> str:
        return f"<Event {self.name} of {self.machine.id}>"
