"""A sealed topic on real QUIC and TCP: two members whose only link is a stranger that relays."""

from __future__ import annotations

import pytest
import trio

from ampubsub.seal import SealedTransport, Secret
from ampubsub.transport.interface import MessageReceived, Transport
from ampubsub.transport.libp2p import Libp2pTransport

pytestmark = [pytest.mark.trio, pytest.mark.network]
SECRET = Secret((b"k" * 32,))
(WIRE,) = SECRET.wire_names("home")


@pytest.mark.parametrize("listen", ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"])
async def test_members_read_each_other_through_a_stranger_who_reads_and_forges_nothing(listen: str) -> None:
    a, b = (SealedTransport(Libp2pTransport(), SECRET) for _ in range(2))
    stranger = Libp2pTransport()
    read: dict[Transport, list[bytes]] = {a: [], b: [], stranger: []}

    async def hear(transport: Transport) -> None:
        async for event in transport.events():
            if isinstance(event, MessageReceived):
                read[transport].append(event.data)

    with trio.fail_after(30):
        async with stranger.opened([listen]), a.opened(()), b.opened(()), trio.open_nursery() as nursery:
            for transport in read:
                nursery.start_soon(hear, transport)
                await transport.join(WIRE if transport is stranger else "home")
            for member in (a, b):
                await member.connect(stranger.addresses[0])
            while not (read[b] and read[stranger]):  # the mesh takes a heartbeat to form
                await a.publish("home", b"the lamp is on")
                await trio.sleep(0.3)
            assert set(read[b]) == {b"the lamp is on"}
            assert all(b"lamp" not in data for data in read[stranger])
            await stranger.publish(WIRE, b"the lamp is off")
            await stranger.publish(WIRE, read[stranger][0])
            while b.dropped["not-sealed"] < 2:
                await trio.sleep(0.05)
            assert set(read[b]) == {b"the lamp is on"}
            nursery.cancel_scope.cancel()
