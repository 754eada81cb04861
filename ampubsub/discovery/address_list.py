"""A list of addresses in a file: one multiaddr a line, `#` starts a comment (IPFS Cluster's `peerstore` is one)."""

from __future__ import annotations

from pathlib import Path

from ampubsub.transport.address import parse_dial_address
from ampubsub.transport.interface import AddressError

MOST_ADDRESSES = 256
_LONGEST_FILE = 65_536


class AddressListError(Exception):
    """A list that cannot be used; one line that names the file, and the line in it."""


def read_addresses(spec: str) -> tuple[str, ...]:
    """The addresses of `spec`: itself when it is a multiaddr, else those in the file of this name. Raises `AddressListError`."""
    if spec.startswith("/") and "/p2p/" in spec and not Path(spec).exists():
        return (_checked(spec, ""),)
    try:
        with Path(spec).open("rb") as file:
            data = file.read(_LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise AddressListError(f"cannot read the list of addresses {spec}: {why}") from None
    if len(data) > _LONGEST_FILE:
        raise AddressListError(f"{spec} is longer than {_LONGEST_FILE:,} bytes: that is no list of addresses")
    addresses: dict[str, None] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if text:
            addresses[_checked(text, f"{spec}, line {number}: ")] = None
    if not addresses:
        raise AddressListError(f"{spec} has no address in it: write one a line, ending in /p2p/PEERID")
    if len(addresses) > MOST_ADDRESSES:
        raise AddressListError(f"{spec} has {len(addresses)} addresses; {MOST_ADDRESSES} are taken")
    return tuple(addresses)


def _checked(text: str, where: str) -> str:
    try:
        return str(parse_dial_address(text))
    except AddressError as error:
        raise AddressListError(f"{where}{error}") from None
