"""Remembered mutations end exactly as resolved ones do, on every road through the machine."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from ampubsub.machine import Event, Machine, Options, Result, State, Tracer
from ampubsub.machine.resolution import Memory, Resolution
from tests.conformance.rows import VECTORS, read_rows
from tests.conformance.scenarios import Recorder, Scenario

FILES = [file for file in sorted(VECTORS.glob("*.jsonl.gz")) if file.name.startswith(("random", "curated"))]
SLOW_WORDS = ("timeout", "deadline", "backoff", "sleep")


class QuietRecorder(Recorder):
    """Looks at the end of transitions only, so plans are not left for its sake."""

    transition_init = Tracer.transition_init
    transition_start = Tracer.transition_start
    handler_start = Tracer.handler_start
    handler_end = Tracer.handler_end
    mutation_queued = Tracer.mutation_queued

    def transition_end(self, transition: Any) -> None:
        self.number = len(self.transitions)
        super().transition_end(transition)


class UnseenRecorder(QuietRecorder):
    """Does not even look at the end of transitions, so mutations without handlers go in one stride."""

    transition_end = Tracer.transition_end
    queue_end = Tracer.queue_end


class QuietScenario(Scenario):
    recorder_type = QuietRecorder


class UnseenScenario(Scenario):
    recorder_type = UnseenRecorder


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> list[Resolution]:
    """Resolutions are kept at first sight, not at the second. Gives those that came from memory."""
    used: list[Resolution] = []
    resolution = Memory.resolution

    def noted(self: Memory, *args: Any) -> Resolution:
        used.append(resolution(self, *args))
        return used[-1]

    monkeypatch.setattr(Memory, "at_first_sight", True)
    monkeypatch.setattr(Memory, "resolution", noted)
    return used


def story(kind: type[Scenario], row: dict[str, Any], plans: int) -> list[dict[str, Any]]:
    scenario = kind(row)
    scenario.machine.options.remember_plans = plans
    return [scenario.snapshot(), *(scenario.run(operation) for operation in row["ops"])]


@pytest.mark.parametrize("kind", [QuietScenario, UnseenScenario])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_recorded_scenarios_go_alike_with_and_without_plans(
    file: Path, kind: type[Scenario], eager: list[Resolution]
) -> None:
    for row in islice(read_rows(file), 0, None, 3 if "random" in file.name else 1):
        if any(word in str(row["ops"]) + row["name"] for word in SLOW_WORDS):
            continue
        options = {
            name: value
            for name, value in (row.get("opts") or {}).items()
            if name not in ("log_level", "hooks", "on_change")
        }
        row = {**row, "opts": {**options, "no_steps": True}}
        assert story(kind, row, 20_000) == story(kind, row, 0), row["name"]
    assert eager


def twins(schema: dict[str, State], **tables: Any) -> list[Machine]:
    """The same machine twice: one remembers, one does not."""
    return [
        Machine(schema, id="twin", handlers=dict(tables) or None, options=Options(remember_plans=plans))
        for plans in (100, 0)
    ]


def test_a_handler_bound_in_the_middle_of_a_planned_transition_still_gets_its_turn() -> None:
    schema = {"A": State(remove=["B"]), "B": State(remove=["A"])}
    stories = []
    for machine in twins(schema):
        seen: list[str] = []
        late = {
            name: lambda e, seen=seen: seen.append("late " + e.name) for name in ("AEnter", "BEnd", "AState")
        }
        turns = iter(range(100))

        def enter(event: Event, turns: Any = turns, seen: list[str] = seen, late: Any = late) -> None:
            seen.append(event.name)
            if next(turns) == 5:
                event.machine.bind_handlers(late)

        machine.bind_handlers({"AEnter": enter, "AState": lambda e, seen=seen: seen.append(e.name)})
        for _ in range(7):
            machine.add("A")
            machine.add("B")
        stories.append((seen, machine.string_all(), machine.queue_tick))
    assert stories[0] == stories[1]
    assert (stories[0][0].count("late AEnter"), stories[0][0].count("late BEnd")) == (1, 2)


def test_a_machine_disposed_of_by_a_planned_handler_stops_at_once() -> None:
    ran: list[str] = []
    machine = Machine({"A": State()}, id="m")

    def enter(event: Event) -> None:
        ran.append(event.name)
        if len(ran) > 9:
            event.machine.dispose_now()

    machine.bind_handlers({"AEnter": enter, "AState": lambda event: ran.append(event.name)})
    for _ in range(20):
        machine.add("A")
        machine.remove("A")
    assert machine.is_disposed
    assert ran[-2:] == ["AState", "AEnter"]
    assert machine.add("A") == Result.CANCELED


def test_a_handler_that_refuses_or_raises_on_the_planned_way_is_settled_as_ever() -> None:
    schema = {
        "A": State(multi=True, add=["C"]),
        "B": State(remove=["A"]),
        "C": State(),
        "D": State(auto=True),
    }
    stories = []
    for machine in twins(schema):
        turns = iter(range(1000))

        def enter(event: Event, turns: Any = turns) -> bool:
            if next(turns) % 4 == 3:
                raise ValueError("no mood")
            return next(turns) % 3 != 0

        def state(event: Event, turns: Any = turns) -> None:
            if next(turns) % 5 == 4:
                raise ValueError("broken")
            event.machine.add("B", event=event)

        machine.bind_handlers(
            {"AEnter": enter, "CState": state, "AA": lambda event: event.machine.queue_len < 2}
        )
        results = []
        for _ in range(40):
            results += [machine.add("A"), machine.remove("Exception", "B"), machine.set("C")]
        stories.append((results, machine.string_all(), machine.queue_tick, machine.active_states()))
    assert stories[0] == stories[1]


def test_forgetting_all_plans_in_the_middle_changes_nothing() -> None:
    schema = {name: State(remove=["B"] if name == "A" else []) for name in "ABCDEF"}
    small, plain = (Machine(schema, id="m", options=Options(remember_plans=plans)) for plans in (3, 0))
    for number in range(300):
        name = "ABCDEF"[number * number % 6]
        for machine in (small, plain):
            (machine.remove if number % 3 else machine.add)(name)
    assert small.string_all() == plain.string_all()


def test_a_transition_seen_along_a_plan_tells_the_same_as_a_resolved_one() -> None:
    class Look(Tracer):
        def __init__(self) -> None:
            self.seen: list[tuple[object, ...]] = []

        def transition_end(self, t: Any) -> None:
            self.seen.append(
                (
                    t.id, str(t), t.called, t.args, t.target, t.enters, t.exits, t.time_before, t.time_after, t.handlers,
                    t.accepted, t.completed, t.active_before, t.source, t.steps, t.log, t.is_auto, t.mutation.queue_tick,
                )
            )  # fmt: skip

    looks = []
    for machine in twins(
        {"A": State(remove=["B"]), "B": State(remove=["A"])}, AEnter=lambda e: True, BState=repr
    ):
        look = Look()
        machine.bind_tracer(look)
        for number in range(6):
            machine.add("A", args={"number": number})
            machine.add("B")
        looks.append(look.seen)
    assert looks[0] == looks[1]


def test_options_changed_at_run_time_take_hold_at_the_next_mutation() -> None:
    machine = Machine({"A": State()}, id="m")
    lines: list[str] = []
    for _ in range(3):
        machine.add("A")
        machine.remove("A")
    machine.options.logger = lambda level, text: lines.append(text)
    machine.options.log_level = 2
    machine.add("A")
    assert lines == ["[m] [state] +A"]


def test_waits_fire_on_every_road() -> None:
    machine = Machine({"A": State(), "B": State(auto=True, require=["A"])}, id="m")
    for _ in range(3):
        machine.add("A")
        machine.remove("A")
    waits = [machine.when("B"), machine.when_ticks("A", 1), machine.when_queue(machine.queue_tick + 1)]
    query = machine.when_query(lambda m: m.is_("B"))
    machine.add("A")
    context = machine.state_context("A")
    assert all(wait.done for wait in waits)
    assert query.done
    assert not context.done
    gone = machine.when_not("A")
    machine.remove("A")
    assert gone.done
    assert context.done


def test_waits_for_arguments_made_by_a_planned_handler_are_met_in_the_same_transition() -> None:
    stories = []
    for machine in twins({"A": State(add=["B"]), "B": State()}):
        told: list[str] = []

        def enter(event: Event, told: list[str] = told) -> None:
            for state in ("A", "B"):
                event.machine.when_args(state, {}).on_done(lambda _, state=state: told.append(state))

        machine.bind_handlers({"AEnter": enter, "BState": lambda event, told=told: told.append("BState")})
        for _ in range(5):
            machine.add("A")
            machine.set()
        stories.append(told)
    assert stories[0] == stories[1]
    assert stories[0].count("B") == stories[0].count("A") == 5


@pytest.mark.parametrize("seed", range(60))
def test_random_machines_live_alike_with_and_without_plans(seed: int) -> None:
    remembering, plain = (Life(seed, plans) for plans in (20_000, 0))
    assert remembering.live() == plain.live()


class Life:
    """A random machine with random handlers and waits, doing random things; the same for the same seed."""

    def __init__(self, seed: int, plans: int) -> None:
        dice = random.Random(seed)
        self.names = names = [f"S{i}" for i in range(dice.randint(2, 5))]
        self.story: list[object] = []
        self.waits = 0

        def some(share: float) -> tuple[str, ...]:
            return tuple(name for name in names if dice.random() < share)

        schema = {
            name: State(
                auto=dice.random() < 0.25,
                multi=dice.random() < 0.3,
                require=some(0.12),
                add=some(0.15),
                remove=some(0.2),
                after=some(0.1),
            )
            for name in names
        }
        options = Options(remember_plans=plans, queue_limit=6)
        tracers = [Teller(self.story)] if seed % 2 else []
        self.machine = Machine(schema, id="m", options=options, tracers=tracers)
        words = [name + word for name in names for word in ("Enter", "Exit", "State", "End", *names)]
        self.handler_dice = random.Random(seed + 1)
        for binding in range(dice.randint(0, 2)):
            chosen = [word for word in [*words, "AnyEnter", "AnyState"] if dice.random() < 0.35]
            self.machine.bind_handlers({word: self.handler(binding) for word in chosen})
        self.dice = dice

    def handler(self, binding: int) -> Callable[[Event], bool]:
        def handle(event: Event) -> bool:
            dice = self.handler_dice
            self.story.append((event.name, binding, self.machine.string_all(), self.machine.queue_len))
            match dice.randrange(40):
                case 0:
                    self.machine.add(dice.choice(self.names), event=event)
                case 1:
                    self.machine.remove(dice.choice(self.names))
                case 2:
                    self.machine.set(dice.choice(self.names), args={"n": 1})
                case 3:
                    raise ValueError(event.name)
                case 4:
                    self.machine.can_add(dice.choice(self.names))
                case 5:
                    self.machine.add_err(ValueError("told"))
                case 6:
                    self.wait(dice)
                case 7 | 8:
                    return False
                case 9 if dice.random() < 0.1:
                    self.machine.bind_handlers({"S0State": self.handler(9), "S1Enter": self.handler(9)})
            return True

        return handle

    def wait(self, dice: random.Random) -> None:
        self.waits += 1
        number, states = self.waits, dice.sample(self.names, dice.randint(1, 2))
        machine = self.machine
        match dice.randrange(6):
            case 0:
                wait: Any = machine.when(*states)
            case 1:
                wait = machine.when_not(*states)
            case 2:
                wait = machine.when_ticks(states[0], dice.randint(1, 6))
            case 3:
                wait = machine.when_args(states[0], dice.choice([{}, {"n": 1}]))
            case 4:
                wait = machine.when_queue(machine.queue_tick + dice.randint(1, 9))
            case _:
                wait = machine.state_context(states[0])
        wait.on_done(lambda *_: self.story.append(("wait", number, machine.queue_tick, machine.string_all())))

    def live(self) -> list[object]:
        dice, machine = self.dice, self.machine
        for _ in range(120):
            states = dice.sample(self.names, dice.choice((1, 1, 1, 2)))
            match dice.randrange(10):
                case 0 | 1 | 2 | 3:
                    result = machine.add(*states)
                case 4 | 5:
                    result = machine.remove(*states)
                case 6:
                    result = machine.set(*states)
                case 7:
                    result = machine.add(*states, args={"n": 1})
                case 8:
                    result = machine.remove("Exception")
                case _:
                    result = Result.EXECUTED
                    self.wait(dice)
            self.story.append((result, machine.string_all(), machine.active_order, machine.queue_tick))
            self.story.append((machine.queue_len, str(machine.err)))
        return self.story


class Teller(Tracer):
    """Tells all that a transition says of itself."""

    def __init__(self, story: list[object]) -> None:
        self.story = story

    def transition_end(self, t: Any) -> None:
        mutation = t.mutation
        self.story.append(
            (t.id, str(t), t.accepted, list(t.target), list(t.enters), list(t.exits), t.time_before)
        )
        self.story.append(
            (t.time_after, list(t.handlers), t.queue_len, t.active_before, t.is_auto, str(t.error))
        )
        self.story.append(
            (mutation.queue_tick, mutation.queue_token, mutation.queue_len, mutation.queue_tick_now)
        )
