"""Wrong input to the libp2p transport is dropped, counted by reason and told; the host goes on."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2

from ampubsub.transport.interface import (
    DialError,
    DisconnectCause,
    Dropped,
    MessageReceived,
    PeerDisconnected,
    PeerSubscribed,
)
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings
from tests.hostile.attacker import Attacker, attacker, rpc
from tests.transport.loopback import LISTEN, QUIC, TOPIC, event_of, until

pytestmark = [pytest.mark.trio, pytest.mark.network]

SETTINGS = TransportSettings(max_message_bytes=10_000, max_rpc_bytes=20_000)


@asynccontextmanager
async def victim_and_friend(
    listen: str = QUIC, settings: TransportSettings = SETTINGS, **changes: Any
) -> AsyncIterator[tuple[Libp2pTransport, Libp2pTransport]]:
    """A peer under attack, and a well-behaved one that must stay connected and be heard."""
    victim, friend = Libp2pTransport(replace(settings, **changes)), Libp2pTransport()
    async with victim.opened([listen]), friend.opened([]):
        await victim.join(TOPIC)
        await friend.join(TOPIC)
        await friend.connect(victim.addresses[0])
        await until(lambda: victim.topic_peers(TOPIC) == {friend.peer_id})
        await until(lambda: friend.topic_peers(TOPIC) == {victim.peer_id})
        yield victim, friend
        assert friend.peer_id in victim.connected_peers()
        await friend.publish(TOPIC, b"still here")
        await event_of(victim, MessageReceived, lambda heard: heard.data == b"still here", within_s=5)
        await victim.publish(TOPIC, b"so am I")
        await event_of(friend, MessageReceived, lambda heard: heard.data == b"so am I", within_s=5)


MESSAGES: dict[str, tuple[str, Callable[[Attacker], rpc_pb2.Message]]] = {
    "a signature of another message": (
        "bad-signature",
        lambda evil: evil.message(TOPIC, b"x", signature=evil.message(TOPIC, b"y").signature),
    ),
    "a signature of garbage": ("bad-signature", lambda evil: evil.message(TOPIC, b"x", signature=b"\0" * 64)),
    "a signature of three bytes": ("bad-signature", lambda evil: evil.message(TOPIC, b"x", signature=b"abc")),
    "data changed after signing": ("bad-signature", lambda evil: evil.message(TOPIC, b"x", data=b"changed")),
    "no signature": ("unsigned", lambda evil: evil.message(TOPIC, b"x", signature=b"")),
    "a forged author": (
        "bad-signature",
        lambda evil: evil.message(TOPIC, b"x", from_id=evil.victim.peer_id.to_bytes()[:-1] + b"\1"),
    ),
    "no author": ("bad-author", lambda evil: evil.message(TOPIC, b"x", from_id=b"")),
    "an author of garbage": ("bad-author", lambda evil: evil.message(TOPIC, b"x", from_id=b"\xff\xfe")),
    "a key of garbage": ("bad-key", lambda evil: evil.message(TOPIC, b"x", key=b"garbage")),
}
"""What go-libp2p-pubsub refuses too: reason and message."""

STRANGE = {
    "no sequence number": ("bad-seqno", lambda evil: evil.signed(TOPIC, b"x", seqno=b"")),
    "an endless sequence number": ("bad-seqno", lambda evil: evil.signed(TOPIC, b"x", seqno=b"9" * 100)),
    "more data than allowed": ("oversize", lambda evil: evil.message(TOPIC, b"x" * 10_001)),
    "a signature that only Go takes": ("bad-signature", lambda evil: evil.signed_with_small_order(TOPIC)),
    "a hashed author without a key": (
        "bad-signature",
        lambda evil: evil.message(TOPIC, b"x", from_id=b"\x12\x20" + b"h" * 32),
    ),
    "a hashed author with a key of garbage": (
        "bad-key",
        lambda evil: evil.message(TOPIC, b"x", from_id=b"\x12\x20" + b"h" * 32, key=b"garbage"),
    ),
}
"""What go-libp2p-pubsub hands on, or may."""


@pytest.mark.parametrize("name", [*MESSAGES, *STRANGE])
async def test_a_wrong_message_is_dropped_and_counted(name: str) -> None:
    reason, make = (MESSAGES | STRANGE)[name]
    async with victim_and_friend() as (victim, _), attacker(victim) as evil:
        stream = await evil.stream()
        await stream.write(rpc(make(evil)))
        assert await event_of(victim, Dropped, within_s=5) == Dropped(evil.peer_id, reason)
        assert victim.dropped == {reason: 1}
        await stream.write(rpc(evil.message(TOPIC, b"a good one")))
        heard = await event_of(victim, MessageReceived, within_s=5)
        assert (heard.data, heard.author) == (b"a good one", evil.peer_id)


@pytest.mark.parametrize("name", STRANGE)
async def test_an_honest_neighbour_is_kept_that_hands_on_what_go_would_hand_on(name: str) -> None:
    reason, make = STRANGE[name]
    async with victim_and_friend() as (victim, _), attacker(victim) as relay:
        stream = await relay.stream()
        for _ in range(15):
            await stream.write(rpc(make(relay)))
        await until(lambda: victim.dropped[reason] == 15, within_s=5)
        await stream.write(rpc(relay.message(TOPIC, b"a good one")))
        assert (await event_of(victim, MessageReceived, within_s=5)).data == b"a good one"


def expelled(evil: Attacker, reason: str) -> PeerDisconnected:
    return PeerDisconnected(evil.peer_id, f"sent wrong input: {reason}", DisconnectCause.EXPELLED)


async def test_who_keeps_sending_wrong_messages_is_disconnected_and_refused_for_a_while() -> None:
    """The ban has an effect both ways, for what was open and what is new, and an end."""
    ban_s = 3.0
    async with victim_and_friend(ban_s=ban_s) as (victim, _), attacker(victim) as evil:
        stream = await evil.stream()
        await stream.write(rpc(*(evil.message(TOPIC, b"x", signature=b"no") for _ in range(12))))
        assert await event_of(victim, PeerDisconnected, within_s=5) == expelled(evil, "bad-signature")
        began = trio.current_time()
        assert victim.dropped["bad-signature"] >= 10
        again = Libp2pTransport(key=Identity.new(evil.keys.private_key.to_bytes()[:32]))
        assert again.peer_id == evil.peer_id
        async with again.opened([QUIC]):
            await again.join(TOPIC)
            with pytest.raises(DialError, match="refused for a while"):
                await victim.connect(again.addresses[0])
            with pytest.raises(DialError, match="ended at once"):
                await again.connect(victim.addresses[0])
            assert evil.peer_id not in victim.connected_peers()
            assert trio.current_time() - began < ban_s, "the machine is too slow for this test"
            await trio.sleep(ban_s - (trio.current_time() - began))
            await again.connect(victim.addresses[0])
            await event_of(victim, PeerSubscribed, lambda event: event.peer_id == evil.peer_id)
            await again.publish(TOPIC, b"mended my ways")
            assert (await event_of(victim, MessageReceived)).data == b"mended my ways"


async def test_a_forged_message_does_not_keep_the_true_one_from_being_heard() -> None:
    """Whoever guesses an author's next number must not fill the memory of seen ones with it."""
    async with victim_and_friend() as (victim, friend), attacker(victim) as evil:
        stream = await evil.stream()
        true = friend._session.gossip._signer.message(TOPIC, b"true")
        forged = type(true)()
        forged.CopyFrom(true)
        forged.data = b"forged"
        await stream.write(rpc(forged))
        await until(lambda: victim.dropped["bad-signature"] == 1, within_s=5)
        friend._session.gossip._forward(true, {ID.from_string(victim.peer_id)})
        assert (await event_of(victim, MessageReceived, within_s=5)).data == b"true"


async def test_the_same_message_is_told_once() -> None:
    async with victim_and_friend() as (victim, _), attacker(victim) as evil:
        stream = await evil.stream()
        message = evil.message(TOPIC, b"once")
        for each in (message, message, evil.message(TOPIC, b"end")):
            await stream.write(rpc(each))
        heard = [(await event_of(victim, MessageReceived, within_s=5)).data for _ in range(2)]
        assert heard == [b"once", b"end"]


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_one_pubsub_stream_a_peer_is_read_and_no_frame_waits_for_ever(carrier: str) -> None:
    """A hundred streams with a megabyte each, never finished, held 106 MB."""
    async with (
        victim_and_friend(LISTEN[carrier], unfinished_frame_s=1) as (victim, _),
        attacker(victim) as evil,
    ):
        gossip = victim._session.gossip
        streams = []
        for _ in range(20):
            stream = await evil.stream()
            await stream.write(b"\x90\x4e" + b"x" * 1000)  # the first 1,000 of 10,000 bytes
            streams.append(stream)
        await until(lambda: evil.id in gossip.readers)
        assert len(gossip.readers[evil.id]) == 1, "one stream of its one connection"
        await until(lambda: evil.id not in gossip.readers, within_s=5)
        again = await evil.stream()
        await again.write(rpc(evil.message(TOPIC, b"finished")))
        assert (await event_of(victim, MessageReceived, within_s=5)).data == b"finished"


STREAMS = {
    "invalid protobuf": (b"\x05\xff\xff\xff\xff\xff", "bad-protobuf"),
    "an RPC longer than allowed": (b"\xff\xff\xff\x7f", "oversize"),
    "a length without end": (b"\xff" * 32, "oversize"),
    "text": (b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n" * 4, "bad-protobuf"),
}


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
@pytest.mark.parametrize("name", STREAMS)
async def test_garbage_on_the_pubsub_stream_disconnects_its_sender(name: str, carrier: str) -> None:
    garbage, reason = STREAMS[name]
    async with victim_and_friend(LISTEN[carrier]) as (victim, _), attacker(victim) as evil:
        stream = await evil.stream()
        await stream.write(garbage)
        gone = await event_of(victim, PeerDisconnected, within_s=5)
        assert gone == expelled(evil, reason)
        assert victim.dropped == {reason: 1}


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_garbage_on_every_other_stream_is_survived(carrier: str) -> None:
    noise = random.Random(7)
    async with victim_and_friend(LISTEN[carrier]) as (victim, _), attacker(victim) as evil:
        for protocol in ("/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0"):
            for size in (0, 1, 31, 5000):
                stream = await evil.stream(protocol)
                with trio.move_on_after(2):
                    await stream.write(noise.randbytes(size))
                    await stream.close()
        raw = await evil.host.get_network().new_stream(evil.victim.peer_id)
        with trio.move_on_after(2):
            await raw.write(os.urandom(2000))
            await raw.reset()


async def test_a_half_sent_message_and_a_vanished_stream_are_survived() -> None:
    async with victim_and_friend() as (victim, _), attacker(victim) as evil:
        whole = rpc(evil.message(TOPIC, b"x" * 1000))
        for cut in (1, 2, 500):
            stream = await evil.stream()
            await stream.write(whole[:cut])
            await stream.reset()
        stream = await evil.stream()
        for byte in whole:
            await stream.write(bytes([byte]))
        assert (await event_of(victim, MessageReceived, within_s=10)).data == b"x" * 1000


async def test_a_flood_of_good_messages_is_cut_to_the_allowed_rate() -> None:
    settings = TransportSettings(max_message_rate=10, message_burst=50)
    async with victim_and_friend(settings=settings) as (victim, _), attacker(victim) as evil:
        stream = await evil.stream()
        for _ in range(10):
            await stream.write(rpc(*(evil.message(TOPIC, b"x") for _ in range(50))))
        await until(lambda: victim.dropped["flood"] > 300, within_s=10)
        assert victim.dropped["flood"] < 500


async def test_a_reader_that_sleeps_bounds_the_queue() -> None:
    settings = TransportSettings(event_queue=100)
    async with victim_and_friend(settings=settings) as (victim, _), attacker(victim) as evil:
        stream = await evil.stream()
        for _ in range(6):
            await stream.write(rpc(*(evil.message(TOPIC, b"x") for _ in range(50))))
        await until(lambda: victim.dropped["queue-full"] >= 190, within_s=10)
        await stream.reset()
        with trio.move_on_after(0.5):
            async for _ in victim.events():
                pass


async def test_a_flood_of_topics_is_bounded() -> None:
    settings = TransportSettings(max_topics_per_peer=20)
    options = rpc_pb2.RPC.SubOpts
    async with victim_and_friend(settings=settings) as (victim, _), attacker(victim) as evil:
        stream = await evil.stream()
        for first in range(0, 100, 10):
            names = [f"topic-{number}" for number in range(first, first + 10)]
            await stream.write(rpc(subscriptions=[options(subscribe=True, topicid=name) for name in names]))
        await stream.write(rpc(subscriptions=[options(subscribe=True, topicid="long" * 100)]))
        await until(lambda: victim.dropped["bad-topic"] == 1, within_s=5)
        assert len(victim.topics_of(evil.peer_id)) == 20
        await stream.write(rpc(subscriptions=[options(subscribe=True, topicid="many")] * 100))
        await until(lambda: victim.dropped["too-many-topics"] == 1, within_s=5)


async def test_control_messages_about_topics_that_are_not_ours_leave_nothing() -> None:
    control = rpc_pb2.ControlMessage(
        prune=[rpc_pb2.ControlPrune(topicID=f"p{number}", backoff=60) for number in range(100)],
        ihave=[rpc_pb2.ControlIHave(topicID=f"h{number}", messageIDs=[b"x" * 20]) for number in range(100)],
    )
    async with victim_and_friend() as (victim, _), attacker(victim) as evil:
        stream = await evil.stream()
        await stream.write(rpc(evil.message(TOPIC, b"last"), control=control))
        await event_of(victim, MessageReceived, within_s=5)
        session = victim._session
        assert session is not None
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert not any(topic.startswith("p") for topic in session.parts.router.back_off)
        control.prune.extend(list(control.prune))
        await stream.write(rpc(control=control))
        await until(lambda: victim.dropped["control-flood"] == 1, within_s=5)


async def test_a_pruning_peer_cannot_make_us_dial_others() -> None:
    other = Libp2pTransport()
    async with other.opened([QUIC]), victim_and_friend() as (victim, _), attacker(victim) as evil:
        prune = rpc_pb2.ControlPrune(
            topicID=TOPIC, peers=[rpc_pb2.PeerInfo(peerID=b"\0\x24\x08\1\x12\x20" + other.identity.public)]
        )
        stream = await evil.stream()
        await stream.write(rpc(evil.message(TOPIC, b"x"), control=rpc_pb2.ControlMessage(prune=[prune])))
        await event_of(victim, MessageReceived, within_s=5)
        await trio.sleep(0.3)
        assert other.connected_peers() == frozenset()


async def test_our_own_message_that_comes_back_is_not_heard() -> None:
    async with victim_and_friend() as (victim, friend), attacker(victim) as evil:
        session = victim._session
        assert session is not None
        ours = session.gossip._signer.message(TOPIC, b"echo")
        stream = await evil.stream()
        await stream.write(rpc(ours, evil.message(TOPIC, b"after")))
        assert (await event_of(victim, MessageReceived, within_s=5)).data == b"after"
        assert "echo" not in str(friend.dropped)


async def test_garbage_datagrams_and_connections_are_survived() -> None:
    noise = random.Random(11)
    async with victim_and_friend() as (victim, _):
        port = int(victim.addresses[0].split("/")[4])
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as udp:
            for size in (0, 1, 5, 20, 100, 1200, 1500, 9000) * 10:
                await udp.sendto(noise.randbytes(size), ("127.0.0.1", port))
    async with victim_and_friend(LISTEN["tcp"]) as (victim, _):
        port = int(victim.addresses[0].split("/")[4])
        for size in (0, 1, 20, 5000):
            with trio.move_on_after(2):
                tcp = await trio.open_tcp_stream("127.0.0.1", port)
                async with tcp:
                    await tcp.send_all(noise.randbytes(size))
