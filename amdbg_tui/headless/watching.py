"""Following a source: when an expression becomes true, and records as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime

import click

from amdbg_tui.answers.commands import Commands
from amdbg_tui.answers.expression import Expression
from amdbg_tui.answers.looking_back import Turn, turns
from amdbg_tui.answers.watches import MARK, RUN, Hit, Watch, WatchSettings, mark
from amdbg_tui.headless.choice import Choice, named_nowhere
from amdbg_tui.headless.lines import record_fields, record_line, time_text, write_json
from amdbg_tui.headless.source import Source, SourceError
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import Numbered

_LOOK_S = 0.25
"""How often an expression that time alone can change is looked at."""
_PIECE = 20_000
"""Records read at a time."""


OnTrue = Callable[[Turn], None]


def _nothing(turn: Turn) -> None:
    """On a hit."""


class Hits:
    """What is done on a hit beside printing it: a bookmark in a recording, a command on a topic.

    Raises `SourceError` for the one where only the other can be.
    """

    def __init__(self, source: Source, expression: Expression, mark: bool, command: str) -> None:
        if mark and not source.is_recording:
            raise SourceError("--mark puts bookmarks into a recording; this is a topic")
        if command and source.is_recording:
            raise SourceError("--run runs a command when a topic hits; this is a recording")
        actions = (*((MARK,) if mark else ()), *((RUN,) if command else ()))
        self._source = source
        self._watch = Watch(WatchSettings(expression.text, actions, command), expression)
        self._commands = Commands(lambda text: print(f"ampubsub-tui: {text}", file=sys.stderr, flush=True))

    def __enter__(self) -> Hits:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.close(patient=True)

    def take(self, turn: Turn) -> None:
        """It became true. Raises `HistoryError` when a bookmark cannot be kept."""
        self._watch.hits += 1
        hit = Hit(self._watch, turn.number, turn.at_s)
        if MARK in self._watch.settings.actions:
            mark(self._source.history, hit)
        if RUN in self._watch.settings.actions:
            self._commands.run(hit)


class _Turns:
    """Prints each time the answer turns."""

    def __init__(self, expression: Expression, as_json: bool, on_true: OnTrue) -> None:
        self.expression, self._as_json, self._on_true = expression, as_json, on_true
        self.is_true: bool | None = None
        self.was_true = False

    def look(self, live: Live) -> bool:
        """Look, print a line when it turned, and return the answer."""
        answer = self.expression.is_true(live)
        if answer is not self.is_true and not (self.is_true is None and not answer):
            self._print(answer, live)
        self.is_true = answer
        self.was_true = self.was_true or answer
        return answer

    def _print(self, answer: bool, live: Live) -> None:
        turn = Turn(live.newest_number, live.at_s or live.wall_s, answer)
        _print_turn(self.expression, turn, self._as_json)
        if answer:
            self._on_true(turn)


def _print_turn(expression: Expression, turn: Turn, as_json: bool) -> None:
    if as_json:
        fields = {"expression": expression.text, "is_true": turn.is_true}
        write_json("watch", fields | {"number": turn.number, "at": time_text(turn.at_s)})
        return
    at = datetime.fromtimestamp(turn.at_s).strftime("%H:%M:%S.%f")[:-3]
    answer = "true " if turn.is_true else "false"
    click.echo(f"{at} {answer} {expression.text}  (record {turn.number})")


def watch_live(
    source: Source,
    expression: Expression,
    as_json: bool,
    until: bool,
    timeout_s: float | None,
    on_true: OnTrue = _nothing,
) -> bool:
    """Follow a topic until it is true, the time is over, or Ctrl-C. Whether it was ever true.

    `on_true` is called each time it becomes true.
    """
    turns = _Turns(expression, as_json, on_true)
    end = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    if warning := named_nowhere(expression, source.live):
        click.echo(f"ampubsub-tui: {warning}", err=True)
    shadow = source.live.copy()
    turns.look(shadow)
    seen = source.history.last
    try:
        while not (until and turns.is_true) and (left := end - time.monotonic()) > 0:
            source.wait(min(left, _LOOK_S if expression.depends_on_time else 1.0))
            source.refresh()
            seen = _look_through(source, shadow, turns, seen, until)
            turns.look(shadow)
    except KeyboardInterrupt:
        pass
    return turns.was_true


def watch_recording(
    source: Source, expression: Expression, as_json: bool, until: bool, on_true: OnTrue = _nothing
) -> bool:
    """Every turn in a recording, from its beginning. Whether it was ever true."""
    history = source.history
    if warning := named_nowhere(expression, history.live):
        click.echo(f"ampubsub-tui: {warning}", err=True)
    was_true = False
    for turn in turns(history, expression):
        _print_turn(expression, turn, as_json)
        was_true = was_true or turn.is_true
        if turn.is_true:
            on_true(turn)
        if turn.is_true and until:
            break
    return was_true


def _look_through(source: Source, shadow: Live, look: _Turns, after: int, until: bool) -> int:
    """Take the records after a number one by one, and look after each; the last number taken."""
    last = source.history.last
    cursor = source.history.cursor()
    while after < last:
        upto = min(after + _PIECE, last)
        for entry in cursor.entries(after, upto):
            shadow.apply((entry,))
            if look.look(shadow) and until:
                return entry.number
        after = upto
    return after


def print_tail(source: Source, choice: Choice, count: int, follow: bool, as_json: bool) -> bool:
    """Print the newest `count` records and, of a topic, those that come. Whether there were any."""
    history = source.history
    cursor = history.cursor()
    keys = {machine.key for machine in choice.machines(source.live)}
    newest = [
        moment for moment in cursor.page(limit=max(count * 20, 200)).moments if moment.record.key in keys
    ]
    for moment in newest[-count:] if count else ():
        _print(moment, source.live, as_json)
    seen, printed = history.last, bool(newest)
    try:
        while follow and not source.is_recording:
            source.wait(1.0)
            if source.refresh().machines:
                keys = {machine.key for machine in choice.machines(source.live)}
            for entry in cursor.entries(seen, history.last):
                seen = entry.number
                key = getattr(entry.record, "key", None)
                if key is None or key in keys:
                    _print(entry, source.live, as_json)
                    printed = True
    except KeyboardInterrupt:
        pass
    return printed


def _print(entry: Numbered, live: Live, as_json: bool) -> None:
    key = getattr(entry.record, "key", None)
    machine = live.machines.get(key) if key is not None else None
    machine_id = machine.record.machine_id if machine else ""
    if as_json:
        write_json(*record_fields(entry, machine_id))
    elif (line := record_line(entry, machine_id)) and not line.split(" ")[1].startswith("detail"):
        click.echo(line)
