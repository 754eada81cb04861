"""The commands `ls`, `watch`, `tail` and `record`. Each opens its source, prints, and ends with a status."""

from __future__ import annotations

import functools
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import click

from amdbg_tui import output
from amdbg_tui.headless.statuses import FOUND, NOT_FOUND, TIMED_OUT
from amdbg_tui.input_error import InputError

COST = "Cost for the topic: one silent peer more; nothing is published, nobody is asked. A recording costs nothing."


class Seconds(click.ParamType[float]):
    """A duration: `500ms`, `5s`, `2m`, `1h`, or seconds as a number."""

    name = "duration"
    _units: ClassVar = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", str(value))
        if match is None:
            self.fail(f"{value!r} is no duration: write 500ms, 5s, 2m or 1h", param, ctx)
        return float(match[1]) * self._units[match[2]]


def _printing(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def checked(*arguments: Any, **options: Any) -> Any:
        if output.is_closed():
            raise InputError("stdout is closed: nobody would read the lines")
        return command(*arguments, **options)

    return checked


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments of all that read a source. They print, so they need a stdout."""
    command = _printing(command)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One object a line (docs/json.md)."),
        click.option("--topic", default="", metavar="NAME", help="The topic, when a peer offers several."),
        click.option(
            "--wait",
            "wait_s",
            type=Seconds(),
            default=10.0,
            metavar="DURATION",
            help="How long joining and the first news may take (default 10s).",
        ),
    ):
        command = option(command)
    return click.argument("named", nargs=-1, required=True, metavar="ADDR...|FILE")(command)


def choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose machines."""
    for option in (
        click.option("--id", "id_exact", default="", help="Machines with this id."),
        click.option("--id-part", "id_partial", default="", help="With this in their id."),
        click.option("--id-regexp", default="", help="Whose id a regular expression matches."),
        click.option("--parent", default="", help="Whose parent has this id."),
        click.option("--peer", default="", help="Of this peer: its name, or the end of its id."),
        click.option("--tag", "tags", multiple=True, help="With this tag; 'room:' matches any room."),
        click.option("--source", "sources", multiple=True, help="first-hand, hearsay, stale, gone, local."),
        click.option("--active", default="", metavar="STATE", help="In which this state is active."),
    ):
        command = option(command)
    return command


@click.command("ls", short_help="List peers, machines or states.")
@common
@choosing
@click.option("--peers", "what", flag_value="peers", help="List peers.")
@click.option(
    "--machines", "what", flag_value="machines", default="machines", help="List machines (default)."
)
@click.option("--states", "what", flag_value="states", help="List the states of the machines.")
@click.option(
    "--sort", "by", default="", metavar="COLUMN", help="By this key of docs/json.md; -COLUMN: largest first."
)
def ls(
    named: tuple[str, ...], topic: str, wait_s: float, as_json: bool, what: str, by: str, **chosen: Any
) -> int:
    """List what a topic or a recording holds. Status 0 when something matches, 1 when nothing does.

    A machine known from others only says so in its source column.
    """
    from amdbg_tui.headless.choice import Choice
    from amdbg_tui.headless.lines import (
        in_order,
        machine_fields,
        peer_fields,
        state_fields,
        table,
        write_json,
    )
    from amdbg_tui.headless.source import SourceError, open_source

    try:
        re.compile(chosen["id_regexp"])
    except re.error as error:
        raise InputError(f"--id-regexp {chosen['id_regexp']!r} is no regular expression: {error}") from error
    try:
        with open_source(named, topic) as source:
            source.settle(wait_s)
            live = source.live
            machines = Choice(**chosen).machines(live)
            wall_s = live.wall_s
            columns: tuple[str, ...]
            if what == "peers":
                kind, columns = (
                    "peer",
                    (
                        "name",
                        "peer_id",
                        "status",
                        "machines",
                        "last_heard_s_ago",
                        "round_trip_s",
                        "messages_in",
                        "dropped",
                        "reason",
                    ),
                )
                shown = {machine.key.peer_id for machine in machines}
                narrowed = any(value for name, value in chosen.items() if name != "peer")
                rows = [
                    peer_fields(peer, wall_s)
                    for peer_id, peer in sorted(live.peers.items())
                    if (peer_id in shown or not narrowed)
                    and (
                        not chosen["peer"]
                        or chosen["peer"] == peer.record.name
                        or peer_id.endswith(chosen["peer"])
                    )
                ]
            elif what == "states":
                kind, columns = "state", ("machine_id", "state", "active", "tick", "last_change_s_ago")
                rows = [fields for machine in machines for fields in state_fields(machine, wall_s)]
            else:
                kind, columns = "machine", ("machine_id", "source", "time_sum", "in_error", "active")
                rows = [machine_fields(machine, wall_s) for machine in machines]
    except SourceError as error:
        raise InputError(str(error)) from error
    try:
        rows = in_order(rows, by) if by else rows
    except KeyError as error:
        raise InputError(f"--sort {by}: there is no such column; there are {error.args[0]}") from error
    for fields in rows if as_json else ():
        write_json(kind, fields)
    if rows and not as_json:
        click.echo(table(columns, [[fields[name] for name in columns] for fields in rows]))
    return FOUND if rows else NOT_FOUND


@click.command("watch", short_help="Say when an expression becomes true.")
@common
@click.argument("text", metavar="EXPR")
@click.option("--until", is_flag=True, help="End with status 0 as soon as it is true.")
@click.option(
    "--timeout", "timeout_s", type=Seconds(), metavar="DURATION", help="End with status 3 after this."
)
@click.option("--mark", is_flag=True, help="Put a bookmark at each hit (a recording; at most 100).")
@click.option(
    "--run",
    "command",
    default="",
    metavar="COMMAND",
    help="Run this by the shell on each hit of a topic; AMPUBSUB_RECORD and AMPUBSUB_AT tell which.",
)
def watch(
    named: tuple[str, ...],
    topic: str,
    wait_s: float,
    as_json: bool,
    text: str,
    until: bool,
    timeout_s: float | None,
    mark: bool,
    command: str,
) -> int:
    """Print a line each time EXPR becomes true or false, such as 'lamp.On && !door.Locked'.

    On a recording: every time it did, from the beginning; status 1 when it never was true.
    """
    from amdbg_tui.answers.expression import Expression
    from amdbg_tui.answers.grammar import ExpressionError
    from amdbg_tui.headless.source import SourceError, open_source
    from amdbg_tui.headless.watching import Hits, watch_live, watch_recording
    from amdbg_tui.history.tables import HistoryError

    try:
        expression = Expression(text)
    except ExpressionError as error:
        raise InputError(str(error)) from error
    try:
        with open_source(named, topic) as source, Hits(source, expression, mark, command) as hits:
            if source.is_recording:
                return FOUND if watch_recording(source, expression, as_json, until, hits.take) else NOT_FOUND
            source.settle(wait_s)
            was_true = watch_live(source, expression, as_json, until, timeout_s, hits.take)
    except (SourceError, HistoryError) as error:
        raise InputError(str(error)) from error
    if until or timeout_s is None:
        return FOUND if was_true else TIMED_OUT
    return FOUND if was_true else NOT_FOUND


@click.command("tail", short_help="Print records as they come.")
@common
@choosing
@click.option("--lines", "-n", "count", default=20, show_default=True, help="Records to begin with.")
@click.option("--follow/--no-follow", "-f", default=True, help="Go on until Ctrl-C (a topic only).")
def tail(
    named: tuple[str, ...], topic: str, wait_s: float, as_json: bool, count: int, follow: bool, **chosen: Any
) -> int:
    """Print the newest transitions, and those that come, one line each."""
    from amdbg_tui.headless.choice import Choice
    from amdbg_tui.headless.source import SourceError, open_source
    from amdbg_tui.headless.watching import print_tail

    try:
        with open_source(named, topic) as source:
            source.settle(wait_s)
            return FOUND if print_tail(source, Choice(**chosen), count, follow, as_json) else NOT_FOUND
    except SourceError as error:
        raise InputError(str(error)) from error


@click.command("record", short_help="Record a topic without a screen.")
@click.argument("named", nargs=-1, required=True, metavar="ADDR...")
@click.option("--topic", default="", metavar="NAME", help="The topic, when a peer offers several.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="The file; by default among the recordings."
)
@click.option(
    "--for", "for_s", type=Seconds(), metavar="DURATION", help="End after this; by default on Ctrl-C."
)
@click.option(
    "--wait", "wait_s", type=Seconds(), default=10.0, metavar="DURATION", help="How long joining may take."
)
def record(
    named: tuple[str, ...], topic: str, output: Path | None, for_s: float | None, wait_s: float
) -> int:
    """Record a topic into a file that 'open', 'ls', 'watch', 'tail' and 'export' read."""
    from amdbg_tui.headless.source import SourceError, open_source
    from amdbg_tui.settings import Locations

    places = Locations()
    path = output or places.history / time.strftime("%Y%m%d-%H%M%S-recorded.db")
    if output is not None and output.exists():
        raise InputError(f"{output} is there already: name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot record into {path}: {error.strerror}") from error
    try:
        with open_source(named, topic, path=path) as source:
            source.settle(wait_s)
            print(f"recording into {path}; Ctrl-C ends it", file=sys.stderr, flush=True)
            until = time.monotonic() + for_s if for_s is not None else float("inf")
            try:
                while (left := until - time.monotonic()) > 0:
                    source.wait(min(left, 1.0))
                    source.refresh()
            except KeyboardInterrupt:
                pass
            count = source.history.last
    except SourceError as error:
        raise InputError(str(error)) from error
    print(f"{count} records in {path}", file=sys.stderr, flush=True)
    return FOUND


for _command in (ls, watch, tail, record):
    _command.help = f"{_command.help}\n\n{COST}"
