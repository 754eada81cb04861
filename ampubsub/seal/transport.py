"""Any transport, with every topic on it sealed: the rooms above see plain topics, names and bytes.

    transport = SealedTransport(Libp2pTransport(), read_secret(Path("home.key")))

Each topic is joined under one name for each key of the secret; what we say goes out under the first. A message whose
seal does not open is neither handed on nor taken (`not-sealed` in `dropped`); whoever handed it on is not punished, for
it cannot know. Frames of the private stream are sealed as well. `rekey` changes the keys while everything runs.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import trio

from ampubsub.seal.keys import Secret
from ampubsub.transport.interface import (
    Check,
    DirectReceived,
    Dropped,
    MessageReceived,
    PeerDetail,
    PeerSubscribed,
    PeerUnsubscribed,
    Transport,
    TransportEvent,
    Verdict,
)

NOT_SEALED = "not-sealed"
_OPENED = 1_024
"""Messages opened when they were checked, and not yet read as events."""
_TOLD_PEERS = 64
"""Peers of which one `Dropped` waits to be told."""


class SealedTransport(Transport):
    """Seals what goes out and opens what comes in, for all topics."""

    def __init__(self, transport: Transport, secret: Secret) -> None:
        self._inner = transport
        self._secret = secret
        self._topics: dict[str, tuple[str, ...]] = {}
        """Joined topics to their wire names."""
        self._topic_of: dict[str, str] = {}
        self._checks: dict[str, Check] = {}
        self._opened: OrderedDict[tuple[str, int], tuple[bytes, bytes]] = OrderedDict()
        self._dropped: Counter[str] = Counter()
        self._to_tell: set[str] = set()
        self._changing = trio.Lock()

    @property
    def secret(self) -> Secret:
        """The keys in use."""
        return self._secret

    @property
    def peer_id(self) -> str:
        """As the transport inside."""
        return self._inner.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """As the transport inside."""
        return self._inner.addresses

    @asynccontextmanager
    async def opened(self, listen: Sequence[str]) -> AsyncIterator[None]:
        """As the transport inside; no topic is joined at first."""
        async with self._inner.opened(listen):
            try:
                yield
            finally:
                self._topics.clear()
                self._topic_of.clear()
                self._opened.clear()

    async def connect(self, address: str) -> str:
        """As the transport inside."""
        return await self._inner.connect(address)

    def forget(self, peer_id: str) -> None:
        """As the transport inside."""
        self._inner.forget(peer_id)

    async def disconnect(self, peer_id: str) -> None:
        """As the transport inside."""
        await self._inner.disconnect(peer_id)

    # -- topics ------------------------------------------------------------------------------------

    def wire_names(self, topic: str) -> tuple[str, ...]:
        """What the topic is called on the wire."""
        return self._secret.wire_names(topic)

    async def join(self, topic: str) -> None:
        """Take part under each of its wire names."""
        async with self._changing:
            await self._join(topic)

    async def _join(self, topic: str) -> None:
        names = self.wire_names(topic)
        for name in names:
            self._topic_of[name] = topic
            self._inner.check_with(name, self._check)
        self._topics[topic] = names
        for name in names:
            await self._inner.join(name)

    async def leave(self, topic: str) -> None:
        """Leave all its wire names."""
        async with self._changing:
            await self._leave(self._topics.pop(topic, ()))

    async def _leave(self, names: Sequence[str]) -> None:
        for name in names:
            await self._inner.leave(name)
            self._inner.check_with(name, None)
            self._topic_of.pop(name, None)

    async def rekey(self, secret: Secret) -> None:
        """Use these keys from now on. Names of keys that are gone are left, those of new ones joined."""
        async with self._changing:
            self._secret = secret
            for topic, before in list(self._topics.items()):
                await self._join(topic)
                await self._leave([name for name in before if name not in self._topics[topic]])

    async def publish(self, topic: str, data: bytes) -> None:
        """Seal with the first key, and hand it to the topic."""
        sealed = self._secret.seal(topic, self.peer_id, data)
        await self._inner.publish(self.wire_names(topic)[0], sealed)

    # -- what comes in -----------------------------------------------------------------------------

    def check_with(self, topic: str, check: Check | None) -> None:
        """As of any transport; `check` sees only opened messages."""
        if check is None:
            self._checks.pop(topic, None)
        else:
            self._checks[topic] = check

    def _check(self, message: MessageReceived) -> Verdict:
        topic = self._topic_of.get(message.topic, "")
        data = self._secret.open(topic, message.author, message.data)
        if data is None:
            self._drop(message.received_from)
            return Verdict.IGNORE
        check = self._checks.get(topic)
        if check is not None:
            verdict = check(_opened(message, topic, data))
            if verdict is not Verdict.ACCEPT:
                return verdict
        if message.sequence:
            self._opened[message.author, message.sequence] = (message.data, data)
            while len(self._opened) > _OPENED:
                self._opened.popitem(last=False)
        return Verdict.ACCEPT

    def _drop(self, peer_id: str) -> None:
        self._dropped[NOT_SEALED] += 1
        if len(self._to_tell) < _TOLD_PEERS:
            self._to_tell.add(peer_id)

    def _open_message(self, topic: str, message: MessageReceived) -> MessageReceived | None:
        sealed, data = self._opened.pop((message.author, message.sequence), (b"", None))
        if data is None or sealed != message.data:
            data = self._secret.open(topic, message.author, message.data)
        return None if data is None else _opened(message, topic, data)

    def open_signed(self, topic: str, signed: bytes) -> MessageReceived | None:
        """The opened message; None also when it is not sealed for this topic."""
        for name in self.wire_names(topic):
            message = self._inner.open_signed(name, signed)
            if message is not None:
                data = self._secret.open(topic, message.author, message.data)
                return None if data is None else _opened(message, topic, data)
        return None

    async def events(self) -> AsyncIterator[TransportEvent]:
        """As of any transport, with plain topics; input that is not sealed comes as `Dropped` at the most."""
        async for event in self._inner.events():
            plain = self._plain(event)
            if plain is not None:
                yield plain
            while self._to_tell:
                yield Dropped(self._to_tell.pop(), NOT_SEALED)

    def _plain(self, event: TransportEvent) -> TransportEvent | None:
        match event:
            case MessageReceived():
                topic = self._topic_of.get(event.topic)
                opened = None if topic is None else self._open_message(topic, event)
                if opened is None:
                    self._drop(event.received_from)
                return opened
            case DirectReceived():
                data = self._secret.open_frame(event.peer_id, self.peer_id, event.data)
                if data is None:
                    self._drop(event.peer_id)
                    return None
                return DirectReceived(event.peer_id, data)
            case PeerSubscribed():
                return replace(event, topic=self._topic_of.get(event.topic, event.topic))
            case PeerUnsubscribed():
                topic = self._topic_of.get(event.topic, event.topic)
                still = topic in self._topics and event.peer_id in self.topic_peers(topic)
                return None if still else replace(event, topic=topic)
        return event

    def send_direct(self, peer_id: str, data: bytes) -> bool:
        """Seal a frame for this peer and queue it."""
        return self._inner.send_direct(peer_id, self._secret.seal_frame(self.peer_id, peer_id, data))

    # -- who is there ------------------------------------------------------------------------------

    def address_record(self) -> bytes:
        """As the transport inside."""
        return self._inner.address_record()

    def open_address_record(self, data: bytes) -> tuple[str, tuple[str, ...]] | None:
        """As the transport inside."""
        return self._inner.open_address_record(data)

    def connected_peers(self) -> frozenset[str]:
        """As the transport inside."""
        return self._inner.connected_peers()

    def topic_peers(self, topic: str) -> frozenset[str]:
        """Connected peers that announced one of its wire names; that does not show that they hold the secret."""
        names = self._topics.get(topic) or self.wire_names(topic)
        return frozenset().union(*(self._inner.topic_peers(name) for name in names))

    def topics_of(self, peer_id: str) -> frozenset[str]:
        """Topics a peer has announced: ours by their plain names, others as they are on the wire."""
        return frozenset(self._topic_of.get(name, name) for name in self._inner.topics_of(peer_id))

    def detail(self, peer_id: str) -> PeerDetail | None:
        """As the transport inside, with plain topics."""
        detail = self._inner.detail(peer_id)
        if detail is None:
            return None
        mesh: dict[str, bool] = {}
        for name, inside in detail.in_mesh.items():
            topic = self._topic_of.get(name, name)
            mesh[topic] = inside or mesh.get(topic, False)
        return replace(detail, in_mesh=mesh)

    @property
    def dropped(self) -> Mapping[str, int]:
        """As the transport inside, and what was `not-sealed`."""
        return Counter(self._inner.dropped) + self._dropped


def _opened(message: MessageReceived, topic: str, data: bytes) -> MessageReceived:
    """The same message in plain. Spelled out, for each message comes here; a test holds it against the fields."""
    return MessageReceived(
        topic, message.author, data, message.received_from, message.sequence, message.signed
    )
