"""Bare py-libp2p for comparison: the same host and workarounds, but its own read, check and send path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from libp2p.abc import ISubscriptionAPI
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.pubsub import pubsub as pubsub_module
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from ampubsub.transport.libp2p.identity import Identity
from ampubsub.transport.libp2p.logs import route_foreign_loggers, silence_root_logging
from ampubsub.transport.libp2p.plan import Applier, Parts, build, new_plan
from ampubsub.transport.libp2p.settings import TransportSettings
from ampubsub.transport.libp2p.workarounds import FOR_PARTS, FOR_PLANS


class BareTransport:
    """As much of the transport interface as the benchmark of messages uses."""

    def __init__(self, settings: TransportSettings) -> None:
        route_foreign_loggers()
        silence_root_logging()
        pubsub_module.SUBSCRIPTION_CHANNEL_SIZE = 100_000
        identity = Identity.new()
        self.peer_id = identity.peer_id
        plan = new_plan(settings, identity)
        Applier(["read_packets_at_once"]).all(FOR_PLANS, plan)
        self.parts: Parts = build(plan)
        # `never_dial_on_the_side` stays out, because bare dialling needs it.
        Applier(["never_dial_on_the_side", "connect_only_when_told"]).all(FOR_PARTS, self.parts)
        self.subscription: ISubscriptionAPI

    @asynccontextmanager
    async def opened(self, listen: Sequence[str]) -> AsyncIterator[None]:
        parts = self.parts
        async with (
            background_trio_service(parts.pubsub),
            background_trio_service(parts.router),
            parts.host.run([Multiaddr(address) for address in listen]),
        ):
            yield
            await parts.host.close()

    @property
    def addresses(self) -> list[str]:
        return [str(address) for address in self.parts.host.get_addrs()]

    async def connect(self, address: str) -> None:
        await self.parts.host.connect(info_from_p2p_addr(Multiaddr(address)))

    async def join(self, topic: str) -> None:
        self.subscription = await self.parts.pubsub.subscribe(topic)

    def topic_peers(self, topic: str) -> set[ID]:
        return self.parts.pubsub.peer_topics.get(topic, set())

    async def publish(self, topic: str, data: bytes) -> None:
        await self.parts.pubsub.publish(topic, data)

    def events(self) -> AsyncIterator[object]:
        return aiter(self.subscription)
