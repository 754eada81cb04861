"""The children of `benchmarks.transport`: each a process with one peer, which tells in JSON lines what it measured."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from ampubsub.machine import State
from ampubsub.topic import Topic
from ampubsub.topic.settings import TopicSettings
from ampubsub.transport.interface import MessageReceived, TransportError
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings

QUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
NAME = "bench"
ANY_RATE = TransportSettings(max_message_rate=1e6, message_burst=1e6, event_queue=100_000, send_queue=10_000)


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def rss_mb() -> float:
    with open(f"/proc/{os.getpid()}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.05)


# CPU per message


async def send(
    receiver: str, count: int, size: int, bare: bool, clocks: bool, pause_s: float = 0.004
) -> None:
    """Publish `count` messages to a receiver, one every `pause_s`; report CPU per message."""
    transport = bare_transport() if bare else Libp2pTransport(ANY_RATE)
    async with transport.opened([]):
        await transport.join(NAME)
        await transport.connect(receiver)
        await until(lambda: bool(transport.topic_peers(NAME)))
        await trio.sleep(1.5)  # hello, mesh
        messages = clock_messages(transport.peer_id, count) if clocks else [bytes(size)] * (count + 1)
        await transport.publish(NAME, messages[0])
        await trio.sleep(0.5)
        started = time.process_time()
        for message in messages[1:]:
            await transport.publish(NAME, message)
            await trio.sleep(pause_s)
        say(sent_ms=(time.process_time() - started) / count * 1000)
        await trio.sleep(1)


def clock_messages(peer_id: str, count: int) -> list[bytes]:
    """One hello with a machine of 30 states, then as many clock changes of it."""
    from ampubsub import wire

    names = tuple(f"State{number}" for number in range(30))
    schema = {name: State() for name in names}
    info = wire.Info(id="order", schema=schema, states=names, mtime=(0,) * 30)
    updates = (
        wire.MsgUpdates(peer_clocks={peer_id: {0: (number, *(0,) * 29)}}) for number in range(1, count + 1)
    )
    return [wire.encode(message) for message in (wire.MsgInfo(peer_info={peer_id: {0: info}}), *updates)]


async def receive(count: int, kind: str) -> None:
    """Receive `count` messages as `bare` py-libp2p, our transport (`ours`) or a whole `topic`."""
    got = 0
    started = 0.0
    done = trio.Event()

    def one(*_: object) -> None:
        nonlocal got, started
        got += 1
        if got == 1:
            started = time.process_time()
        elif got == count:
            say(received_ms=(time.process_time() - started) / (count - 1) * 1000, got=got)
            done.set()

    if kind == "topic":
        from ampubsub.topic.events import ClockChanged

        settings = TopicSettings(silent=True, messages_per_peer=10**6, messages_in_total=10**6)
        async with Topic(
            NAME, listen=[QUIC], settings=settings, transport=Libp2pTransport(ANY_RATE)
        ) as topic:
            topic.watch(lambda event: one() if isinstance(event, ClockChanged) else None)
            await topic.machine.when("Joined")
            say(address=topic.addresses[0])
            await done.wait()
        return
    transport = bare_transport() if kind == "bare" else Libp2pTransport(ANY_RATE)
    async with transport.opened([QUIC]):
        await transport.join(NAME)
        say(address=transport.addresses[0])
        async for event in transport.events():
            if hasattr(event, "data"):
                one()
                if done.is_set():
                    return


def bare_transport() -> Any:
    """py-libp2p's own receive and send path, with the same workarounds wherever they change no code of it."""
    from benchmarks.bare import BareTransport

    return BareTransport(ANY_RATE)


# A hub


async def hub(leaves: int, warm_s: float, seconds: float) -> None:
    """The root of a star: its share of a core, once all leaves are there."""
    transport = Libp2pTransport(ANY_RATE)
    heard = 0
    async with transport.opened([QUIC]), trio.open_nursery() as nursery:
        await transport.join(NAME)
        say(address=transport.addresses[0])

        async def read() -> None:
            nonlocal heard
            async for event in transport.events():
                heard += hasattr(event, "data")

        nursery.start_soon(read)
        await until(lambda: len(transport.topic_peers(NAME)) == leaves)
        await trio.sleep(warm_s)
        cpu, wall, before = time.process_time(), time.monotonic(), heard
        await trio.sleep(seconds)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        say(share=cpu / wall, heard_s=(heard - before) / wall)
        nursery.cancel_scope.cancel()


async def some_leaves(root: str, count: int) -> None:
    """Leaves of a hub, each saying 200 bytes once a second, each telling how late it hears the others."""
    late: list[float] = []

    async def leaf(number: int) -> None:
        transport = Libp2pTransport(ANY_RATE)
        async with transport.opened([]), trio.open_nursery() as nursery:
            await transport.join(NAME)
            while True:
                try:
                    await transport.connect(root)
                    break
                except TransportError:
                    await trio.sleep(0.5)

            async def read() -> None:
                async for event in transport.events():
                    if isinstance(event, MessageReceived):
                        late.append(time.time() - float(event.data[:20]))  # noqa: PERF401

            nursery.start_soon(read)
            await trio.sleep(number / count)
            while True:
                await transport.publish(NAME, f"{time.time():020.6f}".encode() + bytes(180))
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(leaf, number)
        while True:
            await trio.sleep(2)
            if late:
                ordered = sorted(late)
                say(p50_ms=1000 * ordered[len(ordered) // 2], p99_ms=1000 * ordered[len(ordered) * 99 // 100])
                late.clear()


# Memory


async def many_peers(count: int) -> None:
    """Open that many transports in one process."""
    async with Libp2pTransport().opened([QUIC]):
        before = rss_mb()
        async with trio.open_nursery() as nursery:
            opened = 0

            async def one() -> None:
                nonlocal opened
                async with (transport := Libp2pTransport()).opened([QUIC]):
                    await transport.join(NAME)
                    opened += 1
                    await trio.sleep_forever()

            for _ in range(count):
                nursery.start_soon(one)
            await until(lambda: opened == count)
            say(per_peer_mb=(rss_mb() - before) / count)
            nursery.cancel_scope.cancel()


TASKS = {task.__name__: task for task in (send, receive, hub, some_leaves, many_peers)}

if __name__ == "__main__":
    arguments = json.loads(sys.argv[2])
    trio.run(partial(TASKS[sys.argv[1]], **arguments))
