"""Blocks: up to some thousand records of one class as columns, for a file.

A block of transitions has a column each for numbers, times, machines, *variants* (kind, flags, trust, teller: few
different ones, so a small table), and states with their ticks, which are differences; the whole clock of a machine
stands once at its first record in the block and wherever it jumped. So a block can be read without any other, and
searched without making its records. What a transition has beside that (steps, log, arguments) are its *bodies*,
packed apart and read when needed. Other records are a list as msgspec writes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct, msgpack

from amdbg_tui.history.filters import ACCEPTED, BODY_FLAG, flags_of, texts_of
from amdbg_tui.history.moments import Entry, Moment, Numbered
from amdbg_tui.history.packing import pack_numbers, pack_times
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    LossRecord,
    MachineRecord,
    MessageRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    StepRecord,
)

SEPARATOR = "\x03"
STATE_BITS = 62
"""States share this many bits of a mask, the first with the 63rd and so on: a hint where to look."""


class Variant(NamedTuple):
    """What many transitions of a block have in common."""

    kind: str
    flags: int
    trust: str
    source: str
    """Of transitions without a body."""
    called: tuple[str, ...]


class Body(Struct, frozen=True, array_like=True):
    """What only some transitions have."""

    transition_id: str
    source: str
    queue_tick: int
    args: tuple[tuple[str, str], ...]
    handlers: tuple[str, ...]
    steps: tuple[StepRecord, ...]
    log: tuple[tuple[int, str], ...]
    error: str


class MachineNews(Struct, frozen=True, array_like=True, tag=20):
    """A machine's record in a file: its schema is a generation's."""

    at_s: float
    generation: int
    source: str
    reason: str
    clock: tuple[int, ...]


class Columns(Struct, frozen=True, array_like=True):
    """A block of transitions."""

    first: int
    numbers: bytes
    """Less `first`; empty when they follow one another."""
    times: bytes
    elapsed_us: bytes
    """Less that of the block."""
    generations: tuple[int, ...]
    machine: bytes
    """Index into `generations`."""
    variants: tuple[Variant, ...]
    variant: bytes
    """Index into `variants`."""
    width: bytes
    """How many states changed."""
    states: bytes
    """Indexes of the states that changed, of all records one after the other."""
    ticks: bytes
    """By how much each."""
    jumps: tuple[tuple[int, bytes, bytes], ...]
    """(position, clock before, clock after or empty when it follows from the ticks)."""
    counts: tuple[tuple[int, int], ...]
    """(position, count) of merged ones."""


class OtherColumns(Struct, frozen=True, array_like=True):
    """A block of other records."""

    first: int
    numbers: bytes
    elapsed_us: bytes
    records: tuple[
        PeerRecord
        | PeerDetailRecord
        | MachineNews
        | NoticeRecord
        | CommandRecord
        | ConnectionRecord
        | MessageRecord
        | LossRecord,
        ...,
    ]


class Packed(NamedTuple):
    """A block as it goes into a file, and what is known of it without reading it."""

    first: int
    last: int
    records: int
    stands_for: int
    at_min: float
    at_max: float
    elapsed_first: int
    elapsed_last: int
    errors: bytes | None
    """Positions of transitions with an error, packed; None: none has."""
    refused: bytes | None
    touched: dict[int, int]
    """Generation to a mask of the states touched."""
    columns: bytes
    bodies: bytes | None
    words: bytes | None
    """All texts in the bodies, each once, in lower case, deflated."""

    @property
    def size(self) -> int:
        """Bytes in the file, about."""
        return 100 + len(self.columns) + len(self.bodies or b"") + len(self.words or b"")


_encode = msgpack.Encoder().encode


def pack_transitions(moments: Sequence[Moment]) -> Packed:
    """A block of transitions, at least one, in the order of their numbers."""
    places: dict[int, int] = {}
    variants: dict[Variant, int] = {}
    clocks: dict[int, tuple[int, ...]] = {}
    machine_column: list[int] = []
    variant_column: list[int] = []
    states: list[int] = []
    ticks: list[int] = []
    jumps: list[tuple[int, bytes, bytes]] = []
    counts: list[tuple[int, int]] = []
    errors: list[int] = []
    refused: list[int] = []
    touched: dict[int, set[int]] = {}
    bodies: list[Body] = []
    words: set[str] = set()
    for position, (_, record, changed, generation, error, count, _) in enumerate(moments):
        identity = generation.id
        before, after = record.before, record.after
        flags = flags_of(record, error, changed)
        if (
            record.steps or record.log or record.transition_id or record.args or record.handlers
            or record.error or record.queue_tick
        ):  # fmt: skip
            flags |= BODY_FLAG
            bodies.append(
                Body(
                    record.transition_id,
                    record.source,
                    record.queue_tick,
                    record.args,
                    record.handlers,
                    record.steps,
                    record.log,
                    record.error,
                )
            )  # fmt: skip
            words.update(texts_of(record))
        called = record.called
        variant = Variant(
            record.kind, flags, record.trust, "" if flags & BODY_FLAG else record.source, called
        )
        place = variants.get(variant)
        if place is None:
            place = variants[variant] = len(variants)
        variant_column.append(place)
        place = places.get(identity)
        if place is None:
            place = places[identity] = len(places)
            touched[identity] = set()
        machine_column.append(place)
        touched[identity].update(changed)
        if called:
            touched[identity].update([generation.index[name] for name in called if name in generation.index])
        states += changed
        if len(before) == len(after):
            moved = [after[index] - before[index] for index in changed]
            goes_on = not moved or min(moved) >= 0
        else:
            moved, goes_on = [0] * len(changed), False
        if not goes_on:
            jumps.append((position, pack_numbers(before), pack_numbers(after)))
            moved = [0] * len(changed)
        elif (known := clocks.get(identity)) is not before and known != before:
            jumps.append((position, pack_numbers(before), b""))
        ticks += moved
        clocks[identity] = after
        if count > 1:
            counts.append((position, count))
        if error:
            errors.append(position)
        if not flags & ACCEPTED:
            refused.append(position)
    times = [moment.record.at_s for moment in moments]
    elapsed = moments[0].elapsed_us
    columns = Columns(
        moments[0].number,
        _numbers_of(moments),
        pack_times(times),
        pack_numbers([moment.elapsed_us - elapsed for moment in moments]),
        tuple(places),
        pack_numbers(machine_column),
        tuple(variants),
        pack_numbers(variant_column),
        pack_numbers([len(moment.changed) for moment in moments]),
        pack_numbers(states),
        pack_numbers(ticks),
        tuple(jumps),
        tuple(counts),
    )
    return Packed(
        moments[0].number,
        moments[-1].number,
        len(moments),
        sum(moment.stands_for for moment in moments),
        min(times),
        max(times),
        elapsed,
        moments[-1].elapsed_us,
        pack_numbers(errors) if errors else None,
        pack_numbers(refused) if refused else None,
        {identity: mask_of(indexes) for identity, indexes in touched.items()},
        _encode(columns),
        zlib.compress(_encode(bodies), 1) if bodies else None,
        zlib.compress(SEPARATOR.join(words).lower().encode("utf-8", "surrogatepass"), 1) if words else None,
    )


def mask_of(states: Iterable[int]) -> int:
    """A mask of state indexes; those beyond 61 share bits with the first ones."""
    mask = 0
    for index in states:
        mask |= 1 << index % STATE_BITS
    return mask


def pack_others(entries: Sequence[Entry]) -> Packed:
    """A block of other records, at least one."""
    times = [entry.record.at_s for entry in entries]
    elapsed = entries[0].elapsed_us
    records = [
        MachineNews(record.at_s, entry.generation.id, record.source, record.reason, record.clock)
        if isinstance(record := entry.record, MachineRecord)
        else record
        for entry in entries
    ]
    columns = _encode(
        (
            entries[0].number,
            _numbers_of(entries),
            pack_numbers([entry.elapsed_us - elapsed for entry in entries]),
            records,
        )
    )
    return Packed(
        entries[0].number, entries[-1].number, len(entries), len(entries), min(times), max(times), elapsed,
        entries[-1].elapsed_us, None, None, {}, zlib.compress(columns, 1), None, None,
    )  # fmt: skip


def _numbers_of(entries: Sequence[Numbered]) -> bytes:
    first = entries[0].number
    if entries[-1].number - first == len(entries) - 1:
        return b""
    return pack_numbers([entry.number - first for entry in entries])
