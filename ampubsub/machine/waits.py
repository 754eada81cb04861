"""What hangs in the tables of `subscriptions.py`: one wait each, held weakly until somebody has a callback on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heapify, heappop
from typing import Any
from weakref import ref

from ampubsub.machine.context import Context, Undo, Waiter
from ampubsub.machine.mutation import Args


class Wait:
    """One wait: a waiter, held weakly until it has callbacks, and how to forget it."""

    __slots__ = ("_held", "_ref", "_undo", "drop", "serial")

    def __init__(self, waiter: Waiter, serial: int, context: Context | None) -> None:
        self._ref: ref[Waiter] | None = ref(waiter)
        self._held: Waiter | None = None
        self.serial = serial
        self.drop: Callable[[Wait], object] | None = None
        """Takes it out of where it hangs."""
        self._undo: Undo | None = None
        waiter._place = self
        if waiter._callbacks is not None:
            self._held = waiter
        if context is not None:
            self._undo = context.on_done(self._context_ended)

    @property
    def waiter(self) -> Waiter | None:
        """Who waits; None when nobody does any more."""
        return self._ref() if self._ref is not None else None

    @property
    def is_over(self) -> bool:
        """Nobody waits any more."""
        return self._ref is None

    def hold(self, waiter: Waiter | None) -> None:
        """Keep the waiter alive, or no longer."""
        self._held = waiter

    def forget(self) -> None:
        """Nobody waits any more."""
        self._ref = self._held = None
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()
        drop, self.drop = self.drop, None
        if drop is not None:
            drop(self)

    def _context_ended(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            waiter.cancel()


class StatesGroup:
    """All equal `when`, or `when_not`: the same states, to be active or not."""

    __slots__ = ("active", "hangs_on", "mask", "serial", "states", "waits")

    def __init__(self, states: tuple[str, ...], active: bool, mask: int, serial: int) -> None:
        self.states = states
        self.active = active
        self.mask = mask
        self.serial = serial
        self.hangs_on = -1
        self.waits: dict[Wait, None] = {}


class TimeWait(Wait):
    """A `when_time`: counts the states that have not reached their tick yet."""

    __slots__ = ("missing", "states", "times")

    missing: int
    states: tuple[str, ...]
    times: tuple[int, ...]


class ArgsWait(Wait):
    """A `when_args`: a state entered by a mutation with these arguments, or more."""

    __slots__ = ("args",)

    args: Mapping[str, Any]

    def matches(self, args: Args) -> bool:
        """Whether these arguments contain those waited for."""
        return all(key in args and args[key] == value for key, value in self.args.items())


class QueryWait(Wait):
    """A `when_query`: any question about the machine."""

    __slots__ = ("query",)

    query: Callable[[Any], bool]


class Heap:
    """Waits by a number, lowest first. Those that are over are swept out once they are the greater part."""

    __slots__ = ("_over", "items")

    def __init__(self) -> None:
        self.items: list[tuple[int, int, Wait]] = []
        self._over = 0

    def reached(self, number: int) -> list[tuple[int, Wait]]:
        """Take out what waits for this number or a lower one and is not over."""
        found = []
        items = self.items
        while items and items[0][0] <= number:
            wanted, _, wait = heappop(items)
            if wait.is_over:
                self._over = max(self._over - 1, 0)
            else:
                found.append((wanted, wait))
        return found

    def one_is_over(self) -> None:
        """One of them is over now."""
        self._over += 1
        count = len(self.items)
        if self._over >= count or (self._over > 16 and 2 * self._over > count):
            self.items = [item for item in self.items if not item[2].is_over]
            heapify(self.items)
            self._over = 0


def pair_of(args: Args) -> tuple[str, Any] | None:
    """The pair of key and value that a wait for arguments is looked up by; None when it has no usable one."""
    for pair in args.items():
        try:
            hash(pair)
        except TypeError:
            continue
        return pair
    return None
