"""Traps of py-libp2p's QUIC and TCP: each shown without its workaround, and closed with it."""

from __future__ import annotations

import datetime
import itertools
import os
import signal
from typing import Any

import pytest
import trio
from libp2p import new_host
from libp2p.network.exceptions import SwarmException
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.stream_muxer.mplex.mplex import MPLEX_PROTOCOL_ID, Mplex
from multiaddr import Multiaddr

from ampubsub.transport.interface import MessageReceived, PeerConnected, PeerDisconnected
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings, session
from ampubsub.transport.libp2p.plan import Plan, new_plan
from ampubsub.transport.libp2p.workarounds import quic
from tests.transport.loopback import QUIC, TCP, TOPIC, child_peer, event_of, holds, parts_of, until

pytestmark = [pytest.mark.trio, pytest.mark.network]

LIGHT = "read_packets_at_once"
"""Mends two of the traps besides, by other loops."""
both_ways = pytest.mark.parametrize("with_workaround", [False, True])


@both_ways
async def test_let_streams_be_silent(with_workaround: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pubsub stream dies of silence while both sides still show a connected peer (30 s, here 0.5)."""

    def new_hasty_plan(*args: Any) -> Plan:
        hasty = new_plan(*args)
        hasty.quic.STREAM_READ_TIMEOUT /= 60
        return hasty

    monkeypatch.setattr(session, "new_plan", new_hasty_plan)
    without = [] if with_workaround else ["let_streams_be_silent"]
    settings = TransportSettings(resubscribe_grace_s=60)
    root, leaf = Libp2pTransport(settings, without=without), Libp2pTransport(settings, without=without)
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
async def test_end_connections_in_full(with_workaround: bool) -> None:
    """That the last connection to a killed QUIC peer has ended is never told, and never redialled."""
    settings = TransportSettings(ping_interval_s=0.3, idle_timeout_s=1)
    leaf = Libp2pTransport(settings, without=[] if with_workaround else ["end_connections_in_full", LIGHT])
    async with leaf.opened([]), child_peer(QUIC) as root:
        await leaf.connect(root.address)
        await event_of(leaf, PeerConnected)
        root.process.kill()
        assert await holds(lambda: not leaf.connected_peers(), within_s=5) is with_workaround


@both_ways
async def test_certify_for_all_times(with_workaround: bool) -> None:
    """Who is more than a minute behind refuses a QUIC peer, and after a year everybody does."""
    leaf = Libp2pTransport(without=[] if with_workaround else ["certify_for_all_times"])
    async with leaf.opened([]):
        certificate = quic.quic_transport(parts_of(leaf).network)._security_manager.tls_config.certificate
        valid = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert (valid > datetime.timedelta(days=2000 * 365)) is with_workaround
        a_day_behind = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        assert (certificate.not_valid_before_utc < a_day_behind) is with_workaround


@both_ways
async def test_knock_often(with_workaround: bool) -> None:
    """The first packet of a QUIC dial is repeated after ever longer pauses: who starts in one of them waits."""
    leaf = Libp2pTransport(without=[] if with_workaround else ["knock_often"])
    silent = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    with silent:
        await silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        heard: list[float] = []
        async with leaf.opened([]), trio.open_nursery() as nursery:

            async def dial() -> None:
                await leaf.connect(f"/ip4/127.0.0.1/udp/{port}/quic-v1/p2p/{Identity.new().peer_id}")

            nursery.start_soon(dial)
            with trio.move_on_after(4):
                while True:
                    await silent.recvfrom(2000)
                    heard.append(trio.current_time())
            nursery.cancel_scope.cancel()
        longest = max(later - sooner for sooner, later in itertools.pairwise(heard))
        assert (longest < 1.3) is with_workaround


@both_ways
async def test_read_packets_at_once(with_workaround: bool) -> None:
    """A message costs two dozen steps of tasks, sending and receiving it, its acknowledgement included."""

    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.count += 1

    without = [] if with_workaround else [LIGHT]
    root, leaf = Libp2pTransport(without=without), Libp2pTransport(without=without)
    async with root.opened([QUIC]), leaf.opened([]):
        for each in (root, leaf):
            await each.join(TOPIC)
        await leaf.connect(root.addresses[0])
        await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})
        await until(lambda: root.topic_peers(TOPIC) == {leaf.peer_id})
        await trio.sleep(0.5)
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        for _ in range(50):
            await leaf.publish(TOPIC, b"x" * 200)
            await event_of(root, MessageReceived)
            await trio.sleep(0.01)
        trio.lowlevel.remove_instrument(steps)
        assert (steps.count / 50 < 14) is with_workaround, steps.count / 50


@both_ways
async def test_ping(with_workaround: bool) -> None:
    """With a short idle timeout and no ping, a silent but healthy QUIC peer is dropped."""
    settings = TransportSettings(ping_interval_s=0.3, idle_timeout_s=1)
    without = [] if with_workaround else ["ping"]
    root, leaf = Libp2pTransport(settings, without=without), Libp2pTransport(settings, without=without)
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
    without = [] if with_workaround else ["notice_close_at_once", "end_connections_in_full", LIGHT]
    root = Libp2pTransport(without=without)
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
    transport = Libp2pTransport(
        without=[] if with_workaround else ["speak_yamux_only", "notice_silent_peers"]
    )
    old = new_host(muxer_opt={MPLEX_PROTOCOL_ID: Mplex})
    async with transport.opened([TCP]), old.run([]):
        with trio.move_on_after(5):
            try:
                await old.connect(info_from_p2p_addr(Multiaddr(transport.addresses[0])))
            except SwarmException:
                assert with_workaround
        let_in = await holds(
            lambda: bool(transport.connected_peers()), within_s=0.3 if with_workaround else 5
        )
        assert let_in is not with_workaround
        await old.close()
