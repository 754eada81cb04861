"""A machine's clocks, as they travel from one process to the next."""

from __future__ import annotations

from dataclasses import dataclass

from ampubsub.machine.clock import Time


@dataclass(frozen=True, slots=True)
class Exported:
    """A machine's clocks, to be carried elsewhere and imported by a machine with the same id and states."""

    id: str
    state_names: tuple[str, ...]
    time: Time
    queue_tick: int
    machine_tick: int
