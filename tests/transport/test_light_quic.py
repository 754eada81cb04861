"""The QUIC loops of ours: what goes wrong below them, and clocks that are set, end or stall nothing."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

import pytest
import trio
from libp2p.custom_types import TProtocol

from ampubsub.transport.interface import MessageReceived
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from ampubsub.transport.libp2p.light_quic import LightConnection, drain
from tests.transport.loopback import QUIC, TOPIC, event_of, holds, parts_of, until

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def together(root: Libp2pTransport, leaf: Libp2pTransport) -> None:
    for each in (root, leaf):
        await each.join(TOPIC)
    await leaf.connect(root.addresses[0])
    await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})
    await until(lambda: root.topic_peers(TOPIC) == {leaf.peer_id})


async def still_talk(root: Libp2pTransport, leaf: Libp2pTransport) -> None:
    for one, two in ((root, leaf), (leaf, root)):
        await one.publish(TOPIC, b"still here")
        assert (await event_of(two, MessageReceived, within_s=10)).data == b"still here"


def connection_of(transport: Libp2pTransport) -> Any:
    assert transport._session is not None
    (peer,) = transport._session.peers.values()
    muxed = peer.connections[0].link.muxed_conn
    assert isinstance(muxed, LightConnection)
    return muxed


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
async def test_a_clock_that_is_set_ends_and_stalls_nothing(
    step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TransportSettings(ping_interval_s=0.2, idle_timeout_s=1.5)
    root, leaf = Libp2pTransport(settings), Libp2pTransport(settings)
    async with root.opened([QUIC]), leaf.opened([]):
        await together(root, leaf)
        first = connection_of(leaf)
        true = time.time
        monkeypatch.setattr(time, "time", lambda: true() + step_s)
        assert not await holds(lambda: not leaf.connected_peers(), within_s=2.5)
        await still_talk(root, leaf)
        assert connection_of(leaf) is first
        late = Libp2pTransport(settings)
        async with late.opened([]):
            await late.connect(root.addresses[0])


async def test_packets_that_the_system_refuses_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the network is gone for a moment, or a buffer is full: it ends no connection."""
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([QUIC]), leaf.opened([]):
        await together(root, leaf)
        refusals = 0
        sendto = socket.socket.sendto

        def refuse(self: socket.socket, data: bytes, address: Any) -> int:
            nonlocal refusals
            if self.type is socket.SOCK_DGRAM and refusals < 6:
                refusals += 1
                raise OSError((errno.ENETUNREACH, errno.EAGAIN, errno.EPERM)[refusals % 3], "refused")
            return sendto(self, data, address)

        monkeypatch.setattr(socket.socket, "sendto", refuse)
        await still_talk(root, leaf)
        assert refusals == 6


async def test_a_stream_that_nobody_reads_is_reset_before_bytes_are_missing_in_it() -> None:
    """py-libp2p throws away what does not fit, and the reader goes on in the middle of something else."""
    root, leaf = Libp2pTransport(), Libp2pTransport()
    protocol = TProtocol("/test/unread")
    accepted: list[Any] = []
    async with root.opened([QUIC]), leaf.opened([]):

        async def accept(stream: Any) -> None:
            accepted.append(stream.muxed_stream)
            await trio.sleep_forever()

        parts_of(root).host.set_stream_handler(protocol, accept)
        await together(root, leaf)
        stream = await parts_of(leaf).host.new_stream(parts_of(root).host.get_id(), [protocol])
        with pytest.raises(Exception), trio.fail_after(10):  # noqa: B017, PT011, PT012 (several libraries' errors)
            while True:
                await stream.write(bytes(range(256)) * 64)
        (unread,) = accepted
        assert unread.is_reset()
        kept = bytes(unread._receive_buffer)
        assert len(kept) <= unread.MAX_RECEIVE_BUFFER_SIZE
        assert kept == (bytes(range(256)) * (len(kept) // 256 + 1))[: len(kept)]
        await still_talk(root, leaf)


async def test_draining_goes_on_after_what_an_earlier_packet_brought() -> None:
    """Linux tells of an ICMP answer at the next call on the socket."""

    class Raw:
        def __init__(self) -> None:
            self.answers: list[Any] = [
                (b"one", "a"),
                OSError(errno.ECONNREFUSED, "refused"),
                (b"two", "b"),
                BlockingIOError(),
            ]

        def recvfrom(self, size: int) -> Any:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        def fileno(self) -> int:
            return 3

    class Sock:
        _sock = Raw()

    taken: list[Any] = []
    assert drain(Sock(), lambda data, address: taken.append((data, address))) == 3
    assert taken == [(b"one", "a"), (b"two", "b")]
