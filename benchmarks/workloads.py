"""The machines that speed is measured on, the same for every library (see benchmarks/machine.py)."""

from __future__ import annotations

from collections.abc import Callable

from ampubsub.machine import Event, Machine, Options, State, Tracer


def w1() -> tuple[Machine, Callable[[int], None]]:
    """Two states, no relations, no handlers: add, then remove."""
    machine = Machine({"A": State(), "B": State()}, id="w1", states=["A", "B", "Exception"])

    def run(pairs: int) -> None:
        add, remove = machine.add, machine.remove
        for _ in range(pairs):
            add("A")
            remove("A")

    return machine, run


class Handlers:
    """What w2 binds: five handlers that do nothing."""

    def AEnter(self, event: Event) -> bool:
        return True

    def AState(self, event: Event) -> None:
        pass

    def AEnd(self, event: Event) -> None:
        pass

    def BEnter(self, event: Event) -> bool:
        return True

    def BState(self, event: Event) -> None:
        pass


def w2(options: Options | None = None) -> tuple[Machine, Callable[[int], None]]:
    """A and B remove each other, five handlers bound: add A, then add B."""
    schema = {"A": State(remove=("B",)), "B": State(remove=("A",))}
    machine = Machine(schema, id="w2", states=["A", "B", "Exception"], handlers=Handlers(), options=options)

    def run(pairs: int) -> None:
        add = machine.add
        for _ in range(pairs):
            add("A")
            add("B")

    return machine, run


def schema30() -> dict[str, State]:
    """Thirty states S00 to S29 with relations among neighbours (w3)."""
    names = [f"S{i:02}" for i in range(30)]
    schema = {}
    for i, name in enumerate(names):
        if i % 3 == 1:
            schema[name] = State(require=(names[i - 1],), auto=i % 2 == 0)
        elif i % 3 == 2:
            after = (names[i + 3],) if i + 3 < 30 else ()
            schema[name] = State(remove=(names[i - 2],), add=after)
        else:
            schema[name] = State()
    return schema


def w3() -> tuple[Machine, Callable[[int], None]]:
    """Thirty related states, five active: add S15, then remove it."""
    machine = Machine(schema30(), id="w3", states=[*sorted(schema30()), "Exception"])
    machine.add("S00", "S03", "S06", "S09", "S12")

    def run(pairs: int) -> None:
        add, remove = machine.add, machine.remove
        for _ in range(pairs):
            add("S15")
            remove("S15")

    return machine, run


class Onlooker(Tracer):
    """A tracer that counts transitions."""

    def __init__(self) -> None:
        self.seen = 0

    def transition_end(self, transition: object) -> None:
        self.seen += 1


def w4() -> tuple[Machine, Callable[[int], None]]:
    """w2 with a tracer and 100 waiting subscriptions that do not fire."""
    machine, run = w2()
    machine.bind_tracer(Onlooker())
    waits = []  # held, or they would be forgotten
    for number in range(25):
        waits += [machine.when("A", "Exception"), machine.when_not("A", "B")]
        waits += [machine.when_time(["A"], [10**12 + number]), machine.when_args("A", {"never": number})]

    def run_with_waits(pairs: int) -> None:
        run(pairs)
        assert waits

    return machine, run_with_waits
