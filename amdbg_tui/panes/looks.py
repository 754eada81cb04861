"""How records look in the log and in the list of transitions: am-dbg's prefixes, gutter, names and times."""

from __future__ import annotations

import re

from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.log_lines import LogLine
from amdbg_tui.history.records import TransitionRecord
from amdbg_tui.panes import words
from amdbg_tui.widgets.paint import Row, Span

_CHANGE = re.compile(r"(?<![^\s,(])([+\-=])([A-Za-z_]\w*)")
_ARGS = re.compile(r"\(([^()]*=[^()]*)\)\s*$")
_ARG = re.compile(r"(\S+?)=(\"[^\"]*\"|\S+)")

SHORT_PREFIX = {"cancel": "cance"}
"""am-dbg's, so that lines are aligned."""


def outcome(record: TransitionRecord, moved: bool) -> tuple[str, str]:
    """(sign, look) of the gutter: a sign of its own for each outcome, so that colour is not needed."""
    if not record.accepted:
        return "✗", "canceled"
    if record.check:
        return "?", "empty"
    if record.derived:
        return "≈", "executed" if moved else "empty"
    return ("▌", "executed") if moved else ("·", "empty")


def spans_of(line: LogLine, called: tuple[str, ...], state: str) -> Row:
    """A log line with its looks: golden prefix, bold names, called ones underlined, removed ones grey,
    values green."""
    body = line.text
    prefix = SHORT_PREFIX.get(line.prefix, line.prefix)
    row: Row = [(f"[{prefix}] ".ljust(8), "active")]
    if line.prefix.startswith("exter"):
        return [*row, (body, "grey")]
    if line.prefix.startswith("error"):
        return [*row, (body, "error")]
    args: list[Span] = []
    if arguments := _ARGS.search(body):
        body = body[: arguments.start()].rstrip()
        for name, value in _ARG.findall(arguments.group(1)):
            args += [(f" {name}=", "grey"), (value, "inactive")]
    at = 0
    for change in _CHANGE.finditer(body):
        row.append((body[at : change.start()], "plain"))
        sign, name = change.groups()
        look = "grey" if sign == "-" else "bright bold"
        if name in called:
            look += " underline"
        if name == state:
            look += " on lit"
        row += [(sign, "grey" if sign == "-" else "plain"), (name, look)]
        at = change.end()
    row.append((body[at:], "plain"))
    return row + args


def machine_name(machine: LiveMachine | None, fallback: str) -> str:
    """A machine's id for a column."""
    return machine.record.machine_id if machine is not None else fallback


def stamp(at_s: float, before_s: float | None) -> Row:
    """The time of day; what is as in the line above stays dark."""
    text = words.clock_time(at_s)
    if before_s is None or int(before_s) != int(at_s):
        return [(text, "grey")]
    return [(text[:8], "faint"), (text[8:], "grey")]
