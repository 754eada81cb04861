"""Virtual time: one heap of calls that are due, nothing else. Calls due at the same time run in the order they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Schedule:
    """What will happen, and what time it is (`now`, seconds from 0)."""

    __slots__ = ("_heap", "_serial", "handled", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self.handled = 0
        """How many calls were made."""
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._serial = 0

    def at(self, due: float, call: Callable[..., object], *args: Any) -> None:
        """Call something at a time; in the past means now."""
        self._serial += 1
        heappush(self._heap, (due if due > self.now else self.now, self._serial, call, args))

    def after(self, delay_s: float, call: Callable[..., object], *args: Any) -> None:
        """Call something after a while."""
        self.at(self.now + delay_s, call, *args)

    def run(self, until: float, stop: Callable[[], bool] | None = None) -> bool:
        """Let time pass until `until`, or until `stop` says so after a call; whether it did."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, call, args = heappop(heap)
            self.handled += 1
            call(*args)
            if stop is not None and stop():
                return True
        self.now = max(self.now, until)
        return False

    @property
    def waiting(self) -> int:
        """How many calls are still due."""
        return len(self._heap)
