"""Pipes: one machine's state follows another's."""

from __future__ import annotations

import pytest

from ampubsub.machine import ExceptionHandler, LogLevel, Machine, Options, State, UnknownStateError, pipes


def lamp(id: str, **options: object) -> Machine:
    states = {"Power": State(), "On": State(), "ErrBulb": State(require=("Exception",)), "Start": State()}
    return Machine(states, id=id, options=Options(**options))  # type: ignore[arg-type]


def test_a_state_is_carried_with_its_arguments_and_its_source() -> None:
    switch, bulb = lamp("switch"), lamp("bulb")
    seen: list[object] = []
    bulb.bind_handlers(
        {"OnState": lambda event: seen.append((event.args["by"], event.mutation.source.machine_id))}
    )
    pipes.bind(switch, bulb, "Power", "On")
    switch.add("Power", args={"by": "hand"})
    assert bulb.is_("On")
    assert seen == [("hand", "switch")]
    switch.remove("Power")
    assert bulb.not_("On")


def test_several_states_and_whole_machines_can_be_carried() -> None:
    one, two, three = lamp("one"), lamp("two"), lamp("three")
    pipes.bind_many(one, two, {"Power": "On", "Start": "Start"})
    pipes.bind_any(two, three)
    one.add("Power", "Start")
    assert two.is_("On", "Start")
    assert three.is_("On", "Start")


def test_errors_are_carried_with_their_cause() -> None:
    bulb, house = lamp("bulb"), lamp("house")
    house.bind_handlers(ExceptionHandler())
    pipes.bind_err(bulb, house, "ErrBulb")
    bulb.bind_handlers({"OnState": lambda event: 1 / 0})
    bulb.add("On")
    assert house.is_("ErrBulb", "Exception")
    assert isinstance(house.err, ZeroDivisionError)


def test_a_flat_pipe_asks_for_nothing_that_is_so_already() -> None:
    switch, bulb = lamp("switch"), lamp("bulb")
    pipes.Pipe(switch, bulb, {"PowerState": pipes.adding(switch, bulb, "Power", "On", flat=True)})
    bulb.add("On")
    before = bulb.queue_tick
    switch.add("Power")
    assert bulb.queue_tick == before


def test_a_pipe_ends_when_closed_and_when_a_machine_goes() -> None:
    switch, bulb = lamp("switch"), lamp("bulb")
    pipe = pipes.bind(switch, bulb, "Power", "On")
    pipe.close()
    pipe.close()
    switch.add("Power")
    assert bulb.not_("On")
    again = lamp("again")
    pipes.bind(switch, again, "Start")
    again.dispose()
    switch.add("Start")
    assert not switch.has_handlers


def test_both_logs_tell_of_a_pipe() -> None:
    lines: list[str] = []

    def write(level: LogLevel, text: str) -> None:
        lines.append(text)

    switch = lamp("switch", log_level=LogLevel.OPERATIONS, logger=write, log_id=False)
    bulb = lamp("bulb", log_level=LogLevel.OPERATIONS, logger=write, log_id=False)
    pipes.bind(switch, bulb, "Power", "On")
    assert lines[:4] == [
        "[pipe-out:add] Power to bulb",
        "[pipe-in:add] On from switch",
        "[pipe-out:remove] Power to bulb",
        "[pipe-in:remove] On from switch",
    ]


def test_unknown_states_are_named_with_their_machine() -> None:
    switch, bulb = lamp("switch"), lamp("bulb")
    with pytest.raises(UnknownStateError, match="needs the state 'Nope' in bulb"):
        pipes.bind(switch, bulb, "Power", "Nope")
    with pytest.raises(UnknownStateError, match="none of Disconnected"):
        pipes.bind_connected(switch, bulb, {"Power": "On"})
    with pytest.raises(UnknownStateError, match="bulb has no Extra, which more has"):
        pipes.bind_any(Machine({"Extra": State()}, id="more"), bulb)
