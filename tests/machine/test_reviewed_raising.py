"""Faults found in a review, of what raises: it strands no queue, takes nobody's answer, leaves no state half entered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ampubsub.machine import (
    Event,
    HandlerError,
    Machine,
    Result,
    State,
    Tracer,
    Transition,
    UnknownStateError,
)

SCHEMA = {"A": State(), "B": State(), "C": State(), "Follow": State(auto=True, require=["A"])}


class Stopped(BaseException):
    """Like trio.Cancelled: no Exception, and not to be swallowed."""


def attempt(change: Callable[..., Result], *states: str) -> BaseException | None:
    """What a mutation raises to its caller, if it does."""
    try:
        change(*states)
    except BaseException as error:
        return error
    return None


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_: object) -> None:
        raise error

    return call


def once(error: BaseException) -> Callable[..., Any]:
    left = [error]

    def call(*_: object) -> None:
        if left:
            raise left.pop()

    return call


@pytest.fixture
def machine() -> Machine:
    return Machine(SCHEMA, id="m")


def test_a_callback_of_a_wait_that_raises_strands_no_auto_state(machine: Machine) -> None:
    machine.when("A").on_done(raising(ValueError("callback")))
    attempt(machine.add, "A")
    assert machine.queue_len == 0
    assert machine.is_("A", "Follow")
    assert machine.add("B") == Result.EXECUTED
    assert machine.is_("B")


def test_a_callback_of_a_state_context_that_raises_strands_nothing(machine: Machine) -> None:
    machine.add("A")
    machine.bind_handlers({"AEnd": lambda event: event.machine.add("C")})
    machine.state_context("A").on_done(raising(ValueError("callback")))
    attempt(machine.remove, "A")
    assert machine.queue_len == 0
    assert machine.is_("C")


def test_the_next_caller_gets_its_own_answer_after_an_interruption() -> None:
    machine = Machine({"A": State(), "B": State(require=["Never"]), "Never": State()}, id="m")
    interrupt = once(KeyboardInterrupt())

    def state(event: Event) -> None:
        event.machine.add("B")
        interrupt()

    machine.bind_handlers({"AState": state})
    assert isinstance(attempt(machine.add, "A"), KeyboardInterrupt)
    assert machine.queue_len == 0
    machine.remove("Exception")
    assert machine.set() == Result.EXECUTED
    assert machine.add("A") == Result.EXECUTED
    assert machine.is_("A")


def test_executed_is_never_said_of_a_state_that_another_answer_was_about(machine: Machine) -> None:
    interrupt = once(KeyboardInterrupt())

    def state(event: Event) -> None:
        event.machine.add("B")
        interrupt()

    machine.bind_handlers({"AState": state})
    attempt(machine.add, "A")
    assert (machine.add("A") == Result.EXECUTED) is machine.is_("A")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped()], ids=["KeyboardInterrupt", "cancelled"])
@pytest.mark.parametrize("handler", ["AEnter", "CExit", "AnyEnter", "CEnd", "AState", "BState", "AnyState"])
def test_an_interrupted_handler_leaves_no_state_half_entered(handler: str, error: BaseException) -> None:
    schema = {"A": State(remove=["C"]), "B": State(after=["A"]), "C": State()}
    machine = Machine(schema, id="m")
    machine.add("C")
    entered: list[str] = []
    table: dict[str, Callable[[Event], Any]] = {
        name: lambda event: entered.append(event.name) for name in ("AState", "BState")
    }
    machine.bind_handlers({**table, handler: once(error)})
    wait = machine.when("A", "B")
    assert attempt(machine.add, "A", "B") is error
    assert machine.queue_len == 0
    assert machine.transition is None
    assert machine.when_queue_ends().done
    for name in "AB":
        if handler == "CEnd":
            break  # as in Go, whoever breaks while a state is left takes nothing back
        if machine.is_(name):
            assert f"{name}State" in entered, f"{name} is active, half entered"
    assert wait.done is machine.is_("A", "B")
    assert machine.set("A", "B") == Result.EXECUTED
    assert machine.is_("A", "B")
    assert wait.done


HOOKS = (
    "mutation_queued",
    "transition_init",
    "transition_start",
    "handler_start",
    "handler_end",
    "transition_end",
    "queue_end",
)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_tracer_that_raises_breaks_nothing(hook: str, machine: Machine) -> None:
    machine.bind_handlers({"AState": lambda event: event.machine.add("B")})
    machine.bind_tracer(type("Rude", (Tracer,), {hook: raising(ValueError("onlooker"))})())
    wait = machine.when("A")
    attempt(machine.add, "A")
    assert machine.is_("A", "B", "Follow")
    assert wait.done
    assert machine.queue_len == 0
    assert machine.when_queue_ends().done


def test_on_change_that_raises_loses_no_wait(machine: Machine) -> None:
    machine.on_change = once(ValueError("onlooker"))
    wait = machine.when("A")
    attempt(machine.add, "A")
    assert machine.is_("A", "Follow")
    assert wait.done
    assert machine.queue_len == 0


def test_on_error_that_raises_still_leaves_the_error_active(machine: Machine) -> None:
    machine.on_error = raising(RuntimeError("onlooker"))
    attempt(lambda: machine.add_err(ValueError("told")))
    assert machine.is_err()
    assert str(machine.err) == "told"
    assert machine.queue_len == 0


def test_an_eval_that_raises_strands_nothing(machine: Machine) -> None:
    def work() -> None:
        machine.add("A")
        raise ValueError("eval")

    assert isinstance(attempt(lambda: Result(machine.eval("work", work))), ValueError)
    assert machine.queue_len == 0
    assert machine.is_("A", "Follow")
    assert machine.add("B") == Result.EXECUTED


def test_a_wait_for_arguments_whose_callback_raises_breaks_no_transition() -> None:
    machine = Machine({"A": State(), "B": State(after=["A"])}, id="m")
    ran: list[str] = []
    machine.bind_handlers(
        {name: lambda event: ran.append(event.name) for name in ("AState", "BState", "AnyState")}
    )
    machine.when_args("A", {}).on_done(raising(ValueError("callback")))
    attempt(machine.add, "A", "B")
    assert ran[:3] == ["AState", "BState", "AnyState"]
    assert machine.is_("A", "B")
    assert machine.queue_len == 0


def test_what_is_no_function_is_refused_when_it_is_bound(machine: Machine) -> None:
    with pytest.raises((HandlerError, TypeError)):
        machine.bind_handlers({"AState": "not a function"})
    wait = machine.when("A")
    assert machine.add("A") == Result.EXECUTED
    assert machine.is_("A", "Follow")
    assert wait.done


def test_an_async_handler_that_should_answer_at_once_is_refused_when_it_is_bound(machine: Machine) -> None:
    async def enter(event: Event) -> bool:
        return True

    with pytest.raises(HandlerError):
        machine.bind_handlers({"AEnter": enter})


def test_an_error_state_that_does_not_exist_hides_no_error(machine: Machine) -> None:
    error = ValueError("real")
    with pytest.raises(UnknownStateError):
        machine.add_err_state("Typo", error)
    assert machine.is_err() is (machine.err is error)


class RudeAtTheEnd(Tracer):
    def machine_dispose(self, machine_id: str) -> None:
        raise ValueError("tracer")


@pytest.mark.parametrize("how", ["dispose", "dispose_now"])
@pytest.mark.parametrize("who", ["tracer", "callback"])
def test_a_machine_that_is_disposed_of_ends_whatever_onlookers_raise(
    who: str, how: str, machine: Machine
) -> None:
    if who == "tracer":
        machine.bind_tracer(RudeAtTheEnd())
    else:
        machine.on_dispose(raising(ValueError("callback")))
    told: list[str] = []
    machine.on_dispose(lambda _: told.append("second"))
    gone, wait = machine.when_disposed(), machine.when("A")
    attempt(getattr(machine, how))
    assert machine.is_disposed
    assert gone.done
    assert wait.error is not None
    assert told == ["second"]


def test_disposing_inside_a_handler_removes_start_first() -> None:
    ended: list[str] = []
    machine = Machine({"A": State(), "Start": State()}, id="m")
    machine.add("Start")
    machine.bind_handlers(
        {"AState": lambda event: event.machine.dispose(), "StartEnd": lambda event: ended.append(event.name)}
    )
    machine.add("A")
    assert machine.is_disposed
    assert ended == ["StartEnd"]


@pytest.mark.parametrize("handler", ["AEnter", "AState", "AnyState"])
def test_a_machine_disposed_of_by_a_handler_answers_alike_however_often_it_went_that_way(
    handler: str,
) -> None:
    answers = []
    for plans in (0, 100):
        machine = Machine({"A": State(), "B": State()}, id="m")
        machine.options.remember_plans = plans
        accepted: list[bool] = []

        class Look(Tracer):
            def transition_end(self, transition: Transition, accepted: list[bool] = accepted) -> None:
                accepted.append(transition.accepted)

        machine.bind_tracer(Look())
        turn = [0]

        def end(event: Event, turn: list[int] = turn) -> None:
            turn[0] += 1
            if turn[0] == 9:
                event.machine.dispose_now()

        machine.bind_handlers({handler: end})
        results = []
        for _ in range(10):
            results += [machine.add("A"), machine.remove("A")]
        answers.append((results, accepted, turn))
    assert answers[0] == answers[1]
