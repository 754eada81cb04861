"""Addresses are checked at once, by our own parser, with errors that say what is wrong."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampubsub.transport.address import (
    Address,
    base58_decode,
    base58_encode,
    parse_dial_address,
    parse_listen_address,
)
from ampubsub.transport.interface import AddressError

PEER = "12D3KooWDLyU55iFr3SUHrgt6zzi4k1eMGxs8sZcDT3xj7ur51SY"


@pytest.mark.parametrize(
    "text",
    [
        f"/ip4/127.0.0.1/udp/7410/quic-v1/p2p/{PEER}",
        f"/ip4/10.0.0.7/tcp/4001/p2p/{PEER}",
        f"/ip6/::1/udp/1/quic-v1/p2p/{PEER}",
        f"/ip6/fe80::1/tcp/65535/p2p/{PEER}",
        f"/dns4/peer.example.org/udp/7410/quic-v1/p2p/{PEER}",
        f"/dns/localhost/tcp/7410/p2p/{PEER}",
        "/ip4/127.0.0.1/tcp/7410/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
    ],
)
def test_good_addresses_to_dial_come_back_as_they_were(text: str) -> None:
    assert str(parse_dial_address(text)) == text


def test_parts_of_an_address() -> None:
    parsed = parse_dial_address(f"/dns4/host.example/udp/7/quic-v1/ipfs/{PEER}")
    assert parsed == Address("dns4", "host.example", 7, "quic-v1", PEER)
    assert parsed.resolved("::1").base == "/ip6/::1/udp/7/quic-v1"
    assert parsed.resolved("10.0.0.1").base == "/ip4/10.0.0.1/udp/7/quic-v1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a multiaddr"),
        ("127.0.0.1:7410", "not a multiaddr"),
        ("/ip4/127.0.0.1", "incomplete"),
        (f"/ip4/127.0.0.1/udp/7410/quic-v1/p2p/{PEER[:-1]}", "incomplete or mistyped"),
        (f"/ip4/127.0.0.1/udp/7410/quic-v1/p2p/0{PEER[1:]}", "'0' does not belong"),
        ("/ip4/127.0.0.1/udp/7410/quic-v1/p2p/", "without a peer id"),
        ("/ip4/127.0.0.1/udp/7410/quic-v1", "names no peer"),
        (f"/ip4/127.0.0.1/udp/7410/p2p/{PEER}", "UDP without /quic-v1"),
        (f"/ip4/127.0.0.1/udp/7410/quic/p2p/{PEER}", "UDP without /quic-v1"),
        (f"/ip4/127.0.0.1/udp/70000/quic-v1/p2p/{PEER}", "wrong port 70000"),
        (f"/ip4/127.0.0.1/udp/x/quic-v1/p2p/{PEER}", "wrong port x"),
        (f"/ip4/127.0.0.1/udp/0/quic-v1/p2p/{PEER}", "port 0"),
        (f"/ip4/127.0.0/udp/7410/quic-v1/p2p/{PEER}", "wrong ip4 address 127.0.0"),
        (f"/ip6/127.0.0.1/udp/7410/quic-v1/p2p/{PEER}", "wrong ip6 address"),
        (f"/dns4/-bad-/udp/7410/quic-v1/p2p/{PEER}", "wrong host name"),
        (f"/ip4/127.0.0.1/sctp/7410/p2p/{PEER}", "unsupported transport /sctp"),
        (f"/ip4/127.0.0.1/tcp/7410/ws/p2p/{PEER}", "unsupported part /ws"),
        (f"/ip4/127.0.0.1/tcp/7410/p2p/{PEER}/p2p-circuit", "unsupported part /p2p-circuit"),
        ("/ip4/127.0.0.1/tcp/\x1b[31m", "wrong port ?[31m"),
    ],
)
def test_wrong_addresses_are_refused_with_one_line_that_says_why(text: str, says: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_dial_address(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/dns4/localhost/tcp/0", "give an IP address"),
        (f"/ip4/127.0.0.1/tcp/0/p2p/{PEER}", "leave out the /p2p/ part"),
    ],
)
def test_listening_takes_an_ip_address_without_a_peer(text: str, says: str) -> None:
    with pytest.raises(AddressError, match=says):
        parse_listen_address(text)


@given(st.binary(min_size=1, max_size=60))
def test_base58_round_trip(data: bytes) -> None:
    assert base58_decode(base58_encode(data)) == data


@given(st.text(max_size=200))
def test_no_text_does_more_than_raise_an_address_error(text: str) -> None:
    for parse in (parse_dial_address, parse_listen_address):
        with contextlib.suppress(AddressError):
            assert str(parse(text)).startswith("/")


def test_checking_an_address_imports_neither_libp2p_nor_trio() -> None:
    code = (
        "import sys; from ampubsub.transport.address import parse_dial_address;"
        "assert not {'libp2p', 'trio', 'multiaddr'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
