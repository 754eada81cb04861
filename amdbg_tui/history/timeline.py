"""Moving through time: what to step to, which record was when, and what the columns of a time bar hold."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from amdbg_tui.history.block_reading import TransitionBlock
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.moments import Moment, Numbered
from amdbg_tui.history.packing import unpack_numbers
from amdbg_tui.history.records import LossKind, MachineKey, RecordClass
from amdbg_tui.history.tables import TRANSITION_CLASSES

if TYPE_CHECKING:
    from amdbg_tui.history.cursor import Cursor


class Step(StrEnum):
    """What `History.step` looks for."""

    RECORD = "record"
    """Any transition (of a machine, when one is given)."""
    ERROR = "error"
    """An error state became active, or a handler failed."""
    REFUSAL = "refusal"
    """A transition that was not accepted."""
    STATE = "state"
    """A transition that changed or called the given state."""
    LOSS = "loss"
    """A record of something that was lost."""
    BOOKMARK = "bookmark"


class Bucket(NamedTuple):
    """One column of a time bar. Buckets of one answer have equal lengths on the recording's own clock."""

    first: int
    """Number of the first transition in it; 0 when it is empty."""
    last: int
    """Number of the last one in it; less than `first` when it is empty."""
    records: int
    """Transitions in it."""
    errors: int
    refusals: int
    lost: int
    """Records known to be lost in it."""
    gap: bool
    """The recording was disturbed in it: the disk was full, the file was removed."""
    begin_s: float
    """Wall-clock time at its start, seconds since the epoch."""
    end_s: float


def filter_of(what: Step, machine: MachineKey | None, state: str) -> TransitionFilter:
    """The filter that finds what a step looks for."""
    return TransitionFilter(
        machines=None if machine is None else frozenset({machine}),
        errors=True if what is Step.ERROR else None,
        accepted=False if what is Step.REFUSAL else None,
        states=frozenset({state}) if what is Step.STATE else frozenset(),
    )


def number_at(cursor: Cursor, wall_s: float) -> int:
    """Number of the last transition not later than a wall-clock time; 0: none.

    Wall clocks are set back now and then, so of two such times the later record counts.
    """
    found = 0
    with cursor.snapshot() as (connection, waiting, _):
        for kind in TRANSITION_CLASSES:
            rows = connection.execute(
                "SELECT id, first, last FROM blocks WHERE class = ? AND at_min <= ? ORDER BY last DESC LIMIT 1",
                (kind.value, wall_s),
            )
            for row in rows.fetchall():
                block = cursor.block(connection, row)
                at = max(at for at, time_s in enumerate(block.times) if time_s <= wall_s)
                found = max(found, block.numbers[at])
        for entry in waiting:
            if type(entry) is Moment and entry.record.at_s <= wall_s:
                found = entry.number
    return found


def time_of(cursor: Cursor, number: int) -> float:
    """Wall-clock time of a record, or of the nearest one kept before it (else after it); 0.0: none."""
    return _time_near(cursor, number)[0]


def _time_near(cursor: Cursor, number: int) -> tuple[float, int]:
    """(wall-clock time, microseconds since the recording began) of the record nearest before a number."""
    best: tuple[int, float, int] | None = None
    with cursor.snapshot() as (connection, waiting, _):
        for entry in reversed(waiting):
            if entry.number <= number:
                return entry.record.at_s, entry.elapsed_us
        for kind in RecordClass:
            for beyond, order in (("first <= ?", "DESC"), ("first > ?", "ASC")):
                row = connection.execute(
                    f"SELECT id, first, last FROM blocks WHERE class = ? AND {beyond} ORDER BY last {order} LIMIT 1",
                    (kind.value, number),
                ).fetchone()
                if row is None:
                    continue
                block = cursor.block(connection, row)
                at = max(bisect_right(block.numbers, number) - 1, 0)
                found = block.numbers[at]
                if best is None or _nearer(found, best[0], number):
                    best = found, *_times_of(block, at)
        if best is None and waiting:
            return waiting[0].record.at_s, waiting[0].elapsed_us
    return (best[1], best[2]) if best is not None else (0.0, 0)


def _nearer(found: int, known: int, number: int) -> bool:
    """Before the number beats after it, and then the nearer one."""
    if (found <= number) is not (known <= number):
        return found <= number
    return abs(found - number) < abs(known - number)


def _times_of(block: object, at: int) -> tuple[float, int]:
    if isinstance(block, TransitionBlock):
        return block.times[at], block.elapsed_first + block.elapsed[at]
    entry: Numbered = block.entries[at]  # type: ignore[attr-defined]
    return entry.record.at_s, entry.elapsed_us


class _Column:
    __slots__ = ("errors", "first", "gap", "last", "lost", "records", "refusals")

    def __init__(self) -> None:
        self.first, self.last = 0, -1
        self.records = self.errors = self.refusals = self.lost = 0
        self.gap = False

    def add(self, first: int, last: int, records: int) -> None:
        if records:
            self.first = min(self.first or first, first)
            self.last = max(self.last, last)
            self.records += records


def density(cursor: Cursor, first: int, last: int, buckets: int) -> list[Bucket]:
    """What happened between two records, in columns of equal time."""
    buckets = max(buckets, 1)
    begin_s, begin = _time_near(cursor, first)
    end_s, end = _time_near(cursor, last)
    width = max(end - begin, 1) / buckets
    columns = [_Column() for _ in range(buckets)]
    edges = [begin + int(width * at) for at in range(1, buckets)]

    def place(elapsed: int) -> int:
        return bisect_right(edges, elapsed)

    with cursor.snapshot() as (connection, waiting, _):
        for kind in TRANSITION_CLASSES:
            rows = connection.execute(
                "SELECT id, first, last, elapsed_first, elapsed_last, stands_for, errors, refused FROM blocks"
                " WHERE class = ? AND last >= ? AND first <= ? ORDER BY last",
                (kind.value, first, last),
            ).fetchall()
            for row in rows:
                inside = row[1] >= first and row[2] <= last
                at = place(row[3])
                if inside and at == place(row[4]):
                    columns[at].add(row[1], row[2], row[5])
                    columns[at].errors += _packed_count(row[6])
                    columns[at].refusals += _packed_count(row[7])
                else:
                    _split(cursor.block(connection, row), row, first, last, edges, columns)
        for entry in waiting:
            if type(entry) is Moment and first <= entry.number <= last:
                column = columns[place(entry.elapsed_us)]
                column.add(entry.number, entry.number, entry.stands_for)
                column.errors += entry.error
                column.refusals += not entry.record.accepted
    for number, loss in cursor.losses():
        if first <= number <= last:
            column = columns[place(_time_near(cursor, number)[1])]
            column.lost += loss.count if loss.kind != LossKind.DROPPED else 0
            column.gap = column.gap or loss.kind in (LossKind.GAP, LossKind.REMOVED)
    step_s = (end_s - begin_s) / buckets
    return [
        Bucket(
            column.first, column.last, column.records, column.errors, column.refusals, column.lost, column.gap,
            begin_s + step_s * at, begin_s + step_s * (at + 1),
        )
        for at, column in enumerate(columns)
    ]  # fmt: skip


def _split(
    block: TransitionBlock,
    row: Sequence[Any],
    first: int,
    last: int,
    edges: Sequence[int],
    columns: list[_Column],
) -> None:
    """A block that lies in several columns, or partly outside."""
    low, high = bisect_left(block.numbers, first), bisect_right(block.numbers, last)
    zero, elapsed = block.elapsed_first, block.elapsed
    start = low
    while start < high:
        at = bisect_right(edges, zero + elapsed[start])
        end = bisect_left(elapsed, edges[at] - zero, start, high) if at < len(edges) else high
        columns[at].add(block.numbers[start], block.numbers[end - 1], end - start)
        start = end
    for packed, name in ((row[6], "errors"), (row[7], "refusals")):
        for position in unpack_numbers(packed) if packed else ():
            if low <= position < high:
                column = columns[bisect_right(edges, zero + elapsed[position])]
                setattr(column, name, getattr(column, name) + 1)


def _packed_count(packed: bytes | None) -> int:
    return 0 if packed is None else len(unpack_numbers(packed))
