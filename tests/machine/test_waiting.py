"""Waiting for a machine: what ends a wait, when exactly, and what never does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ampubsub.machine import (
    Context,
    ContextEndedError,
    Event,
    Machine,
    MachineGoneError,
    SchemaError,
    State,
    UnknownStateError,
    Waiter,
)

SCHEMA = {"A": State(), "B": State(), "C": State(multi=True), "Start": State()}


@pytest.fixture
def machine() -> Machine:
    return Machine(SCHEMA, id="door")


def test_a_wait_for_what_is_true_already_is_done_at_once(machine: Machine) -> None:
    machine.add("A")
    assert machine.when("A").done
    assert machine.when_not("B").done
    assert machine.when_time(["A"], [1]).done
    assert machine.when_queue(machine.queue_tick).done
    assert machine.when_queue_ends().done


def test_states_that_come_one_by_one_end_a_wait_only_when_all_are_there_together(machine: Machine) -> None:
    both = machine.when("A", "B")
    machine.add("A")
    machine.remove("A")
    machine.add("B")
    assert not both.done
    machine.add("A")
    assert both.done


def test_a_state_that_leaves_in_the_transition_that_brings_the_other_does_not_count() -> None:
    machine = Machine({"A": State(remove=["B"]), "B": State()}, id="m")
    machine.add("B")
    both = machine.when("A", "B")
    machine.add("A")
    assert str(machine) == "(A:1)"
    assert not both.done


def test_equal_waits_are_told_in_the_order_they_came(machine: Machine) -> None:
    told: list[int] = []
    for number in range(3):
        machine.when("A", "B").on_done(lambda _, number=number: told.append(number))
    machine.add("B")
    machine.add("A")
    assert told == [0, 1, 2]


def test_a_given_up_wait_fails_in_words_and_leaves_the_others_alone(machine: Machine) -> None:
    given_up, other = machine.when("A"), machine.when("A")
    given_up.cancel()
    machine.add("A")
    assert other.done
    assert not given_up.done
    assert isinstance(given_up.error, ContextEndedError)
    assert str(given_up.error) == "gave up waiting for door to have A active"


def test_a_wait_whose_context_ended_is_forgotten(machine: Machine) -> None:
    context = Context()
    waits = [
        machine.when("A", ctx=context),
        machine.when_time(["A"], [1], ctx=context),
        machine.when_query(lambda m: m.is_("A"), ctx=context),
        machine.when_args("A", {"x": 1}, ctx=context),
    ]
    context.cancel()
    machine.add("A", args={"x": 1})
    assert not any(wait.done for wait in waits)
    machine.remove("A")
    machine.add("A", args={"x": 1})
    assert not any(wait.done for wait in waits)


def test_each_state_of_a_time_wait_is_reached_for_good_at_its_own_moment(machine: Machine) -> None:
    wait = machine.when_time(["A", "B"], [1, 1])
    machine.add("A")
    machine.remove("A")
    assert not wait.done
    machine.add("B")
    assert wait.done


def test_a_multi_state_that_jumps_over_a_tick_has_reached_it(machine: Machine) -> None:
    machine.add("C")
    wait = machine.when_time(["C"], [2])
    machine.add("C")
    assert machine.tick("C") == 3
    assert wait.done


def test_a_time_wait_is_met_on_time_however_often_its_plan_was_quiet(machine: Machine) -> None:
    wait = machine.when_time(["A"], [201])
    for _ in range(100):
        machine.add("A")
        machine.remove("A")
    assert machine.tick("A") == 200
    assert not wait.done
    machine.add("A")
    assert wait.done


def test_ticks_count_from_now(machine: Machine) -> None:
    machine.add("A")
    wait = machine.when_ticks("A", 2)
    machine.remove("A")
    assert not wait.done
    machine.add("A")
    assert wait.done


def test_arguments_are_waited_for_by_content_and_told_before_the_next_handler() -> None:
    order: list[str] = []
    machine = Machine({"A": State(), "B": State(after=["A"])}, id="m")
    machine.bind_handlers(
        {"AState": lambda event: order.append("AState"), "BState": lambda event: order.append("BState")}
    )
    machine.when_args("A", {"who": "me"}).on_done(lambda _: order.append("told"))
    machine.add("A", args={"who": "you"})
    machine.remove("A")
    machine.add("A", "B", args={"who": "me", "more": 1})
    assert order == ["AState", "AState", "told", "BState"]


def test_a_query_is_asked_after_each_accepted_transition_only(machine: Machine) -> None:
    asked: list[str] = []

    def query(seen: object) -> bool:
        asked.append(str(seen))
        return len(asked) == 2

    wait = machine.when_query(query)
    machine.add("A")
    assert not wait.done
    machine.add("B")
    assert wait.done
    machine.remove("A")
    assert asked == ["(A:1)", "(A:1 B:1)"]


def test_a_queued_mutation_can_be_waited_for_by_its_result() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m")
    waits: list[Waiter] = []
    machine.bind_handlers({"AState": lambda event: waits.append(machine.when_queue(machine.add("B")))})
    machine.add("A")
    assert machine.is_("A", "B")
    assert waits[0].done


def test_the_end_of_the_queue_is_told_once_everything_ran() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m")
    seen: list[str] = []

    def state(event: Event) -> None:
        machine.when_queue_ends().on_done(lambda _: seen.append(str(machine)))
        machine.add("B")

    machine.bind_handlers({"AState": state})
    machine.add("A")
    assert seen == ["(A:1 B:1)"]


def test_a_callback_that_mutates_is_queued_behind_what_runs(machine: Machine) -> None:
    machine.when("A").on_done(lambda _: machine.add("B"))
    machine.add("A")
    assert machine.is_("A", "B")


def test_an_error_can_be_waited_for(machine: Machine) -> None:
    wait = machine.when_err()
    machine.add_err(ValueError("no"))
    assert wait.done
    assert str(machine.err) == "no"


def test_a_state_context_lasts_one_activation(machine: Machine) -> None:
    assert machine.state_context("A").done
    machine.add("A")
    context = machine.state_context("A")
    assert machine.state_context("A") is context
    machine.add("B")
    assert not context.done
    machine.remove("A")
    assert context.done
    assert (context.machine_id, context.state, context.tick) == ("door", "A", 1)


def test_a_multi_state_entered_again_keeps_its_context(machine: Machine) -> None:
    machine.add("C")
    context = machine.state_context("C")
    machine.add("C")
    assert not context.done


def test_final_handlers_of_the_leaving_state_still_see_its_context_alive() -> None:
    machine = Machine({"A": State()}, id="m")
    alive: list[bool] = []
    machine.add("A")
    context = machine.state_context("A")
    machine.bind_handlers({"AEnd": lambda event: alive.append(not context.done)})
    machine.remove("A")
    assert alive == [True]
    assert context.done


WAITS: list[Callable[[Machine], Waiter]] = [
    lambda m: m.when("A"),
    lambda m: m.when_not("Start"),
    lambda m: m.when_time(["A"], [9]),
    lambda m: m.when_args("A", {"x": 1}),
    lambda m: m.when_query(lambda _: False),
    lambda m: m.when_queue(99),
]


@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_on_a_machine_that_goes_fails_with_its_name_and_the_reason(
    wait: Callable[[Machine], Waiter], machine: Machine
) -> None:
    machine.set("Start")
    waiter = wait(machine)
    machine.dispose_now()
    later = wait(machine)
    for each in (waiter, later):
        assert isinstance(each.error, MachineGoneError)
        assert "door" in str(each.error)
        assert "was disposed of" in str(each.error)


def test_disposal_itself_can_be_waited_for_and_ends_contexts(machine: Machine) -> None:
    machine.add("A")
    context, gone = machine.state_context("A"), machine.when_disposed()
    machine.dispose()
    assert gone.done
    assert context.done
    assert machine.when_disposed().done


def test_unknown_states_and_uneven_lists_are_named(machine: Machine) -> None:
    with pytest.raises(UnknownStateError, match="missing states: X Y not defined in schema for door"):
        machine.when("X", "A", "Y")
    with pytest.raises(SchemaError, match="door: when_time got 2 states and 1 times; give one time for each"):
        machine.when_time(["A", "B"], [1])


def test_a_wait_is_done_when_its_states_stay_after_an_exception() -> None:
    machine = Machine({"A": State(), "B": State(multi=True)}, id="m")

    def any_state(event: Event) -> None:
        if "A" in event.mutation.called:
            raise ValueError("late")

    machine.bind_handlers({"AnyState": any_state})
    wait = machine.when("A", "B")
    machine.add("A", "B")
    assert machine.is_("A", "B", "Exception")
    assert wait.done
