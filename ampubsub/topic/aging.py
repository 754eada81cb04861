"""How peers grow old: silent ones become stale, then gone, then forgotten. Pure; time is passed in."""

from __future__ import annotations

from ampubsub.topic.events import PeerStatus
from ampubsub.topic.peers import RemotePeer
from ampubsub.topic.registry import Registry
from ampubsub.topic.settings import TopicSettings

_GO_HEARTBEAT_S = 5.0
"""A Go peer gossips by chance, once in as many of its heartbeats as it knows peers."""


def gossip_interval(settings: TopicSettings, peers: int) -> float:
    """Seconds between two gossips of a peer like us, when it knows `peers` others."""
    return max(settings.gossip_interval_s, settings.gossip_interval_per_peer_s * peers)


def silence_allowed(settings: TopicSettings, peer: RemotePeer, peers: int) -> float:
    """How long a peer that is not connected to us may say nothing before it is stale."""
    expected = gossip_interval(settings, peers) if peer.tells_itself else _GO_HEARTBEAT_S * peers
    return max(settings.stale_after_s, settings.silences * expected)


def expire(registry: Registry, now: float) -> None:
    """Let time pass for all peers."""
    settings = registry.settings
    count = len(registry.peers)
    registry.judge_late(now)
    for peer in list(registry.peers.values()):
        age = now - peer.since_s
        if peer.status is PeerStatus.GONE:
            if age > settings.forget_after_s:
                registry.forget(peer)
        elif peer.status is PeerStatus.STALE:
            if age > settings.gone_after_s:
                registry.retire(peer, f"out of reach: {peer.reason}", now)
        elif not peer.connected:
            last = max(peer.heard_s or 0.0, peer.mentioned_s if peer.heard_s is None else 0.0)
            if now - last > silence_allowed(settings, peer, count):
                peer.doubted = peer.heard_s is None
                registry.stale(peer, f"nothing heard of it for {now - last:.0f} s", now)
