"""`ampubsub-tui compare`: two moments of a machine, two machines of one schema, two recordings."""

from __future__ import annotations

import click

DIVERGENCES_SHOWN = 10


@click.command(short_help="Say where two recordings, moments or machines differ.")
@click.argument("first", metavar="FILE[@WHEN]")
@click.argument("second", metavar="[FILE[@WHEN]]", required=False)
@click.option("--machine", "machines", multiple=True, metavar="ID", help="The machine; twice: two of them.")
def compare(first: str, second: str | None, machines: tuple[str, ...]) -> int:
    """Say where two recordings diverge, machine by machine; wall-clock time does not count.

    \b
    compare A.db B.db                                 two recordings to their first divergence
    compare A.db@16:58:28 A.db@17:02 --machine order  two moments of a machine
    compare A.db@50% --machine red --machine blue     two machines at one moment

    WHEN is a record's number, a time of day, or a percentage. Ends with 0 when nothing differs, else with 1.
    """
    from amdbg_tui.cli import need_stdout
    from amdbg_tui.input_error import InputError

    need_stdout()
    if machines:
        if len(machines) > 2:
            raise InputError("two machines can be compared, not more")
        return _states(first, second, machines)
    if second is None:
        raise InputError("compare what with what? Name two recordings, or --machine twice")
    return _recordings(first, second)


def _recordings(first: str, second: str) -> int:
    from amdbg_tui.history.compare import compare as find
    from amdbg_tui.history.compare import in_words
    from amdbg_tui.recordings_command import open_history

    with open_history(first) as one, open_history(second) as two:
        found = find(one, two)
        for names, where in ((found.only_first, first), (found.only_second, second)):
            if names:
                click.echo(f"only in {where}: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}")
        if not found.divergences:
            click.echo(f"the same: {found.machines} machines, {found.agreed:,} transitions")
            return 1 if found.only_first or found.only_second else 0
        click.echo(
            f"{len(found.divergences)} of {found.machines} machines went another way;"
            f" {found.agreed:,} transitions are the same"
        )
        for each in found.divergences[:DIVERGENCES_SHOWN]:
            click.echo(f"{each.machine_id}, after {each.agreed:,} that are the same:")
            click.echo(f"  {first}: {in_words(each.first)}")
            click.echo(f"  {second}: {in_words(each.second)}")
    return 1


def _states(first: str, second: str | None, names: tuple[str, ...]) -> int:
    from amdbg_tui.history.compare import different_states
    from amdbg_tui.input_error import InputError
    from amdbg_tui.recordings_command import machines_of, number_of, open_history

    def moment(operand: str, name: str) -> tuple[str, object]:
        path, at, when = operand.rpartition("@")
        if not at:
            path, when = operand, ""
        with open_history(path) as history:
            number = number_of(history, when) if when else history.last
            then = history.at(number)
            (key,) = machines_of(history, [name])
            machine = then.machines.get(key)
            if machine is None:
                raise InputError(f"machine {name} was not known yet at {operand}")
            return f"{name} at {number:,}", machine

    title_one, one = moment(first, names[0])
    title_two, two = moment(second or first, names[-1])
    different = different_states(one, two)  # type: ignore[arg-type]
    if not different:
        click.echo(f"{title_one} and {title_two}: all states have the same ticks")
        return 0
    width = max(len(each.name) for each in different)
    click.echo(f"{'':<{width + 2}}{title_one:>16}  {title_two:>16}")
    for each in different:
        values = [
            "-" if tick is None else f"{'active' if tick % 2 else 'inactive'} {tick}"
            for tick in (each.first, each.second)
        ]
        click.echo(f"{'!' if each.flips else ' '} {each.name:<{width}}{values[0]:>16}  {values[1]:>16}")
    return 1
