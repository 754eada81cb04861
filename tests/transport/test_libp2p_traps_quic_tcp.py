"""Traps of py-libp2p's QUIC and TCP: each shown without its workaround, and closed with it."""

from __future__ import annotations

import os
import signal

import pytest
import trio

from ampubsub.transport.interface import MessageReceived, PeerConnected, PeerDisconnected
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from tests.transport.loopback import QUIC, TCP, TOPIC, child_peer, event_of, holds, until

pytestmark = [pytest.mark.trio, pytest.mark.network]

both_ways = pytest.mark.parametrize("with_workaround", [False, True])


@both_ways
async def test_let_streams_be_silent(with_workaround: bool) -> None:
    """A pubsub stream dies of silence while both sides still show a connected peer (30 s, here 0.5)."""
    silence_s = 1e9 if with_workaround else 0.5
    settings = TransportSettings(stream_read_timeout_s=silence_s, resubscribe_grace_s=60)
    root, leaf = Libp2pTransport(settings), Libp2pTransport(settings)
    async with root.opened([QUIC]), leaf.opened([]):
        await root.join(TOPIC)
        await leaf.join(TOPIC)
        await leaf.connect(root.addresses[0])
        await until(lambda: root.topic_peers(TOPIC) == {leaf.peer_id})
        await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})
        await trio.sleep(1.5)
        assert root.connected_peers() == {leaf.peer_id}
        assert root.topic_peers(TOPIC) == {leaf.peer_id}
        await leaf.publish(TOPIC, b"are you there")
        heard = False
        with trio.move_on_after(2):
            await event_of(root, MessageReceived)
            heard = True
        assert heard is with_workaround


@both_ways
async def test_notice_dead_peers(with_workaround: bool) -> None:
    """A QUIC peer that vanished is shown as connected for 600 s."""
    settings = TransportSettings(ping_interval_s=0.3, idle_timeout_s=1.5)
    root = Libp2pTransport(settings, without=[] if with_workaround else ["notice_dead_peers"])
    async with root.opened([QUIC]), child_peer(QUIC, dial="") as child:
        await root.connect(child.address)
        root.forget(child.peer_id)
        await event_of(root, PeerConnected)
        os.kill(child.process.pid, signal.SIGKILL)
        assert await holds(lambda: not root.connected_peers(), within_s=5) is with_workaround


@both_ways
async def test_ping(with_workaround: bool) -> None:
    """With a short idle timeout and no ping, a silent but healthy QUIC peer is dropped."""
    settings = TransportSettings(ping_interval_s=0.3 if with_workaround else 1e6, idle_timeout_s=1)
    root, leaf = Libp2pTransport(settings), Libp2pTransport(settings)
    async with root.opened([QUIC]), leaf.opened([]):
        await leaf.connect(root.addresses[0])
        leaf.forget(root.peer_id)
        await event_of(root, PeerConnected)
        lost = await holds(lambda: not root.connected_peers(), within_s=5)
        assert lost is not with_workaround


@both_ways
async def test_notice_silent_peers(with_workaround: bool) -> None:
    """A stopped TCP peer is shown as connected for ever."""
    settings = TransportSettings(ping_interval_s=0.3, ping_limit_s=1)
    root = Libp2pTransport(settings, without=[] if with_workaround else ["notice_silent_peers"])
    async with root.opened([TCP]), child_peer(TCP) as child:
        await root.connect(child.address)
        root.forget(child.peer_id)
        await event_of(root, PeerConnected)
        os.kill(child.process.pid, signal.SIGSTOP)
        assert await holds(lambda: not root.connected_peers(), within_s=5) is with_workaround


@both_ways
async def test_notice_close_at_once(with_workaround: bool) -> None:
    """A peer that closes QUIC properly is shown for some 2 s more."""
    root = Libp2pTransport(without=[] if with_workaround else ["notice_close_at_once"])
    leaf = Libp2pTransport()
    async with root.opened([QUIC]):
        async with leaf.opened([]):
            await leaf.connect(root.addresses[0])
            await event_of(root, PeerConnected)
            await trio.sleep(0.5)
        assert await holds(lambda: not root.connected_peers(), within_s=0.3) is with_workaround
        await event_of(root, PeerDisconnected, within_s=10)


@both_ways
async def test_end_accepting(with_workaround: bool) -> None:
    """Each QUIC connection that we close leaves a task behind."""
    leaf = Libp2pTransport(without=[] if with_workaround else ["end_accepting"])
    root = Libp2pTransport()
    async with root.opened([QUIC]), leaf.opened([]):

        def waiting() -> int:
            nursery = leaf._session.parts.network.manager._task_nursery  # type: ignore[union-attr]
            return sum("start" in task.name for task in nursery.child_tasks)

        before = waiting()
        await leaf.connect(root.addresses[0])
        await trio.sleep(0.3)
        await leaf.disconnect(root.peer_id)
        assert await holds(lambda: waiting() == before, within_s=2) is with_workaround


@both_ways
async def test_speak_yamux_only(with_workaround: bool) -> None:
    """The older mplex, without pings, is offered as well."""
    transport = Libp2pTransport(without=[] if with_workaround else ["speak_yamux_only"])
    async with transport.opened([]):
        upgrader = transport._session.parts.network.upgrader  # type: ignore[union-attr]
        offered = list(upgrader.muxer_multistream.transports)
        assert ("/mplex/6.7.0" in offered) is not with_workaround
        assert "/yamux/1.0.0" in offered
