"""Which transitions a pane wants to see: one filter, with the same answer in memory and in SQLite.

What of a transition can be searched is put into one string, its *words*: first the names of the states it
touched (changed or called), then its called states, handlers, arguments, error and log lines. Marks that
cannot occur in harmless text keep the two apart. Upper and lower case of ASCII letters are alike in a text
search.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from amdbg_tui.history.records import MachineKey, TransitionRecord

NAME, END, REST = "\x01", "\x02", "\x03"
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}

CLOCK = "clock"
"""The kind of a transition that was derived from a clock change."""
ERROR_PREFIX = "Err"
EXCEPTION = "Exception"

FLAGS = {"accepted": 1, "auto": 2, "check": 4, "derived": 8, "by_hand": 16}
"""Bits of the yes-or-no fields of a transition in the store."""
ERROR_FLAG, CHANGE_FLAG = 32, 64


def changed_states(before: Sequence[int], after: Sequence[int]) -> tuple[int, ...]:
    """Indexes of the states whose tick differs; missing ticks count as 0."""
    if before == after:
        return ()
    if len(before) == len(after):
        return tuple(
            [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
        )
    wide = max(len(before), len(after))
    padded = [tuple(ticks) + (0,) * (wide - len(ticks)) for ticks in (before, after)]
    return tuple(index for index in range(wide) if padded[0][index] != padded[1][index])


def state_name(names: Sequence[str], index: int) -> str:
    """The name of a state, or `#7` when the schema has no such state."""
    return names[index] if index < len(names) else f"#{index}"


def is_error_state(name: str) -> bool:
    """Error states are `Exception` and every name that begins with `Err`."""
    return name == EXCEPTION or name.startswith(ERROR_PREFIX)


def words_of(record: TransitionRecord, names: Sequence[str], changed: Iterable[int]) -> str:
    """All of a transition that can be searched, as one string."""
    touched = NAME.join([state_name(names, index) for index in changed])
    if not record.called and not record.log and not record.error:
        return f"{NAME}{touched}{NAME}{END}" if touched else END
    seen = dict.fromkeys([*touched.split(NAME), *record.called] if touched else record.called)
    rest = [
        *record.handlers,
        *(f"{name}={value}" for name, value in record.args),
        record.error,
        *(text for _, text in record.log),
    ]
    return f"{NAME}{NAME.join(seen)}{NAME}{END}{REST.join(rest)}"


def fold(text: str) -> str:
    """Text with ASCII letters in lower case, as SQLite's `lower` does."""
    return text.translate(_LOWER)


@dataclass(frozen=True, slots=True)
class TransitionFilter:
    """What to show; `None` and empty mean "all". Every field that is set must match.

    Filters are values: equal ones are equal and can be keys of a cache.
    """

    machines: frozenset[MachineKey] | None = None
    peers: frozenset[str] | None = None
    """Peer ids."""
    states: frozenset[str] = frozenset()
    """At least one of these names was changed or called."""
    text: str = ""
    """A part of a state name, handler, argument, error or log line."""
    kinds: frozenset[str] | None = None
    """add, remove, set, clock."""
    accepted: bool | None = None
    auto: bool | None = None
    check: bool | None = None
    derived: bool | None = None
    by_hand: bool | None = None
    errors: bool | None = None
    """True: an error state became active, or a handler failed."""
    changes: bool | None = None
    """True: at least one tick changed; False: none did (am-dbg's "empty")."""
    since_s: float | None = None
    until_s: float | None = None
    """Seconds since the epoch, both inclusive."""

    def matches(self, record: TransitionRecord, names: Sequence[str], changed: Collection[int]) -> bool:
        """Whether a record passes; `names` are its machine's states in index order."""
        if self.machines is not None and record.key not in self.machines:
            return False
        if self.peers is not None and record.key.peer_id not in self.peers:
            return False
        if self.kinds is not None and record.kind not in self.kinds:
            return False
        for name in FLAGS:
            wanted = getattr(self, name)
            if wanted is not None and getattr(record, name) is not wanted:
                return False
        if self.errors is not None and has_error(record, names, changed) is not self.errors:
            return False
        if self.changes is not None and bool(changed) is not self.changes:
            return False
        if self.since_s is not None and record.at_s < self.since_s:
            return False
        if self.until_s is not None and record.at_s > self.until_s:
            return False
        if not self.states and not self.text:
            return True
        words = words_of(record, names, changed)
        if self.states:
            touched = words.partition(END)[0]
            if not any(f"{NAME}{name}{NAME}" in touched for name in self.states):
                return False
        return not self.text or fold(self.text) in fold(words)

    def where(self, machine_ids: Collection[int] | None) -> tuple[str, list[object]]:
        """The same as an SQL condition on the table `transitions`, with its values.

        `machine_ids` are the rows of the table `machines` that `machines` and `peers` stand for; None means
        all.
        """
        parts: list[str] = []
        values: list[object] = []
        if machine_ids is not None:
            parts.append(f"machine IN ({','.join('?' * len(machine_ids))})")
            values += machine_ids
        if self.kinds is not None:
            parts.append(f"kind IN ({','.join('?' * len(self.kinds))})")
            values += sorted(self.kinds)
        bits = {bit: getattr(self, name) for name, bit in FLAGS.items()}
        bits |= {ERROR_FLAG: self.errors, CHANGE_FLAG: self.changes}
        mask = sum(bit for bit, wanted in bits.items() if wanted is not None)
        if mask:
            parts.append("flags & ? = ?")
            values += [mask, sum(bit for bit, wanted in bits.items() if wanted)]
        if self.since_s is not None:
            parts.append("at >= ?")
            values.append(self.since_s)
        if self.until_s is not None:
            parts.append("at <= ?")
            values.append(self.until_s)
        if self.states:
            parts.append(f"({' OR '.join(['instr(words, ?) > 0'] * len(self.states))})")
            values += [f"{NAME}{name}{NAME}" for name in sorted(self.states)]
        if self.text:
            parts.append("instr(lower(words), ?) > 0")
            values.append(fold(self.text))
        return " AND ".join(parts) or "1", values


def has_error(record: TransitionRecord, names: Sequence[str], changed: Iterable[int]) -> bool:
    """A handler failed, or an error state became (or stayed, ticking) active."""
    if record.error:
        return True
    after = record.after
    return any(
        index < len(after) and after[index] % 2 == 1 and is_error_state(state_name(names, index))
        for index in changed
    )


def flags_of(record: TransitionRecord, names: Sequence[str], changed: Collection[int]) -> int:
    """The bits of a transition in the store."""
    flags = sum(bit for name, bit in FLAGS.items() if getattr(record, name))
    if has_error(record, names, changed):
        flags |= ERROR_FLAG
    return flags | CHANGE_FLAG if changed else flags
