"""Random work for the machine, made once and read by both sides: ours here, Go's in `go_random/main.go`.

A workload is plain data (JSON): states, schema, bound handlers, waits, and a list of mutations. `run` carries it out
and answers with nanoseconds of CPU time per mutation and the sum of all clocks, which both sides must agree on.
"""

from __future__ import annotations

import gc
import random
import time
from itertools import count
from typing import Any

from ampubsub.machine import Event, Machine, Options, State, Tracer

Workload = dict[str, Any]

_RUNS = count()
"""Machines of equal schemas share what they remember: each run gets a schema of its own, or the second would be told all."""
OUTSTANDING = 200
"""Waits for arguments that are open all the time in that row."""


def schema_of(names: list[str], dice: random.Random) -> dict[str, dict[str, list[str]]]:
    """Relations among a few neighbours each: what a program of that size has."""
    schema: dict[str, dict[str, list[str]]] = {}
    for position, name in enumerate(names):
        state: dict[str, list[str]] = {}
        if position and dice.random() < 0.1:
            state["require"] = [names[dice.randrange(position)]]
        if dice.random() < 0.2:
            state["add"] = [dice.choice(names)]
        if dice.random() < 0.12:
            state["remove"] = [
                other
                for other in dice.sample(names, 2)
                if other != name and other not in state.get("require", ())
            ]
        schema[name] = state
    return schema


def workload(name: str, states: int, mutations: int, **more: Any) -> Workload:
    """One row; `handlers` is on how many states Enter, State and End are bound."""
    dice = random.Random(states)
    names = [f"S{number:03}" for number in range(states)]
    schema: dict[str, dict[str, Any]] = dict(schema_of(names, dice))
    ops = []
    for _ in range(mutations):
        kind = dice.choices(("add", "remove", "set"), (56, 42, 2))[0]
        ops.append([kind, *dice.sample(names, dice.choice((1, 1, 2)) if kind != "set" else states // 2)])
    bound = more.pop("handlers", 0)
    made: Workload = {
        "name": name,
        "states": [*names, "Exception"],
        "schema": schema,
        "machines": 1,
        "handlers": [state + word for state in names[:bound] for word in ("Enter", "State", "End")],
        "chain": [],
        "steps": False,
        "tracer": False,
        "whens": [],
        "each": "",
        "asked": [dice.sample(names, 2) for _ in ops] if more.get("each") in ("when", "when_time") else [],
        "ops": ops,
        "mutations": len(ops),
    }
    if more.get("whens"):
        more["whens"] = [dice.sample(names, 3) for _ in range(more["whens"])]
    return {**made, **more}


def multi(name: str, mutations: int) -> Workload:
    """A message state that is entered again and again, each time awaited with its own arguments."""
    return {
        **workload(name, 4, 1),
        "states": ["M", "Exception"],
        "schema": {"M": {"multi": True}},
        "each": "when_args",
        "ops": [["add", "M"]] * mutations,
        "mutations": mutations,
    }


def chained(name: str, rounds: int) -> Workload:
    """A handler queues the next of twenty."""
    links = [f"C{number:02}" for number in range(20)]
    return {
        **workload(name, 4, 1),
        "states": [*links, "Exception"],
        "schema": {link: {"multi": True} for link in links},
        "chain": links,
        "ops": [["add", links[0]]] * rounds,
        "mutations": 20 * rounds,
    }


def workloads(*, quick: bool) -> list[Workload]:
    """All rows; `quick` takes a tenth of the mutations."""
    part = 10 if quick else 1
    return [
        workload("200 states, random", 200, 1_500 // part),
        workload("200 states, handlers on 50", 200, 800 // part, handlers=50),
        workload(
            "200 states, handlers on 50, steps, tracer",
            200,
            500 // part,
            handlers=50,
            steps=True,
            tracer=True,
        ),
        workload("30 states, random", 30, 10_000 // part),
        workload("30 states, handlers on 10", 30, 6_000 // part, handlers=10),
        workload("8 states, random", 8, 20_000 // part),
        workload("8 states, handlers on all", 8, 10_000 // part, handlers=8),
        workload("10,000 machines, 2 mutations each", 30, 20_000 // part, machines=10_000 // part),
        workload("1,000 whens", 30, 5_000 // part, whens=1_000),
        workload("a fresh when each time", 30, 5_000 // part, each="when"),
        workload("a fresh when_time each time", 30, 5_000 // part, each="when_time"),
        multi("when_args, 200 outstanding", 5_000 // part),
        chained("chained handlers", 400 // part),
    ]


class Onlooker(Tracer):
    """Counts the steps of transitions, as a debugger would look at them."""

    def __init__(self) -> None:
        self.seen = 0

    def transition_end(self, transition: Any) -> None:
        self.seen += len(transition.steps)


def handlers(work: Workload) -> dict[str, Any]:
    """Bound handlers: they agree and do nothing; those of a chain queue the next."""
    table: dict[str, Any] = {name: (lambda event: True) for name in work["handlers"]}
    chain = work["chain"]
    for link, following in zip(chain, [*chain[1:], ""], strict=False):

        def state(event: Event, following: str = following) -> None:
            if following:
                event.machine.add(following)

        table[f"{link}State"] = state
    return table


def run(work: Workload) -> tuple[float, int]:
    """(nanoseconds of CPU time per mutation, sum of all clocks). Making many machines counts, making one does not."""
    fresh = (f"run:{next(_RUNS)}",)
    schema = {name: State(**state, tags=fresh) for name, state in work["schema"].items()}
    options = {"handler_timeout_s": 60.0} if Options().handler_timeout_s is not None else {}
    gc.collect()
    started = time.process_time_ns()
    machines = []
    for number in range(work["machines"]):
        machine = Machine(
            schema,
            id=f"m{number}",
            states=work["states"],
            handlers=handlers(work) or None,
            options=Options(record_steps=work["steps"], **options),
        )
        if work["tracer"]:
            machine.bind_tracer(Onlooker())
        machines.append(machine)
    first = machines[0]
    waits = [first.when(*states) for states in work["whens"]]
    each, asked = work["each"], work["asked"]
    if each == "when_args":
        waits += [first.when_args("M", {"id": number}) for number in range(OUTSTANDING)]
    if len(machines) == 1:
        started = time.process_time_ns()
    for number, (kind, *states) in enumerate(work["ops"]):
        machine = machines[number % len(machines)]
        args = None
        if each == "when":
            machine.when(*asked[number])
        elif each == "when_time":
            state = asked[number][0]
            machine.when_time([state], [machine.tick(state) + 5])
        elif each == "when_args":
            machine.when_args("M", {"id": number + OUTSTANDING})
            args = {"id": number}
        if kind == "add":
            machine.add(*states, args=args)
        elif kind == "remove":
            machine.remove(*states, args=args)
        else:
            machine.set(*states, args=args)
    took = time.process_time_ns() - started
    return took / work["mutations"], sum(machine.time().sum() for machine in machines)
