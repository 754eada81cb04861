"""Every Python sample of the peer's manual runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MANUAL = Path(__file__).parents[2] / "docs" / "peer.md"
SAMPLES = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", MANUAL.read_text(), re.M | re.S)


def test_the_manual_has_samples() -> None:
    assert len(SAMPLES) == 4


@pytest.mark.parametrize(("title", "code"), SAMPLES, ids=[title for title, _ in SAMPLES])
def test_the_sample_runs(title: str, code: str) -> None:
    exec(compile(code, f"docs/peer.md: {title}", "exec"), {"__name__": "sample"})
