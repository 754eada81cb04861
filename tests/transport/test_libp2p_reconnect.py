"""Peers that die, restart, dial each other at once, or come back."""

from __future__ import annotations

import os
import signal

import pytest
import trio

from ampubsub.transport.address import parse_dial_address
from ampubsub.transport.interface import (
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    PeerSubscribed,
    PeerUnsubscribed,
)
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings
from tests.transport.loopback import LISTEN, QUIC, TCP, TOPIC, child_peer, event_of, holds, until

pytestmark = [pytest.mark.trio, pytest.mark.network]

QUICK = TransportSettings(
    ping_interval_s=0.3, ping_limit_s=1.5, idle_timeout_s=2, redial_base_s=0.1, redial_max_s=0.3
)


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_stopped_peer_is_noticed(carrier: str) -> None:
    root = Libp2pTransport(QUICK)
    async with root.opened([LISTEN[carrier]]), child_peer(LISTEN[carrier]) as child:
        await root.connect(child.address)
        await event_of(root, PeerConnected)
        os.kill(child.process.pid, signal.SIGSTOP)
        gone = await event_of(root, PeerDisconnected, within_s=10)
        assert gone == PeerDisconnected(child.peer_id, "not heard of any more")
        root.forget(child.peer_id)


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_silent_but_living_peer_stays(carrier: str) -> None:
    root, leaf = Libp2pTransport(QUICK), Libp2pTransport(QUICK)
    async with root.opened([LISTEN[carrier]]), leaf.opened([]):
        await leaf.connect(root.addresses[0])
        await event_of(root, PeerConnected)
        await trio.sleep(2 * QUICK.idle_timeout_s)
        assert root.connected_peers() == {leaf.peer_id}
        detail = leaf.detail(root.peer_id)
        assert detail is not None
        assert detail.round_trip_s is not None
        assert 0 < detail.round_trip_s < 1


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_peer_that_restarts_with_the_same_identity_is_heard_again_at_once(carrier: str) -> None:
    seed = b"r" * 32
    root = Libp2pTransport()
    again = Libp2pTransport(key=Identity.new(seed))
    async with root.opened([LISTEN[carrier]]):
        await root.join(TOPIC)
        async with child_peer(LISTEN[carrier], seed=seed, dial=root.addresses[0]) as child:
            await event_of(root, MessageReceived)
            assert child.peer_id == again.peer_id
            os.kill(child.process.pid, signal.SIGSTOP)  # dies without a word
            async with again.opened([]):
                await again.join(TOPIC)
                await again.connect(root.addresses[0])
                await until(lambda: root.detail(again.peer_id).connections == 1, within_s=5)  # type: ignore[union-attr]
                await until(lambda: again.topic_peers(TOPIC) == {root.peer_id}, within_s=5)
                await again.publish(TOPIC, b"back")
                await root.publish(TOPIC, b"welcome back")
                await event_of(root, MessageReceived, lambda heard: heard.data == b"back", within_s=5)
                await event_of(
                    again, MessageReceived, lambda heard: heard.data == b"welcome back", within_s=5
                )


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_two_peers_that_dial_each_other_at_once_keep_one_and_the_same_connection(carrier: str) -> None:
    for _ in range(3):
        left, right = Libp2pTransport(), Libp2pTransport()
        async with left.opened([LISTEN[carrier]]), right.opened([LISTEN[carrier]]):
            await left.join(TOPIC)
            await right.join(TOPIC)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(left.connect, right.addresses[0])
                nursery.start_soon(right.connect, left.addresses[0])

            def settled(one: Libp2pTransport = left, other: Libp2pTransport = right) -> bool:
                details = one.detail(other.peer_id), other.detail(one.peer_id)
                return all(detail is not None and detail.connections == 1 for detail in details)

            await until(settled)
            while await holds(lambda: not settled(), within_s=0.5):  # the other one was still under way
                await until(settled, within_s=10)
            for each, other in ((left, right), (right, left)):
                await until(lambda each=each, other=other: each.detail(other.peer_id).gossipsub != "")  # type: ignore[misc, union-attr]
            for number in range(3):
                await left.publish(TOPIC, b"l%d" % number)
                await right.publish(TOPIC, b"r%d" % number)
            await event_of(left, MessageReceived, lambda heard: heard.data == b"r2", within_s=5)
            await event_of(right, MessageReceived, lambda heard: heard.data == b"l2", within_s=5)


async def test_when_the_other_side_does_not_choose_we_do_and_no_peer_is_lost() -> None:
    """As with Go peers, which keep all connections."""
    idle = Libp2pTransport(without=["one_connection_per_peer"])
    left = Libp2pTransport(TransportSettings(their_choice_s=0.3))
    async with left.opened([QUIC]), idle.opened([QUIC]):
        await left.connect(idle.addresses[0])
        await until(lambda: left.peer_id in idle.connected_peers())
        for each, other in ((left, idle), (idle, left)):
            each.forget(other.peer_id)  # redialling would hide that both were closed
        await idle._session.dialer._dial(parse_dial_address(left.addresses[0]))  # type: ignore[union-attr]

        def connections() -> list[int]:
            details = left.detail(idle.peer_id), idle.detail(left.peer_id)
            return [detail.connections if detail else 0 for detail in details]

        await until(lambda: connections() != [1, 1], within_s=2)
        await until(lambda: connections() in ([1, 1], [0, 0]), within_s=5)
        assert not await holds(lambda: connections() != [1, 1], within_s=0.5)


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_known_peer_is_redialled_when_it_comes_back(carrier: str) -> None:
    root, leaf = Libp2pTransport(QUICK), Libp2pTransport(QUICK)
    async with leaf.opened([]):
        await leaf.join(TOPIC)
        async with root.opened([LISTEN[carrier]]):
            address = root.addresses[0]
            await leaf.connect(address)
            await event_of(leaf, PeerConnected)
        await event_of(leaf, PeerDisconnected)
        await trio.sleep(0.5)  # some redials fail meanwhile
        async with root.opened([address.partition("/p2p/")[0]]):
            await root.join(TOPIC)
            await event_of(leaf, PeerConnected)
            await event_of(leaf, PeerSubscribed)
            await event_of(root, PeerSubscribed)


async def test_a_forgotten_peer_is_not_redialled() -> None:
    root, leaf = Libp2pTransport(QUICK), Libp2pTransport(QUICK)
    async with root.opened([QUIC]), leaf.opened([]):
        await leaf.connect(root.addresses[0])
        leaf.forget(root.peer_id)
        await event_of(root, PeerConnected)
        await root.disconnect(leaf.peer_id)
        await until(lambda: not leaf.connected_peers())
        assert not await holds(lambda: bool(leaf.connected_peers()), within_s=1)


async def test_a_peer_that_we_disconnect_is_not_redialled_by_us() -> None:
    root, leaf = Libp2pTransport(QUICK), Libp2pTransport(QUICK)
    async with root.opened([QUIC]), leaf.opened([]):
        await leaf.connect(root.addresses[0])
        await leaf.disconnect(root.peer_id)
        await until(lambda: not root.connected_peers())
        assert not await holds(lambda: bool(leaf.connected_peers()), within_s=1)
        assert await leaf.connect(root.addresses[0]) == root.peer_id


async def test_connect_is_idempotent_also_at_the_same_time() -> None:
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([QUIC, TCP]), leaf.opened([]):
        async with trio.open_nursery() as nursery:
            for address in root.addresses * 3:
                nursery.start_soon(leaf.connect, address)
        await event_of(root, PeerConnected)
        detail = root.detail(leaf.peer_id)
        assert detail is not None
        assert detail.connections == 1


async def test_who_unsubscribes_is_noticed_and_may_come_back() -> None:
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([QUIC]), leaf.opened([]):
        await leaf.join(TOPIC)
        await leaf.connect(root.addresses[0])
        await event_of(root, PeerSubscribed)
        assert root.topics_of(leaf.peer_id) == {TOPIC}
        await leaf.leave(TOPIC)
        assert await event_of(root, PeerUnsubscribed) == PeerUnsubscribed(TOPIC, leaf.peer_id)
        assert root.topics_of(leaf.peer_id) == frozenset()
        await leaf.join(TOPIC)
        await event_of(root, PeerSubscribed)
