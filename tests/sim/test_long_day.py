"""Hours in which peers stand still for five seconds now and then, and loops are late: nobody is ever called dead."""

from __future__ import annotations

import os
from random import Random

from benchmarks.simulator.day import Day, Plan
from benchmarks.simulator.faults import Fault, Lag, Loss, Pause

HOURS = float(os.environ.get("AMPUBSUB_SIM_HOURS", "0.25"))
PEERS = 12


def standstills(seed: int, hours: float) -> list[Fault]:
    random = Random(seed)
    faults: list[Fault] = []
    at_s, end_s = 30.0, hours * 3600
    while at_s < end_s:
        faults.append(Pause(at_s, at_s + 5, peer=random.randrange(PEERS)))
        if random.random() < 0.3:
            faults.append(
                Lag(at_s, at_s + 20, peer=random.randrange(PEERS), stall_s=random.choice((0.3, 1.0, 2.0)))
            )
        if random.random() < 0.1:
            faults.append(Loss(at_s, at_s + 30, share=0.05))
        at_s += random.uniform(5, 60)
    return faults


def test_nobody_is_called_dead_in_hours_of_standstills() -> None:
    faults = standstills(1, HOURS)
    outcome = Day(1, faults, Plan(peers=PEERS, until_s=HOURS * 3600)).run()
    print(f"{HOURS:g} h, {outcome.met['pause']} standstills, settled {outcome.settled_s} s after the last")
    assert outcome.problem == ""
    assert outcome.met["pause"] >= 20 * HOURS
