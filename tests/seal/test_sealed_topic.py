"""A sealed topic on the in-memory network, in virtual time: members read each other, villains change nothing.

docs/security.md names the test of each of its lines; many are here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields, replace

import pytest
import trio
from trio.testing import MockClock

from ampubsub import ListFilters, Machine, State, Topic
from ampubsub.seal import SealedTransport, Secret
from ampubsub.transport.interface import (
    DirectReceived,
    Dropped,
    MessageReceived,
    PeerSubscribed,
    PeerUnsubscribed,
    Transport,
    TransportEvent,
    Verdict,
)
from ampubsub.transport.memory import MemoryNetwork

pytestmark = pytest.mark.trio
KEY, OLD = b"k" * 32, b"o" * 32
SECRET = Secret((KEY,))
(WIRE,) = SECRET.wire_names("home")


class Member:
    """A transport whose events are kept."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.events: list[TransportEvent] = []

    async def listen(self) -> None:
        async for event in self.transport.events():
            self.events.append(event)

    @property
    def read(self) -> list[bytes]:
        return [event.data for event in self.events if isinstance(event, MessageReceived)]

    @property
    def frames(self) -> list[bytes]:
        return [event.data for event in self.events if isinstance(event, DirectReceived)]


@asynccontextmanager
async def on_network(
    *transports: Transport, topics: Callable[[Transport], str] | None = None
) -> AsyncIterator[list[Member]]:
    """All opened and joined, in a line: each dialled the one before."""
    members = [Member(transport) for transport in transports]
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as openings:
            done = trio.Event()

            async def hold(member: Member, before: Member | None, task_status: trio.TaskStatus[None]) -> None:
                async with member.transport.opened(["/memory/x"]):
                    nursery.start_soon(member.listen)
                    await member.transport.join(
                        "home" if isinstance(member.transport, SealedTransport) else WIRE
                    )
                    if before is not None:
                        await member.transport.connect(before.transport.addresses[0])
                    task_status.started()
                    await done.wait()

            before = None
            for member in members:
                await openings.start(hold, member, before)
                before = member
            await trio.sleep(1)
            try:
                yield members
            finally:
                done.set()
        nursery.cancel_scope.cancel()


def sealed(network: MemoryNetwork, name: str, secret: Secret = SECRET) -> SealedTransport:
    return SealedTransport(network.transport(name), secret)


async def test_members_read_each_other_through_a_relaying_stranger_who_reads_nothing(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(sealed(network, "a"), network.transport("stranger"), sealed(network, "b")) as (
        a,
        stranger,
        b,
    ):
        await a.transport.publish("home", b"the lamp is on")
        await trio.sleep(1)
        assert b.read == [b"the lamp is on"]
        assert len(stranger.read) == 1
        assert b"lamp" not in stranger.read[0]
        message = next(event for event in b.events if isinstance(event, MessageReceived))
        assert (message.topic, message.author) == ("home", a.transport.peer_id)


async def test_a_strangers_words_are_not_believed_and_not_handed_on(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(network.transport("stranger"), sealed(network, "a"), sealed(network, "b")) as (
        stranger,
        a,
        b,
    ):
        for data in (
            b"",
            b"lamp",
            b"\x01" * 60,
            Secret((OLD,)).seal("home", stranger.transport.peer_id, b"lamp"),
        ):
            await stranger.transport.publish(WIRE, data)
        await trio.sleep(1)
        assert (a.read, b.read) == ([], [])
        assert a.transport.dropped["not-sealed"] == 4
        assert b.transport.dropped["not-sealed"] == 0  # a handed nothing on
        await b.transport.publish("home", b"on")
        await trio.sleep(1)
        assert Dropped(stranger.transport.peer_id, "not-sealed") in a.events
        assert (
            stranger.transport.peer_id in a.transport.connected_peers()
        )  # not punished for what it hands on


async def test_a_members_sealed_message_signed_by_a_stranger_as_its_own_is_refused(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(network.transport("stranger"), sealed(network, "a"), sealed(network, "b")) as (
        stranger,
        a,
        b,
    ):
        await a.transport.publish("home", b"on")
        await trio.sleep(1)
        await stranger.transport.publish(WIRE, stranger.read[0])
        await trio.sleep(1)
        assert (a.read, b.read) == ([], [b"on"])
        assert a.transport.dropped["not-sealed"] == 1


async def test_one_wrong_byte_is_enough(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(network.transport("insider"), sealed(network, "a")) as (insider, a):
        good = SECRET.seal("home", insider.transport.peer_id, b"on")
        for place in range(0, len(good), 5):
            wrong = bytearray(good)
            wrong[place] ^= 1
            await insider.transport.publish(WIRE, bytes(wrong))
        await insider.transport.publish(WIRE, good)
        await trio.sleep(2)
        assert a.read == [b"on"]


async def test_who_holds_an_old_secret_reads_nothing_new_and_is_not_believed(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    former = sealed(network, "former", Secret((OLD,)))
    async with on_network(sealed(network, "a", Secret((KEY, OLD))), sealed(network, "b"), former) as (
        a,
        b,
        old,
    ):
        await old.transport.connect(a.transport.addresses[0])
        await a.transport.publish("home", b"new")
        await old.transport.publish("home", b"old")
        await trio.sleep(1)
        assert old.read == []
        assert b.read == [b"new"]
        assert a.read == [b"old"]  # a still opens with the old key, until it is taken out
        await a.transport.rekey(SECRET)  # type: ignore[attr-defined]
        await old.transport.publish("home", b"later")
        await trio.sleep(1)
        assert a.read == [b"old"]


async def test_keys_are_changed_while_running_and_no_message_is_lost(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    old, both, new_first = Secret((OLD,)), Secret((OLD, KEY)), Secret((KEY, OLD))
    async with on_network(sealed(network, "a", old), sealed(network, "b", old)) as (a, b):
        said = []
        for for_a, for_b in (
            (both, old),
            (both, both),
            (new_first, both),
            (new_first, new_first),
            (SECRET, new_first),
            (SECRET, SECRET),
        ):
            await a.transport.rekey(for_a)  # type: ignore[attr-defined]
            await b.transport.rekey(for_b)  # type: ignore[attr-defined]
            await trio.sleep(1)
            for speaker, data in ((a, b"a%d"), (b, b"b%d")):
                said.append(data % len(said))
                await speaker.transport.publish("home", said[-1])
            await trio.sleep(1)
        assert b.read == said[0::2]
        assert a.read == said[1::2]
        assert not [event for event in b.events if isinstance(event, PeerUnsubscribed)]
        assert b.transport.topic_peers("home") == {a.transport.peer_id}


async def test_a_frame_of_the_private_stream_is_read_by_members_only(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    transports = sealed(network, "a"), sealed(network, "b"), network.transport("stranger")
    async with on_network(*transports) as (a, b, stranger):
        assert a.transport.send_direct(b.transport.peer_id, b"sync")
        assert b.transport.send_direct(stranger.transport.peer_id, b"sync")
        assert stranger.transport.send_direct(b.transport.peer_id, b"sync")
        await trio.sleep(1)
        assert b.frames == [b"sync"]
        assert b"sync" not in stranger.frames[0]
        assert stranger.transport.send_direct(
            b.transport.peer_id, stranger.frames[0]
        )  # our own frame, reflected
        await trio.sleep(1)
        assert b.frames == [b"sync"]
        assert b.transport.dropped["not-sealed"] == 2


async def test_the_topics_name_is_on_no_wire_and_topics_of_members_have_their_plain_names(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(sealed(network, "a"), sealed(network, "b"), network.transport("s")) as (
        a,
        b,
        stranger,
    ):
        assert stranger.transport.topics_of(b.transport.peer_id) == {WIRE}
        assert a.transport.topics_of(b.transport.peer_id) == {"home"}
        assert a.transport.topic_peers("home") == {b.transport.peer_id}
        assert a.transport.detail(b.transport.peer_id).in_mesh == {"home": True}  # type: ignore[union-attr]
        assert PeerSubscribed("home", b.transport.peer_id) in a.events
        await b.transport.leave("home")
        await trio.sleep(1)
        assert PeerUnsubscribed("home", b.transport.peer_id) in a.events
        assert a.transport.topic_peers("home") == frozenset()


async def test_a_check_of_the_rooms_above_sees_opened_messages_and_decides(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    seen: list[tuple[str, bytes]] = []

    def check(message: MessageReceived) -> Verdict:
        seen.append((message.topic, message.data))
        return Verdict.IGNORE if message.data == b"no" else Verdict.ACCEPT

    async with on_network(sealed(network, "a"), sealed(network, "b")) as (a, b):
        b.transport.check_with("home", check)
        await a.transport.publish("home", b"no")
        await a.transport.publish("home", b"yes")
        await trio.sleep(1)
        assert seen == [("home", b"no"), ("home", b"yes")]
        assert b.read == [b"yes"]
        b.transport.check_with("home", None)
        await a.transport.publish("home", b"no")
        await trio.sleep(1)
        assert b.read == [b"yes", b"no"]


async def test_a_signed_message_that_came_another_way_is_opened_for_its_topic_only(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(network.transport("insider"), sealed(network, "a"), sealed(network, "b")) as (
        insider,
        a,
        b,
    ):
        await a.transport.publish("home", b"on")
        await insider.transport.publish(WIRE, b"junk")
        await trio.sleep(1)
        (signed,) = [event.signed for event in b.events if isinstance(event, MessageReceived)]
        opened = b.transport.open_signed("home", signed)
        assert opened is not None
        assert (opened.topic, opened.author, opened.data) == ("home", a.transport.peer_id, b"on")
        assert b.transport.open_signed("house", signed) is None
        assert b.transport.open_signed("home", signed[:-1] + bytes([signed[-1] ^ 1])) is None
        junk = MemoryNetwork.__name__.encode()
        assert b.transport.open_signed("home", junk) is None


async def test_peers_of_a_sealed_topic_know_each_others_machines_and_a_stranger_none(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    door = Machine({"Open": State()}, id="door")
    async with Topic("home", expose=[door], listen=["/memory/x"], transport=sealed(network, "a")) as a:
        await a.machine.when("Joined")
        async with (
            Topic("home", connect=a.addresses, transport=sealed(network, "b")) as b,
            Topic(WIRE, connect=a.addresses, transport=network.transport("stranger")) as stranger,
        ):
            await trio.sleep(10)
            (remote,) = await b.list_machines(ListFilters(id_exact="door"))
            door.add("Open")
            await remote.when("Open")
            assert remote.source == "first-hand"
            assert await stranger.list_machines(ListFilters(id_exact="door")) == []


async def test_a_replayed_message_is_old_to_everybody(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(sealed(network, "a"), sealed(network, "b")) as (a, b):
        await a.transport.publish("home", b"first")
        await a.transport.publish("home", b"second")
        await trio.sleep(1)
        first, second = [event for event in b.events if isinstance(event, MessageReceived)]
        replayed = b.transport.open_signed("home", first.signed)
        assert replayed is not None
        assert replayed.sequence == first.sequence < second.sequence


async def test_a_message_is_opened_once_and_one_that_nobody_checked_all_the_same(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = MemoryNetwork(seed=1)
    opened: list[bytes] = []
    original = Secret.open

    def count(self: Secret, topic: str, author: str, sealed_data: bytes) -> bytes | None:
        opened.append(sealed_data)
        return original(self, topic, author, sealed_data)

    monkeypatch.setattr(Secret, "open", count)
    async with on_network(network.transport("stranger"), sealed(network, "a"), sealed(network, "b")) as (
        stranger,
        a,
        b,
    ):
        await a.transport.publish("home", b"one")
        await trio.sleep(1)
        assert (b.read, len(opened)) == ([b"one"], 1)
        inner = a.transport._inner  # type: ignore[attr-defined]
        inner.check_with(WIRE, None)
        await b.transport.publish("home", b"two")
        await stranger.transport.publish(WIRE, b"junk")
        await trio.sleep(1)
        assert a.read == [b"two"]
        assert Dropped(stranger.transport.peer_id, "not-sealed") in a.events


async def test_messages_checked_and_never_read_are_forgotten_the_oldest_first() -> None:
    transport = sealed(MemoryNetwork(seed=1), "a")
    transport._topic_of[WIRE] = "home"
    for number in range(1, 2_000):
        data = SECRET.seal("home", "12D3KooWx", b"on")
        assert (
            transport._check(MessageReceived(WIRE, "12D3KooWx", data, "12D3KooWx", number)) is Verdict.ACCEPT
        )
    assert len(transport._opened) == 1_024
    assert ("12D3KooWx", 1_999) in transport._opened


async def test_only_some_of_many_strangers_are_named_and_all_are_counted() -> None:
    transport = sealed(MemoryNetwork(seed=1), "a")
    for number in range(200):
        transport._check(MessageReceived(WIRE, f"s{number}", b"junk", f"s{number}", 1))
    assert transport.dropped["not-sealed"] == 200
    assert len(transport._to_tell) == 64


async def test_topics_of_strangers_keep_their_own_names(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(network.transport("s"), sealed(network, "a")) as (stranger, a):
        await stranger.transport.join("open")
        await a.transport._inner.join("open")  # type: ignore[attr-defined]
        await trio.sleep(1)
        assert a.transport.topics_of(stranger.transport.peer_id) == {"open", "home"}
        assert a.transport.detail(stranger.transport.peer_id).in_mesh == {"open": True, "home": True}  # type: ignore[union-attr]
        assert PeerSubscribed("open", stranger.transport.peer_id) in a.events
        assert a.transport.topic_peers("house") == frozenset()
        assert a.transport.topic_peers("home") == {stranger.transport.peer_id}
        await stranger.transport.leave("open")
        await trio.sleep(1)
        assert PeerUnsubscribed("open", stranger.transport.peer_id) in a.events
        a.transport.forget(stranger.transport.peer_id)
        await a.transport.disconnect(stranger.transport.peer_id)
        await trio.sleep(1)
        assert a.transport.connected_peers() == frozenset()


async def test_a_strangers_signed_junk_that_came_another_way_is_not_opened(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with on_network(network.transport("s"), network.transport("witness"), sealed(network, "a")) as (
        s,
        witness,
        a,
    ):
        await s.transport.publish(WIRE, b"junk")
        await trio.sleep(1)
        (signed,) = [event.signed for event in witness.events if isinstance(event, MessageReceived)]
        assert witness.transport.open_signed(WIRE, signed) is not None
        assert a.transport.open_signed("home", signed) is None


async def test_an_opened_message_keeps_all_but_topic_and_bytes() -> None:
    transport = sealed(MemoryNetwork(seed=1), "a")
    transport._topic_of[WIRE] = "home"
    values = {field.name: f"<{field.name}>" for field in fields(MessageReceived)}
    values |= {"topic": WIRE, "author": "p", "data": SECRET.seal("home", "p", b"on"), "sequence": 7}
    message = MessageReceived(**values)  # type: ignore[arg-type]
    assert transport._plain(message) == replace(message, topic="home", data=b"on")


async def test_taking_away_what_is_not_there_is_no_error() -> None:
    transport = sealed(MemoryNetwork(seed=1), "a")
    transport.check_with("home", None)
    await transport.leave("home")


async def test_a_peer_in_the_mesh_of_one_key_is_in_the_mesh(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = MemoryNetwork(seed=1)
    both = Secret((KEY, OLD))
    async with on_network(sealed(network, "a", both), sealed(network, "b", both)) as (a, b):
        inner = a.transport._inner  # type: ignore[attr-defined]
        detail = inner.detail(b.transport.peer_id)
        first, second = both.wire_names("home")
        for meshes in ({first: True, second: False}, {first: False, second: True}):
            monkeypatch.setattr(inner, "detail", lambda _, meshes=meshes: replace(detail, in_mesh=meshes))
            assert a.transport.detail(b.transport.peer_id).in_mesh == {"home": True}  # type: ignore[union-attr]
