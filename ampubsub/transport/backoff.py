"""How long to wait before something is tried again: twice as long each time, up to a bound.

A peer that does not answer was perhaps only restarted: for a while it is tried often. One that takes us in and
throws us out again is tried ever more rarely from the start.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """The waits between tries to reach one peer, in seconds."""

    first_s: float
    longest_s: float
    settled_s: float
    """A connection that lasted shorter than this, and that the other side closed, does not count as success: who
    takes us in only to throw us out again is dialled ever more rarely."""
    eager_s: float = 0.0
    """For so long after a connection was lost ..."""
    eager_longest_s: float = 0.0
    """... no wait is longer than this."""
    wait_s: float = 0.0
    """The last wait; 0 when the next is the first."""
    unwanted: bool = False
    """Whether the other side throws us out."""

    def lost(self, lasted_s: float, *, thrown_out: bool = True) -> None:
        """A connection ended after `lasted_s`; `thrown_out`: the other side closed it."""
        self.unwanted = thrown_out and lasted_s < self.settled_s
        if not self.unwanted:
            self.wait_s = 0.0

    def next(self, away_s: float = 0.0) -> float:
        """The wait before the next try, `away_s` after the connection was lost."""
        eager = not self.unwanted and away_s < self.eager_s
        longest_s = self.eager_longest_s if eager else self.longest_s
        self.wait_s = min(max(self.first_s, 2 * self.wait_s), longest_s)
        return self.wait_s
