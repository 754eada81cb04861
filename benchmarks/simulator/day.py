"""One day of one seed: who joins when, what changes, what goes wrong, and the questions asked in between and at the end.

The plan (graph, joins, changes) comes from the seed alone; faults are a list beside it. So the same seed with a
shorter list is the same day with less going wrong.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from ampubsub.topic.events import ClockChanged, TopicEvent
from benchmarks.simulator.faults import Fault, Partition, Villain, bad_day
from benchmarks.simulator.graph import random_graph
from benchmarks.simulator.machines import LightMachine
from benchmarks.simulator.network import Conditions, Network
from benchmarks.simulator.peer import Belief, MakeCore, Peer
from benchmarks.simulator.real import RealCore
from benchmarks.simulator.truth import Life, Truth, WrongBeliefError
from benchmarks.simulator.villains import KINDS, VillainHost

FAULTS_FROM_S = 4.0
FAULTS_UNTIL_S = 45.0
SETTLED_WITHIN_S = 30.0
"""Once the faults are over, all must know the truth about all within this."""
LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a day is."""

    peers: int = 10
    machines: int = 2
    states: int = 6
    until_s: float = FAULTS_UNTIL_S
    settled_within_s: float = SETTLED_WITHIN_S
    entries_allowed: int = 60_000
    """Entries of all containers of one peer's protocol, together."""


DEFAULT_PLAN = Plan()


@dataclass(slots=True)
class Outcome:
    """How a day went."""

    seed: int
    digest: str
    problem: str = ""
    settled_s: float | None = None
    """How long after the faults' end all knew the truth about all."""
    met: Counter[str] = field(default_factory=Counter)
    """What happened how often: faults, events by kind, reasons."""
    events: int = 0
    most_entries: int = 0


class Day:
    """A day that can be run once."""

    def __init__(
        self,
        seed: int,
        faults: Sequence[Fault] | None = None,
        plan: Plan = DEFAULT_PLAN,
        *,
        make: MakeCore = RealCore,
    ) -> None:
        self.seed = seed
        self.plan = plan
        self._make = make
        if faults is None:
            faults = bad_day(seed, plan.peers, FAULTS_FROM_S, plan.until_s, tuple(KINDS))
        self.faults = tuple(faults)
        self._digest = hashlib.blake2b(digest_size=16)
        self.network = Network(seed, Conditions(delay_s=(0.01, 0.06)), tell=self._digest.update)
        self.base = self.network.conditions
        self.random = Random(f"{seed} changes")
        self.truth = Truth(self)
        self.active: list[Fault] = []
        self.met: Counter[str] = Counter()
        self.peers: list[Peer | None] = [None] * plan.peers
        self.villains: dict[Villain, VillainHost] = {}
        self.dials = random_graph(plan.peers, Random(f"{seed} graph"))
        self.entries_allowed = plan.entries_allowed
        self.most_entries = 0
        self.events = 0
        self.records: list[tuple[float, Peer, TopicEvent, Belief | None]] | None = None
        """Every event, when somebody wants to see the day afterwards."""
        self._upset_s = self._troubled_s = float("-inf")
        self._peer_ids = [self.network.new_peer_id() for _ in range(plan.peers)]

    @property
    def living(self) -> list[Peer]:
        """Peers that are up."""
        return [peer for peer in self.peers if peer is not None and peer.up]

    @property
    def upset_s(self) -> float:
        """When the network was last cut."""
        cut = any(isinstance(fault, Partition) for fault in self.active)
        return self.network.now if cut else self._upset_s

    @property
    def troubled_s(self) -> float:
        """When the network was last bad in any way."""
        return self.network.now if self.active else self._troubled_s

    # -- running

    def run(self) -> Outcome:
        """Let the day happen."""
        outcome = Outcome(self.seed, "")
        try:
            outcome.settled_s = self._run()
        except WrongBeliefError as wrong:
            outcome.problem = str(wrong)
        outcome.digest = self._digest.hexdigest()
        outcome.met, outcome.events, outcome.most_entries = self.met, self.events, self.most_entries
        return outcome

    def _run(self) -> float:
        schedule, plan = self.network.schedule, self.plan
        for number in range(plan.peers):
            schedule.at(number * 0.2, self.begin_peer, number)
        for fault in self.faults:
            fault.schedule(self)
        schedule.at(1.0, self._change, plan.until_s)
        schedule.at(LOOK_EVERY_S, self._look)
        last = max((fault.end_s for fault in self.faults), default=0.0)
        quiet_s = max(plan.until_s, last)
        schedule.run(quiet_s)
        while schedule.now < quiet_s + plan.settled_within_s:
            if next(self.truth.doubts(), None) is None:
                return schedule.now - quiet_s
            schedule.run(schedule.now + 0.5)
        doubts = list(self.truth.doubts())
        if doubts:
            raise WrongBeliefError(
                f"not settled {plan.settled_within_s:g} s after the faults: {len(doubts)} doubts, such as {'; '.join(doubts[:4])}"
            )
        return plan.settled_within_s

    def _change(self, until_s: float) -> None:
        living = self.living
        for peer in self.random.sample(living, min(3, len(living))):
            peer.change(self.random.choice(sorted(peer.machines)), self.random)
        if self.network.now < until_s:
            self.network.schedule.after(self.random.uniform(0.1, 1.0), self._change, until_s)

    def _look(self) -> None:
        self.truth.look()
        self.network.schedule.after(LOOK_EVERY_S, self._look)

    def heard(self, peer: Peer, event: TopicEvent) -> None:
        """A peer's protocol says that something happened."""
        self.events += 1
        self.met[type(event).__name__] += 1
        self._digest.update(repr(event).encode())
        if self.records is not None:
            key = getattr(event, "key", None)
            belief = None if key is None or isinstance(event, ClockChanged) else peer.belief(key)
            self.records.append((self.network.now, peer, event, belief))
        self.truth.event(peer, event)

    # -- what faults do

    def begin_peer(self, number: int, peer_id: str = "", wall_s: float = 1.8e9) -> None:
        """A peer comes up."""
        plan = self.plan
        machines = {
            index: LightMachine(f"m{number}-{index}", plan.states, kind=index % 3)
            for index in range(plan.machines)
        }
        peer = Peer(
            self.network,
            f"peer {number}",
            peer_id or self._peer_ids[number],
            machines,
            self.heard,
            wall_s=wall_s,
            make=self._make,
        )
        self._peer_ids[number] = peer.peer_id
        self.peers[number] = peer
        self.truth.born(peer.peer_id, Life(number, self.network.now, machines))
        for other in self.dials[number]:
            peer.dial(self._peer_ids[other])
        peer.start()

    def end_peer(self, number: int, how: str) -> None:
        """A peer goes."""
        peer = self.peers[number]
        if peer is None or not peer.up:
            return
        self.met[f"death by {how}"] += 1
        self.truth.died(peer.peer_id, how)
        peer.finish(how)

    def restart_peer(self, number: int, *, same_identity: bool, clock_back_s: float) -> None:
        """A peer comes back, as the same or as another."""
        old = self.peers[number]
        if old is None or old.up:
            return
        self.met["restart" if same_identity else "restart as another"] += 1
        self.met["clock set back"] += bool(clock_back_s)
        peer_id = old.peer_id if same_identity else self.network.new_peer_id()
        self.begin_peer(number, peer_id, 1.8e9 - clock_back_s)
        if not same_identity:  # those that dialled it dial its successor
            for other, peer in enumerate(self.peers):
                if peer is not None and number in self.dials[other]:
                    peer.dials.pop(old.peer_id, None)
                    peer.dial(peer_id)

    def block(self, number: int, seconds: float) -> None:
        """A peer stands still."""
        peer = self.peers[number]
        if peer is not None and peer.up:
            peer.block(seconds)

    def start_villain(self, fault: Villain) -> None:
        """A hostile host appears."""
        neighbour = self.peers[fault.neighbour]
        if neighbour is None or not neighbour.up:
            return
        self.met[f"villain {fault.kind}"] += 1
        villain = VillainHost(self.network, fault.kind, neighbour.peer_id, fault.rate, f"{self.seed} {fault}")
        villain.honest = [peer.peer_id for peer in self.living]
        self.villains[fault] = villain
        villain.run()

    def stop_villain(self, fault: Villain) -> None:
        """It goes."""
        villain = self.villains.pop(fault, None)
        if villain is not None:
            villain.close()

    def renew_conditions(self) -> None:
        """Faults came or went."""
        self._troubled_s = self.network.now
        base = Conditions(delay_s=self.base.delay_s)
        for fault in self.active:
            fault.worsen(base)
            self.met[type(fault).__name__.lower()] += 1
        self.network.conditions = base

    def renew_partition(self) -> None:
        """Islands came or went."""
        islands: dict[tuple[int, ...], list[str]] = {}
        cuts = [fault.island for fault in self.active if isinstance(fault, Partition)]
        for number in range(self.plan.peers):
            side = tuple(int(number in island) for island in cuts)
            islands.setdefault(side, []).append(self._peer_ids[number])
        self._upset_s = self.network.now
        self.network.heal()
        if cuts:
            self.network.partition(list(islands.values())[1:])

    def connected(self, one: Peer, peer_id: str) -> bool:
        """Whether links of peers that are up and not stopped lead from one peer to another."""
        seen = {one.peer_id}
        left = deque([one])
        while left:
            host = left.popleft()
            for name, link in host.links.items():
                other = link.other
                if (
                    name in seen
                    or not isinstance(other, Peer)
                    or not other.up
                    or not self.network.reach(host, other)
                ):
                    continue
                if name == peer_id:
                    return True
                seen.add(name)
                left.append(other)
        return False
