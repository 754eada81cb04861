"""Who sends how much: messages a second of each peer, from its figures, and who of them floods."""

from __future__ import annotations

from collections.abc import Iterable

from amdbg_tui.history.live import Live
from amdbg_tui.history.records import PeerDetailRecord

FLOOD_MESSAGES = 25.0
"""Messages a second from one author that are no longer usual."""
FLOOD_DROPPED = 5.0
"""Dropped messages a second from one author that are no longer usual."""
LEAST_SPAN_S = 0.4


class FloodMeter:
    """Rates by peer id, over the last two samples of its figures."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, int, int]] = {}
        self.rates: dict[str, tuple[float, float]] = {}
        """(messages, dropped) a second."""

    def take(self, live: Live, peers: Iterable[str]) -> None:
        """Figures of these peers changed."""
        for peer_id in peers:
            peer = live.peers.get(peer_id)
            if peer is not None and peer.detail is not None:
                self._sample(peer_id, peer.detail)

    def _sample(self, peer_id: str, detail: PeerDetailRecord) -> None:
        came = sum(count for _, count in detail.messages_in)
        dropped = sum(count for _, count in detail.dropped)
        before = self._last.get(peer_id)
        if before is not None:
            span = detail.at_s - before[0]
            if span < LEAST_SPAN_S:
                return
            self.rates[peer_id] = (max(0, came - before[1]) / span, max(0, dropped - before[2]) / span)
        self._last[peer_id] = (detail.at_s, came, dropped)

    def floods(self, peer_id: str) -> bool:
        """Whether a peer sends more than is usual, or much that is dropped."""
        came, dropped = self.rates.get(peer_id, (0.0, 0.0))
        return came >= FLOOD_MESSAGES or dropped >= FLOOD_DROPPED

    def worst(self) -> list[str]:
        """Peers that flood, the worst first."""
        found = [peer_id for peer_id in self.rates if self.floods(peer_id)]
        return sorted(found, key=lambda peer_id: -sum(self.rates[peer_id]))
