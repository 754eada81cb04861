"""The last transitions of a machine, kept as small records."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from time import time

from ampubsub.machine.clock import Time
from ampubsub.machine.mutation import Args
from ampubsub.machine.result import MutationKind
from ampubsub.machine.tracing import Tracer
from ampubsub.machine.transition import Transition


@dataclass(frozen=True, slots=True)
class Past:
    """One transition that is over."""

    id: str
    kind: MutationKind
    called: tuple[str, ...]
    args: Args
    accepted: bool
    entered: tuple[str, ...]
    left: tuple[str, ...]
    time: Time
    """All ticks afterwards."""
    at: float
    """Seconds since 1970."""
    auto: bool = False
    error: BaseException | None = None

    def __str__(self) -> str:
        changes = [*(f"+{name}" for name in self.entered), *(f"-{name}" for name in self.left)]
        outcome = " ".join(changes) or "nothing" if self.accepted else "canceled"
        return f"{self.kind.value} {' '.join(self.called)}: {outcome}"


class History(Tracer):
    """Keeps the last `length` transitions of the machines it is bound to; checks are none.

    history = History(100)
    machine.bind_tracer(history)
    """

    def __init__(self, length: int = 100) -> None:
        self._kept: deque[Past] = deque(maxlen=length)

    @property
    def transitions(self) -> tuple[Past, ...]:
        """Oldest first."""
        return tuple(self._kept)

    def transition_end(self, transition: Transition) -> None:
        """Keep one more."""
        mutation = transition.mutation
        if mutation.check:
            return
        accepted = transition.accepted
        self._kept.append(
            Past(
                transition.id,
                mutation.kind,
                mutation.called,
                mutation.args,
                accepted,
                tuple(transition.enters) if accepted else (),
                tuple(transition.exits) if accepted else (),
                transition.time_after,
                time(),
                mutation.auto,
                transition.error,
            )
        )

    def __len__(self) -> int:
        return len(self._kept)
