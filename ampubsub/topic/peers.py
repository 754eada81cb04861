"""What is remembered of a remote peer and of a machine of its. Records, changed by the registry only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ampubsub.machine import Time
from ampubsub.topic.events import PeerStatus, Source
from ampubsub.wire import Info

Key = tuple[str, int]
"""A machine's address on the wire: (peer id, index)."""


@dataclass(slots=True, eq=False)
class RemoteMachine:
    """One machine of another peer, as far as we know it."""

    key: Key
    info: Info
    """As it was told; the clock in it is the one at that time."""
    clock: Time
    source: Source
    teller: str
    """Who said the clock."""
    first_hand: bool
    """The clock was said by the machine's own peer."""
    sequence: int
    """Sequence number of the owner's message that set the clock; 0 when unknown."""
    moved_s: float
    """When the clock was set last."""
    news_s: float
    """When it was set or confirmed last."""
    described: bool = False
    """Its owner described it; otherwise its states may be somebody's invention."""
    claimed_sum: int = 0
    """The largest sum that others claim for it; more than ours means that updates are missing."""
    claimed_s: float = 0.0
    """When that was claimed first."""
    late: bool = False
    """It has been behind for longer than `TopicSettings.behind_grace_s`."""
    claims: dict[str, int] = field(default_factory=dict)
    """Who claims a later clock, and which sum; bounded."""
    refuted: set[str] = field(default_factory=set)
    """Peers whose claim the owner did not confirm; they are not believed again for this machine."""

    @property
    def sum(self) -> int:
        """The sum of all ticks, modulo 2**64 as it travels."""
        return self.clock.sum()

    @property
    def is_behind(self) -> bool:
        """Others claim to know a later clock."""
        return self.claimed_sum > self.sum


@dataclass(slots=True, eq=False)
class RemotePeer:
    """One other peer of the topic."""

    peer_id: str
    status: PeerStatus
    since_s: float
    """When `status` changed."""
    introduced_by: str
    """Who told us of it first; its own id when it spoke itself."""
    reason: str = ""
    """Why it is stale or gone."""
    name: str = ""
    connected: bool = False
    known: bool = False
    """We were told its machines, be it that it has none."""
    tells_itself: bool = False
    """It tells its own sums in gossip now and then (Go peers never do), so its silence means more."""
    heard_s: float | None = None
    """When a message of its own came last."""
    mentioned_s: float = 0.0
    """When others had news of it last, or it joined. Being named again is no news: Go peers name the dead for ever."""
    doubted: bool = False
    """Known from others only, and without news for too long."""
    sequence: int = 0
    """The highest sequence number of its messages."""
    machines: dict[int, RemoteMachine] = field(default_factory=dict)
    retired: dict[int, int] = field(default_factory=dict)
    """Indexes that are gone for good, with the owner's sequence number at that time."""
    messages_in: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def first_hand(self) -> bool:
        """Its own messages reached us, so others cannot add machines to it."""
        return self.heard_s is not None and self.known and self.status is not PeerStatus.GONE


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """What a topic knows of a peer, as of the moment it was asked (`Topic.peers`)."""

    peer_id: str
    status: PeerStatus
    name: str = ""
    reason: str = ""
    """Why it is stale or gone."""
    connected: bool = False
    """It has a connection to us; otherwise its messages come through others."""
    machines: int = 0
    last_heard_s: float | None = None
    """When a message of its own came last, on trio's clock; None when never."""
    introduced_by: str = ""
    """Peer id of who told us of it first."""
    messages_in: Mapping[str, int] = field(default_factory=dict)
    """Messages received from it, by type."""
    messages_out: Mapping[str, int] = field(default_factory=dict)
    """Messages sent, by type; of ourselves only, since what we say goes to the whole topic."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Input of its that was dropped, by reason."""
    asked_again: int = 0
    """How often it asked for what it had just been told."""
