"""Seeking on the in-memory network, in virtual time: who is dialled, met, left, and written into the book."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from ampubsub import Topic
from ampubsub.discovery import Found, How, Seeking, topic_tag
from ampubsub.discovery.mdns import MdnsSettings
from ampubsub.topic import Host
from ampubsub.transport.memory import MemoryNetwork, MemoryTransport

pytestmark = pytest.mark.trio
TAG = frozenset([topic_tag("home")])


class Book:
    """What was written."""

    path = "book"

    def __init__(self, *known: Found) -> None:
        self.known = known
        self.met_peers: list[tuple[str, tuple[str, ...]]] = []

    def read(self) -> tuple[Found, ...]:
        return self.known

    def met(self, peer_id: str, addresses: tuple[str, ...]) -> None:
        self.met_peers.append((peer_id, addresses))


@asynccontextmanager
async def seeking(
    network: MemoryNetwork, name: str, **options: object
) -> AsyncIterator[tuple[Host, Seeking]]:
    host = Host(network.transport(name))
    async with host.opened(["/memory/x"]):
        seeking = Seeking(host.transport, "home", **options)  # type: ignore[arg-type]
        host.subscribe("home", seeking.take)
        await host.transport.join("home")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(seeking.run)
            yield host, seeking
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def peer(network: MemoryNetwork, name: str, topic: str = "home") -> AsyncIterator[MemoryTransport]:
    transport = network.transport(name)
    async with transport.opened(["/memory/x"]):
        await transport.join(topic)
        yield transport


def found(transport: MemoryTransport, how: How = How.MDNS, address: str = "") -> Found:
    return Found(transport.peer_id, (address or transport.addresses[0],), TAG, how, transport.peer_id)


async def test_a_found_peer_is_dialled_said_how_and_written_into_the_book(autojump_clock: MockClock) -> None:
    network, book = MemoryNetwork(seed=1), Book()
    async with peer(network, "a") as a, seeking(network, "us", book=book) as (host, us):
        us.found(found(a))
        await trio.sleep(3)
        assert host.transport.topic_peers("home") == {a.peer_id}
        assert us.how_found(a.peer_id) == "mdns"
        assert book.met_peers == [(a.peer_id, a.addresses)]


async def test_given_listed_and_met_peers_are_dialled_at_once(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with peer(network, "a") as a, peer(network, "b") as b, peer(network, "c") as c:
        options = {"given": a.addresses, "listed": b.addresses, "book": Book(found(c, How.BOOK))}
        async with seeking(network, "us", **options) as (host, us):
            await trio.sleep(1.4)
            assert host.transport.topic_peers("home") == {a.peer_id, b.peer_id, c.peer_id}
            assert [us.how_found(each.peer_id) for each in (a, b, c)] == ["given", "list", "book"]


async def test_who_dialled_us_is_not_written_into_the_book(autojump_clock: MockClock) -> None:
    network, book = MemoryNetwork(seed=1), Book()
    async with peer(network, "a") as a, seeking(network, "us", book=book) as (host, us):
        await a.connect(host.transport.addresses[0])
        await trio.sleep(3)
        assert us.how_found(a.peer_id) == "dialled us"
        assert book.met_peers == []


async def test_a_peer_that_takes_no_part_is_left_again_and_never_written(autojump_clock: MockClock) -> None:
    network, book = MemoryNetwork(seed=1), Book()
    async with peer(network, "a", "garden") as a, seeking(network, "us", book=book) as (host, us):
        us.found(found(a))
        await trio.sleep(2.5)
        assert a.peer_id in host.transport.connected_peers()
        await trio.sleep(120)  # a few tries
        assert a.peer_id not in host.transport.connected_peers()
        assert us.seeker.known == 0
        assert book.met_peers == []


async def test_a_dead_peer_is_not_dialled_for_ever(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    ghost = network.transport("ghost")
    async with peer(network, "a") as a, seeking(network, "us") as (host, us):
        us.found(Found(ghost.peer_id, (f"/memory/ghost/p2p/{ghost.peer_id}",), TAG, How.MDNS, "g"))
        us.found(found(a))
        await trio.sleep(10)
        assert host.transport.topic_peers("home") == {a.peer_id}
        await trio.sleep(600)
        assert us.seeker.known == 1
        async with ghost.opened(["/memory/x"]):
            await ghost.join("home")
            await trio.sleep(60)
            assert host.transport.topic_peers("home") == {a.peer_id}  # nobody dials it any more
            us.found(found(ghost))
            await trio.sleep(5)
            assert host.transport.topic_peers("home") == {a.peer_id, ghost.peer_id}


async def test_liars_dead_ones_and_ten_thousand_of_them_change_nothing_for_the_others(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    async with peer(network, "a") as a, peer(network, "b") as b, seeking(network, "us") as (host, us):
        us.found(found(a))
        await trio.sleep(3)
        for number in range(10_000):
            us.found(
                Found(
                    f"liar{number}", (f"/memory/liar{number}/p2p/liar{number}",), TAG, How.MDNS, str(number)
                )
            )
        us.found(Found(b.peer_id, (f"/memory/nowhere/p2p/{b.peer_id}",), TAG, How.MDNS, "lie"))
        us.found(found(b))
        await trio.sleep(20)
        assert host.transport.topic_peers("home") == {a.peer_id, b.peer_id}
        assert us.seeker.known <= 256


async def test_a_lost_peer_is_found_again(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with seeking(network, "us") as (host, us):
        a = network.transport("a")
        for _ in range(2):
            async with a.opened(["/memory/x"]):
                await a.join("home")
                us.found(found(a))
                await trio.sleep(30)
                assert host.transport.topic_peers("home") == {a.peer_id}
            await trio.sleep(1)
            assert host.transport.topic_peers("home") == frozenset()


async def test_a_book_that_cannot_be_written_is_said_once_and_stops_nothing(
    autojump_clock: MockClock,
) -> None:
    class Locked(Book):
        def met(self, peer_id: str, addresses: tuple[str, ...]) -> None:
            raise PermissionError(13, "Permission denied")

    network, notices = MemoryNetwork(seed=1), []
    async with (
        peer(network, "a") as a,
        peer(network, "b") as b,
        seeking(network, "us", book=Locked(), notice=notices.append) as (host, us),
    ):
        us.found(found(a))
        us.found(found(b))
        await trio.sleep(5)
        assert host.transport.topic_peers("home") == {a.peer_id, b.peer_id}
        assert notices == ["the address book book cannot be written: Permission denied"]


async def test_with_a_given_address_the_book_is_opened_only_when_nobody_is_met_there(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    async with peer(network, "hub") as hub, peer(network, "friend") as friend:
        book = Book(found(friend, How.BOOK))
        async with seeking(network, "us", book=book, dialled=hub.addresses) as (host, us):
            await host.transport.connect(hub.addresses[0])
            await trio.sleep(60)
            assert host.transport.topic_peers("home") == {hub.peer_id}
            assert us.how_found(hub.peer_id) == "given"
            assert book.met_peers == [(hub.peer_id, hub.addresses)]
            host.transport.forget(hub.peer_id)
            await host.transport.disconnect(hub.peer_id)
            await trio.sleep(25)
            assert host.transport.topic_peers("home") == {friend.peer_id}
            assert us.how_found(friend.peer_id) == "book"


async def test_a_peer_that_was_dialled_before_the_seeking_began_is_written_too(
    autojump_clock: MockClock,
) -> None:
    network, book = MemoryNetwork(seed=1), Book()
    async with peer(network, "hub") as hub, peer(network, "guest") as guest:
        host = Host(network.transport("us"))
        async with host.opened(["/memory/x"]), trio.open_nursery() as nursery:
            await host.transport.join("home")
            await host.transport.connect(hub.addresses[0])
            await guest.connect(host.transport.addresses[0])
            await trio.sleep(1)
            us = Seeking(host.transport, "home", dialled=hub.addresses, book=book)  # type: ignore[arg-type]
            nursery.start_soon(us.run)
            await trio.sleep(1)
            assert book.met_peers == [(hub.peer_id, hub.addresses)]
            assert us.how_found(hub.peer_id) == "given"
            assert us.how_found(guest.peer_id) == "dialled us"
            nursery.cancel_scope.cancel()


async def test_peers_that_announce_themselves_without_topics_are_left_alone_unless_wanted(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    async with peer(network, "go") as go:
        announced = Found(go.peer_id, go.addresses, frozenset(), How.MDNS, "go")
        async with seeking(network, "us") as (host, us):
            us.found(announced)
            await trio.sleep(5)
            assert host.transport.topic_peers("home") == frozenset()
        async with seeking(network, "us2", strangers=True) as (host, us):
            us.found(announced)
            await trio.sleep(5)
            assert host.transport.topic_peers("home") == {go.peer_id}


async def test_a_network_that_cannot_be_asked_is_said_and_the_rest_goes_on() -> None:
    network, notices = MemoryNetwork(seed=1), []
    mdns = MdnsSettings(("192.0.2.77",), "_am-none._udp.local.")
    async with (
        peer(network, "a") as a,
        seeking(network, "us", mdns=mdns, notice=notices.append) as (host, us),
    ):
        us.found(found(a, How.BOOK))
        with trio.fail_after(10):
            while not (notices and host.transport.topic_peers("home")):
                await trio.sleep(0.01)
    assert notices[0].startswith("mDNS cannot be used on 192.0.2.77: ")
    assert "None" not in notices[0]


async def test_what_a_topic_knows_of_a_peer_says_how_it_was_found(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with Topic("home", listen=["/memory/x"], transport=network.transport("a")) as a:
        await a.machine.when("Joined")
        host = Host(network.transport("us"))
        async with host.opened(["/memory/x"]), Topic("home", host=host) as us, trio.open_nursery() as nursery:
            seeking = Seeking(host.transport, "home")
            host.subscribe("home", seeking.take)
            host.how_found = seeking.how_found
            nursery.start_soon(seeking.run)
            seeking.found(Found(a.peer_id, a.addresses, TAG, How.TOLD, "friend"))
            await trio.sleep(5)
            assert us.peers[a.peer_id].how_found == "told by friend"
            assert a.peers[us.peer_id].how_found == ""  # nobody seeks there
            nursery.cancel_scope.cancel()
