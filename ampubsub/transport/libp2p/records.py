"""Signed peer records: a peer's own addresses, proved (libp2p RFC 0003 and 0002, as go-libp2p writes them)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from libp2p.crypto.keys import PrivateKey
from libp2p.peer.envelope import ENVELOPE_DOMAIN, consume_envelope, seal_record
from libp2p.peer.id import ID
from libp2p.peer.peer_record import PeerRecord
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from ampubsub.transport.address import parse_dial_address
from ampubsub.transport.interface import AddressError

MOST_ADDRESSES = 16
MOST_BYTES = 4096


def sealed(key: PrivateKey, addresses: Sequence[str]) -> bytes:
    """A record of our addresses (each ending in `/p2p/PEERID`), signed; empty when none can be reached from elsewhere."""
    beyond = [address for address in addresses if not address.startswith("/unix/")]
    bases = [Multiaddr(address.partition("/p2p/")[0]) for address in beyond[:MOST_ADDRESSES]]
    if not bases:
        return b""
    record = PeerRecord(ID.from_pubkey(key.get_public_key()), bases, seq=time.time_ns())
    return seal_record(record, key).marshal_envelope()


def opened(data: bytes) -> tuple[str, tuple[str, ...]] | None:
    """Whose record it is and which addresses it names; None when it is forged, unreadable or too large.

    Addresses of kinds that we cannot dial are left out.
    """
    if not 0 < len(data) <= MOST_BYTES:
        return None
    try:
        envelope, record = consume_envelope(data, ENVELOPE_DOMAIN)
        if ID.from_pubkey(envelope.public_key) != record.peer_id:
            return None
        named = [str(address) for address in record.addrs[:MOST_ADDRESSES]]
    except Exception:  # whatever a stranger's bytes make several libraries raise
        return None
    peer_id = str(record.peer_id)
    addresses = []
    for text in named:
        try:
            addresses.append(str(parse_dial_address(f"{text.partition('/p2p/')[0]}/p2p/{peer_id}")))
        except AddressError:
            continue
    return peer_id, tuple(addresses)
