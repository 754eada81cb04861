"""What a source found: a hint that a peer may be at some addresses. Nothing in it was checked to be true."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ampubsub.transport.address import Address, parse_dial_address
from ampubsub.transport.interface import AddressError

MOST_ADDRESSES = 16
"""Of one peer. A real one has an address for each interface and transport."""
MOST_TOPICS = 64
_LONGEST_ADDRESS = 250
_TAG_DIGITS = 16


class How(StrEnum):
    """How a peer was found."""

    GIVEN = "given"
    """Somebody typed its address."""
    LIST = "list"
    """It stands in a bootstrap file."""
    BOOK = "book"
    """We met it before."""
    MDNS = "mdns"
    """It announced itself on this network."""
    TOLD = "told"
    """A peer of the topic passed on its signed addresses."""
    DIALLED_US = "dialled us"


@dataclass(frozen=True, slots=True)
class Found:
    """A peer that may be there."""

    peer_id: str
    addresses: tuple[str, ...]
    """Multiaddrs, each ending in this peer's /p2p/PEERID. Empty: the source says that it is gone."""
    topics: frozenset[str]
    """`topic_tag` of each topic it says it takes part in; empty when it does not say (Go peers never do)."""
    how: How
    source: str = ""
    """Which record of the source this is (mDNS: the instance's name; told: the teller's peer id)."""

    @property
    def told_how(self) -> str:
        """How it was found, in words: `mdns`, `book`, `told by PEER`."""
        return f"told by {self.source}" if self.how is How.TOLD else str(self.how)


def topic_tag(topic: str) -> str:
    """The 16 hex digits by which a topic is announced. Who knows the name can tell; who does not can only guess."""
    return hashlib.sha256(b"ampubsub-topic:" + topic.encode("utf-8", "surrogateescape")).hexdigest()[
        :_TAG_DIGITS
    ]


def is_tag(text: str) -> bool:
    """Whether this is the form of a topic's tag."""
    return len(text) == _TAG_DIGITS and all(char in "0123456789abcdef" for char in text)


def sound_addresses(texts: Iterable[str], *, local_only: bool) -> dict[str, tuple[str, ...]]:
    """Peer id to addresses, of those texts that are dial addresses; at most `MOST_ADDRESSES` of each peer.

    `local_only`: only IP addresses of this machine or of private networks. Anybody may name anybody's address in an
    announcement, and must not have a whole network dial a victim elsewhere.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        if len(text) > _LONGEST_ADDRESS:
            continue
        try:
            address = parse_dial_address(text)
        except AddressError:
            continue
        if local_only and not is_local(address):
            continue
        known = found.setdefault(address.peer_id, [])
        if str(address) not in known and len(known) < MOST_ADDRESSES:
            known.append(str(address))
    return {peer: tuple(addresses) for peer, addresses in found.items()}


def is_local(address: Address) -> bool:
    """Whether an address is of this machine or a private or link-local network (RFC 1918, 3927, 4193, 4291)."""
    if address.family not in ("ip4", "ip6"):
        return False
    host = ipaddress.ip_address(address.host)
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    if host.is_loopback or host.is_link_local:
        return True
    return any(host.version == network.version and host in network for network in _PRIVATE)


def is_loopback(text: str) -> bool:
    """Whether a dial address leads to this machine only."""
    address = parse_dial_address(text)
    return address.family in ("ip4", "ip6") and ipaddress.ip_address(address.host).is_loopback


_PRIVATE = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]
"""100.64.0.0/10 is what Tailscale and carriers give."""
