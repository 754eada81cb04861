"""The newest of everything, in plain dictionaries, for panes that show "now".

A `Live` belongs to one thread, the screen's. `History.refresh` applies to it what came since the last refresh
and answers with `Changes`: which peers, machines and states are different. Version numbers serve panes that only
want to know *whether* something changed. A moment of the past is a `Live`, too: the same records, applied by the
same method, up to then.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterable, MutableSequence
from dataclasses import dataclass, field

from amdbg_tui.history.moments import NOBODY, Generation, Moment, Numbered
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
    RecordClass,
)

__all__ = ["TOPIC_SLOT", "Changes", "Live", "LiveMachine", "LivePeer", "Moment"]

RECENT_ERROR = 100
"""A machine is "recently in error" during this many of its transitions after the last error (am-dbg)."""


@dataclass(slots=True)
class LiveMachine:
    """A machine as it is now. `names`, `clock` and `changed_at` have one entry per state, in index order."""

    record: MachineRecord
    number: int
    """Of the newest `MachineRecord` in the history."""
    generation: Generation = NOBODY
    clock: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    index: dict[str, int] = field(default_factory=dict)
    """State name to its index."""
    changed_at: MutableSequence[float] = field(default_factory=list)
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
    """The new transitions, oldest first."""
    notices: list[NoticeRecord] = field(default_factory=list)
    commands: list[CommandRecord] = field(default_factory=list)
    losses: list[LossRecord] = field(default_factory=list)
    connection: bool = False
    gap: bool = False
    """`transitions` does not hold all that came: whoever lists them must read them anew."""
    rebuilt: bool = False
    """So much came while the screen was busy that some of it was merged: repaint everything."""

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
        self.is_recording = False
        """Read from a file that was opened to look at: its "now" is the time of its newest record."""
        self.peers: dict[str, LivePeer] = {}
        self.machines: dict[MachineKey, LiveMachine] = {}
        self.connection: ConnectionRecord | None = None
        self.notices: deque[NoticeRecord] = deque(maxlen=notes_length)
        self.commands: deque[CommandRecord] = deque(maxlen=notes_length)
        self.losses: deque[tuple[int, LossRecord]] = deque(maxlen=notes_length)
        """(number, record) of the newest losses, oldest first."""
        self.missing: tuple[RecordClass, ...] = ()
        """Of a past moment: classes of which records were no longer kept, so their machines may have been
        further than shown."""
        self._borrowed: set[MachineKey] = set()
        """Machines that are another `Live`'s: copied before they change."""
        self._borrowed_peers: set[str] = set()
        self._tail: deque[Moment] = deque(maxlen=tail_length)
        self._read_tail: Callable[[], Iterable[Moment]] | None = None
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
    def tail(self) -> deque[Moment]:
        """The newest transitions of all machines, oldest first; older ones are read with a `Cursor`."""
        if self._read_tail is not None:
            read, self._read_tail = self._read_tail, None
            self._tail.extend(read())
        return self._tail

    def copy(self) -> Live:
        """The same again, to be changed by somebody else."""
        other = Live()
        other.at_s, other.newest_number, other.transitions = self.at_s, self.newest_number, self.transitions
        other.connection = self.connection
        for peer_id, peer in self.peers.items():
            other.peers[peer_id] = dataclasses.replace(peer, machines=dict(peer.machines))
        for key, machine in self.machines.items():
            other.machines[key] = dataclasses.replace(machine, changed_at=list(machine.changed_at))
        return other

    def derived(self) -> Live:
        """The same again, to be changed; what does not change is shared, so it costs little."""
        other = Live()
        other.at_s, other.newest_number, other.transitions = self.at_s, self.newest_number, self.transitions
        other.connection = self.connection
        other.peers, other.machines = dict(self.peers), dict(self.machines)
        other._borrowed, other._borrowed_peers = set(self.machines), set(self.peers)
        return other

    def read_tail_with(self, read: Callable[[], Iterable[Moment]]) -> None:
        """Have the tail read when it is looked at first."""
        self._tail.clear()
        self._read_tail = read

    @property
    def wall_s(self) -> float:
        """The wall-clock time that ages are counted from, seconds since the epoch: of now, or of then."""
        return time.time() if self.moment is None and not self.is_recording else self.at_s

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
        """Take in records, in order, and say what they changed. The only way anything here changes."""
        changes = Changes()
        fresh: list[Moment] = []
        for entry in batch:
            self.newest_number = entry.number
            self.at_s = entry.record.at_s
            if type(entry) is Moment:
                self._transition(entry, changes)
                if entry.stands_for > 1:
                    changes.gap = True
                fresh.append(entry)
            else:
                self._other(entry.number, entry.record, entry.generation, changes)
        if fresh:
            self._tail.extend(fresh)
            changes.transitions = fresh
        if changes.peers or changes.machines or changes.connection:
            self.structure_version += 1
        return changes

    def _transition(self, moment: Moment, changes: Changes) -> None:
        number, record, changed, generation, error, count, _ = moment
        self.transitions += count
        self.clock_version += 1
        machine = self.machines.get(record.key)
        if machine is None:
            return
        if self._borrowed:
            machine = self._owned(machine)
        machine.version += 1
        machine.transitions += count
        machine.last_transition = number
        machine.last_at_s = at_s = record.at_s
        moved = changes.clocks.get(record.key)
        if moved is None:
            moved = changes.clocks[record.key] = set()
        if generation is not machine.generation and generation != machine.generation:
            return
        if changed:
            machine.clock = record.after
            moved.update(changed)
            glow = machine.changed_at
            if changed[-1] >= len(glow):
                glow.extend([0.0] * (changed[-1] + 1 - len(glow)))
            for index in changed:
                glow[index] = at_s
        if error:
            machine.last_error = machine.transitions

    def _owned(self, machine: LiveMachine) -> LiveMachine:
        key = machine.record.key
        if key in self._borrowed:
            self._borrowed.discard(key)
            machine = self.machines[key] = dataclasses.replace(machine, changed_at=machine.changed_at[:])
        return machine

    def _other(self, number: int, record: Record, generation: Generation, changes: Changes) -> None:
        if isinstance(record, PeerRecord):
            self._peer(record.peer_id, number, record)
            changes.peers.add(record.peer_id)
        elif isinstance(record, PeerDetailRecord):
            peer = self._peer(record.peer_id, number, None)
            peer.detail = record
            self.detail_version += 1
            changes.details.add(record.peer_id)
        elif isinstance(record, MachineRecord):
            self._machine(number, record, generation)
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
        elif peer_id in self._borrowed_peers:
            self._borrowed_peers.discard(peer_id)
            peer = self.peers[peer_id] = dataclasses.replace(peer, machines=dict(peer.machines))
        if record is not None:
            peer.record, peer.number = record, number
        peer.version += 1
        return peer

    def _machine(self, number: int, record: MachineRecord, generation: Generation) -> None:
        machine = self.machines.get(record.key)
        if machine is None or machine.record.machine_id != record.machine_id:
            self._peer(record.key.peer_id, number, None).machines[record.key.slot] = record.key
            machine = self.machines[record.key] = LiveMachine(record, number)
            self._borrowed.discard(record.key)
        elif self._borrowed:
            machine = self._owned(machine)
        if machine.generation is not generation:
            machine.generation = generation
            if machine.names != generation.names:
                machine.names = generation.names
                machine.index = generation.index
                machine.error_states = generation.error_states
                machine.changed_at = [0.0] * len(machine.names)
                machine.clock = (0,) * len(machine.names)
        if record.clock:
            machine.clock = record.clock
        machine.record, machine.number = record, number
        machine.version += 1
