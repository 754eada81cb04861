"""What a person may set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How much of what happened is kept, and how it is written. Table `[history]` of the settings file."""

    in_memory: bool = False
    """Keep the history in memory only, not in a file of the state folder."""
    transitions: int = 1_000_000
    """Transitions kept; older ones are dropped. About 150 bytes each for a machine of 30 states."""
    others: int = 50_000
    """Other records kept: peers, their figures, machines, notices, commands."""
    files: int = 5
    """History files of earlier runs kept in the state folder."""
    waiting: int = 200_000
    """Records that may wait to be written. Beyond it, clock changes of one machine are merged into one."""
    behind: int = 50_000
    """Records the screen may be behind before it reads everything anew instead."""
    batch: int = 2_000
    """Most records written at once."""
    interval_s: float = 0.02
    """Least time between two writes."""
