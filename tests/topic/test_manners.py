"""Polite and quick: what a peer says, and what it does not."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack

import pytest
import trio

from ampubsub import TopicSettings, wire
from ampubsub.topic import Noticed
from ampubsub.transport.interface import MessageReceived, Transport

pytestmark = pytest.mark.trio


def said(topic) -> dict[str, int]:
    """What a peer has published, by type."""
    return dict(topic.peers[topic.peer_id].messages_out)


async def test_a_silent_peer_publishes_nothing_and_still_sees_everything(
    village, autojump_clock, knows
) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        b = village.topic("b", village.lamp("hall"), to=a.addresses, settings=TopicSettings(silent=True))
        async with b:
            await village.until(lambda: knows(b, "kitchen"))
            a.exposed[0].add("Power")
            (remote,) = await b.list_machines()
            await remote.when("Power")
            await trio.sleep(100)
            assert said(b) == {}
            assert knows(a), "nobody heard of its machine"
    assert said(b) == {}, "not even a bye"


async def test_an_observer_says_only_what_it_must(village, autojump_clock, knows) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            await trio.sleep(300)
            assert sum(said(b).values()) <= 1, f"{said(b)}: it tells whoever asks that it exposes nothing"
        assert "bye" not in said(b)


async def test_two_idle_participants_stay_calm(village, autojump_clock, knows) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", village.lamp("hall"), to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen") and knows(a, "hall"))
            before = sum(said(b).values())
            await trio.sleep(100)
            assert sum(said(b).values()) - before <= 11, "signs of life only"


async def test_a_peer_that_changes_all_the_time_keeps_its_budget(village, autojump_clock, knows) -> None:
    settings = TopicSettings(budget_own=10)
    async with village.topic("a", village.lamp("kitchen"), settings=settings) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            await trio.sleep(10)
            before = sum(said(a).values())
            for _ in range(1000):
                a.exposed[0].add("Blink")
                await trio.sleep(0.05)
            assert sum(said(a).values()) - before <= 10 * 50 / 5 + 10
            (remote,) = await b.list_machines()
            await remote.when_time(["Blink"], [a.exposed[0].tick("Blink")])


async def test_who_asks_again_and_again_is_answered_ever_more_rarely_and_told_of(
    village, autojump_clock, knows
) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        notices = []
        a.watch(lambda event: notices.append(event) if isinstance(event, Noticed) else None)
        transport = village.network.transport("deaf", direct=False)  # as a Go peer is
        async with village.topic("deaf", to=a.addresses, transport=transport) as deaf:
            await village.until(lambda: knows(deaf, "kitchen"))
            await trio.sleep(5)
            before = said(a).get("info", 0)
            for _ in range(120):
                await deaf.host.transport.publish("home", wire.encode(wire.MsgReqInfo(peer_ids=(a.peer_id,))))
                await trio.sleep(5)
            answers = said(a).get("info", 0) - before
            assert 3 <= answers <= 12, "not 120"
            assert any("asks again for what it was told" in n.text for n in notices)
            assert a.peers[deaf.peer_id].asked_again > 50


async def test_both_requests_are_answered(village, autojump_clock, knows) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            await trio.sleep(20)
            for request, answer in (("reqinfo", "info"), ("requpdates", "updates")):
                before = said(a).get(answer, 0)
                kind = wire.MsgReqInfo if request == "reqinfo" else wire.MsgReqUpdates
                await b.host.transport.publish("home", wire.encode(kind(peer_ids=(a.peer_id,))))
                await trio.sleep(2)
                assert said(a).get(answer, 0) == before + 1


async def test_an_absent_peers_machines_are_told_by_those_who_know_them(
    village, autojump_clock, knows
) -> None:
    def plain(name: str) -> Transport:
        return village.network.transport(name, direct=False)

    async with village.topic("root", transport=plain("root")) as root:
        await root.machine.when("Joined")
        lamp = village.lamp("kitchen")
        async with village.topic("a", lamp, to=root.addresses, transport=plain("a")) as a:
            await village.until(lambda: knows(root, "kitchen"))
            a._protocol.speaking.silent = True
            async with village.topic("late", to=root.addresses, transport=plain("late")) as late:
                await village.until(lambda: knows(late, "kitchen"))
                (remote,) = await late.list_machines()
                assert remote.source == "hearsay"
                assert remote.owner == a.peer_id
                a._protocol.speaking.silent = False
                await village.until(lambda: remote.source == "first-hand")


async def test_everything_said_can_be_read_by_a_go_peer(village, autojump_clock, knows) -> None:
    heard = []
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", village.lamp("hall"), to=a.addresses) as b:
            b.host.subscribe(
                "home", lambda e: heard.append(e.data) if isinstance(e, MessageReceived) else None
            )
            await village.until(lambda: knows(b, "kitchen"))
            a.expose(village.lamp("late"))
            a.unexpose(a.exposed[0])
            await trio.sleep(60)
    messages = [wire.decode(data) for data in heard if data]
    infos = [m for m in messages if isinstance(m, wire.MsgInfo)]
    assert infos
    for message in infos:
        for machines in message.peer_info.values():
            for info in machines.values():
                assert len(info.states) == len(info.mtime) == len(info.schema)
    for message in messages:
        if isinstance(message, wire.MsgUpdates):
            assert all(len(t) == 4 for clocks in message.peer_clocks.values() for t in clocks.values())
    assert {type(m).__name__ for m in messages} >= {"MsgInfo", "MsgBye", "MsgGossip"}


async def test_in_ten_quiet_minutes_participants_only_gossip_observers_and_silent_peers_say_nothing(
    village, autojump_clock
) -> None:
    async with AsyncExitStack() as stack:
        root = await stack.enter_async_context(village.topic("root", village.lamp("hall")))
        await root.machine.when("Joined")
        peers = {}
        for name, exposed, settings in (
            ("participant", [village.lamp("one")], TopicSettings()),
            ("other", [village.lamp("two")], TopicSettings()),
            ("observer", [], TopicSettings()),
            ("silent", [village.lamp("hidden")], TopicSettings(silent=True)),
        ):
            topic = village.topic(name, *exposed, to=root.addresses, settings=settings)
            peers[name] = await stack.enter_async_context(topic)
        await trio.sleep(60)
        before = {name: Counter(said(topic)) for name, topic in peers.items()}
        asked = Counter(said(root))["reqinfo"]
        await trio.sleep(600)
        spoken = {name: dict(Counter(said(topic)) - before[name]) for name, topic in peers.items()}
        assert set(spoken["participant"]) == set(spoken["other"]) == {"gossip"}
        assert spoken["participant"]["gossip"] <= 61
        assert spoken["observer"] == {}
        assert said(peers["silent"]) == {}
        assert Counter(said(root))["reqinfo"] - asked <= 8, "the silent peer is asked for ever more rarely"
        assert {len(topic.network_machines) for topic in (peers["observer"], peers["silent"])} == {3}
