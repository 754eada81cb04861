"""What holds for any schema and any mutations, from handlers too.

Hypothesis makes the schemas and scripts. `AMPUBSUB_EXAMPLES` sets how many per test (200 in a plain run).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ampubsub.machine import (
    Event,
    Machine,
    MutationKind,
    Options,
    Result,
    State,
    StatePanic,
    Tracer,
    Transition,
)
from ampubsub.machine.blueprint import parse_schema
from ampubsub.machine.findings import Findings
from ampubsub.machine.relations import Relations, mask_of

NAMES = ("A", "B", "C", "D", "E", "Exception")
EXAMPLES = int(os.environ.get("AMPUBSUB_EXAMPLES", "200"))
LIMIT = 60
"""Mutations a script's handlers may ask for, so that a run ends."""

names = st.sampled_from(NAMES[:5])
few_names = st.lists(names, max_size=3).map(tuple)
states = st.builds(
    State,
    auto=st.booleans(),
    multi=st.booleans(),
    require=few_names,
    add=few_names,
    remove=few_names,
    after=few_names,
)


def conflict_free(schema: dict[str, State]) -> bool:
    return not parse_schema(schema)[1]


schemas = st.fixed_dictionaries(dict.fromkeys(NAMES[:5], states)).filter(conflict_free)


class Change(NamedTuple):
    """One mutation of a script."""

    kind: str
    states: tuple[str, ...]
    args: bool


changes = st.builds(
    Change,
    st.sampled_from(("add", "add", "remove", "set", "toggle", "can_add", "can_remove", "add_err")),
    st.lists(names, min_size=1, max_size=3).map(tuple),
    st.booleans(),
)


class Behaviour(NamedTuple):
    """What a handler does each time it is called."""

    answer: bool
    change: Change | None
    panics: bool


behaviours = st.builds(
    Behaviour, st.booleans(), st.none() | changes, st.sampled_from((False, False, False, True))
)
handler_names = st.one_of(
    st.builds(lambda name, suffix: name + suffix, names, st.sampled_from(("Enter", "Exit", "State", "End"))),
    st.builds(lambda one, other: one + other, names, names),
    st.sampled_from(("AnyEnter", "AnyState", "ExceptionState", "ExceptionEnter")),
)
tables = st.dictionaries(handler_names, behaviours, max_size=6)
scripts = st.lists(changes, min_size=1, max_size=12)


def apply(machine: Machine, change: Change) -> Result:
    if change.kind == "add_err":
        return machine.add_err(StatePanic("by script"))
    call: Callable[..., Result] = getattr(machine, change.kind)
    return call(*change.states, args={"k": 1} if change.args else None)


def handlers(table: dict[str, Behaviour]) -> dict[str, Callable[[Event], bool]]:
    """Handlers that behave; together they ask for a bounded number of mutations and panic a bounded number of times."""
    left = [LIMIT]

    def make(behaviour: Behaviour) -> Callable[[Event], bool]:
        def handler(event: Event) -> bool:
            if left[0] > 0:
                left[0] -= 1
                if behaviour.change is not None:
                    apply(event.machine, behaviour.change)
                if behaviour.panics:
                    raise StatePanic("by handler")
            return behaviour.answer

        return handler

    return {name: make(behaviour) for name, behaviour in table.items()}


class Watcher(Tracer):
    """Sees each transition end, and checks what must hold then."""

    def __init__(self) -> None:
        self.recovered = False
        self.last: tuple[int, ...] | None = None

    def transition_end(self, transition: Transition) -> None:
        machine = transition.machine
        now = tuple(machine.time())
        if self.last is not None:
            assert all(tick >= before for tick, before in zip(now, self.last, strict=True)), "a tick fell"
        self.last = now
        assert set(machine.active_order) == {
            name for name, tick in zip(machine.state_names, now, strict=True) if tick & 1
        }, "odd means active"
        self.recovered = self.recovered or transition.error is not None
        if not self.recovered:
            for name in machine.active_order:
                assert all(machine.is_(needed) for needed in machine.schema[name].require), "Require holds"


def build(schema: dict[str, State], table: dict[str, Behaviour], **options: Any) -> tuple[Machine, Watcher]:
    watcher = Watcher()
    machine = Machine(schema, id="m", states=NAMES, tracers=[watcher], options=Options(**options))
    if table:
        machine.bind_handlers(handlers(table))
    return machine, watcher


@settings(max_examples=EXAMPLES, deadline=None)
@given(schemas, tables, scripts)
def test_clocks_only_grow_and_the_queue_ends_empty(
    schema: dict[str, State], table: dict[str, Behaviour], script: list[Change]
) -> None:
    machine, _ = build(schema, table, queue_limit=50)
    for change in script:
        result = apply(machine, change)
        assert result in (Result.EXECUTED, Result.CANCELED)
        assert machine.queue_len == 0
        assert machine.transition is None
        assert machine.when_queue_ends().done


@settings(max_examples=EXAMPLES, deadline=None)
@given(schemas, tables, scripts)
def test_remembering_changes_nothing(
    schema: dict[str, State], table: dict[str, Behaviour], script: list[Change]
) -> None:
    forgetful, _ = build(schema, table, remember_plans=0)
    remembering, _ = build(schema, table)
    recording, _ = build(schema, table, record_steps=True)
    for change in script * 3:
        results = {apply(machine, change) for machine in (forgetful, remembering, recording)}
        assert len(results) == 1
        assert forgetful.time() == remembering.time() == recording.time()
        assert forgetful.active_order == remembering.active_order == recording.active_order
        assert forgetful.queue_tick == remembering.queue_tick == recording.queue_tick


kinds = st.sampled_from((MutationKind.ADD, MutationKind.REMOVE, MutationKind.SET))


@settings(max_examples=EXAMPLES, deadline=None)
@given(schemas, kinds, few_names, st.lists(names, unique=True).map(tuple))
def test_what_relations_resolve_is_settled(
    schema: dict[str, State], kind: MutationKind, called: tuple[str, ...], active: tuple[str, ...]
) -> None:
    """A target keeps every Require, has no state twice, and comes out the same each time."""
    parsed, _ = parse_schema(schema)
    relations = Relations(parsed, NAMES[:5])
    numbers = tuple(map(NAMES.index, dict.fromkeys(called)))
    order = tuple(map(NAMES.index, active))
    target, reached = relations.resolve(kind, numbers, order, mask_of(order))
    assert (target, reached) == relations.resolve(kind, numbers, order, mask_of(order))
    assert len(set(target)) == len(target)
    assert mask_of(target) == reached
    names = [NAMES[number] for number in target]
    assert all(needed in names for name in names for needed in parsed[name].require)
    # Taking notes changes nothing.
    findings = Findings(NAMES[:5], parsed, called, [])
    assert relations.resolve(kind, numbers, order, mask_of(order), findings) == (
        target,
        reached,
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(schemas, scripts, scripts)
def test_a_machine_exported_and_imported_goes_on_alike(
    schema: dict[str, State], before: list[Change], after: list[Change]
) -> None:
    first, _ = build(schema, {})
    for change in before:
        apply(first, change)
    second, _ = build(schema, {})
    second.import_(first.export())
    assert second.time() == first.time()
    # An import knows what is active, not in which order it became so; both go on from the same order.
    third, _ = build(schema, {})
    third.import_(first.export())
    alike = [second, third, first] if first.active_order == second.active_order else [second, third]
    for change in after:
        assert len({apply(machine, change) for machine in alike}) == 1
        assert len({machine.time() for machine in alike}) == 1


@settings(max_examples=EXAMPLES, deadline=None)
@given(schemas, tables, scripts)
def test_a_preview_says_what_then_happens_and_touches_nothing(
    schema: dict[str, State], table: dict[str, Behaviour], script: list[Change]
) -> None:
    machine, _ = build(schema, {})
    for change in script:
        if change.kind not in ("add", "remove", "set"):
            continue
        before = machine.time(), machine.active_order, machine.queue_tick
        preview = machine.preview(MutationKind(change.kind), *change.states)
        assert (machine.time(), machine.active_order, machine.queue_tick) == before
        seen: list[Transition] = []

        class First(Tracer):
            def transition_end(self, transition: Transition) -> None:
                seen.append(transition)  # noqa: B023 - used before the next round

        tracer = First()
        machine.bind_tracer(tracer)
        apply(machine, change)
        machine.detach_tracer(tracer)
        if seen:
            assert seen[0].accepted == preview.accepted
            assert tuple(seen[0].target) == preview.target


@settings(max_examples=EXAMPLES, deadline=None)
@given(schemas, tables, scripts, st.lists(names, min_size=1, max_size=2, unique=True))
def test_a_wait_is_done_just_when_its_states_have_all_been_active(
    schema: dict[str, State], table: dict[str, Behaviour], script: list[Change], wanted: list[str]
) -> None:
    machine, _ = build(schema, table)
    waiter = machine.when(*wanted)
    seen = [machine.is_(*wanted)]

    class Look(Tracer):
        def transition_end(self, transition: Transition) -> None:
            if transition.accepted and not transition.mutation.check:
                seen.append(machine.is_(*wanted))

    machine.bind_tracer(Look())
    for change in script:
        apply(machine, change)
    assert waiter.done or not any(seen)
