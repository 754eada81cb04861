"""An exposed machine that gets another schema or other tags: others learn it, or a person is told why not."""

from __future__ import annotations

import pytest
import trio

from ampubsub import Machine, State, TopicSettings
from ampubsub.topic import MachineLabelled, Noticed
from ampubsub.topic.compose import fitting_bye, limits_of
from ampubsub.wire import ByeMachine, decode, encode

pytestmark = pytest.mark.trio


async def test_a_larger_schema_is_told_at_once_and_not_only_at_the_next_change(
    village, autojump_clock, knows
) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            (old,) = b.network_machines
            kitchen.set_schema({**kitchen.schema, "Warm": State()}, [*kitchen.state_names, "Warm"])
            await village.until(lambda: b.network_machines[0] is not old, within=0.5)
            assert old.is_disposed
            assert b.network_machines[0].state_names == kitchen.state_names
            kitchen.add("Warm")
            await b.network_machines[0].when("Warm")
            assert not b.dropped


async def test_other_tags_are_told_within_a_heartbeat_and_the_replica_lives_on(
    village, autojump_clock, knows
) -> None:
    kitchen = village.lamp("kitchen", tags=["floor:0"])
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            (replica,) = b.network_machines
            seen = []
            b.watch(seen.append)
            kitchen.set_tags(["floor:1"])
            await village.until(lambda: "floor:1" in replica.tags, within=3)
            assert "floor:0" not in replica.tags
            assert b.network_machines == (replica,)
            assert seen == [MachineLabelled(replica.key, "kitchen")]


@pytest.mark.parametrize("what", ["schema", "tags"])
async def test_a_machine_that_grows_past_the_limits_is_taken_back_with_an_error_and_never_left_frozen(
    village, autojump_clock, knows, what: str
) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen, village.lamp("hall")) as a:
        await a.machine.when("Joined")
        seen = []
        a.watch(seen.append)
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "hall", "kitchen"))
            if what == "schema":
                more = {f"S{number}": State() for number in range(1100)}
                kitchen.set_schema({**kitchen.schema, **more}, [*kitchen.state_names, *more])
            else:
                kitchen.set_tags([f"t{number}" for number in range(100)])
            await village.until(lambda: knows(b, "hall"), within=5)
            (text,) = [event.text for event in seen if isinstance(event, Noticed)]
            assert text.startswith("machine 'kitchen' changed and is exposed no longer: others would drop it")
            assert list(a.exposed) == [1]
            assert not b.dropped


async def test_leaving_with_more_machines_than_one_bye_can_tell_is_still_understood(
    village, autojump_clock, knows
) -> None:
    settings = TopicSettings(max_message_bytes=20_000)
    states = {f"S{number}": State() for number in range(100)}
    machines = [Machine(states, id=f"machine{number}") for number in range(200)]
    async with village.topic("b", settings=settings) as b:
        await b.machine.when("Joined")
        async with village.topic("a", *machines, to=b.addresses, settings=settings) as a:
            await village.until(lambda: len(b.network_machines) == 200)
            machines[150].add("S7")
            clocks = {i: (m.id, m.time()) for i, m in a.exposed.items()}
            bye, _ = fitting_bye(clocks, [150], settings, leaving=True)
            assert len(encode(bye)) <= settings.max_message_bytes
            assert bye.machs[150].mtime == machines[150].time(), "what is not told yet goes first"
            await a.leave()
            await village.until(lambda: not b.network_machines, within=1)
            assert b.peers[a.peer_id].reason == "it said bye"
            assert not b.dropped


async def test_the_last_clock_of_a_machine_too_large_to_tell_does_not_spoil_the_bye() -> None:
    settings = TopicSettings()
    message, _ = fitting_bye({0: ("kitchen", (1,) * 1104)}, (), settings, leaving=False)
    assert decode(encode(message), limits_of(settings)).machs[0] == ByeMachine(False, "kitchen", None)


async def test_a_peer_whose_last_bye_was_lost_is_still_known_to_expose_nothing(
    village, autojump_clock, knows
) -> None:
    kitchen = village.lamp("kitchen")
    async with village.topic("a", kitchen) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            await trio.sleep(5)
            village.network.faults.loss = 1.0
            a.unexpose(kitchen)
            await trio.sleep(1)
            village.network.faults.loss = 0.0
            await village.until(lambda: knows(b))
            said = a.peers[a.peer_id].messages_out.get("gossip", 0)
            await trio.sleep(600)
            assert a.peers[a.peer_id].messages_out.get("gossip", 0) <= said + 3, "then it is a quiet observer"
