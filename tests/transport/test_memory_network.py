"""The in-memory network under a virtual clock: what arrives, what is lost, who notices what."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from ampubsub.transport.interface import (
    AddressError,
    DialError,
    DirectOpened,
    ListenError,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    PeerSubscribed,
    TransportError,
    TransportEvent,
)
from ampubsub.transport.memory import Faults, MemoryNetwork, MemoryTransport


@pytest.fixture
def clock() -> MockClock:
    return MockClock(autojump_threshold=0)


class Seen:
    """Reads a host's events into a list, and lets a test wait for one."""

    def __init__(self, host: MemoryTransport) -> None:
        self.host = host
        self.events: list[TransportEvent] = []
        self.changed = trio.Event()

    async def read(self) -> None:
        async for event in self.host.events():
            self.events.append(event)
            self.changed.set()
            self.changed = trio.Event()

    async def until(self, kind: type[TransportEvent], within_s: float = 60.0) -> TransportEvent:
        with trio.fail_after(within_s):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                await self.changed.wait()

    def messages(self) -> list[bytes]:
        return [event.data for event in self.events if isinstance(event, MessageReceived)]


async def stay(host: MemoryTransport, task_status: trio.TaskStatus[Seen]) -> None:
    async with host.opened():
        await host.join("home")
        seen = Seen(host)
        task_status.started(seen)
        await seen.read()


async def open_hosts(nursery: trio.Nursery, network: MemoryNetwork, number: int) -> list[Seen]:
    return [await nursery.start(stay, network.transport()) for _ in range(number)]


@pytest.mark.trio
async def test_a_message_reaches_peers_that_know_each_other_only_through_a_third(clock: MockClock) -> None:
    network = MemoryNetwork(seed=1)
    async with trio.open_nursery() as nursery:
        root, left, right = await open_hosts(nursery, network, 3)
        await left.host.connect(root.host.addresses[0])
        await right.host.connect(root.host.addresses[0])
        await left.host.publish("home", b"hello")
        message = await right.until(MessageReceived)
        assert isinstance(message, MessageReceived)
        assert (message.author, message.received_from) == (left.host.peer_id, root.host.peer_id)
        assert left.messages() == []
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_connecting_tells_both_sides_who_is_there_and_what_they_joined(clock: MockClock) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        one, two = await open_hosts(nursery, network, 2)
        assert await one.host.connect(two.host.addresses[0]) == two.host.peer_id
        assert await one.host.connect(two.host.addresses[0]) == two.host.peer_id
        for seen, other in ((one, two), (two, one)):
            await seen.until(PeerSubscribed)
            await seen.until(DirectOpened)
            first, *others = (type(event) for event in seen.events)
            assert first is PeerConnected
            assert set(others) == {PeerSubscribed, DirectOpened}
            assert seen.host.topic_peers("home") == {other.host.peer_id}
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_closed_host_is_missed_at_once_and_a_crashed_one_after_a_while(clock: MockClock) -> None:
    network = MemoryNetwork(faults=Faults(detection_s=20.0))
    async with trio.open_nursery() as nursery:
        (root,) = await open_hosts(nursery, network, 1)
        polite, rude = network.transport(), network.transport()
        async with polite.opened():
            await polite.connect(root.host.addresses[0])
        started = trio.current_time()
        await root.until(PeerDisconnected)
        assert trio.current_time() - started < 0.1
        root.events.clear()
        async with rude.opened():
            await rude.connect(root.host.addresses[0])
            network.crash(rude)
            await trio.lowlevel.checkpoint()
        started = trio.current_time()
        await root.until(PeerDisconnected)
        assert 19.0 < trio.current_time() - started < 21.0
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_partition_is_noticed_and_known_peers_are_dialled_again_once_it_heals(
    clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=3)
    async with trio.open_nursery() as nursery:
        one, two = await open_hosts(nursery, network, 2)
        await one.host.connect(two.host.addresses[0])
        network.partition([one.host], [two.host])
        await one.host.publish("home", b"lost")
        await one.until(PeerDisconnected)
        assert two.messages() == []
        one.events.clear()
        network.heal()
        await one.until(PeerSubscribed, within_s=120)
        await one.host.publish("home", b"back")
        await two.until(MessageReceived)
        assert two.messages() == [b"back"]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_the_same_seed_loses_and_doubles_the_same_messages(clock: MockClock) -> None:
    async def day() -> list[bytes]:
        network = MemoryNetwork(seed=7, faults=Faults(loss=0.3, duplication=0.3, reorder=True))
        async with trio.open_nursery() as nursery:
            one, two = await open_hosts(nursery, network, 2)
            await one.host.connect(two.host.addresses[0])
            for number in range(50):
                await one.host.publish("home", bytes([number]))
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        return two.messages()

    first, second = await day(), await day()
    assert first == second
    assert 20 < len(set(first)) < 50
    assert len(first) > len(set(first))
    assert first != sorted(first)


@pytest.mark.trio
async def test_a_reader_that_sleeps_loses_events_and_they_are_counted(clock: MockClock) -> None:
    network = MemoryNetwork(faults=Faults(event_queue=10))
    one, two = network.transport(), network.transport()
    async with one.opened(), two.opened():
        await one.join("home")
        await two.join("home")
        await one.connect(two.addresses[0])
        for _ in range(50):
            await one.publish("home", b"x")
        await trio.sleep(1)
        assert two.dropped["queue-full"] > 30


@pytest.mark.trio
async def test_wrong_use_is_told_in_words(clock: MockClock) -> None:
    network = MemoryNetwork()
    host = network.transport("kitchen")
    with pytest.raises(TransportError, match="closed"):
        await host.connect("/memory/x/p2p/12D3KooWx")
    async with host.opened():
        with pytest.raises(AddressError, match="expected /memory/NAME/p2p/PEERID"):
            await host.connect("/ip4/127.0.0.1/udp/1/quic-v1")
        with pytest.raises(DialError, match="did not answer"):
            await host.connect("/memory/x/p2p/12D3KooWx")
        with pytest.raises(TransportError, match="has not joined home"):
            await host.publish("home", b"")
        twin = network.transport("kitchen", peer_id=host.peer_id)
        with pytest.raises(ListenError, match="already"):
            async with twin.opened():
                pass
    async with host.opened():
        assert host.addresses
