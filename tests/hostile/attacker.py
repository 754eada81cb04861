"""A bare libp2p host that sends whatever it is told to."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import trio
from libp2p import new_host
from libp2p.abc import IHost, INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub.pb import rpc_pb2
from multiaddr import Multiaddr

from ampubsub.transport.libp2p.frames import framed

MESHSUB = TProtocol("/meshsub/1.1.0")
_numbers = itertools.count(1)


class Victim(Protocol):
    """Whoever listens somewhere."""

    @property
    def addresses(self) -> Sequence[str]: ...


class Attacker:
    """Connected to one victim."""

    def __init__(self, host: IHost, keys: KeyPair, victim: Victim) -> None:
        self.host = host
        self.keys = keys
        self.victim = info_from_p2p_addr(Multiaddr(victim.addresses[0]))

    @property
    def id(self) -> ID:
        return self.host.get_id()

    @property
    def peer_id(self) -> str:
        return str(self.id)

    async def connect(self) -> None:
        with trio.fail_after(10):
            self.host.get_network()._negative_peer_cache.clear()  # type: ignore[attr-defined]
            await self.host.connect(self.victim)

    async def stream(self, *protocols: str) -> INetStream:
        with trio.fail_after(10):
            chosen: Sequence[TProtocol] = [TProtocol(name) for name in protocols] or [MESHSUB]
            return await self.host.new_stream(self.victim.peer_id, chosen)

    def message(self, topic: str, data: bytes, /, **changes: Any) -> rpc_pb2.Message:
        """A correctly signed message, with fields changed afterwards."""
        message = rpc_pb2.Message(
            from_id=self.host.get_id().to_bytes(),
            data=data,
            seqno=next(_numbers).to_bytes(8, "big"),
            topicIDs=[topic],
        )
        message.signature = self.keys.private_key.sign(b"libp2p-pubsub:" + message.SerializeToString())
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def signed(self, topic: str, data: bytes, **changes: Any) -> rpc_pb2.Message:
        """A message with fields changed before it was signed."""
        message = self.message(topic, data, **changes)
        message.ClearField("signature")
        message.signature = self.keys.private_key.sign(b"libp2p-pubsub:" + message.SerializeToString())
        return message

    def signed_with_small_order(self, topic: str) -> rpc_pb2.Message:
        """A message whose signature's point is the neutral one: RFC 8032's equation holds, libsodium refuses it."""
        message = self.message(topic, b"x")
        message.ClearField("signature")
        text = b"libp2p-pubsub:" + message.SerializeToString()
        digest = bytearray(hashlib.sha512(self.keys.private_key.to_bytes()[:32]).digest()[:32])
        digest[0] &= 248
        digest[31] = digest[31] & 127 | 64
        point = b"\x01" + bytes(31)
        public = self.keys.public_key.to_bytes()
        challenge = int.from_bytes(hashlib.sha512(point + public + text).digest(), "little")
        order = 2**252 + 27742317777372353535851937790883648493
        number = challenge * int.from_bytes(digest, "little") % order
        message.signature = point + number.to_bytes(32, "little")
        return message


def rpc(*messages: rpc_pb2.Message, **fields: Any) -> bytes:
    """One RPC as it goes onto the stream."""
    return framed(rpc_pb2.RPC(publish=messages, **fields).SerializeToString())


@asynccontextmanager
async def attacker(victim: Victim) -> AsyncIterator[Attacker]:
    """Run an attacker that is connected to `victim`."""
    keys = create_new_key_pair()
    quic = "/quic-v1" in victim.addresses[0]
    listen = Multiaddr("/ip4/127.0.0.1/udp/0/quic-v1" if quic else "/ip4/127.0.0.1/tcp/0")
    host = new_host(key_pair=keys, listen_addrs=[listen], enable_quic=quic)
    async with host.run(listen_addrs=[listen]):
        evil = Attacker(host, keys, victim)
        await evil.connect()
        try:
            yield evil
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 3):
                await host.close()
