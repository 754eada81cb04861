"""Multiaddrs as far as a peer needs them: checked at once, without importing the network.

Accepted (multiaddr spec, libp2p addressing spec)::

    /ip4|ip6|dns|dns4|dns6/HOST /udp/PORT/quic-v1 | /tcp/PORT [/p2p/PEERID]
    /unix/PATH [/p2p/PEERID]

Everything else is refused with one line that says which part is wrong and what was expected.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ampubsub.transport.interface import AddressError

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGIT = {char: value for value, char in enumerate(_ALPHABET)}
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_LIKE_A_PEER_ID = re.compile(r"[A-Za-z0-9]{30,}")
_EXAMPLE = "/ip4/192.0.2.7/udp/7410/quic-v1/p2p/12D3KooW..."
_MOST_PATH_BYTES = 107
"""`sun_path` of Linux, without its ending zero."""
_SHOWN = 120
"""How much of a wrong address is repeated in the error."""


@dataclass(frozen=True, slots=True)
class Address:
    """One parsed multiaddr."""

    family: str
    """`ip4`, `ip6`, `dns`, `dns4`, `dns6` or `unix`."""
    host: str
    """Of `unix`, the absolute path of the socket's file."""
    port: int
    """Of `unix`, 0."""
    transport: str
    """`quic-v1`, `tcp` or `unix`."""
    peer_id: str = ""
    """Base58 peer id, empty when the address names none."""

    def __str__(self) -> str:
        """The multiaddr in its usual spelling."""
        return self.base + (f"/p2p/{self.peer_id}" if self.peer_id else "")

    @property
    def base(self) -> str:
        """The multiaddr without its `/p2p/` part."""
        if self.family == "unix":
            return f"/unix{self.host}"
        carrier = f"udp/{self.port}/quic-v1" if self.transport == "quic-v1" else f"tcp/{self.port}"
        return f"/{self.family}/{self.host}/{carrier}"

    def resolved(self, host: str) -> Address:
        """The same address with its name replaced by the IP address it stands for."""
        return replace(self, family="ip6" if ":" in host else "ip4", host=host)


def parse_dial_address(text: str) -> Address:
    """Parse an address to dial. It must end in `/p2p/PEERID`. Raises `AddressError`."""
    address = _parse(text)
    if not address.peer_id:
        raise AddressError(
            f"Address {_shown(text)} names no peer: append /p2p/PEERID, as the other peer prints it"
        )
    if address.port == 0 and address.family != "unix":
        raise AddressError(f"Address {_shown(text)} has port 0, which cannot be dialled")
    return address


def parse_listen_address(text: str) -> Address:
    """Parse an address to listen on: an IP address, port 0 for any free one. Raises `AddressError`."""
    address = _parse(text)
    if address.family not in ("ip4", "ip6", "unix"):
        raise AddressError(f"Cannot listen on {_shown(text)}: give an IP address of this host, not a name")
    if address.peer_id:
        raise AddressError(f"Cannot listen on {_shown(text)}: leave out the /p2p/ part, it is our own")
    return address


def parse_peer_id(text: str) -> bytes:
    """Decode a base58 peer id to its multihash (peer-ids spec). Raises `AddressError`."""
    try:
        data = base58_decode(text)
    except ValueError as error:
        raise AddressError(f"Peer id {_shown(text)} is not base58: {error}") from None
    identity = len(data) > 2 and data[0] == 0x00 and data[1] == len(data) - 2
    sha256 = len(data) == 34 and data[:2] == b"\x12\x20"
    if not (identity or sha256):
        raise AddressError(f"Peer id {_shown(text)} is incomplete or mistyped: it is no multihash of a key")
    return data


def base58_encode(data: bytes) -> str:
    """Bitcoin's base58, as peer ids use it."""
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _ALPHABET[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def base58_decode(text: str) -> bytes:
    """Undo `base58_encode`. Raises `ValueError` naming the first character that does not belong."""
    if not text or len(text) > 128:
        raise ValueError("it is empty" if not text else "it is too long")
    number = 0
    for char in text:
        digit = _DIGIT.get(char)
        if digit is None:
            raise ValueError(f"{char!r} does not belong")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _parse(text: str) -> Address:
    def wrong(what: str) -> AddressError:
        return AddressError(f"Address {_shown(text)} {what}; expected something like {_EXAMPLE}")

    if not text.startswith("/"):
        raise wrong("is not a multiaddr: it does not start with '/'")
    if text.startswith("/unix/"):
        return _parse_unix(text, wrong)
    parts = text[1:].rstrip("/").split("/")
    if len(parts) < 4:
        raise wrong("is incomplete")
    family, host, carrier, port_text, *rest = parts
    _check_host(family, host, wrong)
    port = _check_port(port_text, wrong)
    if carrier == "udp":
        if not rest or rest[0] != "quic-v1":
            raise wrong("is UDP without /quic-v1")
        rest = rest[1:]
    elif carrier != "tcp":
        raise wrong(
            f"has the unsupported transport /{_shown(carrier)} (udp with quic-v1, and tcp, are supported)"
        )
    peer_id = ""
    if rest and rest[0] in ("p2p", "ipfs"):
        if len(rest) < 2:
            raise wrong("ends in /p2p without a peer id")
        peer_id, rest = rest[1], rest[2:]
        parse_peer_id(peer_id)
    if rest:
        raise wrong(f"has the unsupported part /{_shown('/'.join(rest))}")
    return Address(family, host, port, "quic-v1" if carrier == "udp" else "tcp", peer_id)


def _parse_unix(text: str, wrong: Callable[[str], AddressError]) -> Address:
    """`/unix/PATH/p2p/PEERID`: a `/p2p/` with a peer id behind it ends the path, which may hold anything else."""
    path, mark, peer_id = text.removeprefix("/unix").rpartition("/p2p/")
    if not mark or not _LIKE_A_PEER_ID.fullmatch(peer_id):
        path, peer_id = text.removeprefix("/unix"), ""
    else:
        parse_peer_id(peer_id)
    if path.endswith("/") or not path.strip("/"):
        raise wrong("names no file: /unix/PATH wants the whole path of a socket")
    if not path.isprintable():
        raise wrong("has characters in its path that cannot be printed")
    if len(os.fsencode(path)) > _MOST_PATH_BYTES:
        raise wrong(f"has a path of more than {_MOST_PATH_BYTES} bytes, the most for a socket's file")
    return Address("unix", path, 0, "unix", peer_id)


def _check_host(family: str, host: str, wrong: Callable[[str], AddressError]) -> None:
    if family in ("ip4", "ip6"):
        try:
            ipaddress.IPv4Address(host) if family == "ip4" else ipaddress.IPv6Address(host)
        except ValueError:
            raise wrong(f"has the wrong {family} address {_shown(host)}") from None
    elif family in ("dns", "dns4", "dns6"):
        if len(host) > 253 or not _HOST_NAME.fullmatch(host):
            raise wrong(f"has the wrong host name {_shown(host)}")
    else:
        raise wrong(f"starts with /{_shown(family)}, not with ip4, ip6, dns, dns4, dns6 or unix")


def _check_port(text: str, wrong: Callable[[str], AddressError]) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise wrong(f"has the wrong port {_shown(text)} (0 to 65535)")
    return int(text)


def _shown(text: str) -> str:
    """Others' text, cut and without control characters, fit for one line of a terminal."""
    clean = "".join(char if char.isprintable() else "?" for char in text[:_SHOWN])
    return clean + ("..." if len(text) > _SHOWN else "")
