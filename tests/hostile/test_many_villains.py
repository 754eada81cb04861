"""Five villains at once, each saying wrong things ten times a second: honest peers find each other all the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import count
from random import Random

import pytest
import trio

from ampubsub import State, Topic, wire
from ampubsub.machine import Time
from ampubsub.transport.interface import MessageReceived, Transport

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


def name_with_nothing(peers: tuple[str, ...], number: int) -> wire.Message:
    nothing: list[wire.Message] = [
        wire.MsgInfo(dict.fromkeys(peers), dict.fromkeys(peers)),
        wire.MsgInfo({peer: {} for peer in peers}, {peer: {} for peer in peers}),
        wire.MsgInfo({peer: {0: None} for peer in peers}, None),
        wire.MsgGossip({peer: {} for peer in peers}),
    ]
    return nothing[number % len(nothing)]


def tell_later_clocks(peers: tuple[str, ...], number: int) -> wire.Message:
    return wire.MsgUpdates({peer: {0: Time((0, 0, 0, 1000 + number))} for peer in peers})


def say_bye(peers: tuple[str, ...], number: int) -> wire.Message:
    return wire.MsgBye({0: wire.ByeMachine(True, "hall", Time((0,)))})


ATTACKS: list[Attack] = [
    ask_for_all,
    forge_all,
    invent,
    claim_later_clocks,
    name_with_nothing,
    tell_later_clocks,
    say_bye,
]
_CHOICE = Random(1)


def any_of_these(peers: tuple[str, ...], number: int) -> wire.Message:
    return _CHOICE.choice(ATTACKS)(peers, number)


@pytest.mark.parametrize("attack", [*ATTACKS, any_of_these], ids=lambda attack: attack.__name__)
async def test_a_newcomer_learns_all_within_10_s_and_changes_are_known_within_2(
    village, autojump_clock, attack: Attack
) -> None:
    def true(topic: Topic, ids: set[str], *sources: str) -> bool:
        honest = [m for m in topic.network_machines if "Power" in m.schema]
        return ids <= {m.remote_id for m in honest if not sources or m.source in sources}

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
            await village.until(lambda: true(new, {"hall", *names}, "first-hand"), within=20)
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


async def test_a_schema_that_somebody_invented_is_never_called_first_hand_and_the_owner_corrects_it(
    village, autojump_clock
) -> None:
    far = village.topic("far", village.lamp("far"))
    async with village.topic("root") as root, far:
        await root.machine.when("Joined")
        names = ("Exception", "Lie1", "Lie2", "Lie3")
        lie = wire.Info("far", dict.fromkeys(names, State()), names, Time((0, 0, 0, 0)), None, "")
        transport = village.network.transport("villain")
        async with transport.opened(["/memory/villain"]):
            await transport.connect(root.addresses[0])
            await transport.join("home")
            forged = wire.MsgInfo(peer_info={far.peer_id: {0: lie}}, peer_gossips={})
            await transport.publish("home", wire.encode(forged))
            await village.until(lambda: len(root.network_machines) == 1)
            seen = set()
            root.watch(lambda _: seen.update((m.source, "Lie1" in m.schema) for m in root.network_machines))
            clock = wire.MsgUpdates(peer_clocks={far.peer_id: {0: Time((0, 1, 0, 0))}})
            root._driver.take(MessageReceived("home", far.peer_id, wire.encode(clock), "", 0))
            await village.until(lambda: root.network_machines[0].is_("Lie1"))
            await transport_of(far).connect(root.addresses[0])
            await village.until(lambda: "Power" in root.network_machines[0].schema)
            assert root.network_machines[0].source == "first-hand"
            assert ("first-hand", True) not in seen


def transport_of(topic: Topic) -> Transport:
    return topic.host.transport
