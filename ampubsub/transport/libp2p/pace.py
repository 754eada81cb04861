"""When much is to be sent, write a little later and several messages at once; when little is, at once.

A write to a peer, with its packet and the acknowledgement that comes back, costs the same for one small message as for
ten. A hub of a star writes every message to every leaf: with 40 leaves that say something once a second, 1,560 times a
second. From `coalesce_above` on, writes wait for a common beat, which grows with the load.
"""

from __future__ import annotations

import trio

_WINDOW_S = 0.5


class Pace:
    """Counts what is queued for all peers together, and tells until when a write may wait."""

    def __init__(self, above: float, longest_s: float) -> None:
        self._above = above
        self._longest_s = longest_s
        self._since = trio.current_time()
        self._count = 0
        self._beat_s = 0.0

    def queued(self, frames: int) -> None:
        """So many frames were queued just now."""
        now = trio.current_time()
        if now - self._since >= _WINDOW_S:
            self._beat_s = self._beat(self._count / (now - self._since))
            self._since, self._count = now, 0
        self._count += frames

    def _beat(self, rate: float) -> float:
        """20 ms at twice `above`, 40 at three times, and so on, up to the longest."""
        over = rate - self._above
        return min(self._longest_s, over / self._above * 0.02) if over > 0 else 0.0

    def write_at(self) -> float:
        """When the next write is due, on trio's clock: now, or the next beat."""
        now = trio.current_time()
        if self._beat_s == 0 or now - self._since > 2 * _WINDOW_S:
            return now
        return now + self._beat_s - now % self._beat_s
