"""Signatures as cheap as a keyed hash, and as hard to forge for whoever does not hold the key: villains do not.

A signed message is as long as GossipSub's (author, number, topic, 64 bytes of signature, field headers), so that
bytes counted here are bytes on a real wire.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from struct import Struct

from ampubsub.transport.interface import MessageReceived

_HEADER = Struct(">4sBBQI")
_MAGIC = b"SIM1"
_SIGNATURE_BYTES = 64
_REMEMBERED = 200_000


class Signer:
    """Signs for everybody, and opens what was signed. One a network."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret[:64]
        self._opened: OrderedDict[bytes, MessageReceived] = OrderedDict()

    def _mark(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, key=self._secret, digest_size=_SIGNATURE_BYTES).digest()

    def sign(self, topic: str, author: str, sequence: int, data: bytes) -> bytes:
        """The signed message as it travels."""
        who, where = author.encode(), topic.encode()
        body = _HEADER.pack(_MAGIC, len(who), len(where), sequence, len(data)) + who + where + data
        return body + self._mark(body)

    def open(self, topic: str, signed: bytes) -> MessageReceived | None:
        """What a signed message says; None when it is forged or of another topic."""
        known = self._opened.get(signed)
        if known is not None:
            return known if known.topic == topic else None
        if len(signed) < _HEADER.size + _SIGNATURE_BYTES:
            return None
        body, mark = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
        magic, who, where, sequence, length = _HEADER.unpack_from(body)
        start = _HEADER.size + who + where
        if magic != _MAGIC or len(body) != start + length or self._mark(body) != mark:
            return None
        author = body[_HEADER.size : _HEADER.size + who].decode()
        if body[_HEADER.size + who : start].decode() != topic:
            return None
        message = MessageReceived(topic, author, body[start:], author, sequence, signed)
        self._opened[signed] = message
        if len(self._opened) > _REMEMBERED:
            self._opened.popitem(last=False)
        return message
