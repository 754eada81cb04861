"""Whatever raises, at whatever point: the machine is whole afterwards. A counter picks the point.

The points are all calls that a machine makes into foreign code: handlers, tracers, `on_change`, callbacks of waits.
`AMPUBSUB_EXAMPLES` sets how many programs hypothesis makes (100 in a plain run).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampubsub.machine import Event, Machine, Options, Result, State, Tracer, Waiter

EXAMPLES = int(os.environ.get("AMPUBSUB_EXAMPLES", "100"))
NAMES = ("A", "B", "C", "D")
HOOKS = (
    "mutation_queued",
    "transition_init",
    "transition_start",
    "handler_start",
    "handler_end",
    "transition_end",
    "queue_end",
)


class Cancelled(BaseException):
    """Stands for trio.Cancelled: nobody may swallow it."""


class Points:
    """Counts the calls into foreign code and raises at one of them, once."""

    def __init__(self, at: int, error: type[BaseException]) -> None:
        self.left = at
        self.error = error
        self.raised_in = ""

    def pass_by(self, where: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.raised_in = where
            raise self.error(f"at {where}")


def onlooker(points: Points) -> Tracer:
    def hook(name: str) -> Callable[..., None]:
        return lambda *_: points.pass_by(name)

    kind: type[Tracer] = type("Onlooker", (Tracer,), {name: hook(name) for name in HOOKS})
    return kind()


few = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
states = st.builds(State, auto=st.booleans(), multi=st.booleans(), add=few, remove=few, after=few)
schemas = st.fixed_dictionaries(dict.fromkeys(NAMES, states))
changes = st.tuples(
    st.sampled_from(("add", "add", "remove", "set")),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(tuple),
)
scripts = st.lists(changes, min_size=1, max_size=6)
inner = st.dictionaries(st.sampled_from([name + "State" for name in NAMES]), changes, max_size=2)
errors = st.sampled_from((ValueError, KeyboardInterrupt, Cancelled))
plans = st.sampled_from((0, 100))


def build(
    schema: dict[str, State], within: dict[str, Any], points: Points, remember: int, onlookers: bool
) -> Machine:
    machine = Machine(
        schema, id="m", states=[*NAMES, "Exception"], options=Options(remember_plans=remember, queue_limit=20)
    )
    left = [30]

    def make(name: str) -> Callable[[Event], bool]:
        def handler(event: Event) -> bool:
            points.pass_by(name)
            if name in within and left[0]:
                left[0] -= 1
                kind, called = within[name]
                getattr(event.machine, kind)(*called)
            return True

        return handler

    words = [name + word for name in NAMES for word in ("Enter", "Exit", "State", "End")]
    machine.bind_handlers({word: make(word) for word in [*words, "AnyEnter", "AnyState"]})
    if onlookers:
        machine.bind_tracer(onlooker(points))
        machine.on_change = lambda *_: points.pass_by("on_change")
    return machine


def mutate(
    machine: Machine, change: tuple[str, tuple[str, ...]]
) -> tuple[Result | None, BaseException | None]:
    kind, called = change
    try:
        return getattr(machine, kind)(*called), None
    except (ValueError, KeyboardInterrupt, Cancelled) as error:
        return None, error


def check_whole(machine: Machine) -> None:
    """What holds for an idle machine, whatever happened before."""
    assert machine.queue_len == 0, "something is stranded in the queue"
    assert machine.transition is None
    assert machine.when_queue_ends().done
    active = {name for name, tick in zip(machine.state_names, machine.time(), strict=True) if tick & 1}
    assert set(machine.active_order) == active, "clocks and order disagree"
    assert len(machine.active_order) == len(active)


@settings(max_examples=EXAMPLES, deadline=None)
@given(schemas, inner, scripts, st.integers(1, 120), errors, plans, st.booleans())
def test_the_machine_is_whole_after_whatever_raised(
    schema: dict[str, State],
    within: dict[str, Any],
    script: list[Any],
    at: int,
    error: type[BaseException],
    remember: int,
    onlookers: bool,
) -> None:
    points = Points(at, error)
    machine = build(schema, within, points, remember, onlookers)
    waits: list[tuple[Waiter, Callable[[], bool]]] = []
    ticks = machine.time()
    for change in script * 3:
        waits.append((machine.when(*change[1]), lambda change=change: machine.is_(*change[1])))
        if not waits[-1][0].done:
            waits[-1][0].on_done(lambda _: points.pass_by("callback of a wait"))
        before = points.raised_in
        result, raised = mutate(machine, change)
        check_whole(machine)
        now = machine.time()
        assert all(later >= earlier for later, earlier in zip(now, ticks, strict=True)), "a tick fell"
        ticks = now
        for wait, together in waits:
            assert wait.done or not together(), f"{wait!r} was forgotten"
        if raised is not None:
            assert points.raised_in != before, "an old error came up again"
        elif not issubclass(error, Exception):
            assert points.raised_in == before, f"what was raised in {points.raised_in} was swallowed"
        if result == Result.EXECUTED and change[0] == "remove" and not within and points.raised_in == "":
            assert not any(machine.is_(name) and not machine.schema[name].auto for name in change[1])


@settings(max_examples=EXAMPLES, deadline=None)
@given(schemas, inner, scripts, st.integers(1, 120), plans)
def test_the_answer_after_something_raised_is_that_of_the_mutation_itself(
    schema: dict[str, State], within: dict[str, Any], script: list[Any], at: int, remember: int
) -> None:
    """Two machines with the same clocks: one has just been interrupted, one was made so; they answer alike."""
    points = Points(at, KeyboardInterrupt)
    machine = build(schema, {}, points, remember, False)
    for change in script * 3:
        _, raised = mutate(machine, change)
        if raised is None:
            continue
        points.left = -1
        twin = build(schema, {}, Points(-1, ValueError), 0, False)
        twin.import_(machine.export())
        if twin.active_order != machine.active_order:
            return  # an import knows no order
        for following in script:
            assert mutate(machine, following) == mutate(twin, following)
            assert machine.time() == twin.time()
        return


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Cancelled])
@pytest.mark.parametrize("remember", [0, 100])
def test_every_point_of_one_story_can_raise(error: type[BaseException], remember: int) -> None:
    schema = {
        "A": State(add=["B"]),
        "B": State(),
        "C": State(remove=["A"]),
        "D": State(auto=True, require=["B"]),
    }
    within = {"AState": ("add", ("C",))}
    script = [("add", ("A",)), ("set", ()), ("add", ("A", "B")), ("remove", ("B",))]
    at = 0
    while True:
        at += 1
        points = Points(at, error)
        machine = build(schema, within, points, remember, True)
        for change in script * 4:
            wait = machine.when("B")
            if not wait.done:
                wait.on_done(lambda _, points=points: points.pass_by("callback of a wait"))
            mutate(machine, change)
            check_whole(machine)
            assert wait.done or not machine.is_("B")
        if not points.raised_in:
            break
        points.left = -1
        machine.remove("Exception")
        machine.set()
        assert machine.add("B") == Result.EXECUTED
        assert machine.is_("B", "D")
    assert at > 100
