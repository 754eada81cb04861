"""The newest of everything, in plain dictionaries, for panes that show "now".

A `Live` belongs to one thread, the screen's. `History.refresh` applies to it what was written since the
last refresh and answers with `Changes`: which peers, machines and states are different. A pane keeps no
copy; it looks at the changes and repaints the rows concerned. Version numbers serve panes that only want to
know *whether* something changed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from amdbg_tui.history.filters import is_error_state
from amdbg_tui.history.records import (
    TOPIC_SLOT,
    CommandRecord,
    ConnectionRecord,
    LossRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    TransitionRecord,
)

RECENT_ERROR = 100
"""A machine is "recently in error" during this many of its transitions after the last error (am-dbg)."""


class Numbered(NamedTuple):
    """A record with its number in the history, and for a transition the indexes of the states it changed."""

    number: int
    record: Record
    changed: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


class Moment(NamedTuple):
    """A transition with its number in the history, and the indexes of the states it changed."""

    number: int
    record: TransitionRecord
    changed: tuple[int, ...]
    names: tuple[str, ...] = ()
    """State names of the machine as they were then, in index order."""


@dataclass(slots=True)
class LiveMachine:
    """A machine as it is now. `names`, `clock` and `changed_at` have one entry per state, in index order."""

    record: MachineRecord
    number: int
    """Of the newest `MachineRecord` in the history."""
    clock: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    index: dict[str, int] = field(default_factory=dict)
    """State name to its index."""
    changed_at: list[float] = field(default_factory=list)
    """When each tick last moved, in seconds since the epoch; 0 when never seen moving: the glow."""
    transitions: int = 0
    """How many were recorded."""
    last_transition: int = 0
    """Number of the newest transition in the history; 0 when there is none."""
    last_at_s: float = 0.0
    last_error: int = 0
    """`transitions` as it was at the last one with an error; 0 when there was none."""
    version: int = 0
    """Grows with every record of this machine."""
    error_states: tuple[int, ...] = ()

    @property
    def key(self) -> MachineKey:
        """(peer id, slot)."""
        return self.record.key

    @property
    def is_own(self) -> bool:
        """A machine of our own peer: it can be changed by hand."""
        return self.record.source == "local"

    @property
    def is_topic(self) -> bool:
        """A peer's own topic machine."""
        return self.record.key.slot == TOPIC_SLOT

    def is_active(self, state: str) -> bool:
        """Whether a state is active now; False for an unknown name."""
        at = self.index.get(state)
        return at is not None and at < len(self.clock) and self.clock[at] % 2 == 1

    @property
    def in_error(self) -> bool:
        """An error state (`Exception`, `Err...`) is active now."""
        clock = self.clock
        return any(at < len(clock) and clock[at] % 2 == 1 for at in self.error_states)

    @property
    def recently_in_error(self) -> bool:
        """An error happened within this machine's last 100 transitions."""
        return bool(self.last_error) and self.transitions - self.last_error < RECENT_ERROR

    @property
    def time_sum(self) -> int:
        """The sum of all ticks, written `t123` on the screen."""
        return sum(self.clock)

    @property
    def flags(self) -> str:
        """am-dbg's two columns: `E` when `Exception` is active, then `R` for `Ready` or else `S` for
        `Start`.
        """
        mode = "R" if self.is_active("Ready") else "S" if self.is_active("Start") else " "
        return ("E" if self.is_active("Exception") else " ") + mode


@dataclass(slots=True)
class LivePeer:
    """One peer as it is now."""

    record: PeerRecord
    number: int
    detail: PeerDetailRecord | None = None
    machines: dict[int, MachineKey] = field(default_factory=dict)
    """Slot to key, of all machines that were ever seen of this peer."""
    version: int = 0


@dataclass(slots=True)
class Changes:
    """What is different since the last refresh."""

    peers: set[str] = field(default_factory=set)
    """Peers that appeared, or whose status or name changed."""
    details: set[str] = field(default_factory=set)
    """Peers whose figures changed."""
    machines: set[MachineKey] = field(default_factory=set)
    """Machines that appeared, or whose schema, source or reason changed."""
    clocks: dict[MachineKey, set[int]] = field(default_factory=dict)
    """Machines that had a transition, with the indexes of the states whose ticks moved (may be empty)."""
    transitions: list[Moment] = field(default_factory=list)
    """The new transitions, oldest first. At most the newest `Live.tail_length`; all are in the history."""
    notices: list[NoticeRecord] = field(default_factory=list)
    commands: list[CommandRecord] = field(default_factory=list)
    losses: list[LossRecord] = field(default_factory=list)
    connection: bool = False
    gap: bool = False
    """`transitions` does not hold all that came: whoever lists them must read them anew."""
    rebuilt: bool = False
    """Too much happened while the screen was busy: everything was read anew, so repaint everything."""

    def __bool__(self) -> bool:
        return bool(
            self.peers
            or self.details
            or self.machines
            or self.clocks
            or self.notices
            or self.commands
            or self.losses
            or self.connection
            or self.rebuilt
        )


class Live:
    """Newest values by peer and machine. Read it freely in the screen's thread; only `History` writes it."""

    def __init__(self, *, tail_length: int = 2_000, notes_length: int = 500) -> None:
        self.tail_length = tail_length
        self.moment: int | None = None
        """Number of the record as of which everything stands; None: now."""
        self.peers: dict[str, LivePeer] = {}
        self.machines: dict[MachineKey, LiveMachine] = {}
        self.connection: ConnectionRecord | None = None
        self.notices: deque[NoticeRecord] = deque(maxlen=notes_length)
        self.commands: deque[CommandRecord] = deque(maxlen=notes_length)
        self.losses: deque[tuple[int, LossRecord]] = deque(maxlen=notes_length)
        """(number, record) of the newest losses, oldest first."""
        self.tail: deque[Moment] = deque(maxlen=tail_length)
        """The newest transitions of all machines, oldest first; older ones are read with a `Cursor`."""
        self.at_s = 0.0
        """Wall-clock time of the newest record applied."""
        self.newest_number = 0
        """Number of the newest record applied."""
        self.transitions = 0
        """How many transitions were recorded, of all machines."""
        self.structure_version = 0
        """Grows when a peer or machine appears, goes, or changes anything but its clock or its figures."""
        self.detail_version = 0
        """Grows when a peer's figures (round trip, counters) change."""
        self.clock_version = 0
        """Grows with every transition."""

    @property
    def wall_s(self) -> float:
        """The wall-clock time that ages are counted from, seconds since the epoch: of now, or of then."""
        return time.time() if self.moment is None else self.at_s

    @property
    def own_peer_id(self) -> str:
        """Our own peer id; empty before the peer has started."""
        return self.connection.peer_id if self.connection else ""

    def machines_of(self, peer_id: str) -> list[LiveMachine]:
        """A peer's machines in the order of their slots, its topic machine first."""
        peer = self.peers.get(peer_id)
        return [self.machines[peer.machines[slot]] for slot in sorted(peer.machines)] if peer else []

    def names_of(self, key: MachineKey) -> tuple[str, ...]:
        """State names of a machine in index order; empty when it is unknown."""
        machine = self.machines.get(key)
        return machine.names if machine else ()

    def apply(self, batch: Iterable[Numbered]) -> Changes:
        """Take in records that were written, in order, and say what they changed."""
        changes = Changes()
        before = self.transitions
        fresh: deque[Moment] = deque(maxlen=self.tail_length)
        for number, record, changed, names in batch:
            self.newest_number = number
            self.at_s = record.at_s
            if type(record) is TransitionRecord:
                self._transition(number, record, changed, changes)
                fresh.append(Moment(number, record, changed, names))
            else:
                self._other(number, record, changes)
        changes.gap = self.transitions - before > len(fresh)
        self.tail.extend(fresh)
        changes.transitions = list(fresh)
        if changes.peers or changes.machines or changes.connection:
            self.structure_version += 1
        return changes

    def _transition(
        self, number: int, record: TransitionRecord, changed: Sequence[int], changes: Changes
    ) -> None:
        self.transitions += 1
        self.clock_version += 1
        machine = self.machines.get(record.key)
        if machine is None:
            return
        machine.version += 1
        machine.transitions += 1
        machine.last_transition = number
        machine.last_at_s = record.at_s
        moved = changes.clocks.get(record.key)
        if moved is None:
            moved = changes.clocks[record.key] = set()
        if changed:
            machine.clock = after = record.after
            moved.update(changed)
            glow = machine.changed_at
            if changed[-1] >= len(glow):
                glow.extend([0.0] * (changed[-1] + 1 - len(glow)))
            for index in changed:
                glow[index] = record.at_s
            if machine.error_states and any(
                at in changed and after[at] % 2 == 1 for at in machine.error_states if at < len(after)
            ):
                machine.last_error = machine.transitions
        if record.error:
            machine.last_error = machine.transitions

    def _other(self, number: int, record: Record, changes: Changes) -> None:
        if isinstance(record, PeerRecord):
            self._peer(record.peer_id, number, record)
            changes.peers.add(record.peer_id)
        elif isinstance(record, PeerDetailRecord):
            peer = self._peer(record.peer_id, number, None)
            peer.detail = record
            self.detail_version += 1
            changes.details.add(record.peer_id)
        elif isinstance(record, MachineRecord):
            self._machine(number, record)
            changes.machines.add(record.key)
        elif isinstance(record, NoticeRecord):
            self.notices.append(record)
            changes.notices.append(record)
        elif isinstance(record, CommandRecord):
            self.commands.append(record)
            changes.commands.append(record)
        elif isinstance(record, ConnectionRecord):
            self.connection = record
            changes.connection = True
        elif isinstance(record, LossRecord):
            self.losses.append((number, record))
            changes.losses.append(record)

    def _peer(self, peer_id: str, number: int, record: PeerRecord | None) -> LivePeer:
        peer = self.peers.get(peer_id)
        if peer is None:
            peer = self.peers[peer_id] = LivePeer(record or PeerRecord(0.0, peer_id, "hearsay"), number)
        elif record is not None:
            peer.record, peer.number = record, number
        peer.version += 1
        return peer

    def _machine(self, number: int, record: MachineRecord) -> None:
        machine = self.machines.get(record.key)
        if machine is None or machine.record.machine_id != record.machine_id:
            self._peer(record.key.peer_id, number, None).machines[record.key.slot] = record.key
            machine = self.machines[record.key] = LiveMachine(record, number)
        if not machine.names or machine.record.states is not record.states:
            names = tuple(state.name for state in record.states)
            if names != machine.names:
                machine.names = names
                machine.index = {name: at for at, name in enumerate(names)}
                machine.error_states = tuple(at for at, name in enumerate(names) if is_error_state(name))
                machine.changed_at = [0.0] * len(names)
                machine.clock = (0,) * len(names)
        if record.clock:
            machine.clock = record.clock
        machine.record, machine.number = record, number
        machine.version += 1
