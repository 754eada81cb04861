"""The records: everything a person may want to look at, as small immutable values.

Records are made in the peer's thread (`amdbg_tui/node/`), are numbered where they enter the history, and go two
ways at once: to the screen's live model and to the file. All text in them that came from others has been made
harmless (`safe_text.py`). `at_s` is wall-clock time (seconds since the epoch) when the record was made. A machine
is named by its `MachineKey`; the topic machine of a peer has slot -1.

They are msgspec structs written as lists: a record may get new fields at its end, and old files stay readable.
`replace(record, name=value)` makes a changed copy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

__all__ = [
    "PROGRAMS_PEER",
    "PROGRAM_TRUST",
    "TOPIC_SLOT",
    "CommandRecord",
    "ConnectionRecord",
    "LossKind",
    "LossRecord",
    "MachineKey",
    "MachineRecord",
    "MessageRecord",
    "NoticeRecord",
    "PeerDetailRecord",
    "PeerRecord",
    "Record",
    "RecordClass",
    "StateShape",
    "StepRecord",
    "TransitionRecord",
    "class_of",
    "replace",
]

TOPIC_SLOT = -1
"""The slot of a peer's own topic machine."""
PROGRAMS_PEER = "programs"
"""The peer id under which machines of programs are listed: telemetry does not say which process it comes from."""
PROGRAM_TRUST = "program"
"""`trust` of a transition, and `source` of a machine, that a program told by am-dbg's telemetry."""


class MachineKey(NamedTuple):
    """(peer id, index on the wire) of a machine; slot -1 is a peer's own topic machine."""

    peer_id: str
    slot: int


class StateShape(Struct, frozen=True, array_like=True):
    """One state of a schema, as the screen shows it."""

    name: str
    auto: bool = False
    multi: bool = False
    require: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class PeerRecord(Struct, frozen=True, array_like=True, tag=1):
    """A peer came, changed or went. The newest one of a peer holds."""

    at_s: float
    peer_id: str
    status: str
    """A `PeerStatus` value: self, joined, hearsay, stale, gone."""
    name: str = ""
    reason: str = ""


class PeerDetailRecord(Struct, frozen=True, array_like=True, tag=2):
    """The transport's and the registry's figures of a peer, sampled about once a second when changed."""

    at_s: float
    peer_id: str
    addresses: tuple[str, ...] = ()
    transport: str = ""
    round_trip_s: float | None = None
    agent: str = ""
    gossipsub: str = ""
    in_mesh: bool = False
    messages_in: tuple[tuple[str, int], ...] = ()
    """(message type, count) pairs."""
    messages_out: tuple[tuple[str, int], ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()
    """(reason, count) pairs."""
    last_heard_s: float | None = None
    """Wall-clock time of the last message it wrote."""
    through: str = ""
    """Peer id of the neighbour through whom it is heard, or who told of it; empty when it is connected to us."""
    muted: bool = False
    """No news are taken from it, because the person said so."""
    how_found: str = ""
    """`given`, `list`, `book`, `mdns`, `told by PEER`, `dialled us`; empty when we never met it."""
    verdict: str = ""
    """Does it live: `alive`, `doubted`, `left`, `crashed`, `cut off`, `expelled`, `unknown`; empty in older recordings."""
    verdict_reason: str = ""
    witnesses: tuple[str, ...] = ()
    """Peer ids of those who hear from it directly, ours among them; some of them when they are many."""


class MachineRecord(Struct, frozen=True, array_like=True, tag=3):
    """A machine appeared, changed its schema or its source, or went. The newest one of a key holds."""

    at_s: float
    key: MachineKey
    machine_id: str
    states: tuple[StateShape, ...]
    """In index order; a clock has one tick per entry."""
    source: str
    """A `Source` value: local, first-hand, hearsay, stale, gone."""
    tags: tuple[str, ...] = ()
    parent_id: str = ""
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()
    clock: tuple[int, ...] = ()
    """Ticks when the record was made."""
    reason: str = ""


class StepRecord(Struct, frozen=True, array_like=True):
    """One step of a transition: what a relation or handler did (spec of asyncmachine, steps)."""

    kind: str
    """rel, handler, activate, deactivate, deactivate-passive, called, cancel."""
    from_state: str = ""
    to_state: str = ""
    detail: str = ""
    """For `rel` the relation; for `handler` its flags or name."""


class TransitionRecord(Struct, frozen=True, array_like=True, tag=4):
    """One transition: whole for a local machine, derived from a clock change for a network machine."""

    at_s: float
    key: MachineKey
    transition_id: str
    kind: str
    """add, remove, set; `clock` for a derived one."""
    called: tuple[str, ...]
    accepted: bool
    before: tuple[int, ...]
    after: tuple[int, ...]
    auto: bool = False
    check: bool = False
    derived: bool = False
    source: str = ""
    """`MACHINE/TRANSITION/TIME` of who asked for it, if known; for a derived one the teller's peer id."""
    trust: str = "local"
    """The `Source` of the clock when it came."""
    queue_tick: int = 0
    args: tuple[tuple[str, str], ...] = ()
    handlers: tuple[str, ...] = ()
    """Handlers that ran, in order; a refusing one ends with `!`."""
    steps: tuple[StepRecord, ...] = ()
    log: tuple[tuple[int, str], ...] = ()
    """(level, text) lines written while it ran."""
    error: str = ""
    by_hand: bool = False
    """Asked for by the person at this screen."""


class NoticeRecord(Struct, frozen=True, array_like=True, tag=5):
    """Something to read: a refused address, a peer that cannot read us, a lost connection."""

    at_s: float
    severity: str
    text: str
    peer_id: str = ""


class CommandRecord(Struct, frozen=True, array_like=True, tag=6):
    """What the person asked of an own machine, and what came of it."""

    at_s: float
    key: MachineKey
    kind: str
    """add, remove, set, toggle."""
    states: tuple[str, ...]
    args: tuple[tuple[str, str], ...] = ()
    result: str = ""
    """executed, canceled, queued."""
    reason: str = ""


class ConnectionRecord(Struct, frozen=True, array_like=True, tag=7):
    """How our own peer stands: the status bar and the empty screens read it."""

    at_s: float
    phase: str
    """starting, connecting, failed, joining, joined, reconnecting, leaving, closed."""
    topic: str = ""
    peer_id: str = ""
    addresses: tuple[str, ...] = ()
    detail: str = ""
    """In words: which address, why, what to try."""
    topics_offered: tuple[str, ...] = ()


class MessageRecord(Struct, frozen=True, array_like=True, tag=8):
    """One message of a topic as it travelled, for looking at its bytes."""

    at_s: float
    peer_id: str
    """Its author."""
    topic: str
    kind: str
    """hello, bye, info, updates, gossip, request; empty when it could not be read."""
    data: bytes
    outgoing: bool = False
    via: str = ""
    """Peer id of the neighbour that brought it."""
    sequence: int = 0
    verdict: str = ""
    """accepted, or why it was not."""


class LossKind(StrEnum):
    """Why something is not in the recording."""

    MERGED = "merged"
    """The disk could not keep up: several changes of a machine became one."""
    DROPPED = "dropped"
    """The oldest records of a class went because it reached its bound."""
    UNWRITTEN = "unwritten"
    """Records were too many to wait for a disk that could not be written."""
    GAP = "gap"
    """The disk could not be written for a while (full, read-only)."""
    REMOVED = "removed"
    """The file or its folder was removed while it was recorded."""


class LossRecord(Struct, frozen=True, array_like=True, tag=9):
    """Something was lost, or may be: a record like any other, so that whoever looks back sees the hole."""

    at_s: float
    kind: str
    """A `LossKind` value."""
    count: int
    """How many records; 0 when nothing was lost after all (a gap that was caught up)."""
    first: int = 0
    last: int = 0
    """Numbers between which they were."""
    text: str = ""
    """In words, for the person."""


class RecordClass(StrEnum):
    """Kinds of records that have a bound of their own each, so that none pushes out another."""

    OWN = "own"
    """Transitions of our own machines, with steps and log."""
    TOPIC_MACHINE = "topic_machine"
    """Transitions of peers' own topic machines: bookkeeping."""
    NETWORK = "network"
    """Clock changes of machines of others."""
    PROGRAM = "program"
    """Transitions that programs told by am-dbg's telemetry."""
    MACHINE = "machine"
    """Machines that appeared, changed or went, with their schemas."""
    PEER = "peer"
    """Peers that came and went."""
    DETAIL = "detail"
    """Peers' figures, once a second."""
    MESSAGE = "message"
    """Messages with their bytes."""
    NOTICE = "notice"
    """Notices, commands, and how our own peer stood."""
    LOSS = "loss"


Record = (
    PeerRecord
    | PeerDetailRecord
    | MachineRecord
    | TransitionRecord
    | NoticeRecord
    | CommandRecord
    | ConnectionRecord
    | MessageRecord
    | LossRecord
)


def class_of(record: Record) -> RecordClass:
    """The class whose bound a record counts against."""
    if isinstance(record, TransitionRecord):
        if record.trust == PROGRAM_TRUST:
            return RecordClass.PROGRAM
        if record.key.slot == TOPIC_SLOT:
            return RecordClass.TOPIC_MACHINE
        return RecordClass.NETWORK if record.derived else RecordClass.OWN
    return _CLASSES[type(record)]


_CLASSES: dict[type[Record], RecordClass] = {
    MachineRecord: RecordClass.MACHINE,
    PeerRecord: RecordClass.PEER,
    PeerDetailRecord: RecordClass.DETAIL,
    MessageRecord: RecordClass.MESSAGE,
    NoticeRecord: RecordClass.NOTICE,
    CommandRecord: RecordClass.NOTICE,
    ConnectionRecord: RecordClass.NOTICE,
    LossRecord: RecordClass.LOSS,
}
