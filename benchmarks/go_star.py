"""The star of `benchmarks.peer`, with real Go v0.13.0 peers: `python -m benchmarks.go_star` prints one round as JSON.

Uses the Go program and driver of `tests/interop`. A Go peer has no event for what it lists, so each is asked again
and again; a quarter of a second is the grain of these figures.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.interop.go_build import GoUnavailableError, go_peer_binary
from tests.interop.machines import lamp
from tests.interop.programs import GoPeer
from tests.interop.transcript import Transcript

VERSION = "v0.13.0"
GRAIN_S = 0.25
PATIENCE_S = 45.0


def each(peers: list[GoPeer], holds: Callable[[GoPeer], bool]) -> tuple[float, float]:
    """The moments at which something holds for the median and for the last of the peers; infinite for never.

    Each is asked in a thread of its own.
    """
    moments: list[float] = []

    def ask(peer: GoPeer) -> None:
        limit = time.monotonic() + PATIENCE_S
        while not holds(peer):
            if time.monotonic() > limit:
                return
            time.sleep(GRAIN_S)
        moments.append(time.monotonic())

    threads = [threading.Thread(target=ask, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moments += [float("inf")] * (len(peers) - len(moments))
    return statistics.median(moments), max(moments)


def one_round(peers: int, machines: int) -> dict[str, float]:
    """Seconds until all list all after the last joined, and until a change is known everywhere."""
    binary = go_peer_binary(VERSION)
    transcript = Transcript()
    with ExitStack() as stack:
        members: list[GoPeer] = []
        for number in range(peers):
            member = GoPeer(f"go{number}", binary, transcript)
            stack.callback(member.close)
            members.append(member)
        root, *others = members
        root.start("bench")
        for number, member in enumerate(others):
            exposed = [lamp(f"g{number}-{index}") for index in range(machines)]
            member.start("bench", exposed, connect=root.addresses)
        joined = time.monotonic()
        all_machines = machines * len(others)
        listed = each(others, lambda peer: len(peer.machines()) >= all_machines - machines)
        changed = time.monotonic()
        others[0].add("g0-0", "Power")
        known = each(others[1:], lambda peer: "Power" in peer.machines().get("g0-0", {}).get("active", ()))
    return {
        "list": listed[1] - joined,
        "list_median": listed[0] - joined,
        "change": known[1] - changed,
        "change_median": known[0] - changed,
    }


if __name__ == "__main__":
    try:
        print(json.dumps(one_round(int(sys.argv[1]), int(sys.argv[2]))))
    except GoUnavailableError as error:
        print(json.dumps({"missing": str(error)}))
