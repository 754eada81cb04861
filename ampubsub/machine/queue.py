"""The queue of a machine: what waits to be carried out, and what can be asked about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from ampubsub.machine.mutation import Mutation
from ampubsub.machine.result import MutationKind

_COUNTER = {MutationKind.ADD: MutationKind.REMOVE, MutationKind.REMOVE: MutationKind.ADD}


class Queue:
    """Mutations that wait, next first, and the counters that number them."""

    __slots__ = ("pending", "tick", "token", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Mutation] = deque()
        self.tick = 1
        """How many appended mutations have run, plus one."""
        self.pending = 0
        """How many of those that wait have a tick."""
        self.token = 0
        """Number of the last one put in front."""

    def append(self, mutation: Mutation) -> None:
        """Put a mutation behind all that wait; it gets its tick."""
        self.waiting.append(mutation)
        self.pending += 1
        mutation.queue_len = len(self.waiting)
        mutation.queue_tick = self.pending + self.tick
        mutation.queue_tick_now = self.tick

    def prepend(self, mutation: Mutation) -> None:
        """Put a mutation in front of all that wait; it gets a number, but no tick."""
        self.waiting.appendleft(mutation)
        if mutation.kind is not MutationKind.EVAL:
            self.token += 1
            mutation.queue_len = len(self.waiting)
            mutation.queue_token = self.token
            mutation.queue_tick_now = self.tick

    def pop(self) -> Mutation:
        """Take out the next one; its tick has come."""
        mutation = self.waiting.popleft()
        if mutation.queue_tick:
            self.pending -= 1
            self.tick += 1
        return mutation

    def cancel(self) -> None:
        """Let nothing that waits happen; its ticks pass all the same."""
        self.waiting.clear()
        self.tick += self.pending
        self.pending = 0

    def clear(self) -> None:
        """Forget all that waits, ticks included."""
        self.waiting.clear()
        self.pending = 0

    # -- asking ------------------------------------------------------------------------------------

    def find(
        self,
        kind: MutationKind,
        states: Sequence[str],
        *,
        without_args: bool = False,
        strict: bool = False,
        min_queue_tick: int = 0,
        check: bool = False,
        position: str = "any",
    ) -> tuple[bool, int, int]:
        """(found, index, queue tick) of the first mutation of this kind whose called states contain these.

        `strict` wants the same number of states; `position` is `any`, `first` or `last` (the index is then
        that within the looked-at part).
        """
        queue: Iterable[Mutation] = self.waiting
        if position == "first":
            queue = list(self.waiting)[:1]
        elif position == "last":
            queue = list(self.waiting)[-1:]
        for i, mutation in enumerate(queue):
            if _matches(mutation, kind, states, without_args, strict, min_queue_tick, check):
                return True, i, mutation.queue_tick
        return False, 0, 0

    def count(
        self,
        kind: MutationKind,
        states: Sequence[str],
        *,
        without_args: bool = False,
        strict: bool = False,
        min_queue_tick: int = 0,
    ) -> int:
        """How many such mutations wait."""
        return sum(
            _matches(mutation, kind, states, without_args, strict, min_queue_tick, False)
            for mutation in self.waiting
        )

    def is_duplicate(self, kind: MutationKind, states: Sequence[str]) -> bool:
        """Whether an equal mutation without arguments waits, and nothing behind it takes it back."""
        found, position, queue_tick = self.find(kind, states, without_args=True, strict=True)
        if not found:
            return False
        counter = _COUNTER.get(kind)
        if counter is None:
            return position > 0 and len(self.waiting) > 1
        return not self.find(counter, states, min_queue_tick=queue_tick + 1)[0]


def _matches(
    mutation: Mutation,
    kind: MutationKind,
    states: Sequence[str],
    without_args: bool,
    strict: bool,
    min_queue_tick: int,
    check: bool,
) -> bool:
    called = mutation.called
    return (
        mutation.kind is kind
        and mutation.check == check
        and not (min_queue_tick and mutation.queue_tick < min_queue_tick)
        and not (without_args and mutation.args)
        and (len(called) == len(states) if strict else len(called) >= len(states))
        and all(state in called for state in states)
    )
