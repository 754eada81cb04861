"""Finding each other without addresses, and what a seal costs: `python -m benchmarks.discovery [--json] [PEERS]`.

Peers live in one process, each with a transport, an identity and an mDNS service of its own, on loopback. Times begin
when the last one listens. The cost of a seal is the processor time of a message through two real QUIC hosts, sealed
and plain by turns in the same run.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from contextlib import AsyncExitStack
from statistics import median
from typing import Any

import trio

from ampubsub import Machine, State, Topic
from ampubsub.discovery import Seeking
from ampubsub.discovery.mdns import MdnsSettings
from ampubsub.seal import SealedTransport, Secret
from ampubsub.topic import Host
from ampubsub.transport.interface import MessageReceived, Transport
from ampubsub.transport.libp2p import Libp2pTransport
from ampubsub.transport.memory import MemoryNetwork

LISTEN = ["/ip4/127.0.0.1/udp/0/quic-v1"]
ROUNDS = 5
MESSAGES = 300


async def meet(count: int, *, apart: bool) -> dict[str, float]:
    """So many peers, started at once (or the last one later), until each lists all machines first-hand."""
    mdns = MdnsSettings(("127.0.0.1",), f"_am-{secrets.token_hex(4)}._udp.local.")
    running: list[tuple[Host, Topic]] = []

    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())

        async def listen(number: int) -> tuple[Host, Seeking, Topic]:
            host = Host(Libp2pTransport())
            await stack.enter_async_context(host.opened(LISTEN))
            machine = Machine({"On": State()}, id=f"m{number}")
            topic = Topic("home", expose=[machine], host=host)
            seeking = Seeking(host.transport, "home", mdns=mdns)
            host.subscribe("home", seeking.take)
            return host, seeking, topic

        async def begin(host: Host, seeking: Seeking, topic: Topic) -> None:
            running.append((host, topic))
            await stack.enter_async_context(topic)
            nursery.start_soon(seeking.run)

        peers = [await listen(number) for number in range(count - apart)]
        if apart:
            for peer in peers:
                await begin(*peer)
            await trio.sleep(3)
            peers = [await listen(count)]
        started = trio.current_time()
        for peer in peers:
            await begin(*peer)
        connected = 0.0
        while True:
            if not connected and all(host.transport.topic_peers("home") for host, _ in running):
                connected = trio.current_time() - started
            known = [
                sum(
                    machine.source == "first-hand" and machine.owner != host.peer_id
                    for machine in topic.network_machines
                )
                for host, topic in running
            ]
            if all(number >= count - 1 for number in known):
                break
            if trio.current_time() - started > 60:
                raise SystemExit(f"after 60 s the peers know {known} of {count - 1}")
            await trio.sleep(0.01)
        first_hand = trio.current_time() - started
        nursery.cancel_scope.cancel()
    return {"connected_s": connected, "first_hand_s": first_hand}


async def talk(first: Transport, second: Transport, size: int) -> float:
    """Microseconds of processor time a message, from one host to another in this process."""
    arrived = 0
    enough = trio.Event()

    async def hear() -> None:
        nonlocal arrived
        async for event in second.events():
            if isinstance(event, MessageReceived):
                arrived += 1
                if arrived >= MESSAGES:
                    enough.set()

    async with first.opened(LISTEN), second.opened(()), trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        for transport in (first, second):
            await transport.join("home")
        await second.connect(first.addresses[0])
        while not first.topic_peers("home"):  # noqa: ASYNC110 - its events have a reader already
            await trio.sleep(0.02)
        await trio.sleep(1.5)
        before = time.process_time()
        sent = 0
        while not enough.is_set():
            await first.publish("home", bytes(size))
            sent += 1
            if sent % 10 == 0:
                await trio.sleep(0.01)
            if sent >= MESSAGES:
                with trio.move_on_after(10):
                    await enough.wait()
                break
        spent = time.process_time() - before
        nursery.cancel_scope.cancel()
    return spent / max(arrived, 1) * 1e6


def sealing(size: int) -> float:
    """Microseconds of processor time to seal a message once, to check it, and to read it as an event: all a seal adds."""
    transport = SealedTransport(MemoryNetwork(seed=1).transport("a"), Secret.new())
    (name,) = transport.wire_names("home")
    transport._topic_of[name] = "home"
    author, times = transport.peer_id, []
    for _ in range(ROUNDS):
        started = time.process_time()
        for number in range(1, 2_001):
            data = transport.secret.seal("home", author, bytes(size))
            message = MessageReceived(name, author, data, author, number)
            transport._check(message)
            transport._plain(message)
        times.append((time.process_time() - started) / 2_000 * 1e6)
    return median(times)


def costs(size: int) -> dict[str, float]:
    plain, sealed = [], []
    secret = Secret.new()
    for _ in range(3):
        plain.append(trio.run(talk, Libp2pTransport(), Libp2pTransport(), size))
        sealed.append(
            trio.run(
                talk,
                SealedTransport(Libp2pTransport(), secret),
                SealedTransport(Libp2pTransport(), secret),
                size,
            )
        )
    alone = sealing(size)
    return {
        "seal_and_open_us": alone,
        "plain_us": median(plain),
        "sealed_us": median(sealed),
        "share": alone / median(plain),
    }


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    peers = int(words[0]) if words else 20
    rows: dict[str, dict[str, Any]] = {
        "two peers, the second later": trio.run(lambda: meet(2, apart=True)),
        "two peers at once": trio.run(lambda: meet(2, apart=False)),
        f"{peers} peers at once": trio.run(lambda: meet(peers, apart=False)),
        "a message of 300 bytes": costs(300),
        "a message of 4,000 bytes": costs(4_000),
    }
    for name, row in rows.items():
        if "--json" in sys.argv[1:]:
            print(json.dumps({"name": name, **row}))
        else:
            print(f"{name}: " + ", ".join(f"{figure} {value:,.3f}" for figure, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
