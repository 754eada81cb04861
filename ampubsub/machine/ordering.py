"""The order of states within a transition: the topology of Require, then After.

After is no strict order (only neighbours are compared), so the sorting algorithm is a part of the rule: the same
comparisons in the same order as Go's `sort.SliceStable`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ampubsub.machine.schema import State

_BLOCK = 20
"""Runs up to this length are sorted by plain insertion (Go's stable sort)."""

Note = Callable[[int, int], object]


def topology(names: Sequence[str], schema: Mapping[str, State]) -> dict[str, int] | None:
    """Positions of states in the Require graph, needed ones first; None when it has a cycle.

    Only states reachable through a Require are in it. Roots are taken in index order.
    """
    position: dict[str, int] = {}

    def needs(name: str) -> list[str]:
        state = schema.get(name)
        return list(dict.fromkeys(state.require)) if state else []

    for root in names:
        if root in position or not schema[root].require:
            continue
        path = {root: iter(needs(root))}
        while path:
            name, left = next(reversed(path.items()))
            for needed in left:
                if needed in path:
                    return None
                if needed not in position:
                    path[needed] = iter(needs(needed))
                    break
            else:
                del path[name]
                position[name] = len(position)
    return position


def sort_by_after(items: list[int], first: Sequence[int], note: Note | None = None) -> None:
    """Put items in order, in place: blocks by insertion, merged by rotation.

    `first[i]` is the mask of those that `i` has to come before. `note` is told of each comparison.
    """
    count = len(items)
    for start in range(0, count, _BLOCK):
        for i in range(start + 1, min(start + _BLOCK, count)):
            item = items[i]
            before = first[item]
            if not before and note is None:
                continue
            j = i
            while j > start:
                other = items[j - 1]
                if note is not None:
                    note(item, other)
                if not before >> other & 1:
                    break
                items[j] = other
                j -= 1
            items[j] = item
    width = _BLOCK
    while width < count:
        for start in range(0, count - width, 2 * width):
            _merge(items, first, note, start, start + width, min(start + 2 * width, count))
        width *= 2


def _merge(items: list[int], first: Sequence[int], note: Note | None, a: int, m: int, b: int) -> None:
    """Merge the sorted runs [a, m) and [m, b) in place (SymMerge by Kim and Kutzner)."""
    if note is None:
        left = right = 0
        for item in items[a:m]:
            left |= 1 << item
        for item in items[m:b]:
            right |= first[item]
        if not left & right:
            return  # nobody on the right has to come before anybody on the left

    def less(one: int, other: int) -> bool:
        if note is not None:
            note(one, other)
        return bool(first[one] >> other & 1)

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
    start, right_end = (total - b, middle) if m > middle else (a, m)
    pivot = total - 1
    while start < right_end:
        cut = (start + right_end) // 2
        if not less(items[pivot - cut], items[cut]):
            start = cut + 1
        else:
            right_end = cut
    end = total - start
    if start < m < end:
        items[start:end] = items[m:end] + items[start:m]
    if a < start < middle:
        _merge(items, first, note, a, start, middle)
    if middle < end < b:
        _merge(items, first, note, middle, end, b)
