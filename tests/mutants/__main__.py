"""Single changes made to the code of a room, and how many of them its tests notice: `make mutants ROOM=wire`.

`mutmut` makes the changes (mutants) in a copy of the code and runs the tests that reach each; here is which tests
guard which room, and the draw: `SAMPLE` mutants, by a seed, so that a run takes minutes. Survivors are printed as
differences; docs/mutants.md judges them. The exit status is 1 when less than nine of ten were noticed.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ROOMS = {
    "wire": ("ampubsub/wire/*", ["tests/wire", "tests/conformance/test_conformance.py", "-k", "wire"]),
    "discovery": (
        "ampubsub/discovery/*",
        ["tests/discovery", "--ignore=tests/discovery/test_doors_processes.py"],
    ),
    "seal": ("ampubsub/seal/*", ["tests/seal", "-m", "not network"]),
}
"""The code of each room, and what pytest is to run for it: quick tests only, for they run hundreds of times."""
GOAL = 0.9
NOTICED = ("killed", "timeout", "segfault", "caught by type check")


def prepare(place: Path, code: str, tests: list[str]) -> None:
    """A copy of the project in which `mutmut` may write."""
    for name in ("ampubsub", "amdbg_tui", "tests", "themes", "examples", "docs", "README.md"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    settings = (
        f'\n[tool.mutmut]\nsource_paths = ["ampubsub"]\nonly_mutate = [{code!r}]\n'
        f'also_copy = ["tests", "amdbg_tui", "themes", "examples", "docs"]\npytest_add_cli_args_test_selection = {tests!r}\n'
    )
    (place / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + settings)


def mutmut(place: Path, *words: str, may_fail: bool = False) -> str:
    """What one `mutmut` command printed."""
    environment = {**os.environ, "AMPUBSUB_FUZZ": "short", "PYTHONPATH": str(place)}
    command = [sys.executable, "-W", "ignore", "-m", "mutmut", *words]
    done = subprocess.run(
        command,
        cwd=place,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode and not may_fail:
        raise SystemExit(f"mutmut {words[0]} ended with status {done.returncode}:\n{done.stdout[-3_000:]}")
    return done.stdout


def results(place: Path) -> dict[str, str]:
    """Name of each mutant to what became of it."""
    return dict(
        re.findall(r"^\s*(\S+__mutmut_\d+): (.+)$", mutmut(place, "results", "--all", "true"), re.MULTILINE)
    )


def main() -> int:
    """Try one room. Its score and survivors are printed."""
    room = sys.argv[1] if len(sys.argv) > 1 else "wire"
    if room not in ROOMS:
        raise SystemExit(f"no room {room!r}: {', '.join(ROOMS)}")
    sample, seed = int(os.environ.get("SAMPLE", "150")), int(os.environ.get("SEED", "1"))
    code, tests = ROOMS[room]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        place = Path(folder)
        prepare(place, code, tests)
        mutmut(place, "run", "none", may_fail=True)  # makes them, and says that none has this name
        names = sorted(results(place))
        drawn = sorted(random.Random(seed).sample(names, min(sample, len(names))))
        mutmut(place, "run", "--max-children", os.environ.get("JOBS", "2"), *drawn)
        found = results(place)
        survivors = [name for name in drawn if found[name] not in NOTICED]
        for name in survivors:
            print(f"\n{name}: {found[name]}\n{mutmut(place, 'show', name)}")
        noticed = len(drawn) - len(survivors)
        print(
            f"{room}: {noticed} of {len(drawn)} noticed ({noticed / len(drawn):.0%}); {len(names)} possible, seed {seed}"
        )
        return 0 if noticed >= GOAL * len(drawn) else 1


if __name__ == "__main__":
    sys.exit(main())
