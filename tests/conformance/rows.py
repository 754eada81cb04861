"""Reading files of rows, telling their kinds apart, and replaying each with what may deviate by name."""

from __future__ import annotations

import gzip
import json
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance import api_rows, scenarios, wire_rows

HERE = Path(__file__).parent
VECTORS = HERE / "vectors"
DEVIATIONS = HERE.parent.parent / "docs" / "deviations.md"

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What replaying one row gave: a problem in words, or none."""

    name: str
    problem: str = ""
    deviation: str = ""


def read_rows(file: Path) -> Iterator[Row]:
    """Rows of a `.jsonl` or `.jsonl.gz` file."""
    with (
        gzip.open(file, "rt", encoding="utf-8")
        if file.suffix == ".gz"
        else file.open(encoding="utf-8") as lines
    ):
        for line in lines:
            if line.strip():
                yield json.loads(line)


def kind_of(row: Row) -> tuple[str, Callable[[Row], str]]:
    """(kind, replay function) of a row, by its fields. Raises ValueError for an unknown form."""
    if "ops" in row and "results" in row:
        return "scenario", scenarios.replay
    if "fn" in row:
        return "api", api_rows.replay
    if "dispatch" in row:
        return "wire-decode", wire_rows.replay_decode
    if "hex" in row and "value" in row:
        return "wire", wire_rows.replay_encode
    raise ValueError(f"a row of no known form, with the fields {', '.join(sorted(row))}")


def row_name(row: Row) -> str:
    """A row's name; rows of pure functions have none, so it is made of the call."""
    if "fn" in row:
        return f"{row['fn']}({json.dumps(row.get('in'))[:120]})"
    return str(row["name"])


def deviations() -> dict[str, str]:
    """Row name to reason, from the table in docs/deviations.md."""
    found = {}
    for line in DEVIATIONS.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\| `(.+?)` \| (.+?) \|", line.strip())
        if match:
            found[match[1]] = match[2]
    return found


def replay_row(row: Row, allowed: dict[str, str]) -> Outcome:
    """Replay one row. A deviation that is allowed passes; one that is allowed and no longer there is a problem."""
    name = "a row without a name"
    try:
        name = row_name(row)
        problem = kind_of(row)[1](row)
    except Exception:
        problem = "the replay raised " + traceback.format_exc(limit=-4).strip()
    if name in allowed:
        if problem and "the replay raised" not in problem:
            return Outcome(name, deviation=allowed[name])
        if problem:
            return Outcome(name, problem)
        return Outcome(name, problem=f"stands in {DEVIATIONS.name}, but holds: take it out there")
    return Outcome(name, problem)


def replay_file(file: Path) -> Iterator[Outcome]:
    """Replay every row of a file."""
    allowed = deviations()
    for row in read_rows(file):
        yield replay_row(row, allowed)
