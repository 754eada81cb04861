"""Handlers: who is asked, in which order, what a refusal, an exception or slowness does."""

from __future__ import annotations

from typing import Any

import pytest

from ampubsub.machine import (
    Event,
    ExceptionHandler,
    HandlerError,
    HandlerTimeoutError,
    Machine,
    MutationKind,
    Options,
    Result,
    State,
)
from ampubsub.machine.handlers import handler_names


class Clock:
    """Time that passes only when told; stands in for the machine's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in ("calling", "walk", "machine"):
            monkeypatch.setattr(f"ampubsub.machine.{module}.monotonic", lambda: self.now, raising=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def listening(machine: Machine, **special: Any) -> list[str]:
    """Every handler there can be, writing down its name."""
    ran: list[str] = []

    def note(event: Event) -> bool:
        ran.append(event.name)
        return True

    machine.bind_handlers(dict.fromkeys(handler_names(machine.state_names), note) | special)
    return ran


def test_negotiation_then_final_handlers_run_in_gos_order() -> None:
    machine = Machine({"A": State(remove=["B"]), "B": State(), "C": State()}, id="m")
    machine.add("B", "C")
    ran = listening(machine)
    machine.add("A")
    assert ran == [
        *("BExit", "AEnter", "CC"),
        *("BA", "BC", "CA", "AnyEnter"),
        *("BEnd", "AState", "AnyState"),
    ]


def test_handlers_see_the_old_states_while_negotiating_and_the_new_ones_afterwards() -> None:
    machine = Machine({"A": State(remove=["B"]), "B": State()}, id="m")
    machine.add("B")
    seen: list[str] = []
    machine.bind_handlers(
        {name: lambda event: seen.append(str(machine)) for name in ("AEnter", "BEnd", "AState")}
    )
    machine.add("A")
    assert seen == ["(B:1)", "(A:1)", "(A:1)"]


def test_one_refusal_cancels_all_and_nothing_has_changed() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m")
    ran = listening(machine, BEnter=lambda event: False)
    assert machine.add("A", "B") == Result.CANCELED
    assert machine.time().sum() == 0
    assert ran == ["AEnter"]


def test_only_false_refuses() -> None:
    for answer in (None, 0, "", []):
        machine = Machine({"A": State()}, id="m", handlers={"AEnter": lambda event, answer=answer: answer})
        assert machine.add("A") == Result.EXECUTED


def test_what_a_handler_mutates_is_queued_behind_the_running_transition() -> None:
    machine = Machine({"A": State(), "B": State(), "C": State(auto=True, require=["A"])}, id="m")
    results: list[str] = []
    machine.bind_handlers({"AEnter": lambda event: results.append(str(machine.add("B", event=event)))})
    ran = listening(machine)
    machine.add("A")
    assert results == ["queued"]
    assert ran.index("AState") < ran.index("CState") < ran.index("BState")


def test_auto_states_are_refused_one_by_one() -> None:
    machine = Machine({"A": State(), "B": State(auto=True), "C": State(auto=True)}, id="m")
    machine.bind_handlers({"BEnter": lambda event: False})
    machine.add("A")
    assert machine.is_("A", "C")
    assert not machine.is_("B")


def test_an_exception_before_the_change_leaves_the_states_alone_and_adds_exception() -> None:
    def enter(event: Event) -> None:
        raise ValueError("no key")

    machine = Machine({"A": State()}, id="m", handlers=[ExceptionHandler(), {"AEnter": enter}])
    assert machine.add("A") == Result.CANCELED
    assert str(machine) == "(Exception:1)"
    assert str(machine.err) == "no key"


def test_an_exception_after_the_change_takes_out_what_was_not_settled() -> None:
    def state(event: Event) -> None:
        raise ValueError("stuck")

    machine = Machine({"A": State(), "B": State(after=["A"]), "C": State(after=["B"])}, id="m")
    machine.bind_handlers({"BState": state})
    machine.add("A", "B", "C")
    assert machine.active_states() == ("A", "Exception")
    assert machine.add("A") == Result.EXECUTED


def test_with_panics_let_through_an_exception_reaches_the_caller_and_the_machine_goes_on() -> None:
    options = Options(panic_to_exception=False)
    turns = iter([True, True, True, False])

    def enter(event: Event) -> None:
        if not next(turns, True):
            raise ValueError("seen by the caller")

    machine = Machine({"A": State()}, id="m", options=options, handlers={"AEnter": enter})
    for _ in range(3):
        machine.add("A")
        machine.remove("A")
    with pytest.raises(ValueError, match="seen by the caller"):
        machine.add("A")
    assert machine.add("A") == Result.EXECUTED
    assert not machine.is_err()


@pytest.mark.parametrize("rounds", [0, 4])
def test_with_a_time_limit_a_handler_that_takes_too_long_counts_as_a_refusal(
    clock: Clock, rounds: int
) -> None:
    machine = Machine({"A": State()}, id="m", options=Options(handler_timeout_s=0.1))

    def enter(event: Event) -> None:
        clock.now += event.args.get("takes", 0)

    machine.bind_handlers({"AEnter": enter})
    for _ in range(rounds):
        machine.add("A")
        machine.remove("A")
    assert machine.add("A", args={"takes": 0.2}) == Result.CANCELED
    assert not machine.is_err()
    assert machine.add("A", args={"takes": 0.05}) == Result.EXECUTED


@pytest.mark.parametrize("rounds", [0, 4])
def test_with_a_time_limit_a_handler_past_its_deadline_makes_the_machine_back_off(
    clock: Clock, rounds: int
) -> None:
    machine = Machine({"A": State(), "B": State()}, id="m", options=Options(handler_timeout_s=0.1))

    def state(event: Event) -> None:
        clock.now += event.args.get("takes", 0)
        machine.add("B")

    machine.bind_handlers({"AState": state})
    for _ in range(rounds):
        machine.add("A")
        machine.set()
    machine.add("A", args={"takes": 11})
    assert isinstance(machine.err, HandlerTimeoutError)
    assert "AState" in str(machine.err)
    assert not machine.is_("B")
    assert machine.is_backing_off
    assert machine.add("B") == Result.CANCELED
    clock.now += 4
    assert machine.add("B") == Result.EXECUTED


def test_what_is_not_a_handler_is_refused_by_name_when_it_is_bound() -> None:
    with pytest.raises(
        HandlerError, match=r"anon\.AEnter is not callable: a handler is a function of one event"
    ):
        Machine({"A": State()}, id="m", handlers={"AEnter": 7})


def test_detached_handlers_are_no_longer_called() -> None:
    machine = Machine({"A": State()}, id="m")
    ran: list[str] = []
    table = {"AState": lambda event: ran.append(event.name)}
    machine.bind_handlers(table)
    for _ in range(3):
        machine.add("A")
        machine.remove("A")
    machine.detach_handlers(table)
    machine.add("A")
    assert ran == ["AState"] * 3
    with pytest.raises(HandlerError, match="not bound"):
        machine.detach_handlers(table)


def test_checks_ask_the_handlers_and_change_nothing() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m", handlers={"BEnter": lambda event: False})
    assert machine.can_add("A") == Result.EXECUTED
    assert machine.can_add("B") == Result.CANCELED
    assert machine.can_remove("A") == Result.EXECUTED
    assert machine.time().sum() == 0
    assert machine.queue_tick == 1


def test_a_mutation_remembers_which_event_it_came_from() -> None:
    other = Machine({"X": State()}, id="other")
    machine = Machine({"A": State()}, id="m", handlers={"AState": lambda event: other.add("X", event=event)})
    sources: list[object] = []
    other.bind_handlers({"XState": lambda event: sources.append(event.mutation.source)})
    machine.add("A")
    assert str(sources[0]) == "m/1/0"
    assert other.is_("X")


def test_an_event_kept_for_later_still_tells_what_happened() -> None:
    machine = Machine({"A": State()}, id="m")
    kept: list[Event] = []
    machine.bind_handlers({"AState": kept.append})
    for number in range(4):
        machine.add("A", args={"number": number})
        machine.remove("A")
    event = kept[-1]
    assert event.args == {"number": 3}
    assert event.mutation.kind is MutationKind.ADD
    assert event.transition.handlers == ["AState"]
    assert (str(event.transition.time_before), str(event.transition.time_after)) == ("6 0", "7 0")
    assert event.transition.completed
    assert repr(event) == "<Event AState of m>"


def test_an_exception_in_the_handler_of_exceptions_cancels_and_the_machine_stays_usable() -> None:
    def state(event: Event) -> None:
        raise ValueError("twice")

    machine = Machine({"A": State()}, id="m", handlers={"ExceptionState": state})
    for _ in range(4):
        assert machine.add_err(ValueError("once")) == Result.CANCELED
        assert machine.add("A") == Result.EXECUTED
        machine.remove("A", "Exception")
    assert machine.queue_len == 0


def test_an_auto_state_that_refuses_to_leave_for_another_cancels_only_that_auto_mutation() -> None:
    schema = {"A": State(auto=True), "B": State(auto=True, require=["C"], remove=["A"]), "C": State()}
    machine = Machine(schema, id="m", handlers={"AExit": lambda event: False})
    machine.set("A")
    assert machine.add("C") == Result.EXECUTED
    assert machine.is_("A", "C")
    assert not machine.is_("B")
