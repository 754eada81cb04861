"""Allow-list and deny-list of peer ids: both directions, QUIC and TCP, changed while peers are connected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from ampubsub.transport.interface import (
    DialError,
    DisconnectCause,
    Dropped,
    PeerConnected,
    PeerDisconnected,
    TransportError,
)
from ampubsub.transport.libp2p import Identity, Libp2pTransport, TransportSettings
from ampubsub.transport.peer_lists import PeerLists, parse
from tests.transport.loopback import LISTEN, QUIC, TOPIC, event_of, holds, until

ONE, TWO, THREE = (Identity.new(bytes([number]) * 32) for number in (1, 2, 3))
SETTINGS = TransportSettings(lists_interval_s=0.05, redial_base_s=0.1, redial_eager_max_s=0.1)


def test_a_list_holds_ids_addresses_and_comments() -> None:
    text = f"# mine\n\n{ONE.peer_id}  # the kitchen\n/ip4/192.0.2.7/tcp/7410/p2p/{TWO.peer_id}\n"
    assert parse(text, "list") == [ONE.peer_id, TWO.peer_id]


@pytest.mark.parametrize("line", ["12D3KooWshort", "/ip4/192.0.2.7/tcp/7410", "x y", "0OIl"])
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(TransportError, match=r"friends, line 2: "):
        parse(f"{ONE.peer_id}\n{line}\n", "friends")


def test_the_deny_list_goes_first_and_no_list_lets_all_pass(tmp_path: Path) -> None:
    allow, deny = tmp_path / "allow", tmp_path / "deny"
    allow.write_text(f"{ONE.peer_id}\n{TWO.peer_id}\n")
    deny.write_text(f"{TWO.peer_id}\n")

    def refusals(lists: PeerLists) -> list[str]:
        lists.read()
        return [lists.refusal(each.peer_id) for each in (ONE, TWO, THREE)]

    assert refusals(PeerLists.of(None, None)) == ["", "", ""]
    assert refusals(PeerLists.of(allow, None)) == ["", "", "not-allowed"]
    assert refusals(PeerLists.of(None, deny)) == ["", "denied", ""]
    assert refusals(PeerLists.of(allow, deny)) == ["", "denied", "not-allowed"]


def test_a_list_that_is_broken_or_gone_later_holds_as_it_was(tmp_path: Path) -> None:
    allow = tmp_path / "allow"
    allow.write_text(f"{ONE.peer_id}\n")
    lists = PeerLists.of(allow, None)
    assert lists.read_again()
    assert not lists.read_again(), "nothing changed"
    allow.write_text(f"{ONE.peer_id}\n{TWO.peer_id}\nnonsense\n")
    assert not lists.read_again()
    assert "line 3" in lists.wrong
    assert lists.refusal(TWO.peer_id) == "not-allowed"
    allow.unlink()
    assert not lists.read_again()
    assert "No such file" in lists.wrong
    assert lists.refusal(ONE.peer_id) == ""
    allow.write_text(f"{TWO.peer_id}\n")
    assert lists.read_again()
    assert not lists.wrong
    assert lists.refusal(ONE.peer_id) == "not-allowed"


@pytest.mark.trio
@pytest.mark.network
@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_who_is_not_on_the_list_is_refused_both_ways(carrier: str, tmp_path: Path) -> None:
    allow = tmp_path / "allow"
    allow.write_text(f"{TWO.peer_id}\n")
    root = Libp2pTransport(replace(SETTINGS, allow_file=allow), ONE)
    friend, stranger = Libp2pTransport(key=TWO), Libp2pTransport(key=THREE)
    async with root.opened([LISTEN[carrier]]), friend.opened([]), stranger.opened([LISTEN[carrier]]):
        await root.join(TOPIC)
        await stranger.join(TOPIC)
        await friend.connect(root.addresses[0])
        assert (await event_of(root, PeerConnected)).peer_id == friend.peer_id
        with pytest.raises(DialError):
            await stranger.connect(root.addresses[0])
        assert await event_of(root, Dropped) == Dropped(stranger.peer_id, "not-allowed")
        assert root.dropped["not-allowed"] >= 1
        with pytest.raises(DialError, match=r"it is not on the allow-list .*allow"):
            await root.connect(stranger.addresses[0])
        assert root.connected_peers() == {friend.peer_id}
        assert not stranger.topic_peers(TOPIC), "it was told nothing"


@pytest.mark.trio
@pytest.mark.network
@pytest.mark.parametrize("carrier", ["quic-v1", "tcp"])
async def test_a_change_of_the_list_counts_at_once_for_those_who_are_connected(
    carrier: str, tmp_path: Path
) -> None:
    deny = tmp_path / "deny"
    deny.write_text("# nobody\n")
    root = Libp2pTransport(replace(SETTINGS, deny_file=deny), ONE)
    leaf, other = Libp2pTransport(SETTINGS, TWO), Libp2pTransport(SETTINGS, THREE)
    async with root.opened([LISTEN[carrier]]), leaf.opened([]), other.opened([]):
        await leaf.connect(root.addresses[0])
        await other.connect(root.addresses[0])
        await until(lambda: len(root.connected_peers()) == 2)
        deny.write_text(f"{leaf.peer_id}\n")
        gone = await event_of(root, PeerDisconnected)
        assert (gone.peer_id, gone.cause) == (leaf.peer_id, DisconnectCause.EXPELLED)
        assert gone.reason == f"refused: it is on the deny-list {deny}"
        assert not await holds(lambda: leaf.peer_id in root.connected_peers(), within_s=1)
        assert other.peer_id in root.connected_peers()
        deny.write_text("")
        await until(lambda: leaf.peer_id in root.connected_peers())


@pytest.mark.trio
@pytest.mark.network
async def test_a_list_that_cannot_be_read_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    transport = Libp2pTransport(TransportSettings(allow_file=tmp_path / "missing"))
    with pytest.raises(TransportError, match=r"Cannot read the list of peers .*missing: No such file"):
        async with transport.opened([QUIC]):
            pass
    with trio.move_on_after(1):
        assert not transport.addresses
