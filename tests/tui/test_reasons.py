"""*Why* is believed only if it is never wrong: every fact it states is checked against the machine that did it."""

from __future__ import annotations

import random

import pytest

from amdbg_tui.history.moments import Generation, Moment, changed_states
from amdbg_tui.history.records import MachineKey, MachineRecord, StateShape, StepRecord, TransitionRecord
from amdbg_tui.node.translate import whole_transition
from amdbg_tui.panes.reasons import handler_name, reasons_of
from amdbg_tui.panes.why_words import because, explain, step_words
from amdbg_tui.widgets.paint import text_of
from ampubsub.machine import Event, Machine, State, Tracer, Transition

TRANSITIONS = 10_000
MACHINES = 125
KEY = MachineKey("p", 0)


def generation(names: tuple[str, ...]) -> Generation:
    return Generation(1, MachineRecord(0.0, KEY, "m", tuple(StateShape(name) for name in names), "local"))


class Watching(Tracer):
    """Keeps each transition with its record."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.generation = generation(names)
        self.seen: list[tuple[Transition, Moment]] = []

    def transition_end(self, transition: Transition) -> None:
        record = whole_transition(KEY, transition, False)
        moment = Moment(
            len(self.seen) + 1, record, changed_states(record.before, record.after), self.generation
        )
        self.seen.append((transition, moment))


def random_machine(dice: random.Random) -> tuple[Machine, Watching]:
    names = [f"S{at}" for at in range(dice.randint(3, 8))]

    def some(most: int, but: str) -> tuple[str, ...]:
        return tuple(
            dice.sample([name for name in names if name != but], dice.randint(0, min(most, len(names) - 1)))
        )

    schema = {
        name: State(
            auto=dice.random() < 0.15,
            multi=dice.random() < 0.2,
            require=some(2, name) if dice.random() < 0.5 else (),
            add=some(2, name) if dice.random() < 0.4 else (),
            remove=some(3, name) if dice.random() < 0.5 else (),
            after=some(1, name) if dice.random() < 0.2 else (),
        )
        for name in names
    }
    odds = dice.random() * 0.4

    def refuses(event: Event) -> bool:
        return dice.random() >= odds

    handlers = {f"{name}{dice.choice(['Enter', 'Exit'])}": refuses for name in names if dice.random() < 0.4}
    machine = Machine(schema, id="m", handlers=handlers)
    machine.options.record_steps = True
    watching = Watching(tuple(machine.state_names))
    machine.bind_tracer(watching)
    return machine, watching


def active(names: tuple[str, ...], ticks: tuple[int, ...]) -> set[str]:
    return {name for name, tick in zip(names, ticks, strict=True) if tick % 2}


def check(machine: Machine, transition: Transition, moment: Moment) -> tuple[str, int]:
    """How a record came out, and how many facts were checked."""
    record, found, schema = moment.record, reasons_of(moment), machine.schema
    before, after = active(moment.names, record.before), active(moment.names, record.after)
    target = after if record.accepted else set(transition.target)
    if record.auto and not record.accepted:
        target = set()  # resolved again without the state that could not be: not what the steps are about
    for state, need in found.unmet:
        assert need in schema[state].require
        assert need not in target, (found, transition.target)
        assert state not in target
    for other, state in found.removed:
        assert state in schema[other].remove
        assert other in target or record.auto, (
            found,
            transition.target,
            [(s.kind[:6], s.from_state, s.detail, s.to_state) for s in record.steps],
            record.called,
            record.kind,
            before,
        )
        assert state not in target
    for other, state in found.passing:
        assert state in schema[other].remove
        assert other not in target
        assert state not in target
    for state, other in found.added:
        assert other in schema[state].add
        assert other in after - before
        assert state in after
    if found.refused_by:
        assert not record.accepted
        assert any(
            name.endswith("!") and name[:-1].endswith(found.refused_by) for name in transition.handlers
        )
    handlers = [name.rstrip("!").rpartition(":")[2] for name in transition.handlers]
    for step in record.steps:
        if step.kind == "handler":
            assert handler_name(step) in handlers, (step, handlers)
    for sentence in explain(moment):
        assert text_of(sentence)
    facts = (
        len(found.unmet) + len(found.removed) + len(found.passing) + len(found.added) + bool(found.refused_by)
    )
    return ("executed" if record.accepted else "refused" if found.refused_by else "relations"), facts


def test_no_sentence_is_wrong_in_10_000_random_transitions() -> None:
    facts, unexplained = 0, 0
    outcomes = {"executed": 0, "refused": 0, "relations": 0}
    for seed in range(MACHINES):
        dice = random.Random(seed)
        machine, watching = random_machine(dice)
        for _ in range(4 * TRANSITIONS // MACHINES):
            called = dice.sample(machine.state_names, dice.randint(1, min(3, len(machine.state_names))))
            {0: machine.remove, 1: machine.set}.get(dice.randint(0, 4), machine.add)(*called)
            if len(watching.seen) >= TRANSITIONS // MACHINES:
                break
        for transition, moment in watching.seen:
            outcome, count = check(machine, transition, moment)
            outcomes[outcome] += 1
            facts += count
            unexplained += outcome == "relations" and not count and not moment.record.auto
    assert sum(outcomes.values()) >= TRANSITIONS
    assert min(outcomes.values()) > 200, outcomes
    assert facts > TRANSITIONS / 2
    assert unexplained <= outcomes["relations"] / 20, (unexplained, outcomes)


def record(**fields: object) -> TransitionRecord:
    values: dict[str, object] = {
        "at_s": 0.0, "key": KEY, "transition_id": "1", "kind": "add", "called": ("Checked",), "accepted": True,
        "before": (1, 1, 0), "after": (1, 2, 1),
    }  # fmt: skip
    return TransitionRecord(**{**values, **fields})  # type: ignore[arg-type]


def test_a_requirement_that_was_met_is_not_blamed() -> None:
    steps = (
        StepRecord("called", to_state="Checked"),
        StepRecord("rel", "Checking", "Submitted", "require"),
        StepRecord("rel", "Checked", "Checking", "remove"),
        StepRecord("deactivate", to_state="Checking"),
        StepRecord("handler", to_state="Checked", detail="FE"),
    )
    moment = Moment(
        1,
        record(steps=steps, handlers=("CheckedState",)),
        (1, 2),
        generation(("Submitted", "Checking", "Checked")),
    )
    sentences = [text_of(row) for row in because(moment, reasons_of(moment))]
    assert sentences == ["Checked removes Checking."]
    assert text_of(step_words(steps[-1])) == "handler CheckedState"


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (StepRecord("handler", "", "A", "E"), "AEnter"),
        (StepRecord("handler", "A", "", ""), "AExit"),
        (StepRecord("handler", "", "A", "F"), "AEnd"),
        (StepRecord("handler", "A", "B", ""), "AB"),
        (StepRecord("handler", "A", "A", "S"), "AA"),
    ],
)
def test_handlers_are_named(step: StepRecord, name: str) -> None:
    assert handler_name(step) == name
