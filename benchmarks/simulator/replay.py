"""`python -m benchmarks.simulator.replay SEED`: run a day again, make a failing one smaller, and say what happened.

`--keep 0,3` leaves only those of the seed's faults, as the command of a failing test does; `--history FILE` writes
the day as a history that the screen opens.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.simulator.day import DEFAULT_PLAN, Day, Outcome, Plan
from benchmarks.simulator.faults import Fault
from benchmarks.simulator.shrink import shrink

FEW_TRIES = 40


def smaller(seed: int, plan: Plan = DEFAULT_PLAN, tries: int = FEW_TRIES) -> tuple[Fault, ...]:
    """The fewest, mildest faults found with which the day still fails."""
    return shrink(
        Day(seed, plan=plan).faults, lambda faults: bool(Day(seed, faults, plan).run().problem), tries
    )


def report(seed: int, outcome: Outcome) -> str:
    """A failing day in words: what was wrong, the faults that suffice, and how to run it again."""
    lines = [f"seed {seed}: {outcome.problem}"]
    left = smaller(seed)
    lines += [f"these faults suffice (of {len(Day(seed).faults)}):", *(f"  {fault!r}" for fault in left)]
    lines.append(f"again: python -m benchmarks.simulator.replay {seed} --shrink --history seed-{seed}.db")
    return "\n".join(lines)


@click.command()
@click.argument("seed", type=int)
@click.option("--keep", default="", help="Numbers of the faults to keep, such as 0,3; all by default.")
@click.option(
    "--shrink", "make_smaller", is_flag=True, help="Look for fewer and milder faults that still fail."
)
@click.option(
    "--history", type=click.Path(path_type=Path), help="Write what one peer saw as a history for the screen."
)
@click.option("--observer", default=0, help="Number of the peer whose view the history is.")
@click.option("--events", is_flag=True, help="Print every event of that peer.")
def main(seed: int, keep: str, make_smaller: bool, history: Path | None, observer: int, events: bool) -> None:
    """Run the day of SEED."""
    faults: Sequence[Fault] = Day(seed).faults
    if keep:
        faults = [faults[int(number)] for number in keep.split(",")]
    if make_smaller:
        faults = shrink(faults, lambda some: bool(Day(seed, some).run().problem), 10 * FEW_TRIES)
    day = Day(seed, faults)
    day.records = []
    outcome = day.run()
    for number, fault in enumerate(faults):
        click.echo(f"fault {number}: {fault!r}")
    for at_s, peer, event, _ in day.records if events else ():
        if peer.name == f"peer {observer}":
            click.echo(f"{at_s:9.3f} {event!r}")
    click.echo(
        f"digest {outcome.digest}, {outcome.events} events, at most {outcome.most_entries} entries in a peer"
    )
    click.echo(", ".join(f"{name} {count}" for name, count in sorted(outcome.met.items())))
    if history is not None:
        from benchmarks.simulator.history_file import write_history

        click.echo(f"wrote {write_history(day, observer, history)} records: open {history} with ampubsub-tui")
    click.echo(outcome.problem or f"settled {outcome.settled_s:.1f} s after the faults")
    sys.exit(bool(outcome.problem))


if __name__ == "__main__":
    main()
