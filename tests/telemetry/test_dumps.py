"""am-dbg's export files: read as Go reads them, written so that they are read again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ampubsub.telemetry.dumps import DumpError, read_dump, write_dump
from ampubsub.telemetry.limits import TelemetryLimits
from tests.telemetry.recorded import DUMPS, name_of, told

brotli = pytest.importorskip("brotli", reason="the package Brotli is not installed: pip install Brotli")


@pytest.mark.parametrize("path", DUMPS, ids=name_of)
def test_a_dump_of_am_dbg_is_read_as_go_reads_it(path) -> None:
    machines = {machine.schema.machine_id: machine for machine in read_dump(path)}
    lines = told(path)
    assert len(machines) == len(lines) == 2
    for line in lines:
        machine = machines[line["MsgStruct"]["ID"]]
        assert list(machine.schema.state_names) == line["MsgStruct"]["StatesIndex"]
        assert len(machine.transitions) == len(line["MsgTxs"])
        for ours, record in zip(machine.transitions, line["MsgTxs"], strict=True):
            assert (ours.transition_id, list(ours.clock)) == (record["ID"], record["Clocks"])
            names = line["MsgStruct"]["StatesIndex"]
            by_index = [names[at] for at in record.get("CalledStatesIdxs") or []]
            assert list(ours.called) == (by_index or record.get("CalledStates") or [])
            assert [entry.text for entry in ours.log] == [
                entry["Text"] for entry in record["LogEntries"] or []
            ]
            assert [(step.from_state, step.to_state) for step in ours.steps] == [
                (step["FromStateIdx"], step["ToStateIdx"]) for step in record["Steps"] or []
            ]
            assert ours.at_s is not None


@pytest.mark.parametrize("path", DUMPS, ids=name_of)
def test_a_dump_that_we_write_is_read_again_the_same(path, tmp_path) -> None:
    machines = read_dump(path)
    again = tmp_path / "again.gob.br"
    write_dump(again, machines)
    for ours, theirs in zip(read_dump(again), machines, strict=True):
        assert ours.schema == theirs.schema
        for mine, original in zip(ours.transitions, theirs.transitions, strict=True):
            assert mine.at_s == pytest.approx(original.at_s, abs=1e-6)
            assert replace(mine, at_s=None) == replace(original, at_s=None)


def test_a_record_without_a_time_is_not_written(tmp_path) -> None:
    machine = read_dump(DUMPS[0])[0]
    timeless = replace(machine, transitions=(replace(machine.transitions[0], at_s=None),))
    with pytest.raises(DumpError, match="has no time"):
        write_dump(tmp_path / "x.gob.br", [timeless])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not an am-dbg dump"),
        (b"text that is no dump", "no Brotli data"),
        (brotli.compress(b""), "no list of machines"),
        (brotli.compress(b"\x05text."), "not an am-dbg dump"),
        (DUMPS[0].read_bytes()[:-40], "not an am-dbg dump"),
    ],
)
def test_other_files_are_refused_with_their_name(tmp_path, data, words) -> None:
    path = tmp_path / "other.gob.br"
    path.write_bytes(data)
    with pytest.raises(DumpError, match=words) as caught:
        read_dump(path)
    assert str(path) in str(caught.value)


def test_a_bomb_is_not_unpacked(tmp_path) -> None:
    path = tmp_path / "bomb.gob.br"
    path.write_bytes(brotli.compress(bytes(50 << 20)))
    with pytest.raises(DumpError, match="more than 10000000 bytes once unpacked"):
        read_dump(path, TelemetryLimits(dump_unpacked_bytes=10_000_000))
    with pytest.raises(DumpError, match="at most 10"):
        read_dump(path, TelemetryLimits(dump_packed_bytes=10))


def test_a_missing_file_is_said_in_words(tmp_path) -> None:
    with pytest.raises(DumpError, match="No such file"):
        read_dump(tmp_path / "gone.gob.br")
