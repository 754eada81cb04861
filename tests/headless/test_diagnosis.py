"""`doctor` on a recording."""

from __future__ import annotations

import json
import time

import pytest

from amdbg_tui.history import History
from amdbg_tui.history.records import ConnectionRecord, PeerRecord


@pytest.fixture
def night(tmp_path):
    """A peer dies; later it is back."""
    path, start = tmp_path / "night.db", time.time() - 500
    with History(path) as history:
        history.append(
            [
                ConnectionRecord(start, "joined", "home", "12D3-me"),
                PeerRecord(start, "12D3-hall", "joined", "hall"),
                PeerRecord(start, "12D3-attic", "joined", "attic"),
                PeerRecord(start + 60, "12D3-attic", "stale", "attic", "its connection was lost"),
            ]
        )
        history.append([PeerRecord(start + 90, "12D3-attic", "joined", "attic")])
    return path


def test_at_the_end_all_is_well_and_the_status_says_so(run, night) -> None:
    result = run("doctor", night)
    assert (result.status, result.out) == (0, "nothing is wrong that the records tell\n")
    assert run("doctor", night, "--json").out == ""


def test_at_a_moment_of_the_past_it_says_what_was_wrong_and_what_to_do(run, night) -> None:
    result = run("doctor", night, "--at", "4")
    assert result.status == 1
    lines = result.out.splitlines()
    assert lines[0] == "error    peer-dead        attic (-attic): out of reach: its connection was lost"
    assert "likely; records 4" in lines[1]
    assert lines[2].startswith("         it means: it ended, or cannot be reached")
    assert lines[3].startswith("         do: look at its process")


def test_findings_as_objects(run, night) -> None:
    (found,) = [json.loads(line) for line in run("doctor", night, "--at", "4", "--json").out.splitlines()]
    assert (found["kind"], found["name"], found["severity"], found["confidence"]) == (
        "finding", "peer-dead", "error", "likely",
    )  # fmt: skip
    assert (found["evidence"], found["peer_id"], found["index"]) == ([4], "12D3-attic", None)
    assert {"meaning", "remedy", "since", "subject", "text"} <= set(found)


def test_a_moment_that_is_not_there_is_wrong_input(run, night) -> None:
    result = run("doctor", night, "--at", "77")
    assert result.status == 2
    assert "there are the records 1 to 5" in result.err
