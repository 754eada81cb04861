"""What others send is bounded: rates, strikes, frames, events, and whose topics a control message may name."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from libp2p.pubsub.pb import rpc_pb2
from trio.testing import MockClock

from ampubsub.transport.interface import DirectReceived, Dropped, MessageReceived, PeerConnected
from ampubsub.transport.libp2p import TransportSettings
from ampubsub.transport.libp2p.events import EventQueue
from ampubsub.transport.libp2p.frames import FrameReader, FrameTooLargeError, framed
from ampubsub.transport.libp2p.gossip import Gossip
from ampubsub.transport.libp2p.peers import Strikes

pytestmark = pytest.mark.trio


class Bytes:
    """A stream that brings given chunks, then nothing more for ever, or its end."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self.chunks = list(chunks)
        self.ends = ends

    async def read(self, n: int | None = None) -> bytes:
        if self.chunks:
            return self.chunks.pop(0)
        if not self.ends:
            await trio.sleep_forever()
        return b""


def reader(*chunks: bytes, limit: int = 300, ends: bool = True, unfinished_s: float = 5) -> FrameReader:
    stream: Any = Bytes(*chunks, ends=ends)
    return FrameReader(stream, limit, unfinished_s)


# Frames


async def test_frames_come_as_they_were_sent_however_they_are_cut(autojump_clock: MockClock) -> None:
    sent = [b"", b"a", b"b" * 127, b"c" * 128, b"d" * 300]
    whole = b"".join(map(framed, sent))
    for size in (1, 2, 3, 127, 1000):
        frames = reader(*(whole[at : at + size] for at in range(0, len(whole), size)))
        assert [await frames.next() for _ in sent] == sent
        assert await frames.next() is None


async def test_a_frame_of_the_limit_is_read_and_one_byte_more_is_refused_at_once(
    autojump_clock: MockClock,
) -> None:
    assert await reader(framed(b"x" * 300)).next() == b"x" * 300
    with pytest.raises(FrameTooLargeError):
        await reader(framed(b"x" * 301)[:2], ends=False).next()
    with pytest.raises(FrameTooLargeError):
        await reader(b"\xff" * 10, ends=False).next()


async def test_a_frame_that_stays_unfinished_ends_and_a_silent_stream_does_not(
    autojump_clock: MockClock,
) -> None:
    began = trio.current_time()
    with pytest.raises(trio.TooSlowError):
        await reader(b"\x05abc", ends=False).next()
    assert trio.current_time() - began == pytest.approx(5)
    with trio.move_on_after(1000) as waiting:
        await reader(ends=False).next()
    assert waiting.cancelled_caught


# Events


def message(data: bytes = b"", signed: bytes = b"") -> MessageReceived:
    return MessageReceived("t", "author", data, "relay", 1, signed)


async def taken(events: EventQueue) -> list[Any]:
    events.close()
    return [event async for event in events]


async def test_messages_are_bounded_and_news_of_peers_have_more_room(autojump_clock: MockClock) -> None:
    events = EventQueue(limit=10, dropped_events_per_s=1)
    for _ in range(30):
        events.put(message())
    assert events.dropped["queue-full"] == 20
    for _ in range(100):
        events.put(PeerConnected("p", ""))
    assert events.dropped["queue-full"] == 20 + 30
    assert len(await taken(events)) == 80


async def test_messages_are_bounded_in_bytes_too_and_what_was_read_counts_no_more(
    autojump_clock: MockClock,
) -> None:
    events = EventQueue(limit=1000, dropped_events_per_s=1, limit_bytes=1000)
    for _ in range(30):
        events.put(message(b"x" * 60, b"y" * 40))
    assert events.dropped["queue-full"] == 20
    for _ in range(10):
        await anext(events)
    for _ in range(30):
        events.put(message(b"x" * 100))
    assert events.dropped["queue-full"] == 40


async def test_a_frame_of_a_private_stream_is_never_dropped_and_told_when_taken(
    autojump_clock: MockClock,
) -> None:
    events = EventQueue(limit=1, dropped_events_per_s=1)
    told: list[DirectReceived] = []
    events.taken = told.append
    frames = [DirectReceived("p", b"%d" % number) for number in range(50)]
    events.put(PeerConnected("p", ""))
    for frame in frames:
        events.put(frame)
    assert not told
    assert await taken(events) == [PeerConnected("p", ""), *frames]
    assert told == frames


async def test_drops_are_counted_exactly_and_told_now_and_then(autojump_clock: MockClock) -> None:
    events = EventQueue(limit=100, dropped_events_per_s=1)
    for _ in range(10):
        for _ in range(10):
            events.drop("p", "flood")
        events.drop("q", "flood")
        await trio.sleep(0.25)
    assert events.dropped == {"flood": 110}
    told = await taken(events)
    assert told.count(Dropped("p", "flood")) == told.count(Dropped("q", "flood")) == 3


async def test_who_was_told_of_is_remembered_for_a_bounded_number_of_peers(autojump_clock: MockClock) -> None:
    events = EventQueue(limit=10_000, dropped_events_per_s=1)
    for number in range(3000):
        events.drop(f"p{number}", "flood")
        assert len(events._told) <= 1024
    assert len(await taken(events)) == 3000


# Offences


async def test_strikes_are_forgotten_at_an_even_pace(autojump_clock: MockClock) -> None:
    strikes = Strikes()
    for _ in range(8):
        weight = strikes.add(1, memory_s=60)
    assert weight == pytest.approx(8)
    await trio.sleep(30)
    assert strikes.add(1, memory_s=60) == pytest.approx(5)
    await trio.sleep(60)
    assert strikes.add(1, memory_s=60) == pytest.approx(1)


class Neighbour:
    """A `Gossip` without a network, and what it says of its neighbours."""

    def __init__(self, **settings: Any) -> None:
        self.gossip = object.__new__(Gossip)
        self.offences: list[str] = []
        self.gossip._settings = TransportSettings(**settings)
        self.gossip._budgets = {}
        self.gossip.joined = {"ours"}
        hooks: Any = type("Hooks", (), {})()
        hooks.offended = lambda peer, reason, weight: self.offences.append(reason)
        self.gossip._hooks = hooks


async def test_a_neighbour_may_burst_and_then_send_at_its_rate(autojump_clock: MockClock) -> None:
    gossip = Neighbour(message_burst=100, max_message_rate=10).gossip
    peer: Any = "peer"

    def passed(count: int) -> int:
        return sum(gossip._within_budget(peer) for _ in range(count))

    assert passed(500) == 100
    await trio.sleep(3)
    assert passed(500) == 30
    await trio.sleep(1000)
    assert passed(500) == 100, "what was not used is not saved for ever"


async def test_control_messages_of_foreign_topics_and_of_unbelievable_size_are_cut(
    autojump_clock: MockClock,
) -> None:
    neighbour = Neighbour()
    peer: Any = "peer"
    control = rpc_pb2.ControlMessage()
    for topic in ("ours", "foreign"):
        control.ihave.add(topicID=topic, messageIDs=[b"x"] * 6000)
        control.prune.add(topicID=topic).peers.add(peerID=b"stranger")
        control.graft.add(topicID=topic)
    neighbour.gossip._restrict_control(control, peer)
    assert [each.topicID for each in control.ihave] == ["ours"]
    assert [each.topicID for each in control.prune] == ["ours"]
    assert not control.prune[0].peers, "nobody is dialled because a stranger names it"
    assert len(control.ihave[0].messageIDs) == 5000
    assert neighbour.offences == ["control-flood"]
    many = rpc_pb2.ControlMessage()
    for _ in range(129):
        many.graft.add(topicID="ours")
    neighbour.gossip._restrict_control(many, peer)
    assert not many.graft
    assert len(neighbour.offences) == 2
