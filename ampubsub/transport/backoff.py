"""How long to wait before something is tried again: twice as long each time, up to a bound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """The waits between tries to reach one peer, in seconds."""

    first_s: float
    longest_s: float
    settled_s: float
    """A connection that lasted shorter than this does not count as success: who takes us in only to throw us out
    again is dialled ever more rarely."""
    wait_s: float = 0.0
    """The last wait; 0 when the next is the first."""

    def lost(self, lasted_s: float) -> None:
        """A connection ended."""
        if lasted_s >= self.settled_s:
            self.wait_s = 0.0

    def next(self) -> float:
        """The wait before the next try."""
        self.wait_s = min(max(self.first_s, 2 * self.wait_s), self.longest_s)
        return self.wait_s
