"""The transport over real QUIC on loopback: CPU per message beside bare py-libp2p, memory of a peer.

`python -m benchmarks.transport [messages] [memory]`. Sender and receiver are processes of their own
(`benchmarks.transport_worker`), so that each side's CPU time is its own. Trust ratios, not absolute times.
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

    def __init__(self, task: str, **arguments: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.transport_worker", task, json.dumps(arguments)],
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
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


def memory() -> None:
    """Per open transport."""
    worker = Worker("many_peers", count=100)
    print(f"MB per open transport, 100 in one process: {worker.hear('per_peer_mb')['per_peer_mb']:.2f}")
    worker.end()


PARTS = {part.__name__: part for part in (messages, memory)}


def main() -> int:
    """Run the parts named on the command line, or all."""
    names = sys.argv[1:] or list(PARTS)
    for name in names:
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
