"""The simulator itself: it passes a protocol that holds, and finds what is wrong with others, by the rule that says so."""

from __future__ import annotations

import pytest

from benchmarks.simulator.day import Day, Plan
from benchmarks.simulator.faults import Death, Loss, Partition, Pause, Villain
from benchmarks.simulator.shrink import shrink
from tests.sim import tiny

PLAN = Plan(peers=8, entries_allowed=20_000)
WITHOUT_VILLAINS = [
    Loss(5, 15, share=0.3),
    Partition(12, 20, island=(1, 2)),
    Death(25, 40, peer=4),
    Pause(42, 47, peer=3),
]
LIAR = Villain(5, 15, kind="false_infos", neighbour=2)


def test_a_day_goes_well_with_a_protocol_that_holds_and_is_the_same_day_twice() -> None:
    outcomes = [Day(3, [*WITHOUT_VILLAINS, LIAR], PLAN, make=tiny.Tiny).run() for _ in range(2)]
    assert outcomes[0].problem == ""
    assert outcomes[0].settled_s is not None
    assert outcomes[0].digest == outcomes[1].digest
    assert outcomes[0].digest != Day(4, [*WITHOUT_VILLAINS, LIAR], PLAN, make=tiny.Tiny).run().digest


def test_another_list_of_faults_leaves_the_plan_as_it_was() -> None:
    one, other = Day(3, WITHOUT_VILLAINS, PLAN, make=tiny.Tiny), Day(3, [], PLAN, make=tiny.Tiny)
    one.run()
    other.run()
    assert one.dials == other.dials
    assert [p and p.peer_id for p in one.peers] == [p and p.peer_id for p in other.peers]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (tiny.Gullible, "which it never had"),
        (tiny.Deathless, "first-hand 16.0 s after its crash"),
        (tiny.Hasty, "which lives and can be reached"),
        (tiny.Hoarder, "entries in memory"),
        (tiny.Mumbler, "not settled 30 s after"),
    ],
)
def test_a_protocol_that_is_wrong_in_one_way_fails_by_the_rule_that_says_so(wrong, words) -> None:
    problems = [Day(seed, [*WITHOUT_VILLAINS, LIAR], PLAN, make=wrong).run().problem for seed in range(2)]
    assert any(words in problem for problem in problems), problems


def test_bytes_that_hang_on_chance_are_noticed() -> None:
    kept = []  # keeps memory from being used again in the same order
    digests = set()
    for _ in range(2):
        day = Day(1, [], PLAN, make=tiny.Chancy)
        digests.add(day.run().digest)
        kept.append((day, [object() for _ in range(1_001)]))
    assert len(digests) == 2


def test_a_failing_list_of_faults_shrinks_to_the_one_that_matters() -> None:
    faults = [*WITHOUT_VILLAINS, LIAR]

    def fails(some) -> bool:
        return "never had" in Day(3, some, PLAN, make=tiny.Gullible).run().problem

    (left,) = shrink(faults, fails, tries=60)
    assert isinstance(left, Villain)
    assert left.rate < LIAR.rate or left.end_s < LIAR.end_s
    assert fails([left])


def test_shrinking_keeps_faults_that_are_needed_together_and_asks_a_bounded_number_of_times() -> None:
    faults = [Pause(float(number), number + 1.0, peer=number) for number in range(12)]
    asked = []

    def fails(some) -> bool:
        asked.append(len(some))
        return {3, 9} <= {fault.peer for fault in some}

    assert {fault.peer for fault in shrink(faults, fails)} == {3, 9}
    asked.clear()
    shrink(faults, fails, tries=5)
    assert len(asked) <= 5


def test_a_peer_stopped_for_five_seconds_is_late_but_not_gone() -> None:
    faults = [Pause(10.0 + 8 * number, 15.0 + 8 * number, peer=number) for number in range(4)]
    outcome = Day(2, faults, PLAN, make=tiny.Tiny).run()
    assert outcome.problem == ""
    assert outcome.met["pause"] == 4
