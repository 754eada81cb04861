"""A mutation: what somebody asked a machine to do, on its way through the queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ampubsub.machine.result import MutationKind

if TYPE_CHECKING:
    from ampubsub.machine.context import Context

Args = Mapping[str, Any]
NO_ARGS: Args = MappingProxyType({})
"""The arguments of a mutation without any: the same for all, so nobody may write to them."""


class Source(NamedTuple):
    """Which transition of which machine asked for a mutation."""

    machine_id: str
    transition_id: str
    machine_time: int
    """Sum of the asking machine's ticks before that transition."""

    def __str__(self) -> str:
        return f"{self.machine_id}/{self.transition_id}/{self.machine_time}"


class Mutation:
    """A request to add, remove or set states. Made by the machine's methods, or by hand for `Machine.prepend`."""

    # Without slots: what most mutations never set stands once, here.
    auto = False
    """Asked for by the machine itself, for its Auto states."""
    check = False
    """Only asks whether it would be accepted."""
    source: Source | None = None
    queue_tick = 0
    """The machine's queue tick once this ran; 0 for what was put in front."""
    queue_token = 0
    """Number of what was put in front; 0 for appended ones."""
    queue_len = 1
    """Length of the queue right after this joined it."""
    queue_tick_now = 0
    """The machine's queue tick when this joined."""

    def __init__(
        self,
        kind: MutationKind,
        called: Iterable[str],
        args: Args | None = None,
        *,
        auto: bool = False,
        check: bool = False,
        source: Source | None = None,
    ) -> None:
        self.kind = kind
        self.called = tuple(called)
        self.args: Args = NO_ARGS if args is None else args
        if auto:
            self.auto = True
        if check:
            self.check = True
        if source is not None:
            self.source = source

    def string(self, names: Sequence[str]) -> str:
        """`[add] A B`, the called states in the order of `names`."""
        return f"[{self.kind.value}] {' '.join(name for name in names if name in self.called)}"

    def __repr__(self) -> str:
        return f"<Mutation {self.kind.value} {' '.join(self.called)}>"


def is_health(mutation: Mutation) -> bool:
    """A lone Heartbeat or Healthcheck: brings no Auto states along."""
    return mutation.kind is MutationKind.ADD and mutation.called in (("Heartbeat",), ("Healthcheck",))


class Eval(Mutation):
    """A function to be run between transitions. It is queued like a mutation, and is none."""

    def __init__(self, name: str, function: Callable[[], object], context: Context | None = None) -> None:
        super().__init__(MutationKind.EVAL, ())
        self.name = name
        """Where it comes from, in words."""
        self.function = function
        self.context = context
        """If it has ended by then, the function is not run."""
