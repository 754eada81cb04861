"""All timers of a protocol: one heap, one place. Pure."""

from __future__ import annotations

from heapq import heappop, heappush


class Timers:
    """Names with the time at which each is due. Each name has one time; what is set anew replaces it."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def set(self, name: str, due_s: float) -> None:
        """Make a timer due at this time, whatever it was before."""
        if self._due.get(name) != due_s:
            self._due[name] = due_s
            heappush(self._heap, (due_s, name))

    def by(self, name: str, due_s: float) -> None:
        """Make a timer due at this time, or sooner if it is already."""
        if due_s < self._due.get(name, float("inf")):
            self.set(name, due_s)

    def stop(self, name: str) -> None:
        """Nothing is due of this name."""
        self._due.pop(name, None)

    def stop_all(self) -> None:
        """Nothing is due at all."""
        self._due.clear()
        self._heap.clear()

    def when(self, name: str) -> float:
        """When a timer is due; infinity when it is not."""
        return self._due.get(name, float("inf"))

    def next_due(self) -> float:
        """When the earliest is due; infinity when none is."""
        heap, due = self._heap, self._due
        while heap and due.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else float("inf")

    def take(self, now: float) -> str:
        """The name of one timer that is due, which is none any longer; empty when none is."""
        if self.next_due() > now:
            return ""
        name = heappop(self._heap)[1]
        del self._due[name]
        return name
