"""Every setting of a machine, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum


class LogLevel(IntEnum):
    """How much a machine says about itself; each level includes those before it."""

    NOTHING = 0
    EXTERNAL = 1
    """What the program itself logs through the machine."""
    CHANGES = 2
    """State changes."""
    OPERATIONS = 3
    """Mutations, handlers, waits."""
    DECISIONS = 4
    """Why relations decided as they did."""
    EVERYTHING = 5
    """Also every handler name that was looked for."""

    def __str__(self) -> str:
        return ("nothing", "external", "changes", "ops", "decisions", "everything")[self]


LogArgsMapper = Callable[[Mapping[str, object]], Mapping[str, str] | None]
"""Picks the arguments worth logging and turns them into text."""


@dataclass(slots=True)
class Options:
    """Settings of one machine. Defaults are those of asyncmachine-go v0.18.0 unless said otherwise."""

    strict: bool = True
    """A relation to a state that there is not is a `SchemaError`; otherwise it is dropped, as in Go."""
    queue_limit: int = 1000
    """Mutations that may wait; more are canceled."""
    slow_handler_s: float = 0.1
    """When the handlers of one transition took longer, they are warned about (`SlowHandlerWarning`, and a line of level changes)."""
    handler_timeout_s: float | None = None
    """A handler that took longer counts as having refused (Go: 0.1). None by default: a handler that runs on the caller's
    stack cannot be stopped, so by then its work is done, and undoing it protects nobody."""
    handler_deadline_s: float = 10.0
    """With a timeout: a handler that took longer than this empties the queue and makes the machine back off."""
    handler_backoff_s: float = 3.0
    """How long mutations are refused after a missed deadline."""
    log_level: LogLevel = LogLevel.NOTHING
    logger: Callable[[LogLevel, str], None] | None = None
    """Where log lines go; without one they are kept with their transition only."""
    log_id: bool = True
    """Start each log line with the first five characters of the machine's id."""
    log_args: LogArgsMapper | None = None
    """Arguments to show in log lines; none by default."""
    record_steps: bool = False
    """Keep the steps of each transition. Costs time; a debugger wants it."""
    record_check_steps: bool = False
    """Keep the steps of checks (`can_add`, `can_remove`) as well."""
    log_stack_traces: bool = False
    """Keep the stack trace of errors (Go: on)."""
    remember_plans: int = 2_000
    """How much a machine remembers: resolved mutations, about 1 KB each, and marks of places it came by. 0 resolves
    each time. Same results either way."""
    panic_to_exception: bool = True
    """An exception in a handler becomes the state Exception; otherwise it reaches the caller."""
