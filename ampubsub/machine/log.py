"""The log of a machine: lines by level, given to its logger and kept with the transition they belong to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ampubsub.machine.log_args import format_args
from ampubsub.machine.mutation import Args
from ampubsub.machine.options import LogLevel, Options
from ampubsub.machine.transition import Transition

_KEPT_BETWEEN = 500
"""Lines written between two transitions that are kept for the second; older ones are dropped."""


class Log:
    """Where the lines of one machine go."""

    __slots__ = ("between", "failed", "id", "options", "silent", "transition")

    def __init__(self, machine_id: str, options: Options, failed: Callable[[BaseException], None]) -> None:
        self.id = machine_id
        self.options = options
        self.failed = failed
        """Told when a logger or mapper of arguments raises."""
        self.transition: Transition | None = None
        """The one that runs."""
        self.silent = False
        self.between: deque[tuple[int, str]] | None = None
        """Lines written since the last transition."""

    def line(self, level: int, text: str) -> None:
        """Write one line, unless it is above the machine's level."""
        options = self.options
        if level > options.log_level or self.silent:
            return
        if options.log_id:
            text = f"[{self.id[:5]}] {text}"
        transition = self.transition
        if transition is not None and not transition.completed:
            if transition.lines is None:
                transition.lines = []
            transition.lines.append((level, text))
        else:
            between = self.between
            if between is None:
                between = self.between = deque(maxlen=_KEPT_BETWEEN)
            if not between or between[-1][1] != text or "[pipe-" in text:
                between.append((level, text))
        if options.logger is not None:
            try:
                options.logger(LogLevel(level), text)
            except BaseException as error:
                self.failed(error)

    def take(self) -> list[tuple[int, str]]:
        """The lines written since the transition before; they are handed over once."""
        between, self.between = self.between, None
        return list(between or ())

    def args(self, args: Args) -> str:
        """Arguments worth logging, as they stand at the end of a line."""
        mapper = self.options.log_args
        if mapper is None or not args:
            return ""
        try:
            return format_args(mapper(args) or {})
        except BaseException as error:
            self.failed(error)
            return ""
