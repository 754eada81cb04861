"""GossipSub: defaults with which a mesh hardly forms, messages are dropped, or some peers never hear."""

from __future__ import annotations

from typing import Any

from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from ampubsub.transport.libp2p.plan import Parts, Plan


def beat_every_second(plan: Plan) -> None:
    """The heartbeat comes every 120 s, and 'adaptive' gossip and grafting for diversity work against it."""
    plan.gossip["heartbeat_interval"] = plan.settings.heartbeat_s
    plan.gossip["adaptive_gossip_enabled"] = False
    plan.gossip["eclipse_protection_enabled"] = False


def let_messages_flow(plan: Plan) -> None:
    """Above ten messages a second and topic the rest is dropped; our own limits are in `receiving`."""
    plan.gossip["spam_protection_enabled"] = False


def speak_1_1(plan: Plan) -> None:
    """GossipSub 1.2 sends an IDONTWANT for every message, more bytes and work than our messages are."""
    plan.gossip["protocols"] = [TProtocol("/meshsub/1.1.0"), TProtocol("/meshsub/1.0.0")]


def gossip_to_pruned_peers(parts: Parts) -> None:
    """IHAVE skips peers in prune backoff, so who is outside the mesh never hears.

    The backoff limits GRAFT only (GossipSub 1.1 spec).
    """
    router: Any = parts.router
    in_backoff, beat = router._check_back_off, router.gossip_heartbeat
    gossiping = False

    def check_back_off(peer: ID, topic: str) -> bool:
        return False if gossiping else bool(in_backoff(peer, topic))

    def gossip_heartbeat() -> Any:
        nonlocal gossiping
        gossiping = True
        try:
            return beat()
        finally:
            gossiping = False

    router._check_back_off = check_back_off
    router.gossip_heartbeat = gossip_heartbeat


def score_nobody(parts: Parts) -> None:
    """Peer scoring has its sign reversed: a penalty makes a peer look better. Our own strikes replace it."""
    parts.router.scorer = None


def flood_own_messages(parts: Parts, topic: str) -> set[ID]:
    """Who gets our own messages: every connected peer of the topic.

    Without flood publishing a root with many leaves reaches no more than its mesh of `degree_high`.
    """
    return set(parts.pubsub.peer_topics.get(topic, ()))
