"""Random scenarios that our machine and Go's both play, move by move. Plain data, the same for the same seed.

A scenario is a schema, handlers that answer by a list of turns (refuse, panic, ask for a mutation), and operations:
mutations, checks, and waits of five kinds. What Go itself decides by the order of a map is left out, since it has no
answer to compare with: at most one Auto state, and Require relations along one chain.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ampubsub.machine import Event, Machine, Options, State, StatePanic, Waiter

Scenario = dict[str, Any]
COLLIDING = ["A", "AA", "B", "AB", "BA", "C", "D", "ABC", "E", "BB"]
CHANGES = ("add", "add", "add", "remove", "remove", "set")
LIMIT = 30
"""Mutations the handlers of one scenario may ask for, and panics: an Auto state that panics comes again for ever."""


def scenario(seed: int) -> Scenario:
    """The scenario of a seed: 60 % of 40 to 90 states, 15 % of 12 to 39, 25 % of 3 to 10 with names that collide."""
    dice = random.Random(seed)
    size = dice.choices(("large", "middle", "small"), (60, 15, 25))[0]
    count = {"large": dice.randint(40, 90), "middle": dice.randint(12, 39), "small": dice.randint(3, 10)}[
        size
    ]
    names = COLLIDING[:count] if size == "small" else [f"S{number:03}" for number in range(count)]
    density = dice.choice((0.05, 0.15, 0.3))

    def some(most: int) -> list[str]:
        return dice.sample(names, dice.randint(1, min(most, count))) if dice.random() < density else []

    schema: dict[str, dict[str, Any]] = {
        name: {
            "auto": False,
            "multi": dice.random() < 0.2,
            "require": [],
            "add": some(3),
            "remove": some(3),
            "after": some(3),
        }
        for name in names
    }
    chain = dice.sample(names, dice.randint(0, min(5, count)))
    for needs, needed in zip(chain[1:], chain, strict=False):
        schema[needs]["require"] = [needed]
        for other in (needs, needed):
            schema[other]["remove"] = [name for name in schema[other]["remove"] if name not in chain]
    if dice.random() < 0.6:
        schema[dice.choice(names)]["auto"] = True

    words = [name + word for name in names for word in ("Enter", "Exit", "State", "End")]
    words += [dice.choice(names) + dice.choice(names) for _ in range(10)]

    def turn(word: str) -> dict[str, Any]:
        change = [dice.choice(CHANGES), dice.choice(names)] if dice.random() < 0.15 else []
        panics = dice.random() < 0.05 and word.endswith(("Enter", "Exit", "State", "End"))
        return {"answer": dice.random() > 0.15, "panic": panics, "change": change}

    share = dice.choice((0.0, 0.1, 0.3))
    handlers = {
        word: [turn(word) for _ in range(dice.randint(1, 4))]
        for word in dict.fromkeys([*words, "AnyEnter", "AnyState"])
        if dice.random() < share
    }

    def operation() -> dict[str, Any]:
        kind = dice.choices(
            (*CHANGES, "can_add", "can_remove", "when", "when_not", "when_ticks", "when_args", "when_queue"),
            (8, 8, 8, 8, 8, 2, 2, 2, 3, 3, 2, 2, 1),
        )[0]
        called = dice.sample(names, min(count, dice.choice((1, 1, 1, 2, 3))))
        number = dice.randint(1, 5)
        if kind in CHANGES:
            number = dice.choice((0, 0, number))
            if dice.random() < 0.1:
                called = ["Exception"]
                kind = "remove"
        return {"kind": kind, "states": called, "number": number}

    return {
        "states": [*names, "Exception"],
        "schema": schema,
        "handlers": handlers,
        "limit": dice.choice((1000, 1000, 3)),
        "ops": [operation() for _ in range(dice.randint(15, 60))],
    }


class Player:
    """Our side of a scenario."""

    def __init__(self, played: Scenario, **options: Any) -> None:
        if Options().handler_timeout_s is not None:
            options.setdefault("handler_timeout_s", 60.0)
        self.machine = Machine(
            {name: State(**state) for name, state in played["schema"].items()},
            id="m",
            states=played["states"],
            options=Options(queue_limit=played["limit"], **options),
        )
        self.played = played
        self.calls: list[str] = []
        self.left = LIMIT
        self.waits: list[Waiter] = []
        if played["handlers"]:
            self.machine.bind_handlers(
                {name: self.handler(name, turns) for name, turns in played["handlers"].items()}
            )

    def handler(self, name: str, turns: list[dict[str, Any]]) -> Callable[[Event], bool]:
        """What Go's runner does in a handler of that name."""
        count = [0]

        def handle(event: Event) -> bool:
            now = turns[count[0] % len(turns)]
            count[0] += 1
            self.calls.append(name)
            if now["change"] and self.left > 0:
                self.left -= 1
                result = getattr(self.machine, now["change"][0])(now["change"][1])
                self.calls.append(f"{' '.join(now['change'])}={int(result)}")
            if now["panic"] and self.left > 0 and "Exception" not in event.transition.called:
                self.left -= 1
                raise StatePanic(f"by {name}")
            return bool(now["answer"])

        return handle

    def run(self, kind: str, states: list[str], number: int) -> int:
        """One operation; -1 for a wait."""
        machine = self.machine
        if kind == "when":
            self.waits.append(machine.when(*states))
        elif kind == "when_not":
            self.waits.append(machine.when_not(*states))
        elif kind == "when_ticks":
            self.waits.append(machine.when_ticks(states[0], number))
        elif kind == "when_args":
            self.waits.append(machine.when_args(states[0], {"n": number}))
        elif kind == "when_queue":
            self.waits.append(machine.when_queue(machine.queue_tick + number))
        else:
            return int(getattr(machine, kind)(*states, args={"n": number} if number else None))
        return -1

    def moments(self) -> list[dict[str, Any]]:
        """What stood after each operation, in the words of Go's runner."""
        found = []
        for operation in self.played["ops"]:
            number = operation["number"] if not operation["kind"].startswith("can") else 0
            result = self.run(operation["kind"], operation["states"], number)
            machine = self.machine
            calls, self.calls = self.calls, []
            found.append(
                {
                    "result": result,
                    "clock": list(machine.time()),
                    "active": list(machine.active_order),
                    "calls": calls,
                    "queue_tick": machine.queue_tick,
                    "queue_len": machine.queue_len,
                    "done": [place for place, wait in enumerate(self.waits) if wait.done],
                    "err": "" if machine.err is None else str(machine.err),
                }
            )
        return found
