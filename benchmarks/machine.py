"""The machine beside Go and beside `transitions`: time per mutation, memory, import.

`python -m benchmarks.machine [--json] [--quick]`. Times are CPU time (user and system), so that others on the same
machine disturb little; rounds of all contenders are taken in turn. Each figure is the best round, with the worst in
brackets. Random work is made once (`random_work.py`) and read by both sides, whose final clocks must be equal. Go is
built on demand when it is there. `--json` prints one object a row; `--quick` takes a tenth of the work, once.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ampubsub.machine import Machine
from benchmarks import random_work
from benchmarks.memory import memory_rows
from benchmarks.workloads import schema30, w1, w2, w3, w4

ROUNDS = 5
PAIRS = {"w1": 20_000, "w2": 10_000, "w3": 6_000, "w4": 10_000}
WORDS = {
    "w1": "two states, add then remove",
    "w2": "mutual Remove, five handlers",
    "w3": "thirty related states, Auto",
    "w4": "w2, a tracer, 100 waits",
}
GOALS = {"w1": 1.5, "w2": 5.0, "w3": 10.0}
GO = Path(__file__).parent / "go"
GO_RANDOM = Path(__file__).parent / "go_random"
GOAL = 2.0
"""How many times faster than Go each row of random work is to be."""


def timed(run: Callable[[int], None], pairs: int) -> float:
    """Nanoseconds per mutation of one round."""
    started = time.process_time_ns()
    run(pairs)
    return (time.process_time_ns() - started) / (2 * pairs)


def plain_transitions() -> Callable[[int], None]:
    """A plain transition to and fro in the `transitions` library."""
    from transitions import Machine as Other

    class Model:
        pass

    model = Model()
    Other(model, states=["A", "B"], initial="A", transitions=[["to", "A", "B"], ["fro", "B", "A"]])

    def run(pairs: int) -> None:
        to, fro = model.to, model.fro  # type: ignore[attr-defined]
        for _ in range(pairs):
            to()
            fro()

    return run


def build_go(folder: str, source: Path = GO) -> Path | None:
    """The Go program, built; None, with the reason printed, when that cannot be."""
    go = shutil.which("go")
    if go is None:
        print("Go is not here: no figures beside it")
        return None
    program = Path(folder) / source.name / "program"
    work = Path(folder) / source.name
    shutil.copytree(source, work)
    environment = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false"}
    built = subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if built.returncode:
        print(f"Go could not build its part: {built.stderr.strip().splitlines()[-1:]}")
        return None
    return program


def go_figures(program: Path) -> dict[str, list[float]]:
    """Rounds of each workload, in nanoseconds per mutation."""
    output = subprocess.run([str(program)], capture_output=True, text=True, timeout=300, check=True).stdout
    found: dict[str, list[float]] = {}
    for line in output.splitlines():
        name, nanoseconds = line.split()
        found.setdefault(name, []).append(float(nanoseconds))
    return found


def spread(rounds: list[float]) -> str:
    """Best and worst round, in microseconds."""
    return f"{min(rounds) / 1000:7.2f} ({max(rounds) / 1000:.2f})"


def speed() -> None:
    """w1 to w4, beside `transitions` and Go."""
    contenders = {name: make()[1] for name, make in (("w1", w1), ("w2", w2), ("w3", w3), ("w4", w4))}
    contenders["transitions"] = plain_transitions()
    for run in contenders.values():
        run(500)
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as folder:
        program = build_go(folder)
        beside: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for name, run in contenders.items():
                gc.collect()
                rounds[name].append(timed(run, PAIRS.get(name, 5_000)))
            if program is not None:
                for name, figures in go_figures(program).items():
                    beside.setdefault(name, []).extend(figures)
    print("µs per mutation: best (worst) of five rounds")
    print(f"{'':4} {'':30} {'ours':>17} {'Go v0.18.0':>17} {'Go / ours':>10} {'goal':>5}")
    for name, words in WORDS.items():
        ratio = goal = go = ""
        if name in beside:
            go = spread(beside[name])
            ratio = f"{min(beside[name]) / min(rounds[name]):.1f}"
            goal = f"{GOALS[name]:.1f}"
        print(f"{name:4} {words:30} {spread(rounds[name]):>17} {go:>17} {ratio:>10} {goal:>5}")
    print(f"{'':4} {'transitions, plain':30} {spread(rounds['transitions']):>17}")
    extra = min(rounds["w4"]) / min(rounds["w2"]) - 1
    print(f"w4 costs {extra:+.0%} on top of w2 (goal: under 20 %)")


class GoRandom:
    """The Go side of random work, asked one row at a time."""

    def __init__(self, program: Path, work: list[random_work.Workload], folder: str) -> None:
        data = Path(folder) / "work.json"
        data.write_text(json.dumps(work))
        self._process = subprocess.Popen(
            [str(program), str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, name: str) -> tuple[float, int]:
        """(nanoseconds of CPU time per mutation, sum of all clocks)."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(name + "\n")
        asked.flush()
        line = answers.readline()
        if not line:
            raise RuntimeError(f"Go ended at {name!r}")
        answer = json.loads(line)
        return answer["nanoseconds"], answer["clocks"]

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)


def random_rows(*, quick: bool) -> list[dict[str, Any]]:
    """Random work beside Go, row by row: best and worst of the rounds in microseconds, and their ratio."""
    work = random_work.workloads(quick=quick)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        program = build_go(folder, GO_RANDOM)
        go = GoRandom(program, work, folder) if program is not None else None
        for each in work:
            ours: list[float] = []
            theirs: list[float] = []
            clocks: set[int] = set()
            for _ in range(1 if quick else 3):
                took, ticks = random_work.run(each)
                ours.append(took / 1000)
                clocks.add(ticks)
                if go is not None:
                    took, ticks = go.run(each["name"])
                    theirs.append(took / 1000)
                    clocks.add(ticks)
            row: dict[str, Any] = {"row": each["name"], "ours_us": min(ours), "ours_worst_us": max(ours)}
            if theirs:
                row |= {"go_us": min(theirs), "go_worst_us": max(theirs), "ratio": min(theirs) / min(ours)}
                row |= {"goal": GOAL, "clocks_equal": len(clocks) == 1}
            rows.append(row)
        if go is not None:
            go.close()
    return rows


def show_random(rows: list[dict[str, Any]]) -> None:
    """The table for people."""
    print("random work, µs of CPU time per mutation: best (worst) of the rounds")
    print(f"{'':42} {'ours':>19} {'Go v0.18.0':>19} {'Go / ours':>10} {'goal':>5}  final clocks")
    for row in rows:
        ours = f"{row['ours_us']:.1f} ({row['ours_worst_us']:.1f})"
        go = ratio = goal = clocks = ""
        if "go_us" in row:
            go = f"{row['go_us']:.1f} ({row['go_worst_us']:.1f})"
            ratio, goal = f"{row['ratio']:.2f}", f"{row['goal']:.1f}"
            clocks = "equal" if row["clocks_equal"] else "DIFFERENT"
        print(f"{row['row']:42} {ours:>19} {go:>19} {ratio:>10} {goal:>5}  {clocks}")


def memory(*, quick: bool, as_json: bool) -> None:
    """Rows of memory, each measured in a process of its own."""
    for row in memory_rows(quick=quick):
        if as_json:
            print(json.dumps(row), flush=True)
        else:
            value = "not in time" if row["value"] is None else f"{row['value']:.1f}"
            goal = f" (goal: under {row['goal']})" if row["goal"] else ""
            print(f"{row['row']:60} {value:>11} {row['unit']}{goal}", flush=True)


def weight() -> None:
    """w5: an idle machine of thirty states, and ten thousand of them."""
    schema, states = schema30(), [*sorted(schema30()), "Exception"]
    Machine(schema, id="first", states=states)
    gc.collect()
    tracemalloc.start()
    kept = [Machine(schema, id=f"m{i}", states=states) for i in range(200)]
    for machine in kept:
        machine.add("S00")
    gc.collect()
    each = tracemalloc.get_traced_memory()[0] / len(kept)
    tracemalloc.stop()
    del kept
    started = time.perf_counter()
    many = [Machine(schema30(), id=f"m{i}", states=states) for i in range(10_000)]
    seconds = time.perf_counter() - started
    print(f"w5   an idle machine of 30 states: {each / 1024:.1f} KB (goal: under 40 KB)")
    print(f"w5   {len(many):,} of them made in {seconds:.2f} s (goal: under 2 s)")


def start() -> None:
    """How long `import ampubsub.machine` takes, and what it brings."""
    script = (
        "import sys, time; before = set(sys.modules); started = time.perf_counter(); import ampubsub.machine; "
        "took = time.perf_counter() - started; new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(took * 1000, *sorted(new - set(sys.stdlib_module_names) - {'ampubsub'}))"
    )
    rounds, foreign = [], set()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        environment["PYTHONPYCACHEPREFIX"] = folder  # compiled once, as in any installed package
        for _ in range(ROUNDS + 1):
            took, *names = subprocess.run(
                [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
            ).stdout.split()
            rounds.append(float(took))
            foreign.update(names)
    rounds = rounds[1:]
    print(
        f"import ampubsub.machine: {min(rounds):.0f} to {max(rounds):.0f} ms (goal: under 60 ms), third party: {foreign or 'none'}"
    )


def main() -> int:
    """All of it; 1 when final clocks differ from Go's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machine", description=__doc__)
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a row, of random work and memory only"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, one round")
    asked = parser.parse_args()
    if not asked.json and not asked.quick:
        speed()
        weight()
        start()
    rows = random_rows(quick=asked.quick)
    if asked.json:
        for row in rows:
            print(json.dumps(row))
    else:
        show_random(rows)
    memory(quick=asked.quick, as_json=asked.json)
    return int(any(not row.get("clocks_equal", True) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
