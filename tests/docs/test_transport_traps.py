"""The table of traps in docs/transport.md says the truth: every row has tests that show it without and with."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \| (`test_[^|]+) \|$", (ROOT / "docs" / "transport.md").read_text("utf-8"), re.M
)
WORKAROUNDS = ROOT / "ampubsub" / "transport" / "libp2p" / "workarounds"
IN_OTHER_WORDS = {"Gossip", "EventQueue", "_run_host", "degree_high"}
"""Not functions of one trap; the tests of their rows bear other names."""


def names_shown_both_ways() -> set[str]:
    """Names of the tests of traps that run once without the workaround and once with it."""
    found = set()
    for file in (ROOT / "tests" / "transport").glob("test_libp2p_traps_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                marks = {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}
                if "both_ways" in marks:
                    found.add(node.name)
    return found


def test_the_table_has_rows() -> None:
    assert len(ROWS) == 35


@pytest.mark.parametrize(("trap", "workaround", "shown_by"), ROWS, ids=[row[0] for row in ROWS])
def test_a_trap_is_shown_without_and_with_its_workaround(trap: str, workaround: str, shown_by: str) -> None:
    tests = set(re.findall(r"`(\w+)`", shown_by))
    assert tests <= names_shown_both_ways()
    functions = set(re.findall(r"`\w+\.(\w+)`", workaround)) - IN_OTHER_WORDS
    unnamed = {name for name in functions if not any(name in test for test in tests)}
    assert not unnamed, f"{trap}: no test named in the row bears the name of {unnamed}"


def test_every_test_of_a_trap_is_in_the_table() -> None:
    named = {name for *_, shown_by in ROWS for name in re.findall(r"`(\w+)`", shown_by)}
    assert named == names_shown_both_ways()


def test_every_workaround_is_in_the_table() -> None:
    applied = set()
    for file in WORKAROUNDS.glob("*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                argument = node.args.args[0].annotation if node.args.args else None
                if isinstance(argument, ast.Name) and argument.id in ("Parts", "Plan"):
                    applied.add(f"{file.stem}.{node.name}")
    in_table = {name for _, workaround, _ in ROWS for name in re.findall(r"`([\w.]+)`", workaround)}
    assert applied
    assert applied <= in_table
