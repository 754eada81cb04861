"""`python -m benchmarks.mutants`: single changes to the code, by chance; how many of them do the tests notice?

cosmic-ray makes the changes (`make mutants` installs it into an environment of its own). A sample by seed is taken so
that each place in the code counts once, however many operators fit it; changes of annotations, and those that mean the
same (`is` for `==`), are left out. Changes are made in a copy of the last commit, never in this checkout. Survivors
are printed with their difference: each wants a test, or a reason why it is none.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
TOOL = ROOT / ".venv-mutants" / "bin" / "cosmic-ray"
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Room:
    """Code that is changed, and the tests that should notice."""

    code: tuple[str, ...]
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()


ROOMS = {
    "wire": Room(("ampubsub/wire",), ("tests/wire", "tests/conformance", "tests/hostile/test_fuzz.py")),
    "transport": Room(
        ("ampubsub/transport/memory.py", "ampubsub/transport/address.py", "ampubsub/transport/backoff.py"),
        ("tests/transport/test_memory_network.py", "tests/transport/test_address.py"),
    ),
}
MEANS_THE_SAME = (
    "_BitOr_",
    "Is_Eq",
    "IsNot_NotEq",
    "Eq_Is",
    "NotEq_IsNot",
    "Eq_IsNot",
    "Add_BitOr",
    "RemoveDecorator",
)
"""Operators that change annotations (`A | B`), compare constants by identity, or drop what tests cannot see."""


@lru_cache(maxsize=256)
def _lines(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text().splitlines())


def _decorates(path: Path, row: int) -> bool:
    """Whether a line is `@dataclass(frozen=True, slots=True)` and the like: true or false, tests cannot see it."""
    return _lines(path)[row - 1].lstrip().startswith("@")


def _sample(session: Path, code: Path, count: int, seed: int) -> int:
    """Keep a sample of a session's changes: each place in the code at most once."""
    with sqlite3.connect(session) as store:
        places: dict[tuple[str, int, int], list[str]] = defaultdict(list)
        rows = store.execute(
            "select job_id, module_path, operator_name, start_pos_row, start_pos_col, occurrence, definition_name"
            " from mutation_specs order by module_path, start_pos_row, start_pos_col, operator_name, occurrence"
        )
        for job, module, operator, row, column, _, _ in rows:
            if not any(word in operator for word in MEANS_THE_SAME) and not _decorates(code / module, row):
                places[(module, row, column)].append(job)
        pick = random.Random(seed)
        chosen = pick.sample(sorted(places), min(count, len(places)))
        kept = {(pick.choice(places[place])) for place in chosen}
        every = [job for (job,) in store.execute("select job_id from work_items")]
        for job in every:
            if job not in kept:
                store.execute("delete from mutation_specs where job_id = ?", (job,))
                store.execute("delete from work_items where job_id = ?", (job,))
    return len(kept)


def _results(session: Path) -> tuple[int, list[tuple[str, str, int, str]]]:
    with sqlite3.connect(session) as store:
        rows = store.execute(
            "select module_path, operator_name, start_pos_row, test_outcome, worker_outcome, diff"
            " from mutation_specs join work_results using (job_id) order by module_path, start_pos_row"
        ).fetchall()
    survivors = [(m, o, r, d or "") for m, o, r, test, _, d in rows if str(test).upper() == "SURVIVED"]
    return len(rows), survivors


@click.command()
@click.argument("rooms", nargs=-1)
@click.option("--count", default=100, help="Changes a room.")
@click.option("--seed", default=1, help="Another seed, another sample.")
def main(rooms: tuple[str, ...], count: int, seed: int) -> None:
    """Change the code of ROOMS (all by default), one change at a time, and run their tests."""
    if not TOOL.exists():
        raise click.ClickException(f"{TOOL.relative_to(ROOT)} is not there: run `make mutants`")
    for name in rooms or ROOMS:
        if name not in ROOMS:
            raise click.ClickException(f"no room {name}: there are {', '.join(ROOMS)}")
        room = ROOMS[name]
        with tempfile.TemporaryDirectory() as folder:
            copy, session, config = (
                Path(folder, "copy"),
                Path(folder, "session.sqlite"),
                Path(folder, "room.toml"),
            )
            subprocess.run(
                ["git", "worktree", "add", "--quiet", "--detach", copy, "HEAD"], cwd=ROOT, check=True
            )
            try:
                command = f"{sys.executable} -m pytest -x -q -p no:cacheprovider {' '.join(room.tests)}"
                config.write_text(
                    "[cosmic-ray]\n"
                    f"module-path = {json.dumps(list(room.code))}\n"
                    f"timeout = {TIMEOUT_S}\n"
                    f"excluded-modules = {json.dumps(list(room.left_out))}\n"
                    f"test-command = {json.dumps(command)}\n"
                    '[cosmic-ray.distributor]\nname = "local"\n'
                )
                subprocess.run(command.split(), cwd=copy, check=True, stdout=subprocess.DEVNULL)
                subprocess.run([TOOL, "init", config, session], cwd=copy, check=True)
                click.echo(f"{name}: {_sample(session, copy, count, seed)} changes, seed {seed}", err=True)
                subprocess.run([TOOL, "exec", config, session], cwd=copy, check=True)
                tried, survivors = _results(session)
            finally:
                subprocess.run(["git", "worktree", "remove", "--force", copy], cwd=ROOT, check=False)
        noticed = tried - len(survivors)
        for module, operator, row, difference in survivors:
            click.echo(f"\nnot noticed: {module}:{row} {operator}\n{difference}")
        click.echo(f"{name}: {noticed} of {tried} noticed, {100 * noticed / max(1, tried):.0f} %")


if __name__ == "__main__":
    main()
