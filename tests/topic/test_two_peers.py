"""Two peers list each other's machines and follow their clocks."""

from __future__ import annotations

import pytest
import trio

from ampubsub import ListFilters, Result
from ampubsub.topic import ClockChanged, MachineExposed, Source

pytestmark = pytest.mark.trio


async def test_each_lists_the_others_machine_and_follows_it(village, autojump_clock, knows) -> None:
    kitchen, hall = village.lamp("kitchen", tags=["floor:1"]), village.lamp("hall")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", hall, to=a.addresses) as b:
            took = await village.until(lambda: knows(a, "hall") and knows(b, "kitchen"))
            assert took < 1.0
            (remote,) = await b.list_machines(ListFilters(id_exact="kitchen"))
            assert remote.state_names == kitchen.state_names
            assert remote.schema == kitchen.schema
            assert "floor:1" in remote.tags
            assert remote.source is Source.FIRST_HAND
            assert remote.owner == a.peer_id
            kitchen.add("Power", "On")
            await remote.when("On")
            assert remote.time() == kitchen.time()
            (back,) = await a.list_machines()
            hall.add("Power")
            await back.when("Power")


async def test_a_change_on_an_idle_topic_arrives_within_a_moment(village, autojump_clock, knows) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            (remote,) = await b.list_machines()
            await trio.sleep(5)
            start = trio.current_time()
            kitchen.add("Power")
            await remote.when("Power")
            assert trio.current_time() - start < 0.05 + 0.05, "50 ms, and the way"


async def test_a_burst_is_merged_into_few_messages_and_the_latest_clock_wins(
    village, autojump_clock, knows
) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            before = a.peers[a.peer_id].messages_out.get("updates", 0)
            for _ in range(100):
                kitchen.add("Blink")
                await trio.sleep(0.01)
            (remote,) = await b.list_machines()
            await remote.when_time(["Blink"], [kitchen.tick("Blink")])
            assert a.peers[a.peer_id].messages_out["updates"] - before <= 12


async def test_a_replica_can_be_checked_but_not_changed(village, autojump_clock, knows) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            (remote,) = await b.list_machines()
            assert remote.add("Power") is Result.CANCELED
            assert "kitchen" in remote.refusal
            assert str(remote) == "()"
            assert remote.not_("Power", "On")
            assert remote.id.startswith("ps-kitchen-")
            assert remote.parent_id == b.machine.id


async def test_what_happens_is_told_to_watchers_in_order(village, autojump_clock, knows) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        seen = []
        b = village.topic("b", to=a.addresses)
        b.watch(seen.append)
        async with b:
            await village.until(lambda: knows(b, "kitchen"))
            kitchen.add("Power")
            (remote,) = await b.list_machines()
            await remote.when("Power")
            exposed = [e for e in seen if isinstance(e, MachineExposed)]
            (moved,) = [e for e in seen if isinstance(e, ClockChanged)]
            assert exposed == [MachineExposed((a.peer_id, 0), "kitchen", Source.FIRST_HAND)]
            assert (moved.before, moved.after) == ((0, 0, 0, 0), (0, 0, 1, 0))
            assert moved.teller == a.peer_id


async def test_a_watcher_that_fails_harms_nobody(village, autojump_clock, knows, caplog) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        b = village.topic("b", to=a.addresses)

        def broken(event: object) -> None:
            raise ValueError("a watcher's own fault")

        b.watch(broken)
        async with b:
            await village.until(lambda: knows(b, "kitchen"))
            assert b.machine.not_("Exception")
            assert "a watcher's own fault" in caplog.text
