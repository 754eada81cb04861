"""What a person may choose of a topic. All times are in seconds of trio's clock.

What nobody has to choose stands with its reason in `constants.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ampubsub.seal.keys import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings:
    """How a topic behaves. Frozen: give another one to another `Topic`."""

    # -- what we are
    silent: bool = False
    """Publish nothing at all: only listen. No answer, no hello, no bye; nothing on private streams either."""
    join_when_connected: bool = True
    """Join as soon as we are connected, and again after a reconnection (Go: `Join` is called by hand)."""
    secret: Secret | None = None
    """Seal the topic: only who holds this secret reads, is believed, and learns its name (docs/security.md). None: it is open."""
    metrics: bool = False
    """Keep a metrics machine that ticks states as peers are heard (Go: `MachMetrics`, set by hand)."""
    tell_name: bool = True
    """Tell our `peer_name` to others as the tag `peer-name:NAME` of our machines (Go: no names travel)."""
    connections_to_ready: int = 1
    """Connections needed to be Ready (Go: 5, which a small network never has)."""

    # -- how long others may be out of reach
    stale_after_s: float = 60.0
    """Without witnesses (peers of ours that are connected to it), a peer that said nothing for this long is stale, at
    the earliest: the larger of this and four times the interval at which it is expected to speak."""
    gone_after_s: float = 30.0
    """A stale peer is gone after this (Go: nothing is ever forgotten)."""
    forget_after_s: float = 600.0
    """A peer that is gone is forgotten after this; until then others' talk does not bring it back."""

    # -- how much
    budget_own: int = 50
    """Messages we say in 5 s, at the most (Go: 10)."""
    messages_per_peer: int = 400
    """Messages of one author taken in 5 s."""
    messages_in_total: int = 4000
    """Messages taken in 5 s, shared fairly among the neighbours that bring them."""
    max_message_bytes: int = 524_288
    """A larger message is dropped, and ours are split below it (GossipSub's own limit is 1 MiB)."""
    max_peers: int = 2048
    """Peers known at a time. Connected ones always have a place."""
    max_machines_per_peer: int = 256
    """Machines one peer may expose."""
