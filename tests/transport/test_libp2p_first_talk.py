"""Two peers on loopback meet, see each other's topics, talk, and notice each other's leaving."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import trio

from ampubsub.transport.interface import (
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    PeerSubscribed,
    PeerUnsubscribed,
)
from ampubsub.transport.libp2p import Libp2pTransport

pytestmark = [pytest.mark.trio, pytest.mark.network]

LISTEN = {"quic-v1": "/ip4/127.0.0.1/udp/0/quic-v1", "tcp": "/ip4/127.0.0.1/tcp/0"}
Event = TypeVar("Event")


async def event_of(
    transport: Libp2pTransport, kind: type[Event], wanted: Callable[[Event], bool] = lambda event: True
) -> Event:
    with trio.fail_after(20):
        async for event in transport.events():
            if isinstance(event, kind) and wanted(event):
                return event
    raise AssertionError("the events ended")


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_two_peers_meet_talk_and_part(carrier: str) -> None:
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([LISTEN[carrier]]):
        async with leaf.opened([]):
            await root.join("crew")
            await leaf.join("crew")
            assert await leaf.connect(root.addresses[0]) == root.peer_id
            met = await event_of(root, PeerConnected)
            assert met.peer_id == leaf.peer_id
            assert (await event_of(root, PeerSubscribed)) == PeerSubscribed("crew", leaf.peer_id)
            assert (await event_of(leaf, PeerSubscribed)) == PeerSubscribed("crew", root.peer_id)
            await root.publish("crew", b"aye")
            heard = await event_of(leaf, MessageReceived)
            assert (heard.topic, heard.data) == ("crew", b"aye")
            assert heard.author == heard.received_from == root.peer_id
            assert heard.sequence > 1_500_000_000_000_000_000
            await leaf.publish("crew", b"captain")
            assert (await event_of(root, MessageReceived)).data == b"captain"
            assert root.connected_peers() == {leaf.peer_id} == root.topic_peers("crew")
            detail = leaf.detail(root.peer_id)
            assert detail is not None
            assert detail.agent.startswith("ampubsub py-libp2p/")
            assert "/meshsub/1.1.0" in detail.protocols
            assert (detail.transport, detail.gossipsub, detail.connections) == (carrier, "1.1", 1)
        with trio.fail_after(5):
            assert (await event_of(root, PeerDisconnected)).peer_id == leaf.peer_id
            assert (await event_of(root, PeerUnsubscribed)).peer_id == leaf.peer_id
        assert root.connected_peers() == frozenset()
    assert root.addresses == ()
