"""The in-memory network's signatures: cheap, the same for the same seed, and out of reach of its villains.

Real ones need keys; here one keyed hash for each author takes their place, known to the network alone. A signed
message is about as long as a real one, so that figures in bytes mean something.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from struct import Struct

_HEAD = Struct("!HHQI")
"""Length of author and topic, sequence number, length of the data."""
_SEAL_BYTES = 64
"""As long as an ed25519 signature."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was signed."""

    author: str
    sequence: int
    topic: str
    data: bytes


class Seals:
    """Signs for every host of one network."""

    def __init__(self, seed: int) -> None:
        self._secret = blake2b(str(seed).encode(), digest_size=32, person=b"am-seals").digest()

    def signed(self, author: str, sequence: int, topic: str, data: bytes) -> bytes:
        """The message with its author's signature."""
        who, where = author.encode(), topic.encode()
        body = _HEAD.pack(len(who), len(where), sequence, len(data)) + who + where + data
        return body + self._seal(body)

    def opened(self, signed: bytes) -> Opened | None:
        """The message of which `signed` was made here; None for anything else."""
        body, seal = signed[:-_SEAL_BYTES], signed[-_SEAL_BYTES:]
        if len(body) < _HEAD.size or not compare_digest(self._seal(body), seal):
            return None
        author, topic, sequence, _ = _HEAD.unpack_from(body)
        start = _HEAD.size
        middle, end = start + author, start + author + topic
        return Opened(body[start:middle].decode(), sequence, body[middle:end].decode(), body[end:])

    def _seal(self, body: bytes) -> bytes:
        return blake2b(body, digest_size=_SEAL_BYTES, key=self._secret).digest()
