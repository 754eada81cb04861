"""The machines we expose: their indexes, never used twice, and which of them changed since we last told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ampubsub.machine import Machine, Time, Tracer, Transition
from ampubsub.topic.news import PEER_NAME_TAG
from ampubsub.wire import Info

_MAX_TICK = (1 << 64) - 1
_FAREWELLS = 3


class ExposeError(ValueError):
    """A machine cannot be exposed, or is not; the text names it and says why."""


class _ChangeTracer(Tracer):
    """Marks a machine as changed; tells when it got another schema or was disposed of."""

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


class Exposures:
    """Exposed machines by index.

    `changed(is_first)` is called when a machine changed, `redescribed(machine)` when it got another schema, and
    `disposed(machine)` when it was disposed of.
    """

    def __init__(
        self,
        changed: Callable[[bool], None],
        redescribed: Callable[[Machine], None],
        disposed: Callable[[Machine], None],
    ) -> None:
        self.machines: dict[int, Machine] = {}
        self.dirty: set[int] = set()
        """Indexes of machines that changed since their clocks were told."""
        self._tracers: dict[int, _ChangeTracer] = {}
        self._tags: dict[int, tuple[str, ...]] = {}
        """Tags as they were seen last: a machine tells nobody when they change."""
        self._next = 0
        self.farewells = 0
        """How often it is still to be said that nothing is exposed any longer: the bye may have been lost."""
        self._on_changed = changed
        self._on_redescribed = redescribed
        self._on_disposed = disposed

    def __len__(self) -> int:
        return len(self.machines)

    def index(self, machine: Machine) -> int:
        """The index of an exposed machine. Raises `ExposeError` when it is not exposed."""
        for index, exposed in self.machines.items():
            if exposed is machine:
                return index
        raise ExposeError(f"machine {machine.id!r} is not exposed")

    def add(self, machine: Machine) -> int:
        """Expose a machine under a new index."""
        if any(exposed is machine for exposed in self.machines.values()):
            raise ExposeError(f"machine {machine.id!r} is exposed already")
        index = self._next
        self._next += 1
        self.machines[index] = machine
        self._tags[index] = machine.tags
        tracer = _ChangeTracer(
            lambda: self._changed(index),
            lambda: self._on_redescribed(machine),
            lambda: self._on_disposed(machine),
        )
        self._tracers[index] = tracer
        machine.bind_tracer(tracer)
        return index

    def remove(self, machine: Machine) -> int:
        """Stop exposing a machine; returns the index that it had, which is never used again."""
        index = self.index(machine)
        del self.machines[index], self._tags[index]
        self.dirty.discard(index)
        machine.detach_tracer(self._tracers.pop(index))
        self.farewells = 0 if self.machines else _FAREWELLS
        return index

    def clear(self) -> None:
        """Expose nothing any longer."""
        for machine in list(self.machines.values()):
            self.remove(machine)

    def retagged(self) -> list[Machine]:
        """The machines whose tags changed since this was asked last."""
        found = [machine for index, machine in self.machines.items() if machine.tags != self._tags[index]]
        self._tags = {index: machine.tags for index, machine in self.machines.items()}
        return found

    def take_dirty(self) -> dict[int, tuple[int, ...]]:
        """The clocks of machines that changed; they count as told."""
        clocks: dict[int, tuple[int, ...]] = {i: told_time(self.machines[i]) for i in sorted(self.dirty)}
        self.dirty.clear()
        return clocks

    def clocks(self) -> dict[int, tuple[int, ...]]:
        """The clocks of all exposed machines."""
        return {index: told_time(machine) for index, machine in self.machines.items()}

    def sums(self) -> dict[int, int]:
        """Tick sums, as gossip tells them."""
        return {index: machine.time().sum() for index, machine in self.machines.items()}

    def infos(self, peer_name: str = "", only: Iterable[int] | None = None) -> dict[int, Info]:
        """Full descriptions; their clocks count as told."""
        chosen = self.machines if only is None else [i for i in only if i in self.machines]
        self.dirty.difference_update(chosen)
        return {index: self.info(self.machines[index], peer_name) for index in chosen}

    def _changed(self, index: int) -> None:
        is_first = not self.dirty
        self.dirty.add(index)
        self._on_changed(is_first)

    @staticmethod
    def info(machine: Machine, peer_name: str = "") -> Info:
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
