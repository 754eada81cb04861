"""Faults of waits found in a review: what fires falsely, what is kept for ever, what gets another's answer."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import trio
import trio.testing

from ampubsub.machine import Context, ContextEndedError, Event, Machine, State, Waiter
from tests.machine.under_trio import under_trio

MANY = 10_000

WAYS: dict[str, Callable[[Machine, int, Context | None], Waiter]] = {
    "when": lambda machine, number, ctx: machine.when("A", ctx=ctx),
    "when two": lambda machine, number, ctx: machine.when("A", "B", ctx=ctx),
    "when_not": lambda machine, number, ctx: machine.when_not("C", ctx=ctx),
    "when_err": lambda machine, number, ctx: machine.when_err(ctx),
    "when_time": lambda machine, number, ctx: machine.when_time(["A"], [1_000 + number], ctx),
    "when_ticks": lambda machine, number, ctx: machine.when_ticks("A", 50, ctx),
    "when_args": lambda machine, number, ctx: machine.when_args("A", {"id": number % 500}, ctx),
    "when_query": lambda machine, number, ctx: machine.when_query(lambda view: False, ctx),
    "when_queue": lambda machine, number, ctx: machine.when_queue(machine.queue_tick + 9_999),
    "when_disposed": lambda machine, number, ctx: machine.when_disposed(),
}
"""Every kind of wait that does not come true on a quiet machine."""
BOUNDED = [way for way in WAYS if way not in ("when_queue", "when_disposed")]
"""Those that take a context."""


@pytest.fixture
def machine() -> Machine:
    made = Machine({name: State() for name in "ABC"}, id="door")
    made.add("C")
    return made


def living() -> int:
    """How many waits exist in this process."""
    gc.collect()
    return sum(type(each) is Waiter for each in gc.get_objects())


def test_when_two_states_pass_each_other_they_were_never_together() -> None:
    machine = Machine({"A": State(), "B": State(remove=["A"])}, id="light")
    machine.add("A")
    both = machine.when("A", "B")
    machine.add("B")
    assert machine.active_states() == ("B",)
    assert not both.done


def test_states_that_pass_each_other_are_not_together_for_a_wait_made_on_the_way_either() -> None:
    machine = Machine({"A": State(), "B": State(remove=["A"])}, id="light")
    machine.add("A")
    waits: list[Waiter] = []
    machine.bind_handlers({"BState": lambda event: waits.append(event.machine.when("A", "B"))})
    machine.add("B")
    assert not waits[0].done


def test_a_wait_is_told_though_a_handler_broke_the_transition_that_made_it_true() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m")

    def any_state(event: Event) -> None:
        if not event.machine.is_err():
            raise ValueError("late")

    machine.bind_handlers({"AnyState": any_state})
    wait = machine.when("A", "B")
    machine.add("A", "B")
    assert machine.is_("A", "B")
    assert wait.done


@pytest.mark.parametrize("way", WAYS)
def test_waits_given_up_leave_nothing(way: str, machine: Machine) -> None:
    before = living()
    for number in range(MANY):
        WAYS[way](machine, number, None).cancel()
    assert living() - before < 100


@pytest.mark.parametrize("way", BOUNDED)
def test_waits_whose_context_ended_leave_nothing(way: str, machine: Machine) -> None:
    before = living()
    for number in range(MANY // 10):
        context = Context()
        WAYS[way](machine, number, context)
        context.cancel()
    assert living() - before < 100


@pytest.mark.parametrize("way", WAYS)
@under_trio
async def test_waits_cancelled_under_trio_leave_nothing(way: str, machine: Machine) -> None:
    before = living()
    for number in range(500):
        with trio.CancelScope() as scope:
            scope.cancel()
            await WAYS[way](machine, number, None)
    assert living() - before < 100


def test_waits_for_the_end_of_a_queue_that_are_given_up_leave_nothing(machine: Machine) -> None:
    counts: list[int] = []

    def state(event: Event) -> None:
        before = living()
        for _ in range(MANY):
            event.machine.when_queue_ends().cancel()
        counts.append(living() - before)

    machine.options.handler_timeout_s = 60.0
    machine.bind_handlers({"AState": state})
    machine.add("A")
    assert counts
    assert counts[0] < 100


def test_a_wait_given_up_is_not_handed_to_the_next_who_asks(machine: Machine) -> None:
    machine.when_args("A", {"id": 1}).cancel()
    fresh = machine.when_args("A", {"id": 1})
    assert fresh.error is None
    machine.add("A", args={"id": 1})
    assert fresh.done


def test_two_who_wait_for_the_same_arguments_give_up_each_for_himself(machine: Machine) -> None:
    one, other = machine.when_args("A", {"id": 1}), machine.when_args("A", {"id": 1})
    one.cancel()
    assert other.error is None
    machine.add("A", args={"id": 1})
    assert other.done
    assert not one.done


def test_a_wide_wait_for_arguments_fires_beside_a_narrow_one(machine: Machine) -> None:
    narrow, wide = machine.when_args("A", {"id": 1}), machine.when_args("A", {})
    machine.add("A", args={"id": 2})
    assert wide.done
    assert not narrow.done


def test_arguments_that_cannot_be_hashed_are_waited_for_all_the_same(machine: Machine) -> None:
    wait = machine.when_args("A", {"ids": [1, 2]})
    machine.add("A", args={"ids": [2]})
    machine.remove("A")
    assert not wait.done
    machine.add("A", args={"ids": [1, 2], "more": 1})
    assert wait.done


def test_arguments_put_in_by_a_handler_reach_no_other_mutation_and_no_other_machine(machine: Machine) -> None:
    def state(event: Event) -> None:
        event.args["x"] = 1  # type: ignore[index] # what a careless handler does

    machine.bind_handlers({"AState": state})
    other = Machine({"Z": State()}, id="other")
    wait = other.when_args("Z", {"x": 1})
    machine.add("A")
    seen: list[dict[str, object]] = []
    other.bind_handlers({"ZState": lambda event: seen.append(dict(event.args))})
    other.add("Z")
    assert seen == [{}]
    assert not wait.done


@under_trio
async def test_a_bounded_wait_ends_with_its_context(machine: Machine) -> None:
    context = Context()
    async with trio.open_nursery() as nursery:

        async def sleeper() -> None:
            with pytest.raises(ContextEndedError):
                await machine.when("A", ctx=context)

        nursery.start_soon(sleeper)
        await trio.testing.wait_all_tasks_blocked()
        context.cancel()
        with trio.move_on_after(1) as bound:
            while nursery.child_tasks:
                await trio.testing.wait_all_tasks_blocked()
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert not bound.cancelled_caught


def test_a_wait_bounded_by_an_ended_context_fails_in_words(machine: Machine) -> None:
    context = Context()
    wait = machine.when("A", ctx=context)
    context.cancel()
    assert isinstance(wait.error, ContextEndedError)
    ended = machine.when("B", ctx=context)
    assert isinstance(ended.error, ContextEndedError)


def test_a_wait_for_the_end_of_the_queue_made_in_a_handler_is_told_each_time() -> None:
    for plans in (0, 100):
        machine = Machine({"A": State()}, id="m")
        machine.options.remember_plans = plans
        waits: list[Waiter] = []
        turn = [0]

        def state(event: Event, waits: list[Waiter] = waits, turn: list[int] = turn) -> None:
            turn[0] += 1
            if turn[0] == 6:
                waits.append(event.machine.when_queue_ends())

        machine.bind_handlers({"AState": state})
        for _ in range(8):
            machine.add("A")
            machine.remove("A")
        assert [wait.done for wait in waits] == [True]
