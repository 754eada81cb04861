"""The machines we expose: their indexes, never used twice, and a tracer on each that tells of its changes."""

from __future__ import annotations

from collections.abc import Callable

from ampubsub.machine import Machine, Time, Tracer, Transition
from ampubsub.topic.news import PEER_NAME_TAG
from ampubsub.wire import Info

_MAX_TICK = (1 << 64) - 1


class ExposeError(ValueError):
    """A machine cannot be exposed, or is not; the text names it and says why."""


class _ChangeTracer(Tracer):
    """Tells when a machine changed, got another schema or was disposed of."""

    def __init__(
        self, changed: Callable[[], None], redescribed: Callable[[], None], disposed: Callable[[], None]
    ) -> None:
        self._changed = changed
        self._redescribed = redescribed
        self._disposed = disposed

    def verify_states(self, machine: Machine) -> None:
        self._redescribed()

    def schema_change(self, machine: Machine, old: object) -> None:
        self._redescribed()

    def transition_end(self, transition: Transition) -> None:
        if transition.accepted and transition.time_after != transition.time_before:
            self._changed()

    def machine_dispose(self, machine_id: str) -> None:
        self._disposed()


def told_time(machine: Machine) -> Time:
    """A machine's clock as it travels: ticks are 64 bits wide and begin again at 0, as in Go."""
    time = machine.time()
    return time if max(time, default=0) <= _MAX_TICK else Time(tick & _MAX_TICK for tick in time)


def describe(machine: Machine, peer_name: str = "") -> Info:
    """The full description of a machine."""
    tags = tuple(machine.tags)
    if peer_name:
        tags = (*tags, f"{PEER_NAME_TAG}{peer_name}")
    return Info(
        id=machine.id,
        schema=machine.schema,
        states=tuple(machine.state_names),
        mtime=told_time(machine),
        tags=tags or None,
        parent=machine.parent_id or "",
    )


class Exposures:
    """Exposed machines by index.

    `changed(index, machine)` is called when a machine changed, `redescribed(machine)` when it got another schema, and
    `disposed(machine)` when it was disposed of; each in the thread in which it happened.
    """

    def __init__(
        self,
        changed: Callable[[int, Machine], None],
        redescribed: Callable[[Machine], None],
        disposed: Callable[[Machine], None],
    ) -> None:
        self.machines: dict[int, Machine] = {}
        self._indexes: dict[int, int] = {}
        """By `id` of the machine."""
        self._tracers: dict[int, _ChangeTracer] = {}
        self._tags: dict[int, tuple[str, ...]] = {}
        """Tags as they were seen last: a machine tells nobody when they change."""
        self._next = 0
        self._on_changed = changed
        self._on_redescribed = redescribed
        self._on_disposed = disposed

    def __len__(self) -> int:
        return len(self.machines)

    def __contains__(self, machine: object) -> bool:
        return id(machine) in self._indexes

    def index(self, machine: Machine) -> int:
        """The index of an exposed machine. Raises `ExposeError` when it is not exposed."""
        index = self._indexes.get(id(machine))
        if index is None:
            raise ExposeError(f"machine {machine.id!r} is not exposed")
        return index

    def add(self, machine: Machine) -> int:
        """Expose a machine under a new index."""
        if machine in self:
            raise ExposeError(f"machine {machine.id!r} is exposed already")
        index = self._next
        self._next += 1
        self.machines[index] = machine
        self._indexes[id(machine)] = index
        self._tags[index] = machine.tags
        tracer = _ChangeTracer(
            lambda: self._on_changed(index, machine),
            lambda: self._on_redescribed(machine),
            lambda: self._on_disposed(machine),
        )
        self._tracers[index] = tracer
        machine.bind_tracer(tracer)
        return index

    def remove(self, machine: Machine) -> int:
        """Stop exposing a machine; returns the index that it had, which is never used again."""
        index = self.index(machine)
        del self.machines[index], self._tags[index], self._indexes[id(machine)]
        machine.detach_tracer(self._tracers.pop(index))
        return index

    def clear(self) -> None:
        """Expose nothing any longer."""
        for machine in list(self.machines.values()):
            self.remove(machine)

    def retagged(self) -> list[Machine]:
        """The machines whose tags changed since this was asked last."""
        found = [machine for index, machine in self.machines.items() if machine.tags != self._tags[index]]
        for machine in found:
            self._tags[self.index(machine)] = machine.tags
        return found
