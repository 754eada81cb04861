"""Which transitions a pane wants to see: one filter, with the same answer in memory and in a file.

What of a transition can be searched: the names of the states it touched (changed or called), its handlers,
arguments, error and log lines. Upper and lower case are alike in a text search. All but the text of handlers,
arguments, errors and log lines follows from a transition's *shape*, of which a block of records holds few.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from amdbg_tui.history.moments import changed_states, is_error_state
from amdbg_tui.history.records import MachineKey, TransitionRecord

__all__ = ["TransitionFilter", "changed_states", "has_error", "is_error_state", "state_name"]

FLAGS = {"accepted": 1, "auto": 2, "check": 4, "derived": 8, "by_hand": 16}
"""Bits of the yes-or-no fields of a transition in a file."""
ACCEPTED, ERROR_FLAG, CHANGE_FLAG, BODY_FLAG = 1, 32, 64, 128


def state_name(names: Sequence[str], index: int) -> str:
    """The name of a state, or `#7` when the schema has no such state."""
    return names[index] if index < len(names) else f"#{index}"


def has_error(record: TransitionRecord, names: Sequence[str], changed: Iterable[int]) -> bool:
    """A handler failed, or an error state became (or stayed, ticking) active."""
    if record.error:
        return True
    after = record.after
    return any(
        index < len(after) and after[index] % 2 == 1 and is_error_state(state_name(names, index))
        for index in changed
    )


def texts_of(record: TransitionRecord) -> list[str]:
    """What can be searched beside the names of states."""
    texts = [*record.handlers, *[f"{name}={value}" for name, value in record.args]]
    if record.error:
        texts.append(record.error)
    texts += [text for _, text in record.log]
    return texts


def flags_of(record: TransitionRecord, error: bool, changed: Collection[int]) -> int:
    """The bits of a transition."""
    return (
        record.accepted
        | record.auto << 1
        | record.check << 2
        | record.derived << 3
        | record.by_hand << 4
        | error << 5
        | bool(changed) << 6
    )


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
        if not self.passes_machine(record.key) or not self.passes_time(record.at_s):
            return False
        flags = flags_of(record, self.errors is not None and has_error(record, names, changed), changed)
        if not self.passes_shape(record.kind, flags, record.called, names, changed):
            return False
        return (
            not self.text
            or self.finds_name(record.called, names, changed)
            or self.finds_text(texts_of(record))
        )

    def passes_machine(self, key: MachineKey) -> bool:
        """Whether the machine is wanted."""
        if self.machines is not None and key not in self.machines:
            return False
        return self.peers is None or key.peer_id in self.peers

    def passes_time(self, at_s: float) -> bool:
        """Whether the time is wanted."""
        return (self.since_s is None or at_s >= self.since_s) and (
            self.until_s is None or at_s <= self.until_s
        )

    def passes_shape(
        self,
        kind: str,
        flags: int,
        called: Sequence[str],
        names: Sequence[str],
        changed: Collection[int],
    ) -> bool:
        """Whether everything but machine, time and text is wanted."""
        if self.kinds is not None and kind not in self.kinds:
            return False
        mask, value = self.bits
        if flags & mask != value:
            return False
        return (
            not self.states
            or any(name in self.states for name in called)
            or any(state_name(names, index) in self.states for index in changed)
        )

    @property
    def bits(self) -> tuple[int, int]:
        """(mask, value) of the flags."""
        mask = value = 0
        wanted = {bit: getattr(self, name) for name, bit in FLAGS.items()}
        for bit, on in (*wanted.items(), (ERROR_FLAG, self.errors), (CHANGE_FLAG, self.changes)):
            if on is not None:
                mask |= bit
                value |= bit if on else 0
        return mask, value

    def finds_name(self, called: Iterable[str], names: Sequence[str], changed: Iterable[int]) -> bool:
        """Whether the text is part of the name of a state that was touched."""
        text = self.text.lower()
        return any(text in name.lower() for name in called) or any(
            text in state_name(names, index).lower() for index in changed
        )

    def finds_text(self, texts: Iterable[str]) -> bool:
        """Whether the text is part of one of these."""
        text = self.text.lower()
        return any(text in each.lower() for each in texts)
