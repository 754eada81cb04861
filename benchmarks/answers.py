"""Answers: what would it take at 100 states, why a step, watches live and over what is recorded.

`python -m benchmarks.answers [--json] [--quick]`. Times are CPU time of this process; `--json` prints one object a row.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from amdbg_tui.answers.cause import Causes
from amdbg_tui.answers.expression import Expression
from amdbg_tui.answers.looking_back import turns
from amdbg_tui.answers.reaching import Outlook, what_would_it_take
from amdbg_tui.answers.replica import Replica
from amdbg_tui.answers.watches import Watches, WatchSettings
from amdbg_tui.history import History
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import Numbering
from amdbg_tui.history.records import MachineKey, MachineRecord, Record, StateShape, TransitionRecord
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


MACHINES, STATES = 200, 20


def _news() -> list[Record]:
    now = time.time() - 2_000
    shapes = tuple(StateShape(f"S{at}") for at in range(STATES))
    return [
        MachineRecord(now, _key(at), f"m{at}", shapes, "first-hand", clock=(0,) * STATES)
        for at in range(MACHINES)
    ]


def _key(machine: int) -> MachineKey:
    return MachineKey(f"peer-{machine % 20}", machine // 20)


def _changes(count: int) -> Iterator[Record]:
    dice, now = random.Random(1), time.time() - count / 1_000
    clocks = [(0,) * STATES] * MACHINES
    for number in range(count):
        machine, state = dice.randrange(MACHINES), dice.randrange(STATES)
        before = clocks[machine]
        after = clocks[machine] = (*before[:state], before[state] + 1, *before[state + 1 :])
        key = _key(machine)
        yield TransitionRecord(
            now + number / 1_000, key, "", "clock", (), True, before, after, derived=True, source=key.peer_id,
            trust="first-hand",
        )  # fmt: skip


def watching(changes: int) -> list[Row]:
    """1,000 watches beside none, fed 10,000 changes a second in batches of 500."""
    found = []
    for count in (0, 1_000):
        dice, numbering, live = random.Random(3), Numbering(), Live()
        live.apply(numbering.take(_news()))
        watches = Watches(live)
        for _ in range(count):
            one, other = dice.randrange(MACHINES), dice.randrange(MACHINES)
            states = dice.randrange(STATES), dice.randrange(STATES)
            watches.add(WatchSettings(f"m{one}.S{states[0]} && !m{other}.S{states[1]}"))
        watches.feed([])
        entries = numbering.take(_changes(changes))
        begun = time.process_time()
        for at in range(0, changes, 500):
            watches.feed(entries[at : at + 500])
        share = 100 * (time.process_time() - begun) / changes * 10_000
        hits = sum(watch.hits for watch in watches.watches)
        found.append((f"{count:,} watches at 10,000 changes a second", share, "% core", f"{hits:,} hits"))
    return found


def looking_back(changes: int) -> list[Row]:
    """Expressions over what is recorded, and one step of a why."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.db"
        with History(path) as history:
            history.append(_news())
            records = _changes(changes)
            while batch := list(islice(records, 5_000)):
                history.append(batch)
        with History.open(path) as history:
            for text in (
                "m3.S1 && !m5.S2", "any(m1*).S3", "tick(m7.S1) > 3", "sum(m9) > 300", "changed(m3.S1, within=5s)", "any(*).S0",
            ):  # fmt: skip
                begun = time.process_time()
                hits = sum(1 for _ in turns(history, Expression(text)))
                spent = time.process_time() - begun
                found.append((f"{text} over {changes:,} recorded", spent, "s", f"{hits:,} turns; goal: < 1"))
            spans = []
            for machine in range(50):
                begun = time.process_time()
                Causes(history.live, history.cursor()).of_state(_key(machine), f"S{machine % STATES}")
                spans.append(1_000 * (time.process_time() - begun))
            found.append(
                ("why a state is active: median", statistics.median(spans), "ms", "goal: < 50 a step")
            )
            found.append(("why a state is active: worst of 50", max(spans), "ms", ""))
    return found


def rows(*, quick: bool) -> list[Row]:
    """All of them."""
    few = 10 if quick else 1
    return [
        *reaching(100, 400 // few, is_dense=False),
        *reaching(100, 200 // few, is_dense=True),
        *watching(100_000 // few),
        *looking_back(1_000_000 // few),
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
