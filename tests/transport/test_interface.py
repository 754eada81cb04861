"""What every transport promises: in memory, and libp2p on QUIC and TCP over loopback."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio

from ampubsub.transport.interface import (
    DIRECT_FRAME_BYTES,
    DIRECT_PROTOCOL,
    DirectOpened,
    DirectReceived,
    DisconnectCause,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    PeerSubscribed,
    PeerUnsubscribed,
    Transport,
    TransportError,
    Verdict,
)
from ampubsub.transport.libp2p import Libp2pTransport
from ampubsub.transport.memory import Faults, MemoryNetwork
from tests.transport.loopback import LISTEN, TOPIC, event_of, until

pytestmark = [pytest.mark.trio, pytest.mark.network]


@dataclass
class Kind:
    """One kind of transport: makes hosts that can reach each other."""

    name: str
    network: MemoryNetwork = field(default_factory=lambda: MemoryNetwork(seed=5))

    def host(self) -> Transport:
        return self.network.transport() if self.name == "memory" else Libp2pTransport()

    @property
    def listen(self) -> list[str]:
        return ["anywhere"] if self.name == "memory" else [LISTEN[self.name]]

    @asynccontextmanager
    async def line(self, length: int) -> AsyncIterator[list[Transport]]:
        """Hosts of TOPIC, each connected to the next, which it dialled; all subscriptions known."""
        hosts = [self.host() for _ in range(length)]
        async with self._opened(hosts):
            for host in hosts:
                await host.join(TOPIC)
            for one, two in itertools.pairwise(hosts):
                await one.connect(two.addresses[0])
                await until(lambda one=one, two=two: one.topic_peers(TOPIC) >= {two.peer_id})  # type: ignore[misc]
                await until(lambda one=one, two=two: two.topic_peers(TOPIC) >= {one.peer_id})  # type: ignore[misc]
            yield hosts

    @asynccontextmanager
    async def _opened(self, hosts: list[Transport]) -> AsyncIterator[None]:
        if not hosts:
            yield
            return
        async with hosts[0].opened(self.listen), self._opened(hosts[1:]):
            yield


@pytest.fixture(params=["memory", "quic-v1", "tcp"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


async def test_a_message_can_be_told_by_others_and_nobody_can_forge_one(kind: Kind) -> None:
    async with kind.line(3) as (author, friend, stranger):
        await author.publish(TOPIC, b"true")
        heard = await event_of(friend, MessageReceived)
        assert heard.signed
        opened = stranger.open_signed(TOPIC, heard.signed)
        assert opened == MessageReceived(TOPIC, author.peer_id, b"true", "", heard.sequence, heard.signed)
        assert stranger.open_signed("another", heard.signed) is None
        assert stranger.open_signed(TOPIC, b"") is None
        for at in range(0, len(heard.signed), 7):
            forged = bytearray(heard.signed)
            forged[at] ^= 1
            assert stranger.open_signed(TOPIC, bytes(forged)) is None, at


async def test_a_check_is_asked_once_before_anything_is_handed_on(kind: Kind) -> None:
    asked: list[bytes] = []

    def check(message: MessageReceived) -> Verdict:
        asked.append(message.data)
        assert message.signed
        return Verdict.ACCEPT if message.data == b"good" else Verdict.IGNORE

    async with kind.line(3) as (author, middle, behind):
        middle.check_with(TOPIC, check)
        for data in (b"bad", b"good"):
            await author.publish(TOPIC, data)
        assert (await event_of(middle, MessageReceived)).data == b"good"
        assert (await event_of(behind, MessageReceived)).data == b"good"
        await middle.publish(TOPIC, b"own")
        assert asked == [b"bad", b"good"], "never about our own"
        middle.check_with(TOPIC, None)
        await author.publish(TOPIC, b"bad")
        assert (await event_of(middle, MessageReceived)).data == b"bad"


async def test_what_a_check_rejects_is_counted_and_what_it_ignores_is_not(kind: Kind) -> None:
    async with kind.line(2) as (author, reader):
        verdicts = {b"r": Verdict.REJECT, b"i": Verdict.IGNORE}
        reader.check_with(TOPIC, lambda message: verdicts.get(message.data, Verdict.ACCEPT))
        for data in (b"r", b"i", b"end"):
            await author.publish(TOPIC, data)
        assert (await event_of(reader, MessageReceived)).data == b"end"
        assert dict(reader.dropped) == {"rejected": 1}


async def test_a_check_that_fails_silences_nobody(kind: Kind) -> None:
    def check(message: MessageReceived) -> Verdict:
        if message.data == b"poison":
            raise RuntimeError("a bug")
        return Verdict.ACCEPT

    async with kind.line(2) as (author, reader):
        reader.check_with(TOPIC, check)
        for data in (b"poison", b"fine"):
            await author.publish(TOPIC, data)
        assert (await event_of(reader, MessageReceived)).data == b"fine"
        assert reader.dropped["check-failed"] == 1


async def test_neighbours_of_ours_have_a_private_stream_both_ways(kind: Kind) -> None:
    async with kind.line(2) as (one, two):
        for each, other in ((one, two), (two, one)):
            assert (await event_of(each, DirectOpened)).peer_id == other.peer_id
        detail = one.detail(two.peer_id)
        assert detail is not None
        assert detail.direct
        assert DIRECT_PROTOCOL in detail.protocols
        frames = [b"", b"short", b"x" * DIRECT_FRAME_BYTES, *(b"%d" % number for number in range(50))]
        for each, other in ((one, two), (two, one)):
            assert all(each.send_direct(other.peer_id, frame) for frame in frames)
            for frame in frames:
                assert await event_of(other, DirectReceived) == DirectReceived(each.peer_id, frame)


async def test_a_private_stream_refuses_what_it_cannot_carry(kind: Kind) -> None:
    async with kind.line(2) as (one, two):
        await event_of(one, DirectOpened)
        with pytest.raises(TransportError, match=r"limit|carried"):
            one.send_direct(two.peer_id, b"x" * (DIRECT_FRAME_BYTES + 1))
        sent = sum(one.send_direct(two.peer_id, b"x" * DIRECT_FRAME_BYTES) for _ in range(20))
        assert 3 <= sent <= 4, "bounded in bytes, and nobody waits"
        stranger = kind.host()
        assert not one.send_direct(stranger.peer_id, b"nobody")
        await one.disconnect(two.peer_id)
        assert not one.send_direct(two.peer_id, b"gone")


async def test_a_private_stream_that_nobody_reads_is_reset_and_opened_again(kind: Kind) -> None:
    if kind.name == "memory":
        pytest.skip("in memory, frames that arrived wait in the bounded queue of events")
    async with kind.line(2) as (one, two):
        await event_of(one, DirectOpened)
        await event_of(two, DirectOpened)
        sent = 0
        with trio.fail_after(10):
            while not two.dropped["direct-full"]:
                sent += one.send_direct(two.peer_id, b"x" * 100_000)
                await trio.sleep(0.002)
        await event_of(one, DirectOpened)
        heard = 0
        while isinstance(await event_of(two, DirectReceived | DirectOpened), DirectReceived):  # type: ignore[arg-type]
            heard += 1
        assert 40 < heard < 50, "4 MiB, and not more, waited in memory"
        assert heard <= sent
        assert one.send_direct(two.peer_id, b"again")
        assert (await event_of(two, DirectReceived)).data == b"again"


async def test_the_end_of_a_connection_says_how_it_came_and_is_told_before_what_follows(kind: Kind) -> None:
    async with kind.line(2) as (one, two):
        assert (await event_of(one, PeerConnected)).dialled
        assert not (await event_of(two, PeerConnected)).dialled
        await event_of(one, PeerSubscribed)
        await event_of(two, PeerSubscribed)
        for each, other in ((one, two), (two, one)):
            detail = each.detail(other.peer_id)
            assert detail is not None
            assert detail.dialled is (each is one)
        await one.disconnect(two.peer_id)
        for each, cause in ((one, DisconnectCause.OURS), (two, DisconnectCause.CLOSED)):
            ends = []
            while len(ends) < 2:
                event = await event_of(each, object)
                if isinstance(event, PeerDisconnected | PeerUnsubscribed):
                    ends.append(event)
            assert isinstance(ends[0], PeerDisconnected)
            assert ends[0].cause is cause
            assert isinstance(ends[1], PeerUnsubscribed)


async def test_addresses_are_proved(kind: Kind) -> None:
    async with kind.line(2) as (one, two):
        record = one.address_record()
        assert two.open_address_record(record) == (one.peer_id, one.addresses)
        for at in range(0, len(record), 5):
            forged = bytearray(record)
            forged[at] ^= 1
            opened = two.open_address_record(bytes(forged))
            assert opened is None, at
        assert two.open_address_record(b"") is None
        assert two.open_address_record(bytes(5000)) is None
    assert one.address_record() == b"", "who does not listen has none"


async def test_what_goes_over_a_connection_is_counted(kind: Kind) -> None:
    def figures(host: Transport, other: Transport) -> tuple[int, int, int, int]:
        detail = host.detail(other.peer_id)
        assert detail is not None
        return detail.messages_in, detail.messages_out, detail.bytes_in, detail.bytes_out

    async with kind.line(2) as (one, two):
        await event_of(one, DirectOpened)
        await event_of(two, DirectOpened)
        before_one, before_two = figures(one, two), figures(two, one)
        for number in range(10):
            await one.publish(TOPIC, bytes([number]) * 1000)
        assert one.send_direct(two.peer_id, b"d" * 5000)
        awaited = [DirectReceived] + 10 * [MessageReceived]
        while awaited:
            awaited.remove(type(await event_of(two, DirectReceived | MessageReceived)))  # type: ignore[arg-type]
        grown = [now - was for now, was in zip(figures(two, one), before_two, strict=True)]
        assert grown[0] == 10
        assert 15_000 < grown[2] < 18_000
        sent = [now - was for now, was in zip(figures(one, two), before_one, strict=True)]
        assert sent[1] == 10
        assert 15_000 < sent[3] < 18_000


async def test_who_does_not_speak_the_private_protocol_never_sees_it() -> None:
    network = MemoryNetwork(faults=Faults(delay_s=(0.001, 0.002)))
    ours, go = network.transport(), network.transport(direct=False, agent="github.com/libp2p/go-libp2p")
    async with ours.opened(), go.opened():
        await ours.connect(go.addresses[0])
        await trio.sleep(0.1)
        assert not ours.send_direct(go.peer_id, b"hello")
        detail = ours.detail(go.peer_id)
        assert detail is not None
        assert (detail.direct, detail.protocols, detail.agent) == (False, (), go.agent)
