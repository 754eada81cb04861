"""The library's protocol core, fitted to what the simulator asks of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from ampubsub.machine import Time
from ampubsub.topic import changes
from ampubsub.topic.events import TopicEvent
from ampubsub.topic.peers import RemoteMachine
from ampubsub.topic.protocol import Protocol
from ampubsub.topic.settings import TopicSettings
from ampubsub.transport.interface import DisconnectCause, MessageReceived, Verdict
from ampubsub.wire import Info
from benchmarks.simulator.machines import LightMachine
from benchmarks.simulator.network import TOPIC
from benchmarks.simulator.peer import Belief, Key, Output, Settings, count_entries

ADDRESSES = "addresses"
"""What address records are signed for, so that no message passes for one."""
SETTINGS = TopicSettings()


@lru_cache(maxsize=8)
def _round_trip(seconds: float) -> changes.RoundTrip:
    return changes.RoundTrip(seconds)


class RealCore:
    """Drives one `Protocol`."""

    def __init__(self, settings: Settings) -> None:
        self._open = settings.open_signed
        self._record = settings.sign_addresses()
        self.protocol = Protocol(
            name=TOPIC,
            peer_id=settings.peer_id,
            settings=SETTINGS,
            random=settings.random,
            open_signed=self._opened,
            open_record=self._opened_record,
        )

    def _opened(self, signed: bytes) -> MessageReceived | None:
        return self._open(TOPIC, signed)

    def _opened_record(self, record: bytes) -> tuple[str, tuple[str, ...]] | None:
        opened = self._open(ADDRESSES, record)
        return None if opened is None else (opened.author, (opened.data.decode(),))

    def receive(self, now: float, message: MessageReceived) -> Sequence[TopicEvent]:
        return self.protocol.receive(now, message)

    def receive_direct(self, now: float, neighbour: str, data: bytes) -> Sequence[TopicEvent]:
        return self.protocol.receive_direct(now, neighbour, data)

    def verdict(self, now: float, message: MessageReceived) -> Verdict:
        return self.protocol.check(now, message)

    def connected(self, now: float, peer_id: str, dialled: bool) -> Sequence[TopicEvent]:
        return self.protocol.local(now, changes.Connected(peer_id, dialled, "ampubsub/simulated"))

    def disconnected(self, now: float, peer_id: str, cause: DisconnectCause) -> Sequence[TopicEvent]:
        return self.protocol.local(now, changes.Disconnected(peer_id, cause))

    def subscribed(self, now: float, peer_id: str) -> Sequence[TopicEvent]:
        return self.protocol.local(now, changes.Subscribed(peer_id))

    def unsubscribed(self, now: float, peer_id: str) -> Sequence[TopicEvent]:
        return self.protocol.local(now, changes.Unsubscribed(peer_id))

    def direct_opened(self, now: float, peer_id: str) -> Sequence[TopicEvent]:
        return self.protocol.local(now, changes.DirectOpened(peer_id))

    def joined(self, now: float, machines: Mapping[int, LightMachine]) -> Sequence[TopicEvent]:
        local = self.protocol.local
        events: list[TopicEvent] = []
        for index, machine in machines.items():
            info = Info(machine.id, machine.schema, machine.states, Time(machine.clock), machine.tags, "")
            events += local(now, changes.Exposed(index, info))
        events += local(now, changes.AddressRecord(self._record))
        events += local(now, _round_trip(0.1))
        events += local(now, changes.Joined())
        return events

    def changed(self, now: float, index: int, machine: LightMachine) -> Sequence[TopicEvent]:
        return self.protocol.local(now, changes.Changed(index, Time(machine.clock)))

    def leaving(self, now: float) -> Output:
        events = self.protocol.local(now, changes.Leaving())
        output = self.tick(now)
        return Output(output.messages, output.direct, [*events, *output.events])

    def tick(self, now: float) -> Output:
        protocol = self.protocol
        output = protocol.tick(now)
        protocol.hearing.activity.clear()  # as the topic machine, which shows both, does
        protocol.hearing.heard_of.clear()
        dial = [
            opened.author for record in output.dial if (opened := self._open(ADDRESSES, record)) is not None
        ]
        return Output(output.messages, output.direct, output.events, dial)

    def next_due(self) -> float:
        return self.protocol.next_due()

    # -- looking into it

    def beliefs(self) -> Iterator[Belief]:
        for peer in self.protocol.beliefs.peers.values():
            for machine in peer.machines.values():
                yield _belief(machine)

    def belief(self, key: Key) -> Belief | None:
        machine = self.protocol.beliefs.machine(key)
        return None if machine is None else _belief(machine)

    def entries(self) -> int:
        return count_entries(self.protocol)


def _belief(machine: RemoteMachine) -> Belief:
    info = machine.info
    return Belief(
        machine.key, info.id, tuple(machine.clock), machine.source, info.states or (), info.schema or {}
    )
