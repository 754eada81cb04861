"""GossipSub messages: made, signed, and checked (pubsub spec, StrictSign)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import DecodeError
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.validators import signature_validator
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from ampubsub.transport.address import base58_encode
from ampubsub.transport.interface import MessageReceived
from ampubsub.transport.libp2p.identity import Identity, ed25519_of, marshalled_public, peer_id_bytes

Message = rpc_pb2.Message
_PREFIX = b"libp2p-pubsub:"
_COUNTED_FROM_TIME = (
    (1_500_000_000, 4_000_000_000),
    (1_500_000_000_000_000_000, 4_000_000_000_000_000_000),
)
"""Sequence numbers that begin with the time, in seconds or nanoseconds."""


class Signer:
    """Makes our own messages, with sequence numbers that go up from `first_number`."""

    def __init__(self, identity: Identity, first_number: int) -> None:
        self.author = peer_id_bytes(identity.public)
        self._key = SigningKey(identity.seed)
        self._numbers = itertools.count(first_number)

    def message(self, topic: str, data: bytes) -> Message:
        """A signed message. The key is left out, since an ed25519 peer id holds it."""
        message = Message(
            from_id=self.author, data=data, seqno=next(self._numbers).to_bytes(8, "big"), topicIDs=[topic]
        )
        message.signature = self._key.sign(_PREFIX + message.SerializeToString()).signature
        return message


def opened(topic: str, signed: bytes) -> MessageReceived | None:
    """The message in `signed`, which came by another way than GossipSub; None when it is forged or of another topic."""
    message = Message()
    try:
        message.ParseFromString(signed)
    except DecodeError:
        return None
    if topic not in message.topicIDs or refusal(message) is not None:
        return None
    return MessageReceived(
        topic, author_of(message.from_id), message.data, "", sequence_of(message.seqno), signed
    )


def sequence_of(seqno: bytes) -> int:
    """The author's sequence number when it is counted up from the time, as Go and Python peers do; else 0.

    Random numbers (as JavaScript peers use) say nothing about the order of messages.
    """
    number = int.from_bytes(seqno, "big")
    return number if any(low <= number <= high for low, high in _COUNTED_FROM_TIME) else 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not taken."""

    reason: str
    """A short stable word."""
    relay_to_blame: bool = True
    """Whether an honest neighbour would not have handed it on: go-libp2p-pubsub refuses it too. Else a stranger's
    message would cut us off from the Go peers that relay it."""


def refusal(message: Message) -> Refusal | None:
    """Why a message's author, signature or number is not acceptable; None if it is fine."""
    if not message.signature:
        return Refusal("unsigned")
    public = ed25519_of(message.from_id)
    refused = _refusal_of_other_key(message) if public is None else _refusal_of_ed25519(message, public)
    if refused is None and not 0 < len(message.seqno) <= 64:
        return Refusal("bad-seqno", relay_to_blame=False)
    return refused


def _refusal_of_ed25519(message: Message, public: bytes) -> Refusal | None:
    if message.key and message.key != marshalled_public(public):
        return Refusal("bad-key")
    signature, key = message.signature, message.key
    message.ClearField("signature")
    message.ClearField("key")
    signed = _PREFIX + message.SerializeToString()
    message.signature = signature
    if key:
        message.key = key
    try:
        _verifier(public).verify(signed, signature)
    except (BadSignatureError, ValueError, TypeError):
        return Refusal("bad-signature", relay_to_blame=not _passes_in_go(public, signed, signature))
    return None


def _passes_in_go(public: bytes, signed: bytes, signature: bytes) -> bool:
    """Whether a signature that libsodium refuses is good for Go, as for OpenSSL.

    RFC 8032 leaves room: with points of small order, as key or in the signature, libsodium says no, the two say yes.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _refusal_of_other_key(message: Message) -> Refusal | None:
    """The same for RSA, secp256k1 and ECDSA keys, by py-libp2p, which is stricter than Go and knows fewer kinds."""
    if len(message.from_id) < 34:
        return Refusal("bad-author")
    try:
        return None if signature_validator(message) else Refusal("bad-signature", relay_to_blame=False)
    except Exception:
        return Refusal("bad-key", relay_to_blame=False)


@lru_cache(maxsize=4096)
def _verifier(public: bytes) -> VerifyKey:
    return VerifyKey(public)


@lru_cache(maxsize=4096)
def author_of(from_id: bytes) -> str:
    """The author's peer id in base58."""
    return base58_encode(from_id)
