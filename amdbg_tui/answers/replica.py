"""A replica without handlers: what a mutation would do to anyone's machine, tried here and never sent.

A schema and a clock suffice. Two things are not known of a machine of others: what its handlers say, and in which order its
states became active. Handlers are left aside; the order is that of the index, and whoever must be sure asks a second replica
with the order turned round (`turned`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.records import StateShape
from ampubsub.machine import MutationKind, State
from ampubsub.machine.blueprint import Blueprint, blueprint
from ampubsub.machine.findings import Findings
from ampubsub.machine.relations import mask_of
from ampubsub.machine.resolution import Memory, Resolution


@dataclass(frozen=True, slots=True)
class Place:
    """Which states are active: their numbers in order, and the same as a mask."""

    order: tuple[int, ...]
    active: int


@dataclass(frozen=True, slots=True)
class Tried:
    """A mutation and the Auto mutation after it."""

    called: Resolution
    auto: Resolution | None
    """As it was settled; None when no Auto state was tried."""
    end: Place


@dataclass(frozen=True, slots=True)
class Trial:
    """A mutation tried on a replica, in names, handlers aside."""

    accepted: bool
    entered: tuple[str, ...]
    """States that are active afterwards and were not before, or were entered again."""
    exited: tuple[str, ...]
    auto: tuple[str, ...]
    """Of those entered, the ones that came by themselves afterwards."""
    refused: tuple[str, ...]
    """Called states that relations do not let through."""
    missing: tuple[tuple[str, tuple[str, ...]], ...]
    """States that could not be, and what they need."""
    removed_by: tuple[tuple[str, tuple[str, ...]], ...]
    """States driven out, and by which."""
    clock: tuple[int, ...]
    """Ticks afterwards, in the order of the machine's states."""


class Replica:
    """A machine of which the schema and the clock are known.

    Args:
        schema: States by name; mended as the machine itself mends it.
        names: The index order.
        clock: Ticks in that order; missing ones count as 0.
    """

    def __init__(self, schema: dict[str, State], names: Sequence[str], clock: Sequence[int]) -> None:
        known = blueprint(schema)
        listed = tuple(dict.fromkeys([*names, *known.names]))
        self.blueprint: Blueprint = known.with_names([name for name in listed if name in known.index])
        self.rules = self.blueprint.relations
        self.names = self.blueprint.names
        self.index = self.blueprint.index
        ticks = dict(zip(names, clock, strict=False))
        self.clock = tuple([ticks.get(name, 0) for name in self.names])
        order = tuple([at for at, tick in enumerate(self.clock) if tick & 1])
        self.start = Place(order, mask_of(order))
        self.tried = 0
        """How many mutations were resolved."""
        self._settle = Memory(self.rules).settled

    @classmethod
    def of(cls, machine: LiveMachine) -> Replica:
        """A machine as it is shown, of now or of any moment."""
        return cls(schema_of(machine.record.states), machine.names, machine.clock)

    @property
    def turned(self) -> Place:
        """The same active states, as if they had become active in the opposite order."""
        return Place(self.start.order[::-1], self.start.active)

    def apply(self, place: Place, kind: MutationKind, called: Iterable[int]) -> Tried:
        """Where a mutation leads from a place. Changes nothing."""
        self.tried += 1
        first = Resolution(self.rules, None, kind, tuple(called), place.order, place.active)
        if not first.accepted:
            return Tried(first, None, place)
        end = Place(first.target, first.reached)
        if not first.auto_states:
            return Tried(first, None, end)
        auto = Resolution(
            self.rules, None, MutationKind.ADD, first.auto_states, end.order, end.active, auto=True
        )
        if not auto.accepted:
            return Tried(first, auto, end)
        auto = self._settle(auto)
        return Tried(first, auto, Place(auto.target, auto.reached))

    def try_out(self, kind: MutationKind, states: Iterable[str]) -> Trial:
        """What a mutation would do now. Raises `KeyError` for an unknown state."""
        called = [self.index[name] for name in dict.fromkeys(states)]
        tried = self.apply(self.start, kind, called)
        findings = Findings(self.names, self.rules.schema, self._named(called), [])
        self.rules.resolve(kind, called, self.start.order, self.start.active, findings)
        clock = list(self.clock)
        done = [tried.called] if tried.called.accepted else []
        if tried.auto is not None and tried.auto.accepted:
            done.append(tried.auto)
        entered, by_itself = 0, 0
        for resolution in done:
            entered |= resolution.entered
            by_itself |= resolution.entered if resolution.auto else 0
            for state, more in resolution.ticks:
                clock[state] += more
        before, after = self.start.active, tried.end.active
        refused = [state for state in called if not tried.called.reached >> state & 1]
        return Trial(
            tried.called.accepted,
            self._named([state for state in tried.end.order if entered >> state & 1]),
            self._named([state for state in self.start.order if before & ~after & 1 << state]),
            self._named([state for state in tried.end.order if by_itself & ~before & 1 << state]),
            () if kind is MutationKind.REMOVE else self._named(refused),
            findings.missing,
            findings.removed,
            tuple(clock),
        )

    def _named(self, states: Iterable[int]) -> tuple[str, ...]:
        return tuple([self.names[state] for state in states])


def schema_of(states: Iterable[StateShape]) -> dict[str, State]:
    """The schema of a recorded machine."""
    return {
        state.name: State(
            auto=state.auto,
            multi=state.multi,
            require=state.require,
            add=state.add,
            remove=state.remove,
            after=state.after,
        )
        for state in states
    }
