"""Machines of programs become records like all others: with names, steps, log and errors, from the wire or from a file."""

from __future__ import annotations

import pytest

from amdbg_tui.history.records import (
    PROGRAMS_PEER,
    MachineRecord,
    NoticeRecord,
    PeerRecord,
    RecordClass,
    TransitionRecord,
    class_of,
)
from amdbg_tui.node.programs import Programs, records_of_dump
from ampubsub.machine import State
from ampubsub.telemetry.dumps import read_dump
from ampubsub.telemetry.messages import (
    LogLine,
    MachineSchema,
    MachineTransition,
    Step,
    StepKind,
)
from ampubsub.telemetry.receiver import CallRefused, ProgramGone, SchemaHeard, TransitionHeard
from tests.telemetry.recorded import DUMPS, name_of

LAMP = MachineSchema(
    "lamp", ("On", "Power"), {"On": State(require=("Power",)), "Power": State()}, tags=("a",)
)


def _told(clock, **kwargs) -> MachineTransition:
    return MachineTransition("lamp", kwargs.pop("transition_id", "t"), clock, **kwargs)


@pytest.fixture
def story():
    records: list = []
    programs = Programs(records.extend)
    programs.heard(SchemaHeard(1, LAMP, 10.0))
    return programs, records


def test_a_program_is_introduced_once_and_its_machine_with_its_schema(story) -> None:
    programs, records = story
    programs.heard(SchemaHeard(2, MachineSchema("door", ("Open",), {"Open": State()}), 11.0))
    peer, lamp, door = records
    assert isinstance(peer, PeerRecord)
    assert (lamp.key, lamp.machine_id, lamp.source) == ((PROGRAMS_PEER, 0), "lamp", "program")
    assert lamp.states[0].require == ("Power",)
    assert door.key.slot == 1


def test_a_transition_has_steps_log_handlers_source_and_error(story) -> None:
    programs, records = story
    programs.heard(
        TransitionHeard(
            1,
            _told(
                (1, 1),
                called=("On",),
                steps=(
                    Step(StepKind.RELATION, 0, 1, relation=2),
                    Step(StepKind.HANDLER, -1, 0, final=True, enter=True),
                ),
                log_before=(LogLine(3, "[source] plant/ab/7"),),
                log=(LogLine(3, "[handler:0] OnState"), LogLine(2, "[error] stuck")),
                args=(("by", "hand\x1b[31m"),),
            ),
            12.0,
        )
    )
    record = records[-1]
    assert class_of(record) is RecordClass.PROGRAM
    assert (record.before, record.after, record.called) == ((0, 0), (1, 1), ("On",))
    assert [(step.kind, step.from_state, step.to_state, step.detail) for step in record.steps] == [
        ("rel", "On", "Power", "require"),
        ("handler", "", "On", "FE"),
    ]
    assert (record.handlers, record.source, record.error) == (("OnState",), "plant/ab/7", "stuck")
    assert "\x1b" not in record.args[0][1]


def test_an_error_is_told_by_its_arguments_when_the_log_has_none(story) -> None:
    programs, records = story
    for accepted, called in ((True, "Exception"), (False, "Exception"), (True, "On")):
        told = _told((1, 1), called=(called,), accepted=accepted, args=(("err", "fan: stuck"),))
        programs.heard(TransitionHeard(1, told, 12.0))
    assert [record.error for record in records[-3:]] == ["fan: stuck", "", ""]


def test_a_queued_mutation_is_not_a_transition_of_its_own(story) -> None:
    programs, records = story
    before = len(records)
    programs.heard(TransitionHeard(1, _told((0, 0), queued=True), 12.0))
    assert len(records) == before


def test_ticks_that_fall_are_a_restart_and_missing_ticks_are_those_of_before(story) -> None:
    programs, records = story
    programs.heard(TransitionHeard(1, _told((5, 3)), 12.0))
    programs.heard(TransitionHeard(1, _told((6,)), 12.5))
    assert records[-1].after == (6, 3)
    programs.heard(TransitionHeard(1, _told((1, 0)), 13.0))
    machine, transition = records[-2:]
    assert isinstance(machine, MachineRecord)
    assert (machine.clock, machine.reason) == ((1, 0), "it restarted: its ticks fell")
    assert (transition.before, transition.after) == ((1, 0), (1, 0))


def test_a_machine_that_comes_again_takes_its_row_and_two_at_once_are_two(story) -> None:
    programs, records = story
    programs.heard(SchemaHeard(2, LAMP, 11.0))
    assert records[-1].key.slot == 1
    programs.heard(TransitionHeard(1, _told((1, 1)), 12.0))
    programs.heard(ProgramGone(1, ("lamp",), "the program closed its connection", 13.0))
    assert (records[-1].source, records[-1].clock) == ("gone", (1, 1))
    programs.heard(SchemaHeard(3, LAMP, 14.0))
    assert (records[-1].key.slot, records[-1].reason) == (0, "its program connected again")
    assert records[-1].clock == ()


def test_a_changed_schema_keeps_the_row_and_the_clock(story) -> None:
    programs, records = story
    programs.heard(TransitionHeard(1, _told((1, 1)), 12.0))
    grown = MachineSchema("lamp", ("On", "Power", "Dim"), {n: State() for n in ("On", "Power", "Dim")})
    programs.heard(SchemaHeard(1, grown, 13.0))
    assert records[-1].key.slot == 0
    assert [state.name for state in records[-1].states] == ["On", "Power", "Dim"]
    programs.heard(TransitionHeard(1, _told((1, 1, 1)), 14.0))
    assert records[-1].after == (1, 1, 1)


def test_refusals_are_summed_up(story) -> None:
    programs, records = story
    for at in range(100):
        programs.heard(CallRefused(1, "bad", 20.0 + at / 100))
    programs.heard(CallRefused(1, "bad", 30.0))
    notices = [record.text for record in records if isinstance(record, NoticeRecord)]
    assert notices == [
        "a program said what cannot be used: bad",
        "a program said what cannot be used: bad (and 99 more)",
    ]


@pytest.mark.parametrize("path", DUMPS, ids=name_of)
def test_a_dump_becomes_records_in_the_order_of_time(path) -> None:
    pytest.importorskip("brotli", reason="the package Brotli is not installed")
    records = records_of_dump(read_dump(path))
    assert [record.at_s for record in records] == sorted(record.at_s for record in records)
    transitions = [record for record in records if isinstance(record, TransitionRecord)]
    assert {record.key.slot for record in transitions} == {0, 1}
    assert all(len(record.before) == len(record.after) for record in transitions)
    assert any("Exception" in record.called for record in transitions)
