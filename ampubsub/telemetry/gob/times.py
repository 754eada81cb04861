"""Go's `time.Time` as it writes itself: 15 bytes (version 1) or 16 (version 2, seconds in the zone)."""

from __future__ import annotations

import struct

from ampubsub.telemetry.gob.errors import GobError

_LAYOUT = struct.Struct(">Bqih")
_YEAR_ONE_S = 62_135_596_800
"""Seconds from the year 1 to the epoch of Unix."""
_YEAR_9999_S = 253_402_300_799
_UTC = -1


def read_time(data: bytes) -> float:
    """Seconds since 1970, UTC. Raises `GobError` for other bytes, and for times outside of the years 1 to 9999."""
    if len(data) < _LAYOUT.size or data[0] not in (1, 2) or len(data) != 14 + data[0]:
        raise GobError("not a time as Go writes it")
    _, seconds, nanoseconds, _ = _LAYOUT.unpack_from(data)
    since_epoch = seconds - _YEAR_ONE_S
    if not -_YEAR_ONE_S <= since_epoch <= _YEAR_9999_S or not 0 <= nanoseconds < 1_000_000_000:
        raise GobError("a time outside of the years 1 to 9999")
    return float(since_epoch + nanoseconds / 1e9)


def write_time(at_s: float) -> bytes:
    """The bytes of a time given in seconds since 1970, in UTC."""
    seconds = int(at_s // 1)
    nanoseconds = min(999_999_999, round((at_s - seconds) * 1e9))
    return _LAYOUT.pack(1, seconds + _YEAR_ONE_S, nanoseconds, _UTC)
