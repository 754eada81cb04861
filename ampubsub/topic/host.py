"""One transport shared by the topics of a process: opened once, its events handed to whom they concern.

A topic makes a host of its own from its transport, unless it is given one. Who needs an identity before any topic
(to see which topics a dialled peer offers) or several topics under one identity opens a host and passes it on:

    async with Host(transport).opened(["/ip4/127.0.0.1/udp/0/quic-v1"]) as host:
        offers = await host.discover(addresses)
        async with Topic(next(iter(offers)), host=host) as topic: ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from ampubsub.seal import SealedTransport, Secret
from ampubsub.topic.errors import TopicError
from ampubsub.transport.interface import (
    MessageReceived,
    PeerSubscribed,
    PeerUnsubscribed,
    Transport,
    TransportError,
    TransportEvent,
)

Sink = Callable[[TransportEvent], None]
"""Takes one event and returns at once."""


class Host:
    """A transport and those who listen to it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.how_found: Callable[[str], str] = lambda peer_id: ""
        """How a peer was found, for `PeerInfo`: whoever seeks peers puts it here (`Seeking.how_found`)."""
        self._sinks: dict[str, list[Sink]] = {}
        self._opening = trio.Lock()
        self._is_open = False
        self._settled = trio.Event()
        self._settled.set()
        self.closed = trio.Event()
        """Set once the host is closed; a new one each time it is opened."""
        self._subscribed = trio.Event()
        self.served: set[str] = set()
        """Topics in use here. A second one of the same name could neither hear the first nor outlive it."""

    @property
    def is_open(self) -> bool:
        """The host can dial and be dialled."""
        return self._is_open

    @property
    def peer_id(self) -> str:
        """Our peer id."""
        return self.transport.peer_id

    def seal(self, secret: Secret) -> None:
        """Seal every topic on this host with a secret. Raises `TopicError` when it is open already, or sealed otherwise."""
        if isinstance(self.transport, SealedTransport):
            if self.transport.secret != secret:
                raise TopicError(
                    "this host is sealed with another secret: one host has one secret for all its topics"
                )
        elif self._is_open:
            raise TopicError(
                "this host is open, and not sealed: seal it before it is opened, Host(SealedTransport(transport, secret))"
            )
        else:
            self.transport = SealedTransport(self.transport, secret)

    @asynccontextmanager
    async def opened(self, listen: Sequence[str]) -> AsyncIterator[Host]:
        """Open the transport until the block ends. Waits until an earlier opening has ended.

        Raises `AddressError` or `ListenError`, each naming the address.
        """
        async with (
            self._opening,
            self._settling(),
            self.transport.opened(listen),
            trio.open_nursery() as nursery,
        ):
            self._is_open = True
            self.closed = trio.Event()
            self._settled.set()
            nursery.start_soon(self._dispatch)
            try:
                yield self
            finally:
                self._is_open = False
                self.closed.set()
                nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _settling(self) -> AsyncIterator[None]:
        self._settled = trio.Event()
        try:
            yield
        finally:
            self._settled.set()

    @property
    def is_opening(self) -> bool:
        """Somebody opened it, or is about to."""
        return self._opening.locked()

    async def settled(self) -> None:
        """Wait until whoever is opening it has done so, or failed."""
        await self._settled.wait()

    def subscribe(self, topic: str, sink: Sink) -> Callable[[], None]:
        """Hand every event of `topic`, and those of connections, to `sink`. Returns what ends it."""
        self._sinks.setdefault(topic, []).append(sink)

        def unsubscribe() -> None:
            sinks = self._sinks.get(topic, [])
            if sink in sinks:
                sinks.remove(sink)
            if not sinks:
                self._sinks.pop(topic, None)

        return unsubscribe

    async def discover(self, addresses: Sequence[str], *, patience_s: float = 5.0) -> dict[str, set[str]]:
        """Dial `addresses` and see which topics the peers there announce.

        Returns topic name to the peer ids that announced it, as soon as every dialled peer announced one or
        `patience_s` seconds have passed. Raises the first dial's error when no address could be reached.
        """
        failed: list[TransportError] = []
        peers: list[str] = []

        async def dial(address: str) -> None:
            try:
                peers.append(await self.transport.connect(address))
            except TransportError as error:
                failed.append(error)

        async with trio.open_nursery() as nursery:
            for address in addresses:
                nursery.start_soon(dial, address)
        if not peers and failed:
            raise failed[0]
        with trio.move_on_after(patience_s):
            while not all(self.transport.topics_of(peer) for peer in peers):
                await self._subscribed.wait()
        return self._offers(peers)

    def _offers(self, peers: Sequence[str]) -> dict[str, set[str]]:
        offers: dict[str, set[str]] = {}
        for peer in peers:
            for topic in self.transport.topics_of(peer):
                offers.setdefault(topic, set()).add(peer)
        return offers

    @property
    def dropped(self) -> Mapping[str, int]:
        """What the transport threw away, by reason."""
        return Counter(self.transport.dropped)

    async def _dispatch(self) -> None:
        async for event in self.transport.events():
            if isinstance(event, PeerSubscribed):
                self._subscribed.set()
                self._subscribed = trio.Event()
            if not isinstance(event, MessageReceived | PeerSubscribed | PeerUnsubscribed):
                sinks = [sink for group in self._sinks.values() for sink in group]
            else:
                sinks = list(self._sinks.get(event.topic, ()))
            for sink in sinks:
                sink(event)
            await trio.lowlevel.checkpoint()


async def discover_topics(
    addresses: Sequence[str], *, transport: Transport, listen: Sequence[str] = (), patience_s: float = 5.0
) -> dict[str, set[str]]:
    """Dial `addresses`, see which topics are announced there, and close again. See `Host.discover`."""
    async with Host(transport).opened(listen) as host:
        return await host.discover(addresses, patience_s=patience_s)
