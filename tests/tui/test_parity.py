"""`docs/parity.md` counts right, and every test it names is there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "parity.md").read_text("utf-8")
ROW = re.compile(r"^\| ([A-Z]\d+) [^|]*\| (yes|other|no) \|([^|]*)\|", re.MULTILINE)


def test_the_table_has_every_row_of_the_catalogue_once_and_counts_them_right() -> None:
    rows = ROW.findall(TEXT)
    names = [name for name, _, _ in rows]
    assert len(names) == len(set(names)) == 99
    counts = Counter(verdict for _, verdict, _ in rows)
    for verdict, count in counts.items():
        assert re.search(rf"^\| {verdict}\b[^|]*\| {count} \|", TEXT, re.MULTILINE), (verdict, count)


def test_every_yes_names_a_test_that_exists() -> None:
    for name, verdict, by in ROW.findall(TEXT):
        named = re.findall(r"`([^`]+)`", by)
        assert named or verdict != "yes", name
        for each in named:
            file, _, words = each.partition(": ")
            path = ROOT / file if "/" in file else ROOT / "tests" / "tui" / f"{file}.py"
            assert path.exists(), (name, each)
            if words:
                assert re.search(rf"def test_\w*{words}", path.read_text("utf-8")), (name, each)
