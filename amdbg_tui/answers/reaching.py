"""What would it take: the smallest mutations that make states active on anyone's machine, and who blocks it.

Theory of operation
-------------------
All that a goal requires, directly or not, must be active beside it, so one pair of those that excludes each other proves that
the goal can never be. Otherwise plans `remove S, then add C` are looked through from the smallest: each that fails is asked
why, and the reason says how to mend it.

| why it fails | mended by |
| --- | --- |
| a called state lacks what it requires | calling that, too (there is no other way) |
| an active state drives one out | removing it before, or calling a state that drives it out |
| an Auto state comes afterwards and drives one out | the same, or taking away what the Auto state requires |

When no such plan is found, sequences of single mutations and of `set` are looked through, as far as the budget goes. Every
answer was tried on the replica before it is given; what was left out of it would be missed. A plan's size is the number of states
it calls and of its mutations.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from amdbg_tui.answers.replica import Place, Replica, Tried
from ampubsub.machine import MutationKind
from ampubsub.machine.relations import bits, mask_of

ADD, REMOVE, SET = MutationKind.ADD, MutationKind.REMOVE, MutationKind.SET
BUDGET = 1_200
"""Mutations resolved before the search is given up."""
PLANS = 600
"""Of those, for plans `remove S, then add C`."""


class Outlook(StrEnum):
    """How a goal stands."""

    ACTIVE = "active"
    """It is so already."""
    REACHABLE = "reachable"
    """By the steps, handlers aside."""
    IMPOSSIBLE = "impossible"
    """The schema excludes it, whatever is done."""
    NOT_FOUND = "not found"
    """No way was found within the budget; there may be one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One mutation of an answer."""

    kind: MutationKind
    states: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind.value} {' '.join(self.states)}"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing in the way of the goal, as it is now."""

    state: str
    """The state that cannot be."""
    kind: str
    """`requires`, `removed by`, `excluded by` (for ever), `driven out by` (an Auto state afterwards)."""
    other: str
    """What is missing, or what drives it out."""

    def __str__(self) -> str:
        return f"{self.state} {self.kind} {self.other}"


@dataclass(frozen=True, slots=True)
class Reaching:
    """The answer."""

    goal: tuple[str, ...]
    outlook: Outlook
    steps: tuple[Asked, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    entered: tuple[str, ...] = ()
    """All that becomes active by the steps."""
    exited: tuple[str, ...] = ()
    """All that goes by the steps."""
    hangs_on_order: bool = False
    """Had the active states become active in another order, which nobody tells, the steps might not do."""


def what_would_it_take(replica: Replica, goal: Iterable[str], *, budget: int = BUDGET) -> Reaching:
    """The smallest mutations found that make all states of a goal active. Raises `KeyError` for unknown ones."""
    names = tuple(dict.fromkeys(goal))
    return _Search(replica, [replica.index[name] for name in names], budget).answer(names)


Plan = tuple[int, int]
"""(mask to remove first, mask to add then)."""


class _Search:
    def __init__(self, replica: Replica, goal: list[int], budget: int) -> None:
        self.replica, self.goal, self.budget = replica, goal, budget
        self.rules = replica.rules
        self.wanted = mask_of(goal)
        self.needed, self.parent = self._closure()
        self.until = replica.tried + budget

    def answer(self, names: tuple[str, ...]) -> Reaching:
        """The whole search."""
        start = self.replica.start
        if not self.wanted & ~start.active:
            return Reaching(names, Outlook.ACTIVE)
        excluded = tuple(self._excluded())
        if excluded:
            return Reaching(names, Outlook.IMPOSSIBLE, obstacles=excluded)
        obstacles = tuple(self._obstacles())
        steps = self._by_plans() or self._by_steps()
        if not steps:
            return Reaching(names, Outlook.NOT_FOUND, obstacles=obstacles)
        end = self._walk(start, steps)
        turned = self._walk(self.replica.turned, steps)
        named = self.replica.names
        return Reaching(
            names,
            Outlook.REACHABLE,
            tuple(Asked(kind, tuple(named[state] for state in bits(mask))) for kind, mask in steps),
            obstacles,
            tuple(named[state] for state in end.order if not start.active >> state & 1),
            tuple(named[state] for state in start.order if not end.active >> state & 1),
            bool(self.wanted & ~turned.active),
        )

    # -- what must be

    def _closure(self) -> tuple[int, dict[int, int]]:
        """All that the goal requires, itself included, and by whom each is required."""
        known = (1 << len(self.rules.names)) - 1
        needed, parent, todo = self.wanted, {}, list(self.goal)
        while todo:
            state = todo.pop()
            for other in bits(self.rules.require[state] & known & ~needed):
                needed |= 1 << other
                parent[other] = state
                todo.append(other)
        return needed, parent

    def _excluded(self) -> Iterator[Obstacle]:
        """Proofs that the goal can never be."""
        rules, names = self.rules, self.rules.names
        for state in bits(self.needed):
            for name in rules.schema[names[state]].require:
                if name not in self.replica.index:
                    yield Obstacle(names[state], "requires", name)
            for other in bits(rules.removed_by[state] & self.needed & ~(1 << state)):
                if not rules.remove[state] >> other & 1 or other < state:
                    yield Obstacle(names[state], "excluded by", names[other])

    def _obstacles(self) -> Iterator[Obstacle]:
        """What stands in the way now: of the goal, and of all that it requires."""
        rules, names, active = self.rules, self.rules.names, self.replica.start.active
        for state, parent in self.parent.items():
            if not active >> state & 1:
                yield Obstacle(names[parent], "requires", names[state])
        tried = self.replica.apply(self.replica.start, ADD, bits(self.needed))
        for state in bits(self.needed & ~active):
            for other in bits(rules.removed_by[state] & active & tried.called.reached):
                yield Obstacle(names[state], "removed by", names[other])
        if tried.auto is not None:
            for state in bits(self.needed & tried.called.reached & ~tried.end.active):
                for other in bits(rules.removed_by[state] & tried.end.active):
                    yield Obstacle(names[state], "driven out by", names[other])

    # -- remove S, then add C

    def _by_plans(self) -> list[tuple[MutationKind, int]]:
        first: Plan = (0, self.wanted)
        seen = {first}
        heap = [(_size(first), 0, first)]
        until = min(self.until, self.replica.tried + PLANS)
        while heap and self.replica.tried < until:
            plan = heapq.heappop(heap)[2]
            removed, tried = self._try(plan)
            if not self.wanted & ~tried.end.active:
                return _steps(self._shrunk(plan))
            for other in self._mended(plan, removed, tried):
                if other not in seen:
                    seen.add(other)
                    heapq.heappush(heap, (_size(other), len(seen), other))
        return []

    def _try(self, plan: Plan) -> tuple[Place, Tried]:
        place = self.replica.start
        if plan[0]:
            removed = self.replica.apply(place, REMOVE, bits(plan[0]))
            if not plan[1]:
                return place, removed
            place = removed.end
        return place, self.replica.apply(place, ADD, bits(plan[1]))

    def _shrunk(self, plan: Plan) -> Plan:
        """Without what is not needed."""
        for part in (0, 1):
            for state in bits(plan[part]):
                smaller = (
                    (plan[0] & ~(1 << state), plan[1]) if part == 0 else (plan[0], plan[1] & ~(1 << state))
                )
                if any(smaller) and not self.wanted & ~self._try(smaller)[1].end.active:
                    plan = smaller
        return plan

    def _mended(self, plan: Plan, before: Place, tried: Tried) -> Iterator[Plan]:
        """Plans that a failed one leads to."""
        rules = self.rules
        remove, add = plan
        called, reached = tried.called, tried.called.reached
        lost = add & ~reached
        if lost:
            missing = 0
            for state in bits(lost):
                missing |= rules.require[state]
            missing &= ~reached & ~add & ((1 << len(rules.names)) - 1)
            if missing:
                yield remove, add | missing
                return
            present = before.active | add | self._brought(add)
        else:
            lost = (self.needed | add) & called.reached & ~tried.end.active
            auto = mask_of(tried.auto.called) if tried.auto is not None else 0
            present = tried.end.active | auto | self._brought(auto)
        for state in bits(lost):
            for blocker in bits(rules.removed_by[state] & present & ~self.needed):
                yield from self._against(plan, blocker)

    def _brought(self, mask: int) -> int:
        """What Add relations bring along, two levels deep."""
        first = 0
        for state in bits(mask & self.rules.adders):
            first |= mask_of(self.rules.add[state])
        second = first
        for state in bits(first & self.rules.adders):
            second |= mask_of(self.rules.add[state])
        return second

    def _against(self, plan: Plan, blocker: int) -> Iterator[Plan]:
        """Ways to be rid of a state."""
        rules, active = self.rules, self.replica.start.active
        remove, add = plan
        adders = mask_of(state for state, added in enumerate(rules.add) if blocker in added)
        for state in (blocker, *bits(adders)):
            free = active & ~self.needed & ~add & ~remove
            if free >> state & 1:
                yield remove | 1 << state, add
            for rival in bits(rules.removed_by[state] & ~add & ~remove):
                if not rules.remove[rival] & self.needed and not self.needed >> rival & 1:
                    yield remove, add | 1 << rival
            if rules.auto >> state & 1:
                for need in bits(rules.require[state] & free):
                    yield remove | 1 << need, add

    # -- any sequence

    def _by_steps(self) -> list[tuple[MutationKind, int]]:
        """Breadth first over single mutations and sets, from the ones that concern the goal."""
        moves = self._moves()
        start = self.replica.start
        seen = {start.order}
        todo: deque[tuple[Place, list[tuple[MutationKind, int]]]] = deque([(start, [])])
        while todo:
            place, steps = todo.popleft()
            for kind, mask in moves:
                if self.replica.tried >= self.until:
                    return []
                end = self.replica.apply(place, kind, bits(mask)).end
                if end.order in seen:
                    continue
                path = [*steps, (kind, mask)]
                if not self.wanted & ~end.active:
                    return self._shorter(path)
                seen.add(end.order)
                todo.append((end, path))
        return []

    def _shorter(self, path: list[tuple[MutationKind, int]]) -> list[tuple[MutationKind, int]]:
        """Without states, and mutations, that are not needed."""
        for at in range(len(path)):
            for state in bits(path[at][1]):
                kind, mask = path[at][0], path[at][1] & ~(1 << state)
                shorter = [*path[:at], (kind, mask), *path[at + 1 :]]
                if not self.wanted & ~self._walk(self.replica.start, shorter).active:
                    path = shorter
        return [(kind, mask) for kind, mask in path if mask]

    def _moves(self) -> list[tuple[MutationKind, int]]:
        near, todo = self.needed, self.needed
        known = (1 << len(self.rules.names)) - 1
        while todo:
            found = 0
            for state in bits(todo):
                found |= self.rules.removed_by[state] | self.rules.require[state]
            found &= known & ~near
            for state, added in enumerate(self.rules.add):
                if mask_of(added) & todo:
                    found |= 1 << state & ~near
            near |= found
            todo = found
        moves = [(ADD, self.needed), (SET, self.needed)]
        for state in bits(near):
            single = 1 << state
            if not single & self.needed:
                moves += [(ADD, self.needed | single), (SET, self.needed | single)]
            moves += [(ADD, single), (REMOVE, single)]
        return moves

    def _walk(self, place: Place, steps: Iterable[tuple[MutationKind, int]]) -> Place:
        for kind, mask in steps:
            if mask:
                place = self.replica.apply(place, kind, bits(mask)).end
        return place


def _size(plan: Plan) -> int:
    return plan[0].bit_count() + plan[1].bit_count() + (1 if plan[0] else 0)


def _steps(plan: Plan) -> list[tuple[MutationKind, int]]:
    return [(REMOVE, plan[0])] * bool(plan[0]) + [(ADD, plan[1])] * bool(plan[1])
