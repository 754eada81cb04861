"""The same peers on real QUIC over loopback."""

from __future__ import annotations

import pytest
import trio

from ampubsub import Host, ListFilters, Machine, State, Topic, TopicSettings
from ampubsub.topic import Noticed, Source, StartError, TopicEvent
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from ampubsub.transport.libp2p.messages import sequence_of

LOOPBACK = ["/ip4/127.0.0.1/udp/0/quic-v1"]

pytestmark = [pytest.mark.trio, pytest.mark.network]


async def known(topic: Topic, *ids: str) -> None:
    """Wait until a peer knows exactly these machines."""
    changed = trio.Event()
    with trio.fail_after(60):
        stop = topic.watch(lambda event: changed.set())
        while sorted(machine.remote_id for machine in topic.network_machines) != sorted(ids):
            await changed.wait()
            changed = trio.Event()
        stop()


async def test_two_peers_list_each_other_and_follow_their_clocks() -> None:
    lamp, hall = Machine({"On": State()}, id="lamp"), Machine({"Up": State()}, id="hall")
    settings = TopicSettings(gone_after_s=5)
    async with Topic("home", expose=[lamp], listen=LOOPBACK, settings=settings) as root:
        await root.machine.when("Joined")
        async with Topic("home", expose=[hall], connect=root.addresses) as other:
            await known(other, "lamp")
            await known(root, "hall")
            (remote,) = await other.list_machines(ListFilters(id_exact="lamp"))
            assert remote.source is Source.FIRST_HAND
            lamp.add("On")
            with trio.fail_after(60):
                await remote.when("On")
        await known(root)


async def test_leaving_is_no_error() -> None:
    seen: list[TopicEvent] = []
    async with Topic("home", expose=[Machine({"On": State()}, id="lamp")], listen=LOOPBACK) as topic:
        topic.watch(seen.append)
        await topic.machine.when("Joined")
    assert [event for event in seen if isinstance(event, Noticed)] == []
    assert topic.machine.err is None


async def test_the_cli_way_one_identity_sees_the_topics_first_and_then_joins_one() -> None:
    lamp = Machine({"On": State()}, id="lamp")
    async with Topic("garden", expose=[lamp], listen=LOOPBACK) as root:
        await root.machine.when("Joined")
        async with Host(Libp2pTransport()).opened([]) as host:
            offers = await host.discover(root.addresses)
            assert offers == {"garden": {root.peer_id}}
            async with Topic("garden", host=host, connect=root.addresses) as topic:
                await known(topic, "lamp")
                assert topic.peer_id == host.peer_id


async def test_a_port_in_use_is_an_error_in_words() -> None:
    async with Topic("home", listen=LOOPBACK) as first:
        await first.machine.when("Joined")
        taken = first.addresses[0].rsplit("/p2p/", 1)[0]
        async with Topic("home", listen=[taken]) as second:
            await second.machine.when("ErrJoining")
            assert taken in str(second.machine.err)
            assert second.machine.not_("Start")
            with pytest.raises(StartError, match="could not be opened"):
                await second.start()


async def test_an_address_where_nobody_listens_is_told_with_its_reason() -> None:
    nobody = f"/ip4/127.0.0.1/udp/9/quic-v1/p2p/{Libp2pTransport().peer_id}"
    quick = Libp2pTransport(TransportSettings(dial_timeout_s=1))
    async with Topic("home", connect=[nobody], transport=quick) as lonely:
        with trio.fail_after(60):
            await lonely.machine.when("ErrConnecting")
        assert nobody in str(lonely.machine.err)
        assert lonely.machine.is_("Connecting")


async def test_a_malformed_address_is_told_as_such() -> None:
    async with Topic("home", connect=["/ip4/nonsense"]) as lonely:
        with trio.fail_after(60):
            await lonely.machine.when("ErrConnecting")
        assert "/ip4/nonsense" in str(lonely.machine.err)


@pytest.mark.parametrize(
    ("seqno", "number"),
    [
        ((1_764_000_000_123_456_789).to_bytes(8, "big"), 1_764_000_000_123_456_789),
        ((1_764_000_000).to_bytes(8, "big"), 1_764_000_000),
        (b"\xff" * 8, 0),
        (b"\x01", 0),
        (b"", 0),
    ],
)
async def test_only_numbers_counted_from_the_time_tell_the_order_of_messages(
    seqno: bytes, number: int
) -> None:
    assert sequence_of(seqno) == number
