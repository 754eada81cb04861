"""What the tests of the libp2p transport share: addresses, waiting for events, peers in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import trio

from ampubsub.transport.interface import Transport
from ampubsub.transport.libp2p import Libp2pTransport
from ampubsub.transport.libp2p.plan import Parts

QUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
TCP = "/ip4/127.0.0.1/tcp/0"
LISTEN = {"quic-v1": QUIC, "tcp": TCP}
TOPIC = "crew"

Event = TypeVar("Event")


def parts_of(transport: Libp2pTransport) -> Parts:
    """What an open transport is made of."""
    assert transport._session is not None
    return transport._session.parts


async def event_of(
    transport: Transport,
    kind: type[Event],
    wanted: Callable[[Event], bool] = lambda event: True,
    *,
    within_s: float = 20,
) -> Event:
    """The next event of a kind; what comes before it is passed over."""
    with trio.fail_after(within_s):
        async for event in transport.events():
            if isinstance(event, kind) and wanted(event):
                return event
    raise AssertionError("the events ended")


async def until(condition: Callable[[], bool], within_s: float = 20) -> None:
    """Wait for something that no event announces."""
    with trio.fail_after(within_s):
        while not condition():
            await trio.sleep(0.02)


async def holds(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether a condition comes true in time."""
    with trio.move_on_after(within_s):
        await until(condition, within_s + 1)
    return condition()


@dataclass
class Child:
    """A peer in a process of its own, to be killed or stopped."""

    process: trio.Process
    address: str

    @property
    def peer_id(self) -> str:
        return self.address.rpartition("/")[2]

    @property
    def listen(self) -> str:
        """Where it listens: for another one that takes its place."""
        return self.address.partition("/p2p/")[0]


_CHILD = """
import sys, trio
from ampubsub.transport.libp2p import Identity, Libp2pTransport
async def main(listen, seed, dial):
    transport = Libp2pTransport(key=Identity.new(bytes.fromhex(seed)))
    async with transport.opened([listen]):
        await transport.join("crew")
        if dial:
            await transport.connect(dial)
        print(transport.addresses[0], flush=True)
        while True:
            await trio.sleep(0.2)
            await transport.publish("crew", b"alive")
trio.run(main, *sys.argv[1:])
"""


@asynccontextmanager
async def child_peer(listen: str, *, seed: bytes = b"c" * 32, dial: str = "") -> AsyncIterator[Child]:
    """Run a peer that joins TOPIC and says something every 0.2 s; killed at the end."""
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            lambda task_status: trio.run_process(
                [sys.executable, "-c", _CHILD, listen, seed.hex(), dial],
                stdout=subprocess.PIPE,
                check=False,
                task_status=task_status,
            )
        )
        assert process.stdout is not None
        try:
            with trio.fail_after(30):
                line = b""
                while not line.endswith(b"\n"):
                    more = await process.stdout.receive_some(1000)
                    assert more, "the child ended"
                    line += more
            yield Child(process, line.decode().strip())
        finally:
            process.kill()
