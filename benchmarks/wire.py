"""Decoding beside `msgpack.unpackb` of the same bytes: `python -m benchmarks.wire`.

Each figure is the median of processor times; both readers take turns, so that a noisy moment hits them alike.
Nothing is remembered when a message is decoded "first"; "again" are the same bytes in another object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median

import msgpack

from ampubsub import wire
from ampubsub.machine import State
from ampubsub.wire.decoding import _ways, decode_by_rule

ROUNDS = 15
PEER = "12D3KooWABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
LIMITS = wire.Limits(machines=1_000)
GOALS = {"first": 3.0, "again": 0.05}
"""In times of `unpackb`, and in times of the first decoding."""


def machine(number: int, states: int, prefix: str) -> wire.Info:
    names = tuple(f"{prefix}State{i}" for i in range(states))
    schema = {
        name: State(
            multi=i % 5 == 0,
            require=(names[i - 1],) if i % 3 == 1 else (),
            remove=names[i - 2 : i] if i % 4 == 3 else (),
        )
        for i, name in enumerate(names)
    }
    return wire.Info(f"machine-{number}", schema, names, tuple(range(states)), ("shelf", "row:1"), "")


def infos(kinds: int, machines: int = 300, states: int = 12) -> bytes:
    """An `info` of machines of so many kinds, whose states and relations have names of their own."""
    told = {number: machine(number, states, f"K{number % kinds}") for number in range(machines)}
    return wire.encode(wire.MsgInfo({PEER: told}, {}))


def cpu_us(run: Callable[[], object]) -> float:
    started = time.process_time_ns()
    run()
    return (time.process_time_ns() - started) / 1_000


def of_info(kinds: int) -> dict[str, float]:
    data = infos(kinds)
    plain, first, again = [], [], []
    for _ in range(ROUNDS):
        plain.append(cpu_us(lambda: msgpack.unpackb(data, strict_map_key=False)))
        _ways.cache_clear()
        _ways(LIMITS)
        first.append(cpu_us(lambda: wire.decode(data, LIMITS)))
        same = bytes(bytearray(data))
        again.append(cpu_us(lambda same=same: wire.decode(same, LIMITS)))
    rule = [cpu_us(lambda: decode_by_rule(data, LIMITS)) for _ in range(3)]
    return {
        "bytes": len(data),
        "unpackb_us": median(plain),
        "first_us": median(first),
        "again_us": median(again),
        "by_rule_us": median(rule),
        "first_in_unpackb": median(first) / median(plain),
        "again_in_first": median(again) / median(first),
    }


def of_updates(count: int = 5_000) -> dict[str, float]:
    data = [
        wire.encode(wire.MsgUpdates({PEER: {0: (number, *range(29))}})) for number in range(count * ROUNDS)
    ]
    rounds = [data[start : start + count] for start in range(0, len(data), count)]
    spent = [cpu_us(lambda part=part: [wire.decode(one, LIMITS) for one in part]) / count for part in rounds]
    plain = [
        cpu_us(lambda part=part: [msgpack.unpackb(one, strict_map_key=False) for one in part]) / count
        for part in rounds
    ]
    return {"bytes": len(data[0]), "unpackb_us": median(plain), "first_us": median(spent)}


def main() -> int:
    rows = {f"info, 300 machines of {kinds} kinds": of_info(kinds) for kinds in (1, 10, 300)}
    rows["updates, 1 machine of 30 states"] = of_updates()
    for name, row in rows.items():
        if "--json" in sys.argv[1:]:
            print(json.dumps({"name": name, **row}))
        else:
            figures = ", ".join(f"{figure} {value:,.2f}" for figure, value in row.items())
            print(f"{name}: {figures}")
    infos_only = [row for row in rows.values() if "again_us" in row]
    met = all(row["first_in_unpackb"] < GOALS["first"] for row in infos_only)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
