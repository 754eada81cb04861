"""Answers without a screen, from a recording."""

from __future__ import annotations

import json

import pytest

from amdbg_tui.history import History
from amdbg_tui.history.records import PeerDetailRecord


def _objects(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_machines_are_listed_as_a_table(run, recording) -> None:
    result = run("ls", recording)
    assert result.status == 0
    assert [line.split() for line in result.out.splitlines()] == [
        ["MACHINE_ID", "SOURCE", "TIME_SUM", "IN_ERROR", "ACTIVE"],
        ["lamp", "first-hand", "7", "Power"],
        ["door", "hearsay", "1", "Locked"],
    ]


def test_machines_are_objects_with_names_for_everything(run, recording) -> None:
    lamp, door = _objects(run("ls", recording, "--json").out)
    assert (lamp["schema"], lamp["kind"], lamp["machine_id"], lamp["active"]) == (
        1,
        "machine",
        "lamp",
        ["Power"],
    )
    assert lamp["tags"] == ["room:kitchen"]
    assert lamp["transitions"] == 6
    assert door["source"] == "hearsay"


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (["--id", "lamp"], ["lamp"]),
        (["--id-part", "oo"], ["door"]),
        (["--id-regexp", "^l"], ["lamp"]),
        (["--peer", "hall"], ["door"]),
        (["--tag", "room:"], ["lamp"]),
        (["--tag", "room:hall"], []),
        (["--source", "hearsay"], ["door"]),
        (["--active", "Locked"], ["door"]),
        (["--parent", "x"], []),
    ],
)
def test_filters_choose_and_the_status_says_whether_anything_matched(run, recording, chosen, found) -> None:
    result = run("ls", recording, "--json", *chosen)
    assert [machine["machine_id"] for machine in _objects(result.out)] == found
    assert result.status == (0 if found else 1)


def test_states_and_peers_are_listed(run, recording) -> None:
    states = _objects(run("ls", recording, "--states", "--id", "lamp", "--json").out)
    assert [(state["state"], state["active"], state["tick"]) for state in states] == [
        ("On", False, 6),
        ("Power", True, 1),
    ]
    peers = _objects(run("ls", recording, "--peers", "--json").out)
    assert [(peer["name"], peer["status"], peer["machines"]) for peer in peers] == [
        ("boiler", "joined", 1),
        ("hall", "stale", 1),
    ]
    assert "nothing heard" in run("ls", recording, "--peers", "--peer", "hall").out


@pytest.mark.parametrize(
    ("what", "column", "key", "order"),
    [
        ("--peers", "-name", "name", ["hall", "boiler"]),
        ("--peers", "name", "name", ["boiler", "hall"]),
        ("--peers", "-messages_in", "name", ["hall", "boiler"]),
        ("--peers", "round_trip_s", "name", ["hall", "boiler"]),
        ("--machines", "time_sum", "machine_id", ["door", "lamp"]),
        ("--machines", "-last_change_s_ago", "machine_id", ["lamp", "door"]),
        ("--states", "-tick", "state", ["On", "Power", "Locked"]),
    ],
)
def test_rows_are_sorted_by_any_column_and_the_unknown_come_last(
    run, recording, what, column, key, order
) -> None:
    with History(recording) as history:
        history.append(
            [PeerDetailRecord(1.0, "12D3-hall", messages_in=(("info", 3), ("updates", 4)), round_trip_s=0.1)]
        )
    found = _objects(run("ls", recording, what, "--sort", column, "--json").out)
    assert [row[key] for row in found] == order


def test_a_column_that_is_not_there_is_named_with_those_that_are(run, recording) -> None:
    for column in ("colour", "active"):
        result = run("ls", recording, "--sort", column)
        assert result.status == 2
        assert "there is no such column; there are peer_id, index, machine_id" in result.err


def test_a_watch_finds_every_turn_of_the_past(run, recording) -> None:
    result = run("watch", recording, "lamp.On && door.Locked", "--json")
    assert result.status == 0
    assert [(hit["is_true"], hit["kind"]) for hit in _objects(result.out)] == [
        (True, "watch"), (False, "watch"), (True, "watch"), (False, "watch"), (True, "watch"), (False, "watch"),
    ]  # fmt: skip
    first = _objects(run("watch", recording, "tick(lamp.On) > 2", "--until", "--json").out)
    assert [hit["is_true"] for hit in first] == [True]


def test_a_watch_marks_its_hits_in_the_recording(run, recording) -> None:
    hits = [
        hit for hit in _objects(run("watch", recording, "lamp.On", "--mark", "--json").out) if hit["is_true"]
    ]
    with History.open(recording) as history:
        assert [(mark.number, mark.text) for mark in history.bookmarks] == [
            (hit["number"], "watch: lamp.On") for hit in hits
        ]
    assert len(hits) == 3
    assert "this is a recording" in run("watch", recording, "lamp.On", "--run", "true").err


def test_a_watch_that_was_never_true_says_so_by_its_status(run, recording) -> None:
    result = run("watch", recording, "lamp.Broken || nobody.On")
    assert result.status == 1
    assert "nobody has it yet: no state 'Broken' in 'lamp', no machine 'nobody'" in result.err


def test_the_newest_records_are_printed(run, recording) -> None:
    result = run("tail", recording, "-n", "2")
    assert [line.split()[1:] for line in result.out.splitlines()] == [
        ["lamp", "add", "+On"],
        ["lamp", "remove", "-On"],
    ]
    objects = _objects(run("tail", recording, "-n", "1", "--json").out)
    assert (objects[0]["kind"], objects[0]["exited"], objects[0]["called"]) == ("transition", ["On"], ["On"])
    assert run("tail", recording, "--id", "door").status == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("watch", "FILE", "lamp.On &"), "write &&, not &"),
        (("ls", "FILE", "--id-regexp", "("), "is no regular expression"),
        (("ls", "nowhere.db"), "nowhere.db"),
        (("ls", "FILE", "FILE"), "name one recording"),
        (("ls", "/ip4/127.0.0.1/tcp/1/p2p/nobody"), "nobody"),
        (("ls", "FILE", "--wait", "soon"), "no duration"),
    ],
)
def test_wrong_input_is_one_line(run, recording, arguments, words) -> None:
    result = run(*(recording if argument == "FILE" else argument for argument in arguments))
    assert result.status == 2
    assert words in result.err
    assert "\n" not in result.err.strip()
