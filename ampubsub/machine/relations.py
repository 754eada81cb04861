"""The rules by which states imply, need and exclude each other.

Theory of operation
-------------------
A mutation names *called* states. Relations turn it into *target* states: the whole set of states that will
be active afterwards, in the order in which their handlers run. Resolving is a pure function of the schema,
the states active before (in order), the called states (in order) and the kind of mutation. It touches no
clock and calls no handler, so its results can be remembered (`resolution.py`).

| step | rule |
| --- | --- |
| base | add: called, then active. remove: active without called. set: called |
| 1 Add | every state of the list that is new, or Multi, appends its Add states (not called ones in a remove); what is appended is not expanded itself |
| 2 Require | drop states with a Require that is not in the list, until nothing changes |
| 3 Remove | from the last to the first: a state is dropped when a state of the list that was not dropped itself removes it. Later ones are judged first, so called states win over active ones |
| 4 Add again | as 1, over what is left, in reversed order: an Add chain reaches two levels. What a kept state removes is dropped |
| 5 Require again | as 2, in the original order: second-level states come first |
| 6 order | stable by the topology of Require (needed ones first), then by After (`ordering.py`) |

States are numbers here, their places in the index order. A set of states is an int with a bit for each (a *mask*);
a list says the order. Dropping a state clears its bit, and lists are read through the mask. Source: asyncmachine
manual, "Relations"; where the manual and the program differ, the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ampubsub.machine.findings import Findings
from ampubsub.machine.ordering import sort_by_after, topology
from ampubsub.machine.result import MutationKind
from ampubsub.machine.schema import State
from ampubsub.machine.steps import Relation

ADD, REMOVE = MutationKind.ADD, MutationKind.REMOVE


def bits(mask: int) -> Iterator[int]:
    """The states of a mask, in index order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def mask_of(states: Iterable[int]) -> int:
    """The mask of these states."""
    mask = 0
    for state in states:
        mask |= 1 << state
    return mask


class Relations:
    """The relations of one parsed schema in one index order, ready to resolve mutations."""

    def __init__(self, schema: Mapping[str, State], names: Sequence[str]) -> None:
        self.schema = dict(schema)
        self.names = tuple(names)
        index = {name: i for i, name in enumerate(self.names)}
        never = len(self.names)  # a state that is not in the schema is never active

        def masks(lists: Iterable[Sequence[str]]) -> list[int]:
            return [mask_of(index.get(other, never) for other in others) for others in lists]

        states = [self.schema[name] for name in self.names]
        self.add = [tuple(index[other] for other in state.add if other in index) for state in states]
        self.require = masks(state.require for state in states)
        self.remove = masks(state.remove for state in states)
        self.removed_by = _turned(self.remove)
        self.adders = mask_of(i for i, added in enumerate(self.add) if added)
        self.requirers = mask_of(i for i, needed in enumerate(self.require) if needed)
        self.removers = mask_of(i for i, removed in enumerate(self.remove) if removed)
        self.multi = mask_of(i for i, state in enumerate(states) if state.multi)
        self.auto = mask_of(i for i, state in enumerate(states) if state.auto)
        found = topology(self.names, self.schema)
        self.has_cycle = found is None
        places = found or {}
        self.place = [places.get(name, -1) for name in self.names]
        self.placed = mask_of(i for i, place in enumerate(self.place) if place >= 0)
        after = masks(state.after for state in states)
        self.first = [first & ~own for first, own in zip(_turned(after), after, strict=True)]
        """Per state, those that come after it."""
        self.any_after = any(after)

    def resolve(
        self,
        kind: MutationKind,
        called: Sequence[int],
        order: Sequence[int],
        active: int,
        findings: Findings | None = None,
        wanted: int = -1,
    ) -> tuple[list[int], int]:
        """The target states in handler order, and their mask.

        `order` are the active states, `active` is their mask. `wanted` is that of `called`, if it is at hand.
        """
        if wanted < 0:
            wanted = mask_of(called)
        left_out = 0
        if kind is ADD:
            mask = wanted | active
            states = (
                [*called, *[state for state in order if not wanted >> state & 1]]
                if wanted & active
                else [*called, *order]
            )
        elif kind is REMOVE:
            mask = active & ~wanted
            states = [state for state in order if mask >> state & 1]
            left_out = wanted
        else:
            mask = wanted
            states = list(called)
        adders = self.adders & ~(active & ~self.multi)
        if mask & adders:
            added = self._implied(states, mask & adders, mask, left_out, findings)
            states += added
            for state in added:
                mask |= 1 << state
        if mask & self.requirers or findings is not None:
            mask = self._required(states, mask, findings)
        removed = self._removed(mask) if mask & self.removers else 0
        contested = mask & removed
        if contested:
            kept = self._kept(states, mask, contested, active, findings)
            if kept != mask:
                mask, removed = kept, self._removed(kept)
        if mask & adders:
            kept_states = [state for state in states if mask >> state & 1]
            kept_states.reverse()
            added = self._implied(kept_states, mask & adders, mask, left_out, findings)
            if added:
                states = kept_states + added
                states.reverse()
                for state in added:
                    mask |= 1 << state
        mask &= ~removed
        if mask & self.requirers or findings is not None:
            mask = self._required(states, mask, findings)
        states = [state for state in states if mask >> state & 1]
        if len(states) > 1:
            self.sort(states, mask, findings)
        return states, mask

    def _removed(self, mask: int) -> int:
        """What the states of a mask drive out."""
        remove, removed = self.remove, 0
        left = mask & self.removers
        while left:
            low = left & -left
            removed |= remove[low.bit_length() - 1]
            left ^= low
        return removed

    def _implied(
        self, states: Sequence[int], adders: int, present: int, left_out: int, findings: Findings | None
    ) -> list[int]:
        """What these states bring along, in order."""
        present |= left_out
        added = []
        for state in states:
            if not adders >> state & 1:
                continue
            if findings is not None and (not left_out or mask_of(self.add[state]) & ~left_out):
                findings.implied(state, left_out)
            for other in self.add[state]:
                if not present >> other & 1:
                    present |= 1 << other
                    added.append(other)
        return added

    def _required(self, states: Sequence[int], mask: int, findings: Findings | None) -> int:
        """The states that have all they need."""
        require = self.require
        needs: dict[str, tuple[str, ...]] = {}
        while True:
            if findings is not None:
                findings.required([state for state in states if mask >> state & 1], needs)
            lost = 0
            left = mask & self.requirers
            while left:
                low = left & -left
                if require[low.bit_length() - 1] & ~mask:
                    lost |= low
                left ^= low
            if not lost:
                break
            mask ^= lost
        if findings is not None:
            findings.lacked(needs)
        return mask

    def _kept(
        self, states: Sequence[int], mask: int, contested: int, active: int, findings: Findings | None
    ) -> int:
        """Judge from the last to the first; what is not driven out."""
        removed_by = self.removed_by
        blocked = 0
        for state in reversed(states):
            if not contested >> state & 1:
                continue
            removers = removed_by[state] & mask
            if findings is not None:
                listed = [other for other in states if removers >> other & 1]
                findings.judged(state, listed, blocked, active)
            if removers & ~blocked:
                blocked |= 1 << state
        return mask & ~blocked

    def sort(self, states: list[int], mask: int, findings: Findings | None = None) -> None:
        """Put states in handler order, in place. `mask` has the same states."""
        if mask & self.placed:
            states.sort(key=self.place.__getitem__)
        if self.any_after and len(states) > 1:
            sort_by_after(states, self.first, findings.compared if findings is not None else None)

    def auto_candidates(self, active: int) -> tuple[int, ...]:
        """Inactive Auto states that no active state removes, in index order."""
        removed_by, found = self.removed_by, []
        left = self.auto & ~active
        while left:
            low = left & -left
            state = low.bit_length() - 1
            if not removed_by[state] & active:
                found.append(state)
            left ^= low
        return tuple(found)


def _turned(masks: Sequence[int]) -> list[int]:
    """Who names whom, seen from the other side."""
    turned = [0] * len(masks)
    for state, mask in enumerate(masks):
        for other in bits(mask & ((1 << len(masks)) - 1)):
            turned[other] |= 1 << state
    return turned


def relations_between(schema: Mapping[str, State], start: str, end: str) -> tuple[Relation, ...]:
    """How one state names another. Raises KeyError for unknown ones."""
    schema[end]
    return tuple(kind for kind, names in _lists(schema[start]) if end in names)


def relations_of(schema: Mapping[str, State], state: str) -> tuple[Relation, ...]:
    """The kinds of relations that a state has. Raises KeyError for an unknown one."""
    return tuple(kind for kind, names in _lists(schema[state]) if names)


def inbound_relations_of(schema: Mapping[str, State], state: str) -> tuple[str, ...]:
    """Names of the states that name this one in any relation. Raises KeyError for an unknown one."""
    schema[state]
    return tuple(name for name, other in schema.items() if any(state in names for _, names in _lists(other)))


def _lists(state: State) -> tuple[tuple[Relation, tuple[str, ...]], ...]:
    return (
        (Relation.ADD, state.add),
        (Relation.REQUIRE, state.require),
        (Relation.REMOVE, state.remove),
        (Relation.AFTER, state.after),
    )
