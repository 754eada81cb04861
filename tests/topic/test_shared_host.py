"""Several topics on one host; and what happens when somebody ends what others still use or wait for."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from ampubsub import Host, Machine
from ampubsub.topic import StartError, TopicError
from ampubsub.transport.interface import TransportError

pytestmark = pytest.mark.trio


async def test_one_topic_of_a_host_leaves_and_is_disposed_of_and_the_other_goes_on(
    village, autojump_clock, knows
) -> None:
    async with (
        Host(village.network.transport("host")).opened(["/memory/host"]) as host,
        village.topic("one", village.lamp("kitchen"), host=host) as one,
    ):
        await one.machine.when("Joined")
        async with village.topic("two", village.lamp("hall"), host=host, topic="other") as two:
            await two.machine.when("Joined")
            async with village.topic("guest", to=one.addresses, topic="other") as guest:
                await village.until(lambda: knows(guest, "hall"))
                await one.dispose()
                two.exposed[0].add("Power")
                await guest.network_machines[0].when("Power")
                assert two.machine.not_("Exception")


async def test_a_topic_cannot_be_served_twice_on_one_host_and_the_first_is_not_harmed(
    village, autojump_clock, knows
) -> None:
    async with (
        Host(village.network.transport("host")).opened(["/memory/host"]) as host,
        village.topic("one", village.lamp("kitchen"), host=host) as one,
    ):
        await one.machine.when("Joined")
        async with village.topic("two", host=host) as two:
            await two.machine.when_err()
            assert "is served on this host already" in str(two.machine.err)
            with pytest.raises(StartError, match="is served on this host already"):
                await two.join()
        async with village.topic("guest", to=one.addresses) as guest:
            await village.until(lambda: knows(guest, "kitchen"))


async def test_a_topic_whose_host_is_closed_by_another_stops_with_the_reason_and_can_start_again(
    village, autojump_clock
) -> None:
    host = Host(village.network.transport("host"))
    async with village.topic("opener", host=host) as opener:
        await opener.machine.when("Joined")
        async with village.topic("sharer", host=host, topic="other") as sharer:
            await sharer.machine.when("Joined")
            await opener.stop()
            await sharer.machine.when_err()
            assert "the host was closed by whoever opened it" in str(sharer.machine.err)
            assert sharer.machine.not_("Start", "Joined", "Connected")
            await sharer.join()
            assert host.is_open


async def test_stopping_while_others_wait_to_join_ends_their_wait_with_an_error(
    village, autojump_clock
) -> None:
    async with village.topic("a", to=("/memory/nobody/p2p/12D3KooWnobody",)) as a:

        async def join() -> None:
            with pytest.raises(StartError, match="stopped before"):
                await a.join()

        for end in (a.stop, a.dispose):
            with trio.fail_after(5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(join)
                    nursery.start_soon(join)
                    await trio.testing.wait_all_tasks_blocked()
                    await end()


async def test_starting_and_joining_several_times_at_once_is_one_start(village, autojump_clock) -> None:
    async with village.topic("a") as a:
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(a.start)
                    nursery.start_soon(a.join)
            assert a.machine.is_("Joined")
            started = a.machine.tick("Started")
            await a.stop()
            assert a.machine.tick("Started") == started + 1


async def test_a_topic_that_was_disposed_of_says_so_instead_of_doing_nothing(village, autojump_clock) -> None:
    topic = village.topic("a")
    async with topic:
        await topic.machine.when("Joined")
    with pytest.raises(TopicError, match="was disposed of"):
        async with topic:
            pass


async def test_a_parent_machine_that_goes_first_does_no_harm(village, autojump_clock, knows) -> None:
    parent = Machine({}, id="parent")
    async with village.topic("a", village.lamp("kitchen"), parent=parent) as a:
        await a.machine.when("Joined")
        parent.dispose()
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
    assert not parent.tracers.new_submachine


async def test_a_host_that_ends_by_itself_stops_its_topic_with_an_error_and_can_be_started_again(
    village, autojump_clock, knows
) -> None:
    transport = village.network.transport("a")
    async with village.topic("root") as root:
        await root.machine.when("Joined")
        async with village.topic("a", village.lamp("kitchen"), to=root.addresses, transport=transport) as a:
            await village.until(lambda: knows(root, "kitchen"))
            village.network.crash(transport)
            await a.machine.when_err()
            assert "the host ended by itself" in str(a.machine.err)
            assert a.machine.not_("Start", "Joined", "Connected")
            await a.join()
            a.exposed[0].add("Power")
            await village.until(lambda: any(m.is_("Power") for m in root.network_machines))


async def test_a_topic_that_could_not_be_joined_says_why_and_joins_at_the_next_try(
    village, autojump_clock, monkeypatch
) -> None:
    transport = village.network.transport("a")

    async def refuse(topic: str) -> None:
        await trio.lowlevel.checkpoint()
        raise TransportError("no way in")

    with monkeypatch.context() as patched:
        patched.setattr(transport, "join", refuse)
        async with village.topic("a", transport=transport) as a:
            await a.machine.when_err()
            with pytest.raises(StartError, match="no way in"):
                await a.join()
            patched.undo()
            await a.join()
            assert a.machine.is_("Joined")
