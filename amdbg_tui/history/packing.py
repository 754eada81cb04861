"""Numbers and clocks as small byte strings: as narrow as they fit, little-endian."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

WIDTHS = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
CODES = dict(WIDTHS)
LARGEST = 2**64 - 1


def pack_numbers(numbers: Sequence[int]) -> bytes:
    """One width byte (1, 2, 4, 8) and the numbers. Those beyond 64 bits are cut to the nearest that fits."""
    try:
        return b"\x01" + bytes(numbers)
    except ValueError:
        pass
    top, least = max(numbers), min(numbers)
    if least < 0 or top > LARGEST:
        numbers = [min(max(number, 0), LARGEST) for number in numbers]
        top = max(numbers)
    size, code = next(pair for pair in WIDTHS if top < 1 << (8 * pair[0]))
    packed = array(code, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return bytes((size,)) + packed.tobytes()


def unpack_numbers(data: bytes) -> Sequence[int]:
    """The inverse of `pack_numbers`. Raises `ValueError` on anything else."""
    if not data or data[0] not in CODES:
        raise ValueError(f"packed numbers begin with 1, 2, 4 or 8, not {data[:1]!r}")
    if data[0] == 1:
        return data[1:]
    numbers = array(CODES[data[0]], data[1:])
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def pack_times(times: Sequence[float]) -> bytes:
    """Times in seconds, exactly."""
    packed = array("d", times)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack_times(data: bytes) -> array[float]:
    """The inverse of `pack_times`."""
    times = array("d", data)
    if sys.byteorder == "big":
        times.byteswap()
    return times
