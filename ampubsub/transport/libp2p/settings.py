"""Every setting of the libp2p transport, with its reason. Importing this does not import libp2p."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Settings of one `Libp2pTransport`. Names ending in `_s` are seconds, in `_bytes` bytes."""

    key_file: Path | None = None
    """Where the ed25519 identity is kept. None: a new identity for each transport, as the Go peer has."""
    agent: str = "ampubsub"
    """What identify tells others of us, before py-libp2p's own name."""

    allow_file: Path | None = None
    """Peer ids that may connect, one a line; None: all. Read again when it changes, see `peer_lists`."""
    deny_file: Path | None = None
    """Peer ids that may not."""
    lists_interval_s: float = 1.0
    """How often is looked whether the two changed."""

    unix_mode: int = 0o600
    """Permissions of the file of a Unix socket that we listen on: who may connect."""

    # Connections
    dial_timeout_s: float = 10.0
    """How long one `connect` may take, handshake included."""
    identify_timeout_s: float = 3.0
    """How long a peer may take to say what it is, for each try."""
    identify_tries: int = 3
    """A connection is announced before its handshake is done, so the first identify may fail."""
    close_timeout_s: float = 3.0
    """How long closing may take before what is left is cut off."""
    max_connections: int = 1024
    """Connections of all peers together; more are refused."""
    handshake_grace_s: float = 0.1
    """A second connection is looked at after this time, when its handshake is done on both sides."""
    same_age_s: float = 2.0
    """Two connections to one peer closer in age than this count as dialled at once from both sides."""
    clear_age_s: float = 8.0
    """Connections to one peer this far apart in age cannot be taken for each other: either side keeps the newest.
    Closer ones are left to the peer with the smaller id."""
    their_choice_s: float = 2.5
    """How long the peer with the smaller id may take to choose; then we do. Go peers never choose."""
    resubscribe_grace_s: float = 3.0
    """How long a connected peer whose pubsub stream broke keeps its subscriptions."""

    # Dead peers
    ping_interval_s: float = 1.5
    """A ping on every connection this often; keeps silent peers alive and measures the round trip."""
    ping_limit_s: float = 7.5
    """TCP: a ping unanswered for this long closes the connection. A peer that stops for 5 s is kept."""
    idle_timeout_s: float = 8.5
    """QUIC: a connection on which nothing, not even a ping, was heard for this long is dead: noticed in less than
    10 s, while a peer that stops for 5 s is kept. Go: 30; the shorter of the two sides' limits counts for both."""
    stream_read_timeout_s: float = 1e9
    """QUIC: how long a stream may be silent. py-libp2p: 30, after which gossip dies without a trace."""
    write_timeout_s: float = 20.0
    """A peer that reads nothing at all for this long is disconnected; a slow one is not."""
    unacknowledged_bytes: int = 131_072
    """QUIC: what one stream may have under way. py-libp2p: 1 MiB, half a minute's worth on a slow link. What
    waits behind it waits in the send queue."""

    # Redialling known peers
    redial_base_s: float = 0.5
    redial_eager_s: float = 300.0
    """For so long after the loss the waits stay short, so that a peer that was restarted is back soon."""
    redial_eager_max_s: float = 1.0
    """The longest wait meanwhile."""
    redial_max_s: float = 30.0
    """The longest wait after that, and towards peers that take us in only to throw us out."""
    redial_settled_s: float = 5.0
    """A connection that the other side closed earlier than this does not restart the back-off."""
    welcome_s: float = 2.0
    """How long a dial waits for the first word of the peer, to tell who is thrown out at once."""
    redial_jitter: float = 0.5
    """Each wait is multiplied by a random factor between 1 - jitter and 1 + jitter."""

    # GossipSub (go-libp2p-pubsub's values unless a reason is given)
    degree: int = 6
    degree_low: int = 5
    degree_high: int = 256
    """A peer that most others know (a *root*) serves so many in its mesh. go-libp2p-pubsub: 12, with which the
    leaves outside the mesh of a star hear of a message seconds later, or never."""
    heartbeat_s: float = 1.0
    """py-libp2p: 120, with which a mesh hardly forms."""
    gossip_window: int = 3
    gossip_history: int = 5
    prune_backoff_s: int = 60
    unsubscribe_backoff_s: int = 10
    flood_publish: bool = True
    """Our own messages go to every connected peer of the topic, not only to the mesh."""
    seen_ttl_s: float = 120.0
    """How long a message id is remembered."""
    max_seen: int = 200_000
    """Most message ids remembered."""

    coalesce_above: float = 400.0
    """Messages queued for all peers together, a second, above which those for one peer are written several at once."""
    coalesce_longest_s: float = 0.1
    """How long one may wait then. At 1,560 a second, a star of 40 leaves: 58 ms, half of it on average."""

    # Bounds
    max_message_bytes: int = 1_000_000
    """Most data in one message; py-libp2p drops over 1 MiB without an error."""
    max_rpc_bytes: int = 1_100_000
    """Most bytes of one GossipSub RPC."""
    event_queue: int = 4096
    """Messages waiting to be read from `events()`; more are dropped and counted as `queue-full`."""
    event_queue_bytes: int = 67_108_864
    """The same in bytes."""
    direct_queue_bytes: int = 2_097_152
    """Bytes waiting to be sent on one private stream: four frames. With twice as many waiting to be taken from
    `events()` the stream is reset, and counted as `direct-full`."""
    unfinished_frame_s: float = 30.0
    """How long a frame that has begun may take to arrive in full: at 1 MB that is a link of 300 kbit/s."""
    send_queue: int = 1024
    """RPCs waiting for one peer; more are dropped and counted as `send-queue-full`."""
    max_topic_length: int = 256
    max_topics_per_peer: int = 100
    max_message_rate: float = 1500.0
    """Messages a second from one neighbour, relayed ones included; more are dropped as `flood`."""
    message_burst: float = 6000.0
    """Messages a neighbour may send at once after being silent."""
    max_strikes: float = 10.0
    """Wrong inputs a neighbour may send in `strike_memory_s` before it is disconnected."""
    strike_memory_s: float = 60.0
    ban_s: float = 60.0
    """How long a disconnected offender is refused."""
    max_dropped_events_per_s: float = 1.0
    """`Dropped` events for one peer and reason; the counters are always exact."""
