"""Traps of py-libp2p's pubsub and GossipSub: each shown without its workaround, and closed with it."""

from __future__ import annotations

import threading
import time
from contextlib import AsyncExitStack

import pytest
import trio
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import RpcQueue

from ampubsub.transport.address import Address, parse_dial_address
from ampubsub.transport.interface import MessageReceived
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from ampubsub.transport.libp2p.plan import Applier, Parts, build, new_plan
from ampubsub.transport.libp2p.workarounds import FOR_PLANS, pubsub
from tests.transport.loopback import QUIC, TOPIC, event_of, holds, until

network = pytest.mark.network
both_ways = pytest.mark.parametrize("with_workaround", [False, True])


def parts_of(transport: Libp2pTransport) -> Parts:
    assert transport._session is not None
    return transport._session.parts


def router_kwargs(*without: str) -> dict[str, object]:
    settings = TransportSettings()
    plan = new_plan(settings, Libp2pTransport().identity)
    Applier(without).all(FOR_PLANS, plan)
    return plan.gossip


@both_ways
def test_beat_every_second(with_workaround: bool) -> None:
    """The heartbeat that builds the mesh comes every 120 s."""
    router = GossipSub(**router_kwargs(*([] if with_workaround else ["beat_every_second"])))  # type: ignore[arg-type]
    assert router.heartbeat_interval == (1 if with_workaround else 120)
    assert router.adaptive_gossip_enabled is not with_workaround
    assert router.eclipse_protection_enabled is not with_workaround


@both_ways
def test_let_messages_flow(with_workaround: bool) -> None:
    """Of thirty messages in one second, ten pass."""
    router = GossipSub(**router_kwargs(*([] if with_workaround else ["let_messages_flow"])))  # type: ignore[arg-type]
    peer = ID(b"\x12\x20" + b"p" * 32)
    message = rpc_pb2.Message(topicIDs=[TOPIC])
    passed = sum(router._check_spam_protection(peer, message) for _ in range(30))
    assert passed == (30 if with_workaround else 10)


@both_ways
def test_speak_1_1(with_workaround: bool) -> None:
    """GossipSub 1.2 sends an IDONTWANT for every message."""
    protocols = router_kwargs(*([] if with_workaround else ["speak_1_1"]))["protocols"]
    assert ("/meshsub/1.2.0" in protocols) is not with_workaround  # type: ignore[operator]
    assert "/meshsub/1.1.0" in protocols  # type: ignore[operator]


def test_first_sequence_number() -> None:
    """py-libp2p counts from whole seconds: after a restart within a second numbers repeat."""
    parts = build(new_plan(TransportSettings(), Libp2pTransport().identity))
    parts.pubsub.seen_messages.stop()
    assert parts.pubsub.counter <= int(time.time())
    first, second = pubsub.first_sequence_number(), pubsub.first_sequence_number()
    assert int(time.time()) * 1000 < first < second


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
@both_ways
async def test_score_nobody(with_workaround: bool) -> None:
    """A penalty makes a peer's score better."""
    transport = Libp2pTransport(without=[] if with_workaround else ["score_nobody"])
    async with transport.opened([]):
        scorer = parts_of(transport).router.scorer
        assert (scorer is None) is with_workaround
        if scorer is not None:
            peer = ID(b"\x12\x20" + b"p" * 32)
            before = scorer.score(peer, [TOPIC])
            scorer.penalize_graft_flood(peer, 10.0)
            assert scorer.score(peer, [TOPIC]) >= before


@network
@pytest.mark.trio
@both_ways
async def test_gossip_to_pruned_peers(with_workaround: bool) -> None:
    """A peer in prune backoff is left out of the mesh and gets no IHAVE either, so it never hears."""
    without = ["flood_own_messages", *([] if with_workaround else ["gossip_to_pruned_peers"])]
    root, leaf = Libp2pTransport(TransportSettings(heartbeat_s=0.3), without=without), Libp2pTransport()
    async with root.opened([QUIC]), leaf.opened([]):
        await root.join(TOPIC)
        await leaf.join(TOPIC)
        await leaf.connect(root.addresses[0])
        await until(lambda: root.topic_peers(TOPIC) == {leaf.peer_id})
        await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})
        await trio.sleep(0.5)
        router, peer = parts_of(root).router, ID.from_string(leaf.peer_id)
        router._add_back_off(peer, TOPIC, False)
        router.mesh[TOPIC].discard(peer)
        parts_of(leaf).router._add_back_off(ID.from_string(root.peer_id), TOPIC, False)
        parts_of(leaf).router.mesh[TOPIC].clear()
        await root.publish(TOPIC, b"psst")
        heard = False
        with trio.move_on_after(2.5):
            await event_of(leaf, MessageReceived)
            heard = True
        assert heard is with_workaround


@network
@pytest.mark.trio
@both_ways
async def test_flood_own_messages(with_workaround: bool) -> None:
    """A root's message reaches its mesh only: some of the leaves of a star wait."""
    settings = TransportSettings(degree=2, degree_low=1, degree_high=2, heartbeat_s=0.3, gossip_window=0)
    without = [] if with_workaround else ["flood_own_messages"]
    root = Libp2pTransport(settings, without=without)
    leaves = [Libp2pTransport(settings) for _ in range(8)]
    heard: set[str] = set()

    async def listen(leaf: Libp2pTransport) -> None:
        await event_of(leaf, MessageReceived, within_s=60)
        heard.add(leaf.peer_id)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(root.opened([QUIC]))
        await root.join(TOPIC)
        for leaf in leaves:
            await stack.enter_async_context(leaf.opened([]))
            await leaf.join(TOPIC)
            await leaf.connect(root.addresses[0])
        await until(lambda: len(root.topic_peers(TOPIC)) == len(leaves))
        await until(lambda: len(parts_of(root).router.mesh[TOPIC]) <= 2)
        async with trio.open_nursery() as nursery:
            for leaf in leaves:
                nursery.start_soon(listen, leaf)
            await root.publish(TOPIC, b"to all")
            assert await holds(lambda: len(heard) == len(leaves), within_s=1) is with_workaround
            nursery.cancel_scope.cancel()


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
