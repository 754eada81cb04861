"""What can go wrong for a person says, in one line, which address, why, and what to try."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ampubsub.transport.interface import AddressError, DialError, ListenError, TransportError
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings
from tests.transport.loopback import LISTEN, QUIC, TOPIC

pytestmark = [pytest.mark.trio, pytest.mark.network]

SHORT = TransportSettings(dial_timeout_s=0.5)


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/ip4/127.0.0.1/udp/{udp}/quic-v1", "no answer in 0.5 s. Is the peer running there"),
        ("/ip4/127.0.0.1/tcp/{tcp}", "nothing listens there (connection refused)"),
        ("/dns4/no-such-host.invalid/tcp/7", "the name no-such-host.invalid is unknown"),
        ("/dns/no-such-host.invalid/udp/7/quic-v1", "the name no-such-host.invalid is unknown"),
    ],
)
async def test_an_address_where_nobody_answers(address: str, says: str) -> None:
    address = address.format(udp=free_port(socket.SOCK_DGRAM), tcp=free_port(socket.SOCK_STREAM))
    address += f"/p2p/{Identity.new().peer_id}"
    async with (transport := Libp2pTransport(SHORT)).opened([]):
        with pytest.raises(DialError) as caught:
            await transport.connect(address)
    assert str(caught.value).startswith(f"Cannot dial {address}: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_another_peer_at_the_address(carrier: str) -> None:
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([LISTEN[carrier]]), leaf.opened([]):
        wrong = root.addresses[0].replace(root.peer_id, Identity.new().peer_id)
        with pytest.raises(DialError, match="another peer answers there"):
            await leaf.connect(wrong)


async def test_a_name_is_resolved_before_dialling() -> None:
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([QUIC]), leaf.opened([]):
        named = root.addresses[0].replace("/ip4/127.0.0.1/", "/dns4/localhost/")
        assert await leaf.connect(named) == root.peer_id


async def test_our_own_address_is_refused() -> None:
    async with (transport := Libp2pTransport()).opened([QUIC]):
        with pytest.raises(AddressError, match="our own address"):
            await transport.connect(transport.addresses[0])


async def test_a_malformed_address_is_refused_before_anything_is_opened() -> None:
    transport = Libp2pTransport()
    with pytest.raises(AddressError):
        async with transport.opened(["/ip4/127.0.0.1/sctp/1"]):
            pass
    async with transport.opened([]):
        with pytest.raises(AddressError):
            await transport.connect("/ip4/127.0.0.1/tcp/1")


@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_port_that_another_peer_uses(carrier: str) -> None:
    first, second = Libp2pTransport(), Libp2pTransport()
    async with first.opened([LISTEN[carrier]]):
        taken = first.addresses[0].partition("/p2p/")[0]
        with pytest.raises(ListenError, match="another program uses the port: choose another one, or 0"):
            async with second.opened([taken]):
                pass
        async with second.opened([LISTEN[carrier]]):
            assert second.addresses


async def test_an_address_of_another_host_cannot_be_listened_on() -> None:
    with pytest.raises(ListenError, match="the address is not one of this host"):
        async with Libp2pTransport().opened(["/ip4/192.0.2.1/udp/7410/quic-v1"]):
            pass


async def test_all_addresses_of_the_host_are_spelled_out() -> None:
    async with (transport := Libp2pTransport()).opened(["/ip4/0.0.0.0/udp/0/quic-v1"]):
        assert any("/ip4/127.0.0.1/" in address for address in transport.addresses)
        assert not any("/ip4/0.0.0.0/" in address for address in transport.addresses)


async def test_publishing_needs_a_joined_topic_and_a_message_of_bearable_size() -> None:
    async with (transport := Libp2pTransport(TransportSettings(max_message_bytes=100))).opened([]):
        with pytest.raises(TransportError, match="'crew': join it first"):
            await transport.publish(TOPIC, b"hi")
        await transport.join(TOPIC)
        await transport.publish(TOPIC, bytes(100))
        with pytest.raises(TransportError, match=r"Cannot publish 101 bytes .* the limit is 100"):
            await transport.publish(TOPIC, bytes(101))


async def test_the_identity_is_kept_in_its_file_for_the_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "key"
    settings = TransportSettings(key_file=file)
    first = Libp2pTransport(settings)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes()[:4] == b"\x08\x01\x12\x40"  # as go-libp2p's MarshalPrivateKey writes it
    assert Libp2pTransport(settings).peer_id == first.peer_id
    async with first.opened([]):
        assert str(first._session.parts.host.get_id()) == first.peer_id  # type: ignore[union-attr]


async def test_a_damaged_key_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"garbage")
    with pytest.raises(TransportError, match="is not an ed25519 key in libp2p's form: move it away"):
        Libp2pTransport(TransportSettings(key_file=file))
    file.write_bytes(b"\x08\x01\x12\x40" + bytes(64))
    with pytest.raises(TransportError, match="is damaged"):
        Libp2pTransport(TransportSettings(key_file=file))


async def test_nothing_is_printed_by_libraries_while_dials_fail_and_peers_vanish() -> None:
    program = """
import trio, warnings
from ampubsub.transport.interface import DialError
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
async def main():
    root, leaf = Libp2pTransport(), Libp2pTransport(TransportSettings(dial_timeout_s=0.5))
    async with leaf.opened([]):
        for listen in ("/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"):
            async with root.opened([listen]):
                address = root.addresses[0]
                await root.join("crew")
                await leaf.join("crew")
                await leaf.connect(address)
                await root.disconnect(leaf.peer_id)
            try:
                await leaf.connect(address)
            except DialError:
                pass
trio.run(main)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
