"""mDNS on loopback: each test has a service name of its own, so that tests never meet each other's peers."""

from __future__ import annotations

import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from ampubsub.discovery import Found, How, topic_tag
from ampubsub.discovery.mdns import MdnsError, MdnsSettings, announced, opened, read_text
from ampubsub.transport.libp2p.identity import Identity

A, B = (Identity.new(bytes([number]) * 32).peer_id for number in (1, 2))
HOME, HOUSE = topic_tag("home"), topic_tag("house")


def at(peer: str, host: str = "192.168.1.7", port: int = 7410) -> str:
    return f"/ip4/{host}/udp/{port}/quic-v1/p2p/{peer}"


def strings(*texts: str) -> bytes:
    return b"".join(bytes([len(text)]) + text.encode() for text in texts)


def test_what_go_announces_is_read_with_all_its_addresses() -> None:
    text = strings(f"dnsaddr={at(A)}", f"dnsaddr=/ip4/10.0.0.9/tcp/4001/p2p/{A}")
    assert read_text("x", text) == [
        Found(A, (at(A), f"/ip4/10.0.0.9/tcp/4001/p2p/{A}"), frozenset(), How.MDNS, "x")
    ]


def test_ours_say_their_topics_too() -> None:
    text = announced([at(A)], [HOME, HOUSE])
    assert read_text("x", text) == [Found(A, (at(A),), frozenset((HOME, HOUSE)), How.MDNS, "x")]


def test_nothing_is_announced_without_an_address() -> None:
    assert announced([], [HOME]) == b""


def test_loopback_is_announced_only_when_it_is_all_there_is() -> None:
    only = announced([at(A, "127.0.0.1")], [])
    assert b"127.0.0.1" in only
    assert b"127.0.0.1" not in announced([at(A, "127.0.0.1"), at(A)], [])


def test_an_announcement_fits_into_one_packet_and_each_string_is_whole() -> None:
    text = announced(
        [at(A, port=1_000 + number) for number in range(40)], [f"{number:016x}" for number in range(90)]
    )
    assert len(text) <= 1_200
    (found,) = read_text("x", text)
    assert len(found.addresses) >= 8
    assert announced(["/ip4/10.0.0.1/udp/1/quic-v1/p2p/" + "1" * 300, at(A)], []) == announced([at(A)], [])


@pytest.mark.parametrize(
    "address",
    [
        at(A, "8.8.8.8"),
        at(A, "172.32.0.1"),
        f"/dns4/victim.example/udp/1/quic-v1/p2p/{A}",
        f"/ip6/2001:db8::1/udp/1/quic-v1/p2p/{A}",
        f"/ip6/::ffff:8.8.8.8/udp/1/quic-v1/p2p/{A}",
        at(A, "0.0.0.0"),
        at(A, "224.0.0.1"),
        at(A, "255.255.255.255"),
        at(A, port=0),
        at("12D3KooWnobody"),
        "/ip4/10.0.0.1/udp/1/quic-v1",
        "nonsense",
        "",
    ],
)  # fmt: skip
def test_a_record_that_names_the_wide_internet_or_nonsense_names_nobody(address: str) -> None:
    assert read_text("x", strings(f"dnsaddr={address}")) == []


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "172.16.0.1", "172.31.9.9", "192.168.0.1", "169.254.1.1", "127.0.0.1", "100.64.0.1"]
)
def test_addresses_of_private_networks_are_taken(host: str) -> None:
    assert read_text("x", strings(f"dnsaddr={at(A, host)}")) != []
    assert read_text("x", strings(f"dnsaddr=/ip6/fd00::7/udp/1/quic-v1/p2p/{A}")) != []
    assert read_text("x", strings(f"dnsaddr=/ip6/fe80::7/udp/1/quic-v1/p2p/{A}")) != []


def test_a_record_is_bounded_in_peers_addresses_and_topics() -> None:
    many = [Identity.new(number.to_bytes(32, "big")).peer_id for number in range(1, 9)]
    found = read_text("x", strings(*(f"dnsaddr={at(peer)}" for peer in many)))
    assert [one.peer_id for one in found] == many[:4]
    (one,) = read_text("x", strings(*(f"dnsaddr={at(A, port=port)}" for port in range(1, 40))))
    assert len(one.addresses) == 16
    (one,) = read_text("x", strings(f"dnsaddr={at(A)}", *(f"at={number:016x}" for number in range(100))))
    assert len(one.topics) == 64


def test_tags_that_are_none_and_text_cut_short_are_left_out() -> None:
    (one,) = read_text(
        "x", strings(f"dnsaddr={at(A)}", "at=home", "at=ABCDEF0123456789", f"at={HOME}", "an=x") + b"\xff"
    )
    assert one.topics == {HOME}
    assert read_text("x", b"\xffdnsaddr=") == []
    assert read_text("x", b"\x00" * 5_000) == []


@asynccontextmanager
async def looking(
    *addresses: str, service: str, tags: tuple[str, ...] = ()
) -> AsyncIterator[trio.MemoryReceiveChannel[Found]]:
    async with opened(addresses, tags, MdnsSettings(("127.0.0.1",), service)) as found:
        yield found


def service() -> str:
    return f"_am-{secrets.token_hex(4)}._udp.local."


@pytest.mark.trio
@pytest.mark.network
async def test_two_peers_find_each_other_on_loopback_and_hear_each_other_go() -> None:
    name = service()
    threads = threading.active_count()
    with trio.fail_after(20):
        async with looking(at(A, "127.0.0.1"), service=name, tags=(HOME,)) as by_a:
            async with looking(at(B, "127.0.0.1"), service=name, tags=(HOME, HOUSE)) as by_b:
                first = await by_a.receive()
                assert (first.peer_id, first.topics) == (B, {HOME, HOUSE})
                second = await by_b.receive()
                assert (second.peer_id, second.addresses) == (A, (at(A, "127.0.0.1"),))
            gone = await by_a.receive()
            while gone.addresses:
                gone = await by_a.receive()
            assert gone.source == first.source
    assert threading.active_count() <= threads + 1  # of trio's own pool


@pytest.mark.trio
@pytest.mark.network
async def test_who_only_looks_is_seen_by_nobody() -> None:
    name = service()
    with trio.fail_after(20):
        async with looking(at(A, "127.0.0.1"), service=name) as by_a, looking(service=name) as by_nobody:
            assert (await by_nobody.receive()).peer_id == A
            with pytest.raises(trio.WouldBlock):
                by_a.receive_nowait()


@pytest.mark.trio
@pytest.mark.network
async def test_an_interface_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(MdnsError, match=r"mDNS cannot be used on 192\.0\.2\.77"):
        async with opened((), (), MdnsSettings(("192.0.2.77",), service())):
            pass
