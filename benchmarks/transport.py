"""The transport over real QUIC on loopback: CPU per message beside bare py-libp2p, a hub, memory of a peer.

`python -m benchmarks.transport [messages] [paces] [hub] [memory] [--beside FOLDER]`. Sender and receiver are processes
of their own (`benchmarks.transport_worker`), so that each side's CPU time is its own. Trust ratios, not absolute times.
`--beside` measures another checkout of the project (with this `transport_worker.py`) in the same run, in turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Any

MESSAGES, SIZE, ROUNDS = 500, 200, 3


class Worker:
    """A child process; its JSON lines are read in order."""

    def __init__(self, task: str, where: str = "", **arguments: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.transport_worker", task, json.dumps(arguments)],
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            cwd=where or None,
        )

    def hear(self, key: str) -> dict[str, Any]:
        """The next line that has `key`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if key in said:
                return said
        raise SystemExit(f"a worker ended without saying {key!r}")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):7.3f}  ({min(values):.3f} to {max(values):.3f})"


def messages() -> None:
    """CPU per message, sending and receiving: bare py-libp2p, our transport, and a whole topic."""
    print(f"CPU ms per message over QUIC, {MESSAGES} messages, median of {ROUNDS} rounds (least to most)")
    runs: dict[str, dict[str, Any]] = {
        "receive 200 B, bare py-libp2p": {"kind": "bare", "clocks": False},
        "receive 200 B, our transport": {"kind": "ours", "clocks": False},
        "receive clocks, bare py-libp2p": {"kind": "bare", "clocks": True},
        "receive clocks, our transport": {"kind": "ours", "clocks": True},
        "receive clocks, whole topic": {"kind": "topic", "clocks": True},
        "send 200 B, bare py-libp2p": {"kind": "ours", "clocks": False, "bare": True},
        "send 200 B, our transport": {"kind": "ours", "clocks": False, "bare": False},
    }
    figures: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            receiver = Worker("receive", count=MESSAGES, kind=run["kind"])
            address = receiver.hear("address")["address"]
            sender = Worker(
                "send",
                receiver=address,
                count=MESSAGES,
                size=SIZE,
                bare=run.get("bare", False),
                clocks=run["clocks"],
            )
            try:
                if name.startswith("send"):
                    figures[name].append(sender.hear("sent_ms")["sent_ms"])
                else:
                    figures[name].append(receiver.hear("received_ms")["received_ms"])
            finally:
                sender.end()
                receiver.end()
    for name, values in figures.items():
        print(f"  {name:32} {spread(values)}")
    on_top = statistics.median(figures["receive clocks, whole topic"]) / statistics.median(
        figures["receive clocks, bare py-libp2p"]
    )
    print(f"  a whole topic beside bare py-libp2p: {100 * (on_top - 1):+.0f} % (goal: at most +15 %)")


def paces() -> None:
    """CPU per message at 200 a second and as fast as it goes; here and beside, in turns."""
    print(f"CPU ms per message, receive / send, median of {ROUNDS} rounds")
    figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for pace, pause_s, count in (("200/s", 0.005, 600), ("flat out", 0.0, 4000)):
            for where in ("", *BESIDE):
                receiver = Worker("receive", where, count=count, kind="ours")
                address = receiver.hear("address")["address"]
                sender = Worker(
                    "send",
                    where,
                    receiver=address,
                    count=count,
                    size=SIZE,
                    bare=False,
                    clocks=False,
                    pause_s=pause_s,
                )
                try:
                    sent = sender.hear("sent_ms")["sent_ms"]
                    received = receiver.hear("received_ms")["received_ms"]
                finally:
                    sender.end()
                    receiver.end()
                figures.setdefault((pace, where or "here"), []).append((received, sent))
    for (pace, where), pairs in figures.items():
        received, sent = (statistics.median(each) for each in zip(*pairs, strict=True))
        print(f"  {pace:9} {where:24} {received:.3f} / {sent:.3f}")


def hub(leaves: int = 24, processes: int = 4) -> None:
    """The root's share of a core in a star of QUIC leaves that say something once a second each."""
    print(f"A star of {leaves} leaves in {processes} processes, 200 bytes a second each")
    for where in ("", *BESIDE):
        root = Worker("hub", where, leaves=leaves, warm_s=3, seconds=10)
        address = root.hear("address")["address"]
        others = [
            Worker("some_leaves", where, root=address, count=leaves // processes) for _ in range(processes)
        ]
        try:
            said = root.hear("share")
            late = [other.hear("p50_ms") for other in others]
        finally:
            for worker in (root, *others):
                worker.end()
        p50 = statistics.median(each["p50_ms"] for each in late)
        print(
            f"  {where or 'here':24} {100 * said['share']:5.1f} % of a core, heard {said['heard_s']:.0f}/s",
            end="",
        )
        print(f", other leaves hear it after {p50:.0f} ms (median)")


def memory() -> None:
    """Per open transport."""
    worker = Worker("many_peers", count=100)
    print(f"MB per open transport, 100 in one process: {worker.hear('per_peer_mb')['per_peer_mb']:.2f}")
    worker.end()


PARTS = {part.__name__: part for part in (messages, paces, hub, memory)}
BESIDE: list[str] = []


def main() -> int:
    """Run the parts named on the command line, or all."""
    given = sys.argv[1:]
    if "--beside" in given:
        at = given.index("--beside")
        BESIDE.append(given[at + 1])
        del given[at : at + 2]
    for name in given or list(PARTS):
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
