"""The doctor against a known truth: faults injected into an in-memory topic, and healthy days.

`python -m benchmarks.doctor [--seeds N] [--healthy N] [--only SCENE]`. Six peers and a silent observer whose program records
as on a real network; virtual time, so a minute takes about a second. A fault counts as found when its finding is there within
10 s of its first symptom at the observer; the symptom of a lost peer comes when the transport gives its link up (8.5 s).
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import trio
import trio.testing

from amdbg_tui.answers.doctor import Finding, examine
from amdbg_tui.history import History
from amdbg_tui.history.records import Record
from amdbg_tui.node.phases import Phases
from amdbg_tui.node.telling import Telling
from ampubsub import Machine, State, Topic, TopicSettings
from ampubsub.transport.faults import Faults
from ampubsub.transport.memory import MemoryNetwork, MemoryTransport

BEGIN_S = 1_760_000_000.0
SETTLE_S = 8.0
GIVEN_UP_S = 8.5
"""Until a transport gives up a link that went silent."""
FOUND_WITHIN_S = 10.0
PEERS = 6
LAMP = {"On": State(require=("Power",)), "Power": State(), "Blink": State(multi=True)}
REPLICA = {"Idle": State(remove=("Busy",)), "Busy": State(remove=("Idle",))}
NAMES = ("kitchen", "hall", "attic", "cellar", "garden", "roof")


@dataclass
class Peer:
    """One peer that can be hurt."""

    name: str
    transport: MemoryTransport
    topic: Topic
    lamp: Machine
    replica: Machine
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Town:
    """A topic, and an observer whose program records it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.network = MemoryNetwork(seed, Faults(loss=0.02, duplication=0.02, reorder=True))
        self.peers: list[Peer] = []
        self.wall_ahead_s = 0.0
        """How far the wall clock was set forward."""
        self.history = History(None, clock=trio.current_time)
        self._now_s = 0.0
        self.observing = self.network.transport("me")
        self.nursery: trio.Nursery | None = None

    def wall(self) -> float:
        """The wall clock, seconds since the epoch; to the history's thread, that of the newest look."""
        with suppress(RuntimeError):
            self._now_s = trio.current_time()
        return BEGIN_S + self._now_s + self.wall_ahead_s

    def feed(self, records: Sequence[Record]) -> None:
        """Into the history."""
        self.history.feed(records)

    def start(self, name: str, peer_id: str | None = None, replica: dict[str, State] | None = None) -> Peer:
        """A peer that comes, perhaps with an identity that was there before."""
        number = len(self.peers)
        transport = self.network.transport(f"{name}-{number}", peer_id)
        lamp = Machine(LAMP, id=f"lamp-{name}", states=["On", "Power", "Blink", "Exception"])
        same = replica or REPLICA
        copy = Machine(same, id="order", states=[*same, "Exception"], tags=["replicated"])
        topic = Topic(
            "home", expose=[lamp, copy], listen=[f"/memory/{name}-{number}"], connect=self._addresses(),
            transport=transport, suffix=name, seed=number, peer_name=name,
        )  # fmt: skip
        peer = Peer(name, transport, topic, lamp, copy)
        self.peers.append(peer)
        assert self.nursery is not None
        self.nursery.start_soon(self._live, peer)
        return peer

    def _addresses(self) -> list[str]:
        near = self.dice.sample(self.peers, min(2, len(self.peers)))
        return [address for peer in near for address in peer.transport.addresses]

    async def _live(self, peer: Peer) -> None:
        with peer.scope:
            async with peer.topic:
                while True:
                    await trio.sleep(self.dice.uniform(0.5, 2.5))
                    what = self.dice.choice(["add", "remove"])
                    getattr(peer.lamp, what)(self.dice.choice(["Power", "On", "Blink"]))

    def crash(self, peer: Peer) -> None:
        """It ends without a word."""
        self.network.crash(peer.transport)
        peer.scope.cancel()

    async def observe(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The program that records."""
        topic = Topic(
            "home", listen=["/memory/me"], connect=self._addresses(), transport=self.observing, suffix="me",
            settings=TopicSettings(silent=True), seed=99,
        )  # fmt: skip
        phases = Phases(self.feed, lambda text: None)
        phases.topic = "home"
        phases.opened(self.observing)
        telling = Telling(topic, self.feed, phases)
        try:
            async with topic, trio.open_nursery() as nursery:
                nursery.start_soon(telling.sample_details, 1.0)
                task_status.started()
                await trio.sleep_forever()
        finally:
            telling.end()

    def look(self) -> list[Finding]:
        """What the doctor says now."""
        while self.history.refresh():
            pass
        return examine(self.history.live, self.history.cursor())


Fault = Callable[[Town], Awaitable[None]]


async def crash(town: Town) -> None:
    """A peer ends without a word."""
    town.crash(town.dice.choice(town.peers))


async def partition(town: Town) -> None:
    """Three peers are cut from the rest and the observer, which keeps one that it is connected to."""
    contact = next(peer for peer in town.peers if peer.transport.peer_id in town.observing.links)
    away = town.dice.sample([peer for peer in town.peers if peer is not contact], 3)
    stay = [peer.transport for peer in town.peers if peer not in away]
    town.network.partition([peer.transport for peer in away], [*stay, town.observing])


async def cut_off(town: Town) -> None:
    """The observer loses everybody."""
    town.network.partition([town.observing], [peer.transport for peer in town.peers])


async def in_error(town: Town) -> None:
    """A machine goes into error and stays so."""
    town.dice.choice(town.peers).lamp.add_err(RuntimeError("bulb broken"))


async def schema_mismatch(town: Town) -> None:
    """A peer with another version of a replicated machine comes."""
    town.start("loft", replica={**REPLICA, "Paid": State(require=("Idle",))})


async def restarts(town: Town) -> None:
    """A program ends soon after its start and is started again, with a new identity each time."""
    for _ in range(4):
        peer = town.start("porch")
        await trio.sleep(4.0)
        town.crash(peer)
        await trio.sleep(1.0)


async def flood(town: Town) -> None:
    """A villain says rubbish 60 times a second."""
    villain = town.dice.choice(town.peers)
    for _ in range(900):
        town.network.flood(villain.transport, "home", bytes(town.dice.randrange(256) for _ in range(40)))
        await trio.sleep(1 / 60)


async def flapping(town: Town) -> None:
    """A peer's link goes and comes."""
    one = town.dice.choice(town.peers).transport
    rest = [peer.transport for peer in town.peers if peer.transport is not one]
    for _ in range(4):
        town.network.partition([one], [*rest, town.observing])
        await trio.sleep(12.0)
        town.network.heal()
        await trio.sleep(8.0)


async def same_name(town: Town) -> None:
    """A second peer takes a name."""
    town.start(town.dice.choice(town.peers).name)


async def clock_set_back(town: Town) -> None:
    """The observer's wall clock is set back."""
    town.wall_ahead_s -= town.dice.choice([5.0, 60.0, 3600.0])


async def healthy(town: Town) -> None:
    """Peers come, and leave in order."""
    peer = town.start("guest")
    await trio.sleep(15.0)
    peer.scope.cancel()


@dataclass(frozen=True)
class Scene:
    """A fault, the finding that names it, and after how many seconds it first shows at the observer."""

    fault: Fault
    finding: str
    symptom_s: float = 0.0
    also: tuple[str, ...] = ()
    """Findings that are true as well."""


SCENES = {
    "crash": Scene(crash, "peer-dead", GIVEN_UP_S),
    "partition": Scene(partition, "partition", GIVEN_UP_S, ("peer-dead",)),
    "cut-off": Scene(cut_off, "cut-off", GIVEN_UP_S, ("peer-dead", "partition", "own-error")),
    "in-error": Scene(in_error, "in-error", 10.0),
    "schema-mismatch": Scene(schema_mismatch, "schema-mismatch"),
    "restarts": Scene(restarts, "restarts", 15.0 + GIVEN_UP_S, ("peer-dead", "partition", "same-name", "flapping")),
    "flood": Scene(flood, "flood", 0.0, ("dropped", "impostor")),
    "flapping": Scene(flapping, "flapping", 55.0, ("peer-dead", "partition")),
    "same-name": Scene(same_name, "same-name"),
    "clock-set-back": Scene(clock_set_back, "clock-set-back"),
}  # fmt: skip


@dataclass
class Outcome:
    """What the doctor said."""

    found_s: dict[str, float] = field(default_factory=dict)
    """Finding to seconds after the fault."""
    texts: dict[str, str] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)
    """Findings before the fault."""


@contextmanager
def _wall_clock(town: Town) -> Iterator[None]:
    true = time.time
    time.time = town.wall
    try:
        yield
    finally:
        time.time = true


async def play(seed: int, fault: Fault, length_s: float, every_s: float = 1.0) -> Outcome:
    """One day: settle, the fault, and the doctor's looks."""
    outcome, town = Outcome(), Town(seed)
    with town.history, _wall_clock(town):
        async with trio.open_nursery() as nursery:
            town.nursery = nursery
            for name in NAMES[:PEERS]:
                town.start(name)
                await trio.sleep(0.2)
            await nursery.start(town.observe)
            await trio.sleep(SETTLE_S)
            outcome.before = {finding.name for finding in town.look()}
            begun = trio.current_time()
            nursery.start_soon(fault, town)
            while trio.current_time() - begun < length_s:
                await trio.sleep(every_s)
                for finding in town.look():
                    outcome.found_s.setdefault(finding.name, trio.current_time() - begun)
                    outcome.texts.setdefault(finding.name, f"{finding.seen.subject}: {finding.seen.text}")
            nursery.cancel_scope.cancel()
    return outcome


def run(seed: int, fault: Fault, length_s: float, every_s: float = 1.0) -> Outcome:
    """One day under virtual time."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(play, seed, fault, length_s, every_s, clock=clock)


def faults(name: str, scene: Scene, seeds: int) -> str:
    """A row of the table of faults."""
    limit_s = scene.symptom_s + FOUND_WITHIN_S
    times, wrong = [], Counter[str]()
    for seed in range(seeds):
        outcome = run(seed, scene.fault, limit_s + 3.0)
        at_s = outcome.found_s.get(scene.finding)
        if at_s is not None and at_s <= limit_s:
            times.append(at_s)
        wrong.update(set(outcome.found_s) - {scene.finding, *scene.also})
    middle = f"{sorted(times)[len(times) // 2]:.0f} s" if times else "-"
    others = ", ".join(f"{what} {count}" for what, count in wrong.items()) or "none"
    worst = f"{max(times):.0f} s" if times else "-"
    return f"| {name} | {scene.finding} | {len(times)} of {seeds} | {middle} | {worst} | {others} |"


def alarms(seeds: int) -> tuple[int, Counter[str]]:
    """Healthy days with an alarm, and which."""
    wrong, days = Counter[str](), 0
    for seed in range(1_000, 1_000 + seeds):
        outcome = run(seed, healthy, 45.0, 5.0)
        names = set(outcome.found_s) | outcome.before
        days += bool(names)
        wrong.update(names)
        if names:
            print(f"  seed {seed}: {outcome.texts}", flush=True)
    return days, wrong


def main() -> None:
    """Run and print the tables of docs/doctor.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--healthy", type=int, default=100)
    parser.add_argument("--only", choices=SCENES, action="append")
    chosen = parser.parse_args()
    print("| fault | finding | found in time | median after the fault | worst | other findings |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in chosen.only or SCENES:
        print(faults(name, SCENES[name], chosen.seeds), flush=True)
    if chosen.healthy:
        days, wrong = alarms(chosen.healthy)
        print(f"healthy days with an alarm: {days} of {chosen.healthy} {dict(wrong) or ''}")


if __name__ == "__main__":
    main()
