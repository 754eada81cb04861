"""The commands `reach`, `what-if` and `why`: questions about one machine, answered from its schema, its clock and the records."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from amdbg_tui.headless.commands import COST, common
from amdbg_tui.headless.statuses import FOUND, NOT_FOUND
from amdbg_tui.input_error import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amdbg_tui.headless.source import Source
    from amdbg_tui.history.live import Live, LiveMachine

AT = click.option(
    "--at", "at_number", type=int, metavar="NUMBER", help="As of this record instead of the newest."
)


@contextmanager
def opened(
    named: tuple[str, ...], topic: str, wait_s: float, at_number: int | None
) -> Iterator[tuple[Source, Live]]:
    """A source that has settled, and the moment asked for. Raises `InputError`."""
    from amdbg_tui.headless.source import SourceError, open_source

    try:
        with open_source(named, topic) as source:
            source.settle(wait_s)
            if at_number is None:
                yield source, source.live
            elif not 0 < at_number <= source.history.last:
                raise InputError(f"--at {at_number}: there are the records 1 to {source.history.last}")
            else:
                yield source, source.history.at(at_number)
    except SourceError as error:
        raise InputError(str(error)) from error


def _chosen(live: Live, text: str, *, with_state: bool) -> tuple[LiveMachine, str]:
    """The machine (and state) that `[PEER/]MACHINE[.STATE]` means. Raises `InputError`."""
    from amdbg_tui.answers.expression import machines_meant
    from amdbg_tui.answers.grammar import ExpressionError, Fact, parse

    try:
        fact = parse(text if with_state else f"{text}.State")
    except ExpressionError as error:
        raise InputError(str(error)) from error
    if not isinstance(fact, Fact) or fact.kind != "active":
        raise InputError(f"{text!r} is not [PEER/]MACHINE{'.STATE' if with_state else ''}")
    state = fact.target.state if with_state else ""
    machines = machines_meant(fact.target, live)
    if not machines:
        raise InputError(f"nobody has a machine {text!r}")
    fitting = [machine for machine in machines if not state or state in machine.index]
    if not fitting:
        raise InputError(f"no state {state!r} in {machines[0].record.machine_id!r}")
    if len(fitting) > 1:
        owners = ", ".join(machine.key.peer_id[-8:] for machine in fitting[:5])
        raise InputError(
            f"{len(fitting)} machines are meant, of the peers {owners}: name one, as in PEER/{text}"
        )
    return fitting[0], state


def _check_states(machine: LiveMachine, states: tuple[str, ...]) -> None:
    for state in states:
        if state not in machine.index:
            raise InputError(f"no state {state!r} in {machine.record.machine_id!r}")


@click.command("reach", short_help="Say what it would take to make states active.")
@common
@click.argument("machine")
@click.argument("state")
@click.option("--and", "more", multiple=True, metavar="STATE", help="This state, too (any number of times).")
@AT
def reach(
    named: tuple[str, ...],
    topic: str,
    wait_s: float,
    as_json: bool,
    machine: str,
    state: str,
    more: tuple[str, ...],
    at_number: int | None,
) -> int:
    """Say which mutations would make STATE of MACHINE active, and who blocks it. Nothing is sent.

    The machine may be anyone's. Handlers are not known and left aside. Status 0 when there is a way, 1 when none was found.
    """
    from amdbg_tui.answers.reaching import Outlook, what_would_it_take
    from amdbg_tui.answers.replica import Replica
    from amdbg_tui.headless.lines import write_json

    with opened(named, topic, wait_s, at_number) as (_, live):
        chosen, _ = _chosen(live, machine, with_state=False)
        goal = (state, *more)
        _check_states(chosen, goal)
        answer = what_would_it_take(Replica.of(chosen), goal)
    if as_json:
        fields: dict[str, Any] = {
            "peer_id": chosen.key.peer_id,
            "machine_id": chosen.record.machine_id,
            "goal": list(answer.goal),
            "outlook": answer.outlook.value,
            "steps": [{"mutation": step.kind.value, "states": list(step.states)} for step in answer.steps],
            "obstacles": [
                {"state": each.state, "how": each.kind, "other": each.other} for each in answer.obstacles
            ],
            "entered": list(answer.entered),
            "exited": list(answer.exited),
            "hangs_on_order": answer.hangs_on_order,
        }
        write_json("reach", fields)
    else:
        click.echo(f"{chosen.record.machine_id}: {' and '.join(goal)}: {answer.outlook.value}")
        for obstacle in answer.obstacles:
            click.echo(f"  in the way: {obstacle}")
        for step in answer.steps:
            click.echo(f"  do: {step}")
        if answer.steps:
            click.echo(f"  then active: {' '.join(answer.entered)}" if answer.entered else "  nothing else")
        if answer.exited:
            click.echo(f"  no longer active: {' '.join(answer.exited)}")
        if answer.hangs_on_order:
            click.echo("  it hangs on the order in which its states became active, which nobody tells")
    return FOUND if answer.outlook in (Outlook.ACTIVE, Outlook.REACHABLE) else NOT_FOUND


@click.command("what-if", short_help="Try a mutation on a replica.")
@common
@click.argument("machine")
@click.argument("mutation", type=click.Choice(["add", "remove", "set"]))
@click.argument("state")
@click.option("--and", "more", multiple=True, metavar="STATE", help="This state, too (any number of times).")
@AT
def what_if(
    named: tuple[str, ...],
    topic: str,
    wait_s: float,
    as_json: bool,
    machine: str,
    mutation: str,
    state: str,
    more: tuple[str, ...],
    at_number: int | None,
) -> int:
    """Say what adding, removing or setting STATE of MACHINE would do, handlers aside. Nothing is sent.

    Status 0 when it would be accepted, 1 when relations refuse it.
    """
    from amdbg_tui.answers.replica import Replica
    from amdbg_tui.headless.lines import write_json
    from ampubsub.machine import MutationKind

    with opened(named, topic, wait_s, at_number) as (_, live):
        chosen, _ = _chosen(live, machine, with_state=False)
        states = (state, *more)
        _check_states(chosen, states)
        replica = Replica.of(chosen)
        trial = replica.try_out(MutationKind(mutation), states)
    if as_json:
        fields = {
            "peer_id": chosen.key.peer_id,
            "machine_id": chosen.record.machine_id,
            "mutation": mutation,
            "states": list(states),
            "accepted": trial.accepted,
            "entered": list(trial.entered),
            "exited": list(trial.exited),
            "auto": list(trial.auto),
            "refused": list(trial.refused),
            "missing": {name: list(others) for name, others in trial.missing},
            "removed_by": {name: list(others) for name, others in trial.removed_by},
        }
        write_json("what_if", fields)
    else:
        word = "it would be accepted" if trial.accepted else "relations refuse it"
        click.echo(f"{chosen.record.machine_id}: {mutation} {' '.join(states)}: {word}")
        for sign, names in (("+", trial.entered), ("-", trial.exited)):
            for name in names:
                click.echo(f"  {sign}{name}{' (by itself)' if name in trial.auto else ''}")
        for name, others in trial.missing:
            click.echo(f"  {name} requires {' and '.join(others)}")
        for name, others in trial.removed_by:
            click.echo(f"  {name} is removed by {' and '.join(others)}")
    return FOUND if trial.accepted else NOT_FOUND


@click.command("why", short_help="Go back from a state or a record to its cause.")
@common
@click.argument("what", metavar="MACHINE.STATE|NUMBER")
@AT
def why(
    named: tuple[str, ...], topic: str, wait_s: float, as_json: bool, what: str, at_number: int | None
) -> int:
    """Say why a state is as it is, or why a recorded transition happened or was refused, link by link to the root.

    Each link names its record and how well it is known. Status 1 when nothing is recorded of it.
    """
    from amdbg_tui.answers.cause import Causes
    from amdbg_tui.headless.lines import write_json

    with opened(named, topic, wait_s, at_number) as (source, live):
        causes = Causes(live, source.history.cursor())
        if what.isdigit():
            links = causes.of_record(int(what))
        else:
            machine, state = _chosen(live, what, with_state=True)
            links = causes.of_state(machine.key, state)
    for link in links:
        if as_json:
            key = link.key
            write_json(
                "link",
                {
                    "text": link.text,
                    "grade": link.grade.value,
                    "number": link.number,
                    "peer_id": key.peer_id if key else "",
                    "index": key.slot if key else None,
                    "state": link.state,
                },
            )
        else:
            record = f"record {link.number}" if link.number is not None else ""
            click.echo(f"{record:<16} {link.grade.value:<18} {link.text}")
    return FOUND if links else NOT_FOUND


for _command in (reach, what_if, why):
    _command.help = f"{_command.help}\n\n{COST}"
