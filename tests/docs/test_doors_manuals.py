"""What the manuals of discovery and security show runs, and each line of the threat model names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = [
    (name, code)
    for name in ("discovery.md", "security.md")
    for code in re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / name).read_text(), re.M | re.S)
]
THREATS = [
    line
    for line in (ROOT / "docs" / "security.md").read_text().splitlines()
    if re.match(r"\| .*`test_", line)
]


@pytest.mark.network
@pytest.mark.parametrize(("name", "code"), SAMPLES, ids=[name for name, _ in SAMPLES])
def test_the_sample_runs(name: str, code: str) -> None:
    exec(compile(code, f"docs/{name}", "exec"), {"__name__": "sample"})


def test_both_manuals_have_a_sample() -> None:
    assert [name for name, _ in SAMPLES] == ["discovery.md", "security.md"]


def test_every_threat_has_its_tests() -> None:
    written = "\n".join(file.read_text() for file in (ROOT / "tests" / "seal").glob("test_*.py"))
    assert len(THREATS) == 12
    for line in THREATS:
        for name in re.findall(r"`(test_\w+)`", line):
            assert f"def {name}(" in written, name


def test_options_and_settings_in_the_manual_exist() -> None:
    from amdbg_tui.cli import commands
    from amdbg_tui.settings import DiscoverySettings

    options = {
        name
        for command in commands.commands.values()
        for option in command.params
        for name in (*option.opts, *option.secondary_opts)
    }
    text = "".join((ROOT / "docs" / name).read_text() for name in ("discovery.md", "security.md"))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options
    table = re.search(r"^\[discovery\].*?^```", text, re.M | re.S)
    assert table is not None
    for key in re.findall(r"^(\w+) =", table[0], re.M):
        assert key in DiscoverySettings.__dataclass_fields__
