"""Tracers: somebody who looks on while a machine works. Every hook does nothing unless overridden."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ampubsub.machine.mutation import Mutation

if TYPE_CHECKING:
    from ampubsub.machine.machine import Machine
    from ampubsub.machine.schema import State
    from ampubsub.machine.transition import Transition

HOOKS = (
    "machine_init",
    "machine_dispose",
    "new_submachine",
    "verify_states",
    "schema_change",
    "mutation_queued",
    "transition_init",
    "transition_start",
    "handler_start",
    "handler_end",
    "transition_end",
    "queue_end",
)
_ON_THE_WAY = ("mutation_queued", "transition_init", "transition_start", "handler_start", "handler_end")

Hooks = tuple[Callable[..., Any], ...]


class Tracer:
    """Override what you want to see; hooks run on the machine's stack and must be quick.

    The order for one mutation: mutation_queued, transition_init (before relations are resolved),
    transition_start (after, also for a mutation that is not accepted), handler_start and handler_end for each
    bound handler, transition_end; queue_end once the queue is empty.
    """

    @property
    def name(self) -> str:
        """How the machine's log calls this tracer."""
        return type(self).__name__

    def machine_init(self, machine: Machine) -> None:
        """A machine was created with this tracer."""

    def machine_dispose(self, machine_id: str) -> None:
        """A machine is being disposed of."""

    def new_submachine(self, parent: Machine, child: Machine) -> None:
        """A machine was created with `parent` as its parent."""

    def verify_states(self, machine: Machine) -> None:
        """The index order of states was fixed."""

    def schema_change(self, machine: Machine, old: Mapping[str, State]) -> None:
        """A machine got a new schema."""

    def mutation_queued(self, machine: Machine, mutation: Mutation) -> None:
        """A mutation joined the queue."""

    def transition_init(self, transition: Transition) -> None:
        """A transition begins; its target is not known yet."""

    def transition_start(self, transition: Transition) -> None:
        """Relations are resolved; `accepted` says whether they let it through."""

    def handler_start(self, transition: Transition, emitter: str, handler: str) -> None:
        """A bound handler is about to run; `emitter` is `INDEX:BINDING`."""

    def handler_end(self, transition: Transition, emitter: str, handler: str) -> None:
        """A bound handler has ended."""

    def transition_end(self, transition: Transition) -> None:
        """A transition is over; its results stand."""

    def queue_end(self, machine: Machine) -> None:
        """The queue is empty."""


class TracerSet:
    """The bound tracers, sorted by hook, so that a hook nobody overrides costs nothing."""

    __slots__ = ("any_transition", "tracers", "wants_more", *HOOKS)

    machine_init: Hooks
    machine_dispose: Hooks
    new_submachine: Hooks
    verify_states: Hooks
    schema_change: Hooks
    mutation_queued: Hooks
    transition_init: Hooks
    transition_start: Hooks
    handler_start: Hooks
    handler_end: Hooks
    transition_end: Hooks
    queue_end: Hooks

    def __init__(self, tracers: Iterable[Tracer] = ()) -> None:
        self.tracers: list[Tracer] = list(tracers)
        self._refresh()

    def add(self, tracer: Tracer) -> None:
        """Bind a tracer; it is told of everything from now on."""
        self.tracers.append(tracer)
        self._refresh()

    def remove(self, tracer: Tracer) -> bool:
        """Unbind a tracer; False when it was not bound."""
        if tracer not in self.tracers:
            return False
        self.tracers.remove(tracer)
        self._refresh()
        return True

    def _refresh(self) -> None:
        if not self.tracers:
            for name in HOOKS:
                setattr(self, name, ())
            self.any_transition = self.wants_more = False
            return
        for name in HOOKS:
            plain = getattr(Tracer, name)
            overridden = [tracer for tracer in self.tracers if getattr(type(tracer), name, None) is not plain]
            setattr(self, name, tuple(getattr(tracer, name) for tracer in overridden))
        # Whether somebody wants to be told of mutations at all, and of more than their ends.
        self.any_transition = any(getattr(self, name) for name in HOOKS[HOOKS.index("mutation_queued") :])
        self.wants_more = any(getattr(self, name) for name in _ON_THE_WAY)
