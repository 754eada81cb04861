"""Reading blocks back: their records, and searching them without making records that do not match."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from msgspec import msgpack

from amdbg_tui.history.blocks import Body, Columns, MachineNews, OtherColumns, Variant
from amdbg_tui.history.filters import BODY_FLAG, ERROR_FLAG, TransitionFilter
from amdbg_tui.history.harmless import harmless, harmless_value, inflate
from amdbg_tui.history.moments import Entry, Generation, Moment
from amdbg_tui.history.packing import unpack_numbers, unpack_times
from amdbg_tui.history.records import TransitionRecord, replace

FEW = 8
"""Looking for each machine alone is quicker than looking at all when they are less than one in so many."""

_decode_columns = msgpack.Decoder(Columns).decode
_decode_others = msgpack.Decoder(OtherColumns).decode
_decode_bodies = msgpack.Decoder(list[Body]).decode

Resolve = Callable[[int], Generation]
"""A generation by its id."""


class OtherBlock:
    """Other records, read back."""

    def __init__(self, columns: bytes, elapsed_first: int, resolve: Resolve, *, clean: bool = False) -> None:
        """`clean`: the file may be anybody's, so its texts are made harmless."""
        data = _decode_others(inflate(columns))
        self.numbers = _all_numbers(data.first, data.numbers, len(data.records))
        elapsed = unpack_numbers(data.elapsed_us)
        self.entries: list[Entry] = []
        for at, record in enumerate(data.records):
            number, elapsed_us = self.numbers[at], elapsed_first + elapsed[at]
            if clean:
                record = harmless(record)
            if isinstance(record, MachineNews):
                generation = resolve(record.generation)
                whole = replace(
                    generation.record,
                    at_s=record.at_s,
                    source=record.source,
                    reason=record.reason,
                    clock=record.clock,
                )
                self.entries.append(Entry(number, whole, generation, elapsed_us))
            else:
                self.entries.append(Entry(number, record, elapsed_us=elapsed_us))


class Search:
    """A filter on its way through many blocks: what follows from machines and variants is found out once."""

    def __init__(self, wanted: TransitionFilter) -> None:
        self.wanted = wanted
        self.by_name = bool(wanted.states or wanted.text)
        """Names of states decide."""
        self.text = wanted.text.lower()
        self._machines: dict[int, tuple[bool, frozenset[int]]] = {}
        self.bits = wanted.bits
        self.places: frozenset[int] | None = None
        """Blocks worth looking at, once that was found out."""

    def machine(self, identity: int, resolve: Resolve) -> tuple[bool, frozenset[int]]:
        """Whether a generation is wanted, and which of its states are looked for."""
        known = self._machines.get(identity)
        if known is None:
            wanted, generation = self.wanted, resolve(identity)
            fine = wanted.passes_machine(generation.key)
            found = [
                at
                for at, name in enumerate(generation.names if fine and self.by_name else ())
                if (not wanted.states or name in wanted.states)
                and (not self.text or self.text in name.lower())
            ]
            known = self._machines[identity] = fine, frozenset(found)
        return known

    def variant(self, variant: Variant) -> bool:
        """Whether everything but machine, states, text and time is wanted."""
        wanted = self.wanted
        mask, value = self.bits
        return variant.flags & mask == value and (wanted.kinds is None or variant.kind in wanted.kinds)


class TransitionBlock:
    """Transitions, read back when they are asked for."""

    def __init__(
        self,
        columns: bytes,
        bodies: bytes | None,
        words: bytes | None,
        elapsed_first: int,
        resolve: Resolve,
        *,
        clean: bool = False,
    ) -> None:
        """`clean`: the file may be anybody's, so its texts are made harmless."""
        self._data = data = _decode_columns(columns)
        self._clean = clean
        if clean:
            self._data = data = replace(data, variants=tuple([harmless_value(one) for one in data.variants]))
        self._packed_bodies = bodies
        self._packed_words = words
        self._resolve = resolve
        self.times = unpack_times(data.times)
        self.numbers = _all_numbers(data.first, data.numbers, len(self.times))
        self.elapsed = unpack_numbers(data.elapsed_us)
        self.elapsed_first = elapsed_first
        self._machine = unpack_numbers(data.machine)
        self._variant = unpack_numbers(data.variant)

    def __len__(self) -> int:
        return len(self.times)

    # Its columns, for who wants them as they are.

    @property
    def generations(self) -> list[Generation]:
        """The machines in it, in the order of their places in `machine`."""
        return [self._resolve(identity) for identity in self._data.generations]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What `variant` has places of."""
        return self._data.variants

    @property
    def machine(self) -> Sequence[int]:
        """Of each transition, the place of its machine in `generations`."""
        return self._machine

    @property
    def variant(self) -> Sequence[int]:
        """Of each transition, the place of its variant in `variants`."""
        return self._variant

    @property
    def width(self) -> Sequence[int]:
        """Of each transition, how many states changed."""
        return unpack_numbers(self._data.width)

    @property
    def states(self) -> tuple[int, ...]:
        """Indexes of the states that changed, of all transitions one after the other."""
        return tuple(unpack_numbers(self._data.states))

    @property
    def ticks(self) -> tuple[int, ...]:
        """By how much each of `states` ticked."""
        return tuple(unpack_numbers(self._data.ticks))

    @property
    def far_jumps(self) -> dict[int, tuple[int, ...]]:
        """Position to clock after, of transitions that do not follow from ticks."""
        return {at: tuple(unpack_numbers(after)) for at, _, after in self._data.jumps if after}

    def first_clocks(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(place in `generations`, clock before its first transition here) of each machine."""
        seen: set[int] = set()
        for at, before, _ in self._data.jumps:
            place = self._machine[at]
            if place not in seen:
                seen.add(place)
                yield place, tuple(unpack_numbers(before))

    def matching(self, search: Search) -> list[int]:
        """Positions of the transitions that pass a filter, in order."""
        data, wanted = self._data, search.wanted
        machines = [search.machine(identity, self._resolve) for identity in data.generations]
        variants = [search.variant(variant) for variant in data.variants]
        if not any(variants) or not any(fine for fine, _ in machines):
            return []
        found: Iterable[int] = range(len(self))
        if search.by_name:
            found = sorted(self._named(search, machines))
        if not all(variants):
            found = [at for at in found if variants[self._variant[at]]]
        chosen = [place for place, (fine, _) in enumerate(machines) if fine]
        if len(chosen) < len(machines) and not search.by_name and len(chosen) * FEW < len(machines):
            allowed = set(found) if not all(variants) else None
            found = sorted(at for place in chosen for at in _places(self._machine, place))
            found = found if allowed is None else [at for at in found if at in allowed]
        elif len(chosen) < len(machines):
            found = [at for at in found if machines[self._machine[at]][0]]
        if wanted.since_s is not None or wanted.until_s is not None:
            found = [at for at in found if wanted.passes_time(self.times[at])]
        return list(found)

    def _named(self, search: Search, machines: list[tuple[bool, frozenset[int]]]) -> set[int]:
        """Positions of those that touched a state that is looked for, or whose body has the text."""
        wanted = search.wanted
        if wanted.states and wanted.text:  # they need not meet in one name
            by_state = self.matching(Search(TransitionFilter(states=wanted.states)))
            return set(by_state).intersection(self.matching(Search(TransitionFilter(text=wanted.text))))
        return self._touching(machines) | self._called(search)

    def _touching(self, machines: list[tuple[bool, frozenset[int]]]) -> set[int]:
        states = unpack_numbers(self._data.states)
        looked_for = frozenset().union(*[indexes for _, indexes in machines])
        if not looked_for:
            return set()
        ends = list(accumulate(unpack_numbers(self._data.width)))
        machine = self._machine
        found: set[int] = set()
        concerned = [place for place, (_, indexes) in enumerate(machines) if indexes]
        if len(concerned) * FEW < len(machines):
            for place in concerned:
                indexes = machines[place][1]
                for at in _places(machine, place):
                    if not indexes.isdisjoint(states[ends[at - 1] if at else 0 : ends[at]]):
                        found.add(at)
            return found
        for index in looked_for:
            for place in _places(states, index):
                at = bisect_right(ends, place)
                if index in machines[machine[at]][1]:
                    found.add(at)
        return found

    def _called(self, search: Search) -> set[int]:
        """Positions of those that called such a state, or whose body has the text."""
        wanted, text = search.wanted, search.text
        calling = [
            any(
                (not wanted.states or name in wanted.states) and (not text or text in name.lower())
                for name in variant.called
            )
            for variant in self._data.variants
        ]
        found = (
            {at for at, variant in enumerate(self._variant) if calling[variant]} if any(calling) else set()
        )
        if text and self._may_hold(text):
            for at, body in self._bodies_by_position().items():
                if at not in found and wanted.finds_text(_texts(body)):
                    found.add(at)
        return found

    def moments(self, positions: Sequence[int] | None = None) -> list[Moment]:
        """The transitions at some positions, which must be in order; None: all."""
        chosen = range(len(self)) if positions is None else positions
        if not chosen:
            return []
        every = len(chosen) == len(self)
        wanted = frozenset() if every else frozenset(chosen)
        data, numbers, times = self._data, self.numbers, self.times
        elapsed, elapsed_first = self.elapsed, self.elapsed_first
        states, ticks = tuple(unpack_numbers(data.states)), unpack_numbers(data.ticks)
        jumps = {position: (before, after) for position, before, after in data.jumps}
        counts = dict(data.counts)
        generations = [self._resolve(identity) for identity in data.generations]
        needs_bodies = self._packed_bodies is not None and any(
            data.variants[self._variant[at]].flags & BODY_FLAG for at in chosen
        )
        bodies = self._bodies_by_position() if needs_bodies else {}
        needed = [every] * len(generations)
        for at in chosen if not every else ():
            needed[self._machine[at]] = True
        clocks: list[list[int]] = [[] for _ in generations]
        whole: list[tuple[int, ...] | None] = [None] * len(generations)
        found: list[Moment] = []
        end = 0
        for at, machine, variant, width in zip(
            range(chosen[-1] + 1), self._machine, self._variant, unpack_numbers(data.width), strict=False
        ):
            place, end = end, end + width
            if not needed[machine]:
                continue
            is_wanted = every or at in wanted
            clock, jump = clocks[machine], jumps.get(at)
            if jump is not None:
                clock = clocks[machine] = list(unpack_numbers(jump[0]))
                whole[machine] = None
            before = (whole[machine] or tuple(clock)) if is_wanted else ()
            if jump is not None and jump[1]:
                clocks[machine] = clock = list(unpack_numbers(jump[1]))
                whole[machine] = None
            elif width:
                for index in range(place, end):
                    clock[states[index]] += ticks[index]
                whole[machine] = None
            if is_wanted:
                after = whole[machine]
                if after is None:
                    after = before if not width and jump is None else tuple(clock)
                    whole[machine] = after
                kind, flags, trust, source, called = data.variants[variant]
                generation = generations[machine]
                body = bodies.get(at, NO_BODY) if flags & BODY_FLAG else NO_BODY
                record = TransitionRecord(
                    times[at], generation.record.key, body.transition_id, kind, called, flags & 1 == 1, before,
                    after, flags & 2 == 2, flags & 4 == 4, flags & 8 == 8, body.source or source, trust,
                    body.queue_tick, body.args, body.handlers, body.steps, body.log, body.error, flags & 16 == 16,
                )  # fmt: skip
                found.append(
                    Moment(
                        numbers[at],
                        record,
                        states[place:end],
                        generation,
                        flags & ERROR_FLAG != 0,
                        counts.get(at, 1) if counts else 1,
                        elapsed_first + elapsed[at],
                    )
                )  # fmt: skip
        return found

    def _may_hold(self, text: str) -> bool:
        if self._packed_words is None:
            return False
        return text.encode("utf-8", "surrogatepass") in inflate(self._packed_words)

    def _bodies_by_position(self) -> dict[int, Body]:
        if self._packed_bodies is None:
            return {}
        bodies = _decode_bodies(inflate(self._packed_bodies))
        if self._clean:
            bodies = [harmless(body) for body in bodies]
        having = [bool(variant.flags & BODY_FLAG) for variant in self._data.variants]
        positions = [at for at, variant in enumerate(self._variant) if having[variant]]
        return dict(zip(positions, bodies, strict=True))


NO_BODY = Body("", "", 0, (), (), (), (), "")


def _texts(body: Body) -> list[str]:
    texts = [*body.handlers, *[f"{name}={value}" for name, value in body.args]]
    return [*texts, body.error, *[text for _, text in body.log]]


def _places(states: Sequence[int], index: int) -> Iterable[int]:
    if isinstance(states, bytes):
        if index > 255:
            return
        sought, at = bytes((index,)), states.find(index)
        while at >= 0:
            yield at
            at = states.find(sought, at + 1)
    else:
        yield from [at for at, state in enumerate(states) if state == index]


def _all_numbers(first: int, packed: bytes, count: int) -> Sequence[int]:
    if not packed:
        return range(first, first + count)
    return [first + offset for offset in unpack_numbers(packed)]
