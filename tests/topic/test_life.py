"""Start, connect, join, leave, stop, dispose: each idempotent, each again after the other."""

from __future__ import annotations

import pytest
import trio

from ampubsub import Machine, TopicSettings, Tracer
from ampubsub.topic import Host, Noticed, PeerStatus, StartError, TopicError, discover_topics

pytestmark = pytest.mark.trio


async def test_the_topic_machine_says_who_it_is(village, autojump_clock) -> None:
    parent = Machine({}, id="program")
    async with village.topic("a", parent=parent, peer_name="kitchen") as a:
        await a.machine.when("Joined")
        assert a.machine.id == "ps-home-a"
        assert a.machine.tags == ("pubsub:home", f"peer:{a.peer_id}")
        assert a.machine.parent_id == "program"
        assert a.peers[a.peer_id].name == "kitchen"
        assert a.peers[a.peer_id].status is PeerStatus.SELF
    assert a.machine.is_disposed


async def test_it_is_ready_with_enough_connections_and_not_without(village, autojump_clock) -> None:
    async with village.topic("a", settings=TopicSettings(connections_to_ready=1)) as a:
        await a.machine.when("Joined")
        assert a.machine.not_("Ready")
        async with village.topic("b", to=a.addresses) as b:
            await b.machine.when("Ready")
            await a.machine.when("Ready")
        await a.machine.when_not("Ready")


async def test_every_step_may_be_said_twice_and_begun_again(village, autojump_clock, knows) -> None:
    lamp = village.lamp("kitchen")
    async with village.topic("a") as a:
        await a.machine.when("Joined")
        async with village.topic("b", lamp, to=a.addresses) as b:
            for _ in range(3):
                await b.join()
                await b.join()
                await village.until(lambda: knows(a, "kitchen"))
                await b.leave()
                await b.leave()
                assert b.machine.is_("Connected")
                await village.until(lambda: knows(a))
            for _ in range(3):
                await b.start()
                await b.start()
                await b.join()
                await village.until(lambda: knows(a, "kitchen"))
                await b.stop()
                await b.stop()
                assert b.machine.not_("Start", "Joined", "Connected")
                assert b.addresses == ()
            await b.dispose()
            await b.dispose()


async def test_cancelling_whatever_it_does_leaves_nothing_behind(village, autojump_clock) -> None:
    for steps in range(0, 12):
        with trio.move_on_after(steps * 0.004):
            async with (
                village.topic("a") as a,
                village.topic("b", to=a.addresses or ("/memory/a/p2p/nobody",)),
            ):
                await trio.sleep_forever()
    assert all(topic.machine.is_disposed for topic in village.topics)
    assert trio.lowlevel.current_statistics().tasks_living <= 4


async def test_an_address_nobody_answers_at_is_told_with_its_reason_and_dialled_again(
    village, autojump_clock, knows
) -> None:
    a = village.topic("a", village.lamp("kitchen"))
    seen = []
    address = f"/memory/a/p2p/{a.peer_id}"
    b = village.topic("b", to=(address,))
    b.watch(seen.append)
    async with b:
        await b.machine.when("ErrConnecting")
        assert address in str(b.machine.err)
        assert b.machine.is_("Connecting")
        assert [e for e in seen if isinstance(e, Noticed) and address in e.text]
        async with a:
            await b.machine.when("Joined")
            assert b.machine.not_("ErrConnecting", "Exception")
            await village.until(lambda: knows(b, "kitchen"))


async def test_losing_the_last_connection_is_a_state_and_so_is_getting_it_back(
    village, autojump_clock, knows
) -> None:
    a = village.topic("a", village.lamp("kitchen"))
    async with village.topic("b", to=(f"/memory/a/p2p/{a.peer_id}",)) as b:
        async with a:
            await village.until(lambda: knows(b, "kitchen"))
        await b.machine.when("Connecting")
        assert b.machine.not_("Joined")
        async with village.topic("a", village.lamp("kitchen"), transport=a.host.transport):
            await b.machine.when("Joined")
            await village.until(lambda: knows(b, "kitchen"))


async def test_nothing_to_listen_on_and_nobody_to_dial_is_an_error_in_words(village, autojump_clock) -> None:
    from ampubsub import Topic

    with pytest.raises(StartError, match="address to listen on or to dial"):
        async with Topic("home", transport=village.network.transport("x")):
            pytest.fail("it would wait for ever in here")


async def test_a_topic_is_used_inside_of_its_block_only(village, autojump_clock) -> None:
    topic = village.topic("a")
    with pytest.raises(TopicError, match="async with"):
        await topic.start()
    async with topic:
        with pytest.raises(TopicError, match="in use"):
            async with topic:
                pass


async def test_two_topics_share_one_host_and_do_not_hear_each_other(village, autojump_clock, knows) -> None:
    async with Host(village.network.transport("a")).opened(["/memory/a"]) as host:
        one = village.topic("a", village.lamp("one"), topic="first", host=host)
        two = village.topic("a2", village.lamp("two"), topic="second", host=host)
        async with one, two:
            await one.machine.when("Joined")
            await two.machine.when("Joined")
            assert one.peer_id == two.peer_id
            async with village.topic("b", to=one.addresses, topic="first") as b:
                await village.until(lambda: knows(b, "one"))
                await trio.sleep(10)
                assert knows(b, "one")
        assert host.is_open


async def test_the_topics_of_a_dialled_peer_are_known_before_joining(village, autojump_clock) -> None:
    async with village.topic("a", topic="garden") as a:
        await a.machine.when("Joined")
        offers = await discover_topics(a.addresses, transport=village.network.transport("b"))
        assert offers == {"garden": {a.peer_id}}


async def test_a_peer_that_offers_nothing_is_waited_for_within_patience(village, autojump_clock) -> None:
    async with village.topic("a", settings=TopicSettings(join_when_connected=False)) as a:
        await a.machine.when("Connected")
        start = trio.current_time()
        assert (
            await discover_topics(a.addresses, transport=village.network.transport("b"), patience_s=3) == {}
        )
        assert 3 <= trio.current_time() - start < 4


async def test_what_was_registered_for_disposal_is_called(village, autojump_clock) -> None:
    gone = []
    async with village.topic("a") as a:
        a.machine.add("RegisterDisposal", args={"handler": gone.append})
    assert gone == ["ps-home-a"]


async def test_the_metrics_machine_ticks_as_peers_are_heard(village, autojump_clock, knows) -> None:
    a = village.topic("a", village.lamp("kitchen"))
    b = village.topic(
        "b",
        to=(f"/memory/a/p2p/{a.peer_id}",),
        settings=TopicSettings(metrics=True),
        peer_names={a.peer_id: "Kitchen"},
    )
    async with a, b:
        await village.until(lambda: knows(b, "kitchen"))
        assert b.metrics is not None
        await b.metrics.when("Peer", "Info", "KitchenInfo")
        assert b.peers[a.peer_id].name == "Kitchen"


async def test_one_of_two_addresses_is_enough_and_the_other_is_dialled_until_it_answers(
    village, autojump_clock, knows
) -> None:
    late = village.topic("late", village.lamp("hall"))
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        seen = []
        b = village.topic("b", to=(*a.addresses, f"/memory/late/p2p/{late.peer_id}"))
        b.watch(lambda event: seen.append(event) if isinstance(event, Noticed) else None)
        async with b:
            await b.machine.when("Joined")
            assert [e.severity for e in seen] == ["warning"], "it says which one it cannot reach"
            await trio.sleep(20)
            async with late:
                await village.until(lambda: knows(b, "kitchen", "hall"))


async def test_the_debug_variable_shows_replicas_to_tracers(
    village, autojump_clock, knows, monkeypatch
) -> None:
    monkeypatch.setenv("AM_PUBSUB_DBG", "1")
    shown = []

    class Debugger(Tracer):
        def new_submachine(self, parent, child) -> None:
            shown.append((parent.id, child.remote_id))

    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        b = village.topic("b", to=a.addresses)
        b.machine.bind_tracer(Debugger())
        async with b:
            await village.until(lambda: knows(b, "kitchen"))
    assert shown == [("ps-home-b", "kitchen")]


async def test_the_log_variable_makes_the_topic_machine_log(
    village, autojump_clock, monkeypatch, caplog
) -> None:
    monkeypatch.setenv("AM_PUBSUB_LOG", "1")
    caplog.set_level("INFO", logger="ampubsub.topic")
    async with village.topic("a") as a, village.topic("b", to=a.addresses or ("/memory/x/p2p/y",)):
        await a.machine.when("Joined")
    assert "+Joined" in caplog.text
    assert "[add] Started" in caplog.text
