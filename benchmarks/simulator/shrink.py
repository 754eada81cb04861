"""Make a failing list smaller, greedily: leave elements out, in ever smaller runs, then make what is left milder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.simulator.faults import Fault


def shrink(
    faults: Sequence[Fault], fails: Callable[[Sequence[Fault]], bool], tries: int = 200
) -> tuple[Fault, ...]:
    """The smallest list found that still fails; `fails` is asked at most `tries` times."""
    left = tuple(faults)
    asked = 0

    def still(candidate: tuple[Fault, ...]) -> bool:
        nonlocal asked
        asked += 1
        return asked <= tries and fails(candidate)

    size = max(1, len(left) // 2)
    while size:
        start, again = 0, False
        while start < len(left):
            candidate = left[:start] + left[start + size :]
            if still(candidate):
                left, again = candidate, True
            else:
                start += size
        if not again:
            size //= 2
        else:
            size = min(size, max(1, len(left) // 2)) if left else 0
    progress = True
    while progress and asked < tries:
        progress = False
        for number, fault in enumerate(left):
            for milder in fault.milder():
                candidate = (*left[:number], milder, *left[number + 1 :])
                if still(candidate):
                    left, progress = candidate, True
                    break
    return left
