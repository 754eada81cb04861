"""Unix sockets: the file's permissions say who may connect, and left-over files are in nobody's way."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from ampubsub.transport.address import parse_dial_address, parse_listen_address
from ampubsub.transport.interface import (
    AddressError,
    DialError,
    ListenError,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
)
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings
from tests.transport.loopback import QUIC, TOPIC, child_peer, event_of, until

PEER = Identity.new(b"u" * 32).peer_id


@pytest.fixture
def path() -> Iterator[Path]:
    """A short one: a socket's path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="am") as folder:
        yield Path(folder) / "p2p" / "room.sock"


@pytest.fixture
def room(path: Path) -> Path:
    path.parent.mkdir()
    return path


def test_an_address_is_a_path_and_a_peer() -> None:
    address = parse_dial_address(f"/unix/run/p2p/room.sock/p2p/{PEER}")
    assert (address.host, address.transport, address.peer_id) == ("/run/p2p/room.sock", "unix", PEER)
    assert str(address) == f"/unix/run/p2p/room.sock/p2p/{PEER}"
    assert parse_listen_address("/unix/run/room.sock").base == "/unix/run/room.sock"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("/unix", "is incomplete"),
        ("/unix/", "names no file"),
        ("/unix//", "names no file"),
        ("/unix/run/", "names no file"),
        (f"/unix/p2p/{PEER}", "names no file"),
        (f"/unix/{'x' * 107}", "107 bytes"),
        ("/unix/run/a\x1bb", "cannot be printed"),
        ("/unix/run/a/p2p/nobody", "names no peer"),
    ],
)
def test_wrong_paths_are_told_in_words(text: str, wrong: str) -> None:
    with pytest.raises(AddressError, match=wrong):
        parse_dial_address(text)


def test_a_listen_address_names_no_peer_and_a_dialled_one_does() -> None:
    with pytest.raises(AddressError, match="leave out the /p2p/ part"):
        parse_listen_address(f"/unix/run/a/p2p/{PEER}")
    with pytest.raises(AddressError, match="names no peer"):
        parse_dial_address("/unix/run/a")


@pytest.mark.trio
@pytest.mark.network
async def test_peers_of_one_machine_talk_over_a_file(room: Path) -> None:
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([f"/unix{room}"]), leaf.opened([]):
        assert root.addresses == (f"/unix{room}/p2p/{root.peer_id}",)
        assert stat.S_IMODE(room.stat().st_mode) == 0o600, "for its owner only"
        assert root.address_record() == b"", "nobody elsewhere can use it"
        for each in (root, leaf):
            await each.join(TOPIC)
        assert await leaf.connect(root.addresses[0]) == root.peer_id
        assert (await event_of(leaf, PeerConnected)).address == f"/unix{room}"
        await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})
        await until(lambda: root.topic_peers(TOPIC) == {leaf.peer_id})
        for one, two in ((root, leaf), (leaf, root)):
            detail = one.detail(two.peer_id)
            assert detail is not None
            assert detail.transport == "unix"
            await one.publish(TOPIC, b"hello")
            assert (await event_of(two, MessageReceived)).data == b"hello"
        await until(lambda: leaf.detail(root.peer_id).direct)  # type: ignore[union-attr]
    assert not room.exists()


@pytest.mark.trio
@pytest.mark.network
async def test_who_is_killed_leaves_a_file_that_the_next_one_replaces_and_is_joined_again(room: Path) -> None:
    leaf = Libp2pTransport()
    async with leaf.opened([]):
        async with child_peer(f"/unix{room}") as root:
            await leaf.connect(root.address)
            root.process.kill()
            await event_of(leaf, PeerDisconnected, within_s=10)
        assert room.exists()
        async with child_peer(f"/unix{room}"):
            await event_of(leaf, PeerConnected, within_s=15)


@pytest.mark.trio
@pytest.mark.network
async def test_what_is_in_the_way_is_told_and_left_alone(room: Path) -> None:
    async def refused(path: Path) -> str:
        with pytest.raises(ListenError) as caught:
            async with Libp2pTransport().opened([f"/unix{path}"]):
                pass
        return str(caught.value)

    room.write_text("precious")
    assert "it is no socket" in await refused(room)
    assert room.read_text() == "precious"
    room.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(room))
        other.listen(1)
        assert "another program listens there" in await refused(room)
        assert room.exists()
    assert f"there is no folder {room.parent}/none" in await refused(room.parent / "none" / "a.sock")


@pytest.mark.trio
@pytest.mark.network
async def test_another_file_in_its_place_is_not_removed_at_the_end(room: Path) -> None:
    async with Libp2pTransport().opened([f"/unix{room}"]):
        room.unlink()
        room.write_text("mine")
    assert room.read_text() == "mine"


@pytest.mark.trio
@pytest.mark.network
async def test_permissions_can_be_given_to_a_group(room: Path) -> None:
    before = os.umask(0o022)
    try:
        async with Libp2pTransport(TransportSettings(unix_mode=0o660)).opened([f"/unix{room}", QUIC]) as _:
            assert stat.S_IMODE(room.stat().st_mode) == 0o660
        assert os.umask(0o022) == 0o022, "the process keeps its own mask"
    finally:
        os.umask(before)


@pytest.mark.trio
@pytest.mark.network
async def test_a_dial_says_why_it_failed(room: Path) -> None:
    leaf = Libp2pTransport()
    async with leaf.opened([]):
        with trio.fail_after(5), pytest.raises(DialError, match="there is no such socket"):
            await leaf.connect(f"/unix{room}/p2p/{PEER}")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(room))
        with trio.fail_after(5), pytest.raises(DialError, match="nothing listens there"):
            await leaf.connect(f"/unix{room}/p2p/{PEER}")
