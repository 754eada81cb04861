"""What a protocol is told (`Protocol.local`) and what it wants done (`Output`). Plain values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field

from ampubsub.topic.events import TopicEvent
from ampubsub.transport.interface import DisconnectCause
from ampubsub.wire import Info
from ampubsub.wire.messages import Ticks


@dataclass(frozen=True, slots=True)
class Joined:
    """We take part in the topic from now on. `neighbours`: connected peers that take part already."""

    neighbours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaving:
    """We go. The next `tick` says bye, and after it nothing more is said until `Joined`."""


@dataclass(frozen=True, slots=True)
class Left:
    """We take part no longer, be it without a bye: all that we know is stale at once."""

    reason: str = "we left the topic"
    stopped: bool = False
    """The host is closed, too: no connection is left."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """A machine of ours is exposed at this index, or is to be described anew (another schema, other tags)."""

    index: int
    info: Info


@dataclass(frozen=True, slots=True)
class Changed:
    """The clock of an exposed machine moved."""

    index: int
    clock: Ticks


@dataclass(frozen=True, slots=True)
class Unexposed:
    """A machine of ours is exposed no longer; its last clock goes with the bye."""

    index: int
    clock: Ticks | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """The first connection to a peer stands."""

    peer_id: str
    dialled: bool = False
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The last connection to a peer ended."""

    peer_id: str
    cause: DisconnectCause = DisconnectCause.LOST
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A connected peer takes part in the topic."""

    peer_id: str


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """A connected peer says that it takes part no longer, or its connection ended."""

    peer_id: str


@dataclass(frozen=True, slots=True)
class DirectOpened:
    """The private stream to a neighbour stands."""

    peer_id: str


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """The median round trip to our neighbours, in seconds, as measured now."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Muted:
    """A person wants nothing of a peer (or of all that comes through it) any longer, or takes that back."""

    peer_id: str
    muted: bool = True
    through: bool = False
    """Also whatever it hands on for others."""


@dataclass(frozen=True, slots=True)
class Named:
    """A person calls a peer by this name; empty takes it back."""

    peer_id: str
    name: str


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """Our own signed address record, for neighbours; empty when we do not listen."""

    record: bytes


@dataclass(frozen=True, slots=True)
class TransportDropped:
    """The transport threw away input of a peer."""

    peer_id: str
    reason: str


LocalChange = (
    Joined
    | Leaving
    | Left
    | Exposed
    | Changed
    | Unexposed
    | Connected
    | Disconnected
    | Subscribed
    | Unsubscribed
    | DirectOpened
    | RoundTrip
    | Muted
    | Named
    | AddressRecord
    | TransportDropped
)


@dataclass(slots=True)
class Output:
    """What is to be done, in this order."""

    messages: list[bytes] = field(default_factory=list)
    """For the topic."""
    direct: list[tuple[str, bytes]] = field(default_factory=list)
    """Frames for neighbours: (peer id, frame)."""
    events: list[TopicEvent] = field(default_factory=list)
    dial: list[bytes] = field(default_factory=list)
    """Signed address records of peers to dial: we have too few connections."""
