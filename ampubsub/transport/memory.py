"""An in-memory network under trio's clock: the same interface, with delay, loss and worse by script and seed.

Nothing here sleeps in real time or asks the operating system for anything, so that under a virtual clock a
day of thirty peers takes seconds, and the same seed gives the same day. Hosts connect by links; a message
reaches every host of its topic that links of the topic's hosts lead to, each hop with its own delay and luck.

Addresses look like `/memory/NAME/p2p/PEERID`.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import trio

from ampubsub.transport.backoff import Backoff
from ampubsub.transport.interface import (
    AddressError,
    DialError,
    ListenError,
    MessageReceived,
    PeerConnected,
    PeerDetail,
    PeerDisconnected,
    PeerSubscribed,
    PeerUnsubscribed,
    Transport,
    TransportError,
    TransportEvent,
)

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(slots=True)
class Faults:
    """How bad the network is. May be changed at any time; applies to what is sent from then on."""

    delay_s: tuple[float, float] = (0.001, 0.01)
    """Shortest and longest delay of one hop."""
    loss: float = 0.0
    """Share of deliveries that never arrive."""
    duplication: float = 0.0
    """Share of deliveries that arrive twice."""
    reorder: bool = False
    """Let a later message overtake an earlier one of the same hop."""
    detection_s: float = 30.0
    """How long it takes to notice that a peer crashed or is cut off."""
    dial_timeout_s: float = 5.0
    redial_s: tuple[float, float] = (1.0, 30.0)
    """First and longest pause before a lost known peer is dialled again."""
    redial_settled_s: float = 15.0
    """A link that lasted shorter than this does not restart the pauses."""
    message_bytes: int = 1_000_000
    event_queue: int = 4096
    """Events that may wait for a host's reader; more are dropped and counted."""


class MemoryNetwork:
    """All hosts of one in-memory network, and the scripts that hurt it."""

    def __init__(self, seed: int = 0, faults: Faults | None = None) -> None:
        self.random = random.Random(seed)
        self.faults = faults if faults is not None else Faults()
        self.hosts: dict[str, MemoryTransport] = {}
        """Open hosts by peer id."""
        self._islands: dict[str, int] = {}
        self._names = count(1)
        self._sequence = count(1)

    def transport(self, name: str = "", peer_id: str | None = None) -> MemoryTransport:
        """A new host. Give the `peer_id` of an earlier one to come back under the same identity."""
        number = next(self._names)
        known = peer_id or "12D3KooW" + "".join(self.random.choices(_BASE58, k=44))
        return MemoryTransport(self, name or f"host{number}", known)

    # -- scripts -----------------------------------------------------------------------------------

    def partition(self, *islands: Iterable[Transport]) -> None:
        """Cut the network: hosts hear only those of their own island. Hosts not named form one more island."""
        self._islands = {host.peer_id: number for number, island in enumerate(islands, 1) for host in island}
        for host in list(self.hosts.values()):
            for other in list(host.links):
                if not self.reach(host.peer_id, other):
                    host.lose_later(other, "no answer")

    def heal(self) -> None:
        """Undo the partition. Links not yet given up work again; known peers are redialled."""
        self._islands = {}

    def crash(self, transport: MemoryTransport) -> None:
        """End a host without a word: others notice after `Faults.detection_s`."""
        transport.crash()

    def reach(self, one: str, other: str) -> bool:
        """Whether packets pass between two peers."""
        return self._islands.get(one, 0) == self._islands.get(other, 0)

    def next_sequence(self) -> int:
        """Grows from message to message, for authors' sequence numbers."""
        return next(self._sequence)

    def flood(self, author: MemoryTransport, topic: str, data: bytes) -> None:
        """Carry one message to every host of the topic that is linked to its author through such hosts."""
        faults, chance = self.faults, self.random.random
        sequence = self.next_sequence()
        reached = {author.peer_id}
        hops: deque[tuple[str, float]] = deque([(author.peer_id, 0.0)])
        while hops:
            relay, at = hops.popleft()
            for neighbour in sorted(self.hosts[relay].links):
                host = self.hosts.get(neighbour)
                if host is None or neighbour in reached or topic not in host.topics:
                    continue
                if not self.reach(relay, neighbour):
                    continue
                if faults.loss and chance() < faults.loss:
                    continue  # it may still come by another way
                reached.add(neighbour)
                due = at + self.delay()
                event = MessageReceived(topic, author.peer_id, data, relay, sequence)
                host.push(event, due, relay)
                if faults.duplication and chance() < faults.duplication:
                    host.push(event, due + self.delay(), relay)
                hops.append((neighbour, due))

    def delay(self) -> float:
        """One hop's delay, in seconds."""
        shortest, longest = self.faults.delay_s
        return shortest + (longest - shortest) * self.random.random()


class MemoryTransport(Transport):
    """One host of a `MemoryNetwork`."""

    def __init__(self, network: MemoryNetwork, name: str, peer_id: str) -> None:
        self.network = network
        self.name = name
        self.links: dict[str, float] = {}
        """Linked peer ids, with the time at which the link stood."""
        self.topics: set[str] = set()
        self._peer_id = peer_id
        self._known: dict[str, str] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._redialled: set[str] = set()
        self._dropped: Counter[str] = Counter()
        self._open = False
        self._pending: list[tuple[float, int, TransportEvent]] = []
        self._serial = count()
        self._latest: dict[str, float] = {}
        self._wake = trio.Event()
        self._send: trio.MemorySendChannel[TransportEvent] | None = None
        self._receive: trio.MemoryReceiveChannel[TransportEvent] | None = None
        self._scope: trio.CancelScope | None = None
        self._nursery: trio.Nursery | None = None

    @property
    def peer_id(self) -> str:
        """Our own peer id."""
        return self._peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Our one address, while open."""
        return (f"/memory/{self.name}/p2p/{self._peer_id}",) if self._open else ()

    @asynccontextmanager
    async def opened(self, listen: Sequence[str] = ()) -> AsyncIterator[None]:
        """Be on the network. `listen` is taken as said; the host's address is made of its name."""
        if self._open or self._peer_id in self.network.hosts:
            raise ListenError(f"{self.name}: a host with peer id {self._peer_id} is on the network already")
        self._open = True
        self._send, self._receive = trio.open_memory_channel(self.network.faults.event_queue)
        self._pending.clear()
        self._latest.clear()
        self._dropped.clear()
        self.network.hosts[self._peer_id] = self
        try:
            async with trio.open_nursery() as nursery:
                self._nursery, self._scope = nursery, nursery.cancel_scope
                nursery.start_soon(self._deliver)
                try:
                    yield
                finally:
                    self._nursery = None
                    nursery.cancel_scope.cancel()
        finally:
            self._leave_network("closed", at_once=True)

    def crash(self) -> None:
        """Vanish without a word. The block that opened the host ends as if cancelled."""
        scope = self._scope
        self._leave_network("no answer", at_once=False)
        if scope is not None:
            scope.cancel()

    async def connect(self, address: str) -> str:
        """Dial `/memory/NAME/p2p/PEERID`."""
        parts = address.split("/")
        if len(parts) != 5 or parts[1] != "memory" or parts[3] != "p2p" or not parts[4]:
            raise AddressError(f"Address {address!r} is not usable here: expected /memory/NAME/p2p/PEERID")
        peer = parts[4]
        if peer == self._peer_id:
            raise DialError(f"{address} is our own address")
        if not self._open:
            raise TransportError(f"{self.name} is closed: open it before dialling")
        await trio.sleep(2 * self.network.delay())
        other = self.network.hosts.get(peer)
        if other is None or not self.network.reach(self._peer_id, peer):
            await trio.sleep(self.network.faults.dial_timeout_s)
            raise DialError(f"{address} did not answer within {self.network.faults.dial_timeout_s:g} s")
        self._known[peer] = address
        self._link(other)
        return peer

    def forget(self, peer_id: str) -> None:
        """Stop redialling a peer."""
        self._known.pop(peer_id, None)

    async def disconnect(self, peer_id: str) -> None:
        """Close the link to a peer."""
        await trio.lowlevel.checkpoint()
        other = self.network.hosts.get(peer_id)
        self._unlink(peer_id, "closed by us")
        if other is not None:
            other._unlink(self._peer_id, "closed by the other side", self.network.delay())

    async def join(self, topic: str) -> None:
        """Take part in a topic."""
        await trio.lowlevel.checkpoint()
        if not self._open:
            raise TransportError(f"{self.name} is closed: open it before joining {topic}")
        if topic not in self.topics:
            self.topics.add(topic)
            self._announce(PeerSubscribed(topic, self._peer_id))

    async def leave(self, topic: str) -> None:
        """Stop taking part in a topic."""
        await trio.lowlevel.checkpoint()
        if topic in self.topics:
            self.topics.discard(topic)
            self._announce(PeerUnsubscribed(topic, self._peer_id))

    async def publish(self, topic: str, data: bytes) -> None:
        """Hand a message to the topic."""
        await trio.lowlevel.checkpoint()
        if topic not in self.topics or not self._open:
            raise TransportError(f"{self.name} has not joined {topic}: nothing can be published there")
        if len(data) > self.network.faults.message_bytes:
            raise TransportError(
                f"a message of {len(data)} bytes: {self.network.faults.message_bytes} are carried"
            )
        self.network.flood(self, topic, data)

    async def events(self) -> AsyncIterator[TransportEvent]:
        """Events in order of arrival."""
        receive = self._receive
        if receive is None:
            raise TransportError(f"{self.name} is closed: open it before reading its events")
        async for event in receive:
            yield event

    def connected_peers(self) -> frozenset[str]:
        """Linked peers."""
        return frozenset(self.links)

    def topic_peers(self, topic: str) -> frozenset[str]:
        """Linked peers that take part in a topic."""
        return frozenset(peer for peer in self.links if topic in self.topics_of(peer))

    def topics_of(self, peer_id: str) -> frozenset[str]:
        """Topics of a linked peer."""
        other = self.network.hosts.get(peer_id)
        return frozenset(other.topics) if other is not None and peer_id in self.links else frozenset()

    def detail(self, peer_id: str) -> PeerDetail | None:
        """What is known of a linked peer."""
        other = self.network.hosts.get(peer_id)
        if peer_id not in self.links:
            return None
        return PeerDetail(
            peer_id=peer_id,
            addresses=other.addresses if other is not None else (),
            transport="memory",
            round_trip_s=sum(self.network.faults.delay_s),
            agent="ampubsub/memory",
            gossipsub="1.1",
            in_mesh=dict.fromkeys(self.topics & set(self.topics_of(peer_id)), True),
            connections=1,
            connected_since=self.links[peer_id],
        )

    @property
    def dropped(self) -> Mapping[str, int]:
        """What was thrown away, by reason."""
        return self._dropped

    # -- inside ------------------------------------------------------------------------------------

    def push(self, event: TransportEvent, delay_s: float, hop: str = "") -> None:
        """Let an event arrive after a delay; those of one hop stay in order unless the network reorders."""
        if not self._open:
            return
        due = trio.current_time() + delay_s
        if hop and not self.network.faults.reorder:
            due = max(due, self._latest.get(hop, 0.0))
            self._latest[hop] = due
        heappush(self._pending, (due, next(self._serial), event))
        self._wake.set()

    def lose_later(self, peer: str, reason: str) -> None:
        """Notice after a while that a peer no longer answers, unless it does again."""
        if self._nursery is not None and self._open:
            self._nursery.start_soon(self._lose, peer, reason)

    async def _lose(self, peer: str, reason: str) -> None:
        since = self.links.get(peer)
        await trio.sleep(self.network.faults.detection_s)
        other = self.network.hosts.get(peer)
        gone = other is None or self._peer_id not in other.links
        if self.links.get(peer) == since and (gone or not self.network.reach(self._peer_id, peer)):
            self._unlink(peer, reason)

    async def _deliver(self) -> None:
        send = self._send
        assert send is not None
        while self._open:
            if not self._pending:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            due = self._pending[0][0]
            if due > trio.current_time():
                self._wake = trio.Event()
                with trio.move_on_at(due):
                    await self._wake.wait()
                continue
            event = heappop(self._pending)[2]
            try:
                send.send_nowait(event)
            except trio.WouldBlock:
                self._dropped["queue-full"] += 1

    def _announce(self, event: TransportEvent) -> None:
        for peer in sorted(self.links):
            other = self.network.hosts.get(peer)
            if other is not None:
                other.push(event, self.network.delay(), self._peer_id)

    def _link(self, other: MemoryTransport) -> None:
        now = trio.current_time()
        for one, two in ((self, other), (other, self)):
            if two._peer_id in one.links:
                continue
            one.links[two._peer_id] = now
            address = two.addresses[0].rsplit("/p2p/", 1)[0] if two.addresses else ""
            one.push(PeerConnected(two._peer_id, address), 0.0, two._peer_id)
            for topic in sorted(two.topics):
                one.push(PeerSubscribed(topic, two._peer_id), self.network.delay(), two._peer_id)

    def _unlink(self, peer: str, reason: str, delay_s: float = 0.0) -> None:
        since = self.links.pop(peer, None)
        if since is None or not self._open:
            return
        other = self.network.hosts.get(peer)
        topics = sorted(self.topics & other.topics) if other is not None else sorted(self.topics)
        for topic in topics:
            self.push(PeerUnsubscribed(topic, peer), delay_s, peer)
        self.push(PeerDisconnected(peer, reason), delay_s, peer)
        if peer in self._known and self._nursery is not None:
            self._nursery.start_soon(self._redial, peer, trio.current_time() - since)

    async def _redial(self, peer: str, lasted_s: float) -> None:
        faults = self.network.faults
        backoff = self._backoffs.setdefault(peer, Backoff(*faults.redial_s, faults.redial_settled_s))
        backoff.lost(lasted_s)
        if peer in self._redialled:
            return
        self._redialled.add(peer)
        try:
            while peer in self._known and peer not in self.links:
                await trio.sleep(backoff.next() * (0.5 + self.network.random.random()))
                try:
                    await self.connect(self._known[peer])
                except (TransportError, KeyError):
                    continue
        finally:
            self._redialled.discard(peer)

    def _leave_network(self, reason: str, *, at_once: bool) -> None:
        if not self._open:
            return
        self._open = False
        self.network.hosts.pop(self._peer_id, None)
        links, self.links = list(self.links), {}
        self.topics.clear()
        self._nursery = None
        if self._send is not None:
            self._send.close()
        for peer in links:
            other = self.network.hosts.get(peer)
            if other is None:
                continue
            if at_once:
                other._unlink(self._peer_id, reason, self.network.delay())
            else:
                other.lose_later(self._peer_id, reason)
