"""What is remembered of another peer and of a machine of its. Records, changed by `beliefs.py`, `news.py` and `life.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ampubsub.machine import Time
from ampubsub.topic.events import LifeVerdict, PeerStatus, Source
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
    """The clock was said, and signed, by the machine's own peer."""
    sequence: int
    """Sequence number of the owner's message that set the clock; 0 when unknown."""
    moved_s: float
    """When the clock was set last."""
    news_s: float
    """When it was set or confirmed last."""
    described: bool = False
    """Its owner described it; otherwise its states may be somebody's invention."""
    sum: int = 0
    """The sum of all ticks, modulo 2**64 as it travels."""
    by_stream_s: float = float("-inf")
    """When its owner told the clock on the private stream last: what it says on the topic may come later."""
    claimed_sum: int = 0
    """The largest sum that others claim for it; more than ours means that updates are missing."""
    claimed_s: float = 0.0
    """When that was claimed first."""
    late: bool = False
    """It has been behind for longer than `BEHIND_GRACE_S`."""
    unsettled: bool = False
    """Counted in `RemotePeer.unsettled`."""
    claims: dict[str, int] = field(default_factory=dict)
    """Who claims a later clock, and which sum; bounded."""
    refuted: dict[str, None] = field(default_factory=dict)
    """Peers whose claim the owner did not confirm; they are not believed again for this machine. Bounded."""
    signed_info: bytes = b""
    """The owner's signed message that describes it, to be handed on; empty when we have none."""
    signed_clock: bytes = b""
    """The owner's signed message that set the clock."""

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
    """It has a connection to us and takes part in the topic."""
    known: bool = False
    """We were told its machines, be it that it has none."""
    tells_itself: bool = False
    """It tells its own sums in gossip now and then (Go peers never do), so its silence means more."""
    heard_s: float | None = None
    """When a fresh message of its own came last."""
    mentioned_s: float = 0.0
    """When others had news of it last, or it joined. Being named again is no news: Go peers name the dead for ever."""
    doubted: bool = False
    """Known from others only, and without news for too long."""
    sequence: int = 0
    """The highest sequence number of its messages in this life."""
    old_lives: list[tuple[int, int]] = field(default_factory=list)
    """First and last number of earlier lives that went on under higher numbers: what comes of them late is old."""
    life_from: int = 0
    """The first number of this life that we know."""
    new_link: bool = False
    """Its connection or its stream is new, and it said nothing on the topic over it yet: it may have restarted."""
    may_restart: bool = False
    """It was lost, or a neighbour of it saw it restart: far lower numbers begin a new life."""
    said_bye: int = -1
    """The number of its bye; -1 when it said none. Nothing but a new hello undoes it."""
    signed_bye: bytes = b""
    through: str = ""
    """The neighbour that brought its last message."""
    agent: str = ""
    verdict: LifeVerdict = LifeVerdict.UNKNOWN
    verdict_reason: str = ""
    lost_s: float | None = None
    """When its last witness lost it; None while it has one or never had any."""
    had_witness: bool = False
    muted: bool = False
    unsettled: int = 0
    """How many machines are behind or not first-hand."""
    machines: dict[int, RemoteMachine] = field(default_factory=dict)
    retired: dict[int, int] = field(default_factory=dict)
    """Indexes that are gone for good, with the owner's sequence number at that time."""
    messages_in: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def first_hand(self) -> bool:
        """Its own words reached us, so others cannot add machines to it."""
        spoke = self.sequence > 0 or self.heard_s is not None
        return spoke and self.known and self.status is not PeerStatus.GONE


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody who hears from a peer directly."""

    peer_id: str
    heard_directly_s_ago: float
    """At most this long ago, by what we know."""


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
    verdict: LifeVerdict = LifeVerdict.UNKNOWN
    """Does it live, as far as anybody we trust can tell?"""
    verdict_reason: str = ""
    witnesses: tuple[Witness, ...] = ()
    """Who hears from it directly, we ourselves included."""
    heard_directly_s: float | None = None
    """How many seconds ago it was heard over its own connection to us; None without one."""
    through: str = ""
    """The neighbour that brought its last message; its own id when it came directly."""
    agent: str = ""
    """What it calls its program; empty when it is not connected."""
    round_trip_s: float | None = None
    muted: bool = False
    bytes_in: int = 0
    bytes_out: int = 0
    how_found: str = ""
    """`given`, `list`, `book`, `mdns`, `told by PEER`, `dialled us`; empty when nobody seeks peers here, or it was never met."""
