"""Records with their numbers: numbering them where they enter, and knowing which schema each belongs to.

Every record gets the next number, whatever its kind, so a number is a moment of the whole history. A machine
with one schema is a *generation*; a new schema, or another machine at the same place, is a new one, so that old
transitions keep the state names of their time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, count
from operator import ne
from typing import NamedTuple

from amdbg_tui.history.records import (
    MachineKey,
    MachineRecord,
    MessageRecord,
    Record,
    StateShape,
    TransitionRecord,
    replace,
)

ERROR_PREFIX = "Err"
EXCEPTION = "Exception"


def is_error_state(name: str) -> bool:
    """Error states are `Exception` and every name that begins with `Err`."""
    return name == EXCEPTION or name.startswith(ERROR_PREFIX)


def changed_states(before: Sequence[int], after: Sequence[int]) -> tuple[int, ...]:
    """Indexes of the states whose tick differs; missing ticks count as 0."""
    if before == after:
        return ()
    if len(before) == len(after):
        return tuple(compress(count(), map(ne, before, after)))
    wide = max(len(before), len(after))
    padded = [tuple(ticks) + (0,) * (wide - len(ticks)) for ticks in (before, after)]
    return tuple(index for index in range(wide) if padded[0][index] != padded[1][index])


class Generation:
    """A machine with one schema. Two of the same recording are equal when their ids are."""

    __slots__ = ("error_set", "error_states", "id", "index", "names", "record")

    def __init__(self, identity: int, record: MachineRecord) -> None:
        self.id = identity
        self.record = record
        """As it was first told."""
        self.names = tuple([state.name for state in record.states])
        self.index = {name: at for at, name in enumerate(self.names)}
        self.error_states = tuple([at for at, name in enumerate(self.names) if is_error_state(name)])
        self.error_set = frozenset(self.error_states)

    @property
    def key(self) -> MachineKey:
        """(peer id, slot)."""
        return self.record.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Generation) and (self.id, self.key) == (other.id, other.key)

    def __hash__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"Generation({self.id}, {self.record.machine_id!r})"


NOBODY = Generation(0, MachineRecord(0.0, MachineKey("", 0), "", (), "hearsay"))
"""Stands where no generation is known."""


class Moment(NamedTuple):
    """A transition with its number in the history."""

    number: int
    record: TransitionRecord
    changed: tuple[int, ...] = ()
    """Indexes of the states whose ticks it changed."""
    generation: Generation = NOBODY
    error: bool = False
    """An error state became (or stayed, ticking) active, or a handler failed."""
    stands_for: int = 1
    """How many transitions it stands for: more than one when they were merged."""
    elapsed_us: int = 0
    """Microseconds since the recording began, on a clock that is never set back."""

    @property
    def names(self) -> tuple[str, ...]:
        """State names of the machine as they were then, in index order."""
        return self.generation.names


class Entry(NamedTuple):
    """Any other record with its number in the history."""

    number: int
    record: Record
    generation: Generation = NOBODY
    """Of a machine's record."""
    elapsed_us: int = 0


Numbered = Moment | Entry


class Numbering:
    """Gives records their numbers and generations. Not safe for threads: the history holds a lock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` answers in seconds and is never set back."""
        self.last = 0
        """Number of the newest record."""
        self.generations: dict[MachineKey, Generation] = {}
        """The newest one of each machine."""
        self.next_generation = 1
        self._clock = clock
        self._zero_s = clock()

    def resume(
        self, last: int, generations: dict[MachineKey, Generation], highest: int, elapsed_us: int
    ) -> None:
        """Go on with a recording where it ended."""
        self.last = last
        self.generations = generations
        self.next_generation = highest + 1
        self._zero_s = self._clock() - elapsed_us / 1e6

    def take(self, records: Iterable[Record]) -> list[Numbered]:
        """Number records in order. A clock that comes before its schema gets a machine with numbered states."""
        elapsed_us = int((self._clock() - self._zero_s) * 1e6)
        generations = self.generations
        taken: list[Numbered] = []
        number = self.last
        for record in records:
            if type(record) is TransitionRecord:
                generation = generations.get(record.key)
                if generation is None:
                    number += 1
                    entry = self._machine(number, stranger(record), elapsed_us)
                    taken.append(entry)
                    generation = entry.generation
                number += 1
                before, after = record.before, record.after
                changed = changed_states(before, after)
                error = bool(record.error)
                if not error and not generation.error_set.isdisjoint(changed):
                    error = any(
                        at < len(after) and after[at] & 1 for at in changed if at in generation.error_set
                    )
                taken.append(Moment(number, record, changed, generation, error, 1, elapsed_us))
            elif isinstance(record, MachineRecord):
                number += 1
                taken.append(self._machine(number, record, elapsed_us))
            else:
                number += 1
                taken.append(Entry(number, record, NOBODY, elapsed_us))
        self.last = number
        return taken

    def _machine(self, number: int, record: MachineRecord, elapsed_us: int) -> Entry:
        """Equal schemas are shared, so that they compare by identity."""
        known = self.generations.get(record.key)
        if known is not None and shape_of(known.record) == shape_of(record):
            first = known.record
            return Entry(number, replace(record, states=first.states, groups=first.groups), known, elapsed_us)
        generation = Generation(self.next_generation, record)
        self.next_generation += 1
        self.generations[record.key] = generation
        return Entry(number, record, generation, elapsed_us)


def weight_of(entry: Numbered) -> int:
    """How large a record is: 1 for a clock change of a machine with few states, more with steps, log, many states."""
    record = entry.record
    if type(record) is TransitionRecord:
        return 1 + (len(record.steps) + 4 * len(record.log)) // 8 + len(record.after) // 64
    if isinstance(record, MachineRecord):
        return 1 + len(record.states) // 16
    if isinstance(record, MessageRecord):
        return 1 + len(record.data) // 256
    return 1


def shape_of(record: MachineRecord) -> tuple[object, ...]:
    """What makes a generation: everything but its clock and who told it."""
    return record.machine_id, record.states, record.tags, record.parent_id, record.groups


def stranger(record: TransitionRecord) -> MachineRecord:
    """A machine whose clock came before its schema."""
    states = tuple(StateShape(f"#{index}") for index in range(len(record.after)))
    return MachineRecord(record.at_s, record.key, "?", states, record.trust, clock=record.before)
