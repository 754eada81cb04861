"""A replica agrees with the true machine in all that can be asked of it, and what it cannot know it says."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest

from ampubsub import Machine, NetworkMachine, Result, State
from ampubsub.machine import MachineError, MachineGoneError, MachineView
from ampubsub.remote import Source

NAMES = ("Exception", "A", "B", "C", "D", "E")
ARGUMENTS = {
    "has", "index", "parse_states", "is_", "not_", "any", "switch", "is_err", "active_states", "tick", "time", "clock",
    "is_time", "was_time", "is_clock", "was_clock", "string_all", "inspect", "to_mermaid", "log_line",
}  # fmt: skip
WAITS = {
    "when", "when_not", "when_err", "when_time", "when_ticks", "when_args", "when_query", "when_queue", "when_queue_ends",
    "when_disposed", "state_context",
}  # fmt: skip


def pair(random: Random | None = None) -> tuple[Machine, NetworkMachine]:
    """A machine, with relations when `random` is given, and its replica."""
    schema = {name: State() for name in NAMES[1:]}
    for name in schema if random else ():
        others = random.sample([other for other in NAMES[1:] if other != name], 4)
        cuts = sorted(random.choices(range(5), k=3))
        require, remove, add = (tuple(others[low:high]) for low, high in zip((0, *cuts), cuts, strict=False))
        schema[name] = State(multi=random.random() < 0.3, require=require[:1], remove=remove[:2], add=add[:1])
    machine = Machine({**schema, "Exception": State(multi=True)}, id="true", states=NAMES)
    return machine, replica_of(machine)


def replica_of(machine: Machine) -> NetworkMachine:
    return NetworkMachine(
        machine.id,
        dict(machine.schema),
        machine.state_names,
        machine.time(),
        key=("peer", 0),
        source=Source.FIRST_HAND,
        news_s=0.0,
    )


def questions(random: Random, machine: Machine) -> Iterable[tuple[str, tuple[Any, ...]]]:
    """Every question once, with arguments that are sometimes right and sometimes not."""
    some = tuple(random.sample(NAMES, random.choice((1, 2, 3))))
    about = [max(0, tick + random.choice((-1, 0, 0, 1))) for tick in machine.time()]
    clock = dict(zip(NAMES, about, strict=True))
    for name in ("is_", "not_", "any", "active_states", "time", "clock", "inspect", "has"):
        yield from ((name, ()), (name, some), (name, ("Nobody",)))
    yield from (("any", (some, NAMES[:1])), ("switch", (some, NAMES)), ("parse_states", ((*some, "Nobody"),)))
    yield from (("index", (some[0],)), ("index", ("Nobody",)), ("tick", (some[0],)), ("tick", ("Nobody",)))
    yield from ((name, (about,)) for name in ("is_time", "was_time"))
    yield from ((name, (clock,)) for name in ("is_clock", "was_clock"))
    yield from ((name, ()) for name in ("is_err", "string_all", "to_mermaid", "__str__"))


def answer(machine: MachineView, name: str, arguments: tuple[Any, ...]) -> object:
    try:
        return getattr(machine, name)(*arguments)
    except Exception as error:
        return type(error)


def change(random: Random, machine: Machine) -> None:
    name = random.choice(("add", "add", "remove", "set", "toggle", "add_err"))
    if name == "add_err":
        machine.add_err(ValueError("broken"))
    else:
        getattr(machine, name)(*random.sample(NAMES[1:], random.choice((1, 1, 2))))


def test_no_reading_method_is_left_out_of_the_comparison() -> None:
    methods = {name for name, value in inspect.getmembers(MachineView, callable) if not name.startswith("_")}
    assert methods - {"logs"} == ARGUMENTS | WAITS, "a replica writes no log"


@pytest.mark.parametrize("seed", range(30))
def test_every_question_is_answered_as_by_the_true_machine_after_every_change(seed: int) -> None:
    random = Random(seed)
    machine, replica = pair(random)
    for _ in range(40):
        change(random, machine)
        replica.follow(machine.time(), Source.FIRST_HAND, 0.0)
        for name, arguments in questions(random, machine):
            assert answer(replica, name, arguments) == answer(machine, name, arguments), (name, arguments)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_was_missed_no_wait_on_a_replica_ends_before_it_is_true(seed: int) -> None:
    random = Random(seed)
    machine, replica = pair(random)
    waits = []
    for _ in range(60):
        states = tuple(random.sample(NAMES, random.choice((1, 2, 3))))
        times = [machine.tick(state) + random.randint(0, 5) for state in states]
        waits.append(("when", machine.when(*states), replica.when(*states)))
        waits.append(("when_not", machine.when_not(*states), replica.when_not(*states)))
        waits.append(("when_time", machine.when_time(states, times), replica.when_time(states, times)))
        waits.append(("when_ticks", machine.when_ticks(states[0], 3), replica.when_ticks(states[0], 3)))
        waits.append(("context", machine.state_context(states[0]), replica.state_context(states[0])))
        for _ in range(random.choice((1, 2, 5))):
            change(random, machine)
        replica.follow(machine.time(), Source.FIRST_HAND, 0.0)
        for name, true, ours in waits:
            assert true.done or not ours.done, name
            if name in ("when_time", "when_ticks"):
                assert ours.done is true.done, name


def test_states_that_were_never_active_together_do_not_end_a_wait_for_both() -> None:
    machine = Machine({"A": State(), "B": State()}, id="true", states=["Exception", "A", "B"])
    machine.add("A")
    replica = replica_of(machine)
    both = replica.when("A", "B")
    machine.remove("A")
    machine.add("B")
    replica.follow(machine.time(), Source.FIRST_HAND, 0.0)
    assert not both.done
    machine.add("A")
    replica.follow(machine.time(), Source.FIRST_HAND, 0.0)
    assert both.done


def test_what_peers_do_not_tell_is_said_in_words_instead_of_waited_for_for_ever() -> None:
    machine, replica = pair()
    assert "do not tell arguments" in str(replica.when_args("A", {"x": 1}).error)
    assert "do not tell queue ticks" in str(replica.when_queue(7).error)
    assert replica.when_queue(replica.add("A")).done
    assert replica.when_queue_ends().done
    assert replica.err is None
    machine.add_err(ValueError("broken"))
    replica.follow(machine.time(), Source.FIRST_HAND, 0.0)
    assert isinstance(replica.err, MachineError)
    assert "peer" in str(replica.err)


def test_every_mutation_of_a_local_machine_can_be_asked_of_a_replica_and_is_refused() -> None:
    _, replica = pair()
    for name in ("add", "remove", "set", "toggle"):
        assert getattr(replica, name)("A", args={"x": 1}, event=None) is Result.CANCELED
    for name in ("can_add", "can_remove"):
        assert getattr(replica, name)("A", args={"x": 1}) is Result.CANCELED
    assert replica.add_err(ValueError("x"), {"x": 1}, None) is Result.CANCELED
    assert replica.add_err_state("A", ValueError("x"), {"x": 1}, None) is Result.CANCELED


def test_an_exported_replica_can_be_imported_by_a_local_machine_of_the_same_id() -> None:
    machine, replica = pair()
    machine.add_err(ValueError("broken"))
    replica.follow(machine.time(), Source.FIRST_HAND, 0.0)
    local, _ = pair()
    local.import_(replica.export())
    assert local.time() == machine.time()


def test_a_callback_may_wait_again_and_one_that_fails_leaves_nobody_waiting() -> None:
    _, replica = pair()
    order: list[str] = []

    def fail(_: object) -> None:
        raise ValueError("a caller's own fault")

    def again(_: object) -> None:
        order.append("first")
        replica.when("B").on_done(lambda _: order.append("second"))

    replica.follow((0, 0, 0, 1, 0, 0), Source.FIRST_HAND, 0.0)
    replica.state_context("C").on_done(lambda: fail(None))
    replica.when("A").on_done(fail)
    replica.when("A").on_done(again)
    broken = replica.when_query(lambda machine: 1 / 0 > 0)
    with pytest.raises(ValueError, match="a caller's own fault"):
        replica.follow((0, 1, 0, 2, 0, 0), Source.FIRST_HAND, 0.0)
    assert order == ["first"]
    assert isinstance(broken.error, ZeroDivisionError)
    replica.follow((0, 1, 1, 2, 0, 0), Source.FIRST_HAND, 0.0)
    assert order == ["first", "second"]


def test_at_the_end_everybody_is_told_though_one_callback_fails() -> None:
    _, replica = pair()
    gone: list[NetworkMachine] = []
    replica.when("A").on_done(lambda _: 1 / 0)
    last = replica.when("B")
    replica.on_dispose(gone.append)
    with pytest.raises(ZeroDivisionError):
        replica.end("its peer said bye")
    assert isinstance(last.error, MachineGoneError)
    assert gone == [replica]
    replica.on_dispose(gone.append)
    assert len(gone) == 2, "it is gone already: told at once"


@pytest.mark.trio
async def test_a_failing_callback_on_a_replica_does_not_stop_the_peer(
    village, autojump_clock, knows, caplog
) -> None:
    async with village.topic("a", village.lamp("kitchen")) as a:
        await a.machine.when("Joined")
        async with village.topic("b", to=a.addresses) as b:
            await village.until(lambda: knows(b, "kitchen"))
            (remote,) = b.network_machines
            remote.when("Power").on_done(lambda _: 1 / 0)
            remote.when_query(lambda machine: 1 / 0 > 0)
            remote.when_disposed().on_done(lambda _: 1 / 0)
            a.exposed[0].add("Power")
            await remote.when("Power")
            a.exposed[0].remove("Power")
            await remote.when_not("Power")
            assert b.machine.not_("Exception"), b.machine.err
            assert "a callback of a wait on a network machine failed" in caplog.text
