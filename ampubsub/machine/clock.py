"""Machine time: a vector of ticks, one per state, in index order. An odd tick means active."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ampubsub.machine.state_lists import names_at, positions

_U64 = 1 << 64


def is_active_tick(tick: int) -> bool:
    """Whether a tick means active: it is odd."""
    return tick & 1 == 1


class Time(tuple[int, ...]):
    """The ticks of a machine's states in index order, as an immutable tuple.

    Methods that take indexes ignore those past the end, unless they say otherwise. Ticks are unsigned 64-bit
    numbers: sums and differences are taken modulo 2**64.
    """

    __slots__ = ()

    def sum(self, indexes: Iterable[int] | None = None) -> int:
        """Sum of all ticks, or of those at `indexes`."""
        if indexes is None:
            return sum(self) % _U64
        return sum(self[i] for i in indexes if 0 <= i < len(self)) % _U64

    def tick(self, index: int) -> int:
        """The tick at an index; 0 past the end."""
        return self[index] if 0 <= index < len(self) else 0

    def active(self) -> tuple[int, ...]:
        """Indexes of active states."""
        return tuple(i for i, tick in enumerate(self) if tick & 1)

    def non_zero(self) -> tuple[int, ...]:
        """Indexes of states that have ever ticked."""
        return tuple(i for i, tick in enumerate(self) if tick)

    def filter(self, indexes: Iterable[int]) -> Time:
        """The ticks at `indexes`, in that order; 0 past the end."""
        return Time(self.tick(i) for i in indexes)

    def increment(self, index: int) -> Time:
        """The same time with one tick more at an index."""
        return Time(tick + 1 if i == index else tick for i, tick in enumerate(self))

    def is_(self, *indexes: int) -> bool:
        """Whether all of these are active; False for none. Raises IndexError past the end."""
        return bool(indexes) and all(i >= 0 and self[i] & 1 for i in indexes)

    def not_(self, *indexes: int) -> bool:
        """Whether none of these is active; True for none. Raises IndexError past the end."""
        return not any(i >= 0 and self[i] & 1 for i in indexes)

    def any(self, *indexes: int | Iterable[int]) -> bool:
        """Whether any of these is active; of a list of indexes, all of them."""
        return any(self.tick(i) & 1 == 1 if isinstance(i, int) else self.is_(*i) for i in indexes)

    def after(self, other: Sequence[int], or_equal: bool = False) -> bool:
        """Whether every tick that both have is larger than the other's (or equal)."""
        pairs = zip(self, other, strict=False)
        return all(a >= b for a, b in pairs) if or_equal else all(a > b for a, b in pairs)

    def before(self, other: Sequence[int], or_equal: bool = False) -> bool:
        """Whether every tick that both have is smaller than the other's (or equal)."""
        pairs = zip(self, other, strict=False)
        return all(a <= b for a, b in pairs) if or_equal else all(a < b for a, b in pairs)

    def equal(self, other: Sequence[int], strict: bool = True) -> bool:
        """Whether ticks are equal; not `strict` lets the other be longer. Raises IndexError when it is shorter."""
        if strict and len(self) != len(other):
            return False
        return all(tick == other[i] for i, tick in enumerate(self))

    def add(self, other: Sequence[int]) -> Time:
        """Tick by tick sum; of another length, this time unchanged."""
        if len(self) != len(other):
            return self
        return Time((a + b) % _U64 for a, b in zip(self, other, strict=True))

    def diff_since(self, other: Sequence[int]) -> Time:
        """Tick by tick difference to an earlier time; of another length, zeros."""
        if len(self) != len(other):
            return Time([0] * len(self))
        return Time((a - b) % _U64 for a, b in zip(self, other, strict=True))

    def __str__(self) -> str:
        return " ".join(map(str, self))


class TimeIndex(NamedTuple):
    """A time together with the names of its states."""

    time: Time
    names: tuple[str, ...]

    @classmethod
    def of_active(cls, names: Sequence[str], active: Iterable[int]) -> TimeIndex:
        """A made-up time in which just these indexes are active."""
        chosen = set(active)
        return cls(Time(int(i in chosen) for i in range(len(names))), tuple(names))

    def name(self, index: int) -> str:
        """The name at an index; empty past the end."""
        return self.names[index] if 0 <= index < len(self.names) else ""

    def active_states(self, states: Iterable[str] | None = None) -> tuple[str, ...]:
        """Names of active states, of all or of those given, in the given order."""
        if states is None:
            return names_at(self.names, self.time.active())
        return tuple(state for state in states if self.is_(state))

    def non_zero_states(self) -> tuple[str, ...]:
        """Names of states that have ever ticked."""
        return names_at(self.names, self.time.non_zero())

    def sum(self, states: Iterable[str] | None = None) -> int:
        """Sum of all ticks, or of those of some states."""
        return self.time.sum(None if states is None else positions(self.names, states))

    def filter(self, states: Iterable[str]) -> Time:
        """The ticks of some states."""
        return self.time.filter(positions(self.names, states))

    def is_(self, *states: str) -> bool:
        """Whether all of these are active; unknown ones never are."""
        return self.time.is_(*positions(self.names, states))

    def not_(self, *states: str) -> bool:
        """Whether none of these is active."""
        return self.time.not_(*positions(self.names, states))

    def any(self, *states: str) -> bool:
        """Whether any of these is active."""
        return self.time.any(*positions(self.names, states))

    def __str__(self) -> str:
        return " ".join(self.active_states())
