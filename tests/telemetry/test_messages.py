"""What programs said, as our records; and what cannot be used, refused in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ampubsub.telemetry.calls import SCHEMA_METHODS, ServerSide
from ampubsub.telemetry.limits import TelemetryLimits
from ampubsub.telemetry.messages import (
    RELATIONS,
    StepKind,
    TelemetryError,
    read_schema,
    read_transition,
)
from tests.telemetry.recorded import CALLS, name_of, recorded_bytes, told

LIMITS = TelemetryLimits()
NAMES = {"lamp": ("On", "Off")}
RECORD = {"MachineID": "lamp", "ID": "a", "Clocks": [1, 0], "Accepted": True}


def _heard(path):
    side, names = ServerSide(), {}
    for call in side.feed(recorded_bytes(path)):
        body = side.body(call)
        if call.method in SCHEMA_METHODS:
            schema = read_schema(body, LIMITS)
            names[schema.machine_id] = schema.state_names
            yield schema
        else:
            yield read_transition(body, names, LIMITS)


@pytest.mark.parametrize("path", CALLS, ids=name_of)
def test_a_recorded_program_is_heard_whole(path) -> None:
    names: tuple[str, ...] = ()
    for ours, line in zip(_heard(path), told(path), strict=True):
        body = line["body"]
        if "StatesIndex" in body:
            names = ours.state_names
            assert (ours.machine_id, list(names)) == (body["ID"], body["StatesIndex"])
            assert (ours.parent_id, list(ours.tags)) == (body["Parent"], body["Tags"] or [])
            assert {group: list(states) for group, states in ours.groups.items()} == (
                body.get("Groups") or {}
            )
            for name, state in body["States"].items():
                mine = ours.states[name]
                assert (mine.auto, mine.multi) == (state["Auto"], state["Multi"])
                for relation in RELATIONS:
                    assert list(getattr(mine, relation)) == (state[relation.title()] or [])
            continue
        assert (ours.machine_id, ours.transition_id) == (body["MachineID"], body["ID"])
        assert list(ours.clock) == body["Clocks"]
        assert ours.kind == ("add", "remove", "set")[body["Type"]]
        called = body.get("CalledStates") or [names[at] for at in body.get("CalledStatesIdxs") or []]
        assert list(ours.called) == called
        assert (ours.accepted, ours.auto) == (body["Accepted"], body["IsAuto"])
        assert (ours.queued, ours.check) == (body.get("IsQueued", False), body.get("IsCheck", False))
        assert ours.queue_token == body.get("MutQueueToken", 0)
        assert ours.queued_for == body.get("MutQueueTick", 0)
        assert dict(ours.args) == (body.get("Args") or {})
        assert [(entry.level, entry.text) for entry in ours.log] == [
            (entry["Level"], entry["Text"]) for entry in body["LogEntries"] or []
        ]
        assert len(ours.log_before) == len(body["PreLogEntries"] or [])
        steps = body["Steps"] or []
        assert len(ours.steps) == len(steps)
        for mine, step in zip(ours.steps, steps, strict=True):
            assert mine.kind == step["Type"]
            assert (names[mine.from_state] if mine.from_state >= 0 else "") == step["FromState"]
            assert (names[mine.to_state] if mine.to_state >= 0 else "") == step["ToState"]
            assert mine.relation == step["RelType"]
            assert (mine.final, mine.own, mine.enter) == (step["IsFinal"], step["IsSelf"], step["IsEnter"])
        assert ours.stack_trace == body.get("StackTrace", "")


def test_each_transition_has_its_queued_record() -> None:
    path = next(path for path in CALLS if name_of(path) == "v0.18.0-full-plant")
    records = [heard for heard in _heard(path) if hasattr(heard, "queued")]
    queued = [record for record in records if record.queued]
    for ended in (record for record in records if record.ended):
        partners = [
            record
            for record in queued
            if (record.queue_token == ended.queue_token if ended.queue_token else not record.queue_token)
            and (ended.queue_token or record.queued_for == ended.queue_tick)
        ]
        assert len(partners) == 1, ended.transition_id
        assert partners[0].called == ended.called


def test_steps_of_files_name_states_by_index() -> None:
    step = {"Type": 1, "RelType": 2, "FromState": "", "ToState": "", "FromStateIdx": 1, "ToStateIdx": -1}
    (read,) = read_transition(RECORD | {"Steps": [step]}, NAMES, LIMITS).steps
    assert (read.kind, read.from_state, read.to_state, read.relation) == (StepKind.RELATION, 1, -1, 2)


def test_what_lies_outside_of_the_schema_is_left_out() -> None:
    steps = [{"Type": 4, "ToStateIdx": 2}, {"Type": 3}, {"Type": 4, "ToState": "Gone"}]
    record = read_transition(
        RECORD | {"CalledStatesIdxs": [0, 2, -1], "Steps": steps, "Clocks": [1, 2, 3]}, NAMES, LIMITS
    )
    assert record.called == ("On",)
    assert [step.to_state for step in record.steps] == [-1]
    assert record.clock == (1, 2, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"MachineID": "door"}, "schema was not told"),
        ({"MachineID": ["x"]}, "schema was not told"),
        ({"Type": 3}, "mutation type 3"),
        ({"Clocks": [-1]}, "clock that is none"),
        ({"Clocks": [1] * 4097}, "clock that is none"),
        ({"QueueTick": "7"}, "number belongs"),
        ({"Args": [1]}, "arguments that is none"),
        ({"Steps": [1]}, "step that is none"),
        ({"Time": b"xx"}, "time"),
        ({"ID": "x" * 513}, "513 characters"),
    ],
)
def test_a_transition_that_cannot_be_used_is_refused_in_words(change, words) -> None:
    with pytest.raises(TelemetryError, match=words):
        read_transition(RECORD | change, NAMES, LIMITS)


SCHEMA = {"ID": "lamp", "StatesIndex": ["On"], "States": {"On": {"Add": ["Off"]}}}


@pytest.mark.parametrize(
    ("change", "limits", "words"),
    [
        ({"ID": ""}, {}, "without an id"),
        ({"ID": 7}, {}, "no text"),
        ({"StatesIndex": ["On", "On"]}, {}, "twice"),
        ({"StatesIndex": "On"}, {}, "no list"),
        ({"StatesIndex": ["A", "B"]}, {"states": 1}, "at most 1"),
        ({"States": {"A": {}, "B": {}}}, {"states": 1}, "2 states; at most 1"),
        ({"States": {"On": 5}}, {}, "that is none"),
        ({"Tags": ["a", "b"]}, {"tags": 1}, "at most 1"),
        ({"Groups": {"a": [], "b": []}}, {"tags": 1}, "2 groups"),
        ({"States": {"On": {"Add": ["a", "b"]}}}, {"relations": 1}, "at most 1"),
        ({"Parent": "xx"}, {"name_chars": 1}, "2 characters|4 characters"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_in_words(change, limits, words) -> None:
    with pytest.raises(TelemetryError, match=words):
        read_schema(SCHEMA | change, replace(LIMITS, **limits))


def test_long_texts_are_cut_and_long_lists_too() -> None:
    limits = replace(LIMITS, log_chars=3, log_lines=1, arguments=1, argument_chars=2, steps=1)
    record = read_transition(
        RECORD
        | {
            "LogEntries": [{"Level": 1, "Text": "[abc] d"}, {"Level": 1}],
            "Args": {"aaa": "bbb", "ccc": "d"},
            "Steps": [{"Type": 4}, {"Type": 4}],
        },
        NAMES,
        limits,
    )
    assert [line.text for line in record.log] == ["[ab"]
    assert record.args == (("aa", "bb"),)
    assert len(record.steps) == 1


def test_groups_keep_their_order_and_their_states() -> None:
    schema = read_schema(
        SCHEMA | {"Groups": {"b": [0, 1, -1], "a": None}, "GroupsOrder": ["b", "gone"]}, LIMITS
    )
    assert list(schema.groups.items()) == [("b", (0,)), ("a", ())]
