"""What is known of each connected peer, which of several connections is kept, and identify."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import trio
from libp2p.abc import IHost, INetStream
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import _mk_identify_protobuf
from libp2p.identity.identify.pb.identify_pb2 import Identify
from libp2p.peer.id import ID
from libp2p.rcmgr import Direction
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from ampubsub.transport.interface import DisconnectCause
from ampubsub.transport.libp2p.frames import FrameReader, framed
from ampubsub.transport.libp2p.settings import TransportSettings
from ampubsub.transport.libp2p.workarounds import quic, swarm, tcp

log = logging.getLogger("ampubsub.transport")

_MAX_IDENTIFY_BYTES = 65536
_MAX_AGENT = 200
_MAX_PROTOCOLS = 200


@dataclass(slots=True)
class Traffic:
    """What went over a peer's pubsub and private streams."""

    bytes_in: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    messages_out: int = 0


@dataclass(slots=True, eq=False)
class Connection:
    """One live connection."""

    link: Any
    """py-libp2p's `SwarmConn`."""
    since: float
    outbound: bool
    address: str
    closing: str = ""
    """Why we closed it ourselves."""
    closing_cause: DisconnectCause = DisconnectCause.OURS

    @classmethod
    def of(cls, link: Any) -> Connection:
        """Describe a connection that py-libp2p announces."""
        return cls(
            link, trio.current_time(), link.direction == Direction.OUTBOUND, _address_of(link.muxed_conn)
        )

    @property
    def is_quic(self) -> bool:
        """Whether it is QUIC; else it is TCP."""
        return hasattr(self.link.muxed_conn, "_quic")

    @property
    def carrier(self) -> str:
        """`quic-v1`, `tcp` or `unix`."""
        if self.is_quic:
            return "quic-v1"
        return "unix" if self.address.startswith("/unix/") else "tcp"

    def round_trip(self) -> float | None:
        """The measured round trip in seconds."""
        muxed = self.link.muxed_conn
        return quic.round_trip(muxed) if self.is_quic else tcp.round_trip(muxed)

    def why_ended(self) -> str:
        """Why the connection ended, for a person."""
        muxed = self.link.muxed_conn
        if self.closing:
            return self.closing
        if self.is_quic:
            return quic.why_closed(muxed) or "connection lost"
        return tcp.why_closed(muxed)

    def cause_of_end(self) -> DisconnectCause:
        """How it ended."""
        if self.closing:
            return self.closing_cause
        muxed = self.link.muxed_conn
        in_order = quic.was_closed_by_peer(muxed) if self.is_quic else tcp.was_closed_by_peer(muxed)
        return DisconnectCause.CLOSED if in_order else DisconnectCause.LOST

    async def close(self, why: str, cause: DisconnectCause = DisconnectCause.OURS) -> None:
        """Close it, so that the other side notices at once. Idempotent."""
        if not self.closing:
            self.closing, self.closing_cause = why, cause
        await self.link.close()


@dataclass(slots=True, eq=False)
class Peer:
    """A peer with at least one live connection, or one that has just lost its last."""

    id: ID
    since: float
    connections: list[Connection] = field(default_factory=list)
    announced: bool = False
    """Whether `PeerConnected` was told."""
    topics: set[str] = field(default_factory=set)
    """What was told of its subscriptions."""
    agent: str = ""
    protocols: tuple[str, ...] = ()
    traffic: Traffic = field(default_factory=Traffic)
    welcomed: trio.Event = field(default_factory=trio.Event)
    """Set when it said a first word, or will say none."""
    ended: trio.Event = field(default_factory=trio.Event)
    """Set when its last connection has ended."""


@dataclass(slots=True)
class Strikes:
    """A peer's recent wrong inputs."""

    weight: float = 0.0
    since: float = field(default_factory=trio.current_time)

    def add(self, weight: float, memory_s: float) -> float:
        """Add to what is remembered, after forgetting at an even pace."""
        now = trio.current_time()
        kept = max(0.0, 1 - (now - self.since) / memory_s)
        self.weight, self.since = self.weight * kept + weight, now
        return self.weight


def one_connection_per_peer(
    connections: Sequence[Connection], smaller_id_is_ours: bool, same_age_s: float
) -> Connection:
    """Which of several connections to one peer to keep.

    py-libp2p keeps them all, some of them dead. When ages differ, the newest: the peer restarted. When two
    peers dialled each other at the same time, the one that the smaller peer id dialled.
    """
    newest = max(connections, key=lambda connection: connection.since)
    rivals = [each for each in connections if newest.since - each.since < same_age_s]
    preferred = [each for each in rivals if each.outbound == smaller_id_is_ours]
    return max(preferred or rivals, key=lambda connection: connection.since)


def choice_is_theirs(
    connections: Sequence[Connection], smaller_id_is_ours: bool, settings: TransportSettings
) -> bool:
    """Whether to leave the choice to the other side for a while.

    The two sides see a connection's age differently, by a handshake and more on a busy machine. So that they
    never close one connection each, the smaller peer id chooses while ages are near each other. When they are
    far apart nobody can be mistaken, and the old one is probably dead: either side chooses at once.
    """
    ages = [connection.since for connection in connections]
    return not smaller_id_is_ours and max(ages) - min(ages) < settings.clear_age_s


async def identify(host: IHost, peer: Peer, timeout_s: float) -> bool:
    """Ask a peer what it is (identify spec) and keep its agent and protocols; False if it did not say."""
    try:
        with trio.fail_after(timeout_s):
            stream = await host.new_stream(peer.id, [IDENTIFY])
            try:
                data = await FrameReader(stream, _MAX_IDENTIFY_BYTES).next()
            finally:
                with swarm.briefly(1):
                    await stream.close()
        if data is None:
            return False
        said = Identify()
        said.ParseFromString(data)
    except Exception as error:
        log.debug("%s did not identify itself: %r", peer.id, error)
        return False
    peer.agent = said.agent_version[:_MAX_AGENT]
    peer.protocols = tuple(name[:_MAX_AGENT] for name in said.protocols[:_MAX_PROTOCOLS])
    return True


def answer_identify(host: IHost, agent: str) -> None:
    """Tell who asks what we are: our own agent before py-libp2p's, and the address we see it at."""

    async def answer(stream: INetStream) -> None:
        seen_at = _address_of(stream.muxed_conn)
        seen = Multiaddr(seen_at) if seen_at and not seen_at.startswith("/unix") else None
        said = _mk_identify_protobuf(host, seen)
        said.agent_version = f"{agent} {said.agent_version}"
        known = list(said.listen_addrs)
        said.ClearField("listen_addrs")
        # The files of this machine are nobody else's business.
        said.listen_addrs.extend(each for each in known if not str(Multiaddr(each)).startswith("/unix"))
        await stream.write(framed(said.SerializeToString()))
        await stream.close()

    host.set_stream_handler(IDENTIFY, answer)


def _address_of(muxed: Any) -> str:
    try:
        host, port = muxed.get_remote_address()[:2]
    except Exception:
        return ""
    if host.startswith("/"):
        return f"/unix{host}"
    family = "ip6" if ":" in host else "ip4"
    carrier = f"udp/{port}/quic-v1" if hasattr(muxed, "_quic") else f"tcp/{port}"
    return f"/{family}/{host}/{carrier}"
