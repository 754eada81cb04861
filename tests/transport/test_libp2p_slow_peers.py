"""Peers that read slowly or not at all, and peers that take us in only to throw us out again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio
from libp2p.peer.id import ID

from ampubsub.transport.interface import DisconnectCause, PeerConnected, PeerDisconnected
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from ampubsub.transport.libp2p.outlet import Outlet
from tests.hostile.attacker import attacker
from tests.transport.loopback import QUIC, TCP, event_of, until

pytestmark = pytest.mark.trio


class SlowStream:
    """Takes some bytes every second, and the next write only when all are taken."""

    def __init__(self, bytes_a_second: int) -> None:
        self.rate = bytes_a_second
        self.waiting = 0
        self.muxed_stream = SimpleNamespace(send_buffer_size=lambda: self.waiting)

    async def write(self, data: bytes) -> None:
        self.waiting += len(data)
        while self.waiting > 0:
            await trio.sleep(1)
            self.waiting -= self.rate


@pytest.mark.parametrize(("bytes_a_second", "stuck"), [(100, False), (1, False), (0, True)])
async def test_a_slow_peer_is_let_be_and_one_that_takes_nothing_is_noticed(
    autojump_clock, bytes_a_second: int, stuck: bool
) -> None:
    outlet = Outlet(SlowStream(bytes_a_second))  # type: ignore[arg-type]
    noticed_s = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outlet.write, b"x" * 1000)
        with trio.move_on_after(300):
            await outlet.until_stuck(20)
            noticed_s = trio.current_time()
        nursery.cancel_scope.cancel()
    assert (noticed_s is not None) is stuck
    assert not stuck or 20 <= noticed_s <= 30  # type: ignore[operator]


@pytest.mark.network
async def test_who_reads_nothing_is_disconnected_and_may_come_back_at_once() -> None:
    """Over TCP: a QUIC stream of py-libp2p's takes what nobody reads until it resets itself."""
    settings = TransportSettings(write_timeout_s=0.8, unacknowledged_bytes=65536)
    victim = Libp2pTransport(settings)
    async with victim.opened([TCP]), attacker(victim) as deaf:

        async def never_read(stream: object) -> None:
            await trio.sleep_forever()

        deaf.host.set_stream_handler("/meshsub/1.1.0", never_read)  # type: ignore[arg-type]
        await event_of(victim, PeerConnected)
        session = victim._session
        assert session is not None
        session.parts.pubsub._schedule_peer_stream_retry(deaf.id)  # the first try came before the handler
        await until(lambda: deaf.id in session.parts.pubsub.peer_queues)
        queue = session.parts.pubsub.peer_queues[deaf.id]
        for _ in range(40):
            queue.push(b"x" * 250_000)  # type: ignore[arg-type]
        gone = await event_of(victim, PeerDisconnected, within_s=10)
        assert gone == PeerDisconnected(deaf.peer_id, "does not read", DisconnectCause.OURS)
        assert not session.is_banned(deaf.id)


@pytest.mark.network
async def test_who_throws_us_out_at_once_is_dialled_ever_more_rarely() -> None:
    settings = TransportSettings(redial_base_s=0.1, redial_jitter=0.1)
    root, leaf = Libp2pTransport(TransportSettings(ban_s=1000)), Libp2pTransport(settings)
    async with root.opened([QUIC]), leaf.opened([]):
        await leaf.connect(root.addresses[0])
        await event_of(leaf, PeerConnected)
        assert root._session is not None
        await root._session._expel(ID.from_string(leaf.peer_id), "test")
        seen = 0
        with trio.move_on_after(4):
            async for event in leaf.events():
                seen += isinstance(event, PeerDisconnected)
        assert seen <= 6, "0.1 s, 0.2 s, 0.4 s, 0.8 s, 1.6 s after each other"
