"""Hosts, links and a GossipSub topic on them, under virtual time and the conditions of the moment.

A message goes from host to host along the links, each hop with a delay and luck of its own; a host takes the first
copy, asks its peer for a verdict, hands it over and relays it. Frames of the private stream go between neighbours,
in order, and a stream does not lose: a lost packet makes its frame late (`Conditions.frame_loss` loses it all the
same, as a full queue would). Nothing here knows of the protocol: a host calls the methods that `Host` leaves open.

All draws come from one generator, so that the same seed gives the same day. `tell` gets every byte that is sent.
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ampubsub.transport.interface import DisconnectCause, MessageReceived, Verdict
from benchmarks.simulator.schedule import Schedule
from benchmarks.simulator.signing import Signer

TOPIC = "village"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SEEN_S = 120.0
"""GossipSub forgets which messages it saw after this."""
_FRAMES_WAITING = 64
"""Frames that a stream to a peer that does not answer holds before it takes no more."""


@dataclass(slots=True)
class Conditions:
    """How bad the network is at the moment. Faults change it; it applies to what is sent from then on."""

    delay_s: tuple[float, float] = (0.05, 0.05)
    """Shortest and longest delay of one hop."""
    loss: float = 0.0
    """Share of copies of topic messages that never arrive; packets of streams are sent again."""
    frame_loss: float = 0.0
    """Share of frames of private streams that never arrive."""
    doubling: float = 0.0
    """Share of copies that arrive twice, the second within a second."""
    reorder: bool = False
    """Let a later message of the topic overtake an earlier one of the same hop."""
    detection_s: float = 10.0
    """How long a transport takes to notice that a connection is dead."""
    dial_timeout_s: float = 5.0
    redial_s: tuple[float, float] = (0.5, 30.0)
    """First and longest pause before a lost peer is dialled again; it doubles, with jitter."""


class Link:
    """One host's end of a connection."""

    __slots__ = ("dialled", "direct", "latest", "latest_frame", "other", "waiting")

    def __init__(self, other: Host, dialled: bool) -> None:
        self.other = other
        self.dialled = dialled
        self.direct = False
        """The private stream stands."""
        self.latest = 0.0
        self.latest_frame = 0.0
        self.waiting: list[bytes] = []
        """Frames that a cut link holds back."""


@dataclass(slots=True, eq=False)
class Published:
    """One message of the topic on its way."""

    author: str
    sequence: int
    data: bytes
    signed: bytes
    born_s: float
    seen: set[int] = field(default_factory=set)
    """Serial numbers of hosts that took it."""


@dataclass(slots=True)
class Traffic:
    """What was carried, in all."""

    published: Counter[str] = field(default_factory=Counter)
    """Messages said on the topic, by what their host calls them."""
    published_bytes: int = 0
    copies: int = 0
    """Copies of topic messages sent over links."""
    copy_bytes: int = 0
    duplicates: int = 0
    frames: int = 0
    frame_bytes: int = 0
    lost: int = 0
    refused: int = 0
    """Copies that a verdict stopped."""


class Host:
    """One process on the network. A subclass decides what it makes of what it hears."""

    direct = True
    """It speaks the private stream (Go peers do not)."""

    def __init__(self, network: Network, name: str, peer_id: str = "", *, wall_s: float = 1.8e9) -> None:
        self.network = network
        self.name = name
        self.serial = network.next_serial()
        self.peer_id = peer_id or network.new_peer_id()
        self.links: dict[str, Link] = {}
        self.dials: dict[str, float] = {}
        """Peers it dials, again and again, with the pause before the next attempt."""
        self._dialling: set[str] = set()
        self.up = False
        self.blocked_until = 0.0
        """It stands still: what arrives waits."""
        self.sequence = int((wall_s + network.now) * 1e9)
        self.bytes_in = 0
        self.bytes_out = 0
        self.up_since = 0.0

    # -- what a subclass fills in

    def verdict(self, message: MessageReceived) -> Verdict:
        """Asked before a message is relayed."""
        return Verdict.ACCEPT

    def message(self, message: MessageReceived) -> None:
        """A message of the topic arrived."""

    def frame(self, neighbour: str, data: bytes) -> None:
        """A frame of the private stream arrived."""

    def connected(self, peer_id: str, dialled: bool) -> None:
        """A first connection stands."""

    def disconnected(self, peer_id: str, cause: DisconnectCause) -> None:
        """The last connection ended."""

    def subscribed(self, peer_id: str) -> None:
        """A connected peer takes part in the topic."""

    def unsubscribed(self, peer_id: str) -> None:
        """A connected peer left the topic, or its connection ended."""

    def direct_opened(self, peer_id: str) -> None:
        """The private stream to a peer stands."""

    # -- what a subclass calls

    def publish(self, data: bytes, kind: str = "") -> None:
        """Say something on the topic."""
        self.sequence += 1
        self.network.publish(self, self.peer_id, self.sequence, data, kind)

    def send_direct(self, peer_id: str, data: bytes) -> bool:
        """One frame to a neighbour; whether it was taken."""
        return self.network.send_frame(self, peer_id, data)

    def start(self) -> None:
        """Appear on the network, and dial."""
        self.up = True
        self.up_since = self.network.now
        self.network.hosts[self.peer_id] = self
        for peer_id in self.dials:
            self.network.dial(self, peer_id)

    def dial(self, peer_id: str) -> None:
        """Keep a connection to a peer from now on."""
        if peer_id != self.peer_id and peer_id not in self.dials:
            self.dials[peer_id] = self.network.conditions.redial_s[0]
            if self.up:
                self.network.dial(self, peer_id)

    def disconnect(self, peer_id: str, cause: DisconnectCause = DisconnectCause.OURS) -> None:
        """Close the connection to a peer, and do not dial it again."""
        self.dials.pop(peer_id, None)
        link = self.links.get(peer_id)
        if link is not None:
            self.network.unlink(self, peer_id, cause)
            self.network.later(
                link.other, self.network.unlink, link.other, self.peer_id, DisconnectCause.CLOSED, self
            )

    def close(self) -> None:
        """Go, closing connections in order."""
        self._leave(DisconnectCause.CLOSED)

    def reset(self) -> None:
        """Be killed while the operating system lives: connections are reset at once."""
        self._leave(DisconnectCause.LOST)

    def crash(self) -> None:
        """Be gone without a word: others notice by themselves."""
        self._leave(None)

    def _leave(self, cause: DisconnectCause | None) -> None:
        if not self.up:
            return
        network = self.network
        self.up = False
        if network.hosts.get(self.peer_id) is self:
            del network.hosts[self.peer_id]
        links, self.links = self.links, {}
        for link in links.values():
            if cause is None:
                network.lose_later(link.other, self.peer_id, self)
            else:
                network.later(link.other, network.unlink, link.other, self.peer_id, cause, self)

    def block(self, seconds: float) -> None:
        """Stand still for a while, as a stopped process or a busy loop does."""
        self.blocked_until = max(self.blocked_until, self.network.now + seconds)


class Network:
    """All hosts, and what carries messages between them."""

    def __init__(
        self, seed: int, conditions: Conditions | None = None, tell: Callable[[bytes], object] | None = None
    ) -> None:
        self.schedule = Schedule()
        self.random = random.Random(seed)
        self.conditions = conditions if conditions is not None else Conditions()
        self.signer = Signer(self.random.randbytes(32))
        self.hosts: dict[str, Host] = {}
        """Hosts that are up, by peer id."""
        self.traffic = Traffic()
        self.authors: set[str] = set()
        """Everybody who ever signed something."""
        self.tell = tell
        self._islands: dict[str, int] = {}
        self._serial = 0
        self._remembered: OrderedDict[tuple[str, int], Published] = OrderedDict()

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return self.schedule.now

    def next_serial(self) -> int:
        """A number for a host's life."""
        self._serial += 1
        return self._serial

    def new_peer_id(self) -> str:
        """A peer id nobody has."""
        return "12D3KooW" + "".join(self.random.choices(_BASE58, k=44))

    # -- conditions

    def delay(self) -> float:
        """One hop's delay, in seconds."""
        shortest, longest = self.conditions.delay_s
        return shortest + (longest - shortest) * self.random.random() if longest > shortest else shortest

    def later(self, host: Host, call: Callable[..., object], *args: object) -> None:
        """Call something one hop later, in the host's time: not while it stands still."""
        self.schedule.after(self.delay(), self._when_free, host, call, args)

    def _when_free(self, host: Host, call: Callable[..., object], args: tuple[object, ...]) -> None:
        if host.blocked_until > self.now and host.up:
            self.schedule.at(host.blocked_until, self._when_free, host, call, args)
        else:
            call(*args)

    def partition(self, islands: Iterable[Iterable[str]]) -> None:
        """Cut the network: peers reach only their own island's. Those that are not named form one more."""
        self._islands = {peer_id: number for number, island in enumerate(islands, 1) for peer_id in island}
        for host in list(self.hosts.values()):
            for peer_id, link in list(host.links.items()):
                if not self.reach(host, link.other):
                    self.lose_later(host, peer_id, link.other)

    def heal(self) -> None:
        """Undo the partition: links that were not given up work again, and deliver what they held back."""
        self._islands = {}
        for host in list(self.hosts.values()):
            for link in host.links.values():
                waiting, link.waiting = link.waiting, []
                for data in waiting:
                    self._carry_frame(host, link, data)

    def reach(self, one: Host, other: Host) -> bool:
        """Whether packets pass between two hosts."""
        islands = self._islands
        return not islands or islands.get(one.peer_id, 0) == islands.get(other.peer_id, 0)

    # -- connections

    def dial(self, host: Host, peer_id: str) -> None:
        """Try to connect, and again until it works."""
        if peer_id in host._dialling or peer_id not in host.dials:
            return
        host._dialling.add(peer_id)
        self.schedule.after(2 * self.delay(), self._when_free, host, self._dial, (host, peer_id))

    def _dial(self, host: Host, peer_id: str) -> None:
        host._dialling.discard(peer_id)
        if not host.up or peer_id not in host.dials or peer_id in host.links:
            return
        other = self.hosts.get(peer_id)
        shortest, longest = self.conditions.redial_s
        if (
            other is not None
            and self.reach(host, other)
            and other.blocked_until - self.now < self.conditions.dial_timeout_s
        ):
            host.dials[peer_id] = shortest
            self._link(host, other)
            return
        pause = host.dials[peer_id]
        host.dials[peer_id] = min(longest, 2 * pause)
        host._dialling.add(peer_id)
        wait = pause * (0.5 + self.random.random())
        if other is None or not self.reach(host, other):
            wait += self.conditions.dial_timeout_s if other is not None else 2 * self.delay()
        self.schedule.after(wait, self._when_free, host, self._dial, (host, peer_id))

    def _link(self, one: Host, other: Host) -> None:
        for here, there, dialled in ((one, other, True), (other, one, False)):
            old = here.links.get(there.peer_id)
            here.links[there.peer_id] = Link(there, dialled)
            if old is None:
                self._when_free(here, self._tell, (here, here.connected, there.peer_id, dialled))
            self.later(here, self._tell_of, here, there, here.subscribed)
            if one.direct and other.direct:
                self.schedule.after(3 * self.delay(), self._when_free, here, self._open_direct, (here, there))

    def _tell(self, here: Host, call: Callable[..., object], *args: object) -> None:
        if here.up:
            call(*args)

    def _tell_of(self, here: Host, there: Host, call: Callable[[str], object]) -> None:
        link = here.links.get(there.peer_id)
        if here.up and link is not None and link.other is there:
            call(there.peer_id)

    def _open_direct(self, here: Host, there: Host) -> None:
        link = here.links.get(there.peer_id)
        if here.up and link is not None and link.other is there and not link.direct:
            link.direct = True
            here.direct_opened(there.peer_id)

    def lose_later(self, host: Host, peer_id: str, other: Host) -> None:
        """Notice after a while that a peer does not answer any more, unless it does again."""
        self.schedule.after(
            self.conditions.detection_s, self._when_free, host, self._lose, (host, peer_id, other)
        )

    def _lose(self, host: Host, peer_id: str, other: Host) -> None:
        link = host.links.get(peer_id)
        if link is not None and link.other is other and not (other.up and self.reach(host, other)):
            self.unlink(host, peer_id, DisconnectCause.LOST, other)

    def unlink(self, host: Host, peer_id: str, cause: DisconnectCause, other: Host | None = None) -> None:
        """End one end of a connection, and say so: first the connection, then the subscription that it implies."""
        link = host.links.get(peer_id)
        if link is None or not host.up or (other is not None and link.other is not other):
            return
        del host.links[peer_id]
        host.disconnected(peer_id, cause)
        host.unsubscribed(peer_id)
        if peer_id in host.dials:
            self.dial(host, peer_id)

    # -- the topic

    def publish(self, host: Host, author: str, sequence: int, data: bytes, kind: str = "") -> None:
        """Let a host say something on the topic, under any identity whose key it holds."""
        signed = self.signer.sign(TOPIC, author, sequence, data)
        self.authors.add(author)
        message = Published(author, sequence, data, signed, self.now)
        self._remembered[(author, sequence)] = message
        while self._remembered and next(iter(self._remembered.values())).born_s < self.now - _SEEN_S:
            self._remembered.popitem(last=False)
        traffic = self.traffic
        traffic.published[kind] += 1
        traffic.published_bytes += len(signed)
        if self.tell is not None:
            self.tell(b"%d says at %d: %s" % (host.serial, int(self.now * 1e6), signed))
        message.seen.add(host.serial)
        self._relay(message, host, None)

    def replay(self, host: Host, signed: bytes) -> None:
        """Let a host say again what somebody signed once; who remembers having seen it does not take it."""
        opened = self.signer.open(TOPIC, signed)
        if opened is None:
            return
        message = self._remembered.get((opened.author, opened.sequence))
        if message is None or message.born_s < self.now - _SEEN_S:
            message = Published(opened.author, opened.sequence, opened.data, signed, self.now)
            self._remembered[(opened.author, opened.sequence)] = message
        message.seen.add(host.serial)
        self._relay(message, host, None)

    def _relay(self, message: Published, host: Host, source: Host | None) -> None:
        conditions, chance, traffic, seen = self.conditions, self.random.random, self.traffic, message.seen
        loss, doubling, size = conditions.loss, conditions.doubling, len(message.signed)
        shortest, longest = conditions.delay_s
        now, at, arrive = self.schedule.now, self.schedule.at, self._arrive
        author = message.author
        for link in host.links.values():
            other = link.other
            if other is source or other.peer_id == author:
                continue
            traffic.copies += 1
            traffic.copy_bytes += size
            host.bytes_out += size
            if loss and chance() < loss:
                traffic.lost += 1
                continue
            due = now + (shortest + (longest - shortest) * chance() if longest > shortest else shortest)
            if not conditions.reorder:
                if due < link.latest:
                    due = link.latest
                link.latest = due
            if other.serial in seen:  # it will not take it: count the copy only
                other.bytes_in += size
                traffic.duplicates += 1
                continue
            at(due, arrive, message, host, other)
            if doubling and chance() < doubling:
                at(due + chance(), arrive, message, host, other)

    def _arrive(self, message: Published, sender: Host, host: Host) -> None:
        if not host.up or (self._islands and not self.reach(sender, host)):
            return
        if host.blocked_until > self.schedule.now:
            self.schedule.at(host.blocked_until, self._arrive, message, sender, host)
            return
        host.bytes_in += len(message.signed)
        if host.serial in message.seen:
            self.traffic.duplicates += 1
            return
        received = MessageReceived(
            TOPIC, message.author, message.data, sender.peer_id, message.sequence, message.signed
        )
        if host.verdict(received) is not Verdict.ACCEPT:
            self.traffic.refused += 1
            return
        message.seen.add(host.serial)
        self._relay(message, host, sender)
        host.message(received)

    # -- private streams

    def send_frame(self, host: Host, peer_id: str, data: bytes) -> bool:
        """Carry one frame to a neighbour; whether the stream takes it."""
        link = host.links.get(peer_id)
        if link is None or not link.direct:
            return False
        if not self.reach(host, link.other) or not link.other.up:
            if len(link.waiting) >= _FRAMES_WAITING:
                return False
            link.waiting.append(data)
            return True
        if self.tell is not None:
            self.tell(b"%d to %d at %d: %s" % (host.serial, link.other.serial, int(self.now * 1e6), data))
        self._carry_frame(host, link, data)
        return True

    def _carry_frame(self, host: Host, link: Link, data: bytes) -> None:
        conditions, chance = self.conditions, self.random.random
        self.traffic.frames += 1
        self.traffic.frame_bytes += len(data)
        host.bytes_out += len(data)
        if conditions.frame_loss and chance() < conditions.frame_loss:
            self.traffic.lost += 1
            return
        delay = self.delay()
        while conditions.loss and chance() < conditions.loss:  # sent again after about two round trips
            delay += max(0.1, 4 * conditions.delay_s[1])
        due = max(self.now + delay, link.latest_frame)
        link.latest_frame = due
        self.schedule.at(due, self._arrive_frame, host, link, data)

    def _arrive_frame(self, sender: Host, link: Link, data: bytes) -> None:
        host = link.other
        back = host.links.get(sender.peer_id)
        if (
            not host.up
            or back is None
            or back.other is not sender
            or sender.links.get(host.peer_id) is not link
        ):
            return
        if not self.reach(sender, host):
            link.waiting.append(data)
            return
        if host.blocked_until > self.now:
            self.schedule.at(host.blocked_until, self._arrive_frame, sender, link, data)
            return
        if not back.direct:
            self._open_direct(host, sender)
        host.bytes_in += len(data)
        host.frame(sender.peer_id, data)
