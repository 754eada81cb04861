"""Slow and broken networks: waits that stretch with the round trip, answers given once, dialling that calms down."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio

from ampubsub import wire
from ampubsub.topic.constants import PACE_MAX
from ampubsub.transport.interface import PeerConnected

pytestmark = pytest.mark.trio


@pytest.mark.parametrize(("delay_s", "stretched"), [(0.01, False), (1.0, True)])
async def test_waits_for_others_stretch_with_the_round_trip(
    village, autojump_clock, delay_s: float, stretched: bool
) -> None:
    village.network.faults.delay_s = (delay_s, delay_s)
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await b.machine.when("Joined")
            await trio.sleep(2)
            assert (b._protocol.speaking.pace > 1) is stretched
            assert b._protocol.speaking.pace <= PACE_MAX


async def test_of_many_who_could_tell_clocks_of_a_silent_peer_one_does(
    village, autojump_clock, knows
) -> None:
    village.network.faults.delay_s = (0.2, 0.4)
    async with AsyncExitStack() as stack:
        root = await stack.enter_async_context(village.topic("root"))
        await root.machine.when("Joined")
        others = [
            await stack.enter_async_context(
                village.topic(f"p{number}", village.lamp(f"lamp{number}"), to=root.addresses)
            )
            for number in range(12)
        ]
        lamp = village.lamp("kitchen")
        owner = await stack.enter_async_context(village.topic("owner", lamp, to=root.addresses))
        everybody = (root, *others)
        await village.until(
            lambda: all(
                len(each.network_machines) == 13 - len(each.exposed)
                and all(machine.source == "first-hand" for machine in each.network_machines)
                for each in everybody
            )
        )
        villain = village.network.transport("villain")
        await stack.enter_async_context(villain.opened([]))
        await villain.connect(root.addresses[0])
        await villain.join("home")
        village.network.crash(owner.host.transport)

        def told() -> int:
            return sum(each.peers[each.peer_id].messages_out.get("updates", 0) for each in everybody)

        before = told()
        await villain.publish("home", wire.encode(wire.MsgReqUpdates(peer_ids=(owner.peer_id,))))
        await trio.sleep(20)
        assert 1 <= told() - before <= 5, "13 know them"


async def test_a_peer_that_takes_us_in_only_to_throw_us_out_is_dialled_ever_more_rarely(
    village, autojump_clock
) -> None:
    root = village.network.transport("root")
    async with root.opened(["/memory/root"]), village.topic("a", to=root.addresses) as a:
        dialled = 0
        with trio.move_on_after(60):
            async for event in root.events():
                if isinstance(event, PeerConnected):
                    dialled += 1
                    await root.disconnect(a.peer_id)
        assert 3 <= dialled <= 20, "once it was a hundred"
