"""Machine time: a vector of ticks, one per state, in index order. An odd tick means active."""

from __future__ import annotations


class Time(tuple[int, ...]):
    """The ticks of a machine's states in index order, as an immutable tuple."""

    __slots__ = ()

    def __str__(self) -> str:
        return " ".join(map(str, self))
