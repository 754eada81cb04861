"""Resolutions: what one mutation does to a machine, and the memory of those that were met before.

A `Resolution` says it all before anything happens: the target states, who leaves and who enters, the clocks that tick,
the handlers to call in order, the Auto states that follow, and the answer. It depends on few things: the
schema, the bound handlers, the states active now (in order), and what is called. So it can be remembered.

`Memory` keeps resolutions by *place*: one order of active states. The first visit to a place only marks it; from the
second on, its resolutions are kept. A machine that does the same again and again finds each mutation with one look-up;
one that never repeats itself pays for a mark. Machines without handlers share the memory of their schema.
"""

from __future__ import annotations

from collections.abc import Sequence

from ampubsub.machine.findings import Findings
from ampubsub.machine.handlers import Handlers
from ampubsub.machine.relations import Relations, mask_of
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.transition import Call

ADD, REMOVE, SET = MutationKind.ADD, MutationKind.REMOVE, MutationKind.SET
HEALTH_STATES = ("Heartbeat", "Healthcheck")
"""Added alone they bring no Auto states along."""


class Resolution:
    """What one mutation does at one place. States are numbers (`relations.py`)."""

    __slots__ = (
        "accepted",
        "active",
        "again",
        "asks",
        "auto",
        "auto_states",
        "before",
        "called",
        "called_names",
        "entered",
        "enters",
        "exits",
        "finals",
        "kind",
        "left",
        "names",
        "next",
        "reached",
        "result",
        "stride",
        "target",
        "ticks",
    )

    def __init__(
        self,
        rules: Relations,
        handlers: Handlers | None,
        kind: MutationKind,
        called: tuple[int, ...],
        before: tuple[int, ...],
        active: int,
        *,
        auto: bool = False,
        check: bool = False,
        findings: Findings | None = None,
        refused: int = 0,
        settled: bool = False,
    ) -> None:
        """Resolve a mutation by the rules.

        `refused` is the mask of called states that handlers took out of an Auto mutation; `settled` says that
        this is the second resolution of such a mutation, which nobody is asked about.
        """
        self.kind = kind
        self.called = called
        self.auto = auto
        self.names = rules.names
        self.called_names: tuple[str, ...] = ()
        """Filled in when it is remembered."""
        self.before = before
        """States active before, in order."""
        self.active = active
        """Their mask."""
        wanted = 0
        for state in called:
            wanted |= 1 << state
        if refused:
            base = tuple([state for state in called if not refused >> state & 1])
            target, reached = rules.resolve(kind, base, before, active, findings, wanted & ~refused)
        else:
            target, reached = rules.resolve(kind, called, before, active, findings, wanted)
        self.target: tuple[int, ...] = tuple(target)
        """States active afterwards, in handler order."""
        self.reached = reached
        """Their mask."""
        lacking = wanted & ~reached
        if kind is REMOVE:
            accepted = True
        elif auto:
            accepted = lacking != wanted
        else:
            accepted = not lacking or (check and bool(wanted & rules.multi))
        self.accepted = accepted
        self.again: Resolution | None = None
        """What an Auto mutation becomes without the states that relations refused."""
        self.exits: tuple[int, ...] = ()
        self.enters: tuple[int, ...] = ()
        self.left = self.entered = 0
        """Masks of `exits` and `enters`."""
        self.ticks: tuple[tuple[int, int], ...] = ()
        """(state, ticks more)."""
        self.auto_states: tuple[int, ...] = ()
        """Called states of the Auto mutation that follows."""
        self.asks: tuple[Call, ...] = ()
        """Negotiation handlers."""
        self.finals: tuple[Call, ...] = ()
        """Final handlers."""
        self.result = Result.EXECUTED if accepted else Result.CANCELED
        self.next: Place | None = None
        """The place that it leads to, once it is known."""
        self.stride: Stride | None = None
        if not accepted and not settled:
            return
        left = active & ~reached
        if left:
            exits = [state for state in before if left >> state & 1]
            if len(exits) > 1:
                rules.sort(exits, left, findings)
            self.exits = tuple(exits)
            self.left = left
        again = wanted & rules.multi & active & reached
        entered = reached & ~active | again
        if entered:
            self.enters = tuple([state for state in target if entered >> state & 1])
            self.entered = entered
        if left or entered:
            ticks = [(state, 1) for state in self.exits]
            if again:
                ticks += [(state, 2 if again >> state & 1 else 1) for state in self.enters]
            else:
                ticks += [(state, 1) for state in self.enters]
            self.ticks = tuple(ticks)
            if rules.auto and not auto and not (kind is ADD and self._is_health()):
                self.auto_states = rules.auto_candidates(reached)
        if kind is REMOVE and wanted & reached:
            self.result = Result.CANCELED
        if handlers is not None:
            if not settled:
                self.asks = handlers.asks(kind, before, active, self.exits, self.enters, self.target, reached)
            self.finals = handlers.finals(self.exits, self.enters)

    def _is_health(self) -> bool:
        return len(self.called) == 1 and self.names[self.called[0]] in HEALTH_STATES

    def states(self, numbers: Sequence[int]) -> list[str]:
        """Names of states."""
        names = self.names
        return [names[number] for number in numbers]


class Stride:
    """A mutation and the Auto mutation after it in one, when no handler stands in the way."""

    __slots__ = ("entered", "left", "place", "ticked", "ticks", "transitions")

    def __init__(self, place: Place, transitions: int, accepted: Sequence[Resolution]) -> None:
        self.place = place
        """Where it leads."""
        self.transitions = transitions
        ticks: dict[int, int] = {}
        self.entered = self.left = 0
        for resolution in accepted:
            self.entered |= resolution.entered
            self.left |= resolution.left
            for state, more in resolution.ticks:
                ticks[state] = ticks.get(state, 0) + more
        self.ticks = tuple(ticks.items())
        self.ticked = self.entered | self.left


class Place:
    """One order of active states, and the resolutions remembered there."""

    __slots__ = ("active", "adds", "autos", "order", "removes", "sets")

    def __init__(self, order: tuple[int, ...], active: int) -> None:
        self.order = order
        self.active = active
        self.adds: dict[tuple[str, ...], Resolution] = {}
        self.removes: dict[tuple[str, ...], Resolution] = {}
        self.sets: dict[tuple[str, ...], Resolution] = {}
        self.autos: dict[tuple[str, ...], Resolution] = {}

    def table(self, kind: MutationKind, auto: bool) -> dict[tuple[str, ...], Resolution]:
        """The resolutions of one kind of mutation, by called states."""
        if auto:
            return self.autos
        return self.adds if kind is ADD else self.removes if kind is REMOVE else self.sets


class Memory:
    """The resolutions remembered for one schema with one set of handlers.

    Machines of several threads may share one: what it says never depends on who made it, every step on the
    tables is a single operation, and at worst a resolution is made twice.
    """

    __slots__ = ("count", "handlers", "places", "rules")

    at_first_sight = False
    """Keep resolutions from the first visit on; tests do."""

    def __init__(self, rules: Relations, handlers: Handlers | None = None) -> None:
        self.rules = rules
        self.handlers = handlers
        self.places: dict[tuple[int, ...], Place | None] = {}
        self.count = 0

    def place(self, order: tuple[int, ...], active: int, limit: int) -> Place | None:
        """The place of these active states; None the first time. Past `limit` entries all are forgotten."""
        places = self.places
        found = places.get(order)
        if found is None:
            if order in places or self.at_first_sight:
                found = places[order] = Place(order, active)
            else:
                self._count(limit)
                places[order] = None
        return found

    def resolution(
        self,
        place: Place,
        kind: MutationKind,
        names: tuple[str, ...],
        called: tuple[int, ...],
        auto: bool,
        limit: int,
    ) -> Resolution:
        """What a mutation does at a place: from memory, or made and kept."""
        table = place.table(kind, auto)
        found = table.get(names)
        if found is None:
            found = Resolution(self.rules, self.handlers, kind, called, place.order, place.active, auto=auto)
            self._count(limit)
            found.called_names = names
            table[names] = found
        return found

    def stride(self, resolution: Resolution, limit: int) -> Stride | None:
        """A resolution and its Auto mutation as one; None when handlers stand in the way."""
        if resolution.asks or resolution.finals:
            return None
        accepted = [resolution] if resolution.accepted else []
        transitions = 1
        if resolution.auto_states:
            between = self.place(resolution.target, resolution.reached, limit)
            if between is None:
                return None
            names = tuple(resolution.states(resolution.auto_states))
            auto = self.resolution(between, ADD, names, resolution.auto_states, True, limit)
            if auto.asks or auto.finals:
                return None
            transitions = 2
            if auto.accepted:
                accepted.append(self.settled(auto))
        if accepted:
            end = self.place(accepted[-1].target, accepted[-1].reached, limit)
        else:
            end = self.place(resolution.before, resolution.active, limit)
        if end is not None:
            resolution.stride = Stride(end, transitions, accepted)
        return resolution.stride

    def settled(
        self, resolution: Resolution, refused: int = 0, findings: Findings | None = None
    ) -> Resolution:
        """What an Auto mutation becomes once everybody was asked; any other is settled already."""
        if not resolution.auto:
            return resolution
        lacking = mask_of(resolution.called) & ~resolution.reached
        if not refused and findings is None:
            if not lacking and resolution.accepted:
                return resolution
            if resolution.again is not None:
                return resolution.again
        again = Resolution(
            self.rules,
            self.handlers,
            ADD,
            resolution.called,
            resolution.before,
            resolution.active,
            auto=True,
            findings=findings,
            refused=refused | lacking,
            settled=True,
        )
        if not refused and findings is None:
            resolution.again = again
        return again

    def forget(self) -> None:
        """Drop all; a machine on its way is not disturbed."""
        places = list(self.places.values())
        self.places.clear()
        self.count = 0
        for place in places:
            if place is not None:
                for table in (place.adds, place.removes, place.sets, place.autos):
                    table.clear()

    def _count(self, limit: int) -> None:
        self.count += 1
        if self.count > limit:
            self.forget()
            self.count = 1
