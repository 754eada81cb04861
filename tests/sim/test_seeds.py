"""Bad days by seed: nobody ever believes what cannot be so, and soon after the faults all know the truth about all.

Each seed is run twice, and must give the same bytes twice. `make test` runs the first seeds; `make simulate`
(`AMPUBSUB_SIM_SEEDS=300`) many more. A day that fails is made smaller, and one command to run it again is printed.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from benchmarks.simulator.day import Day
from benchmarks.simulator.replay import report

SEEDS = int(os.environ.get("AMPUBSUB_SIM_SEEDS", "28"))
MET: dict[int, Counter[str]] = {}
"""What was met on the days that this worker ran."""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_bad_day_ends_well_and_its_seed_gives_the_same_bytes_twice(seed: int) -> None:
    first = Day(seed).run()
    if first.problem:
        pytest.fail(report(seed, first), pytrace=False)
    again = Day(seed).run()
    assert again.digest == first.digest, f"seed {seed} gave other bytes the second time"
    MET[seed] = Counter(first.met)


FAULTS = (
    *("delay", "loss", "doubling", "reorder", "partition", "pause", "lag", "clock set back", "restart"),
    *("restart as another", "death by crash", "death by reset", "death by bye"),
)


@pytest.mark.skipif(SEEDS < 28, reason="too few seeds to meet every fault")
def test_every_kind_of_fault_and_of_event_was_met_on_some_day() -> None:
    from benchmarks.simulator.villains import KINDS

    events = (
        "PeerChanged",
        "MachineExposed",
        "MachineSourceChanged",
        "MachineReplaced",
        "MachineGone",
        "ClockChanged",
    )
    wanted = (*FAULTS, *events, *(f"villain {kind}" for kind in KINDS))
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        met += MET[seed] if seed in MET else Counter(Day(seed).run().met)
        if all(met[name] for name in wanted):
            return
    assert [name for name in wanted if not met[name]] == []
