"""Traps of py-libp2p's host and swarm: each shown without its workaround, and closed with it."""

from __future__ import annotations

import logging
import subprocess
import sys
from contextlib import AsyncExitStack, suppress

import pytest
import trio
from libp2p import new_host
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.rcmgr.exceptions import ResourceLimitExceeded
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from multiaddr import Multiaddr

from ampubsub.transport.interface import DialError, ListenError, PeerConnected, TransportError
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings
from ampubsub.transport.libp2p.workarounds import swarm
from tests.hostile.attacker import attacker
from tests.transport.loopback import QUIC, TCP, TOPIC, event_of, holds, parts_of, until

pytestmark = [pytest.mark.trio, pytest.mark.network]

both_ways = pytest.mark.parametrize("with_workaround", [False, True])


@both_ways
async def test_contain_stream_handlers(with_workaround: bool) -> None:
    """An exception in the handler of one peer's stream ends the whole host."""
    victim = Libp2pTransport(without=[] if with_workaround else ["contain_stream_handlers"])

    async def stumble(stream: INetStream) -> None:
        raise ValueError(f"{await stream.read(3)!r} is not what I expected")

    async def attacked() -> None:
        async with victim.opened([TCP]), attacker(victim) as evil:
            victim._session.parts.host.set_stream_handler(TProtocol("/stumble"), stumble)  # type: ignore[union-attr]
            stream = await evil.stream("/stumble")
            await stream.write(b"boo")
            await trio.sleep(1)
            await victim.join(TOPIC)

    if with_workaround:
        await attacked()
    else:
        with pytest.raises(TransportError, match="The network stopped"):
            await attacked()


@both_ways
async def test_encrypt_always(with_workaround: bool) -> None:
    """TCP peers may come unencrypted, with a peer id that nobody has proved."""
    transport = Libp2pTransport(without=[] if with_workaround else ["encrypt_always"])
    keys = create_new_key_pair()
    plain = new_host(key_pair=keys, sec_opt={PLAINTEXT_PROTOCOL_ID: InsecureTransport(keys)})
    async with transport.opened([TCP]), plain.run([]):
        with trio.move_on_after(5):
            try:
                await plain.connect(info_from_p2p_addr(Multiaddr(transport.addresses[0])))
            except SwarmException:
                assert with_workaround
        let_in = await holds(
            lambda: bool(transport.connected_peers()), within_s=0.3 if with_workaround else 5
        )
        assert let_in is not with_workaround
        await plain.close()


@both_ways
async def test_free_inbound_slots(with_workaround: bool) -> None:
    """A host accepts `max_connections` connections in its life, however short, and then nobody."""
    root = Libp2pTransport(
        TransportSettings(max_connections=3), without=[] if with_workaround else ["free_inbound_slots"]
    )
    leaf = Libp2pTransport(TransportSettings(dial_timeout_s=2))

    async def come_and_go() -> None:
        for _ in range(6):
            await leaf.connect(root.addresses[0])
            await event_of(root, PeerConnected, within_s=3)
            await leaf.disconnect(root.peer_id)
            await until(lambda: not root.connected_peers(), within_s=5)

    async with root.opened([TCP]), leaf.opened([]):
        if with_workaround:
            await come_and_go()
        else:
            with pytest.raises((TransportError, trio.TooSlowError)):
                await come_and_go()


@both_ways
async def test_never_dial_on_the_side(with_workaround: bool) -> None:
    """Opening a stream to a lost peer dials it, and a failure blocks dialling it for 60 s."""
    transport = Libp2pTransport(
        TransportSettings(dial_timeout_s=0.3), without=[] if with_workaround else ["never_dial_on_the_side"]
    )
    async with transport.opened([]):
        parts = transport._session.parts  # type: ignore[union-attr]
        nobody = info_from_p2p_addr(Multiaddr(f"/ip4/127.0.0.1/tcp/9/p2p/{Identity.new().peer_id}"))
        parts.host.get_peerstore().add_addrs(nobody.peer_id, nobody.addrs, 100)
        with pytest.raises(SwarmException, match="not connected" if with_workaround else "unable to connect"):
            await parts.network.new_stream(nobody.peer_id)
        blocked = parts.network._negative_peer_cache.is_blocked(str(nobody.peer_id))
        assert blocked is not with_workaround


@both_ways
async def test_never_dial_on_the_side_but_by_address(with_workaround: bool) -> None:
    """After one failure py-libp2p's own dialling refuses a peer that has restarted, for 60 s."""
    root = Libp2pTransport()
    leaf = Libp2pTransport(without=[] if with_workaround else ["never_dial_on_the_side"])
    async with root.opened([TCP]):
        address = root.addresses[0]

    async def dial() -> None:
        if with_workaround:
            await leaf.connect(address)
        else:
            await parts_of(leaf).host.connect(info_from_p2p_addr(Multiaddr(address)))

    async with leaf.opened([]):
        with pytest.raises((DialError, SwarmException)):
            await dial()
        async with root.opened([address.partition("/p2p/")[0]]):
            if with_workaround:
                await dial()
                assert leaf.connected_peers() == {root.peer_id}
            else:
                with pytest.raises(SwarmException, match="recently failed"):
                    await dial()


@both_ways
async def test_connect_only_when_told(with_workaround: bool) -> None:
    """With few connections py-libp2p dials whatever addresses it has heard of."""
    without = ["never_dial_on_the_side", *([] if with_workaround else ["connect_only_when_told"])]
    root, leaf = Libp2pTransport(), Libp2pTransport(without=without)
    async with root.opened([QUIC]), leaf.opened([]):
        parts = leaf._session.parts  # type: ignore[union-attr]
        peer = info_from_p2p_addr(Multiaddr(root.addresses[0]))
        parts.host.get_peerstore().add_addrs(peer.peer_id, peer.addrs, 100)
        await parts.network.auto_connector.maybe_connect()
        assert await holds(lambda: bool(leaf.connected_peers()), within_s=1) is not with_workaround


def fail() -> float:
    return 1 / 0


@both_ways
async def test_lift_hidden_limits(with_workaround: bool) -> None:
    """The default resource manager opens its circuit breaker after five failures, and stops at 256 peers."""
    transport = Libp2pTransport(without=[] if with_workaround else ["lift_hidden_limits"])
    async with transport.opened([]):
        resources = parts_of(transport).network._resource_manager
        assert resources is not None
        lifecycle, anywhere = resources.connection_lifecycle, Multiaddr("/ip4/127.0.0.1/tcp/9")
        admitted = 0
        with suppress(ResourceLimitExceeded):
            for number in range(500):
                peer = ID(b"\x12\x20" + number.to_bytes(32, "big"))
                await lifecycle.handle_established_inbound_connection(str(number), peer, anywhere, anywhere)
                admitted += 1
        assert admitted == (500 if with_workaround else 256)
        for _ in range(5):
            with suppress(ZeroDivisionError):
                (resources.circuit_breaker.call if resources.circuit_breaker else lambda do: do())(fail)
        assert resources.acquire_connection("another", "127.0.0.1", "inbound") is with_workaround


@both_ways
async def test_identify_later(with_workaround: bool) -> None:
    """The host's own identify runs as a task outside every nursery."""
    transport = Libp2pTransport(without=[] if with_workaround else ["identify_later"])
    async with transport.opened([QUIC]), attacker(transport):
        await until(lambda: bool(transport.connected_peers()))
        await trio.sleep(0.3)
        host = transport._session.parts.host  # type: ignore[union-attr]
        assert bool(host._identified_peers) is not with_workaround  # type: ignore[attr-defined]


@both_ways
async def test_refuse_port_in_use(with_workaround: bool) -> None:
    """Two programs share one port without an error, and each gets some of the packets."""
    first = Libp2pTransport()
    second = Libp2pTransport(without=[] if with_workaround else ["refuse_port_in_use"])
    async with first.opened([QUIC]):
        taken = first.addresses[0].partition("/p2p/")[0]
        if with_workaround:
            with pytest.raises(ListenError):
                async with second.opened([taken]):
                    pass
        else:
            async with second.opened([taken]):
                assert second.addresses


@both_ways
async def test_one_connection_per_peer(with_workaround: bool) -> None:
    """Two peers that dial each other at once keep both connections."""
    without = [] if with_workaround else ["one_connection_per_peer"]
    left, right = Libp2pTransport(without=without), Libp2pTransport(without=without)
    async with left.opened([QUIC]), right.opened([QUIC]):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(left.connect, right.addresses[0])
            nursery.start_soon(right.connect, left.addresses[0])

        def one() -> bool:
            detail = left.detail(right.peer_id)
            return detail is not None and detail.connections == 1

        await event_of(left, PeerConnected)
        await trio.sleep(0.05)
        assert await holds(one, within_s=4) is with_workaround


@both_ways
async def test_close_all(with_workaround: bool) -> None:
    """Closing takes 0.1 s and more for each connection, one after the other; with many, others wait long."""
    root = Libp2pTransport()
    leaves = [Libp2pTransport() for _ in range(12)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(root.opened([QUIC]))
        for leaf in leaves:
            await stack.enter_async_context(leaf.opened([]))
            await leaf.connect(root.addresses[0])
            leaf.forget(root.peer_id)
        await until(lambda: len(root.connected_peers()) == len(leaves))
        parts = root._session.parts  # type: ignore[union-attr]
        with trio.move_on_after(0.9) as limit:
            await (swarm.close_all(parts) if with_workaround else parts.host.close())
        assert limit.cancelled_caught is not with_workaround


@both_ways
async def test_close_all_also_when_left(with_workaround: bool) -> None:
    """Leaving `host.run()` closes nothing: others go on showing the peer."""
    root, leaf = Libp2pTransport(), Libp2pTransport()
    bare = new_host(enable_quic=True)

    async def come() -> None:
        if with_workaround:
            async with leaf.opened([]):
                await leaf.connect(root.addresses[0])
                await event_of(root, PeerConnected)
        else:
            async with bare.run([]):
                await bare.connect(info_from_p2p_addr(Multiaddr(root.addresses[0])))
                await event_of(root, PeerConnected)

    async with root.opened([QUIC]):
        try:
            await come()
            assert await holds(lambda: not root.connected_peers(), within_s=1.5) is with_workaround
        finally:
            await bare.close()


@both_ways
async def test_silence_root_logging(with_workaround: bool) -> None:
    """py-libp2p logs to the root logger, whose first use makes all warnings of the process print."""
    program = f"""
import logging, trio
from ampubsub.transport.libp2p import Libp2pTransport, logs
if not {with_workaround}:
    logs.silence_root_logging = lambda: None
async def main():
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened(["{QUIC}"]), leaf.opened([]):
        await leaf.connect(root.addresses[0])
    print(logging.getLogger().handlers)
trio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip() == "[]") is with_workaround, done.stderr


@both_ways
async def test_route_foreign_loggers(with_workaround: bool) -> None:
    """Lines of the libraries below us go straight onto the terminal."""
    program = f"""
import logging, trio
from ampubsub.transport.libp2p import Libp2pTransport, logs
if not {with_workaround}:
    logs.route_foreign_loggers = lambda: None
from libp2p import new_host
async def main():
    async with Libp2pTransport().opened([]):
        logging.getLogger("libp2p.somewhere").warning("a foreign line")
trio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert ("a foreign line" in done.stderr) is not with_workaround


async def test_foreign_log_lines_go_through_our_logger(caplog: pytest.LogCaptureFixture) -> None:
    async with Libp2pTransport().opened([]):
        with caplog.at_level(logging.INFO, "ampubsub.transport"):
            logging.getLogger("libp2p.somewhere").error("a foreign line")
            logging.getLogger("quic").warning("another one")
    ours = {record.name: record.levelname for record in caplog.records if record.name.startswith("ampubsub")}
    assert ours["ampubsub.transport.libp2p.somewhere"] == "INFO"
    assert ours["ampubsub.transport.quic"] == "INFO"
