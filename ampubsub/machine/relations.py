"""The rules by which states imply, need and exclude each other.

Theory of operation
-------------------
A mutation names *called* states. Relations turn it into *target* states: the whole set of states that will
be active afterwards, in the order in which their handlers run. Resolving is a pure function of the schema,
the states active before (in order), the called states (in order) and the kind of mutation. It touches no
clock and calls no handler, so its results can be remembered (`plans.py`).

| step | rule |
| --- | --- |
| base | add: called, then active. remove: active without called. set: called |
| 1 Add | every state of the list that is new, or Multi, appends its Add states (not called ones in a remove); what is appended is not expanded itself |
| 2 Require | drop states with a Require that is not in the list, until nothing changes |
| 3 Remove | from the last to the first: a state is dropped when a state of the list that was not dropped itself removes it. Later ones are judged first, so called states win over active ones |
| 4 Add again | as 1, over what is left, in reversed order: an Add chain reaches two levels. What a kept state removes is dropped |
| 5 Require again | as 2, in the original order: second-level states come first |
| 6 order | stable by the topology of Require (needed ones first), then by After |

After is no strict order (only neighbours are compared), so the sorting algorithm is a part of the rule: see
`sort_by_after`. Source: asyncmachine manual, "Relations"; where the manual and the program differ, the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ampubsub.machine.result import MutationKind
from ampubsub.machine.schema import State
from ampubsub.machine.steps import Relation, Step, StepKind

_AFTER_BLOCK = 20
"""Runs up to this length are sorted by plain insertion (Go's stable sort)."""


@dataclass(slots=True)
class Findings:
    """What a resolution saw on its way, for steps, the log and previews."""

    record_steps: bool = False
    record_adds: bool = False
    """Add relations alone; Go records them for checks too, where it leaves the other steps out."""
    steps: list[Step] = field(default_factory=list)
    removed_by: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """State and the states that removed it, in the order they were judged."""
    missing: list[dict[str, tuple[str, ...]]] = field(default_factory=list)
    """Per Require pass: state to the states it needs and lacks."""
    order: list[str] = field(default_factory=list)
    """In which order the entries of `removed_by` (`r`) and `missing` (`m`) came."""


def topology(names: Sequence[str], schema: Mapping[str, State]) -> dict[str, int] | None:
    """Positions of states in the Require graph, needed ones first; None when it has a cycle.

    Only states reachable through a Require are in it. Roots are taken in index order.
    """
    position: dict[str, int] = {}
    visiting: set[str] = set()

    def visit(name: str) -> bool:
        if name in position:
            return True
        if name in visiting:
            return False
        visiting.add(name)
        state = schema.get(name)
        for needed in dict.fromkeys(state.require) if state else ():
            if not visit(needed):
                return False
        visiting.discard(name)
        position[name] = len(position)
        return True

    for name in names:
        if schema[name].require and not visit(name):
            return None
    return position


class Relations:
    """The relations of one parsed schema, ready to resolve mutations."""

    def __init__(self, schema: Mapping[str, State], names: Sequence[str]) -> None:
        self.schema = dict(schema)
        found = topology(names, schema)
        self.has_cycle = found is None
        self.topology: dict[str, int] = found or {}
        self.auto_states = tuple(name for name in names if self.schema[name].auto)
        self.any_after = any(state.after for state in self.schema.values())

    def base(self, kind: MutationKind, called: Sequence[str], active: Sequence[str]) -> list[str]:
        """The states a mutation starts from, before any relation."""
        if kind is MutationKind.ADD:
            return [*called, *active]
        if kind is MutationKind.REMOVE:
            gone = set(called)
            return [name for name in active if name not in gone]
        return list(called)

    def resolve(
        self,
        kind: MutationKind,
        called: Sequence[str],
        before: Sequence[str],
        base: Sequence[str],
        findings: Findings | None = None,
        active: Sequence[str] | None = None,
    ) -> list[str]:
        """The target states of a mutation, in handler order. `active` differs from `before` only within a run."""
        seen = findings if findings is not None else Findings()
        active_now = set(before if active is None else active)
        states = list(dict.fromkeys(base))
        states = self._imply(kind, called, before, states, seen)
        states = self._require(called, states, seen)
        kept = self._block(states, active_now, seen)
        removed = {name for keeper in kept for name in self.schema[keeper].remove}
        states = [name for name in self._imply(kind, called, before, kept, seen) if name not in removed]
        states.reverse()
        states = self._require(called, states, seen)
        self.sort(states, seen.steps if seen.record_steps else None)
        return states

    def _imply(
        self,
        kind: MutationKind,
        called: Sequence[str],
        before: Sequence[str],
        states: list[str],
        seen: Findings,
    ) -> list[str]:
        result = list(states)
        for name in states:
            state = self.schema[name]
            if not state.add or (name in before and not state.multi):
                continue
            added = state.add
            if kind is MutationKind.REMOVE:
                added = tuple(other for other in added if other not in called)
                if not added:
                    continue
            if seen.record_adds:
                seen.steps += [Step(StepKind.RELATION, name, other, Relation.ADD.value) for other in added]
                seen.steps += [Step(StepKind.ACTIVATE, "", other) for other in added]
            result += added
        return list(dict.fromkeys(result))

    def _require(self, called: Sequence[str], states: list[str], seen: Findings) -> list[str]:
        missing: dict[str, tuple[str, ...]] = {}
        while True:
            present = set(states)
            left = []
            for name in states:
                lacking = []
                for needed in self.schema[name].require:
                    if seen.record_steps:
                        seen.steps.append(Step(StepKind.RELATION, name, needed, Relation.REQUIRE.value))
                    if needed in present:
                        continue
                    lacking.append(needed)
                    if seen.record_steps:
                        seen.steps.append(Step(StepKind.DEACTIVATE_PASSIVE, name, ""))
                        if name in called:
                            seen.steps.append(Step(StepKind.CANCEL, "", needed))
                if lacking:
                    missing[name] = tuple(lacking)
                else:
                    left.append(name)
            if len(left) == len(states):
                break
            states = left
        if missing:
            seen.missing.append(missing)
            seen.order.append("m")
        return states

    def _block(self, states: list[str], active: set[str], seen: Findings) -> list[str]:
        """Judge from the last to the first; return what is kept, in that reversed order."""
        removers: dict[str, list[str]] = {}
        for name in states:
            for other in dict.fromkeys(self.schema[name].remove):
                removers.setdefault(other, []).append(name)
        blocked: set[str] = set()
        kept = []
        for name in reversed(states):
            blockers = removers.get(name)
            if blockers:
                if seen.record_steps:
                    seen.steps += [
                        Step(StepKind.RELATION, blocker, name, Relation.REMOVE.value) for blocker in blockers
                    ]
                standing = tuple(blocker for blocker in blockers if blocker not in blocked)
                if standing:
                    blocked.add(name)
                    seen.removed_by.append((name, standing))
                    seen.order.append("r")
                    if seen.record_steps:
                        kind = StepKind.DEACTIVATE if name in active else StepKind.DEACTIVATE_PASSIVE
                        seen.steps.append(Step(kind, "", name))
                    continue
            kept.append(name)
        return kept

    def sort(self, states: list[str], steps: list[Step] | None = None) -> None:
        """Put states in handler order, in place."""
        if len(states) < 2:
            return
        if self.topology:
            position = self.topology
            states.sort(key=lambda name: position.get(name, -1))
        if self.any_after:
            schema = self.schema

            def less(one: str, other: str) -> bool:
                if other in schema[one].after:
                    if steps is not None:
                        steps.append(Step(StepKind.RELATION, other, one, Relation.AFTER.value))
                    return False
                if one in schema[other].after:
                    if steps is not None:
                        steps.append(Step(StepKind.RELATION, one, other, Relation.AFTER.value))
                    return True
                return False

            sort_by_after(states, less)

    def auto_candidates(self, active: Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
        """Inactive Auto states that no active state removes, in index order; and (state, remover) of the others."""
        current = list(active)
        present = set(current)
        candidates: list[str] = []
        blocked: list[tuple[str, str]] = []
        for name in self.auto_states:
            if name in present:
                continue
            remover = next((other for other in current if name in self.schema[other].remove), None)
            if remover is None:
                candidates.append(name)
            else:
                blocked.append((name, remover))
        return candidates, blocked


def sort_by_after(items: list[str], less: Callable[[str, str], bool]) -> None:
    """Stable sort for a comparison that is no strict weak order: blocks by insertion, merged by rotation.

    The same comparisons in the same order as Go's `sort.SliceStable`, because with After the outcome depends
    on which pairs are compared.
    """
    count = len(items)
    start = 0
    while start < count:
        end = min(start + _AFTER_BLOCK, count)
        for i in range(start + 1, end):
            j = i
            while j > start and less(items[j], items[j - 1]):
                items[j], items[j - 1] = items[j - 1], items[j]
                j -= 1
        start = end
    width = _AFTER_BLOCK
    while width < count:
        start = 0
        while start + 2 * width <= count:
            _merge(items, less, start, start + width, start + 2 * width)
            start += 2 * width
        if start + width < count:
            _merge(items, less, start, start + width, count)
        width *= 2


def _merge(items: list[str], less: Callable[[str, str], bool], a: int, m: int, b: int) -> None:
    """Merge the sorted runs [a, m) and [m, b) in place (SymMerge by Kim and Kutzner)."""
    if m - a == 1:
        low, high = m, b
        while low < high:
            middle = (low + high) // 2
            if less(items[middle], items[a]):
                low = middle + 1
            else:
                high = middle
        items.insert(low - 1, items.pop(a))
        return
    if b - m == 1:
        low, high = a, m
        while low < high:
            middle = (low + high) // 2
            if not less(items[m], items[middle]):
                low = middle + 1
            else:
                high = middle
        items.insert(low, items.pop(m))
        return
    middle = (a + b) // 2
    total = middle + m
    if m > middle:
        start, right = total - b, middle
    else:
        start, right = a, m
    pivot = total - 1
    while start < right:
        cut = (start + right) // 2
        if not less(items[pivot - cut], items[cut]):
            start = cut + 1
        else:
            right = cut
    end = total - start
    if start < m < end:
        items[start:end] = items[m:end] + items[start:m]
    if a < start < middle:
        _merge(items, less, a, start, middle)
    if middle < end < b:
        _merge(items, less, middle, end, b)


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
