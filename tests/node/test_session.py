"""A session joins, tells everything as records, does what it is asked, and says bye."""

from __future__ import annotations

import pytest
import trio

from amdbg_tui.history.records import CommandRecord, MachineKey, NoticeRecord
from amdbg_tui.node import CommandError
from amdbg_tui.node.commands import (
    Connect,
    CutOff,
    Disconnect,
    Mutate,
    Mute,
    PickTopic,
    Preview,
    Unmute,
    Watch,
)
from amdbg_tui.node.phases import ADVICE
from ampubsub import Machine, State
from ampubsub.topic.events import Noticed

pytestmark = pytest.mark.trio


async def test_it_joins_and_tells_every_peer_and_machine(bench, lamp, autojump_clock) -> None:
    async with bench.peer("a", lamp("kitchen", tags=["floor:1"]), peer_name="anna") as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, topic="home", expose=(lamp("hall"),)):
            key = await bench.until(lambda: bench.key_of("kitchen"))
            known = bench.live.machines[key]
            assert known.names == ("Exception", "On", "Power", "Blink", "Broken")
            assert known.record.states[1].require == ("Power",)
            assert known.record.tags[0] == "floor:1"
            assert not known.is_own
            us = bench.live.own_peer_id
            assert bench.live.machines[MachineKey(us, 0)].record.machine_id == "hall"
            assert bench.live.machines[MachineKey(us, -1)].is_active("Joined")
            assert bench.live.peers[us].record.status == "self"
            await bench.until(lambda: bench.live.peers[a.peer_id].record.status == "joined")
            await bench.until(lambda: bench.live.peers[a.peer_id].record.name == "anna")
            assert bench.phases()[:4] == ["starting", "connecting", "joining", "joined"]
    assert bench.phases()[-2:] == ["leaving", "closed"]


async def test_every_tick_of_a_network_machine_becomes_a_derived_transition(
    bench, lamp, autojump_clock
) -> None:
    kitchen = lamp("kitchen")
    async with bench.peer("a", kitchen) as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, topic="home"):
            key = await bench.until(lambda: bench.key_of("kitchen"))
            kitchen.add("Power", "On")
            await bench.until(lambda: bench.live.machines[key].is_active("On"))
            (record,) = bench.transitions(key)
            assert record.derived
            assert (record.kind, record.source, record.trust) == ("clock", a.peer_id, "first-hand")
            assert record.after == tuple(kitchen.time())


async def test_a_transition_of_our_own_machine_comes_whole(bench, lamp, autojump_clock) -> None:
    async with bench.joined(topic="home", expose=(lamp("hall"),)):
        await bench.until(lambda: "joined" in bench.phases())
        key = bench.key_of("hall")
        outcome = await bench.ask(Mutate(key, "add", ("On", "Power"), (("by", "mo"), ("n", 3))))
        assert outcome.result == "executed"
        record = bench.transitions(key)[-1]
        assert record.by_hand
        assert not record.derived
        assert record.called == ("On", "Power")
        assert record.args == (("by", "mo"), ("n", "3"))
        assert record.transition_id == outcome.transition_id
        assert ("rel", "On", "Power") in [
            (step.kind, step.from_state, step.to_state) for step in record.steps
        ]
        assert (2, "[state] +Power +On") in record.log
        assert bench.live.commands[-1] == CommandRecord(
            bench.live.commands[-1].at_s,
            key,
            "add",
            ("On", "Power"),
            (("by", "mo"), ("n", "3")),
            "executed",
            "",
        )


async def test_a_canceled_mutation_says_why_and_so_does_its_preview(bench, lamp, autojump_clock) -> None:
    async with bench.joined(topic="home", expose=(lamp("hall"),)):
        await bench.until(lambda: "joined" in bench.phases())
        key = bench.key_of("hall")
        forecast = await bench.ask(Preview(key, "add", ("On",)))
        assert (forecast.accepted, forecast.reason) == (False, "On requires Power")
        outcome = await bench.ask(Mutate(key, "add", ("On",)))
        assert (outcome.result, outcome.reason) == ("canceled", "On requires Power")
        assert not bench.transitions(key)[-1].accepted
        assert bench.live.commands[-1].reason == "On requires Power"
        forecast = await bench.ask(Preview(key, "add", ("On", "Power")))
        assert (forecast.accepted, forecast.activates, forecast.deactivates) == (True, ("On", "Power"), ())
        assert bench.live.machines[key].clock == (0, 0, 0, 0, 0)


async def test_previews_tell_what_goes_and_that_nothing_would_change(bench, lamp, autojump_clock) -> None:
    hall = lamp("hall")
    hall.add("Power", "On")
    async with bench.joined(topic="home", expose=(hall,)):
        await bench.until(lambda: "joined" in bench.phases())
        key = bench.key_of("hall")
        forecast = await bench.ask(Preview(key, "add", ("Broken",)))
        assert (forecast.activates, set(forecast.deactivates)) == (("Broken",), {"On", "Power"})
        assert (await bench.ask(Preview(key, "add", ("Power",)))).reason == "nothing would change"
        assert (await bench.ask(Preview(key, "toggle", ("On",)))).deactivates == ("On",)
        outcome = await bench.ask(Mutate(key, "toggle", ("On",)))
        assert outcome.result == "executed"
        assert bench.transitions(key)[-1].kind == "remove"
        assert (await bench.ask(Mutate(key, "set", ("Blink",)))).result == "executed"
        assert [name for name in hall.state_names if hall.is_(name)] == ["Blink"]


async def test_a_handler_that_refuses_or_fails_is_named(bench, autojump_clock) -> None:
    class Door:
        def OpenEnter(self, event: object) -> bool:
            return False

        def LockedState(self, event: object) -> None:
            raise RuntimeError("bolt is stuck")

    states = {"Exception": State(multi=True), "Open": State(), "Locked": State()}
    door = Machine(states, id="door", states=list(states), handlers=Door())
    async with bench.joined(topic="home", expose=(door,)):
        await bench.until(lambda: "joined" in bench.phases())
        key = bench.key_of("door")
        assert (await bench.ask(Mutate(key, "add", ("Open",)))).reason == "OpenEnter refused"
        await bench.ask(Mutate(key, "add", ("Locked",)))
        failed = next(record for record in bench.transitions(key) if record.error)
        assert failed.error == "RuntimeError: bolt is stuck"
        assert bench.live.machines[key].in_error


async def test_what_cannot_be_done_is_said_in_words(bench, lamp, autojump_clock) -> None:
    async with bench.peer("a", lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, topic="home", expose=(lamp("hall"),)):
            theirs = await bench.until(lambda: bench.key_of("kitchen"))
            ours = bench.key_of("hall")
            for command, complaint in (
                (Mutate(theirs, "add", ("On",)), "kitchen belongs to another peer.*Watch it instead"),
                (Mutate(ours, "add", ("Onn",)), "hall has no state Onn"),
                (Mutate(ours, "flip", ("On",)), "no mutation “flip”"),
                (Mutate(ours, "add", ()), "at least one state"),
                (Preview(theirs, "add", ("On",)), "belongs to another peer"),
                (Watch(MachineKey("nobody", 3), ("On",)), "is gone"),
                (Connect("nonsense"), "nonsense"),
                (PickTopic("x"), "was joined already"),
            ):
                with pytest.raises(CommandError, match=complaint):
                    await bench.ask(command)


async def test_watching_a_remote_machine_tells_when_the_states_come(bench, lamp, autojump_clock) -> None:
    kitchen = lamp("kitchen")
    async with bench.peer("a", kitchen) as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, topic="home"):
            key = await bench.until(lambda: bench.key_of("kitchen"))
            await bench.ask(Watch(key, ("Power", "On")))
            await bench.ask(Watch(key, ("Broken",)))
            kitchen.add("Power", "On")
            await bench.until(
                lambda: "kitchen: Power and On is active now" in [n.text for n in bench.live.notices]
            )
        await bench.until(lambda: any("Broken will not come" in n.text for n in bench.live.notices))


async def test_without_a_topic_the_only_one_announced_is_joined(bench, lamp, autojump_clock) -> None:
    async with bench.peer("a", lamp("kitchen"), topic="street") as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses):
            await bench.until(lambda: bench.key_of("kitchen"))
            assert bench.live.connection.topic == "street"


async def test_of_several_topics_the_person_chooses_one(bench, lamp, autojump_clock) -> None:
    a, b = bench.peer("a", lamp("kitchen"), topic="street"), bench.peer("b", lamp("bench"), topic="park")
    async with a, b:
        await a.machine.when("Joined")
        await b.machine.when("Joined")
        async with bench.joined(*a.addresses, *b.addresses):
            await bench.until(lambda: bench.live.connection.topics_offered)
            assert bench.live.connection.topics_offered == ("park", "street")
            with pytest.raises(CommandError, match="not joined yet"):
                await bench.ask(Mutate(MachineKey("x", 0), "add", ("On",)))
            await bench.ask(PickTopic("park"))
            await bench.until(lambda: bench.key_of("bench"))
            assert bench.live.connection.topic == "park"


async def test_an_address_that_nobody_answers_is_named_while_dialling_goes_on(
    bench, lamp, autojump_clock
) -> None:
    for topic in ("", "home"):
        await nobody_answers(type(bench)(), lamp, topic)


async def nobody_answers(bench, lamp, topic: str) -> None:
    late = bench.peer("late", lamp("kitchen"))
    address = f"/memory/late/p2p/{late.peer_id}"
    async with bench.joined(address, topic=topic):
        await bench.until(lambda: bench.live.connection and bench.live.connection.phase == "failed")
        assert "late" in bench.live.connection.detail
        assert "Dialling goes on" in bench.live.connection.detail
        assert "late" in bench.failure
        assert "\n" not in bench.failure
        async with late:
            await late.machine.when("Joined")
            await bench.until(lambda: bench.key_of("kitchen"))
            assert bench.failure == ""
            assert bench.live.connection.phase == "joined"


async def test_why_the_first_connection_failed_is_told_once_and_other_notices_still_are(
    bench, autojump_clock
) -> None:
    async with bench.joined("/memory/late/p2p/12D3KooWLate", topic="home") as session:
        await bench.until(lambda: bench.live.connection and bench.live.connection.phase == "failed")
        reason, advice = bench.live.connection.detail.split("\n")
        assert "late" in reason
        assert advice == ADVICE
        assert not bench.live.notices
        session._doing._telling.take(Noticed("error", "machine lamp is too large to be told: 70000 bytes"))
        assert [notice.text[:12] for notice in bench.live.notices] == ["machine lamp"]


async def test_when_the_only_connection_is_lost_it_says_that_it_reconnects(
    bench, lamp, autojump_clock
) -> None:
    a = bench.peer("a", lamp("kitchen"))
    async with a:
        await a.machine.when("Joined")
        async with bench.joined(f"/memory/a/p2p/{a.peer_id}", topic="home"):
            key = await bench.until(lambda: bench.key_of("kitchen"))
            await a.dispose()
            await bench.until(lambda: bench.live.connection.phase == "reconnecting")
            await bench.until(lambda: bench.live.machines[key].record.source in ("gone", "stale"))
            await bench.until(lambda: bench.live.peers[a.peer_id].record.status in ("gone", "stale"))


async def test_leaving_says_bye_so_that_others_know_at_once(bench, lamp, autojump_clock) -> None:
    async with bench.peer("a") as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, topic="home", expose=(lamp("hall"),)):
            await bench.until(lambda: bench.live.peers.get(a.peer_id))
            with trio.fail_after(60):
                while not a.network_machines:
                    await trio.sleep(0.1)
            (seen,) = a.network_machines
        with trio.fail_after(3):
            await seen.when_disposed()


async def test_stopping_is_quick_whatever_it_waits_for(bench, lamp, autojump_clock) -> None:
    start = trio.current_time()
    async with bench.joined("/memory/nobody/p2p/12D3KooWNobody"):
        await bench.until(lambda: "failed" in bench.phases())
    async with bench.peer("a", topic="street") as a, bench.peer("b", topic="park", to=a.addresses) as b:
        await b.machine.when("Joined")
        async with bench.joined(*a.addresses, *b.addresses, name="us2"):
            await bench.until(lambda: bench.live.connection.topics_offered)
    assert trio.current_time() - start < 20


async def test_connecting_and_disconnecting_by_hand(bench, lamp, autojump_clock) -> None:
    async with bench.peer("a", lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with bench.joined(topic="home"):
            await bench.until(lambda: "joined" in bench.phases())
            with pytest.raises(CommandError):
                await bench.ask(Connect("/ip4/127.0.0.1/udp/1/quic-v1"))
            await bench.ask(Disconnect(a.peer_id))


async def test_names_of_others_are_harmless_and_commands_still_find_the_real_ones(
    bench, autojump_clock
) -> None:
    names = ["\x1b[2JOn", "a\u202eb", "N" * 256, "N" * 255 + "M"]
    names.append("Exception")
    nasty = Machine({name: State() for name in names}, id="ev\x07il\n", states=names, tags=["\x9b31m"])
    async with bench.joined(topic="ho\x1bme", expose=(nasty,)):
        await bench.until(lambda: "joined" in bench.phases())
        key = next(key for key, known in bench.live.machines.items() if key.slot == 0)
        known = bench.live.machines[key]
        assert known.record.machine_id == "ev␇il␊"
        assert known.names[:2] == ("␛[2JOn", "a�b")
        assert len(set(known.names)) == 5
        assert all(name.isprintable() for name in known.names)
        for shown, real in zip(known.names, names, strict=True):
            assert (await bench.ask(Mutate(key, "add", (shown,)))).result == "executed"
            assert nasty.is_(real)
        assert bench.live.connection.topic == "ho␛me"


async def test_a_machine_exposed_or_taken_back_later_is_shown_and_goes(bench, lamp, autojump_clock) -> None:
    kitchen = lamp("kitchen")
    async with bench.peer("a") as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, topic="home"):
            await bench.until(lambda: bench.live.peers.get(a.peer_id))
            a.expose(kitchen)
            key = await bench.until(lambda: bench.key_of("kitchen"))
            a.unexpose(kitchen)
            await bench.until(lambda: bench.live.machines[key].record.source == "gone")
            assert bench.live.machines[key].record.reason


async def test_tags_that_another_peer_changes_later_are_shown(bench, lamp, autojump_clock) -> None:
    kitchen = lamp("kitchen")
    async with bench.peer("a", kitchen) as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, topic="home"):
            key = await bench.until(lambda: bench.key_of("kitchen"))
            kitchen.set_tags(["upstairs"])
            await bench.until(lambda: "upstairs" in bench.live.machines[key].record.tags)
            assert bench.live.machines[key].record.source == "first-hand"


async def test_what_a_session_changed_in_our_machines_is_put_back(bench, lamp, autojump_clock) -> None:
    hall = lamp("hall")
    before = hall.options.record_steps, hall.options.log_level
    async with bench.joined(topic="home", expose=(hall,)):
        await bench.until(lambda: "joined" in bench.phases())
        assert hall.options.record_steps
    assert (hall.options.record_steps, hall.options.log_level) == before
    told = len(bench.records)
    hall.add("Power")
    assert len(bench.records) == told


async def test_notices_of_the_topic_are_told(bench, lamp, autojump_clock) -> None:
    address = "/memory/nobody/p2p/12D3KooWNobody"
    async with bench.peer("a") as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, address, topic="home"):
            await bench.until(lambda: any(isinstance(record, NoticeRecord) for record in bench.records))
            assert any("nobody" in notice.text for notice in bench.live.notices)


async def test_addresses_that_cannot_be_found_are_said_and_it_waits_to_be_left(bench) -> None:
    def find() -> tuple[str, ...]:
        raise RuntimeError("the demo network did not start: no free port")

    async with bench.joined(topic="home", find_addresses=find):
        await bench.until(lambda: "failed" in bench.phases())
        assert bench.live.connection is not None
        assert "no free port" in bench.live.connection.detail
    assert "no free port" in bench.failure


async def test_a_peer_whose_machines_all_restart_makes_one_notice_a_second(bench, autojump_clock) -> None:
    async with bench.joined(topic="home") as session:
        await bench.until(lambda: "joined" in bench.phases())
        telling = session._doing._telling
        for at in range(300):
            telling._tell_restart("p", f"machine m-{at}: it restarted")
        await bench.until(
            lambda: any("299 more of its machines restarted" in n.text for n in bench.live.notices)
        )
        assert sum(notice.peer_id == "p" for notice in bench.live.notices) == 2


async def test_the_topic_machine_is_watched_without_losing_its_compiled_plans(
    bench, lamp, autojump_clock
) -> None:
    """Steps and decisions of its own bookkeeping would switch them off; what it does is recorded all the same."""
    hall = lamp("hall")
    async with bench.joined(topic="home", expose=(hall,)):
        await bench.until(lambda: "joined" in bench.phases())
        options = bench.session._doing._topic.machine.options
        assert not options.record_steps
        assert options.log_level <= 1
        us = bench.live.own_peer_id
        assert bench.live.machines[MachineKey(us, -1)].transitions > 0


async def test_a_peer_is_muted_heard_again_and_cut_off(bench, lamp, autojump_clock) -> None:
    kitchen = lamp("kitchen")
    async with bench.peer("a", kitchen) as a:
        await a.machine.when("Joined")
        async with bench.joined(*a.addresses, topic="home"):
            key = await bench.until(lambda: bench.key_of("kitchen"))
            await bench.ask(Mute(a.peer_id))
            await bench.until(lambda: getattr(bench.live.peers[a.peer_id].detail, "muted", False))
            kitchen.add("Power")
            await trio.sleep(10)
            assert not bench.live.machines[key].is_active("Power")
            await bench.ask(Unmute(a.peer_id))
            await bench.until(lambda: bench.live.machines[key].is_active("Power"))
            await bench.ask(CutOff(a.peer_id))
            assert bench.session._host is not None
            assert a.peer_id not in bench.session._host.transport.connected_peers()
            with pytest.raises(CommandError, match="not connected to us"):
                await bench.ask(CutOff(a.peer_id))
