"""Protocols on a small network under virtual time: no trio, no transport, every byte in sight."""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random
from typing import Any

from ampubsub import wire
from ampubsub.machine import State, Time
from ampubsub.topic import TopicEvent, TopicSettings, changes
from ampubsub.topic.protocol import Protocol
from ampubsub.transport.interface import DisconnectCause, MessageReceived, Verdict

STATES = ("Exception", "On", "Power", "Blink")


def info(name: str = "lamp", *ticks: int, tags: tuple[str, ...] | None = None) -> wire.Info:
    return wire.Info(name, dict.fromkeys(STATES, State()), STATES, Time(ticks or (0, 0, 0, 0)), tags, "")


class Net:
    """Peers by name, their links, and what they said."""

    def __init__(self, delay_s: float = 0.05) -> None:
        self.now = 0.0
        self.delay_s = delay_s
        self.peers: dict[str, Protocol] = {}
        self.links: set[tuple[str, str]] = set()
        self.said: list[tuple[float, str, wire.Message, int]] = []
        """When, who, what, how many bytes."""
        self.frames: list[tuple[float, str, str, int]] = []
        self.events: dict[str, list[TopicEvent]] = {}
        self.loss: set[str] = set()
        """Peers that nobody hears."""
        self._signed: dict[bytes, MessageReceived] = {}
        self._sequence = 1_000_000_000_000_000_000
        self._queue: list[tuple[float, int, str, str, Any]] = []
        self._serial = 0

    def peer(self, name: str, *machines: wire.Info, join: bool = True, **settings: Any) -> Protocol:
        protocol = Protocol(
            name="home",
            peer_id=name,
            settings=TopicSettings(**settings),
            random=Random(name),
            open_signed=self._signed.get,
            open_record=lambda record: (record.decode(), ()),
        )
        self.peers[name] = protocol
        self.events[name] = []
        self.local(name, changes.AddressRecord(name.encode()))
        for index, each in enumerate(machines):
            self.local(name, changes.Exposed(index, each))
        if join:
            self.local(name, changes.Joined())
        return protocol

    def local(self, name: str, change: changes.LocalChange) -> None:
        self.events[name] += self.peers[name].local(self.now, change)

    def link(self, one: str, two: str, *, direct: bool = True) -> None:
        self.links |= {(one, two), (two, one)}
        for a, b in ((one, two), (two, one)):
            if a in self.peers:
                self.local(a, changes.Connected(b))
                self.local(a, changes.Subscribed(b))
        for a, b in ((one, two), (two, one)) if direct else ():
            if a in self.peers:
                self.local(a, changes.DirectOpened(b))

    def unlink(self, one: str, two: str, cause: DisconnectCause = DisconnectCause.LOST) -> None:
        self.links -= {(one, two), (two, one)}
        for a, b in ((one, two), (two, one)):
            if a in self.peers:
                self.local(a, changes.Disconnected(b, cause, "gone"))
                self.local(a, changes.Unsubscribed(b))

    def kill(self, name: str) -> None:
        """End a peer without a word; nobody notices by itself."""
        del self.peers[name]

    def publish(self, author: str, message: wire.Message, sequence: int = 0) -> MessageReceived:
        """Somebody says something on the topic: it floods over the links."""
        self._sequence += 1
        number = sequence or self._sequence
        data = wire.encode(message)
        signed = b"%s %d " % (author.encode(), number) + data
        sent = MessageReceived("home", author, data, author, number, signed)
        self._signed[signed] = sent
        self.said.append((self.now, author, message, len(data)))
        self._flood(author, sent)
        return sent

    def _flood(self, author: str, sent: MessageReceived) -> None:
        seen, front, due = {author}, [author], self.now
        while front:
            due += self.delay_s
            further = []
            for relay in front:
                for one, two in sorted(self.links):
                    if one != relay or two in seen or one in self.loss:
                        continue
                    seen.add(two)
                    message = MessageReceived("home", author, sent.data, relay, sent.sequence, sent.signed)
                    peer = self.peers.get(two)
                    if peer is not None and peer.check(due, message) is not Verdict.ACCEPT:
                        continue
                    self._push(due, two, "message", message)
                    further.append(two)
            front = further

    def _push(self, due: float, name: str, kind: str, what: Any) -> None:
        self._serial += 1
        heappush(self._queue, (due, self._serial, name, kind, what))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            dues = [(protocol.next_due(), name) for name, protocol in self.peers.items()]
            due, name = min(dues, default=(float("inf"), ""))
            arrives = self._queue[0][0] if self._queue else float("inf")
            if min(due, arrives) > end:
                break
            self.now = max(self.now, min(due, arrives))
            if arrives <= due:
                self._deliver()
            else:
                self._tick(name)
        self.now = end

    def _deliver(self) -> None:
        _, _, name, kind, what = heappop(self._queue)
        peer = self.peers.get(name)
        if peer is None:
            return
        if kind == "message":
            self.events[name] += peer.receive(self.now, what)
        elif (what[0], name) in self.links:
            self.events[name] += peer.receive_direct(self.now, *what)

    def _tick(self, name: str) -> None:
        output = self.peers[name].tick(self.now)
        self.events[name] += output.events
        for record in output.dial:
            if record.decode() in self.peers and (name, record.decode()) not in self.links:
                self.link(name, record.decode())
        for data in output.messages:
            self.publish(name, wire.decode(data))
        for neighbour, frame in output.direct:
            self.frames.append((self.now, name, neighbour, len(frame)))
            if name not in self.loss:
                self._push(self.now + self.delay_s, neighbour, "frame", (name, frame))

    # -- looking

    def machine(self, at: str, owner: str, index: int = 0) -> Any:
        return self.peers[at].beliefs.machine((owner, index))

    def source(self, at: str, owner: str, index: int = 0) -> str:
        machine = self.machine(at, owner, index)
        return "unknown" if machine is None else str(machine.source)

    def count(self, author: str, kind: type, since: float = 0.0) -> int:
        return sum(
            1
            for at, who, message, _ in self.said
            if who == author and isinstance(message, kind) and at >= since
        )
