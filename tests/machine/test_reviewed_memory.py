"""Faults found in a review, of memory: what grows with every mutation, pipe, message or line for ever."""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc
import weakref
from collections.abc import Callable

import pytest
import trio
import trio.testing

from ampubsub.machine import Event, Machine, Options, State, Tracer, Transition, pipes
from ampubsub.machine.trio_adapter import own
from tests.machine.under_trio import under_trio

KB = 1024


def growth(run: Callable[[int], None], first: int, second: int) -> float:
    """Bytes kept per round between `first` and `second` rounds, once the first ones have filled what is bounded."""
    run(first)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run(second)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / second
    finally:
        tracemalloc.stop()


class Starts(Tracer):
    """Wants more than the ends of transitions."""

    def transition_start(self, transition: Transition) -> None:
        pass


def closely(kind: str, machine: Machine) -> None:
    if kind == "steps":
        machine.options.record_steps = True
    elif kind == "log":
        machine.options.log_level = 2  # type: ignore[assignment]
    elif kind == "on_change":
        machine.on_change = lambda *_: None
    else:
        machine.bind_tracer(Starts())


@pytest.mark.parametrize("kind", ["steps", "log", "on_change", "tracer"])
def test_a_machine_looked_at_closely_keeps_no_more_with_every_mutation(kind: str) -> None:
    names = [f"S{number:02}" for number in range(30)]
    machine = Machine(
        {name: State() for name in names}, id=f"watched {kind}", options=Options(remember_plans=50)
    )
    closely(kind, machine)
    turn = [1]

    def run(rounds: int) -> None:
        for _ in range(rounds):
            turn[0] = (turn[0] * 1_103_515_245 + 12_345) % (1 << 31)
            machine.toggle(names[(turn[0] >> 8) % 30])

    assert growth(run, 1_000, 3_000) < 100  # bytes


def test_a_machine_with_one_handler_is_small() -> None:
    schema = {f"State{number:03}": State() for number in range(200)}
    keep = Machine(schema, id="first", handlers={"State000State": lambda event: None})
    keep.add("State000")
    gc.collect()
    tracemalloc.start()
    try:
        made = Machine(schema, id="second", handlers={"State000State": lambda event: None})
        made.set(*list(schema)[:100])
        made.set(*list(schema)[100:])
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 100 * KB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("closed", ["by hand", "with its target"])
def test_pipes_that_were_closed_keep_no_machine_alive(closed: str) -> None:
    hub = Machine({"A": State()}, id="hub")
    targets: list[weakref.ref[Machine]] = []
    for number in range(50):
        target = Machine({"A": State()}, id=f"t{number}")
        pipe = pipes.bind(hub, target, "A")
        if closed == "by hand":
            pipe.close()
        target.dispose_now()
        targets.append(weakref.ref(target))
        del target, pipe
    hub.add("A")
    hub.remove("A")
    gc.collect()
    assert sum(target() is not None for target in targets) <= 1


def test_a_pipe_that_was_closed_keeps_its_source_alive_no_longer() -> None:
    target = Machine({"A": State()}, id="target")
    sources: list[weakref.ref[Machine]] = []
    for number in range(20):
        source = Machine({"A": State()}, id=f"s{number}")
        pipes.bind(source, target, "A").close()
        sources.append(weakref.ref(source))
        del source
    gc.collect()
    assert sum(source() is not None for source in sources) <= 1


@under_trio
async def test_async_handlers_of_a_multi_state_leave_nothing_when_they_are_done() -> None:
    machine = Machine({"Message": State(multi=True)}, id="m")
    done = [0]

    async def state(event: Event) -> None:
        done[0] += 1

    machine.bind_handlers({"MessageState": state})
    gc.collect()
    before = sum(type(each) is trio.CancelScope for each in gc.get_objects())
    async with own(machine):
        for _ in range(300):
            machine.add("Message")
            await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        kept = sum(type(each) is trio.CancelScope for each in gc.get_objects()) - before
    assert done == [300]
    assert kept < 20


@under_trio
async def test_an_async_handler_ends_with_its_rolled_back_state() -> None:
    machine = Machine({"A": State()}, id="m")
    ended: list[str] = []

    async def slow(event: Event) -> None:
        try:
            await trio.testing.wait_all_tasks_blocked()
            ended.append("ran to its end")
        except trio.Cancelled:
            ended.append("cancelled")
            raise

    def fail(event: Event) -> None:
        raise ValueError("no")

    machine.bind_handlers({"AState": slow})
    machine.bind_handlers({"AState": fail})
    async with own(machine):
        machine.add("A")
        assert not machine.is_("A")
        await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
    assert "ran to its end" not in ended


@pytest.mark.parametrize("handlers", [False, True])
def test_lines_written_between_mutations_are_not_kept_for_ever(handlers: bool) -> None:
    machine = Machine({"A": State()}, id="m", options=Options(log_level=1))  # type: ignore[arg-type]
    if handlers:
        machine.bind_handlers({"AState": lambda event: None})
    number = [0]

    def run(rounds: int) -> None:
        for _ in range(rounds):
            number[0] += 1
            machine.log(f"line {number[0]}")
            machine.toggle("A")

    assert growth(run, 1_500, 3_000) < 30  # bytes


def test_lines_of_a_machine_that_is_never_mutated_are_bounded() -> None:
    machine = Machine({"A": State()}, id="m", options=Options(log_level=1))  # type: ignore[arg-type]
    machine.add("A")

    def run(rounds: int) -> None:
        for number in range(rounds):
            machine.log(f"line {number}")

    assert growth(run, 20_000, 20_000) < 30  # bytes


def test_a_copy_of_a_machine_shares_nothing_with_it_or_is_refused() -> None:
    machine = Machine({"A": State()}, id="m")
    machine.add("A")
    for make in (copy.copy, copy.deepcopy):
        try:
            other = make(machine)
        except (TypeError, copy.Error):
            continue
        other.remove("A")
        assert machine.is_("A")
        assert machine.active_order == ("A",)


def test_a_machine_that_remembers_much_is_pickled_or_refused_in_words() -> None:
    machine = Machine({f"S{number:02}": State() for number in range(30)}, id="m")
    for number in range(2_000):
        machine.toggle(f"S{number * number % 31 % 30:02}")
        machine.toggle(f"S{number % 30:02}")
    try:
        data = pickle.dumps(machine)
    except (TypeError, pickle.PicklingError):
        return
    assert pickle.loads(data).string_all() == machine.string_all()


def test_disposed_machines_free_what_they_remembered() -> None:
    schema = {f"S{number:02}": State() for number in range(30)}
    gone: list[weakref.ref[Machine]] = []
    for number in range(20):
        machine = Machine(schema, id=f"m{number}", handlers={"S00State": lambda event: None})
        machine.options.record_steps = True
        for turn in range(100):
            machine.toggle(f"S{turn * turn % 30:02}")
        machine.when("S01")
        machine.dispose_now()
        gone.append(weakref.ref(machine))
        del machine
    gc.collect()
    assert not any(machine() is not None for machine in gone)
