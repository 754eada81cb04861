"""A transition as lines of a log, in am-dbg's words and levels.

Levels: 1 external (what the application itself logs), 2 changes, 3 operations, 4 decisions, 5 everything;
each includes the lower ones. A transition that was derived from a clock change has one line of level 2,
made here, and so has a canceled one or one without changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amdbg_tui.history.filters import state_name
from amdbg_tui.history.moments import Moment

EXTERNAL, CHANGES, OPERATIONS, DECISIONS, EVERYTHING = 1, 2, 3, 4, 5
LEVEL_NAMES = ("nothing", "external", "changes", "ops", "decisions", "everything")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: its level, its prefix without brackets (`state`, `auto`, `cancel` ...) and the rest."""

    level: int
    prefix: str
    text: str


def log_lines(moment: Moment, names: Sequence[str], level: int = CHANGES) -> list[LogLine]:
    """The lines of a transition up to a level, in order. `names` are the machine's states in index order."""
    record = moment.record
    lines = [_parsed(line_level, text) for line_level, text in record.log if line_level <= level]
    if level >= CHANGES and not any(line.prefix in _CHANGE_PREFIXES for line in lines):
        lines.append(LogLine(CHANGES, _prefix_of(moment), change_text(moment, names)))
    if record.error and level >= CHANGES and not any(line.prefix.startswith("error") for line in lines):
        lines.append(LogLine(CHANGES, "error", record.error))
    return lines


def change_text(moment: Moment, names: Sequence[str]) -> str:
    """`+Added -Removed (key=value)`, in index order; a Multi state that was activated again is `+Name` too.

    For a transition that changed nothing: the called states with the sign of what was asked.
    """
    record = moment.record
    parts = []
    for index in moment.changed:
        active = index < len(record.after) and record.after[index] % 2 == 1
        parts.append(f"{'+' if active else '-'}{state_name(names, index)}")
    if not parts:
        sign = {"add": "+", "remove": "-"}.get(record.kind, "")
        parts = [sign + name for name in record.called]
    text = " ".join(parts)
    if record.args:
        text += f" ({' '.join(f'{name}={value}' for name, value in record.args)})"
    return text


_CHANGE_PREFIXES = frozenset({"state", "auto_", "cancel", "empty", "clock", "check"})


def _prefix_of(moment: Moment) -> str:
    record = moment.record
    if record.check:
        return "check"
    if not record.accepted:
        return "cancel"
    if record.derived:
        return "clock"
    if not moment.changed:
        return "empty"
    return "auto_" if record.auto else "state"


def _parsed(level: int, text: str) -> LogLine:
    """Split `[prefix] text` as machines write it; a line without prefix is the application's own."""
    if text.startswith("["):
        prefix, bracket, rest = text[1:].partition("]")
        if bracket:
            return LogLine(level, prefix, rest.strip())
    return LogLine(level, "exter", text)
