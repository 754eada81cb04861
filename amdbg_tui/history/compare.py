"""What is different: two moments of a machine, two machines of one schema, two recordings.

Two recordings are compared machine by machine, since only a machine's own ticks order what it did: that records of
different machines came in another order is no difference, nor is the wall-clock time, nor who told it. The first
divergence is the earliest record (in the first recording) from which a machine went another way.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.filters import TransitionFilter, state_name
from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.moments import Generation, Moment
from amdbg_tui.history.records import MachineKey
from amdbg_tui.history.store import History


@dataclass(frozen=True, slots=True)
class StateDifference:
    """A state that two moments or machines do not agree on."""

    name: str
    first: int | None
    """Its tick; None when that machine has no such state."""
    second: int | None

    @property
    def flips(self) -> bool:
        """Active in one and not in the other."""
        return bool((self.first or 0) % 2) is not bool((self.second or 0) % 2)


def different_states(first: LiveMachine, second: LiveMachine) -> list[StateDifference]:
    """States whose ticks differ, in the order of the first machine's index, then those it does not have."""
    ticks = [dict(zip(machine.names, machine.clock, strict=False)) for machine in (first, second)]
    names = dict.fromkeys([*first.names, *second.names])
    pairs = [StateDifference(name, ticks[0].get(name), ticks[1].get(name)) for name in names]
    return [pair for pair in pairs if pair.first != pair.second]


@dataclass(frozen=True, slots=True)
class Divergence:
    """From here on a machine went another way."""

    machine_id: str
    keys: tuple[MachineKey, MachineKey]
    first: Moment | None
    """What it did in the first recording; None: nothing more."""
    second: Moment | None
    agreed: int
    """How many of its transitions were the same before."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two recordings beside each other."""

    divergences: tuple[Divergence, ...]
    """One for each machine that went another way, the earliest first."""
    machines: int
    """How many are in both."""
    agreed: int
    """Transitions that are the same."""
    only_first: tuple[str, ...]
    """Ids of machines that the other one does not have."""
    only_second: tuple[str, ...]


class _Path:
    """What a machine did in one recording, as codes: the same code, the same transition."""

    __slots__ = ("begin", "codes", "generation", "is_derived")

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.begin: tuple[int, ...] | None = None
        self.codes = array("L")
        self.is_derived = False
        """Some of it is known by its clock only."""


def compare(first: History, second: History) -> Comparison:
    """Two recordings to where each machine diverges."""
    codes: dict[object, int] = {}
    paths = [_paths(each.cursor(), codes) for each in (first, second)]
    meanings: list[object] = list(codes)
    pairs, only = _pair(paths[0], paths[1])
    found: list[Divergence] = []
    agreed = 0
    for key, other in pairs:
        one, two = paths[0][key], paths[1][other]
        ticks_only = one.is_derived is not two.is_derived
        sequences = [_sequence(path, meanings, ticks_only) for path in (one, two)]
        starts = _aligned(one, two, sequences, meanings)
        same = _common(sequences[0][starts[0] :], sequences[1][starts[1] :])
        agreed += same
        places = [start + same for start in starts]
        if all(place == len(sequence) for place, sequence in zip(places, sequences, strict=True)):
            continue
        if any(place == len(sequence) for place, sequence in zip(places, sequences, strict=True)) and same:
            continue  # one recording ended earlier: it did not go another way
        moments = [
            _nth(each.cursor(), where, place, ticks_only)
            for each, where, place in ((first, key, places[0]), (second, other, places[1]))
        ]
        found.append(Divergence(one.generation.record.machine_id, (key, other), moments[0], moments[1], same))
    found.sort(key=lambda each: each.first.number if each.first else 2**63)
    return Comparison(tuple(found), len(pairs), agreed, only[0], only[1])


def _paths(cursor: Cursor, codes: dict[object, int]) -> dict[MachineKey, _Path]:
    paths: dict[MachineKey, _Path] = {}
    for block in cursor.transition_blocks():
        generations = block.generations
        here = []
        for generation in generations:
            path = paths.get(generation.key)
            if path is None:
                path = paths[generation.key] = _Path(generation)
            here.append(path)
        for place, before in block.first_clocks():
            if here[place].begin is None:
                here[place].begin = before
        variants = [
            None if variant.flags & 8 else (variant.kind, variant.called, variant.flags & 7)
            for variant in block.variants
        ]
        if None in variants:
            for place in set(block.machine):
                here[place].is_derived = True
        appends = [path.codes.append for path in here]
        known = codes.setdefault
        end = 0
        states, ticks = block.states, block.ticks
        jumps = block.far_jumps
        for at, (machine, variant, width) in enumerate(
            zip(block.machine, block.variant, block.width, strict=True)
        ):
            start, end = end, end + width
            what = variants[variant], states[start:end], jumps[at] if at in jumps else ticks[start:end]
            appends[machine](known(what, len(codes)))
    return paths


def _pair(
    one: dict[MachineKey, _Path], two: dict[MachineKey, _Path]
) -> tuple[list[tuple[MachineKey, MachineKey]], tuple[tuple[str, ...], tuple[str, ...]]]:
    """Machines that are the same: by peer and place, else the n-th one of that id with these states."""
    pairs = [(key, key) for key in one if key in two and _alike(one[key], two[key])]
    taken = {key for key, _ in pairs}
    left = [[key for key in paths if key not in taken] for paths in (one, two)]
    for key in list(left[0]):
        other = next((each for each in left[1] if _alike(one[key], two[each])), None)
        if other is not None:
            pairs.append((key, other))
            left[0].remove(key)
            left[1].remove(other)
    names = [
        tuple(paths[key].generation.record.machine_id for key in keys)
        for paths, keys in zip((one, two), left, strict=True)
    ]
    return pairs, (names[0], names[1])


def _alike(one: _Path, two: _Path) -> bool:
    a, b = one.generation, two.generation
    return a.names == b.names and (a.record.machine_id == b.record.machine_id or a.key == b.key)


def _sequence(path: _Path, meanings: Sequence[object], ticks_only: bool) -> Sequence[object]:
    if not ticks_only:
        return path.codes
    return [ticks for ticks in (meanings[code][1:] for code in path.codes) if ticks[0]]  # type: ignore[index]


def _aligned(
    one: _Path, two: _Path, sequences: Sequence[Sequence[object]], meanings: Sequence[object]
) -> tuple[int, int]:
    """Where to begin, when one recording began later than the other: where the clocks are the same."""
    if one.begin == two.begin or one.begin is None or two.begin is None:
        return 0, 0
    late = sum(one.begin) < sum(two.begin)
    early, target = (one, two.begin) if late else (two, one.begin)
    clock = list(early.begin or ())
    for at, step in enumerate(sequences[0 if late else 1], 1):
        meaning: Any = meanings[step][1:] if isinstance(step, int) else step  # type: ignore[index]
        states, ticks = meaning
        if len(ticks) == len(states):
            for index, more in zip(states, ticks, strict=True):
                clock[index] += more
        if tuple(clock) == target:
            return (at, 0) if late else (0, at)
    return 0, 0


def _common(one: Sequence[object], two: Sequence[object]) -> int:
    """How many are the same at the beginning."""
    low, high = 0, min(len(one), len(two))
    if one[:high] == two[:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _nth(cursor: Cursor, key: MachineKey, place: int, changes_only: bool) -> Moment | None:
    wanted = TransitionFilter(machines=frozenset({key}), changes=True if changes_only else None)
    numbers = cursor.numbers(wanted)
    return cursor.transition(numbers[place]) if place < len(numbers) else None


def in_words(moment: Moment | None) -> str:
    """What a transition did, in a few words."""
    if moment is None:
        return "nothing more"
    record = moment.record
    moves = [
        f"{'+' if index < len(record.after) and record.after[index] % 2 else '-'}{state_name(moment.names, index)}"
        for index in moment.changed
    ]
    called = f"{record.kind} {' '.join(record.called)}" if record.called else record.kind
    refused = "" if record.accepted else " (refused)"
    return f"{called}{refused}: {' '.join(moves) or 'no change'} [{moment.number}]"
