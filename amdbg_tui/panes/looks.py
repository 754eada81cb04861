"""How records look in the log and in the list of transitions: am-dbg's prefixes, gutter, names and times."""

from __future__ import annotations

import re

from amdbg_tui.history.live import Moment
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


def stamp(at_s: float, before_s: float | None, *, short: bool = False) -> Row:
    """The time of day (`short`: without the hour); what is as in the line above stays dark."""
    cut = 3 if short else 0
    text = words.clock_time(at_s)
    above = words.clock_time(before_s) if before_s is not None else ""
    same = 0
    while same < len(text) and text[same : same + 1] == above[same : same + 1]:
        same += 1
    same = max(cut, same)
    return [(text[cut:same], "faint"), (text[same : same + 1], "bright"), (text[same + 1 :], "grey")]


def change(moment: Moment, state: str) -> Row:
    """What a record did, or what was asked in vain: `+Paid -Placed`, `+PaidOut  canceled by PaidOutEnter`."""
    record = moment.record
    row: Row = []
    if not record.accepted:
        sign = {"remove": "-", "set": "="}.get(record.kind, "+")
        row += [(f"{sign}{name} ", "error" + (" on lit" if name == state else "")) for name in record.called]
        refused = next((name.rstrip("!") for name in record.handlers if name.endswith("!")), "")
        row.append((f"canceled by {refused} " if refused else "canceled ", "error bold"))
    for sign, name, ticks in words.changes_of(moment.names, record.before, record.after):
        found = "grey" if sign == "-" else "multi" if sign == "·" else "active"
        if name in record.called:
            found += " underline"
        if name == state:
            found += " on lit"
        row.append((("+" if sign == "·" else sign) + name, found))
        row.append((f":+{ticks} " if sign == "·" else " ", "grey"))
    if record.accepted and not row:
        row += [(" ".join(record.called) + " ", "grey"), ("as it was ", "faint")]
    for name, value in record.args:
        row += [(f"{name}=", "grey"), (f"{value} ", "inactive")]
    return row


def origin(record: TransitionRecord) -> Row:
    """At the right end: what was asked, and by whom."""
    if record.derived:
        if record.trust == "first-hand":
            return []
        return [(record.trust, words.TRUST_LOOK.get(record.trust, "grey"))]
    if record.by_hand:
        return [(f"{record.kind} by hand", "own")]
    if record.check:
        return [("check", "grey")]
    source = record.source.partition("/")[0]
    return [(f"{'auto' if record.auto else record.kind}{' by ' + source if source else ''}", "faint")]
