"""The samples of the manuals run as they stand: each `python` block, alone or after those marked to go before it.

A block that continues the one before it says so with `# (goes on)` in its first line. What a block prints can be
written below it in a `text` block, which is then compared.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path(__file__).parents[2] / "docs"
MANUALS = (
    "machine.md",
    "machine-from-go.md",
    "machine-from-transitions.md",
    "machine-from-python-statemachine.md",
    "peer.md",
    "go-debugger.md",
)
LIMIT_S = 60


class Sample(NamedTuple):
    """One block, with what has to run before it and what it shall print."""

    name: str
    before: str
    code: str
    prints: str | None


def samples(manual: str) -> list[Sample]:
    path = DOCS / manual
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    found: list[Sample] = []
    for match in re.finditer(
        r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", text, re.DOTALL | re.MULTILINE
    ):
        code, prints = match[1], match[2]
        line = text.count("\n", 0, match.start()) + 1
        before = found[-1].before + found[-1].code if code.startswith("# (goes on)") and found else ""
        found.append(Sample(f"{manual}:{line}", before, code, prints))
    return found


ALL = [sample for manual in MANUALS for sample in samples(manual)]


@pytest.mark.parametrize("sample", ALL, ids=[sample.name for sample in ALL])
def test_sample_runs_and_prints_what_the_manual_says(sample: Sample) -> None:
    marker = "<<< here the sample begins >>>"
    script = f"{sample.before}\nprint({marker!r})\n{sample.code}" if sample.before else sample.code
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    if sample.prints is not None:
        assert done.stdout.split(marker)[-1].strip() == sample.prints.strip()


def test_each_manual_has_samples() -> None:
    for manual in MANUALS:
        if (DOCS / manual).exists():
            assert any(sample.name.startswith(manual) for sample in ALL)
