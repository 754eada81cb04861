"""Hostile hosts: connected to one honest peer, free to use as many identities as they like, but without others' keys.

Each kind is a function that does one thing once; a villain does it so many times a second. What it says is well
formed, so that it is believed or not for what it claims; garbage has a kind of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from ampubsub import wire
from ampubsub.machine import Time
from ampubsub.transport.interface import MessageReceived
from benchmarks.simulator.machines import schema_of
from benchmarks.simulator.network import Host, Network

_REMEMBERED = 4_000


class VillainHost(Host):
    """One hostile host and its identities."""

    def __init__(
        self, network: Network, kind: str, neighbour: str, rate: float, seed: str, identities: int = 11
    ) -> None:
        super().__init__(network, f"villain-{kind}")
        self.kind = kind
        self.neighbour = neighbour
        self.rate = rate
        self.random = Random(seed)
        self.identities = [network.new_peer_id() for _ in range(identities)]
        self.sequences = dict.fromkeys(self.identities, self.sequence)
        self.honest: list[str] = []
        """Peers it lies about; filled by whoever starts it."""
        self.heard: deque[bytes] = deque(maxlen=_REMEMBERED)
        """Signed messages of others."""
        self.frames: deque[bytes] = deque(maxlen=200)
        self.said = 0

    def message(self, message: MessageReceived) -> None:
        """Keep what others signed."""
        self.heard.append(message.signed)

    def frame(self, neighbour: str, data: bytes) -> None:
        """Keep what came on the stream."""
        self.frames.append(data)

    def run(self) -> None:
        """Appear, dial the neighbour, and begin."""
        self.start()
        self.dial(self.neighbour)
        self.network.schedule.after(0.5, self._act)

    def _act(self) -> None:
        if not self.up:
            return
        if self.neighbour in self.links:
            self.said += 1
            KINDS[self.kind](self)
        self.network.schedule.after(1 / self.rate, self._act)

    def say(self, message: wire.Message, identity: str | None = None) -> None:
        """Say something under one of the identities."""
        who = identity or self.identities[self.said % len(self.identities)]
        sequence = self.sequences[who] = self.sequences.get(who, self.sequence) + 1
        self.network.publish(self, who, sequence, wire.encode(message), "villain")

    def victims(self, count: int) -> list[str]:
        """Some honest peers."""
        return self.random.sample(self.honest, min(count, len(self.honest)))


def _invented(number: int, clock: int = 1) -> wire.Info:
    schema, states = schema_of(12)
    return wire.Info(f"evil{number}", schema, states, Time((clock,) * len(states)), None, "")


def sybils(villain: VillainHost) -> None:
    """Identities that behave, only often: each has a machine and tells its clock."""
    who = villain.identities[villain.said % len(villain.identities)]
    if villain.said <= len(villain.identities):
        villain.say(wire.MsgInfo({who: {0: _invented(villain.said)}}, {}), who)
    else:
        villain.say(wire.MsgUpdates({who: {0: Time((villain.said,) * 12)}}), who)


def fresh_identities(villain: VillainHost) -> None:
    """Each message has an author of its own."""
    who = villain.network.new_peer_id()
    villain.say(wire.MsgInfo({who: {0: _invented(villain.said)}}, {}), who)


def false_clocks(villain: VillainHost) -> None:
    """Later clocks of others' machines, of the right length."""
    ticks = Time((1_000 + villain.said,) * 12)
    villain.say(wire.MsgUpdates({peer: {0: ticks, 1: ticks, 2: ticks} for peer in villain.victims(5)}))


def false_sums(villain: VillainHost) -> None:
    """Gossip of sums that nobody has, each under an identity of its own."""
    sums = {peer: {0: (1 << 40) + villain.said} for peer in villain.victims(10)}
    villain.say(wire.MsgGossip(sums), villain.network.new_peer_id())


def false_infos(villain: VillainHost) -> None:
    """Others' machines with other schemas, and machines they do not have."""
    schema, states = schema_of(3, kind=9)
    lie = wire.Info("lie", schema, states, Time((1 << 40,) * len(states)), None, "")
    villain.say(wire.MsgInfo({peer: {0: lie, 7: _invented(7)} for peer in villain.victims(5)}, {}))


def no_machines(villain: VillainHost) -> None:
    """Others expose nothing, it says."""
    villain.say(wire.MsgInfo({peer: {} for peer in villain.victims(5)}, {}))


def invented_peers(villain: VillainHost) -> None:
    """A hundred peers that do not exist, in one message."""
    names = [villain.network.new_peer_id() for _ in range(100)]
    villain.say(wire.MsgGossip({name: {0: 5} for name in names}))


def invented_machines(villain: VillainHost) -> None:
    """An identity with two hundred machines."""
    who = villain.network.new_peer_id()
    villain.say(wire.MsgInfo({who: {index: _invented(index) for index in range(200)}}, {}), who)


def byes(villain: VillainHost) -> None:
    """Says bye, as itself, again and again."""
    villain.say(wire.MsgBye({0: wire.ByeMachine(True, "evil", Time((0,)))}))


def questions(villain: VillainHost) -> None:
    """Asks for everybody."""
    ask = wire.MsgReqInfo if villain.said % 2 else wire.MsgReqUpdates
    villain.say(ask(tuple(villain.honest)))


def replays(villain: VillainHost) -> None:
    """What others signed, said again: on the topic, and as it is on the stream."""
    if villain.heard:
        signed = villain.random.choice(villain.heard)
        if villain.said % 3:
            villain.network.replay(villain, signed)
        else:
            villain.send_direct(villain.neighbour, signed)
    if villain.frames and not villain.said % 5:
        villain.send_direct(villain.neighbour, villain.random.choice(villain.frames))


def garbage(villain: VillainHost) -> None:
    """Bytes that mean nothing, or nearly something: frames and messages with one byte changed."""
    pick = villain.random
    frame = bytearray(pick.choice(villain.frames)) if villain.frames else bytearray(pick.randbytes(40))
    for _ in range(pick.randint(1, 3)):
        frame[pick.randrange(len(frame))] = pick.randrange(256)
    villain.send_direct(villain.neighbour, bytes(frame[: pick.randint(1, len(frame))]))
    if not villain.said % 4:
        who = pick.choice(villain.identities)
        villain.sequences[who] += 1
        villain.network.publish(villain, who, villain.sequences[who], pick.randbytes(50), "villain")


KINDS: dict[str, Callable[[VillainHost], None]] = {
    kind.__name__: kind
    for kind in (
        sybils,
        fresh_identities,
        false_clocks,
        false_sums,
        false_infos,
        no_machines,
        invented_peers,
        invented_machines,
        byes,
        questions,
        replays,
        garbage,
    )
}
