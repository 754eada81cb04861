"""Answers: what would it take at 100 states, why a step, watches live and over what is recorded.

`python -m benchmarks.answers [--json] [--quick]`. Times are CPU time of this process; `--json` prints one object a row.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time

from amdbg_tui.answers.reaching import Outlook, what_would_it_take
from amdbg_tui.answers.replica import Replica
from ampubsub.machine import State
from ampubsub.machine.blueprint import parse_schema
from benchmarks.random_work import schema_of

Row = tuple[str, float, str, str]
"""(name, value, unit, remark)."""


def dense(names: list[str], dice: random.Random) -> dict[str, State]:
    """A schema with many relations to anywhere: the search has to mend a lot, or finds nothing."""

    def some(chance: float) -> tuple[str, ...]:
        return tuple(dice.sample(names, 2)) if dice.random() < chance else ()

    while True:
        schema = {
            name: State(
                auto=dice.random() < 0.2,
                require=some(0.3),
                add=some(0.25),
                remove=some(0.35),
                after=some(0.1),
            )
            for name in names
        }
        if not parse_schema(schema)[1]:
            return schema


def reaching(count: int, schemas: int, *, is_dense: bool) -> list[Row]:
    """What would it take, on random schemas and clocks."""
    spent, found = [], dict.fromkeys(Outlook, 0)
    for seed in range(schemas):
        dice = random.Random(seed)
        names = [f"S{at}" for at in range(count)]
        if is_dense:
            schema = dense(names, dice)
        else:
            schema = {name: State(**lists) for name, lists in schema_of(names, dice).items()}
        replica = Replica(schema, names, [int(dice.random() < 0.3) for _ in names])
        begun = time.process_time()
        answer = what_would_it_take(replica, [dice.choice(names)])
        if answer.outlook is not Outlook.ACTIVE:
            spent.append(1000 * (time.process_time() - begun))
        found[answer.outlook] += 1
    spent.sort()
    name = f"what would it take, {count} {'densely' if is_dense else 'plainly'} related states"
    remark = ", ".join(f"{outlook.value} {number}" for outlook, number in found.items())
    return [
        (f"{name}: median", statistics.median(spent), "ms", remark),
        (f"{name}: 99 %", spent[int(len(spent) * 0.99)], "ms", ""),
        (f"{name}: worst", spent[-1], "ms", "goal: < 100"),
    ]


def rows(*, quick: bool) -> list[Row]:
    """All of them."""
    few = 10 if quick else 1
    return [
        *reaching(100, 400 // few, is_dense=False),
        *reaching(100, 200 // few, is_dense=True),
    ]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    for name, value, unit, remark in rows(quick=chosen.quick):
        if chosen.json:
            print(json.dumps({"name": name, "value": value, "unit": unit, "remark": remark}))
        else:
            print(f"{name:<66} {value:12,.2f} {unit:<6} {remark}", flush=True)


if __name__ == "__main__":
    main()
