"""A machine's life: its thread, its end, being carried elsewhere, growing, being asked what would happen."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from ampubsub.machine import (
    Event,
    ImportMismatchError,
    Machine,
    MachineError,
    MutationKind,
    Options,
    Result,
    SchemaError,
    State,
    UnknownStateError,
    WrongThreadError,
)

SCHEMA = {"A": State(), "B": State(require=["A"]), "C": State(remove=["A"]), "Start": State()}


@pytest.fixture
def machine() -> Machine:
    return Machine(SCHEMA, id="door", states=["A", "B", "C", "Start", "Exception"])


def in_another_thread(work: object) -> BaseException | None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught[0] if caught else None


@pytest.mark.parametrize("times", [1, 5])
def test_another_thread_is_refused_until_the_machine_is_released(machine: Machine, times: int) -> None:
    for _ in range(times):  # resolved the first time, planned later
        machine.add("A")
        machine.remove("A")
    error = in_another_thread(lambda: machine.add("A"))
    assert isinstance(error, WrongThreadError)
    assert "door was mutated from another thread" in str(error)
    assert "machine.release()" in str(error)
    assert not machine.is_("A")
    machine.release()
    assert in_another_thread(lambda: machine.add("A")) is None
    assert machine.is_("A")
    with pytest.raises(WrongThreadError):
        machine.remove("A")


def test_reading_works_from_any_thread(machine: Machine) -> None:
    machine.add("A")
    seen: list[str] = []
    assert in_another_thread(lambda: seen.append(str(machine))) is None
    assert seen == ["(A:1)"]


def test_disposing_removes_start_first_then_ends_everything(machine: Machine) -> None:
    ended: list[str] = []
    machine.bind_handlers({"StartEnd": lambda event: ended.append("StartEnd")})
    machine.on_dispose(lambda m: ended.append("on_dispose"))
    machine.add("Start")
    machine.dispose()
    machine.dispose()
    assert ended == ["StartEnd", "on_dispose"]
    assert machine.is_disposed
    assert str(machine) == machine.string_all() == ""
    assert not machine.is_("Start")
    assert machine.add("A") == machine.remove("A") == machine.set("A") == Result.CANCELED
    assert machine.add("Unheard") == Result.CANCELED
    assert machine.eval("late", lambda: None) is False


def test_disposing_inside_a_handler_waits_for_the_queue(machine: Machine) -> None:
    seen: list[str] = []

    def state(event: Event) -> None:
        event.machine.add("B")
        event.machine.dispose()

    machine.bind_handlers({"AState": state, "BState": lambda event: seen.append(str(event.machine))})
    machine.add("A")
    assert seen == ["(A:1 B:1)"]
    assert machine.is_disposed


def test_a_machine_carried_elsewhere_goes_on_alike(machine: Machine) -> None:
    machine.add("A", "B")
    machine.remove("B")
    other = Machine(SCHEMA, id="door")
    other.import_(machine.export())
    assert other.string_all() == machine.string_all()
    assert other.state_names == machine.state_names
    assert other.machine_tick == 1
    for each in (machine, other):
        each.add("C")
        each.add("C")
        each.add("A", "B")
    assert other.string_all() == machine.string_all()


def test_only_a_machine_with_a_fixed_order_can_be_exported() -> None:
    with pytest.raises(SchemaError, match="call VerifyStates first"):
        Machine(SCHEMA, id="door").export()


def test_clocks_of_another_machine_are_refused_and_nothing_changes(machine: Machine) -> None:
    machine.add("A")
    data = machine.export()
    stranger = Machine(SCHEMA, id="window")
    with pytest.raises(ImportMismatchError, match="import ID mismatch"):
        stranger.import_(data)
    smaller = Machine({"A": State()}, id="door")
    with pytest.raises(ImportMismatchError, match="importing diff state len"):
        smaller.import_(data)
    renamed = Machine({name.lower(): State() for name in ("A", "B", "C", "Start")}, id="door")
    with pytest.raises(ImportMismatchError, match="state unknown: A"):
        renamed.import_(data)
    assert renamed.time().sum() == smaller.time().sum() == stranger.time().sum() == 0


def test_a_schema_grows_and_keeps_every_clock_and_wait(machine: Machine) -> None:
    machine.add("A")
    wait = machine.when("A", "Start")
    time_wait = machine.when_ticks("A", 1)
    bigger = {**SCHEMA, "D": State(add=["A"]), "Exception": State(multi=True)}
    machine.set_schema(bigger, ["D", "A", "B", "C", "Start", "Exception"])
    assert machine.string_all() == "(A:1) [D:0 B:0 C:0 Start:0 Exception:0]"
    machine.remove("A")
    machine.add("D", "Start")
    assert machine.is_("D", "A")
    assert wait.done
    assert time_wait.done


def test_a_schema_that_shrinks_or_loses_a_state_is_refused(machine: Machine) -> None:
    with pytest.raises(SchemaError, match=r"too short \(> 5 states\)"):
        machine.set_schema({"A": State()}, ["A"])
    lossy = {name: State() for name in ("A", "B", "C", "X", "Y", "Exception")}
    with pytest.raises(SchemaError, match="door would lose Start; a new schema keeps every state"):
        machine.set_schema(lossy, list(lossy))


def test_a_schema_cannot_change_inside_a_transition(machine: Machine) -> None:
    machine.bind_handlers({"AState": lambda event: event.machine.set_schema({}, [])})
    machine.add("A")
    assert machine.is_err()
    assert "cannot set schema during a transition" in str(machine.err)


def test_an_index_order_must_name_every_state_and_no_other() -> None:
    with pytest.raises(SchemaError, match="missing: Exception"):
        Machine({"A": State()}, id="m", states=["A"])
    with pytest.raises(SchemaError, match="state X not defined in schema for m"):
        Machine({"A": State()}, states=["A", "X", "Exception"], id="m")


def test_a_contradiction_in_the_schema_starts_the_machine_with_exception() -> None:
    machine = Machine({"A": State(require=["B"], remove=["B"]), "B": State()}, id="m")
    assert machine.is_err()
    assert str(machine.err) == "schema error: require-remove conflict for A to B"


def test_unknown_states_are_named_with_the_machine(machine: Machine) -> None:
    for change in (machine.add, machine.remove, machine.set):
        with pytest.raises(UnknownStateError, match="missing states: X not defined in schema for door"):
            change("A", "X")
    assert machine.queue_tick == 1


def test_a_preview_tells_what_relations_would_do_and_touches_nothing(machine: Machine) -> None:
    machine.add("A")
    before = (machine.string_all(), machine.queue_tick)
    coming = machine.preview(MutationKind.ADD, "C")
    assert coming.accepted
    assert (coming.enters, coming.exits) == (("C",), ("A",))
    assert coming.removed_by == (("A", ("C",)),)
    refused = machine.preview(MutationKind.SET, "B")
    assert not refused.accepted
    assert refused.refused == ("B",)
    assert refused.missing == (("B", ("A",)),)
    assert (machine.string_all(), machine.queue_tick) == before
    with pytest.raises(UnknownStateError):
        machine.preview(MutationKind.ADD, "X")


def test_a_preview_says_what_then_happens(machine: Machine) -> None:
    for kind, states in [("add", "A"), ("add", "B"), ("set", "C"), ("remove", "C"), ("set", "B")]:
        coming = machine.preview(MutationKind(kind), states)
        result = getattr(machine, kind)(states)
        assert coming.accepted is (result == Result.EXECUTED)
        if coming.accepted:
            assert set(machine.active_states()) == set(coming.target)


def test_an_eval_runs_between_transitions_and_refuses_to_wait_for_itself(machine: Machine) -> None:
    ran: list[str] = []
    assert machine.eval("look", lambda: ran.append(str(machine)))
    assert ran == ["()"]
    with pytest.raises(MachineError, match="source of eval is required"):
        machine.eval("", lambda: None)
    machine.bind_handlers({"AState": lambda event: machine.eval("inside", lambda: None)})
    machine.add("A")
    assert machine.is_err()
    assert "would wait for itself; call the function" in str(machine.err)


def test_a_full_queue_refuses_all_but_errors() -> None:
    machine = Machine({"A": State(), "B": State()}, id="m", options=Options(queue_limit=2))
    results: list[Result] = []

    def state(event: Event) -> None:
        results.extend(machine.add("B", args={"n": n}) for n in range(3))
        results.append(machine.add_err(ValueError("urgent")))

    machine.bind_handlers({"AState": state})
    machine.add("A")
    assert [str(result) for result in results] == ["queued", "queued", "canceled", "queued"]
    assert machine.is_err()


def test_children_tell_their_parents_tracers() -> None:
    from ampubsub.machine import Tracer

    born: list[tuple[str, str]] = []

    class Midwife(Tracer):
        def new_submachine(self, parent: Machine, child: Machine) -> None:
            born.append((parent.id, child.id))

    parent = Machine({}, id="parent", tracers=[Midwife()])
    child = Machine({}, id="child", parent=parent)
    assert born == [("parent", "child")]
    assert child.parent_id == "parent"


def test_importing_the_machine_loads_nothing_from_outside_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import ampubsub.machine; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'ampubsub'}), "
        "[name for name in ('asyncio', 'trio', 'logging', 'socket') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[] []"


def test_a_machine_that_can_tell_is_told_that_it_was_restored() -> None:
    schema = {"A": State(), "MachineRestored": State()}
    order = ["A", "MachineRestored", "Exception"]
    old, new = Machine(schema, id="m", states=order), Machine(schema, id="m", states=order)
    old.add("A")
    new.import_(old.export())
    assert str(new) == "(A:1 MachineRestored:1)"
