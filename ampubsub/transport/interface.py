"""The network as a peer sees it: one small interface, and the few types that cross it.

A transport opens one host, dials addresses, joins GossipSub topics and publishes bytes. Everything it
learns arrives as *events* in one bounded, ordered queue. It knows nothing of machines or of the six
messages. Two implementations: `ampubsub.transport.libp2p` and `ampubsub.transport.memory`; both keep
time through trio's clock only, so that the in-memory one runs under a virtual clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum, StrEnum

DIRECT_PROTOCOL = "/ampubsub/sync/1"
"""The private stream between peers of ours. Go peers see its name among our protocols, and never a stream of it."""
DIRECT_FRAME_BYTES = 524_288
"""Most bytes of one frame of it."""


class TransportError(Exception):
    """Something the network refused. The text names the address or peer and what to try."""


class AddressError(TransportError):
    """An address is not a usable multiaddr (malformed, no `/p2p/` part, unsupported transport)."""


class DialError(TransportError):
    """A well-formed address could not be reached in time."""


class ListenError(TransportError):
    """A listen address could not be opened (in use, not allowed, not local)."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """One GossipSub message. Its signature was checked: `author` really wrote `data`."""

    topic: str
    author: str
    """Peer id of who signed it."""
    data: bytes
    received_from: str
    """Peer id of the neighbour that handed it on; may equal `author`."""
    sequence: int = 0
    """The author's sequence number, signed with the message: it grows from message to message, also across
    restarts (GossipSub `seqno`, counted up from the time in nanoseconds). 0 when unknown. It tells old news
    from a restart."""
    signed: bytes = b""
    """The whole signed message as it travelled (GossipSub's protobuf `Message`), for `Transport.open_signed` of
    another peer. Empty when unknown."""


class Verdict(Enum):
    """What is to become of a message whose signature is good."""

    ACCEPT = "accept"
    """Deliver it, and hand it on."""
    IGNORE = "ignore"
    """Neither; nobody is to blame."""
    REJECT = "reject"
    """Neither, and whoever handed it on is to blame. Only for what go-libp2p-pubsub itself would reject: an honest
    Go neighbour hands on everything else."""


Check = Callable[[MessageReceived], Verdict]


class DisconnectCause(StrEnum):
    """How the last connection to a peer ended."""

    CLOSED = "closed"
    """The other side closed it in order."""
    LOST = "lost"
    """It was reset, or the peer was not heard of any more."""
    OURS = "ours"
    """We closed it."""
    EXPELLED = "expelled"
    """We threw the peer out for what it sent, or because a list forbids it."""


@dataclass(frozen=True, slots=True)
class PeerSubscribed:
    """A peer connected to us announced that it takes part in `topic` (GossipSub subscription)."""

    topic: str
    peer_id: str


@dataclass(frozen=True, slots=True)
class PeerUnsubscribed:
    """A peer left `topic`, or its last connection to us ended."""

    topic: str
    peer_id: str


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """The first connection to a peer stands (identify done or given up)."""

    peer_id: str
    address: str
    """Remote multiaddr without the `/p2p/` part; empty when unknown."""
    dialled: bool = False
    """Whether we dialled the peer; else it dialled us."""


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """The last connection to a peer ended. Told before the `PeerUnsubscribed` that follow from it."""

    peer_id: str
    reason: str
    """For a person."""
    cause: DisconnectCause = DisconnectCause.LOST


@dataclass(frozen=True, slots=True)
class DirectOpened:
    """A connected peer speaks our private protocol, and the stream stands. Told again when a new one replaces it."""

    peer_id: str


@dataclass(frozen=True, slots=True)
class DirectReceived:
    """One frame of a peer's private stream. It comes from that peer itself; what it holds is as it says."""

    peer_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """Input of a peer that was thrown away before it became a message."""

    peer_id: str
    reason: str
    """A short stable word: `bad-signature`, `bad-protobuf`, `oversize`, `queue-full` ..."""


TransportEvent = (
    MessageReceived
    | PeerSubscribed
    | PeerUnsubscribed
    | PeerConnected
    | PeerDisconnected
    | DirectOpened
    | DirectReceived
    | Dropped
)


@dataclass(frozen=True, slots=True)
class PeerDetail:
    """What the transport knows of a connected peer, as of the call."""

    peer_id: str
    addresses: tuple[str, ...] = ()
    transport: str = ""
    """`quic-v1`, `tcp`, `memory`."""
    round_trip_s: float | None = None
    agent: str = ""
    protocols: tuple[str, ...] = ()
    gossipsub: str = ""
    """The newest GossipSub version both sides speak, such as `1.1`."""
    in_mesh: Mapping[str, bool] = field(default_factory=dict)
    """Topic name to whether the peer is in our mesh for it."""
    connections: int = 0
    connected_since: float | None = None
    """Seconds on trio's clock."""
    dialled: bool = False
    """Whether we dialled it."""
    direct: bool = False
    """Whether the private stream stands."""
    bytes_in: int = 0
    """What came from it on pubsub and private streams since it connected; handed-on messages of others included."""
    bytes_out: int = 0
    messages_in: int = 0
    """Messages it handed to us, known ones included."""
    messages_out: int = 0


class Transport(ABC):
    """One host on a network.

    Life: `async with transport.opened(listen): ...`. Leaving the block closes every connection so that
    others notice at once, and leaves no task, thread or descriptor behind. A transport can be opened
    again after it was closed.
    """

    @property
    @abstractmethod
    def peer_id(self) -> str:
        """Our own libp2p peer id (base58), known before opening."""

    @property
    @abstractmethod
    def addresses(self) -> tuple[str, ...]:
        """Addresses others can dial, each ending in `/p2p/PEERID`. Empty while closed."""

    @abstractmethod
    def opened(self, listen: Sequence[str]) -> AbstractAsyncContextManager[None]:
        """Listen on `listen` (may be empty: dial only). Raises `AddressError` or `ListenError`."""

    @abstractmethod
    async def connect(self, address: str) -> str:
        """Dial one address ending in `/p2p/PEERID`; return the peer id. Idempotent.

        Raises `AddressError` or `DialError`. A peer dialled once is *known*: it is redialled with
        back-off and jitter when its connection is lost, until `forget` is called for it.
        """

    @abstractmethod
    def forget(self, peer_id: str) -> None:
        """Stop redialling a peer."""

    @abstractmethod
    async def disconnect(self, peer_id: str) -> None:
        """Close all connections to a peer and stop redialling it. Idempotent."""

    @abstractmethod
    async def join(self, topic: str) -> None:
        """Take part in a GossipSub topic. Idempotent."""

    @abstractmethod
    async def leave(self, topic: str) -> None:
        """Stop taking part in a topic. Idempotent."""

    @abstractmethod
    async def publish(self, topic: str, data: bytes) -> None:
        """Hand `data` to the topic. Raises `TransportError` when not joined or over the size limit."""

    @abstractmethod
    def check_with(self, topic: str, check: Check | None) -> None:
        """Ask `check` about each message of `topic` whose signature is good; None: accept all.

        It is asked once for each message, synchronously, before the message is handed on, remembered as seen or
        queued for `events()`; not about our own. It must not wait nor call the transport. One that raises
        counts as IGNORE, and in `dropped` as `check-failed`.
        """

    @abstractmethod
    def send_direct(self, peer_id: str, data: bytes) -> bool:
        """Queue a frame for a peer's private stream. Never waits.

        False: there is no stream, or its queue is full; nothing was sent then. Frames arrive in order, while the
        stream stands. Raises `TransportError` for frames over `DIRECT_FRAME_BYTES`.
        """

    @abstractmethod
    def open_signed(self, topic: str, signed: bytes) -> MessageReceived | None:
        """The message in `MessageReceived.signed`, come by another way; None when it is forged or of another topic.

        `received_from` is empty. Nothing is remembered, and nobody is blamed.
        """

    @abstractmethod
    def address_record(self) -> bytes:
        """Our addresses, signed by us (libp2p's signed peer record); empty when we do not listen."""

    @abstractmethod
    def open_address_record(self, data: bytes) -> tuple[str, tuple[str, ...]] | None:
        """Whose record it is, and its addresses, each ending in `/p2p/PEERID`; None when it is forged or unreadable."""

    @abstractmethod
    def events(self) -> AsyncIterator[TransportEvent]:
        """Iterate over the events of this opening, in order, until the transport is closed.

        One reader; the queue is bounded and counts what it drops. Own messages do not come back.
        """

    @abstractmethod
    def connected_peers(self) -> frozenset[str]:
        """Peer ids with at least one live connection."""

    @abstractmethod
    def topic_peers(self, topic: str) -> frozenset[str]:
        """Connected peers that announced `topic`."""

    @abstractmethod
    def topics_of(self, peer_id: str) -> frozenset[str]:
        """Topics that a connected peer has announced."""

    @abstractmethod
    def detail(self, peer_id: str) -> PeerDetail | None:
        """What is known of a peer; None when it is not connected."""

    @property
    @abstractmethod
    def dropped(self) -> Mapping[str, int]:
        """How much input was thrown away, by reason, since opening."""
