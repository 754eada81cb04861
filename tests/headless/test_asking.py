"""`reach`, `what-if` and `why` on a recording."""

from __future__ import annotations

import json
import time

import pytest

from amdbg_tui.history import History
from amdbg_tui.history.records import MachineKey, MachineRecord, PeerRecord, StateShape, TransitionRecord


@pytest.fixture
def doors(tmp_path):
    """A door of others that was locked, and its twin at another peer."""
    path, now = tmp_path / "doors.db", time.time()
    states = (
        StateShape("Open"),
        StateShape("Locked", remove=("Open",)),
        StateShape("Wide", require=("Open",)),
    )
    with History(path) as history:
        history.append(
            [
                PeerRecord(now, "12D3-hall", "joined", "hall"),
                MachineRecord(now, MachineKey("12D3-hall", 0), "door", states, "first-hand", clock=(1, 0, 0)),
                MachineRecord(now, MachineKey("12D3-attic", 0), "door", states, "first-hand", clock=(0, 0, 0)),
                TransitionRecord(
                    now, MachineKey("12D3-hall", 0), "", "clock", ("Locked",), True, (1, 0, 0), (2, 1, 0),
                    derived=True, source="12D3-hall", trust="first-hand",
                ),
            ]
        )  # fmt: skip
    return path


def test_what_it_would_take_and_who_blocks_it(run, doors) -> None:
    result = run("reach", doors, "hall/door", "Wide")
    assert result.status == 0
    assert result.out.splitlines() == [
        "door: Wide: reachable",
        "  in the way: Wide requires Open",
        "  in the way: Open removed by Locked",
        "  do: remove Locked",
        "  do: add Open Wide",
        "  then active: Open Wide",
        "  no longer active: Locked",
    ]


def test_reach_as_json_and_at_an_earlier_record(run, doors) -> None:
    answer = json.loads(run("reach", doors, "hall/door", "Wide", "--at", "3", "--json").out)
    assert (answer["kind"], answer["outlook"]) == ("reach", "reachable")
    assert answer["steps"] == [{"mutation": "add", "states": ["Wide"]}]


def test_what_cannot_be_ends_with_status_one(run, doors) -> None:
    result = run("reach", doors, "attic/door", "Locked", "--and", "Wide")
    assert result.status == 1
    assert "impossible" in result.out
    assert "Open excluded by Locked" in result.out


def test_what_if_says_what_would_come_and_what_is_refused(run, doors) -> None:
    done = json.loads(run("what-if", doors, "attic/door", "add", "Open", "--and", "Wide", "--json").out)
    assert (done["accepted"], done["entered"]) == (True, ["Open", "Wide"])
    refused = run("what-if", doors, "hall/door", "add", "Wide")
    assert refused.status == 1
    assert "relations refuse it" in refused.out
    assert "Wide requires Open" in refused.out


def test_why_goes_back_to_where_the_network_is_silent(run, doors) -> None:
    links = [json.loads(line) for line in run("why", doors, "hall/door.Locked", "--json").out.splitlines()]
    assert [link["number"] for link in links] == [4, 4, None]
    assert links[-1]["grade"] == "unknown"
    assert run("why", doors, "4").status == 0
    assert run("why", doors, "1").status == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("reach", "FILE", "door", "Wide"), "2 machines are meant"),
        (("reach", "FILE", "window", "Open"), "nobody has a machine 'window'"),
        (("reach", "FILE", "hall/door", "Ajar"), "no state 'Ajar' in 'door'"),
        (("reach", "FILE", "hall/door", "Open", "--at", "99"), "there are the records 1 to 4"),
        (("what-if", "FILE", "hall/door", "toggle", "Open"), "toggle"),
        (("why", "FILE", "door.Ajar"), "no state 'Ajar'"),
        (("why", "FILE", "any(door).Open && x.y"), "is not"),
    ],
)
def test_wrong_questions_are_one_line(run, doors, arguments, words) -> None:
    result = run(*(doors if argument == "FILE" else argument for argument in arguments))
    assert result.status == 2
    assert words in result.err
    assert "\n" not in result.err.strip()
