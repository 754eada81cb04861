"""Faults found in a review, of rules that held the first time and no longer once a mutation was remembered, and others."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from enum import Enum, StrEnum
from itertools import pairwise
from typing import Any

import pytest

from ampubsub.machine import (
    Event,
    Machine,
    MachineError,
    Options,
    Result,
    State,
    Tracer,
    UnknownStateError,
    pipes,
)


def twins(schema: dict[str, State]) -> list[Machine]:
    """The same machine twice: one remembers what it resolved, one does not."""
    return [Machine(schema, id="twin", options=Options(remember_plans=plans)) for plans in (100, 0)]


def test_a_breakpoint_stops_every_time_and_once_each_time() -> None:
    machine = Machine({"A": State()}, id="m")
    machine.add_breakpoint(["A"])
    hits: list[int] = []
    for number in range(6):
        machine.breakpoint_hook = lambda number=number: hits.append(number)
        machine.add("A")
        machine.breakpoint_hook = None
        machine.remove("A")
    assert hits == [0, 1, 2, 3, 4, 5]


def test_a_breakpoint_set_after_a_mutation_was_remembered_stops() -> None:
    machine = Machine({"A": State()}, id="m")
    for _ in range(6):
        machine.add("A")
        machine.remove("A")
    machine.add_breakpoint([], ["A"])
    hits: list[str] = []
    machine.breakpoint_hook = lambda: hits.append("stop")
    for _ in range(3):
        machine.add("A")
        machine.remove("A")
    assert len(hits) == 3


class Lamp(str, Enum):  # noqa: UP042 - what people have in their programs
    ON = "On"
    OFF = "Off"


class Word(StrEnum):
    ON = "On"
    OFF = "Off"


class Plain(Enum):
    ON = "On"
    OFF = "Off"


@pytest.mark.parametrize(
    "kind",
    [
        Lamp,
        Word,
        Plain,
    ],
)
def test_states_named_by_an_enum_run_their_handlers_and_leave_other_machines_alone(kind: Any) -> None:
    ran: list[str] = []
    handlers: dict[str, Callable[[Event], Any]] = {"OnState": lambda event: ran.append(event.name)}
    machine = Machine({kind.ON: State(remove=[kind.OFF]), kind.OFF: State()}, id="enum", handlers=handlers)
    assert machine.add(kind.ON) == Result.EXECUTED
    assert machine.is_(kind.ON)
    assert ran == ["OnState"]
    other = Machine({"On": State(remove=["Off"]), "Off": State()}, id="plain", handlers=handlers)
    other.add("On")
    assert ran == ["OnState", "OnState"]
    assert str(other) == "(On:1)"
    assert all(type(name) is str for name in other.state_names)


def test_a_slow_handler_has_done_its_work_and_its_state_stays() -> None:
    machine = Machine({"A": State()}, id="m")
    machine.bind_handlers({"AState": lambda event: time.sleep(0.12)})  # longer than the limit that was
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is warned about is tested with the handlers
        result = machine.add("A")
    assert result == Result.EXECUTED
    assert machine.is_("A")


@pytest.mark.parametrize("what", ["verify_states", "import_"])
def test_the_order_of_states_cannot_change_inside_a_transition(what: str) -> None:
    order = ["A", "B", "C", "Exception"]
    machine = Machine({name: State() for name in "ABC"}, id="m", states=order)
    exported = machine.export()
    turn = [0]

    def enter(event: Event) -> None:
        turn[0] += 1
        if turn[0] == 6:
            if what == "import_":
                event.machine.import_(exported)
            else:
                event.machine.verify_states(["Exception", "C", "B", "A"])

    machine.bind_handlers({"AEnter": enter})
    for _ in range(6):
        machine.add("A")
        machine.remove("A")
    assert machine.is_err()
    assert isinstance(machine.err, MachineError)
    assert machine.tick("Exception") == 1
    assert machine.tick("A") == 10


def test_onlookers_bound_in_a_handler_see_the_same_however_often_the_mutation_ran() -> None:
    stories = []
    for machine in twins({"A": State(), "B": State()}):
        told: list[object] = []

        class Look(Tracer):
            def transition_end(self, transition: Any, told: list[object] = told) -> None:
                told.append(("end", transition.called))

            def handler_end(
                self, transition: Any, emitter: str, name: str, told: list[object] = told
            ) -> None:
                told.append(("handler_end", name))

        turn = [0]

        def enter(event: Event, turn: list[int] = turn, told: list[object] = told) -> None:
            turn[0] += 1
            if turn[0] == 6:
                event.machine.bind_tracer(Look())
                event.machine.on_change = lambda *_: told.append("change")

        machine.bind_handlers({"AEnter": enter, "AState": lambda event: None})
        for _ in range(8):
            machine.add("A")
            machine.remove("A")
        stories.append(told)
    assert stories[0] == stories[1]


def test_a_handler_whose_name_two_pairs_share_runs_as_often_as_ever() -> None:
    stories = []
    for machine in twins({"A": State(), "AA": State(), "B": State()}):
        ran: list[str] = []
        turn = [0]

        def pair(event: Event, ran: list[str] = ran, turn: list[int] = turn) -> None:
            ran.append(event.name)
            turn[0] += 1
            if turn[0] == 14:
                event.machine.bind_handlers({"BState": lambda event: None})

        machine.bind_handlers({"AAA": pair})
        for _ in range(12):
            machine.add("A", "AA")
            machine.add("B")
            machine.remove("A", "AA", "B")
        stories.append(ran)
    assert stories[0] == stories[1]


def test_a_machine_that_remembers_little_takes_nothing_from_others_of_its_schema() -> None:
    """Only what it gives is seen here; that others keep their plans is measured in the benchmarks."""
    schema = {name: State() for name in "ABCDEF"}
    small = Machine(schema, id="small", options=Options(remember_plans=2))
    large = Machine(schema, id="large")
    for number in range(200):
        for machine in (small, large):
            machine.toggle("ABCDEF"[number * number % 6])
    assert small.string_all() == large.string_all()


@pytest.mark.parametrize("looked_up", [False, True])
def test_a_mapping_changed_after_binding_is_heeded_for_all_names_or_for_none(looked_up: bool) -> None:
    ran: list[str] = []
    table: dict[str, Callable[[Event], Any]] = {"BState": lambda event: ran.append("B")}
    machine = Machine({"A": State(), "B": State()}, id="m", handlers=table)
    if looked_up:
        machine.add("A")
        machine.remove("A")
    table["AState"] = lambda event: ran.append("A")
    machine.add("A")
    assert ran == []  # what was bound is bound; `bind_handlers` again for more


def test_two_hundred_machines_in_a_row_of_pipes_all_follow() -> None:
    row = [Machine({"A": State()}, id=f"m{number}") for number in range(200)]
    for source, target in pairwise(row):
        pipes.bind(source, target, "A")
    row[0].add("A")
    assert [machine.is_err() for machine in row] == [False] * 200
    assert all(machine.is_("A") for machine in row)


def test_a_row_of_a_thousand_required_states_is_no_question_of_the_stack() -> None:
    names = [f"S{number:04}" for number in range(1_500)]
    schema = {name: State(require=[before]) for name, before in zip(names[1:], names, strict=False)} | {
        names[0]: State()
    }
    machine = Machine(schema, id="chain")
    assert machine.add(*names) == Result.EXECUTED
    assert machine.is_(*names)


def test_a_queue_that_is_filled_again_at_each_end_is_no_question_of_the_stack() -> None:
    machine = Machine({"A": State(multi=True)}, id="m")
    left = [500]

    class Again(Tracer):
        def queue_end(self, machine: Machine) -> None:
            if left[0]:
                left[0] -= 1
                machine.add("A")

    machine.bind_tracer(Again())
    machine.add("A")
    assert left == [0]
    assert machine.tick("A") == 1 + 2 * 500


def test_removing_an_unknown_state_raises_inside_handlers_too() -> None:
    machine = Machine({"A": State()}, id="m")
    raised: list[str] = []

    def state(event: Event) -> None:
        try:
            event.machine.remove("Typo")
        except UnknownStateError as error:
            raised.append(str(error))

    machine.bind_handlers({"AState": state})
    machine.add("A")
    assert len(raised) == 1
    assert "Typo" in raised[0]


def test_a_wait_names_the_state_that_is_missing_with_a_pair_of_colliding_names() -> None:
    """B + AState is spelled like the final handler of BA: it enters A, not BA."""
    machine = Machine({"B": State(), "AState": State(), "BA": State()}, id="m")
    machine.bind_handlers({"BAState": lambda event: None})
    machine.add("B")
    wait = machine.when_args("BA", {})
    machine.add("AState")
    assert not wait.done
    machine.add("BA")
    assert wait.done
