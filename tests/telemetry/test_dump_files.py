"""am-dbg's dumps open as recordings, and recordings are written as dumps."""

from __future__ import annotations

import time

import pytest

from amdbg_tui.dump_files import export_dump, open_dump
from amdbg_tui.history import History, HistoryError
from amdbg_tui.history.records import (
    MachineKey,
    MachineRecord,
    StateShape,
    StepRecord,
    TransitionRecord,
)
from ampubsub.telemetry.dumps import read_dump
from tests.telemetry.recorded import DUMPS, name_of, told

pytest.importorskip("brotli", reason="the package Brotli is not installed: pip install Brotli")


@pytest.mark.parametrize("path", DUMPS, ids=name_of)
def test_a_dump_opens_as_a_recording_with_its_clocks_and_log(path) -> None:
    with open_dump(path) as history:
        expected = {line["MsgStruct"]["ID"]: line for line in told(path)}
        machines = {machine.record.machine_id: machine for machine in history.live.machines.values()}
        assert machines.keys() == expected.keys()
        for name, line in expected.items():
            ended = [record for record in line["MsgTxs"] if not record.get("IsQueued")]
            assert list(machines[name].clock) == ended[-1]["Clocks"]
            assert machines[name].transitions == len(ended)
        moments = history.cursor().page(limit=10_000).moments
        assert any(moment.record.log for moment in moments)
        first = history.at(moments[0].number)
        assert sum(machine.time_sum for machine in first.machines.values()) < sum(
            machine.time_sum for machine in machines.values()
        )


@pytest.mark.parametrize("path", DUMPS, ids=name_of)
def test_a_dump_that_was_opened_is_written_again_with_the_same_transitions(path, tmp_path) -> None:
    target = tmp_path / "again.gob.br"
    with open_dump(path) as history:
        export_dump(history, target, 1, history.last, None)
    ours = {machine.schema.machine_id: machine for machine in read_dump(target)}
    for machine in read_dump(path):
        names = machine.schema.state_names
        again = ours[machine.schema.machine_id]
        assert again.schema.states == machine.schema.states
        ended = [record for record in machine.transitions if record.ended and len(record.clock) == len(names)]
        for mine, theirs in zip(
            again.transitions[-len(ended) :], ended[-len(again.transitions) :], strict=True
        ):
            assert (mine.transition_id, mine.clock, mine.called) == (
                theirs.transition_id,
                theirs.clock,
                theirs.called,
            )
            assert mine.steps == theirs.steps
            assert mine.at_s == pytest.approx(theirs.at_s, abs=1e-4)


def test_a_recording_of_a_topic_is_written_with_the_lines_that_am_dbg_reads(tmp_path) -> None:
    lamp, door = MachineKey("peer-A", 0), MachineKey("peer-B", 0)
    with History(None) as history:
        now = time.time()
        shapes = (StateShape("On", require=("Power",)), StateShape("Power"))
        history.append(
            [
                MachineRecord(now, lamp, "lamp", shapes, "first-hand", tags=("a",)),
                MachineRecord(now, door, "door", shapes, "first-hand"),
                TransitionRecord(now, lamp, "", "clock", (), True, (0, 0), (1, 1), derived=True),
                TransitionRecord(
                    now,
                    door,
                    "7",
                    "add",
                    ("On",),
                    False,
                    (0, 0),
                    (0, 0),
                    steps=(StepRecord("cancel", "", "On"),),
                ),
            ]
        )
        history.refresh()
        target = tmp_path / "topic.gob.br"
        assert export_dump(history, target, 1, history.last, None) == 2
        assert export_dump(history, tmp_path / "one.gob.br", 1, history.last, [lamp]) == 1
    first, second = read_dump(target)
    assert first.schema.tags == ("a", "peer:peer-A")
    assert first.transitions[0].kind == "set"
    assert first.transitions[0].log[0].text == "[state] +On +Power"
    assert not second.transitions[0].accepted
    assert second.transitions[0].steps[0].to_state == 0


def test_two_machines_of_one_id_stay_two(tmp_path) -> None:
    with History(None) as history:
        for peer in ("peer-A", "peer-B"):
            history.append(
                [MachineRecord(1.0, MachineKey(peer, 0), "lamp", (StateShape("On"),), "first-hand")]
            )
        history.refresh()
        export_dump(history, tmp_path / "two.gob.br", 1, history.last, None)
    ids = [machine.schema.machine_id for machine in read_dump(tmp_path / "two.gob.br")]
    assert ids == ["lamp-peer-A-0", "lamp-peer-B-0"]


def test_what_is_no_dump_is_refused_in_words(tmp_path) -> None:
    path = tmp_path / "x.gob.br"
    path.write_bytes(b"no")
    with pytest.raises(HistoryError, match="not an am-dbg dump"):
        open_dump(path)
