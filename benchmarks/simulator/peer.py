"""One simulated peer: a host that drives a protocol core, with light machines and a clock that starts anywhere.

`Core` is what the simulator asks of a protocol; `simulator.real` fits the library's to it, and the tests of the
simulator itself bring small wrong ones, to see that wrongs are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, Protocol

from ampubsub.machine import State
from ampubsub.topic.events import Source, TopicEvent
from ampubsub.transport.interface import DisconnectCause, MessageReceived, Verdict
from benchmarks.simulator.machines import LightMachine
from benchmarks.simulator.network import Host, Network

Key = tuple[str, int]


class Belief(NamedTuple):
    """What a peer believes of one machine of another."""

    key: Key
    machine_id: str
    clock: tuple[int, ...]
    source: Source
    states: tuple[str, ...]
    schema: Mapping[str, State]


@dataclass(slots=True)
class Output:
    """What a core wants done."""

    messages: Sequence[bytes]
    """For the topic."""
    direct: Sequence[tuple[str, bytes]]
    """Frames for neighbours."""
    events: Sequence[TopicEvent]
    dial: Sequence[str] = ()
    """Peers to connect to from now on."""


class Core(Protocol):
    """A protocol as the simulator sees it. `now` is the peer's own clock, in seconds from anywhere."""

    def receive(self, now: float, message: MessageReceived) -> Sequence[TopicEvent]:
        """A message of the topic."""

    def receive_direct(self, now: float, neighbour: str, data: bytes) -> Sequence[TopicEvent]:
        """A frame of the private stream."""

    def verdict(self, now: float, message: MessageReceived) -> Verdict:
        """Whether to relay a message."""

    def connected(self, now: float, peer_id: str, dialled: bool) -> Sequence[TopicEvent]:
        """A connection stands."""

    def disconnected(self, now: float, peer_id: str, cause: DisconnectCause) -> Sequence[TopicEvent]:
        """It ended."""

    def subscribed(self, now: float, peer_id: str) -> Sequence[TopicEvent]:
        """A neighbour takes part in the topic."""

    def unsubscribed(self, now: float, peer_id: str) -> Sequence[TopicEvent]:
        """It does not any more."""

    def direct_opened(self, now: float, peer_id: str) -> Sequence[TopicEvent]:
        """The private stream to a neighbour stands."""

    def joined(self, now: float, machines: Mapping[int, LightMachine]) -> Sequence[TopicEvent]:
        """We take part, and expose these."""

    def changed(self, now: float, index: int, machine: LightMachine) -> Sequence[TopicEvent]:
        """A machine of ours changed."""

    def leaving(self, now: float) -> Output:
        """We go; what is to be said yet."""

    def tick(self, now: float) -> Output:
        """Do what is due."""

    def next_due(self) -> float:
        """When something is due next."""

    def beliefs(self) -> Iterable[Belief]:
        """All machines of others."""

    def belief(self, key: Key) -> Belief | None:
        """One of them."""

    def entries(self) -> int:
        """How much it keeps in memory, in entries of containers."""


class Settings(NamedTuple):
    """What a core is made of."""

    peer_id: str
    name: str
    random: Random
    open_signed: Callable[[str, bytes], MessageReceived | None]
    """Topic and signed message to what it says; None when it is forged."""
    sign_addresses: Callable[[], bytes]
    """Our own address record."""


MakeCore = Callable[[Settings], Core]
Heard = Callable[["Peer", TopicEvent], object]


class Peer(Host):
    """One honest peer in one of its lives."""

    def __init__(
        self,
        network: Network,
        name: str,
        peer_id: str,
        machines: Mapping[int, LightMachine],
        heard: Heard,
        *,
        wall_s: float = 1.8e9,
        make: MakeCore,
    ) -> None:
        super().__init__(network, name, peer_id, wall_s=wall_s)
        self.machines = dict(machines)
        self.heard = heard
        self.offset = network.random.uniform(0, 1e6)
        """The peer's clock when the network's is 0."""
        random = Random(network.random.getrandbits(64))
        self.core = make(Settings(self.peer_id, name, random, network.signer.open, self._address_record))
        self._tick_at = float("inf")

    def _address_record(self) -> bytes:
        return self.network.signer.sign(
            "addresses", self.peer_id, self.sequence, f"/sim/{self.name}".encode()
        )

    # -- what happens to it

    def start(self) -> None:
        """Come up, dial, join, expose."""
        super().start()
        self._took(self.core.joined(self.local_now, self.machines))

    def change(self, index: int, random: Random) -> None:
        """Let a machine change."""
        machine = self.machines[index]
        machine.change(random)
        self.network.schedule.at(self.blocked_until, self._changed, index, machine)

    def _changed(self, index: int, machine: LightMachine) -> None:
        if self.up:
            self._took(self.core.changed(self.local_now, index, machine))

    def finish(self, how: str) -> None:
        """End: `bye`, `reset`, `crash`."""
        if how == "bye":
            self._do(self.core.leaving(self.local_now))
            self.network.schedule.after(0.3, self.close)
        elif how == "reset":
            self.reset()
        else:
            self.crash()

    def feed(self, message: MessageReceived) -> None:
        """Hand over a message as if it had come, for measurements."""
        self._took(self.core.receive(self.local_now, message))

    # -- what the network tells

    @property
    def local_now(self) -> float:
        """The peer's own clock."""
        return self.network.schedule.now + self.offset

    def verdict(self, message: MessageReceived) -> Verdict:
        return self.core.verdict(self.local_now, message)

    def message(self, message: MessageReceived) -> None:
        self._took(self.core.receive(self.local_now, message))

    def frame(self, neighbour: str, data: bytes) -> None:
        self._took(self.core.receive_direct(self.local_now, neighbour, data))

    def connected(self, peer_id: str, dialled: bool) -> None:
        self._took(self.core.connected(self.local_now, peer_id, dialled))

    def disconnected(self, peer_id: str, cause: DisconnectCause) -> None:
        self._took(self.core.disconnected(self.local_now, peer_id, cause))

    def subscribed(self, peer_id: str) -> None:
        self._took(self.core.subscribed(self.local_now, peer_id))

    def unsubscribed(self, peer_id: str) -> None:
        self._took(self.core.unsubscribed(self.local_now, peer_id))

    def direct_opened(self, peer_id: str) -> None:
        self._took(self.core.direct_opened(self.local_now, peer_id))

    # -- the core

    def _took(self, events: Sequence[TopicEvent]) -> None:
        for event in events:
            self.heard(self, event)
        self._arm()

    def _arm(self) -> None:
        due = self.core.next_due() - self.offset
        if due < self._tick_at - 1e-9 and self.up:
            self._tick_at = max(due, self.network.schedule.now)
            self.network.schedule.at(self._tick_at, self._wake, self._tick_at)

    def _wake(self, at: float) -> None:
        if not self.up or at != self._tick_at:
            return
        if self.blocked_until > self.network.now:
            self._tick_at = self.blocked_until
            self.network.schedule.at(self._tick_at, self._wake, self._tick_at)
            return
        self._tick_at = float("inf")
        self.tick()

    def tick(self) -> None:
        """Do what is due."""
        self._do(self.core.tick(self.local_now))

    def _do(self, output: Output) -> None:
        for data in output.messages:
            self.publish(data, _kind(data))
        for peer_id, data in output.direct:
            self.send_direct(peer_id, data)
        for peer_id in output.dial:
            self.dial(peer_id)
        self._took(output.events)

    # -- looking into it

    def beliefs(self) -> Iterable[Belief]:
        """All machines of others, as it sees them."""
        return self.core.beliefs()

    def belief(self, key: Key) -> Belief | None:
        """One of them."""
        return self.core.belief(key)

    def entries(self) -> int:
        """How much it keeps."""
        return self.core.entries()


def _kind(data: bytes) -> str:
    """The type of an encoded message: its first value."""
    length = data[6] & 0x1F if len(data) > 6 else 0
    return data[7 : 7 + length].decode(errors="replace")


def count_entries(root: Any, room: str = "ampubsub.topic", most: int = 2_000_000) -> int:
    """Entries of all containers that are reached from an object through containers and objects of a room."""
    seen: set[int] = set()
    left: list[Any] = [root]
    count = 0
    while left and count < most:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Mapping):
            count += len(thing)
            left.extend(value for value in thing.values() if _holds(value, room))
        elif isinstance(thing, (list, set, frozenset)) or type(thing).__name__ == "deque":
            count += len(thing)
            left.extend(value for value in thing if _holds(value, room))
        elif type(thing).__module__.startswith(room):
            for kind in type(thing).__mro__:
                for name in getattr(kind, "__slots__", ()):
                    value = getattr(thing, name, None)
                    if _holds(value, room):
                        left.append(value)
            left.extend(value for value in getattr(thing, "__dict__", {}).values() if _holds(value, room))
    return count


def _holds(value: Any, room: str) -> bool:
    return (
        isinstance(value, (dict, list, set, frozenset, Mapping))
        or type(value).__name__ == "deque"
        or (type(value).__module__.startswith(room) and not isinstance(value, type))
    )
