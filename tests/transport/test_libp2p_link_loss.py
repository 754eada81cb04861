"""The last connection is lost: said within 10 s, and mended soon after the other side is back; QUIC and TCP.

Processes of their own, with default settings where the time is the point.
"""

from __future__ import annotations

import gc
import os
import signal

import pytest
import trio
from libp2p.transport.quic.connection import QUICConnection

from ampubsub.transport.interface import PeerConnected, PeerDisconnected, PeerSubscribed
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from tests.transport.loopback import LISTEN, QUIC, TOPIC, child_peer, event_of, holds, until

pytestmark = [pytest.mark.trio, pytest.mark.network]

QUICK = TransportSettings(ping_interval_s=0.3, ping_limit_s=2, idle_timeout_s=2)


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_root_that_is_killed_is_missed_and_joined_again_when_it_is_back(carrier: str) -> None:
    """Also by who does not listen, and whatever was tried in vain meanwhile."""
    leaf = Libp2pTransport()
    async with leaf.opened([]):
        await leaf.join(TOPIC)
        async with child_peer(LISTEN[carrier]) as root:
            await leaf.connect(root.address)
            await event_of(leaf, PeerSubscribed)
            root.process.kill()
            gone = await event_of(leaf, PeerDisconnected, within_s=10)
            assert gone.peer_id == root.peer_id
        await trio.sleep(3)  # some dials fail meanwhile
        async with child_peer(root.listen):
            await event_of(leaf, PeerSubscribed, within_s=15)


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_root_that_is_stopped_is_missed_and_joined_again_when_it_goes_on(carrier: str) -> None:
    leaf = Libp2pTransport()
    async with leaf.opened([]), child_peer(LISTEN[carrier]) as root:
        await leaf.join(TOPIC)
        await leaf.connect(root.address)
        await event_of(leaf, PeerSubscribed)
        os.kill(root.process.pid, signal.SIGSTOP)
        assert (await event_of(leaf, PeerDisconnected, within_s=10)).reason == "not heard of any more"
        await trio.sleep(3)
        os.kill(root.process.pid, signal.SIGCONT)
        await event_of(leaf, PeerSubscribed, within_s=15)
        assert not await holds(lambda: not leaf.connected_peers(), within_s=2)


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_peer_that_stops_for_five_seconds_is_kept(carrier: str) -> None:
    leaf = Libp2pTransport()
    async with leaf.opened([]), child_peer(LISTEN[carrier]) as root:
        await leaf.connect(root.address)
        await event_of(leaf, PeerConnected)
        await trio.sleep(1.4)  # the worst moment: just before the next ping
        os.kill(root.process.pid, signal.SIGSTOP)
        await trio.sleep(5)
        os.kill(root.process.pid, signal.SIGCONT)
        assert not await holds(lambda: not leaf.connected_peers(), within_s=5)


async def test_nothing_of_peers_that_vanished_stays_in_memory() -> None:
    def kept() -> int:
        gc.collect()
        return sum(isinstance(each, QUICConnection) for each in gc.get_objects())

    root = Libp2pTransport(QUICK)
    async with root.opened([QUIC]):
        before = kept()
        async with trio.open_nursery() as nursery:

            async def visit(seed: bytes) -> None:
                async with child_peer(QUIC, seed=seed * 32, dial=root.addresses[0]) as child:
                    await until(lambda: child.peer_id in root.connected_peers())

            for seed in (b"a", b"b", b"d"):
                nursery.start_soon(visit, seed)
        await until(lambda: not root.connected_peers(), within_s=20)
        await until(lambda: kept() <= before + 1)  # of the last one py-libp2p keeps a local variable
