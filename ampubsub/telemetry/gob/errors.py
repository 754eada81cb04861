"""The one error of this room, and the bounds of what is read."""

from __future__ import annotations

from dataclasses import dataclass


class GobError(ValueError):
    """The bytes are not gob, or more than we are willing to read. The stream they come from cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GobLimits:
    """What one stream, and one message of it, may make us build."""

    message_bytes: int = 16 << 20
    """Bytes of one message. A dump file is one message: readers of files raise this."""
    types: int = 256
    """Types that a stream may define."""
    fields: int = 64
    """Fields of one struct type."""
    values: int = 500_000
    """Values in one message: one byte on the wire can become a whole object."""
    depth: int = 24
    """Values within values."""
