"""Bounds and settings of telemetry, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from ampubsub.telemetry.gob import GobLimits

DEFAULT_PORT = 6831
"""am-dbg's own default port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryLimits:
    """What a program, or a file, may make us build. Programs beyond a bound are cut off, and that is told."""

    gob: GobLimits = field(default_factory=GobLimits)
    connections: int = 1024
    """Programs' connections at a time (one for each machine)."""
    unfinished_bytes: int = 64 << 20
    """Bytes of unfinished messages of all connections together."""
    machines_per_connection: int = 256
    """Machines that one connection may describe (am-dbg's forwarding sends many)."""
    states: int = 4096
    """States of one machine."""
    name_chars: int = 512
    """Characters of an id, a state's name, a tag, a group's name."""
    tags: int = 256
    """Tags of one machine or state."""
    relations: int = 4096
    """Names in one relation of one state."""
    steps: int = 20_000
    """Steps of one transition."""
    log_lines: int = 5_000
    """Log lines of one transition."""
    log_chars: int = 16_384
    """Characters of one log line; the rest is cut off."""
    arguments: int = 256
    """Arguments of one mutation."""
    argument_chars: int = 4096
    """Characters of one argument, or of its name; the rest is cut off."""
    dump_packed_bytes: int = 256 << 20
    """Bytes of a dump file."""
    dump_unpacked_bytes: int = 512 << 20
    """Bytes of a dump once unpacked: Brotli packs zeros 600,000 times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderSettings:
    """How a program's machines are shown to a debugger."""

    waiting: int = 10_000
    """Records that wait to be sent; beyond it new ones are dropped, counted, and the loss is told in the log."""
    connect_timeout_s: float = 3.0
    """How long one dial may take."""
    answer_timeout_s: float = 5.0
    """How long the debugger may take to answer a call before the connection is taken for dead."""
    redial_first_s: float = 1.0
    """Wait before dialling again; doubles up to `redial_max_s`."""
    redial_max_s: float = 30.0
    """The longest wait before dialling again."""
    close_timeout_s: float = 0.5
    """How long `close` waits for what was not sent yet."""
    argument_chars: int = 20
    """Characters of one argument (as in Go)."""
