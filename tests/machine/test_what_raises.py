"""Whatever raises: no queue is stranded, nobody gets another's answer, no wait is lost, no state stays half entered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ampubsub.machine import Event, Machine, MachineError, Options, Result, State, Tracer

SCHEMA = {"A": State(), "B": State(), "C": State(auto=True, require=["A"]), "Start": State()}


class Trouble(Exception):  # noqa: N818
    """Raised on purpose."""


def raising(*_: object) -> None:
    raise Trouble("on purpose")


def in_a_callback(machine: Machine) -> None:
    machine.when("A").on_done(raising)


def in_a_context(machine: Machine) -> None:
    machine.add("Start")
    machine.state_context("Start").on_done(raising)
    machine.bind_handlers({"AState": lambda event: machine.remove("Start")})


def in_a_callback_for_arguments(machine: Machine) -> None:
    machine.when_args("A", {"x": 1}).on_done(raising)


def in_on_change(machine: Machine) -> None:
    turns = iter([True])
    machine.on_change = lambda *_: raising() if next(turns, False) else None


def in_a_logger(machine: Machine) -> None:
    turns = iter([True])
    machine.options.log_level = 2  # type: ignore[assignment]
    machine.options.logger = lambda *_: raising() if next(turns, False) else None


def in_a_hook(hook: str) -> Callable[[Machine], None]:
    def bind(machine: Machine) -> None:
        turns = iter([True])

        def call(*_: object) -> None:
            if next(turns, False):
                raising()

        machine.bind_tracer(type("Bad", (Tracer,), {hook: call})())

    bind.__name__ = f"in_{hook}"
    return bind


HOOKS = [
    "mutation_queued",
    "transition_init",
    "transition_start",
    "handler_start",
    "handler_end",
    "transition_end",
    "queue_end",
]
ONLOOKERS = [
    in_a_callback, in_a_context, in_a_callback_for_arguments, in_on_change, in_a_logger, *map(in_a_hook, HOOKS),
]  # fmt: skip


@pytest.mark.parametrize("rounds", [0, 3])
@pytest.mark.parametrize("trouble", ONLOOKERS, ids=lambda trouble: trouble.__name__)
def test_an_onlooker_that_raises_is_heard_and_changes_nothing(
    trouble: Callable[[Machine], None], rounds: int
) -> None:
    ran: list[str] = []
    machine = Machine(SCHEMA, id="m")
    machine.bind_handlers({"AState": lambda event: ran.append(event.name), "AnyState": lambda event: None})
    for _ in range(rounds):
        machine.add("A", args={"x": 0})
        machine.set()
    ran.clear()
    trouble(machine)
    told = machine.when("A", "C")
    with pytest.raises(Trouble, match="on purpose"):
        machine.add("A", args={"x": 1})
    assert machine.is_("A", "C")
    assert ran == ["AState"]
    assert told.done
    assert machine.queue_len == 0
    assert machine.transition is None
    assert machine.add("B") == Result.EXECUTED
    assert machine.is_("B")
    machine.bind_handlers({"BEnter": lambda event: False})
    machine.remove("B")
    assert machine.add("B") == Result.CANCELED
    assert machine.add("A") == Result.EXECUTED


INTERRUPTIONS = [KeyboardInterrupt, SystemExit, GeneratorExit]


@pytest.mark.parametrize("rounds", [0, 3])
@pytest.mark.parametrize("error", INTERRUPTIONS)
@pytest.mark.parametrize("where", ["AExit", "BEnter", "AEnd", "BState", "CState", "AnyState", "AnyEnter"])
def test_an_interruption_in_a_handler_reaches_the_caller_and_leaves_nothing_half_done(
    where: str, error: type[BaseException], rounds: int
) -> None:
    schema = {"A": State(), "B": State(remove=["A"], add=["C"]), "C": State(), "D": State(), "E": State()}
    machine = Machine(schema, id="m")
    armed = [False]

    def interrupt(event: Event) -> None:
        if armed.pop() if armed else False:
            event.machine.add("D")
            raise error

    machine.bind_handlers({where: interrupt})
    ran: list[str] = []
    machine.bind_handlers({name: lambda event: ran.append(event.name) for name in ("BState", "CState")})
    for _ in range(rounds):
        machine.set("A")
        machine.add("B")
    machine.set("A")
    ran.clear()
    armed[:] = [True]
    enters = machine.when("E")
    with pytest.raises(error):
        machine.add("B")
    assert machine.queue_len == 0
    assert not machine.is_("D")  # what waited was cancelled
    assert machine.transition is None
    assert isinstance(machine.err, error)
    assert machine.is_err()
    for state in ("B", "C"):
        if machine.is_(state):
            assert f"{state}State" in ran or where == "AnyState"
    assert set(machine.active_order) == set(machine.active_states())
    assert machine.add("E") == Result.EXECUTED
    assert enters.done


def test_the_answer_of_a_stranded_mutation_is_never_anothers() -> None:
    machine = Machine({"A": State(), "B": State(require=["C"]), "C": State()}, id="m")
    hurt = iter([True])

    def state(event: Event) -> None:
        event.machine.add("B")
        if next(hurt, False):
            raise KeyboardInterrupt

    machine.bind_handlers({"AState": state})
    with pytest.raises(KeyboardInterrupt):
        machine.add("A")
    assert machine.remove("Exception") == Result.EXECUTED
    assert machine.add("A") == Result.EXECUTED
    assert machine.is_("A")


def test_with_exceptions_let_through_a_state_is_taken_out_again_and_the_queue_goes_on() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m", options=Options(panic_to_exception=False))

    def state(event: Event) -> None:
        event.machine.add("B")
        raise Trouble("let through")

    machine.bind_handlers({"AState": state})
    with pytest.raises(Trouble):
        machine.add("A")
    assert str(machine) == "(B:1)"
    assert machine.queue_len == 0


def test_an_eval_that_raises_leaves_the_queue_whole() -> None:
    machine = Machine(SCHEMA, id="m")
    with pytest.raises(Trouble):
        machine.eval("look", lambda: (machine.add("A"), raising()))
    assert machine.is_("A", "C")


def test_the_waits_of_a_machine_that_goes_end_whatever_its_callbacks_do() -> None:
    machine = Machine(SCHEMA, id="m")
    machine.on_dispose(raising)
    machine.when("A").on_done(raising)
    other, gone = machine.when("B"), machine.when_disposed()
    with pytest.raises(Trouble):
        machine.dispose()
    assert machine.is_disposed
    assert other.error is not None
    assert gone.done
    machine.dispose()


def test_a_tracer_that_raises_at_the_end_does_not_keep_the_machine_alive() -> None:
    class Bad(Tracer):
        def machine_dispose(self, machine_id: str) -> None:
            raising()

    machine = Machine(SCHEMA, id="m", tracers=[Bad()])
    with pytest.raises(Trouble):
        machine.dispose()
    assert machine.is_disposed


def test_on_error_that_raises_does_not_lose_the_error() -> None:
    machine = Machine(SCHEMA, id="m")
    machine.on_error = raising
    with pytest.raises(Trouble):
        machine.add_err(ValueError("the first"))
    assert machine.is_err()
    assert str(machine.err) == "the first"


def test_an_unknown_error_state_is_named_and_changes_nothing() -> None:
    machine = Machine(SCHEMA, id="m")
    with pytest.raises(MachineError, match="Typo"):
        machine.add_err_state("Typo", ValueError("lost?"))
    assert machine.err is None
    assert not machine.is_err()


@pytest.mark.parametrize("point", range(40))
def test_whatever_point_raises_the_machine_stays_sound(point: int) -> None:
    """Every hook, handler and callback counts; the one whose turn it is raises."""
    for error in (Trouble, KeyboardInterrupt):
        left = [point]

        def turn(*_: Any, left: list[int] = left, error: type[BaseException] = error) -> None:
            left[0] -= 1
            if left[0] == -1:
                raise error

        machine = Machine(SCHEMA, id="m")
        names = (
            "AEnter",
            "AState",
            "AEnd",
            "AExit",
            "BState",
            "CEnter",
            "CState",
            "AnyEnter",
            "AnyState",
            "AB",
        )
        machine.bind_handlers(dict.fromkeys(names, turn))
        machine.bind_tracer(type("Every", (Tracer,), dict.fromkeys(HOOKS, turn))())
        machine.on_change = turn
        waits = [machine.when("A"), machine.when("C"), machine.when_args("A", {"x": 1})]
        for wait in waits:
            wait.on_done(turn)
        for change, state in ((machine.add, "A"), (machine.add, "B"), (machine.remove, "A")):
            try:
                change(state, args={"x": 1})
            except error:
                pass
            assert machine.queue_len == 0
            assert machine.transition is None
            assert set(machine.active_order) == set(machine.active_states())
            assert machine.when_queue_ends().done
        left[0] = -5
        machine.set()
        assert machine.add("A", args={"x": 1}) == Result.EXECUTED
        assert all(wait.done for wait in waits)
        assert machine.is_("A", "C")
