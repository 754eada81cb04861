"""A peer that comes back under its old identity; messages of its lives that come late, twice or out of order."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from ampubsub import State, Topic, wire
from ampubsub.machine import Time
from ampubsub.transport.interface import MessageReceived

pytestmark = pytest.mark.trio

PEER = "12D3KooWpeer"


def info(name: str, *ticks: int) -> wire.Info:
    states = ("Exception", "On")
    return wire.Info(name, dict.fromkeys(states, State()), states, Time(ticks or (0, 0)), None, "")


def describe(*machines: wire.Info, peer: str = PEER) -> wire.Message:
    return wire.MsgInfo(peer_info={peer: dict(enumerate(machines))}, peer_gossips={})


def update(*ticks: int) -> wire.Message:
    return wire.MsgUpdates(peer_clocks={PEER: {0: Time(ticks)}})


def bye(name: str, *ticks: int) -> wire.Message:
    return wire.MsgBye(machs={0: wire.ByeMachine(True, name, Time(ticks))})


async def hear(topic: Topic, sequence: int, message: wire.Message, author: str = PEER) -> list[object]:
    """Let a topic hear one message; returns the machines that it then knows."""
    topic._driver.take(MessageReceived("home", author, wire.encode(message), "", sequence))
    await trio.testing.wait_all_tasks_blocked()
    return [(machine.remote_id, *machine.time()) for machine in topic.network_machines]


async def test_a_peer_that_comes_back_with_fewer_machines_at_other_indexes_leaves_no_ghosts(
    village, autojump_clock
) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        assert len(await hear(a, 10, describe(info("one", 0, 5), info("two"), info("three")))) == 3
        assert await hear(a, 20, describe(info("two", 0, 1))) == [("two", 0, 1)]


async def test_one_part_of_a_long_description_takes_nothing_away(village, autojump_clock) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        await hear(a, 10, describe(info("one"), info("two")))
        part = wire.MsgInfo(peer_info={PEER: {0: info("one", 0, 1)}}, peer_gossips={PEER: {0: 1, 1: 0}})
        assert await hear(a, 11, part) == [("one", 0, 1), ("two", 0, 0)]


async def test_a_bye_of_an_earlier_life_that_comes_late_does_not_end_the_present_one(
    village, autojump_clock
) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        await hear(a, 10, describe(info("one", 0, 5)))
        await hear(a, 30, describe(info("one", 0, 1)))
        assert await hear(a, 20, bye("one", 0, 5)) == [("one", 0, 1)]
        assert await hear(a, 31, bye("one", 0, 1)) == []
        assert await hear(a, 31, bye("one", 0, 1)) == [], "twice is once"
        assert await hear(a, 29, update(0, 9)) == [], "what was said before the bye does not bring it back"
        assert a.peers[PEER].status == "gone"


async def test_updates_before_the_description_and_out_of_order_end_at_the_newest(
    village, autojump_clock
) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        assert await hear(a, 40, update(0, 3)) == []
        assert await hear(a, 39, describe(info("one", 0, 1))) == [("one", 0, 3)]
        for sequence, tick in ((42, 7), (41, 6), (42, 7), (40, 3)):
            told = await hear(a, sequence, update(0, tick))
        assert told == [("one", 0, 7)]
        assert a.network_machines[0].source == "first-hand"


async def test_of_two_tellers_who_contradict_each_other_neither_wins_over_the_owner(
    village, autojump_clock
) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        await hear(a, 1, describe(info("x", 0, 5)), "teller1")
        assert await hear(a, 2, describe(info("y", 0, 9)), "teller2") == [("x", 0, 5)]
        assert a.network_machines[0].source == "hearsay"
        assert await hear(a, 1, describe(info("y", 0, 1))) == [("y", 0, 1)]
        assert a.network_machines[0].source == "first-hand"


async def test_what_others_say_of_ourselves_changes_nothing(village, autojump_clock) -> None:
    async with village.topic("a", village.lamp("mine")) as a:
        await a.machine.when("Joined")
        await hear(a, 1, describe(info("stolen"), peer=a.peer_id))
        await hear(a, 2, wire.MsgUpdates(peer_clocks={a.peer_id: {0: Time((1, 1))}}))
        await hear(a, 3, wire.MsgGossip(peer_gossips={a.peer_id: {0: 99, 5: 1}}))
        assert a.network_machines == ()
        assert a.exposed[0].time() == (0, 0, 0, 0)
        assert a.machine.not_("Exception")
