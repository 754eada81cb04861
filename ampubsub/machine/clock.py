"""Machine time: a vector of ticks, one per state, in index order. An odd tick means active."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def is_active_tick(tick: int) -> bool:
    """Whether a tick means active: it is odd."""
    return tick & 1 == 1


class Time(tuple[int, ...]):
    """The ticks of a machine's states in index order, as an immutable tuple."""

    __slots__ = ()

    def sum(self, indexes: Iterable[int] | None = None) -> int:
        """Sum of all ticks, or of those at `indexes`; indexes past the end count nothing."""
        if indexes is None:
            return sum(self)
        return sum(self[i] for i in indexes if i < len(self))

    def __str__(self) -> str:
        return " ".join(map(str, self))


__all__ = ["Sequence", "Time", "is_active_tick"]
