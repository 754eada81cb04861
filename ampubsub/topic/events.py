"""What a topic tells whoever watches it: peers and machines that come, change and go.

A watcher is a plain callable given to `Topic.watch`; it is called in the peer's own thread, in order,
and must return quickly (the screen's node puts the event on a deque and wakes the screen). Local
machines' transitions are not events of this kind: a watcher binds a `Tracer` to a local machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ampubsub.machine import Time
from ampubsub.remote import Source as Source


class PeerStatus(StrEnum):
    """How a peer stands to us."""

    SELF = "self"
    JOINED = "joined"
    """Takes part: connected to us and subscribed, or its own signed messages reach us through others."""
    HEARSAY = "hearsay"
    """Known through others only."""
    STALE = "stale"
    """Out of reach for a short while."""
    GONE = "gone"


class LifeVerdict(StrEnum):
    """What we believe of a peer's life. Each has a reason and witnesses (`PeerInfo`)."""

    UNKNOWN = "unknown"
    """Heard of; nobody we know has seen it."""
    ALIVE = "alive"
    """We, or peers that we trust to live, hear from it directly."""
    DOUBTED = "doubted"
    """Its last witness lost it, or it has been silent for too long; it may come back."""
    LEFT = "left"
    """It said so itself: a bye, or that it leaves the topic."""
    CRASHED = "crashed"
    """It ended without a word."""
    CUT_OFF = "cut off"
    """Everybody who saw it is out of reach as well, or we are."""
    EXPELLED = "expelled"
    """We threw it out."""


@dataclass(frozen=True, slots=True)
class PeerChanged:
    """A peer appeared, or its status or name changed."""

    peer_id: str
    status: PeerStatus
    name: str = ""
    reason: str = ""
    verdict: LifeVerdict = LifeVerdict.UNKNOWN


@dataclass(frozen=True, slots=True)
class MachineExposed:
    """A machine became visible: one of ours was exposed, or a peer told us of one.

    `key` is `(peer id, index)`, never reused while the peer lives.
    """

    key: tuple[str, int]
    machine_id: str
    source: Source


@dataclass(frozen=True, slots=True)
class MachineSourceChanged:
    """The trust in a machine's clock changed: first-hand, hearsay, stale."""

    key: tuple[str, int]
    source: Source
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MachineReplaced:
    """The machine at `key` restarted or changed its schema; its clock starts anew."""

    key: tuple[str, int]
    machine_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class MachineLabelled:
    """A machine has other tags or another parent now; its schema and clock go on."""

    key: tuple[str, int]
    machine_id: str


@dataclass(frozen=True, slots=True)
class MachineGone:
    """A machine was un-exposed, or its peer left for good."""

    key: tuple[str, int]
    machine_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClockChanged:
    """A network machine's clock moved. Both vectors have one tick per state, in index order."""

    key: tuple[str, int]
    before: Time
    after: Time
    source: Source
    teller: str
    """Peer id of who said it."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something a person should read: a peer that asks again for what it was told, a refused address ..."""

    severity: str
    """`info`, `warning` or `error`."""
    text: str
    peer_id: str = ""


TopicEvent = (
    PeerChanged
    | MachineExposed
    | MachineSourceChanged
    | MachineReplaced
    | MachineLabelled
    | MachineGone
    | ClockChanged
    | Noticed
)
