"""A list of addresses: a file or one address, and each mistake told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampubsub.discovery import AddressListError, read_addresses
from ampubsub.transport.libp2p.identity import Identity

PEER = Identity.new(b"1" * 32).peer_id
ONE = f"/ip4/192.0.2.7/udp/7410/quic-v1/p2p/{PEER}"
OTHER = f"/dns4/hub.example/tcp/7410/p2p/{PEER}"


def test_one_address_is_a_list_of_one() -> None:
    assert read_addresses(ONE) == (ONE,)


def test_a_file_has_one_a_line_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "peers"
    file.write_text(f"# ours\n{ONE}  # the hub\n\n{OTHER}\r\n{ONE}\n")
    assert read_addresses(str(file)) == (ONE, OTHER)


def test_256_are_taken_and_one_more_is_not(tmp_path: Path) -> None:
    file = tmp_path / "peers"
    lines = [f"/ip4/10.0.0.1/udp/{port}/quic-v1/p2p/{PEER}" for port in range(1, 258)]
    file.write_text("\n".join(lines[:256]))
    assert len(read_addresses(str(file))) == 256
    file.write_text("\n".join(lines))
    with pytest.raises(AddressListError, match="257 addresses; 256 are taken"):
        read_addresses(str(file))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "has no address in it"),
        (f"{ONE}\nnonsense\n", "line 2: .*not a multiaddr"),
        ("/ip4/10.0.0.1/udp/1/quic-v1", "line 1: .*names no peer"),
        ("#" * 65_536, "has no address in it"),
        ("#" * 65_537, "longer than 65,536 bytes"),
        ("\x00\x1b[31m", "line 1"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_one_line(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "peers"
    file.write_text(text)
    with pytest.raises(AddressListError, match=word) as caught:
        read_addresses(str(file))
    assert str(file) in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "spec", ["/ip4/10.0.0.1/udp/1/quic-v1/p2p/nobody", "no-such-file", "/no/such/file", "", "a\0b", "."]
)
def test_what_is_neither_address_nor_file_is_refused_in_one_line(spec: str) -> None:
    with pytest.raises(AddressListError) as caught:
        read_addresses(spec)
    assert "\n" not in str(caught.value)
