"""The peer on real QUIC over loopback: latency, a star of processes, CPU per message, memory.

`python -m benchmarks.peer [latency] [star] [cpu] [memory]`, by default all. In the star every peer is a process of
its own; times are of the system's monotonic clock, which all processes share.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

import trio

from ampubsub import Machine, State, Topic, TopicSettings
from ampubsub.transport.memory import MemoryNetwork

LOOPBACK = ["/ip4/127.0.0.1/udp/0/quic-v1"]
PEERS = 20
MACHINES = 3
PATIENCE_S = 90.0


def lamp(name: str) -> Machine:
    """A machine with a dozen states."""
    states = {"On": State(require=("Power",)), "Power": State(), "Blink": State(multi=True)}
    states |= {f"Mode{number}": State() for number in range(9)}
    return Machine(states, id=name, states=["Exception", *states])


# -- latency -------------------------------------------------------------------------------------------


async def latency(changes: int = 200) -> None:
    """From a mutation to the `when` of another peer, idle and under a burst."""
    own = lamp("own")
    async with Topic("bench", expose=[own], listen=LOOPBACK) as root:
        await root.machine.when("Joined")
        async with Topic("bench", connect=root.addresses) as other:
            while not other.network_machines:
                await other.machine.when_ticks("MsgInfo", 1)
            (remote,) = other.network_machines
            await trio.sleep(1)
            for words, pause_s in (("one change every 0.3 s", 0.3), ("as fast as they arrive", 0.0)):
                took = []
                for _ in range(changes // 4 if pause_s else changes):
                    await trio.sleep(pause_s)
                    start = time.perf_counter()
                    own.add("Blink")
                    await remote.when_time(["Blink"], [own.tick("Blink")])
                    took.append(time.perf_counter() - start)
                took.sort()
                p50, p99 = took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.99))]
                print(
                    f"latency, {words}: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms ({len(took)} changes)"
                )


# -- the star ------------------------------------------------------------------------------------------


async def child(number: int, address: str, peers: int, machines: int) -> None:
    """One peer of the star; tells what it sees in JSON lines, changes a machine when told so."""

    def tell(what: str, **more: object) -> None:
        print(json.dumps({"what": what, "at": time.monotonic(), **more}), flush=True)

    started = time.process_time()
    exposed = [lamp(f"p{number}-{index}") for index in range(machines if number else 0)]
    connect = [address] if address != "-" else []
    others = (peers - 1) * machines - len(exposed)
    topic = Topic("bench", expose=exposed, listen=LOOPBACK, connect=connect)
    state = {"all": False}

    def watch(event: object) -> None:
        known = topic.network_machines
        if not state["all"] and len(known) >= others:
            state["all"] = True
            tell("all")
        for machine in known if state["all"] else ():
            if machine.remote_id == "p1-0" and machine.is_("Power") and "seen" not in state:
                state["seen"] = True
                tell("seen")

    topic.watch(watch)
    async with topic:
        await topic.machine.when("Joined")
        tell("joined", address=topic.addresses[0])
        async for line in trio.wrap_file(sys.stdin):
            if line.startswith("change"):
                tell("changed")
                exposed[0].add("Power")
            elif line.startswith("stop"):
                break
        told = topic.peers[topic.peer_id].messages_out
        heard = sum(sum(peer.messages_in.values()) for peer in topic.peers.values())
        tell(
            "sum", out=dict(told), heard=heard, cpu=time.process_time() - started, dropped=dict(topic.dropped)
        )


class Member:
    """One process of the star, with the pipes to and from it. Forked after the imports, which take seconds."""

    def __init__(self, number: int, peers: int, machines: int) -> None:
        their_in, our_out = os.pipe()
        our_in, their_out = os.pipe()
        self.number = number
        self.pid = os.fork()
        if self.pid == 0:
            os.close(our_in)
            os.close(our_out)
            os.dup2(their_in, 0)
            os.dup2(their_out, 1)
            sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
            address = sys.stdin.readline().strip()
            trio.run(child, number, address, peers, machines)
            os._exit(0)
        os.close(their_in)
        os.close(their_out)
        self.fds = (our_out, our_in)

    def open(self) -> None:
        """Make streams of the pipes; inside of trio."""
        self.to, self.of = (trio.lowlevel.FdStream(fd) for fd in self.fds)

    async def say(self, word: str) -> None:
        """One line to the process."""
        await self.to.send_all(f"{word}\n".encode())


class Star:
    """The processes of one star, and what they told."""

    def __init__(self, peers: int, machines: int) -> None:
        self.peers, self.machines = peers, machines
        self.members = [Member(number, peers, machines) for number in range(peers)]
        self.told: dict[str, dict[int, dict[str, object]]] = {}
        self.news = trio.Event()

    async def run(self) -> dict[str, float]:
        """Start all, wait until all know all, change one machine, stop."""
        root, *others = self.members
        async with trio.open_nursery() as nursery:
            for member in self.members:
                member.open()
                nursery.start_soon(self._read, member)
            await root.say("-")
            await self._all("joined", 1)
            for member in others:
                await member.say(str(self.told["joined"][0]["address"]))
            await self._all("joined", self.peers)
            await self._all("all", self.peers)
            await trio.sleep(3)
            await others[0].say("change")
            await self._all("seen", self.peers - 1)
            for member in self.members:
                await member.say("stop")
            await self._all("sum", self.peers)
            nursery.cancel_scope.cancel()
        joined = self._latest("joined")
        sums = self.told["sum"].values()
        return {
            "list": self._latest("all") - joined,
            "change": self._latest("seen") - self._latest("changed"),
            "sent": float(sum(sum(s["out"].values()) for s in sums)),  # type: ignore[attr-defined]
            "cpu": statistics.mean(float(str(s["cpu"])) for s in sums),
        }

    async def _read(self, member: Member) -> None:
        buffer = b""
        async for data in member.of:
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                told = json.loads(line)
                self.told.setdefault(told["what"], {})[member.number] = told
                self.news.set()

    async def _all(self, what: str, count: int) -> None:
        with trio.move_on_after(PATIENCE_S):
            while len(self.told.get(what, {})) < count:
                await self.news.wait()
                self.news = trio.Event()
            return
        raise SystemExit(
            f"only {sorted(self.told.get(what, {}))} of {count} told {what!r} in {PATIENCE_S:.0f} s"
        )

    def _latest(self, what: str) -> float:
        return max(float(str(told["at"])) for told in self.told[what].values())


def star_once(peers: int = PEERS, machines: int = MACHINES) -> dict[str, float]:
    """One star: all list all, counted from the moment the last has joined; one change known everywhere."""
    importlib.import_module("ampubsub.transport.libp2p.session")
    members = Star(peers, machines)
    try:
        return trio.run(members.run)
    finally:
        for member in members.members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)
            os.waitpid(member.pid, 0)


def _round(*command: str) -> dict[str, float]:
    """One round in a process of its own, so that none inherits anything from the one before."""
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=4 * PATIENCE_S, check=False
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"failed": 1.0, "why": (done.stderr.strip().splitlines() or ["no output"])[-1]}  # type: ignore[dict-item]
    found: dict[str, float] = json.loads(lines[-1])
    return found


def star(rounds: int = 3) -> None:
    """Stars of ours and, where Go is, of asyncmachine-go v0.13.0, in turn."""
    found: dict[str, list[dict[str, float]]] = {"ours": [], "Go v0.13.0": []}
    for _ in range(rounds):
        found["ours"].append(_round("benchmarks.peer", "star-once"))
        found["Go v0.13.0"].append(_round("benchmarks.go_star", str(PEERS), str(MACHINES)))
    print(f"star of {PEERS} processes around a root, {MACHINES} machines each; median (all rounds), seconds")
    for who, results in found.items():
        good = [result for result in results if "list" in result]
        if not good:
            print(f"{who}: no figure: {results[-1]}")
            continue
        cells = []
        for key, words in (("list", "all list all"), ("change", "a change known everywhere")):
            figures = sorted(result[key] for result in good)
            all_rounds = ", ".join(f"{figure:.2f}" for figure in figures)
            cell = f"{words} {statistics.median(figures):.2f} ({all_rounds})"
            if f"{key}_median" in good[0]:
                half = statistics.median(result[f"{key}_median"] for result in good)
                cell += f", the median peer {half:.2f}"
            cells.append(cell)
        failed = f"; {len(results) - len(good)} rounds failed" if len(good) < len(results) else ""
        print(f"{who:12} {'; '.join(cells)}{failed}")
    ours = [result for result in found["ours"] if "sent" in result]
    if ours:
        sent, cpu_s = (statistics.median(result[key] for result in ours) for key in ("sent", "cpu"))
        print(f"ours: {sent:.0f} messages sent by all, {cpu_s:.1f} s CPU per process after the imports")


# -- CPU per message -----------------------------------------------------------------------------------


async def cpu(messages: int = 600) -> None:
    """Receiving one message of 200 bytes: the bare transport, and a topic on it that follows its clocks."""
    from ampubsub import wire
    from ampubsub.transport.libp2p import Libp2pTransport

    source = Libp2pTransport()
    machine = lamp("source")
    info = wire.Info("source", machine.schema, machine.state_names, machine.time(), None, "")
    hello = wire.encode(wire.MsgInfo({source.peer_id: {0: info}}, {}))

    def update(number: int) -> bytes:
        ticks = (number,) * len(machine.state_names)
        return wire.encode(wire.MsgUpdates({source.peer_id: {0: ticks}}))

    async def publish(count: Callable[[], int]) -> float:
        await source.publish("bench", hello)
        await trio.sleep(0.5)
        start, first = time.process_time(), count()
        for number in range(messages):
            await source.publish("bench", update(number + 1))
            if number % 20 == 19:
                while count() - first < number - 60:  # noqa: ASYNC110 - polled by a benchmark
                    await trio.sleep(0.001)
        with trio.move_on_after(10):
            while count() - first < messages:  # noqa: ASYNC110 - polled by a benchmark
                await trio.sleep(0.001)
        return (time.process_time() - start) / messages * 1000

    async with source.opened(LOOPBACK):
        await source.join("bench")
        bare = Libp2pTransport()
        received = 0

        async def read() -> None:
            nonlocal received
            async for event in bare.events():
                received += type(event).__name__ == "MessageReceived"

        async with bare.opened([]), trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await bare.join("bench")
            await bare.connect(source.addresses[0])
            await trio.sleep(1)
            alone = await publish(lambda: received)
            nursery.cancel_scope.cancel()
        settings = TopicSettings(silent=True, messages_per_peer=10**6, messages_in_total=10**6)
        async with Topic("bench", connect=source.addresses, settings=settings) as topic:
            await topic.machine.when("Joined")
            await trio.sleep(1)

            def heard() -> int:
                peer = topic.peers.get(source.peer_id)
                return sum(peer.messages_in.values()) if peer else 0

            ours = await publish(heard)
    print(
        f"CPU per message of {len(update(1))} bytes, sent and received in one process: bare transport {alone:.2f} ms, "
        f"with a topic {ours:.2f} ms ({(ours / alone - 1) * 100:+.0f} %)"
    )


# -- memory --------------------------------------------------------------------------------------------


async def memory(peers: int = 40, machines: int = 5) -> None:
    """What a topic costs (without its transport's sockets), and what each machine it knows costs."""
    network = MemoryNetwork(seed=1)
    tracemalloc.start()
    async with Topic("bench", listen=["/memory/root"], transport=network.transport("root")) as root:
        await root.machine.when("Joined")
        before = tracemalloc.get_traced_memory()[0]
        topics = [
            Topic(
                "bench",
                connect=root.addresses,
                transport=network.transport(f"p{n}"),
                settings=TopicSettings(),
            )
            for n in range(peers)
        ]
        async with trio.open_nursery() as nursery:
            stop = trio.Event()

            async def live(topic: Topic) -> None:
                async with topic:
                    await stop.wait()

            for topic in topics:
                nursery.start_soon(live, topic)
            for topic in topics:
                await topic.machine.when("Joined")
            per_peer = (tracemalloc.get_traced_memory()[0] - before) / peers
            middle = tracemalloc.get_traced_memory()[0]
            for number in range(peers * machines):
                topics[0].expose(lamp(f"m{number}"))
            while len(root.network_machines) < peers * machines:  # noqa: ASYNC110 - polled by a benchmark
                await trio.sleep(0.1)
            known = sum(len(topic.network_machines) for topic in (root, *topics))
            per_machine = (tracemalloc.get_traced_memory()[0] - middle) / max(1, known)
            stop.set()
    tracemalloc.stop()
    print(
        f"memory: {per_peer / 1024:.0f} KiB per idle topic, {per_machine / 1024:.1f} KiB per known machine of 13 states"
    )


def main() -> None:
    """Run what the command line names."""
    words = sys.argv[1:]
    if words == ["star-once"]:
        print(json.dumps(star_once()))
        return
    parts = {
        "latency": lambda: trio.run(latency),
        "star": star,
        "cpu": lambda: trio.run(cpu),
        "memory": lambda: trio.run(memory),
    }
    for name, part in parts.items():
        if not words or name in words:
            part()


if __name__ == "__main__":
    main()
