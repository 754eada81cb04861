"""Words for moving through time: what to step to, and what a piece of a time bar holds."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Step(StrEnum):
    """What `History.step` looks for."""

    RECORD = "record"
    """Any transition (of a machine, when one is given)."""
    ERROR = "error"
    """An error state became active, or a handler failed."""
    REFUSAL = "refusal"
    """A transition that was not accepted."""
    STATE = "state"
    """A transition that changed or called the given state."""
    LOSS = "loss"
    """A record of something that was lost."""
    BOOKMARK = "bookmark"


class Bucket(NamedTuple):
    """One column of a time bar. Buckets of one answer have equal lengths on the recording's own clock."""

    first: int
    """Number of the first record in it; 0 when it is empty."""
    last: int
    """Number of the last record in it; less than `first` when it is empty."""
    records: int
    """Transitions in it."""
    errors: int
    refusals: int
    lost: int
    """Records known to be lost in it."""
    gap: bool
    """Nothing was recorded in some of this time although the recording went on (a gap, a full disk)."""
    begin_s: float
    """Wall-clock time at its start, seconds since the epoch."""
    end_s: float
