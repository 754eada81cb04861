"""The keys of a sealed topic, and what they do: pure, without I/O.

From a key (32 random bytes) and the topic's name follow, by keyed BLAKE2b, the topic's name on the wire, the id that
says which key sealed a payload, and the sealing key. A sealed payload is `01`, the key's id (4 bytes), a nonce (24) and
the message under XChaCha20-Poly1305 (RFC 8439 with HChaCha20's nonces; PyNaCl), with its author's peer id as associated
data: GossipSub's signature proves the author and binds the sequence number, the seal that the author holds the key.
A frame of the private stream is bound to sender and receiver likewise, so that neither another's frame nor our own
sent back is taken: each frame is the proof of membership.

A secret holds several keys. The first seals, all open: a new one is added behind, put first once everybody has it, and
the old one taken out.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

KEY_BYTES = 32
MOST_KEYS = 8
WIRE_NAME_START = "am1-"
"""How the wire name of every sealed topic starts."""
_VERSION = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 24
_HEAD = 1 + _ID_BYTES
_SHORTEST = _HEAD + _NONCE_BYTES + 16
OVERHEAD_BYTES = _SHORTEST
"""How much longer a payload gets."""


@dataclass(frozen=True, slots=True)
class _Derived:
    """What follows from one key and one topic name (or, for frames, from the key alone)."""

    wire_name: str
    id: bytes
    seal_key: bytes


@lru_cache(maxsize=1_024)
def _derived(key: bytes, topic: str) -> _Derived:
    def follow(what: bytes, size: int) -> bytes:
        name = topic.encode("utf-8", "surrogateescape")
        return hashlib.blake2b(name, key=key, person=what, digest_size=size).digest()

    return _Derived(
        WIRE_NAME_START + follow(b"am topic name", 16).hex(),
        follow(b"am topic key id", _ID_BYTES),
        follow(b"am topic seal", KEY_BYTES),
    )


@lru_cache(maxsize=1_024)
def _all_derived(keys: tuple[bytes, ...], topic: str) -> tuple[_Derived, ...]:
    return tuple([_derived(key, topic) for key in keys])


@lru_cache(maxsize=64)
def _of_frames(key: bytes) -> _Derived:
    def follow(what: bytes, size: int) -> bytes:
        return hashlib.blake2b(key=key, person=what, digest_size=size).digest()

    return _Derived("", follow(b"am frame key id", _ID_BYTES), follow(b"am frame seal", KEY_BYTES))


def _seal(data: bytes, bound: bytes, by: _Derived) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(data, bound, nonce, by.seal_key)
    return b"".join((_VERSION, by.id, nonce, sealed))


def _open(sealed: bytes, bound: bytes, keys: Sequence[_Derived]) -> bytes | None:
    if len(sealed) < _SHORTEST or sealed[:1] != _VERSION:
        return None
    wanted, nonce = sealed[1:_HEAD], sealed[_HEAD : _HEAD + _NONCE_BYTES]
    for by in keys:
        if by.id == wanted:
            try:
                data: bytes = crypto_aead_xchacha20poly1305_ietf_decrypt(
                    sealed[_HEAD + _NONCE_BYTES :], bound, nonce, by.seal_key
                )
                return data
            except CryptoError:
                continue
    return None


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Keys of 32 bytes, the one that seals first. Its `repr` shows ids only, never a key."""

    keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` for no key, too many, one of another length, or one twice."""
        if not 1 <= len(self.keys) <= MOST_KEYS:
            raise ValueError(f"a secret has 1 to {MOST_KEYS} keys, not {len(self.keys)}")
        if any(len(key) != KEY_BYTES for key in self.keys):
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        if len(set(self.keys)) < len(self.keys):
            raise ValueError("a key is there twice")

    @classmethod
    def new(cls) -> Secret:
        """One new random key."""
        return cls((secrets.token_bytes(KEY_BYTES),))

    @property
    def ids(self) -> tuple[str, ...]:
        """What the keys may be called in front of people: 8 hex digits each, which say nothing of the keys."""
        return tuple(
            hashlib.blake2b(key=key, person=b"am secret id", digest_size=4).hexdigest() for key in self.keys
        )

    def __repr__(self) -> str:
        return f"Secret({', '.join(self.ids)})"

    def wire_names(self, topic: str) -> tuple[str, ...]:
        """The names of a topic on the wire, one for each key: the first to speak on, all to listen to."""
        return tuple([derived.wire_name for derived in _all_derived(self.keys, topic)])

    def seal(self, topic: str, author: str, data: bytes) -> bytes:
        """A message of `author` (our own peer id) for a topic, sealed with the first key."""
        return _seal(data, author.encode(), _all_derived(self.keys, topic)[0])

    def open(self, topic: str, author: str, sealed: bytes) -> bytes | None:
        """The message in a payload that `author` signed; None when no key of ours sealed it for this topic and author."""
        return _open(sealed, author.encode(), _all_derived(self.keys, topic))

    def seal_frame(self, sender: str, receiver: str, data: bytes) -> bytes:
        """A frame of the private stream from us (`sender`) to `receiver`."""
        return _seal(data, _between(sender, receiver), _of_frames(self.keys[0]))

    def open_frame(self, sender: str, receiver: str, sealed: bytes) -> bytes | None:
        """The frame that `sender` sent to us (`receiver`); None when it is not sealed so."""
        return _open(sealed, _between(sender, receiver), [_of_frames(key) for key in self.keys])


def _between(sender: str, receiver: str) -> bytes:
    return f"{sender}>{receiver}".encode()
