"""Traps of py-libp2p's GossipSub router: each shown without its workaround, and closed with it."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2

from ampubsub.transport.interface import MessageReceived
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from ampubsub.transport.libp2p.plan import Applier, new_plan
from ampubsub.transport.libp2p.workarounds import FOR_PLANS
from tests.transport.bare import bare_host
from tests.transport.loopback import QUIC, TOPIC, event_of, holds, parts_of, until

network = pytest.mark.network
both_ways = pytest.mark.parametrize("with_workaround", [False, True])


def router_kwargs(*without: str) -> dict[str, object]:
    settings = TransportSettings()
    plan = new_plan(settings, Libp2pTransport().identity)
    Applier(without).all(FOR_PLANS, plan)
    return plan.gossip


@network
@pytest.mark.trio
@both_ways
async def test_beat_every_second(with_workaround: bool) -> None:
    """The heartbeat, which alone mends a mesh and gossips to those outside, comes every 120 s."""
    without = [] if with_workaround else ["beat_every_second"]
    root, leaf = (Libp2pTransport(TransportSettings(heartbeat_s=0.2), without=without) for _ in range(2))
    async with root.opened([QUIC]), leaf.opened([]):
        await root.join(TOPIC)
        await leaf.join(TOPIC)
        await trio.sleep(0.5)  # the first heartbeat comes after 0.1 s
        await leaf.connect(root.addresses[0])
        await until(lambda: root.topic_peers(TOPIC) == {leaf.peer_id})
        await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})
        await trio.sleep(0.5)  # a GRAFT under way would mend it too
        routers = [parts_of(each).router for each in (root, leaf)]
        for router in routers:
            router.mesh[TOPIC].clear()
        mended = await holds(
            lambda: all(router.mesh[TOPIC] for router in routers), within_s=20 if with_workaround else 2
        )
        assert mended is with_workaround


@both_ways
def test_beat_every_second_alone(with_workaround: bool) -> None:
    """'Adaptive' gossip and grafting for diversity work against the heartbeat's upkeep."""
    router = GossipSub(**router_kwargs(*([] if with_workaround else ["beat_every_second"])))  # type: ignore[arg-type]
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


@network
@pytest.mark.trio
@both_ways
async def test_speak_1_1(with_workaround: bool) -> None:
    """GossipSub 1.2 sends an IDONTWANT for every message."""
    settings = TransportSettings(heartbeat_s=0.3)
    ours = Libp2pTransport(settings, without=[] if with_workaround else ["speak_1_1"])
    told = 0

    async def count(*_: object) -> None:
        nonlocal told
        told += 1

    async with bare_host(QUIC) as bare, ours.opened([]):
        parts_of(ours).router.handle_idontwant = count  # type: ignore[method-assign]
        await bare.parts.pubsub.subscribe(TOPIC)
        await ours.join(TOPIC)
        await ours.connect(bare.addresses[0])
        await until(lambda: bool(bare.parts.router.mesh[TOPIC]))
        await bare.parts.pubsub.publish(TOPIC, b"one for all")
        assert (await event_of(ours, MessageReceived)).data == b"one for all"
        assert await holds(lambda: told > 0, within_s=1) is not with_workaround


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
