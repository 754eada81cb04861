"""`Libp2pTransport`: the transport interface on py-libp2p. Cheap to make; `opened` imports libp2p."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from ampubsub.transport.address import parse_dial_address, parse_listen_address
from ampubsub.transport.interface import (
    Check,
    MessageReceived,
    PeerDetail,
    Transport,
    TransportError,
    TransportEvent,
)
from ampubsub.transport.libp2p.events import EventQueue
from ampubsub.transport.libp2p.identity import Identity, used
from ampubsub.transport.libp2p.settings import TransportSettings

if TYPE_CHECKING:
    from libp2p.peer.id import ID

    from ampubsub.transport.libp2p.session import Session


class Libp2pTransport(Transport):
    """One libp2p host: QUIC v1 and TCP, GossipSub 1.1, an ed25519 identity.

    `key` is the identity; without it `settings.key_file` is used, or a new identity is made. `without`
    names workarounds to leave out, for tests that show what each is for.
    """

    def __init__(
        self,
        settings: TransportSettings | None = None,
        key: Identity | None = None,
        *,
        without: Collection[str] = (),
    ) -> None:
        self._settings = settings or TransportSettings()
        self._key_file = self._settings.key_file if key is None else None
        if key is None:
            key = Identity.new() if self._key_file is None else Identity.keep(self._key_file)
        self._identity = key
        self._peer_id = key.peer_id
        self._without = frozenset(without)
        self._session: Session | None = None
        self._opening = False
        self._events = self._new_events()
        self._checks: dict[str, Check] = {}

    @property
    def peer_id(self) -> str:
        """Our own peer id (base58)."""
        return self._peer_id

    @property
    def identity(self) -> Identity:
        """Our identity; give it to another transport to be the same peer again."""
        return self._identity

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses others can dial; an address that stands for all of a host's is spelled out."""
        if self._session is None:
            return ()
        found: dict[str, None] = {}
        for address in self._session.parts.host.get_transport_addrs():
            for spelled in _spelled_out(str(address)):
                found[f"{spelled}/p2p/{self._peer_id}"] = None
        return tuple(found)

    @asynccontextmanager
    async def opened(self, listen: Sequence[str]) -> AsyncIterator[None]:
        """Listen on `listen` (may be empty: dial only) for the length of the block."""
        if self._opening:
            raise TransportError("The transport is open already")
        addresses = [parse_listen_address(text) for text in listen]
        self._opening = True
        try:
            from ampubsub.transport.libp2p.plan import Applier
            from ampubsub.transport.libp2p.session import open_session

            self._events = self._new_events()
            applier = Applier(self._without)
            with used(self._key_file):
                async with open_session(
                    self._settings, self._identity, applier, self._events, self._checks, addresses
                ) as self._session:
                    try:
                        yield
                    finally:
                        self._session = None
        finally:
            self._opening = False
            self._events.close()

    async def connect(self, address: str) -> str:
        """Dial one address ending in `/p2p/PEERID`; return the peer id."""
        return await self._opened().dialer.connect(parse_dial_address(address))

    def forget(self, peer_id: str) -> None:
        """Stop redialling a peer."""
        if self._session is not None:
            self._session.dialer.forget(peer_id)

    async def disconnect(self, peer_id: str) -> None:
        """Close all connections to a peer and stop redialling it."""
        session = self._opened()
        session.dialer.forget(peer_id)
        await session.disconnect(_id(peer_id))

    async def join(self, topic: str) -> None:
        """Take part in a GossipSub topic."""
        await self._opened().gossip.join(topic)

    async def leave(self, topic: str) -> None:
        """Stop taking part in a topic."""
        await self._opened().gossip.leave(topic)

    async def publish(self, topic: str, data: bytes) -> None:
        """Sign `data` and hand it to the topic."""
        self._opened().gossip.publish(topic, data)

    def check_with(self, topic: str, check: Check | None) -> None:
        """Ask `check` about each message of `topic` before it is handed on; kept when the transport is closed."""
        if check is None:
            self._checks.pop(topic, None)
        else:
            self._checks[topic] = check

    def send_direct(self, peer_id: str, data: bytes) -> bool:
        """Queue a frame for a peer's private stream; False when there is no stream or no room."""
        return self._session is not None and self._session.direct.send(_id(peer_id), data)

    def open_signed(self, topic: str, signed: bytes) -> MessageReceived | None:
        """The message in `signed`, which came by another way; None when it is forged."""
        from ampubsub.transport.libp2p import messages

        return messages.opened(topic, signed)

    def address_record(self) -> bytes:
        """Our addresses, signed by us; empty when we do not listen."""
        return b"" if self._session is None else self._session.address_record(self.addresses)

    def open_address_record(self, data: bytes) -> tuple[str, tuple[str, ...]] | None:
        """Whose record it is, and its addresses; None when it is forged."""
        from ampubsub.transport.libp2p import records

        return records.opened(data)

    def events(self) -> AsyncIterator[TransportEvent]:
        """Iterate over the events of this opening; ends when the transport is closed. One reader."""
        return self._events

    def connected_peers(self) -> frozenset[str]:
        """Peer ids with at least one live connection."""
        return frozenset(map(str, self._session.peers)) if self._session else frozenset()

    def topic_peers(self, topic: str) -> frozenset[str]:
        """Connected peers that announced `topic`."""
        if self._session is None:
            return frozenset()
        members = self._session.parts.pubsub.peer_topics.get(topic, set())
        return frozenset(str(peer) for peer in members if peer in self._session.peers)

    def topics_of(self, peer_id: str) -> frozenset[str]:
        """Topics that a connected peer has announced."""
        return self._session.topics_of(_id(peer_id)) if self._session else frozenset()

    def detail(self, peer_id: str) -> PeerDetail | None:
        """What is known of a connected peer."""
        return self._session.detail(_id(peer_id)) if self._session else None

    @property
    def dropped(self) -> Mapping[str, int]:
        """How much input was thrown away since opening, by reason."""
        return MappingProxyType(self._events.dropped)

    def _opened(self) -> Session:
        if self._session is None:
            raise TransportError("The transport is not open: use `async with transport.opened(...)`")
        return self._session

    def _new_events(self) -> EventQueue:
        settings = self._settings
        return EventQueue(settings.event_queue, settings.max_dropped_events_per_s, settings.event_queue_bytes)


def _id(peer_id: str) -> ID:
    from libp2p.peer.id import ID

    from ampubsub.transport.address import parse_peer_id

    return ID(parse_peer_id(peer_id))


def _spelled_out(address: str) -> list[str]:
    """`/ip4/0.0.0.0/...` as the address towards the network and the loopback one."""
    for family, everywhere, loopback, kind, beyond in (
        ("ip4", "0.0.0.0", "127.0.0.1", socket.AF_INET, "192.0.2.1"),
        ("ip6", "::", "::1", socket.AF_INET6, "2001:db8::1"),
    ):
        head = f"/{family}/{everywhere}/"
        if address.startswith(head):
            hosts = [loopback]
            with socket.socket(kind, socket.SOCK_DGRAM) as probe:
                try:
                    probe.connect((beyond, 9))  # sends nothing; chooses the interface
                    hosts.insert(0, probe.getsockname()[0])
                except OSError:
                    pass
            return [f"/{family}/{host}/{address[len(head) :]}" for host in dict.fromkeys(hosts)]
    return [address]
