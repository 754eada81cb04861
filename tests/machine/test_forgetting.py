"""Nothing is kept that nobody needs: waits given up, closed pipes, handlers that are over, what was remembered."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from ampubsub.machine import (
    Context,
    ContextEndedError,
    Event,
    LogLevel,
    Machine,
    Options,
    State,
    Tracer,
    Waiter,
    pipes,
)
from ampubsub.machine.trio_adapter import own

SCHEMA = {"A": State(), "B": State(), "Msg": State(multi=True), "Start": State()}
KINDS: dict[str, Callable[[Machine], Waiter]] = {
    "when": lambda m: m.when("A", "B"),
    "when_not": lambda m: m.when_not("Start"),
    "when_time": lambda m: m.when_time(["A", "B"], [99, 99]),
    "when_ticks": lambda m: m.when_ticks("A", 9),
    "when_args": lambda m: m.when_args("A", {"id": 1}),
    "when_bare_args": lambda m: m.when_args("A", {}),
    "when_query": lambda m: m.when_query(lambda _: False),
    "when_queue": lambda m: m.when_queue(999),
    "when_disposed": lambda m: m.when_disposed(),
    "when_err": lambda m: m.when_err(),
}
KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture
def machine() -> Machine:
    machine = Machine(SCHEMA, id="m")
    machine.add("Start")
    return machine


def kept_by(work: Callable[[], object]) -> float:
    """KB more after it than before."""
    work()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    work()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / 1024


@KIND
def test_waits_that_nobody_holds_leave_nothing(kind: Callable[[Machine], Waiter], machine: Machine) -> None:
    def work() -> None:
        for _ in range(2_000):
            kind(machine)

    assert kept_by(work) < 20
    assert machine.subscriptions.is_empty


@KIND
def test_waits_that_are_cancelled_leave_nothing(kind: Callable[[Machine], Waiter], machine: Machine) -> None:
    def work() -> None:
        waits = [kind(machine) for _ in range(2_000)]
        for wait in waits:
            wait.on_done(lambda _: None)
        for wait in waits:
            wait.cancel()

    assert kept_by(work) < 20
    assert machine.subscriptions.is_empty


@KIND
def test_waits_cancelled_under_trio_leave_nothing(
    kind: Callable[[Machine], Waiter], machine: Machine
) -> None:
    async def main() -> None:
        for _ in range(200):
            with trio.move_on_after(0):
                await kind(machine)

    trio.run(main)
    gc.collect()
    assert machine.subscriptions.is_empty


@KIND
def test_waits_cancelled_under_asyncio_leave_nothing(
    kind: Callable[[Machine], Waiter], machine: Machine
) -> None:
    async def wait() -> None:
        await kind(machine)

    async def main() -> None:
        tasks = [asyncio.create_task(wait()) for _ in range(200)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    gc.collect()
    assert machine.subscriptions.is_empty


@KIND
def test_waits_bounded_by_a_context_leave_nothing_there(
    kind: Callable[[Machine], Waiter], machine: Machine
) -> None:
    context = Context()

    def work() -> None:
        for _ in range(1_000):
            machine.when("A", "B", ctx=context)
            machine.when_args("A", {"x": 1}, ctx=context)
            machine.when_ticks("A", 1, ctx=context)

    assert kept_by(work) < 20


def test_a_wait_with_a_callback_is_kept_though_nobody_holds_it(machine: Machine) -> None:
    told: list[str] = []
    machine.when("A").on_done(lambda _: told.append("A"))
    gc.collect()
    machine.add("A")
    assert told == ["A"]


def test_a_wait_given_up_by_one_stays_for_another(machine: Machine) -> None:
    one, other = machine.when_args("A", {"id": 1}), machine.when_args("A", {"id": 1})
    one.cancel()
    third = machine.when_args("A", {"id": 1})
    assert third.error is None
    machine.add("A", args={"id": 1})
    assert other.done
    assert third.done


def test_a_wait_for_any_arguments_does_not_share_one_that_wants_more(machine: Machine) -> None:
    narrow, wide = machine.when_args("A", {"id": 1}), machine.when_args("A", {})
    machine.add("A", args={"id": 2})
    assert wide.done
    assert not narrow.done


def test_a_wait_ends_with_its_context(machine: Machine) -> None:
    context = Context()
    waiter = machine.when("A", ctx=context)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, lambda: None)
            context.cancel()
            with pytest.raises(ContextEndedError, match="gave up waiting for m to have A active"):
                await waiter

    trio.run(main)


def test_pipes_that_were_closed_let_both_machines_go() -> None:
    hub = Machine(SCHEMA, id="hub")

    def work() -> None:
        for _ in range(50):
            target = Machine(SCHEMA, id="target")
            pipes.bind(hub, target, "A", "A").close()
            gone = Machine(SCHEMA, id="gone")
            pipes.bind(hub, gone, "A", "A")
            gone.dispose()

    assert kept_by(work) < 30


@pytest.mark.trio
async def test_async_handlers_of_a_multi_state_leave_nothing_once_they_are_over() -> None:
    async def message(event: Event) -> None:
        await trio.lowlevel.checkpoint()

    machine = Machine(SCHEMA, id="m", handlers={"MsgState": message})
    async with own(machine):
        for _ in range(300):
            machine.add("Msg")
            await trio.testing.wait_all_tasks_blocked()
        context = machine.state_context("Msg")
        assert not context._callbacks
        waits = machine.subscriptions.times
        assert sum(len(heap.items) for heap in waits.values()) < 40


def test_looking_closely_does_not_fill_the_memory() -> None:
    names = [f"S{i}" for i in range(12)]
    machine = Machine({name: State() for name in names}, id="m", options=Options(record_steps=True))

    def work() -> None:
        for number in range(600):
            machine.add(*[name for i, name in enumerate(names) if number * 7 % 4096 >> i & 1])
            machine.set(names[number % 12])

    assert kept_by(work) < 20


def test_log_lines_between_transitions_are_bounded() -> None:
    machine = Machine(SCHEMA, id="m", options=Options(log_level=LogLevel.EXTERNAL))

    def work() -> None:
        for number in range(3_000):
            machine.log(f"line {number}")
            machine.add("A")
            machine.remove("A")

    assert kept_by(work) < 100


def test_a_binding_costs_what_it_binds_not_what_it_might() -> None:
    schema = {f"S{i}": State() for i in range(200)}
    Machine(schema, id="first")
    gc.collect()
    tracemalloc.start()
    machine = Machine(schema, id="m", handlers={"S0State": lambda event: None})
    for i in range(40):
        machine.add(f"S{i}")
    each = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert each < 100_000


def test_arguments_of_one_mutation_never_reach_another() -> None:
    machine = Machine(SCHEMA, id="m")

    def write(event: Event) -> None:
        event.args["x"] = 1  # type: ignore[index]

    machine.bind_handlers({"AState": write})
    other = Machine(SCHEMA, id="other")
    wait = other.when_args("B", {"x": 1})
    machine.add("A")
    other.add("B")
    assert not wait.done


def test_an_async_handler_ends_when_its_state_is_taken_out_again() -> None:
    seen: list[str] = []

    async def first(event: Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            seen.append("ended")

    def second(event: Event) -> None:
        raise ValueError("no")

    machine = Machine(SCHEMA, id="m", handlers=[{"AState": first}, {"AState": second}])

    async def main() -> None:
        async with own(machine):
            machine.add("A")
            assert not machine.is_("A")
            await trio.testing.wait_all_tasks_blocked()
            assert seen in (["ended"], [])
            await trio.testing.wait_all_tasks_blocked()

    trio.run(main)


def test_a_breakpoint_stops_every_time_and_once() -> None:
    machine = Machine(SCHEMA, id="m")
    stops: list[str] = []
    machine.add_breakpoint(["A"])
    machine.breakpoint_hook = lambda: stops.append(str(machine))
    for _ in range(5):
        machine.add("A")
        machine.remove("A")
    assert stops == ["()"] * 5


def test_the_end_of_the_queue_is_told_to_who_waits_since_a_handler() -> None:
    for remembered in (0, 4):
        machine = Machine(SCHEMA, id="m")
        waits: list[Any] = []
        machine.bind_handlers(
            {"AState": lambda event, waits=waits, m=machine: waits.append(m.when_queue_ends())}
        )
        for _ in range(remembered):
            machine.add("A")
            machine.remove("A")
        machine.add("A")
        assert waits[-1].done


def test_a_tracer_bound_in_a_handler_is_heeded_from_the_next_mutation_on() -> None:
    seen: list[str] = []

    class Late(Tracer):
        def transition_end(self, transition: Any) -> None:
            seen.append(transition.called[0])

    machine = Machine(SCHEMA, id="m")
    turns = iter([False] * 3 + [True])
    machine.bind_handlers(
        {"AEnter": lambda event: event.machine.bind_tracer(Late()) if next(turns, False) else None}
    )
    for _ in range(4):
        machine.add("A")
        machine.remove("A")
    assert seen == ["A", "A"]
