"""The machine beside `transitions` and beside Go: time per mutation, memory, import.

`python -m benchmarks.machine`. Each figure is the best of five rounds, with the spread of the rounds; rounds of
all contenders are taken in turn, so that a noisy moment hits them alike. Go is built on demand when it is there.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from ampubsub.machine import Machine
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


def timed(run: Callable[[int], None], pairs: int) -> float:
    """Nanoseconds per mutation of one round."""
    started = time.perf_counter_ns()
    run(pairs)
    return (time.perf_counter_ns() - started) / (2 * pairs)


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


def build_go(folder: str) -> Path | None:
    """The Go program, built; None, with the reason printed, when that cannot be."""
    go = shutil.which("go")
    if go is None:
        print("Go is not here: no figures beside it")
        return None
    program = Path(folder) / "machine"
    work = Path(folder) / "source"
    shutil.copytree(GO, work)
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


def main() -> None:
    """All of it."""
    speed()
    weight()
    start()


if __name__ == "__main__":
    main()
