"""Random scenarios on our machine and on the real asyncmachine-go v0.18.0, equal after every operation.

500 scenarios where Go is there. `AMPUBSUB_GO_SEEDS=FIRST:COUNT` plays others, as many as wanted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.machine.go_scenarios import Player, Scenario, scenario

SOURCE = Path(__file__).parent / "go"
FIRST, _, COUNT = os.environ.get("AMPUBSUB_GO_SEEDS", "1000:500").partition(":")
SEEDS = range(int(FIRST), int(FIRST) + int(COUNT or 1))

DEVIATIONS = {
    "when several states": "Go counts what enters and leaves, so states that pass each other end its wait",
    "when_args": "Go shares a narrower wait, and takes a pair of states for the final handler of a third",
    "any wait, where a handler panics": "Go tells nobody of a transition that an exception broke, and its count is wrong after it",
}
"""Waits that may end at another moment than Go's, with the reason (docs/deviations.md). Nothing else may differ."""


def deviation(operation: dict[str, Any], panics: bool) -> str:
    """The name of what may differ in this wait; empty when it must end as Go's does."""
    if operation["kind"] == "when" and len(operation["states"]) > 1:
        return "when several states"
    if operation["kind"] == "when_args":
        return "when_args"
    return "any wait, where a handler panics" if panics else ""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no `go` command on the PATH: nothing to compare with")
    folder = tmp_path_factory.mktemp("go")
    work = folder / "source"
    shutil.copytree(SOURCE, work)
    environment = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false", "GOWORK": "off"}
    listed = subprocess.run(
        [go, "mod", "download"], cwd=work, env=environment, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip(f"the modules of asyncmachine-go cannot be had: {listed.stderr.strip()[-300:]}")
    program = folder / "runner"
    built = subprocess.run(
        [go, "build", "-o", str(program), "."], cwd=work, env=environment, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return program


def go_answers(program: Path, played: list[Scenario]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(each) + "\n" for each in played)
    done = subprocess.run(
        [str(program)], input=lines, capture_output=True, text=True, timeout=60 + len(played), check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def difference(played: Scenario, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    """The first thing that differs and is no deviation with a name; empty when nothing does."""
    panics = any(turn["panic"] for turns in played["handlers"].values() for turn in turns)
    waits = [each for each in played["ops"] if each["kind"].startswith("when")]
    strict = {place for place, wait in enumerate(waits) if deviation(wait, panics) not in DEVIATIONS}
    for number, (our, their) in enumerate(zip(ours, theirs, strict=False)):
        for field in our:
            one, other = our[field] or [], their[field] or []
            if field == "done":
                one, other = (sorted(strict.intersection(each)) for each in (one, other))
            if one != other:
                return f"operation {number} {played['ops'][number]}: {field} is {one}, in Go {other}"
    return ""


def test_random_scenarios_go_as_in_go(runner: Path) -> None:
    played = [scenario(seed) for seed in SEEDS]
    answers = go_answers(runner, played)
    assert len(answers) == len(played)
    failures, compared, stopped = [], 0, 0
    for seed, each, answer in zip(SEEDS, played, answers, strict=True):
        theirs = answer["moments"] or []
        stopped += bool(answer["stopped"])
        ours = Player(each).moments()[: len(theirs)]
        compared += len(theirs)
        found = difference(each, ours, theirs)
        if found:
            failures.append(f"seed {seed}: {found}")
    print(f"{compared} operations equal; Go hung or crashed in {stopped} of {len(played)} scenarios")
    assert not failures, "\n".join([f"{len(failures)} of {len(played)} differ", *failures[:10]])
    assert stopped < len(played) / 10


@pytest.mark.parametrize("remember", [1, 100_000])
def test_the_same_scenarios_go_alike_however_much_is_remembered(remember: int) -> None:
    for seed in range(1000, 1060):
        played = scenario(seed)
        assert (
            Player(played, remember_plans=remember).moments() == Player(played, remember_plans=0).moments()
        ), seed
