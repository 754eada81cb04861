"""Looks on while a machine of our own works, and makes a record of every transition."""

from __future__ import annotations

from collections.abc import Callable

from amdbg_tui.history.records import MachineKey, TransitionRecord
from amdbg_tui.node.translate import whole_transition
from ampubsub.machine import MutationKind, Tracer, Transition


class RecordingTracer(Tracer):
    """Hands on the record of each transition of one machine, in the peer's thread."""

    def __init__(self, key: MachineKey, tell: Callable[[TransitionRecord], None]) -> None:
        self.key = key
        self.seen: Transition | None = None
        """The transition that the person asked for, once it is over."""
        self._tell = tell
        self._awaited: tuple[MutationKind, frozenset[str]] | None = None

    def expect(self, kind: MutationKind, states: tuple[str, ...]) -> None:
        """The next transition that does this is the person's."""
        self.seen = None
        self._awaited = kind, frozenset(states)

    def forget(self) -> None:
        """No such transition is coming."""
        self._awaited = None

    def transition_end(self, transition: Transition) -> None:
        """A transition is over: tell it."""
        mutation = transition.mutation
        if mutation.kind is MutationKind.EVAL:
            return
        by_hand = (
            self._awaited is not None
            and not mutation.auto
            and not mutation.check
            and self._awaited == (mutation.kind, frozenset(mutation.called))
        )
        if by_hand:
            self.seen, self._awaited = transition, None
        self._tell(whole_transition(self.key, transition, by_hand))
