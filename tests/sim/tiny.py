"""A small protocol, good enough for a bad day, and forms of it that are wrong in one way each: the simulator must tell them apart.

Each peer describes all its machines once a second; who is silent is stale after a few seconds, and forgotten later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ampubsub import wire
from ampubsub.machine import Time
from ampubsub.topic.events import (
    ClockChanged,
    MachineExposed,
    MachineSourceChanged,
    PeerChanged,
    PeerStatus,
    Source,
    TopicEvent,
)
from ampubsub.transport.interface import DisconnectCause, MessageReceived, Verdict
from benchmarks.simulator.machines import LightMachine
from benchmarks.simulator.peer import Belief, Key, Output, Settings

decode = lru_cache(maxsize=10_000)(wire.decode)

TELL_EVERY_S = 1.0
STALE_AFTER_S = 7.0
FORGOTTEN_AFTER_S = 60.0


@dataclass(slots=True)
class Known:
    """Another peer."""

    heard_s: float
    sequence: int
    status: PeerStatus = PeerStatus.JOINED
    machines: dict[int, Belief] = field(default_factory=dict)


class Tiny:
    """The good one."""

    stale_after_s = STALE_AFTER_S

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.machines: Mapping[int, LightMachine] = {}
        self.known: dict[str, Known] = {}
        self.tell_s = float("inf")

    # -- in

    def verdict(self, now: float, message: MessageReceived) -> Verdict:
        return Verdict.ACCEPT

    def receive(self, now: float, message: MessageReceived) -> Sequence[TopicEvent]:
        try:
            said = decode(message.data)
        except wire.WireError:
            return ()
        if isinstance(said, wire.MsgInfo):
            return list(self.info(now, message, said))
        if isinstance(said, wire.MsgBye) and message.author in self.known:
            known = self.known[message.author]
            if message.sequence > known.sequence:
                return list(self.end(message.author, known, "bye"))
        return ()

    def info(self, now: float, message: MessageReceived, said: wire.MsgInfo) -> Iterator[TopicEvent]:
        for peer_id, infos in (said.peer_info or {}).items():
            if self.believes(message, peer_id) and infos:
                yield from self.described(now, peer_id, message.sequence, infos)

    def believes(self, message: MessageReceived, peer_id: str) -> bool:
        return peer_id == message.author and peer_id != self.settings.peer_id

    def described(
        self, now: float, peer_id: str, sequence: int, infos: Mapping[int, wire.Info | None]
    ) -> Iterator[TopicEvent]:
        known = self.known.get(peer_id)
        if known is None:
            known = self.known[peer_id] = Known(now, 0)
            yield PeerChanged(peer_id, PeerStatus.JOINED)
        if sequence <= known.sequence and known.status is PeerStatus.JOINED:
            return
        if known.status is not PeerStatus.JOINED:
            known.status = PeerStatus.JOINED
            yield PeerChanged(peer_id, PeerStatus.JOINED)
        known.heard_s, known.sequence = now, sequence
        for index, info in infos.items():
            if info is None or info.mtime is None or info.schema is None or info.states is None:
                continue
            before, clock = known.machines.get(index), tuple(info.mtime)
            known.machines[index] = Belief(
                (peer_id, index), info.id, clock, Source.FIRST_HAND, info.states, info.schema
            )
            if before is None:
                yield MachineExposed((peer_id, index), info.id, Source.FIRST_HAND)
            elif before.clock != clock:
                yield ClockChanged(
                    (peer_id, index), Time(before.clock), Time(clock), Source.FIRST_HAND, peer_id
                )
            elif before.source is not Source.FIRST_HAND:
                yield MachineSourceChanged((peer_id, index), Source.FIRST_HAND)

    def receive_direct(self, now: float, neighbour: str, data: bytes) -> Sequence[TopicEvent]:
        return ()

    def connected(self, now: float, peer_id: str, dialled: bool) -> Sequence[TopicEvent]:
        return ()

    def disconnected(self, now: float, peer_id: str, cause: DisconnectCause) -> Sequence[TopicEvent]:
        return ()

    def subscribed(self, now: float, peer_id: str) -> Sequence[TopicEvent]:
        return ()

    unsubscribed = direct_opened = subscribed

    def joined(self, now: float, machines: Mapping[int, LightMachine]) -> Sequence[TopicEvent]:
        self.machines = machines
        self.tell_s = now + self.settings.random.uniform(0.2, TELL_EVERY_S)
        return ()

    def changed(self, now: float, index: int, machine: LightMachine) -> Sequence[TopicEvent]:
        return ()

    # -- out

    def leaving(self, now: float) -> Output:
        self.tell_s = float("inf")
        machs = {i: wire.ByeMachine(True, m.id, Time(m.clock)) for i, m in self.machines.items()}
        return Output([wire.encode(wire.MsgBye(machs))], (), ())

    def tick(self, now: float) -> Output:
        self.tell_s = now + TELL_EVERY_S
        return Output([self.description()], (), list(self.age(now)))

    def description(self) -> bytes:
        infos = {
            index: wire.Info(m.id, m.schema, m.states, Time(m.clock), None, "")
            for index, m in self.machines.items()
        }
        return wire.encode(wire.MsgInfo({self.settings.peer_id: infos}, {}))

    def age(self, now: float) -> Iterator[TopicEvent]:
        for peer_id, known in list(self.known.items()):
            silent_s = now - known.heard_s
            if silent_s > FORGOTTEN_AFTER_S:
                yield from self.end(peer_id, known, "silent")
                del self.known[peer_id]
            elif silent_s > self.stale_after_s and known.status is PeerStatus.JOINED:
                yield from self.end(peer_id, known, "silent", PeerStatus.STALE)

    def end(
        self, peer_id: str, known: Known, reason: str, status: PeerStatus = PeerStatus.GONE
    ) -> Iterator[TopicEvent]:
        known.status = status
        yield PeerChanged(peer_id, status, reason=reason)
        for index, belief in known.machines.items():
            known.machines[index] = belief._replace(source=Source(status.value))
            yield MachineSourceChanged((peer_id, index), Source(status.value))

    def next_due(self) -> float:
        return self.tell_s

    # -- looking into it

    def beliefs(self) -> Iterator[Belief]:
        for known in self.known.values():
            yield from known.machines.values()

    def belief(self, key: Key) -> Belief | None:
        known = self.known.get(key[0])
        return known.machines.get(key[1]) if known else None

    def entries(self) -> int:
        return sum(1 + len(known.machines) for known in self.known.values())


class Gullible(Tiny):
    """Anybody may speak for anybody."""

    def believes(self, message: MessageReceived, peer_id: str) -> bool:
        return peer_id != self.settings.peer_id


class Deathless(Tiny):
    """The dead live on."""

    def age(self, now: float) -> Iterator[TopicEvent]:
        return iter(())


class Hasty(Tiny):
    """Who is silent for two seconds is gone."""

    def age(self, now: float) -> Iterator[TopicEvent]:
        for peer_id, known in self.known.items():
            if now - known.heard_s > 2 and known.status is PeerStatus.JOINED:
                yield from self.end(peer_id, known, "silent for 2 s")


class Hoarder(Tiny):
    """Keeps every message."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.kept: list[bytes] = []

    def receive(self, now: float, message: MessageReceived) -> Sequence[TopicEvent]:
        self.kept += [message.data] * 100
        return super().receive(now, message)

    def entries(self) -> int:
        return len(self.kept)


class Mumbler(Tiny):
    """Goes on telling, but one day always the same."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.same = b""

    def description(self) -> bytes:
        if not self.same and self.settings.random.random() < 0.03:
            self.same = super().description()
        return self.same or super().description()


class Chancy(Tiny):
    """Its bytes hang on where things lie in memory."""

    def description(self) -> bytes:
        return super().description() + bytes([id(object()) // 16 % 256, id(self) // 16 % 256])


WRONG = (Gullible, Deathless, Hasty, Hoarder, Mumbler)
