"""Lists of state names: what two have in common, where names stand, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def difference(states: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Those not among `others`, in order, repeats kept."""
    gone = set(others)
    return tuple(state for state in states if state not in gone)


def shared(states: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Those also among `others`, in order."""
    kept = set(others)
    return tuple(state for state in states if state in kept)


def same(states: Iterable[str], others: Iterable[str]) -> bool:
    """Whether both name the same states, order and repeats aside."""
    return set(states) == set(others)


def joined(*lists: Iterable[str]) -> tuple[str, ...]:
    """All lists after each other, each name once."""
    return tuple(dict.fromkeys(state for states in lists for state in states))


def without(states: Iterable[str], *lists: Iterable[str]) -> tuple[str, ...]:
    """The list without one occurrence of each name in `lists`."""
    left = list(states)
    for names in lists:
        for name in names:
            if name in left:
                left.remove(name)
    return tuple(left)


def positions(names: Sequence[str], states: Iterable[str]) -> tuple[int, ...]:
    """Where states stand in an index order; -1 for unknown ones."""
    place: dict[str, int] = {}
    for i, name in enumerate(names):
        place.setdefault(name, i)
    return tuple(place.get(state, -1) for state in states)


def names_at(names: Sequence[str], indexes: Iterable[int]) -> tuple[str, ...]:
    """Names at indexes; `unknownN` for one that is not there."""
    return tuple(names[i] if 0 <= i < len(names) else f"unknown{i}" for i in indexes)


def picked(names: Sequence[str], indexes: Iterable[int]) -> tuple[str, ...]:
    """Names at indexes; empty for one that is not there."""
    return tuple(names[i] if 0 <= i < len(names) else "" for i in indexes)
