"""GossipSub messages: made, signed, and checked (pubsub spec, StrictSign)."""

from __future__ import annotations

import itertools
from functools import lru_cache

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
    if topic not in message.topicIDs or refusal(message):
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


def refusal(message: Message) -> str:
    """Why a message's author or signature is not acceptable: a short stable word; empty if it is fine."""
    if not message.signature:
        return "unsigned"
    if not message.seqno or len(message.seqno) > 64:
        return "bad-seqno"
    public = ed25519_of(message.from_id)
    if public is None:
        return _refusal_of_other_key(message)
    if message.key and message.key != marshalled_public(public):
        return "bad-key"
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
        return "bad-signature"
    return ""


def _refusal_of_other_key(message: Message) -> str:
    """The same for RSA, secp256k1 and ECDSA keys, by py-libp2p."""
    if len(message.from_id) < 34:
        return "bad-author"
    try:
        return "" if signature_validator(message) else "bad-signature"
    except Exception:
        return "bad-key"


@lru_cache(maxsize=4096)
def _verifier(public: bytes) -> VerifyKey:
    return VerifyKey(public)


@lru_cache(maxsize=4096)
def author_of(from_id: bytes) -> str:
    """The author's peer id in base58."""
    return base58_encode(from_id)
