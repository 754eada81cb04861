"""Every recorded row of the real Go implementation, replayed."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from tests.conformance.__main__ import main
from tests.conformance.rows import VECTORS, deviations, kind_of, read_rows, replay_row, row_name

FILES = sorted(VECTORS.glob("*.jsonl.gz"))
PART = 300
COUNTS = {
    "api.jsonl.gz": 372,
    "curated.jsonl.gz": 268,
    "curated_ordered.jsonl.gz": 12,
    "random.jsonl.gz": 1800,
    "random_long.jsonl.gz": 36,
    "random_ordered.jsonl.gz": 600,
    "wire-decode.jsonl.gz": 134,
    "wire.jsonl.gz": 59,
}
PARTS = [(file, start) for file in FILES for start in range(0, COUNTS[file.name], PART)]


@pytest.mark.parametrize(("file", "start"), PARTS, ids=lambda value: getattr(value, "name", str(value)))
def test_rows_hold(file: Path, start: int) -> None:
    allowed = deviations()
    outcomes = [replay_row(row, allowed) for row in islice(read_rows(file), start, start + PART)]
    assert outcomes
    assert [f"{outcome.name}: {outcome.problem}" for outcome in outcomes if outcome.problem] == []


def test_all_recorded_rows_are_here() -> None:
    assert {file.name: sum(1 for _ in read_rows(file)) for file in FILES} == COUNTS


def test_every_deviation_names_a_row_that_exists() -> None:
    names = {row_name(row) for file in FILES for row in read_rows(file)}
    assert set(deviations()) <= names


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_row_that_was_tampered_with_fails(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = next(row for row in read_rows(file) if row_name(row) not in deviations())
    match kind_of(row)[0]:
        case "scenario":
            row["results"][0]["qtick"] += 1
        case "api":
            row["out"] = "something else"
        case "wire":
            row["value"]["Type"] = "else"
        case "wire-decode":
            row["dispatch"] = "else"
    tampered = tmp_path / "tampered.jsonl"
    tampered.write_text(json.dumps(row) + "\n")
    assert main([str(tampered)]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 1 failed\n")


@pytest.mark.parametrize("row", ['{"name": "x", "what": 1}', '{"what": 1}', "[]", "7"])
def test_a_row_of_unknown_form_fails_loudly(
    row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = tmp_path / "strange.jsonl"
    strange.write_text(row + "\n")
    assert main([str(strange)]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 1 failed\n")


def test_a_file_that_is_no_json_is_named_and_ends_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{oops\n")
    assert main([str(broken)]) == 2
    assert str(broken) in capsys.readouterr().err
