"""For Python's people: truth, typos, Enums and classes of states, decorators, typed arguments, asyncio, diagrams, history."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from dataclasses import dataclass
from enum import Enum, StrEnum

import pytest

from ampubsub.machine import (
    Event,
    HandlerError,
    History,
    Machine,
    MachineError,
    Result,
    SchemaError,
    State,
    States,
    UnknownStateError,
    WrongThreadError,
    entered,
    exited,
    handles,
    may_enter,
    may_exit,
    may_pass,
)


def test_a_result_is_true_unless_it_was_canceled() -> None:
    machine = Machine({"Power": State(), "On": State(require=["Power"])}, id="lamp")
    assert machine.add("Power")
    assert machine.add("On")
    machine.remove("Power")
    assert not machine.add("On")
    assert Result(7)
    assert Result.EXECUTED == 0


def test_typos_are_errors_with_the_nearest_name() -> None:
    schema = {"Power": State(), "On": State(require=["Power"])}
    with pytest.raises(HandlerError, match=r"OnSate is no handler .*; did you mean OnState\?"):
        Machine(schema, handlers={"OnSate": print})

    class Handlers:
        def OnEntre(self, event: Event) -> None: ...

    with pytest.raises(HandlerError, match=r"Handlers\.OnEntre .*did you mean OnEnter\?"):
        Machine(schema, handlers=Handlers())
    with pytest.raises(
        SchemaError, match=r"state On: require names 'Powr', which there is not; did you mean Power\?"
    ):
        Machine({"Power": State(), "On": State(require=["Powr"])})
    machine = Machine(schema, id="lamp")
    with pytest.raises(
        UnknownStateError, match=r"Powre not defined in schema for lamp; did you mean Power\?"
    ):
        machine.add("Powre")
    with pytest.raises(UnknownStateError, match="did you mean Power"):
        machine.when("Powr")
    with pytest.raises(TypeError, match=r"one by one, not as a list: write \*\['On', 'Power'\]"):
        machine.add(["On", "Power"])  # type: ignore[arg-type]


class Colour(StrEnum):
    RED = "Red"
    GREEN = "Green"


class Mixed(str, Enum):  # noqa: UP042 - what people still write
    RED = "Red"
    GREEN = "Green"


class Plain(Enum):
    RED = State(remove=["GREEN"])
    GREEN = State(remove=["RED"])


class Light(States):
    Red = State(remove=["Green"])
    Green = State(remove=[Red], add=["Walk"])
    Walk = State(require=[Green])


@pytest.mark.parametrize("names", [Colour, Mixed])
def test_states_can_be_members_of_an_enum_of_text(names: type[Enum]) -> None:
    red, green = names["RED"], names["GREEN"]
    ran: list[str] = []
    for schema in ({red: State(remove=[green]), green: State(remove=[red])}, names):
        machine = Machine(schema, id="light", handlers={"GreenState": lambda event: ran.append(event.name)})
        assert machine.add(red)
        assert machine.is_(red)
        assert machine.when(red).done
        assert machine.add(green)
        assert machine.state_names == ("Exception", "Green", "Red")
        assert all(type(name) is str for name in machine.state_names)
    assert ran == ["GreenState"] * 2


def test_members_of_a_plain_enum_bring_their_states_along() -> None:
    machine = Machine(Plain, id="light")
    for _ in range(4):
        assert machine.add(Plain.RED)
        assert machine.is_(Plain.RED)
        assert machine.add(Plain.GREEN)
        assert str(machine).startswith("(GREEN")
    assert machine.not_(Plain.RED)
    assert machine.tick(Plain.GREEN) == 7
    assert machine.index(Plain.RED) == machine.index("RED")
    assert machine.when_not(Plain.RED).done


def test_members_that_python_takes_for_one_are_refused() -> None:
    class Twins(Enum):
        A = State()
        B = State()

    with pytest.raises(SchemaError, match=r"Twins\.B is the same member as A"):
        Machine(Twins)


def test_a_class_of_states_names_what_stands_above_by_name_and_the_rest_by_text() -> None:
    machine = Machine(Light, id="light")
    machine.add(Light.Red)
    machine.add(Light.Green)
    assert str(machine) == "(Green:1 Walk:1)"
    assert Light.Green == "Green"

    class Wider(Light):
        Amber = State(remove=[Light.Red, Light.Green])

    wide = Machine(Wider, id="wide")
    wide.add(Wider.Red)
    wide.add(Wider.Amber)
    assert str(wide) == "(Amber:1)"


def test_handlers_can_be_marked_by_decorators() -> None:
    said: list[str] = []

    class Lamp:
        bulb = False

        @may_enter("On")
        def has_bulb(self, event: Event) -> bool:
            return self.bulb

        @entered("On")
        @exited("On")
        def note(self, event: Event) -> None:
            said.append(event.name)

        @may_exit("Power")
        def may_unplug(self, event: Event) -> bool:
            return not event.machine.is_("On")

        @handles("AnyState")
        def anything(self, event: Event) -> None:
            said.append("any")

        @may_pass("Power", "On")
        def switch(self, event: Event) -> None:
            said.append("switch")

    lamp = Lamp()
    machine = Machine({"Power": State(), "On": State(require=["Power"])}, id="lamp", handlers=lamp)
    machine.add("Power")
    assert not machine.add("On")
    lamp.bulb = True
    assert machine.add("On")
    assert not machine.remove("Power", "On")
    machine.remove("On")
    assert said == ["any", "switch", "OnState", "any", "OnEnd", "any"]


def test_functions_can_be_bound_by_decorators_of_the_machine() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m")
    said: list[str] = []

    @machine.entered("A", "B")
    def came(event: Event) -> None:
        said.append(event.name)

    @machine.may_exit("A")
    def stay(event: Event) -> bool:
        return False

    machine.add("A", "B")
    assert not machine.remove("A")
    assert said == ["AState", "BState"]
    with pytest.raises(HandlerError, match=r"CState .*did you mean AState\?|BState"):

        @machine.entered("C")
        def never(event: Event) -> None: ...


@dataclass
class Paid:
    amount: int
    currency: str = "EUR"


def test_arguments_can_be_a_dataclass_and_come_back_as_one() -> None:
    got: list[Paid] = []
    machine = Machine({"Paid": State(multi=True)}, id="till")

    @machine.entered("Paid")
    def paid(event: Event) -> None:
        got.append(event.args_as(Paid))

    given = Paid(3)
    machine.add("Paid", args=given)
    assert got[0] is given
    machine.add("Paid", args={"amount": 4, "other": 1})
    assert got[1] == Paid(4)
    machine.add("Paid", args={})
    assert isinstance(machine.err, MachineError)
    assert "PaidState: the arguments [] make no Paid" in str(machine.err)
    wait = machine.when_args("Paid", {"amount": 9})
    machine.add("Paid", args=Paid(9))
    assert wait.done
    with pytest.raises(TypeError, match="args are a mapping of names to values or a dataclass, not int"):
        machine.add("Paid", args=5)  # type: ignore[arg-type]


def test_a_machine_can_be_awaited_under_asyncio() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m")

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.call_soon(machine.add, "A")
        await machine.when("A")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_wait(machine), 0.001)
        return str(machine)

    assert asyncio.run(main()) == "(A:1)"
    assert machine.subscriptions.is_empty


async def _wait(machine: Machine) -> None:
    await machine.when("B")


def test_awaiting_outside_of_an_event_loop_says_what_to_do() -> None:
    machine = Machine({"A": State()}, id="m")
    with pytest.raises(RuntimeError, match="needs trio or asyncio"):
        machine.when("A").__await__()


def test_a_machine_draws_itself() -> None:
    machine = Machine({"Power": State(), "On": State(require=["Power"], auto=True)}, id="lamp")
    machine.add("Power")
    text = machine.to_mermaid()
    assert text.splitlines()[0] == "flowchart LR"
    assert '    s1(["On"]):::active' in text.splitlines()
    assert "    s1 -->|needs| s2" in text.splitlines()


def test_a_history_keeps_the_last_transitions() -> None:
    machine = Machine({"A": State(), "B": State(remove=["A"]), "C": State(require=["A"])}, id="m")
    history = History(3)
    machine.bind_tracer(history)
    machine.add("A")
    machine.add("B")
    machine.can_add("A")
    machine.add("C")
    machine.set()
    assert [str(past) for past in history.transitions] == ["add B: +B -A", "add C: canceled", "set : -B"]
    assert len(history) == 3
    assert history.transitions[0].time == (2, 1, 0, 0)


def test_copies_and_pickles_of_a_machine_are_refused_with_the_way_to_go() -> None:
    machine = Machine({"A": State()}, id="m", states=["A", "Exception"])
    machine.add("A")
    for attempt in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"machine m cannot be copied.*import_\(machine\.export\(\)\)"):
            attempt(machine)
    with pytest.raises(TypeError, match=r"machine m cannot be pickled.*machine\.export\(\)"):
        pickle.dumps(machine)
    other = Machine({"A": State()}, id="m")
    other.import_(pickle.loads(pickle.dumps(machine.export())))
    assert other.is_("A")


def test_waiting_from_another_thread_is_refused_in_words() -> None:
    machine = Machine({"A": State()}, id="m")
    machine.add("A")
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            machine.when_not("A")
        except WrongThreadError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "m belongs to another thread: a wait made here could miss what happens there" in str(caught[0])
