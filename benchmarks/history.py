"""The recording at 1,000,000 records of 100 machines x 30 states: how fast it takes them in, how large it is, and how
long one waits for a moment, a page, a search.

    python -m benchmarks.history [records] [--json] [--kills N]

Feeding goes through `History.feed` while a thread refreshes like a screen; the time to make the records is measured
apart and taken off. Everything after that is measured in a fresh process, with nothing in memory.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MACHINES, STATES, BATCH = 100, 30, 50
BEFORE: dict[str, float] = {
    "ingest_per_s": 16_400, "whole_per_s": 5_500, "bytes_per_record": 177, "bytes_per_whole_record": 829,
    "open_s": 0.37, "moment_ms": 5.0, "moment_worst_ms": 10.4, "page_ms": 3.9, "page_worst_ms": 61,
    "text_search_ms": 1_300, "text_absent_ms": 900, "errors_ms": 280, "state_ms": 320, "density_ms": 600,
    "number_at_ms": 0.35, "memory_mb": 27, "kill_lost_ms": 31,
}  # fmt: skip
"""What the store before this one (commit 89a09e5) did, as its review measured it on this kind of machine. Its moment
was the clocks alone."""
TARGETS: dict[str, tuple[str, float]] = {
    "ingest_per_s": (">=", 25_000),
    "whole_per_s": (">=", 20_000),
    "bytes_per_record": ("<", 50),
    "open_s": ("<", 0.5),
    "moment_worst_ms": ("<", 20),
    "page_worst_ms": ("<", 20),
    "text_search_ms": ("<", 200),
    "errors_ms": ("<", 50),
    "state_ms": ("<", 50),
    "memory_mb": ("<", 150),
    "compare_s": ("<", 2),
    "kill_lost_ms": ("<", 100),
}


def names() -> tuple[str, ...]:
    return (*(f"State{place}" for place in range(STATES - 2)), "Rare", "ErrNetwork")


def prologue() -> list[Any]:
    from amdbg_tui.history.records import ConnectionRecord, MachineKey, MachineRecord, PeerRecord, StateShape

    shapes = tuple(StateShape(name) for name in names())
    records: list[Any] = [ConnectionRecord(0.0, "joined", "bench", "self")]
    for at in range(MACHINES):
        records.append(PeerRecord(0.0, f"peer-{at}", "joined", f"peer-{at}"))
        key = MachineKey(f"peer-{at}", 0)
        records.append(MachineRecord(0.0, key, f"machine-{at}", shapes, "first-hand", clock=(0,) * STATES))
    return records


def clock_changes(count: int) -> Iterator[list[Any]]:
    """Batches of clock changes: one to three states a record, an error in 1 of 1,000, `Rare` in 1 of 10,000."""
    from amdbg_tui.history.records import MachineKey, TransitionRecord

    dice = random.Random(1)
    clocks = [[0] * STATES for _ in range(MACHINES)]
    keys = [MachineKey(f"peer-{at}", 0) for at in range(MACHINES)]
    before = [tuple(clock) for clock in clocks]
    begin = time.time()
    for start in range(0, count, BATCH):
        batch = []
        for number in range(start, min(start + BATCH, count)):
            at = dice.randrange(MACHINES)
            clock = clocks[at]
            for _ in range(dice.choice((1, 1, 2, 3))):
                clock[dice.randrange(STATES - 2)] += 1
            if number % 1_000 == 0:
                clock[STATES - 1] += 1
            if number % 10_000 == 0:
                clock[STATES - 2] += 1
            after = tuple(clock)
            batch.append(
                TransitionRecord(
                    begin + number * 0.001,
                    keys[at],
                    "",
                    "clock",
                    (),
                    True,
                    before[at],
                    after,
                    derived=True,
                    source="peer-0",
                    trust="first-hand",
                )
            )  # fmt: skip
            before[at] = after
        yield batch


def whole_records(count: int) -> list[Any]:
    """Transitions of an own machine, with 11 steps and 7 log lines each."""
    from amdbg_tui.history.records import MachineKey, MachineRecord, StateShape, StepRecord, TransitionRecord

    key = MachineKey("self", 0)
    shapes = tuple(StateShape(name) for name in names())
    steps = tuple(StepRecord("rel", f"State{at}", f"State{at + 1}", "require") for at in range(11))
    records: list[Any] = [MachineRecord(0.0, key, "own", shapes, "local", clock=(0,) * STATES)]
    before = (0,) * STATES
    for number in range(count):
        after = (number + 1, *before[1:])
        log = tuple((2 + at % 3, f"[state] +State{at} of order {number // 5}") for at in range(7))
        records.append(
            TransitionRecord(
                time.time(),
                key,
                f"t-{number}",
                "add",
                ("State0",),
                True,
                before,
                after,
                queue_tick=number,
                args=(("id", str(number)),),
                handlers=("State0Enter", "State0State"),
                steps=steps,
                log=log,
            )
        )
        before = after
    return records


def feed(history: Any, batches: Iterator[list[Any]]) -> float:
    """Feed with a refreshing thread beside; seconds until all is in the file."""
    over = threading.Event()

    def refresh() -> None:
        while not over.wait(0.08):
            history.refresh()

    screen = threading.Thread(target=refresh)
    screen.start()
    begin = time.perf_counter()
    for batch in batches:
        history.feed(batch)
        while history.waiting > 20_000:
            time.sleep(0.002)
    history.flush(300)
    took = time.perf_counter() - begin
    over.set()
    screen.join()
    return took


def ingest(path: Path, count: int) -> dict[str, Any]:
    from amdbg_tui.history import History

    begin, begun = time.perf_counter(), time.process_time()
    made = sum(len(batch) for batch in clock_changes(min(count, 100_000)))
    making, making_cpu = (time.perf_counter() - begin) / made, (time.process_time() - begun) / made
    figures: dict[str, Any] = {"records": count}
    with History(path) as history:
        history.append(prologue())
        begun = time.process_time()
        took = feed(history, clock_changes(count))
        figures["ingest_cpu_us"] = round(((time.process_time() - begun) / count - making_cpu) * 1e6, 1)
        figures["ingest_wall_per_s"] = round(count / took)
        figures["ingest_per_s"] = round(1 / (took / count - making))
        figures["merged"] = history.merged
    figures["bytes_per_record"] = round(path.stat().st_size / count, 1)
    figures["ingest_memory_mb"] = memory_mb()
    batch = whole_records(20_000)
    gc.freeze()
    whole = path.with_name("whole.db")
    with History(whole) as history:
        begun = time.process_time()
        took = feed(history, iter([batch[at : at + BATCH] for at in range(0, len(batch), BATCH)]))
        figures["whole_cpu_us"] = round((time.process_time() - begun) / 20_000 * 1e6, 1)
        figures["whole_per_s"] = round(20_000 / took)
    figures["bytes_per_whole_record"] = round(whole.stat().st_size / 20_000, 1)
    return figures


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    answer = call()
    return (time.perf_counter() - begin) * 1e3, answer


def look(path: Path) -> dict[str, Any]:
    """What one waits for, in this process, which has looked at nothing yet."""
    from amdbg_tui.history import History, TransitionFilter
    from amdbg_tui.history.records import MachineKey

    figures: dict[str, Any] = {}
    took, history = timed(lambda: History.open(path))
    figures["open_s"] = round(took / 1e3, 3)
    dice = random.Random(2)
    last = history.last
    jumps = [dice.randint(300, last) for _ in range(60)]
    begun = time.process_time()
    moments = sorted(timed(lambda at=at: history.at(at))[0] for at in jumps)
    figures["moment_cpu_ms"] = round((time.process_time() - begun) / len(jumps) * 1e3, 1)
    figures["moment_ms"], figures["moment_worst_ms"] = (
        round(statistics.median(moments), 1),
        round(moments[-1], 1),
    )
    cursor = history.cursor()
    one = TransitionFilter(machines=frozenset({MachineKey("peer-7", 0)}))
    pages = sorted(
        timed(lambda at=at, wanted=wanted: cursor.page(wanted, before=at))[0]
        for at in jumps
        for wanted in (TransitionFilter(), one)
    )
    figures["page_ms"], figures["page_worst_ms"] = round(statistics.median(pages), 1), round(pages[-1], 1)
    for name, wanted in (
        ("text_search", TransitionFilter(text="tate17")),
        ("text_absent", TransitionFilter(text="nothing like it")),
        ("errors", TransitionFilter(errors=True)),
        ("state", TransitionFilter(states=frozenset({"Rare"}))),
        ("one_state_of_a_machine", TransitionFilter(machines=one.machines, states=frozenset({"State17"}))),
        ("often_state", TransitionFilter(states=frozenset({"State17"}))),
    ):
        runs = [timed(lambda wanted=wanted: history.cursor().numbers(wanted)) for _ in range(3)]
        figures[f"{name}_ms"] = round(statistics.median(took for took, _ in runs), 1)
        figures[f"{name}_hits"] = len(runs[0][1])
    figures["density_ms"] = round(min(timed(lambda: history.density(1, last, 200))[0] for _ in range(3)), 1)
    figures["number_at_ms"] = round(timed(lambda: history.number_at(history.time_of(last // 2)))[0], 1)
    figures["memory_mb"] = memory_mb()
    history.close()
    return figures


def compare(path: Path) -> dict[str, Any]:
    """Two recordings with the same records, in one process: the whole way to "nothing differs"."""
    from amdbg_tui.history import History
    from amdbg_tui.history.compare import compare as find

    with History.open(path) as first, History.open(path) as second:
        begun = time.process_time()
        took, found = timed(lambda: find(first, second))
        assert not found.divergences
        return {
            "compare_s": round(took / 1e3, 2),
            "compare_cpu_s": round(time.process_time() - begun, 2),
            "compare_agreed": found.agreed,
            "compare_memory_mb": memory_mb(),
        }


def memory_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def record_until_killed(path: Path) -> None:
    """A child that records 2,000 changes a second, and prints the time of each batch as it feeds it."""
    from amdbg_tui.history import History

    history = History(path)
    history.append(prologue())
    begin = time.monotonic()
    fed = 0
    for batch in clock_changes(10_000_000):
        for at in range(0, len(batch), 5):
            history.feed(batch[at : at + 5])
            fed += 5
            os.write(1, f"{fed} {time.time()}\n".encode())
            time.sleep(max(0.0, begin + fed / 2_000 - time.monotonic()))


def kills(trials: int) -> dict[str, Any]:
    """kill -9 while recording: how much is missing, and is the file whole."""
    worst, whole = 0.0, 0
    dice = random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        for trial in range(trials):
            path = Path(folder) / f"{trial}.db"
            child = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.history", "--record", str(path)], stdout=subprocess.PIPE
            )
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(0.3 + dice.random() * 0.7)
            child.send_signal(signal.SIGKILL)
            fed = [line.split() for line in child.stdout.read().decode().splitlines() if line.count(" ") == 1]
            child.wait()
            connection = sqlite3.connect(path)
            whole += connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            (kept,) = connection.execute("SELECT sum(count) FROM blocks WHERE class = 'network'").fetchone()
            connection.close()
            lost = [float(at_s) for count, at_s in fed if int(count) > (kept or 0)]
            if lost:
                worst = max(worst, float(fed[-1][1]) - lost[0])
    return {"kill_trials": trials, "kill_whole": whole, "kill_lost_ms": round(worst * 1e3, 1)}


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--look"]:
        print(json.dumps(look(Path(arguments[1]))))
        return 0
    if arguments[:1] == ["--compare"]:
        print(json.dumps(compare(Path(arguments[1]))))
        return 0
    if arguments[:1] == ["--record"]:
        record_until_killed(Path(arguments[1]))
        return 0
    count = next((int(word) for word in arguments if word.isdigit()), 1_000_000)
    trials = int(arguments[arguments.index("--kills") + 1]) if "--kills" in arguments else 50
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        figures = ingest(path, count)
        command = [sys.executable, "-m", "benchmarks.history", "--look", str(path)]
        figures |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        command[3] = "--compare"
        figures |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if trials:
        figures |= kills(trials)
    missed = 0
    if "--json" in arguments:
        print(json.dumps(figures))
        return 0
    print(f"{'':<28}{'now':>12}{'89a09e5':>12}")
    for name, value in figures.items():
        verdict = ""
        if name in TARGETS:
            how, target = TARGETS[name]
            good = value >= target if how == ">=" else value < target
            missed += not good
            verdict = f"{'ok' if good else 'MISSED'} (goal {how} {target:,})"
        print(f"{name:<28}{value!s:>12}{BEFORE.get(name, '')!s:>12}  {verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
