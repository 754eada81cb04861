"""Traps of py-libp2p's pubsub: each shown without its workaround, and closed with it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from google.protobuf.message import DecodeError
from libp2p.host.exceptions import StreamFailure
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import RpcQueue
from multiaddr import Multiaddr

from ampubsub.transport.address import Address, parse_dial_address
from ampubsub.transport.interface import Dropped, MessageReceived, PeerDisconnected
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from ampubsub.transport.libp2p.plan import build, new_plan
from ampubsub.transport.libp2p.session import Session
from ampubsub.transport.libp2p.workarounds import pubsub
from tests.hostile.attacker import Attacker, attacker, rpc
from tests.transport.bare import Bare, bare_host
from tests.transport.loopback import QUIC, TOPIC, event_of, holds, parts_of, until

network = pytest.mark.network
both_ways = pytest.mark.parametrize("with_workaround", [False, True])
HELLO = rpc_pb2.RPC.SubOpts(subscribe=True, topicid=TOPIC)


@network
@pytest.mark.trio
@both_ways
async def test_run_before_listening(with_workaround: bool) -> None:
    """A stream that comes in before the services run ends the host, and `host.run` listens first."""
    bare = Bare.made()

    async def visited() -> None:
        async with attacker(bare) as visitor:
            stream = await visitor.stream()
            await stream.write(rpc(subscriptions=[HELLO]))
            await bare.parts.pubsub.wait_for_subscription(visitor.id, TOPIC, timeout=15)

    with trio.fail_after(20):
        if with_workaround:
            async with pubsub.run_before_listening(bare.parts):
                await bare.parts.network.listen(Multiaddr(QUIC))
                await visited()
            bare.parts.pubsub.seen_messages.stop()
        else:
            with pytest.raises(BaseExceptionGroup) as ended:
                async with bare.listening(QUIC):
                    await visited()
            assert ended.group_contains(AttributeError, match="manager")


@network
@pytest.mark.trio
async def test_a_peer_that_dials_while_we_open_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Libp2pTransport()
    listen = Session._listen

    async def listen_and_be_dialled(session: Session, address: Address) -> None:
        await listen(session, address)
        listening = Bare(session.parts)
        async with attacker(listening) as visitor:
            stream = await visitor.stream()
            await stream.write(rpc(subscriptions=[HELLO]))
            await session.parts.pubsub.wait_for_subscription(visitor.id, TOPIC)

    monkeypatch.setattr(Session, "_listen", listen_and_be_dialled)
    with trio.fail_after(20):
        async with ours.opened([QUIC]):
            assert (await event_of(ours, PeerDisconnected)).reason == "closed by the peer"


@network
@pytest.mark.trio
@both_ways
async def test_first_sequence_number(with_workaround: bool) -> None:
    """py-libp2p counts from whole seconds: who said 100 things and restarts says the next 100 s old numbers."""
    root, leaf = (
        Libp2pTransport(),
        Libp2pTransport(without=[] if with_workaround else ["first_sequence_number"]),
    )

    @asynccontextmanager
    async def life_of(name: bytes, messages: int) -> AsyncIterator[None]:
        async with leaf.opened([]):
            await leaf.join(TOPIC)
            await leaf.connect(root.addresses[0])
            await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})
            for number in range(messages):
                await leaf.publish(TOPIC, b"%s %d" % (name, number))
            yield

    async with root.opened([QUIC]):
        await root.join(TOPIC)
        async with life_of(b"first", 100):
            heard = [(await event_of(root, MessageReceived)).data for _ in range(100)]
            assert heard == [b"first %d" % number for number in range(100)]
        async with life_of(b"second", 300):  # some are beyond the old numbers in any case
            heard = [(await event_of(root, MessageReceived)).data]
            assert (heard == [b"second 0"]) is with_workaround


ATTACKS: dict[str, tuple[str, Callable[[Attacker], bytes]]] = {
    "invalid protobuf": ("bad-protobuf", lambda evil: b"\x05\xff\xff\xff\xff\xff"),
    "a key of garbage": (
        "bad-key",
        lambda evil: rpc(evil.message(TOPIC, b"x", from_id=b"\x12\x20" + b"h" * 32, key=b"garbage")),
    ),
    "an author of garbage": (
        "bad-author",
        lambda evil: rpc(evil.message(TOPIC, b"x", from_id=b"\xff\xfe", key=b"garbage")),
    ),
}


@network
@pytest.mark.trio
@both_ways
@pytest.mark.parametrize("name", ATTACKS)
async def test_gossip_survives_garbage(name: str, with_workaround: bool) -> None:
    """Invalid protobuf, keys and authors of garbage end the host."""
    reason, garbage = ATTACKS[name]

    async def attack_bare() -> None:
        async with bare_host(QUIC) as bare, attacker(bare) as evil:
            await bare.parts.pubsub.subscribe(TOPIC)
            await (await evil.stream()).write(garbage(evil))
            await trio.sleep_forever()

    with trio.fail_after(20):
        if with_workaround:
            ours = Libp2pTransport()
            async with ours.opened([QUIC]), attacker(ours) as evil:
                await ours.join(TOPIC)
                await (await evil.stream()).write(garbage(evil))
                assert await event_of(ours, Dropped) == Dropped(evil.peer_id, reason)
                async with attacker(ours) as friend:
                    await (await friend.stream()).write(rpc(friend.message(TOPIC, b"fine")))
                    assert (await event_of(ours, MessageReceived)).data == b"fine"
        else:
            with pytest.raises(BaseExceptionGroup) as ended:
                await attack_bare()
            assert ended.group_contains(DecodeError)


@network
@pytest.mark.trio
@both_ways
async def test_event_queue(with_workaround: bool) -> None:
    """A subscription that is not read for a while holds 32 messages; what is more is dropped in silence."""
    sender, ours = Libp2pTransport(), Libp2pTransport()

    async def send_a_hundred(to: str) -> None:
        await sender.join(TOPIC)
        await sender.connect(to)
        await until(lambda: bool(sender.topic_peers(TOPIC)))
        for number in range(100):
            await sender.publish(TOPIC, b"%d" % number)

    async with sender.opened([]):
        if with_workaround:
            async with ours.opened([QUIC]):
                await ours.join(TOPIC)
                await send_a_hundred(ours.addresses[0])
                await until(lambda: messages_waiting(ours) == 100)
                heard = [(await event_of(ours, MessageReceived)).data for _ in range(100)]
                assert heard == [b"%d" % number for number in range(100)]
                assert not ours.dropped
        else:
            async with bare_host(QUIC) as bare:
                subscription = await bare.parts.pubsub.subscribe(TOPIC)
                seen = bare.parts.pubsub.seen_messages.cache
                await send_a_hundred(bare.addresses[0])
                await until(lambda: len(seen) == 100)
                for _ in range(32):
                    await subscription.get()
                with trio.move_on_after(0.5) as silence:
                    await subscription.get()
                assert silence.cancelled_caught


def messages_waiting(transport: Libp2pTransport) -> int:
    return sum(isinstance(event, MessageReceived) for event in transport._events._events)


@both_ways
def test_stop_cache_thread(with_workaround: bool) -> None:
    """Each Pubsub leaves a thread behind."""
    before = threading.active_count()
    parts = build(new_plan(TransportSettings(), Libp2pTransport().identity))
    cache = parts.pubsub.seen_messages
    if with_workaround:
        pubsub.stop_cache_thread(parts)
    assert (threading.active_count() == before) is with_workaround
    cache.stop()


@both_ways
def test_widen_send_queues(with_workaround: bool) -> None:
    """A peer's send queue holds 32 RPCs; what is more is dropped in silence."""
    queue = RpcQueue()
    if with_workaround:
        pubsub.widen_send_queues(queue, TransportSettings())
    accepted = sum(queue.push(rpc_pb2.RPC()) for _ in range(500))
    assert accepted == (500 if with_workaround else 32)


@network
@pytest.mark.trio
@both_ways
async def test_send_no_peer_record(with_workaround: bool) -> None:
    """Every RPC carries a signed peer record that no GossipSub spec knows."""
    transport = Libp2pTransport(without=[] if with_workaround else ["send_no_peer_record"])
    async with transport.opened([QUIC]):
        hello = parts_of(transport).pubsub.get_hello_packet()
        assert (len(hello.senderRecord) == 0) is with_workaround


@network
@pytest.mark.trio
async def test_a_bare_host_reads_what_comes_without_a_peer_record() -> None:
    ours = Libp2pTransport()
    async with bare_host(QUIC) as bare, ours.opened([]):
        await bare.parts.pubsub.subscribe(TOPIC)
        await ours.join("before")
        await ours.connect(bare.addresses[0])
        await bare.parts.pubsub.wait_for_subscription(ID.from_string(ours.peer_id), "before", timeout=10)
        await ours.join(TOPIC)
        await bare.parts.pubsub.wait_for_subscription(ID.from_string(ours.peer_id), TOPIC, timeout=10)


@network
@pytest.mark.trio
@both_ways
async def test_open_streams_again(with_workaround: bool) -> None:
    """A pubsub stream whose negotiation fails once, as when its connection is just replaced, is missed for ever."""
    root = Libp2pTransport()
    leaf = Libp2pTransport(without=[] if with_workaround else ["open_streams_again"])
    async with root.opened([QUIC]), leaf.opened([]):
        host = parts_of(leaf).host
        open_stream = host.new_stream
        failed = False

        async def fail_once(peer_id: Any, protocols: Any) -> Any:
            nonlocal failed
            if "/meshsub/1.1.0" in protocols and not failed:
                failed = True
                raise StreamFailure("failed to open a stream") from RuntimeError(
                    "the connection was replaced"
                )
            return await open_stream(peer_id, protocols)

        host.new_stream = fail_once  # type: ignore[method-assign]
        await leaf.join(TOPIC)
        await leaf.connect(root.addresses[0])
        told = await holds(lambda: root.topic_peers(TOPIC) == {leaf.peer_id}, within_s=5)
        assert failed
        assert told is with_workaround


@network
@pytest.mark.trio
@both_ways
async def test_reregister(with_workaround: bool) -> None:
    """When the connection of the pubsub stream ends but another stands, messages go into the dead stream."""
    without = ["one_connection_per_peer", *([] if with_workaround else ["reregister"])]
    left, right = Libp2pTransport(without=without), Libp2pTransport(without=["one_connection_per_peer"])
    async with left.opened([QUIC]), right.opened([QUIC]):
        for each in (left, right):
            await each.join(TOPIC)
        await left.connect(right.addresses[0])
        await until(lambda: left.topic_peers(TOPIC) == {right.peer_id})
        await until(lambda: right.topic_peers(TOPIC) == {left.peer_id})
        assert left._session is not None
        peer = left._session.peers[ID.from_string(right.peer_id)]
        await left._session.dialer._dial(_address(right))
        await until(lambda: len(peer.connections) == 2)
        stream = parts_of(left).pubsub.peers[peer.id]
        (carrying,) = [c for c in peer.connections if c.link.muxed_conn is stream.muxed_conn]
        await carrying.close("test")
        await trio.sleep(0.5)
        moved = parts_of(left).pubsub.peers.get(peer.id)
        alive = moved is not None and moved.muxed_conn is peer.connections[0].link.muxed_conn
        assert alive is with_workaround


def _address(transport: Libp2pTransport) -> Address:

    return parse_dial_address(transport.addresses[0])
