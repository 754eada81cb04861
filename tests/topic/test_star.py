"""Twenty peers around a root that exposes nothing: found quickly, and without a flood."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio

pytestmark = pytest.mark.trio


async def star(village, stack: AsyncExitStack, peers: int, machines: int, apart_s: float = 0.1) -> list:
    root = await stack.enter_async_context(village.topic("root"))
    await root.machine.when("Joined")
    topics = [root]
    for number in range(peers - 1):
        exposed = [village.lamp(f"m{number}-{index}") for index in range(machines)]
        topics.append(
            await stack.enter_async_context(village.topic(f"p{number}", *exposed, to=root.addresses))
        )
        await trio.sleep(apart_s)
    return topics


def all_know_all(topics: list, peers: int, machines: int) -> bool:
    return all(len(topic.network_machines) == (peers - 1) * machines - len(topic.exposed) for topic in topics)


@pytest.mark.parametrize("apart_s", [0.0, 0.3])
async def test_twenty_peers_with_three_machines_each_list_all(village, autojump_clock, apart_s) -> None:
    async with AsyncExitStack() as stack:
        topics = await star(village, stack, 20, 3, apart_s)
        took = await village.until(lambda: all_know_all(topics, 20, 3))
        assert took < 4.0, "8 s on a real network"
        sent = sum(sum(topic.peers[topic.peer_id].messages_out.values()) for topic in topics)
        assert sent < 400, "no flood"


async def test_a_change_is_known_everywhere_within_a_second(village, autojump_clock) -> None:
    async with AsyncExitStack() as stack:
        topics = await star(village, stack, 20, 3)
        await village.until(lambda: all_know_all(topics, 20, 3))
        await trio.sleep(20)
        lamp = topics[5].exposed[1]
        replicas = [
            machine for topic in topics for machine in topic.network_machines if machine.remote_id == lamp.id
        ]
        assert len(replicas) == 19
        start = trio.current_time()
        lamp.add("Power")
        for replica in replicas:
            await replica.when("Power")
        assert trio.current_time() - start < 0.2


async def test_in_the_end_everybody_has_everything_first_hand(village, autojump_clock) -> None:
    async with AsyncExitStack() as stack:
        topics = await star(village, stack, 8, 2)
        await village.until(lambda: all_know_all(topics, 8, 2))
        await village.until(
            lambda: all(m.source == "first-hand" for topic in topics for m in topic.network_machines)
        )
