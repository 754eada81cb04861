"""Opening and closing: again and again without leaks, cancelled anywhere, errors as they are."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import psutil
import pytest
import trio
import trio.testing

from ampubsub.transport.interface import PeerDisconnected, TransportError
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings
from tests.transport.loopback import QUIC, TCP, TOPIC, event_of, until

pytestmark = [pytest.mark.trio, pytest.mark.network]


def live_tasks() -> int:
    def below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
        yield task
        for nursery in task.child_nurseries:
            for child in nursery.child_tasks:
                yield from below(child)

    root = trio.lowlevel.current_root_task()
    assert root is not None
    return sum(1 for _ in below(root))


async def test_fifty_starts_and_stops_leave_no_task_thread_or_descriptor() -> None:
    process = psutil.Process()
    pairs = [(Libp2pTransport(), Libp2pTransport()) for _ in range(5)]

    async def once(root: Libp2pTransport, leaf: Libp2pTransport, carrier: int) -> None:
        async with root.opened([QUIC, TCP]), leaf.opened([QUIC]):
            await root.join(TOPIC)
            await leaf.join(TOPIC)
            await leaf.connect(root.addresses[carrier])
            await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})

    await once(*pairs[0], 0)
    gc.collect()
    before = (process.num_fds(), threading.active_count(), live_tasks())
    for count in range(5):  # 5 times 5 pairs, side by side since most of the time is waiting
        async with trio.open_nursery() as nursery:
            for pair in pairs:
                nursery.start_soon(once, *pair, count % 2)
    gc.collect()
    assert (process.num_fds(), live_tasks()) == (before[0], before[2])
    assert threading.active_count() <= before[1]  # an idle worker thread of trio's may end meanwhile


async def test_a_closed_transport_can_be_opened_again_as_the_same_peer() -> None:
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with leaf.opened([QUIC]):
        for _ in range(2):
            async with root.opened([]):
                await root.connect(leaf.addresses[0])
                assert root.connected_peers() == {leaf.peer_id}
            gone = await event_of(leaf, PeerDisconnected, within_s=5)
            assert (gone.peer_id, gone.reason) == (root.peer_id, "closed by the peer")


async def test_a_transport_that_is_open_cannot_be_opened_twice() -> None:
    transport = Libp2pTransport()
    async with transport.opened([]):
        with pytest.raises(TransportError, match="open already"):
            async with transport.opened([]):
                pass


async def test_a_closed_transport_says_so() -> None:
    transport = Libp2pTransport()
    with pytest.raises(TransportError, match="not open"):
        await transport.join(TOPIC)
    assert transport.addresses == ()
    assert transport.connected_peers() == frozenset()
    assert transport.detail(transport.peer_id) is None


async def test_what_the_block_raises_passes_through_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with Libp2pTransport().opened([QUIC]):
            raise KeyError("mine")


async def test_events_end_when_the_transport_is_closed() -> None:
    transport = Libp2pTransport()
    async with trio.open_nursery() as nursery, transport.opened([]):
        events = transport.events()

        async def read() -> None:
            async for _ in events:
                pass

        nursery.start_soon(read)


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.005, 0.01, 0.05, 0.3])
async def test_cancelling_at_any_moment_leaves_nothing(after_s: float) -> None:
    process = psutil.Process()
    quick = TransportSettings(dial_timeout_s=1, idle_timeout_s=3)  # half a handshake is given up soon
    root, leaf = Libp2pTransport(quick), Libp2pTransport(quick)
    async with root.opened([QUIC, TCP]):
        await trio.testing.wait_all_tasks_blocked(0.05)
        gc.collect()
        before = (process.num_fds(), threading.active_count(), live_tasks())
        for address in root.addresses:
            with trio.move_on_after(after_s):
                async with leaf.opened([QUIC]):
                    await leaf.join(TOPIC)
                    await leaf.connect(address)
                    await trio.sleep_forever()
        await until(lambda: root.connected_peers() == frozenset())
        await until(lambda: live_tasks() <= before[2], within_s=25)
        gc.collect()
        await until(lambda: process.num_fds() <= before[0] and threading.active_count() <= before[1])
    async with leaf.opened([]):
        assert leaf.addresses == ()


async def test_cancelling_a_dial_leaves_nothing() -> None:
    leaf = Libp2pTransport()
    nobody = f"/ip4/127.0.0.1/udp/9/quic-v1/p2p/{Identity.new().peer_id}"
    async with leaf.opened([]):
        await trio.testing.wait_all_tasks_blocked(0.05)
        before = (psutil.Process().num_fds(), live_tasks())
        with trio.move_on_after(0.1):
            await leaf.connect(nobody)
        await until(lambda: live_tasks() <= before[1], within_s=5)
        gc.collect()
        assert (psutil.Process().num_fds(), live_tasks()) == before
