"""Five villains at once, each saying the same wrong thing ten times a second: honest peers find each other all the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import count

import pytest
import trio

from ampubsub import State, Topic, wire
from ampubsub.machine import Time

pytestmark = pytest.mark.trio

Attack = Callable[[tuple[str, ...], int], wire.Message]


def ask_for_all(peers: tuple[str, ...], number: int) -> wire.Message:
    return wire.MsgReqInfo(peer_ids=peers)


def forge_all(peers: tuple[str, ...], number: int) -> wire.Message:
    schema = dict.fromkeys(("Exception", "Lie"), State())
    lie = wire.Info("kitchen", schema, tuple(schema), Time((1 << 40, 1 << 40)), None, "")
    return wire.MsgInfo(peer_info={peer: {0: lie} for peer in peers}, peer_gossips={})


def invent(peers: tuple[str, ...], number: int) -> wire.Message:
    return wire.MsgGossip(peer_gossips={f"invented{number}-{i}": {0: 5} for i in range(100)})


def claim_later_clocks(peers: tuple[str, ...], number: int) -> wire.Message:
    return wire.MsgGossip(peer_gossips={peer: {0: 1 << 50} for peer in peers})


ATTACKS: list[Attack] = [ask_for_all, forge_all, invent, claim_later_clocks]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_a_newcomer_learns_all_within_10_s_and_changes_are_known_within_2(
    village, autojump_clock, attack: Attack
) -> None:
    def true(topic: Topic, ids: set[str]) -> bool:
        sure = [m for m in topic.network_machines if m.source == "first-hand" and "Power" in m.schema]
        return ids <= {machine.remote_id for machine in sure}

    def told(machine_id: str, tick: int, topic: Topic) -> bool:
        return any(m.remote_id == machine_id and m.tick("Blink") == tick for m in topic.network_machines)

    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        root = await stack.enter_async_context(village.topic("root", village.lamp("hall")))
        await root.machine.when("Joined")
        names = [f"room{number}" for number in range(3)]
        honest = [root]
        for name in names:
            topic = village.topic(name, village.lamp(name), to=root.addresses)
            honest.append(await stack.enter_async_context(topic))

        async def villain(name: str) -> None:
            transport = village.network.transport(name)
            async with transport.opened([f"/memory/{name}"]):
                await transport.connect(root.addresses[0])
                await transport.join("home")
                for number in count():
                    message = attack(tuple(topic.peer_id for topic in village.topics), number)
                    await transport.publish("home", wire.encode(message))
                    await trio.sleep(0.1)

        for number in range(5):
            nursery.start_soon(villain, f"villain{number}")
        await trio.sleep(4)
        async with village.topic("new", village.lamp("new"), to=root.addresses) as new:
            await village.until(lambda: true(new, {"hall", *names}), within=10)
            await village.until(lambda: all(true(topic, {"new"}) for topic in honest), within=10)
            for topic in (*honest, new):
                (machine,) = topic.exposed.values()
                machine.add("Blink")
                others = [other for other in (*honest, new) if other is not topic]
                tick = machine.tick("Blink")
                for other in others:
                    await village.until(lambda o=other, m=machine, t=tick: told(m.id, t, o), within=2)
            for topic in (*honest, new):
                assert topic.machine.not_("Exception"), topic.machine.err
        nursery.cancel_scope.cancel()
