"""An in-memory network under trio's clock: the same interface, with delay, loss and worse by script and seed.

Nothing here sleeps in real time or asks the operating system for anything, so that under a virtual clock a
day of thirty peers takes seconds, and the same seed gives the same day: no iteration here follows the order of
a set or of hashes (trio itself runs tasks in a random order unless told otherwise). Hosts connect by links; a
message reaches every host of its topic that links of the topic's hosts lead to, each hop with its own delay and luck.
Whether a host hands it on (`check_with`) is asked when it is sent, a moment before it arrives.

Addresses look like `/memory/NAME/p2p/PEERID`. Messages and address records are signed by `Seals`, which only the
network and each host itself use: a villain made of the public interface can say anything in its own name, nothing in
another's.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from logging import getLogger

import trio

from ampubsub.transport.backoff import Backoff
from ampubsub.transport.faults import Faults
from ampubsub.transport.interface import (
    DIRECT_FRAME_BYTES,
    DIRECT_PROTOCOL,
    AddressError,
    Check,
    DialError,
    DirectOpened,
    DirectReceived,
    DisconnectCause,
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
    Verdict,
)
from ampubsub.transport.seals import Seals

log = getLogger("ampubsub.transport")

__all__ = ["Faults", "MemoryNetwork", "MemoryTransport"]

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


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
        self.seals = Seals(seed)

    def transport(
        self,
        name: str = "",
        peer_id: str | None = None,
        *,
        agent: str = "ampubsub/memory",
        direct: bool = True,
    ) -> MemoryTransport:
        """A new host. Give the `peer_id` of an earlier one to come back under the same identity.

        `direct`: whether it speaks the private protocol; Go peers do not.
        """
        number = next(self._names)
        known = peer_id or "12D3KooW" + "".join(self.random.choices(_BASE58, k=44))
        return MemoryTransport(self, name or f"host{number}", known, agent=agent, direct=direct)

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
        signed = self.seals.signed(author.peer_id, sequence, topic, data)
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
                event = MessageReceived(topic, author.peer_id, data, relay, sequence, signed)
                self.hosts[relay].traffic(neighbour).sent(len(signed))
                host.traffic(relay).heard(len(signed))
                if not host.accepts(event):
                    continue
                host.push(event, due, relay)
                if faults.duplication and chance() < faults.duplication:
                    host.push(event, due + self.delay(), relay)
                hops.append((neighbour, due))

    def delay(self) -> float:
        """One hop's delay, in seconds."""
        shortest, longest = self.faults.delay_s
        return shortest + (longest - shortest) * self.random.random()


@dataclass(slots=True)
class _Traffic:
    """What went over one link, for `PeerDetail`."""

    bytes_in: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    messages_out: int = 0

    def sent(self, size: int) -> None:
        """Count one message to the peer."""
        self.bytes_out += size
        self.messages_out += 1

    def heard(self, size: int) -> None:
        """Count one message of the peer."""
        self.bytes_in += size
        self.messages_in += 1


@dataclass(frozen=True, slots=True)
class _DirectDue:
    """Something of a private stream under way: it arrives if the link it was sent on still stands."""

    event: DirectOpened | DirectReceived
    since: float


class MemoryTransport(Transport):
    """One host of a `MemoryNetwork`."""

    def __init__(
        self,
        network: MemoryNetwork,
        name: str,
        peer_id: str,
        *,
        agent: str = "ampubsub/memory",
        direct: bool = True,
    ) -> None:
        self.network = network
        self.agent = agent
        self.speaks_direct = direct
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
        self._checks: dict[str, Check] = {}
        self._traffic: dict[str, _Traffic] = {}
        self._dialled: set[str] = set()
        self._direct_bytes: Counter[str] = Counter()
        """Bytes under way to us, by sender."""
        self._pending: list[tuple[float, int, TransportEvent | _DirectDue]] = []
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
        self._traffic.clear()
        self._direct_bytes.clear()
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

    def check_with(self, topic: str, check: Check | None) -> None:
        """Ask `check` about each message of `topic`, at the moment it is sent towards us."""
        if check is None:
            self._checks.pop(topic, None)
        else:
            self._checks[topic] = check

    def send_direct(self, peer_id: str, data: bytes) -> bool:
        """Send a frame to a linked peer that speaks the private protocol; a lost link loses what is under way."""
        if len(data) > DIRECT_FRAME_BYTES:
            raise TransportError(f"a frame of {len(data)} bytes: {DIRECT_FRAME_BYTES} are carried")
        other = self.network.hosts.get(peer_id)
        if other is None or not self._direct_stands(peer_id):
            return False
        faults = self.network.faults
        if other._direct_bytes[self._peer_id] + len(data) > faults.direct_queue_bytes:
            return False
        self.traffic(peer_id).bytes_out += len(data)
        if not self.network.reach(self._peer_id, peer_id):
            return True  # it waits to be sent again, until the link is given up
        if faults.loss >= 1:
            return True
        due = self.network.delay()
        while faults.loss and self.network.random.random() < faults.loss:
            due += 2 * self.network.delay()  # a stream sends again what was lost
        other._direct_bytes[self._peer_id] += len(data)
        frame = _DirectDue(DirectReceived(self._peer_id, data), self.links[peer_id])
        other.push(frame, due, f"direct {self._peer_id}", in_order=True)
        return True

    def open_signed(self, topic: str, signed: bytes) -> MessageReceived | None:
        """The message in `signed`; None when nobody of this network signed it, or for another topic."""
        opened = self.network.seals.opened(signed)
        if opened is None or opened.topic != topic:
            return None
        return MessageReceived(topic, opened.author, opened.data, "", opened.sequence, signed)

    def address_record(self) -> bytes:
        """Our address, signed; empty while closed."""
        if not self._open:
            return b""
        return self.network.seals.signed(self._peer_id, 0, "addresses", "\n".join(self.addresses).encode())

    def open_address_record(self, data: bytes) -> tuple[str, tuple[str, ...]] | None:
        """Whose record it is, and its addresses; None when it is forged."""
        opened = self.network.seals.opened(data)
        if opened is None or opened.sequence or opened.topic != "addresses":
            return None
        return opened.author, tuple(opened.data.decode().split("\n"))

    def forget(self, peer_id: str) -> None:
        """Stop redialling a peer."""
        self._known.pop(peer_id, None)

    async def disconnect(self, peer_id: str) -> None:
        """Close the link to a peer."""
        await trio.lowlevel.checkpoint()
        other = self.network.hosts.get(peer_id)
        self._unlink(peer_id, "closed by us", DisconnectCause.OURS)
        if other is not None:
            cause = DisconnectCause.CLOSED
            other._unlink(self._peer_id, "closed by the other side", cause, self.network.delay())

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
        traffic = self.traffic(peer_id)
        return PeerDetail(
            peer_id=peer_id,
            addresses=other.addresses if other is not None else (),
            transport="memory",
            round_trip_s=sum(self.network.faults.delay_s),
            agent=other.agent if other is not None else "",
            protocols=(DIRECT_PROTOCOL,) if other is not None and other.speaks_direct else (),
            gossipsub="1.1",
            in_mesh=dict.fromkeys(sorted(self.topics & set(self.topics_of(peer_id))), True),
            connections=1,
            connected_since=self.links[peer_id],
            dialled=peer_id in self._dialled,
            direct=self._direct_stands(peer_id),
            bytes_in=traffic.bytes_in,
            bytes_out=traffic.bytes_out,
            messages_in=traffic.messages_in,
            messages_out=traffic.messages_out,
        )

    @property
    def dropped(self) -> Mapping[str, int]:
        """What was thrown away, by reason."""
        return self._dropped

    # -- inside ------------------------------------------------------------------------------------

    def accepts(self, message: MessageReceived) -> bool:
        """Whether the host's check of the topic lets a message pass."""
        check = self._checks.get(message.topic)
        if check is None:
            return True
        try:
            verdict = check(message)
        except Exception:
            log.exception("%s: the check of topic %r failed", self.name, message.topic)
            self._dropped["check-failed"] += 1
            return False
        if verdict is Verdict.REJECT:
            self._dropped["rejected"] += 1
        return verdict is Verdict.ACCEPT

    def traffic(self, peer_id: str) -> _Traffic:
        """What went over the link to a peer."""
        found = self._traffic.get(peer_id)
        if found is None:
            found = self._traffic[peer_id] = _Traffic()
        return found

    def _direct_stands(self, peer_id: str) -> bool:
        other = self.network.hosts.get(peer_id)
        return (
            self.speaks_direct
            and other is not None
            and other.speaks_direct
            and peer_id in self.links
            and other.links.get(self._peer_id) == self.links[peer_id]
        )

    def push(
        self, event: TransportEvent | _DirectDue, delay_s: float, hop: str = "", *, in_order: bool = False
    ) -> None:
        """Let an event arrive after a delay; those of one hop stay in order unless the network reorders."""
        if not self._open:
            return
        due = trio.current_time() + delay_s
        if hop and (in_order or not self.network.faults.reorder):
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
            self._unlink(peer, reason, DisconnectCause.LOST)

    async def _deliver(self) -> None:
        send = self._send
        assert send is not None
        while self._open:
            if not self._pending:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            at = self._pending[0][0]
            if at > trio.current_time():
                self._wake = trio.Event()
                with trio.move_on_at(at):
                    await self._wake.wait()
                continue
            event = heappop(self._pending)[2]
            if isinstance(event, _DirectDue):
                due = event
                event = due.event
                stands = self.links.get(event.peer_id) == due.since
                if isinstance(event, DirectReceived):
                    self._direct_bytes[event.peer_id] -= len(event.data)
                    if stands:
                        self.traffic(event.peer_id).bytes_in += len(event.data)
                if not stands:
                    continue
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
            one._traffic.pop(two._peer_id, None)
            (one._dialled.add if one is self else one._dialled.discard)(two._peer_id)
            address = two.addresses[0].rsplit("/p2p/", 1)[0] if two.addresses else ""
            one.push(PeerConnected(two._peer_id, address, one is self), 0.0, two._peer_id)
            for topic in sorted(two.topics):
                one.push(PeerSubscribed(topic, two._peer_id), self.network.delay(), two._peer_id)
            if one.speaks_direct and two.speaks_direct:
                opened = _DirectDue(DirectOpened(two._peer_id), now)
                one.push(opened, 2 * self.network.delay(), f"direct {two._peer_id}", in_order=True)

    def _unlink(self, peer: str, reason: str, cause: DisconnectCause, delay_s: float = 0.0) -> None:
        since = self.links.pop(peer, None)
        if since is None or not self._open:
            return
        other = self.network.hosts.get(peer)
        topics = sorted(self.topics & other.topics) if other is not None else sorted(self.topics)
        self.push(PeerDisconnected(peer, reason, cause), delay_s, peer)
        for topic in topics:
            self.push(PeerUnsubscribed(topic, peer), delay_s, peer)
        if peer in self._known and self._nursery is not None:
            thrown_out = cause is DisconnectCause.CLOSED
            self._nursery.start_soon(self._redial, peer, trio.current_time() - since, thrown_out)

    async def _redial(self, peer: str, lasted_s: float, thrown_out: bool) -> None:
        faults = self.network.faults
        backoff = self._backoffs.get(peer)
        if backoff is None:
            backoff = Backoff(*faults.redial_s, faults.redial_settled_s, *faults.redial_eager)
            self._backoffs[peer] = backoff
        backoff.lost(lasted_s, thrown_out=thrown_out)
        lost_at = trio.current_time()
        if peer in self._redialled:
            return
        self._redialled.add(peer)
        try:
            while peer in self._known and peer not in self.links:
                wait_s = backoff.next(trio.current_time() - lost_at)
                await trio.sleep(wait_s * (0.5 + self.network.random.random()))
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
                other._unlink(self._peer_id, reason, DisconnectCause.CLOSED, self.network.delay())
            else:
                other.lose_later(self._peer_id, reason)
