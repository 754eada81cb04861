"""The child's part of the demo: the root and four peers on loopback QUIC, under trio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from amdbg_tui.demo.cast import CHILD_PEERS, ROOT, Cast
from amdbg_tui.demo.settings import LISTEN, TOPIC, DemoSettings
from ampubsub.topic import Topic


@asynccontextmanager
async def demo_network(settings: DemoSettings | None = None) -> AsyncIterator[tuple[str, ...]]:
    """Run the network for the length of the block; yields the addresses of its root."""
    settings = settings or DemoSettings()
    async with AsyncExitStack() as stack:
        root = await stack.enter_async_context(Topic(TOPIC, listen=[LISTEN], peer_name=ROOT))
        await root.machine.when("Joined")
        addresses = root.addresses
        # One cast for all: machines of one file know each other, whichever peer exposes them.
        cast = Cast([name for names in CHILD_PEERS.values() for name in names], settings)
        machines = {machine.id: machine for machine in cast.machines}
        ended = trio.Event()
        nursery = await stack.enter_async_context(trio.open_nursery())
        for peer, names in CHILD_PEERS.items():
            topic = Topic(
                TOPIC,
                expose=[machines[name] for name in names],
                listen=[LISTEN],
                connect=addresses,
                peer_name=peer,
            )
            nursery.start_soon(_take_part, topic, ended)
        living = trio.CancelScope()
        nursery.start_soon(_live, cast, living)
        try:
            yield addresses
        finally:
            living.cancel()
            ended.set()  # not cancelled: each says bye, which needs the network for a moment more


async def _take_part(topic: Topic, ended: trio.Event) -> None:
    async with topic:
        await ended.wait()


async def _live(cast: Cast, scope: trio.CancelScope) -> None:
    with scope:
        await cast.live()
