"""A topic of many peers to measure: no faults but those asked for, and counters of who knows what kept as events come.

Asking every peer for everything it believes costs peers × machines; so first-hand machines are counted from the
events, and only the end is verified by asking.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from ampubsub.topic.events import (
    ClockChanged,
    MachineExposed,
    MachineGone,
    MachineReplaced,
    MachineSourceChanged,
    Source,
    TopicEvent,
)
from ampubsub.transport.interface import MessageReceived
from benchmarks.simulator.graph import Dials, random_graph
from benchmarks.simulator.machines import LightMachine
from benchmarks.simulator.network import Conditions, Network
from benchmarks.simulator.peer import Peer
from benchmarks.simulator.real import RealCore

JOIN_WITHIN_S = 2.0
"""All peers of a cold start join within this."""

Key = tuple[str, int]


class MeasuredPeer(Peer):
    """A peer that knows how much CPU it took."""

    cpu_s = 0.0

    def message(self, message: MessageReceived) -> None:
        start = time.process_time()
        super().message(message)
        self.cpu_s += time.process_time() - start

    def frame(self, neighbour: str, data: bytes) -> None:
        start = time.process_time()
        super().frame(neighbour, data)
        self.cpu_s += time.process_time() - start

    def tick(self) -> None:
        start = time.process_time()
        super().tick()
        self.cpu_s += time.process_time() - start


class Town:
    """Many peers with light machines on one network."""

    def __init__(
        self,
        peers: int,
        *,
        machines: int = 3,
        states: int = 12,
        loss: float = 0.0,
        delay_s: float = 0.05,
        seed: int = 1,
        dials: Dials | None = None,
    ) -> None:
        self.conditions = Conditions(delay_s=(delay_s, delay_s), loss=loss, frame_loss=loss)
        self.network = Network(seed, self.conditions)
        self.random = Random(seed)
        self.machines, self.states = machines, states
        self.peers: list[Peer] = []
        self.first_hand: dict[str, set[Key]] = {}
        """By observer: machines it knows first-hand."""
        self.watch: Callable[[Peer, TopicEvent], None] | None = None
        self.dials = random_graph(peers, Random(f"{seed} graph")) if dials is None else dials
        self._ids = [self.network.new_peer_id() for _ in range(peers)]

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.network.now

    def new_peer(self, number: int, peer_id: str = "", kind: type[Peer] = Peer) -> Peer:
        """A peer that is not up yet."""
        machines = {index: LightMachine(f"m{number}-{index}", self.states) for index in range(self.machines)}
        peer = kind(self.network, f"peer {number}", peer_id, machines, self.heard, make=RealCore)
        self.first_hand[peer.peer_id] = set()
        return peer

    def start_all(self) -> None:
        """Let all come up, one after the other; time passes until the last has."""
        schedule = self.network.schedule
        for number, peer_id in enumerate(self._ids):
            peer = self.new_peer(number, peer_id)
            self.peers.append(peer)
            peer.dials = dict.fromkeys((self._ids[other] for other in self.dials[number]), 0.5)
            schedule.at(JOIN_WITHIN_S * number / len(self._ids), peer.start)
        schedule.run(JOIN_WITHIN_S)

    def heard(self, peer: Peer, event: TopicEvent) -> None:
        """Keep the counts."""
        match event:
            case ClockChanged():
                pass
            case MachineExposed(key=key, source=source) | MachineSourceChanged(key=key, source=source):
                self._count(peer, key, source is Source.FIRST_HAND)
            case MachineReplaced(key=key):
                belief = peer.belief(key)
                self._count(peer, key, belief is not None and belief.source is Source.FIRST_HAND)
            case MachineGone(key=key):
                self._count(peer, key, False)
            case _:
                pass
        if self.watch is not None:
            self.watch(peer, event)

    def _count(self, peer: Peer, key: Key, first_hand: bool) -> None:
        if key[0] == peer.peer_id:
            return
        known = self.first_hand[peer.peer_id]
        if first_hand:
            known.add(key)
        else:
            known.discard(key)

    def until(self, condition: Callable[[], bool], within_s: float, step_s: float = 0.05) -> float | None:
        """Let time pass until something is so; the seconds it took, None when it never was."""
        start = self.now
        while self.now - start < within_s:
            if condition():
                return self.now - start
            self.network.schedule.run(self.now + step_s)
        return None

    def all_know_all(self, peers: list[Peer] | None = None) -> bool:
        """Whether each peer has all the others' machines first-hand."""
        wanted = (len(self.peers) - 1) * self.machines
        return all(len(self.first_hand[peer.peer_id]) >= wanted for peer in peers or self.peers)

    def wrong(self, peers: list[Peer] | None = None) -> int:
        """How many machines some peer has not, or not as they are, by asking them all."""
        living = [peer for peer in self.peers if peer.up]
        wrong = 0
        for peer in peers or living:
            for other in living:
                if other is not peer:
                    for index, machine in other.machines.items():
                        belief = peer.belief((other.peer_id, index))
                        right = belief is not None and belief.source is Source.FIRST_HAND
                        wrong += not right or belief.clock != machine.clock  # type: ignore[union-attr]
        return wrong

    def spread_of_changes(
        self, changes: int, every_s: float, wait_s: float, among: list[Peer] | None = None
    ) -> list[float]:
        """Let machines change now and then; how long each change took to each other peer. inf: it never came."""
        peers = among or self.peers
        due: dict[Key, list[tuple[int, float, set[str]]]] = {}
        took: list[float] = []

        def watch(peer: Peer, event: TopicEvent) -> None:
            if isinstance(event, ClockChanged) and event.key in due:
                total = sum(event.after)
                for wanted, since, waiting in due[event.key]:
                    if wanted <= total and peer.peer_id in waiting and event.source is Source.FIRST_HAND:
                        waiting.discard(peer.peer_id)
                        took.append(self.now - since)

        self.watch = watch
        others = {peer.peer_id for peer in peers}
        for _ in range(changes):
            owner = self.random.choice(peers)
            index = self.random.randrange(self.machines)
            owner.change(index, self.random)
            change = (sum(owner.machines[index].clock), self.now, others - {owner.peer_id})
            due.setdefault((owner.peer_id, index), []).append(change)
            self.network.schedule.run(self.now + every_s)
        self.network.schedule.run(self.now + wait_s)
        self.watch = None
        took += [float("inf")] * sum(len(left) for changed in due.values() for _, _, left in changed)
        return sorted(took)
