"""Machines and peers come and go while others look on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from ampubsub import Machine, State, TopicSettings
from ampubsub.machine import MachineGoneError
from ampubsub.topic import ExposeError, MachineGone, MachineReplaced, PeerStatus, Source
from ampubsub.topic.changes import Changed

pytestmark = pytest.mark.trio


async def test_a_machine_exposed_later_is_seen_and_one_taken_back_is_gone(
    village, autojump_clock, knows
) -> None:
    kitchen, hall = village.lamp("kitchen"), village.lamp("hall")
    async with village.topic("a", kitchen) as a, village.topic("x") as x:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            assert a.expose(hall) == 1
            assert await village.until(lambda: knows(b, "kitchen", "hall")) < 0.5
            a.unexpose(kitchen)
            assert await village.until(lambda: knows(b, "hall")) < 0.5
            assert a.expose(kitchen) == 2, "an index is never used again"
            await village.until(lambda: knows(b, "hall", "kitchen"))
            assert x.peer_id not in b.peers


async def test_one_machine_takes_the_place_of_another(village, autojump_clock, knows) -> None:
    old, new = village.lamp("old"), Machine({"Up": State()}, id="new")
    async with village.topic("a", old) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "old"))
            assert a.replace(old, new) == 1
            await village.until(lambda: knows(b, "new"))


async def test_what_cannot_be_exposed_is_refused_in_words(village, autojump_clock) -> None:
    lamp = village.lamp("kitchen")
    topic = village.topic("a", lamp)
    with pytest.raises(ExposeError, match="'kitchen' is exposed already"):
        topic.expose(lamp)
    with pytest.raises(ExposeError, match="not exposed"):
        topic.unexpose(village.lamp("hall"))
    with pytest.raises(ExposeError, match="its own topic"):
        topic.expose(topic.machine)


async def test_a_machine_that_is_disposed_of_is_exposed_no_longer(village, autojump_clock, knows) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            kitchen.dispose()
            await village.until(lambda: knows(b))
            assert a.exposed == {}


async def test_a_peer_that_leaves_says_bye_and_what_waits_on_its_machines_ends(
    village, autojump_clock, knows
) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        b = village.topic("b", village.lamp("kitchen"), to=a.addresses)
        seen = []
        a.watch(seen.append)
        async with b:
            await village.until(lambda: knows(a, "kitchen"))
            (remote,) = await a.list_machines()
            waiter = remote.when("On")
        with pytest.raises(MachineGoneError, match=r"kitchen.*bye"):
            await waiter
        assert remote.source is Source.GONE
        assert a.peers[b.peer_id].status is PeerStatus.GONE
        assert [e.reason for e in seen if isinstance(e, MachineGone)] == ["it said bye"]
        assert await a.list_machines() == []


async def test_a_peer_that_vanishes_is_stale_then_gone(village, autojump_clock, knows) -> None:
    settings = TopicSettings(gone_after_s=30, forget_after_s=100)
    async with village.topic("a", settings=settings) as a:
        await a.machine.when("Joined")
        b = village.topic(
            "b", village.lamp("kitchen"), to=a.addresses, settings=replace(settings, silent=False)
        )
        async with b:
            await village.until(lambda: knows(a, "kitchen"))
            (remote,) = await a.list_machines()
            await b.host.transport.leave("home")
            await village.until(lambda: remote.source is Source.STALE, within=5)
            assert knows(a, "kitchen")
            took = await village.until(lambda: remote.source is Source.GONE, within=60)
            assert 25 < took < 40
            assert a.peers[b.peer_id].status is PeerStatus.GONE


async def test_a_restarted_machine_is_recognised_though_its_clock_is_lower(
    village, autojump_clock, knows
) -> None:
    first, second = village.lamp("kitchen"), village.lamp("kitchen")
    first.add("Power", "On")
    first.add("Blink")
    transport = village.network.transport("b")
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        seen = []
        a.watch(seen.append)
        async with village.topic("b", first, to=a.addresses, transport=transport):
            await village.until(lambda: knows(a, "kitchen"))
        await village.until(lambda: knows(a))
        second.add("Power")
        async with village.topic("b", second, to=a.addresses, transport=transport):
            await village.until(lambda: knows(a, "kitchen"))
            (remote,) = await a.list_machines()
            assert remote.time() == second.time()
            assert remote.source is Source.FIRST_HAND


async def test_a_clock_that_is_set_back_is_told_as_a_restart_and_the_replica_goes_on(
    village, autojump_clock, knows
) -> None:
    kitchen = village.lamp("kitchen")
    kitchen.add("Power", "On")
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        seen = []
        a.watch(seen.append)
        async with village.topic("b", kitchen, to=a.addresses) as b:
            await village.until(lambda: knows(a, "kitchen"))
            (remote,) = await a.list_machines()
            fresh = village.lamp("kitchen")
            b._driver.local(Changed(0, fresh.time()))
            await village.until(lambda: remote.time() == fresh.time())
            assert [e.machine_id for e in seen if isinstance(e, MachineReplaced)] == ["kitchen"]
            waiter = remote.when("Power")
            fresh.add("Power")
            b._driver.local(Changed(0, fresh.time()))
            await waiter


async def test_a_killed_peer_that_comes_back_with_a_new_identity_is_a_new_peer(
    village, autojump_clock, knows
) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        async with village.topic("b", village.lamp("kitchen"), to=a.addresses) as b:
            await village.until(lambda: knows(a, "kitchen"))
        async with village.topic("c", village.lamp("kitchen"), to=a.addresses) as c:
            await village.until(lambda: knows(a, "kitchen"))
            (remote,) = await a.list_machines()
            assert remote.owner == c.peer_id != b.peer_id


async def test_everybody_hears_of_a_crash_through_silence(village, autojump_clock, knows) -> None:
    settings = TopicSettings(stale_after_s=40, gone_after_s=20)
    async with village.topic("root", settings=settings) as root:
        await root.machine.when("Joined")
        async with (
            village.topic("a", village.lamp("one"), to=root.addresses, settings=settings) as a,
            village.topic("b", village.lamp("two"), to=root.addresses, settings=settings) as b,
        ):
            await village.until(lambda: knows(a, "two") and knows(b, "one"))
            await trio.sleep(200)
            assert knows(a, "two"), "signs of life keep it"
            village.network.crash(b.host.transport)
            await village.until(lambda: knows(a), within=120)
