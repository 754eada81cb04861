"""A host as py-libp2p makes and runs it, with none of our workarounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from ampubsub.transport.libp2p import Identity, TransportSettings
from ampubsub.transport.libp2p.plan import Parts, build, new_plan


@dataclass
class Bare:
    """A bare host, running or not."""

    parts: Parts

    @classmethod
    def made(cls) -> Bare:
        return cls(build(new_plan(TransportSettings(), Identity.new())))

    @property
    def peer_id(self) -> str:
        return str(self.parts.host.get_id())

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(map(str, self.parts.host.get_addrs()))

    @asynccontextmanager
    async def listening(self, listen: str) -> AsyncIterator[None]:
        """Only the host runs; what is left of it at the end is tidied up."""
        try:
            async with self.parts.host.run([Multiaddr(listen)]):
                yield
        finally:
            self.parts.pubsub.seen_messages.stop()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 3):
                await self.parts.host.close()


@asynccontextmanager
async def bare_host(listen: str) -> AsyncIterator[Bare]:
    """Run a bare host and its pubsub the way py-libp2p's manual does."""
    bare = Bare.made()
    async with (
        bare.listening(listen),
        background_trio_service(bare.parts.pubsub),
        background_trio_service(bare.parts.router),
    ):
        await bare.parts.pubsub.wait_until_ready()
        yield bare
