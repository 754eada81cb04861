"""Thirty peers on a bad network, by seed: whatever happened, once it is quiet all know the truth about all.

Each day has peers that join one after the other, changes everywhere, lost, doubled and overtaking messages, a
partition, two peers that crash, and one of them that comes back, by coin under its old identity or a new one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from ampubsub import Machine, State, Topic, TopicSettings
from ampubsub.topic import Source
from ampubsub.transport.memory import Faults, MemoryNetwork, MemoryTransport

PEERS = int(os.environ.get("AMPUBSUB_SIM_PEERS", "30"))
SEEDS = range(int(os.environ.get("AMPUBSUB_SIM_SEEDS", "20")))
HUBS = 3
QUIET_S = 900.0
"""How long the peers have, once the faults are over, until all must know all."""


def machine_of(name: str) -> Machine:
    schema = {
        "On": State(require=("Power",)),
        "Power": State(),
        "Blink": State(multi=True),
        "Off": State(remove=("On",)),
    }
    return Machine(schema, id=f"lamp-{name}", states=["Exception", "On", "Power", "Blink", "Off"])


class Villager:
    """One peer of the day: runs its topic until told to stop, politely or not."""

    def __init__(self, day: Day, name: str, peer_id: str | None = None) -> None:
        self.name = name
        self.transport: MemoryTransport = day.network.transport(name, peer_id)
        self.machine = machine_of(name)
        self.topic = Topic(
            "village",
            expose=[self.machine],
            listen=[f"/memory/{name}"],
            connect=[hub for hub in day.hubs if f"/{name}/" not in hub],
            transport=self.transport,
            settings=TopicSettings(stale_after_s=20.0, gone_after_s=20.0),
            suffix=name,
            seed=day.random.randrange(1 << 30),
        )
        self.scope = trio.CancelScope()
        self.crashed = False
        self.topic.watch(lambda event: day.looked_at.set())

    async def live(self) -> None:
        with self.scope:
            async with self.topic:
                await trio.sleep_forever()

    def crash(self, network: MemoryNetwork) -> None:
        self.crashed = True
        network.crash(self.transport)
        self.scope.cancel()


class Day:
    """The script of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        faults = Faults(delay_s=(0.002, 0.2), loss=0.1, duplication=0.1, reorder=True, detection_s=10.0)
        self.network = MemoryNetwork(seed=seed, faults=faults)
        self.hubs: list[str] = []
        self.villagers: list[Villager] = []
        self.looked_at = trio.Event()

    @property
    def living(self) -> list[Villager]:
        return [villager for villager in self.villagers if not villager.crashed]

    async def run(self, nursery: trio.Nursery) -> None:
        for number in range(PEERS):
            villager = Villager(self, f"v{number:02}")
            self.villagers.append(villager)
            nursery.start_soon(villager.live)
            await trio.sleep(self.random.uniform(0.05, 0.25))
            if number < HUBS:
                self.hubs.append(villager.transport.addresses[0])
        await self.change_everywhere(8)
        island = self.random.sample(self.villagers[HUBS:], PEERS // 3)
        self.network.partition([villager.transport for villager in island])
        await self.change_everywhere(8)
        victims = self.random.sample(self.villagers[HUBS:], 2)
        for victim in victims:
            victim.crash(self.network)
        await self.change_everywhere(5)
        self.network.heal()
        old_identity = victims[0].transport.peer_id if self.random.random() < 0.5 else None
        reborn = Villager(self, victims[0].name, old_identity)
        self.villagers.append(reborn)
        nursery.start_soon(reborn.live)
        await self.change_everywhere(8)
        self.network.faults = Faults(detection_s=10.0)

    async def change_everywhere(self, rounds: int) -> None:
        for _ in range(rounds):
            await trio.sleep(self.random.uniform(0.1, 1.0))
            for villager in self.random.sample(self.living, 5):
                change = self.random.choice(
                    (villager.machine.add, villager.machine.add, villager.machine.remove)
                )
                change(*self.random.sample(("On", "Power", "Blink", "Off"), self.random.randint(1, 2)))

    def doubts(self) -> Iterator[str]:
        """What some living peer does not know, or knows wrongly."""
        living = {villager.transport.peer_id: villager for villager in self.living}
        for villager in self.living:
            known = {machine.key: machine for machine in villager.topic.network_machines}
            for peer_id, other in living.items():
                if other is villager:
                    continue
                replica = known.pop((peer_id, 0), None)
                if replica is None:
                    yield f"{villager.name} does not know {other.name}"
                elif replica.time() != other.machine.time():
                    yield f"{villager.name} has {replica.time()} of {other.name}, true is {other.machine.time()}"
                elif dict(replica.schema) != dict(other.machine.schema):
                    yield f"{villager.name} has another schema of {other.name}"
            for key, replica in known.items():
                if replica.source not in (Source.STALE, Source.GONE):
                    yield f"{villager.name} still trusts {key}, which is {replica.source}"

    async def settle(self) -> float:
        start = trio.current_time()
        with trio.move_on_after(QUIET_S):
            while next(self.doubts(), None) is not None:
                self.looked_at = trio.Event()
                with trio.move_on_after(5):
                    await self.looked_at.wait()
                await trio.sleep(0.5)
        return trio.current_time() - start


@pytest.mark.trio
@pytest.mark.parametrize("seed", SEEDS)
async def test_after_a_bad_day_all_know_the_truth_about_all(seed: int, mock_clock: Any) -> None:
    clock: MockClock = mock_clock
    clock.autojump_threshold = 0
    day = Day(seed)
    async with trio.open_nursery() as nursery:
        await day.run(nursery)
        took = await day.settle()
        doubts = list(day.doubts())
        nursery.cancel_scope.cancel()
    assert doubts == []
    print(f"seed {seed}: settled after {took:.0f} s")
