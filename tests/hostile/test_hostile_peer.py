"""A hostile peer changes nothing: what it sends is dropped, counted, visible, and the others go on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from ampubsub import State, TopicSettings, wire
from ampubsub.machine import Time

pytestmark = pytest.mark.trio


@asynccontextmanager
async def villain(village, address: str):
    """A bare transport on the topic: it can publish whatever it likes, signed as itself."""
    transport = village.network.transport("villain")
    async with transport.opened(["/memory/villain"]):
        await transport.connect(address)
        await transport.join("home")
        yield transport


def forged(**changes) -> wire.Info:
    names = ("Exception", "On")
    info = wire.Info(
        id="forged",
        schema=dict.fromkeys(names, State()),
        states=names,
        mtime=Time((0, 0)),
        tags=None,
        parent="",
    )
    return replace(info, **changes)


async def test_garbage_is_dropped_and_counted_and_the_topic_goes_on(village, autojump_clock, knows) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b, villain(village, a.addresses[0]) as bad:
            await village.until(lambda: knows(b, "kitchen"))
            for data in (b"", b"\xc1", b"\x00" * 100, b"\xff" * 1000, b"\x81\xa4Type\xa4what"):
                await bad.publish("home", data)
            await trio.sleep(5)
            assert sum(a.peers[bad.peer_id].dropped.values()) + a.machine.tick("MsgReceived") // 2 >= 4
            a.exposed[0].add("Power")
            (remote,) = await b.list_machines()
            await remote.when("Power")
            assert a.machine.not_("Exception")
            assert b.machine.not_("Exception")


async def test_deep_nesting_that_is_cut_short_is_refused_and_not_an_error_of_ours(
    village, autojump_clock, knows
) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b, villain(village, a.addresses[0]) as bad:
            await village.until(lambda: knows(b, "kitchen"))
            (remote,) = await b.list_machines()
            await village.until(lambda: bad.peer_id in a.peers)
            for depth in (400, 500, 1_000, 1_100):
                await bad.publish("home", b"\x82\xa4Type\xa6gossip\xa1x" + b"\x91" * depth)
                a.exposed[0].add("Blink")
                await trio.sleep(1)
            assert remote.time() == tuple(a.exposed[0].time())
            for peer in (a, b):
                assert peer.machine.not_("Exception"), peer.machine.err
                assert peer.dropped["generic"] == 4


async def test_nobody_can_speak_for_a_peer_that_speaks_itself(village, autojump_clock, knows) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b, villain(village, a.addresses[0]) as bad:
            await village.until(lambda: knows(b, "kitchen"))
            (remote,) = await b.list_machines()
            for message in (
                wire.MsgInfo(peer_info={a.peer_id: {0: forged(), 7: forged()}}, peer_gossips={}),
                wire.MsgUpdates(peer_clocks={a.peer_id: {0: Time((0, 9, 9, 9))}}),
                wire.MsgBye(machs={0: wire.ByeMachine(True, "kitchen", Time((0, 0, 0, 0)))}),
                wire.MsgGossip(peer_gossips={a.peer_id: {0: 99}}),
            ):
                await bad.publish("home", wire.encode(message))
            await trio.sleep(30)
            assert knows(b, "kitchen")
            assert remote.time() == (0, 0, 0, 0)
            assert remote.source == "first-hand", "the owner was asked and has said what is true"


async def test_a_flood_is_cut_off_and_others_are_still_heard(village, autojump_clock, knows) -> None:
    settings = TopicSettings(messages_per_peer=50)
    async with village.topic("a", village.lamp("kitchen"), settings=settings) as a:
        await a.machine.when("Joined")
        async with (
            village.topic("b", village.lamp("hall"), to=a.addresses) as b,
            villain(village, a.addresses[0]) as bad,
        ):
            await village.until(lambda: knows(a, "hall"))
            data = wire.encode(wire.MsgReqInfo(peer_ids=("nobody",)))
            for _ in range(500):
                await bad.publish("home", data)
            b.exposed[0].add("Power")
            (remote,) = await a.list_machines()
            await remote.when("Power")
            assert a.peers[bad.peer_id].dropped["rate-peer"] >= 400
            assert a.dropped["rate-peer"] >= 400


async def test_a_flood_of_invented_peers_and_machines_stays_bounded(village, autojump_clock, knows) -> None:
    settings = TopicSettings(max_peers=30, max_machines_per_peer=10)
    async with village.topic("a", settings=settings) as a:
        await a.machine.when("Joined")
        async with villain(village, a.addresses[0]) as bad:
            for number in range(20):
                peers = {f"invented{number}-{i}": {0: forged()} for i in range(10)}
                await bad.publish("home", wire.encode(wire.MsgInfo(peer_info=peers, peer_gossips={})))
            own = {bad.peer_id: {index: forged() for index in range(50)}}
            await bad.publish("home", wire.encode(wire.MsgInfo(peer_info=own, peer_gossips={})))
            await trio.sleep(5)
            assert len(a.peers) <= 31
            assert len(a.network_machines) <= 30
            assert a.dropped["too-many-peers"] > 0
            assert a.dropped["too-many-machines"] > 0
            async with village.topic("b", village.lamp("hall"), to=a.addresses):
                await village.until(lambda: any(m.remote_id == "hall" for m in a.network_machines))


async def test_a_clock_of_the_wrong_length_changes_nothing(village, autojump_clock, knows) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        async with villain(village, a.addresses[0]) as bad:
            await bad.publish(
                "home", wire.encode(wire.MsgInfo(peer_info={bad.peer_id: {0: forged()}}, peer_gossips={}))
            )
            await village.until(lambda: knows(a, "forged"))
            (remote,) = await a.list_machines()
            for clock in ((), (1,), (1, 2, 3)):
                message = wire.MsgUpdates(peer_clocks={bad.peer_id: {0: Time(clock)}})
                await bad.publish("home", wire.encode(message))
            await trio.sleep(5)
            assert remote.time() == (0, 0)
            assert a.dropped["clock-length"] == 3


async def test_a_message_that_names_peers_with_nothing_about_them_is_harmless(
    village, autojump_clock, knows
) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b, villain(village, a.addresses[0]) as bad:
            await village.until(lambda: knows(b, "kitchen"))
            for peer_id in (bad.peer_id, a.peer_id, b.peer_id, "12D3KooWnobody"):
                await bad.publish("home", wire.encode(wire.MsgInfo({peer_id: None}, {peer_id: None})))
                await bad.publish("home", wire.encode(wire.MsgInfo({peer_id: {0: None}}, None)))
                await bad.publish("home", wire.encode(wire.MsgUpdates({peer_id: None})))
                await bad.publish("home", wire.encode(wire.MsgUpdates({peer_id: {0: None, 5: None}})))
                await bad.publish("home", wire.encode(wire.MsgGossip({peer_id: None})))
            for message in (
                wire.MsgInfo(),
                wire.MsgUpdates(),
                wire.MsgGossip(),
                wire.MsgReqInfo(),
                wire.MsgBye(),
            ):
                await bad.publish("home", wire.encode(message))
            await trio.sleep(10)
            assert knows(b, "kitchen")
            assert a.machine.not_("Exception"), a.machine.err
            assert b.machine.not_("Exception"), b.machine.err


async def test_ticks_at_the_top_of_64_bits_do_not_break_those_who_tell_their_sums(
    village, autojump_clock, knows
) -> None:
    top = (1 << 64) - 1
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b, villain(village, a.addresses[0]) as bad:
            await village.until(lambda: knows(b, "kitchen"))
            huge = wire.MsgInfo(peer_info={bad.peer_id: {0: forged(mtime=Time((top, top)))}}, peer_gossips={})
            await bad.publish("home", wire.encode(huge))
            await village.until(lambda: knows(b, "forged", "kitchen"))
            async with village.topic("c", to=a.addresses) as c:
                await village.until(lambda: knows(c, "forged", "kitchen"))
                await trio.sleep(60)
                for peer in (a, b, c):
                    assert peer.machine.not_("Exception"), peer.machine.err


async def test_a_clock_of_ours_that_passes_64_bits_begins_again_at_0_as_in_go(
    village, autojump_clock, knows
) -> None:
    kitchen = village.lamp("kitchen")
    kitchen.import_(replace(kitchen.export(), time=Time([(1 << 64) - 1] * 4)))
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            kitchen.remove("Power")
            await b.network_machines[0].when_not("Power")
            assert b.network_machines[0].tick("Power") == 0
            await trio.sleep(30)
            assert a.machine.not_("Exception"), a.machine.err
