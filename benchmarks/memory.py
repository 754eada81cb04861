"""What machines and waits keep: each figure is measured in a process of its own.

`python -m benchmarks.memory ROW COUNT` measures one and prints a number; `memory_rows` asks for all of them.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ampubsub.machine import Machine, State, Waiter
from benchmarks.workloads import schema30

MIB = 1 << 20
LIMIT_S = 60.0
"""How long one row may take."""

WAITS: dict[str, Callable[[Machine, int], Waiter]] = {
    "when": lambda machine, number: machine.when("A", "B"),
    "when_not": lambda machine, number: machine.when_not("C"),
    "when_time": lambda machine, number: machine.when_time(["A"], [1000 + number]),
    "when_args": lambda machine, number: machine.when_args("A", {"id": number}),
    "when_query": lambda machine, number: machine.when_query(lambda view: False),
    "when_queue": lambda machine, number: machine.when_queue(machine.queue_tick + 1000),
    "when_disposed": lambda machine, number: machine.when_disposed(),
}


def resident() -> int:
    """Resident bytes of this process now."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def one_machine(count: int) -> float:
    """Bytes of a machine of 200 states with one handler, once half of its states have come and gone."""
    schema = {f"State{number:03}": State() for number in range(200)}
    names = list(schema)

    def make(number: int) -> Machine:
        machine = Machine(schema, id=f"m{number}", handlers={"State000State": lambda event: None})
        machine.set(*names[:100])
        machine.set(*names[100:])
        return machine

    make(0)
    gc.collect()
    tracemalloc.start()
    kept = [make(number) for number in range(count)]
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / len(kept)


def idle_machines(count: int) -> float:
    """Resident bytes that this many idle machines of 30 states add."""
    states = [*sorted(schema30()), "Exception"]
    Machine(schema30(), id="first", states=states)
    gc.collect()
    before = resident()
    kept = [Machine(schema30(), id=f"m{number}", states=states) for number in range(count)]
    gc.collect()
    return (resident() - before) * (len(kept) / count)


def abandoned_waits(way: str, count: int) -> float:
    """Resident bytes that this many waits, made and given up one after the other, leave."""
    machine = Machine({name: State() for name in "ABC"}, id="m")
    machine.add("C")
    wait = WAITS[way]
    for number in range(1000):
        wait(machine, number).cancel()
    gc.collect()
    before = resident()
    for number in range(count):
        wait(machine, number).cancel()
    gc.collect()
    return resident() - before


def measured(row: str, count: int) -> float | None:
    """One figure, from a process of its own; None when it does not come in time."""
    command = [sys.executable, "-m", "benchmarks.memory", row, str(count)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return None
    return float(done.stdout)


def memory_rows(*, quick: bool) -> Iterator[dict[str, Any]]:
    """All rows as they come: name, value (None: not in time), unit, goal."""
    part = 10 if quick else 1
    rows = [
        ("a machine of 200 states with one handler", "machine", 3, 1024, "KB", "100 KB"),
        (
            f"{10_000 // part:,} idle machines of 30 states",
            "idle",
            10_000 // part,
            MIB,
            "MiB resident",
            "60 MB",
        ),
    ]
    waits = 1_000_000 // part
    rows += [(f"{waits:,} abandoned {way}", way, waits, MIB, "MiB resident", "1 MB") for way in WAITS]
    for name, row, count, share, unit, goal in rows:
        found = measured(row, count)
        value = None if found is None else found / share
        yield {"row": name, "value": value, "unit": unit, "goal": goal}


def main() -> None:
    """Measure one row."""
    row, count = sys.argv[1], int(sys.argv[2])
    if row == "machine":
        print(one_machine(count))
    elif row == "idle":
        print(idle_machines(count))
    else:
        print(abandoned_waits(row, count))


if __name__ == "__main__":
    main()
