"""What the first version of the peer got wrong around its protocol: tasks, blocks, hosts, watchers, waits, threads."""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack

import pytest
import trio

from ampubsub import Host, ListFilters, Machine, State, Topic, wire
from ampubsub.machine import MachineError, MachineGoneError, Time
from ampubsub.topic import (
    ExposeError,
    LifeVerdict,
    MachineExposed,
    NotFoundError,
    Noticed,
    PeerStatus,
    Source,
    StartError,
)
from ampubsub.transport.interface import MessageReceived
from tests.topic.net import info

pytestmark = pytest.mark.trio


@pytest.mark.parametrize("which", ["tick", "receive_direct", "receive"])
async def test_a_task_that_dies_is_told_of_and_goes_on(village, autojump_clock, knows, which: str) -> None:
    lamp = village.lamp("kitchen")
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(village.topic("a", lamp))
        await a.machine.when("Joined")
        b = await stack.enter_async_context(village.topic("b", to=a.addresses))
        await village.until(lambda: knows(b, "kitchen"))
        seen: list[object] = []
        victim = a if which == "tick" else b
        victim.watch(seen.append)
        method = getattr(victim._protocol, which)
        faults = [ValueError("a fault of ours")]

        def broken(*args: object) -> object:
            if faults:
                raise faults.pop()
            return method(*args)

        setattr(victim._protocol, which, broken)
        lamp.add("Power")
        await trio.sleep(5)
        lamp.add("On")
        await b.network_machines[0].when("On")
        assert any("a fault of ours" in e.text for e in seen if isinstance(e, Noticed))


async def test_a_block_that_is_cancelled_still_says_bye(village, autojump_clock, knows) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        with trio.CancelScope() as scope:
            async with village.topic("b", village.lamp("kitchen"), to=a.addresses) as b:
                await village.until(lambda: knows(a, "kitchen"))
                scope.cancel()
                await trio.sleep_forever()
        assert a.peers[b.peer_id].reason == "it said bye"
        await trio.sleep(5)
        assert a.peers[b.peer_id].status is PeerStatus.GONE
        assert a.peers[b.peer_id].verdict is LifeVerdict.LEFT


async def test_what_the_block_raises_comes_out_as_it_is_and_bye_is_said(
    village, autojump_clock, knows
) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        with pytest.raises(ValueError, match="mine"):  # noqa: PT012
            async with village.topic("b", village.lamp("kitchen"), to=a.addresses) as b:
                await village.until(lambda: knows(a, "kitchen"))
                raise ValueError("mine")
        assert a.peers[b.peer_id].reason == "it said bye"


async def test_two_topics_on_a_host_that_is_not_open_yet_both_start(village, autojump_clock) -> None:
    host = Host(village.network.transport("host"))
    with trio.fail_after(60):
        async with (
            village.topic("one", host=host) as one,
            village.topic("two", host=host, topic="garden") as two,
        ):
            await one.join()
            await two.join()


async def test_a_listen_address_that_is_refused_ends_the_wait_to_join_in_words(
    village, autojump_clock
) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        twin = village.network.transport("twin", peer_id=a.peer_id)
        async with village.topic("b", transport=twin) as b:
            with pytest.raises(StartError, match="could not be opened"), trio.fail_after(60):
                await b.join()


async def test_a_label_can_be_printed_whatever_a_machine_is_called(village, autojump_clock) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        evil = b"\x1b]0;owned\x07".decode() + "\udcff\u202e"
        data = wire.encode(wire.MsgInfo({"villain": {0: info(evil)}}, {}))
        a._driver.take(MessageReceived("home", "villain", data, "", 10))
        remote = await a.find(ListFilters(peer_id="villain"), timeout=5)
        assert remote.remote_id == evil
        assert remote.label == r"\x1b]0;owned\x07\udcff\u202e"
        assert remote.label.encode().isascii()


async def test_a_wait_believes_the_owner_only_unless_told_otherwise(village, autojump_clock) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")

        def hear(author: str, number: int, *ticks: int) -> None:
            data = wire.encode(wire.MsgInfo({"owner": {0: info("door", *ticks)}}, {}))
            a._driver.take(MessageReceived("home", author, data, "", number))

        hear("liar", 1, 0, 1, 1, 0)
        remote = await a.find(id="door", source=Source.HEARSAY, timeout=5)
        assert remote.is_("On")
        assert await a.list_machines(source=Source.FIRST_HAND) == []
        assert remote.when("On", source=Source.HEARSAY).done
        waiting, off = remote.when("On"), remote.when_not("On")
        hear("liar", 2, 0, 3, 3, 0)
        await trio.sleep(1)
        assert not waiting.done
        hear("owner", 3, 0, 0, 0, 0)
        await off
        assert not waiting.done
        hear("owner", 4, 0, 1, 1, 0)
        await waiting


async def test_a_wait_for_more_trust_ends_with_its_machine(village, autojump_clock) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        data = wire.encode(wire.MsgInfo({"owner": {0: info("door")}}, {}))
        a._driver.take(MessageReceived("home", "liar", data, "", 1))
        remote = await a.find(id="door", source=Source.HEARSAY, timeout=5)
        waiting = remote.when("On")
    with pytest.raises(MachineGoneError):
        await waiting


async def test_a_wait_for_ticks_ends_with_an_error_when_the_machine_restarts(village, autojump_clock) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        for number, tick in ((1, 599), (2, 1)):
            data = wire.encode(wire.MsgInfo({"owner": {0: info("door", 0, 0, 0, tick)}}, {}))
            a._driver.take(MessageReceived("home", "owner", data, "", number))
            if number == 1:
                remote = await a.find(id="door", timeout=5)
                waiting = remote.when_ticks("Blink", 1)
        with pytest.raises(MachineError, match="restarted"):
            await waiting


async def test_finding_waits_for_the_owners_word_and_ends_in_words(village, autojump_clock) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        with pytest.raises(NotFoundError, match="no machine matched door within 2 s"):
            await a.find(id="door", timeout=2)
        async with village.topic("b", village.lamp("door"), to=a.addresses):
            assert (await a.find(id="door", timeout=10)).source is Source.FIRST_HAND
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                with pytest.raises(StartError, match="stopped"):
                    await a.find(id="never")

            nursery.start_soon(wait)
            await trio.sleep(1)
            await a.stop()


async def test_events_can_be_iterated_and_losses_are_told(village, autojump_clock) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        heard: list[object] = []

        async def read() -> None:
            async for event in a.events():
                heard.append(event)  # noqa: PERF401

        async def read_slowly() -> None:
            async for event in a.events(most=2):
                slow.append(event)
                await trio.sleep(0.5)

        slow: list[object] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(read_slowly)
            async with village.topic("b", *map(village.lamp, "defghi"), to=a.addresses):
                await trio.sleep(5)
            await trio.sleep(1)
            await a.dispose()
        assert [e.machine_id for e in heard if isinstance(e, MachineExposed)] == list("defghi")
        assert [e for e in slow if isinstance(e, Noticed) and "events were lost" in e.text]


async def test_many_machines_are_exposed_at_once_in_one_message_or_none(
    village, autojump_clock, knows
) -> None:
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(village.topic("a"))
        await a.machine.when("Joined")
        b = await stack.enter_async_context(village.topic("b", to=a.addresses))
        await b.join()
        await trio.sleep(3)
        before = a.peers[a.peer_id].messages_out.get("info", 0)
        assert a.expose_many(map(village.lamp, "abc")) == (0, 1, 2)
        await village.until(lambda: knows(b, "a", "b", "c"))
        assert a.peers[a.peer_id].messages_out["info"] == before + 1
        with pytest.raises(ExposeError):
            a.expose_many([village.lamp("d"), a.exposed[0]])
        assert list(a.exposed) == [0, 1, 2]


async def test_a_machine_of_another_thread_may_change_there(village, autojump_clock, knows) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            failures: list[Exception] = []

            def elsewhere() -> None:
                try:
                    kitchen.add("Power")
                except Exception as error:
                    failures.append(error)

            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            assert not failures
            await b.network_machines[0].when("Power")


async def test_a_watcher_that_fails_is_seen(village, autojump_clock, caplog) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        seen: list[object] = []
        a.watch(seen.append)
        a.watch(lambda event: 1 / 0)
        a.expose(village.lamp("kitchen"))
        assert [e for e in seen if isinstance(e, Noticed) and "ZeroDivisionError" in e.text]
        assert "ampubsub.watchers" in {record.name for record in caplog.records}


async def test_a_person_can_cut_off_a_peer(village, autojump_clock, knows) -> None:
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        async with village.topic("b", village.lamp("kitchen"), to=a.addresses) as b:
            await village.until(lambda: knows(a, "kitchen"))
            a.mute(b.peer_id)
            await trio.sleep(0)
            assert a.peers[b.peer_id].muted
            b.exposed[0].add("Power")
            await trio.sleep(2)
            assert a.network_machines[0].not_("Power")
            assert a.dropped["muted"] >= 1
            a.unmute(b.peer_id)
            await a.disconnect(b.peer_id)
            assert b.peer_id not in a.host.transport.connected_peers()


async def test_verdicts_and_witnesses_can_be_read(village, autojump_clock, knows) -> None:
    async with village.topic("root") as root:
        await root.machine.when("Joined")
        async with (
            village.topic("a", village.lamp("one"), to=root.addresses) as a,
            village.topic("b", village.lamp("two"), to=root.addresses) as b,
        ):
            await village.until(lambda: knows(a, "two") and knows(b, "one"))
            await trio.sleep(5)
            of_b = a.peers[b.peer_id]
            assert of_b.verdict is LifeVerdict.ALIVE
            assert [w.peer_id for w in of_b.witnesses] == [root.peer_id]
            assert of_b.through == root.peer_id
            of_root = a.peers[root.peer_id]
            assert of_root.heard_directly_s is not None
            assert of_root.heard_directly_s < 2
            assert of_root.agent == "ampubsub/memory"
            assert of_root.bytes_in > 0


async def test_exposing_before_anything_runs_is_possible() -> None:
    from ampubsub.transport.memory import MemoryNetwork

    machine = Machine({"On": State()}, id="lamp")
    topic = Topic("home", expose=[machine], listen=["/memory/a"], transport=MemoryNetwork().transport("a"))
    machine.add("On")
    assert topic._protocol.own.clocks[0] == Time(machine.time())
