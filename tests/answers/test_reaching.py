"""What would it take: small stories with the answer known, and random schemas where the answer is applied to a real machine."""

from __future__ import annotations

import os
import random
from collections import deque

import pytest

from amdbg_tui.answers.reaching import Outlook, what_would_it_take
from amdbg_tui.answers.replica import Replica
from ampubsub.machine import Exported, Machine, MutationKind, State
from ampubsub.machine.blueprint import parse_schema

RANDOM = int(os.environ.get("AMPUBSUB_SCHEMAS", "2000"))
"""10,000 is the project's goal; it takes about 20 s."""


def _replica(schema, *active):
    names = list(schema)
    return Replica(schema, names, [int(name in active) for name in names])


def _said(replica, *goal):
    answer = what_would_it_take(replica, goal)
    return (
        answer.outlook.value,
        [str(step) for step in answer.steps],
        [str(each) for each in answer.obstacles],
    )


def test_a_state_without_relations_is_added() -> None:
    assert _said(_replica({"On": State()}), "On") == ("reachable", ["add On"], [])


def test_what_is_active_already_takes_nothing() -> None:
    assert _said(_replica({"On": State()}, "On"), "On") == ("active", [], [])


def test_a_chain_of_require_is_called_at_once_and_what_is_active_is_not_called_again() -> None:
    schema = {
        "On": State(require=["Power"]),
        "Power": State(require=["Grid", "Fuse"]),
        "Grid": State(),
        "Fuse": State(),
    }
    outlook, steps, obstacles = _said(_replica(schema, "Fuse"), "On")
    assert (outlook, steps) == ("reachable", ["add On Power Grid"])
    assert obstacles == ["On requires Power", "Power requires Grid"]


def test_who_stands_in_the_way_is_named_and_removed_first() -> None:
    schema = {"Open": State(), "Locked": State(remove=["Open"])}
    assert _said(_replica(schema, "Locked"), "Open") == (
        "reachable", ["remove Locked", "add Open"], ["Open removed by Locked"],
    )  # fmt: skip


def test_one_mutation_is_preferred_when_the_goal_drives_the_other_out_itself() -> None:
    schema = {"Open": State(remove=["Locked"]), "Locked": State(remove=["Open"])}
    assert _said(_replica(schema, "Locked"), "Open")[1] == ["add Open"]


def test_an_auto_state_that_comes_back_is_held_off() -> None:
    schema = {"Idle": State(auto=True, remove=["Busy"]), "Busy": State(), "Held": State(remove=["Idle"])}
    outlook, steps, obstacles = _said(_replica(schema), "Busy")
    assert (outlook, steps) == ("reachable", ["add Busy Held"])
    assert obstacles == ["Busy driven out by Idle"]


def test_what_requires_its_own_enemy_can_never_be() -> None:
    schema = {"Goal": State(require=["A", "B"]), "A": State(remove=["B"]), "B": State()}
    assert _said(_replica(schema), "Goal") == ("impossible", [], ["B excluded by A"])


def test_what_requires_a_state_nobody_has_can_never_be() -> None:
    assert _said(_replica({"Goal": State(require=["Nobody"])}), "Goal") == (
        "impossible", [], ["Goal requires Nobody"],
    )  # fmt: skip


def test_several_goals_at_once() -> None:
    schema = {"A": State(remove=["C"]), "B": State(), "C": State(remove=["A"])}
    assert _said(_replica(schema, "C"), "A", "B")[1] == ["add A B"]
    assert _said(_replica(schema), "A", "C")[0] == "impossible"


def test_an_answer_that_hangs_on_the_unknown_order_says_so() -> None:
    schema = {"Goal": State(require=["A"]), "A": State(remove=["B"]), "B": State(remove=["A"])}
    sure = what_would_it_take(_replica(schema, "B"), ["Goal"])
    assert not sure.hangs_on_order


def test_nothing_is_removed_or_called_that_is_not_needed() -> None:
    for seed in range(300):
        replica, goal, _ = _random(seed, most=8)
        answer = what_would_it_take(replica, [goal])
        for at, step in enumerate(answer.steps):
            for state in step.states:
                place = replica.start
                for other_at, other in enumerate(answer.steps):
                    names = [name for name in other.states if other_at != at or name != state]
                    called = [replica.index[name] for name in names]
                    place = replica.apply(place, other.kind, called).end if called else place
                assert not place.active >> replica.index[goal] & 1, (seed, str(step), state)


def _schema(dice: random.Random, count: int) -> dict[str, State]:
    names = [f"S{at}" for at in range(count)]

    def some(chance: float) -> tuple[str, ...]:
        return tuple(dice.sample(names, dice.randint(1, 2))) if dice.random() < chance else ()

    while True:
        schema = {
            name: State(
                auto=dice.random() < 0.2, multi=dice.random() < 0.1, require=some(0.3), add=some(0.25),
                remove=some(0.35), after=some(0.1),
            )
            for name in names
        }  # fmt: skip
        if not parse_schema(schema)[1]:
            return schema


def _random(seed: int, most: int = 40) -> tuple[Replica, str, Machine]:
    dice = random.Random(seed)
    schema = _schema(dice, dice.choice([count for count in (4, 5, 6, 8, 12, 20, 40) if count <= most]))
    states = [*schema, "Exception"]
    machine = Machine(schema, id="m", states=states)
    for _ in range(6):
        mutate = dice.choice([machine.add, machine.remove, machine.add])
        mutate(*dice.sample(list(schema), dice.randint(1, 3)))
    return Replica(schema, states, machine.time()), dice.choice(list(schema)), machine


def _twin(machine: Machine) -> Machine:
    twin = Machine(machine.schema, id="m", states=machine.state_names)
    twin.import_(Exported("m", tuple(machine.state_names), machine.time(), 0, 0))
    return twin


def test_on_random_schemas_the_answer_applied_to_a_machine_reaches_the_goal() -> None:
    outlooks, missed = dict.fromkeys(Outlook, 0), 0
    for seed in range(RANDOM):
        replica, goal, machine = _random(seed)
        answer = what_would_it_take(replica, [goal])
        outlooks[answer.outlook] += 1
        if answer.outlook is Outlook.ACTIVE:
            assert machine.is_(goal)
        if answer.outlook is not Outlook.REACHABLE:
            continue
        twin = _twin(machine)
        before = set(twin.active_states())
        for step in answer.steps:
            getattr(twin, step.kind.value)(*step.states)
        assert twin.is_(goal), seed
        assert set(answer.entered) == set(twin.active_states()) - before, seed
        assert set(answer.exited) == before - set(twin.active_states()), seed
        for step in answer.steps:  # the machine itself, whose order nobody was told
            getattr(machine, step.kind.value)(*step.states)
        if not machine.is_(goal):
            missed += not answer.hangs_on_order
    assert outlooks[Outlook.REACHABLE] > RANDOM * 0.4
    assert outlooks[Outlook.NOT_FOUND] < RANDOM * 0.1
    assert missed <= RANDOM * 0.005, "the order matters oftener than two orders show"


def test_what_is_called_impossible_or_not_found_is_out_of_reach_by_any_mutations() -> None:
    looked = 0
    for seed in range(250):
        replica, goal, _ = _random(seed, most=5)
        answer = what_would_it_take(replica, [goal])
        if answer.outlook in (Outlook.IMPOSSIBLE, Outlook.NOT_FOUND):
            looked += 1
            assert not _reachable_by_anything(replica, replica.index[goal]), (seed, goal)
    assert looked > 10


def _reachable_by_anything(replica: Replica, goal: int) -> bool:
    count, seen = len(replica.names), {replica.start.order}
    todo = deque([replica.start])
    while todo:
        place = todo.popleft()
        for kind in (MutationKind.ADD, MutationKind.REMOVE, MutationKind.SET):
            for mask in range(1, 1 << count):
                end = replica.apply(place, kind, [at for at in range(count) if mask >> at & 1]).end
                if end.active >> goal & 1:
                    return True
                if end.order not in seen:
                    seen.add(end.order)
                    todo.append(end)
    return False


def test_a_trial_is_what_the_machine_then_does() -> None:
    for seed in range(400):
        replica, _, machine = _random(seed, most=12)
        dice = random.Random(-seed)
        kind = dice.choice([MutationKind.ADD, MutationKind.REMOVE, MutationKind.SET])
        called = dice.sample([name for name in replica.names if name != "Exception"], 2)
        trial = replica.try_out(kind, called)
        twin = _twin(machine)
        before = set(twin.active_states())
        getattr(twin, kind.value)(*called)
        assert trial.clock == tuple(twin.time()), seed
        assert set(trial.exited) == before - set(twin.active_states()), seed
        assert set(trial.entered) >= set(twin.active_states()) - before, seed
        assert tuple(machine.time()) == replica.clock, "the machine itself was not touched"


def test_a_trial_says_what_is_missing_and_who_drives_out() -> None:
    schema = {"On": State(require=["Power"]), "Power": State(), "Off": State(remove=["Dim"]), "Dim": State()}
    trial = _replica(schema, "Off").try_out(MutationKind.ADD, ["On"])
    assert (trial.accepted, trial.refused, trial.missing) == (False, ("On",), (("On", ("Power",)),))
    assert _replica(schema, "Off").try_out(MutationKind.ADD, ["Dim"]).removed_by == (("Dim", ("Off",)),)


def test_a_hostile_schema_is_given_up_within_the_budget() -> None:
    names = [f"S{at}" for at in range(400)]
    schema = {
        name: State(auto=at % 2 == 0, remove=[other for other in names[at % 7 :: 7] if other != name])
        for at, name in enumerate(names)
    }
    replica = _replica(schema, *names[:50])
    what_would_it_take(replica, ["S399"], budget=300)
    assert replica.tried < 2_000


def test_an_unknown_state_is_an_error() -> None:
    with pytest.raises(KeyError):
        what_would_it_take(_replica({"On": State()}), ["Off"])
