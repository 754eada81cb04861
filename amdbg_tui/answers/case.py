"""What the doctor looks at: a moment, and the newest records of each kind before it. Nothing is kept between two looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Live, LiveMachine, LivePeer
from amdbg_tui.history.moments import Entry, Moment
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

MOST = 5_000
"""Records of a kind that are looked at."""
OUT = ("stale", "gone")
Kind = TypeVar("Kind", bound=Record)
Name = TypeVar("Name")


class Confidence(StrEnum):
    """How sure a finding is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check saw."""

    subject: str
    """Whom it is about, as a person calls it."""
    text: str
    """What was seen, in one line, with figures."""
    since_s: float
    """Since when it is so, as far as the records tell; seconds since the epoch."""
    evidence: tuple[int, ...]
    """Numbers of the records that show it, most telling first."""
    confidence: Confidence = Confidence.CERTAIN
    peer_id: str = ""
    key: MachineKey | None = None


class Case:
    """A moment, and the records of the last minutes before it.

    Args:
        live: Now, or any moment.
        cursor: Reads the records.
        window_s: How far back a symptom may lie, in seconds.
    """

    def __init__(self, live: Live, cursor: Cursor, window_s: float = 120.0) -> None:
        self.live, self.cursor, self.window_s = live, cursor, window_s
        self.wall_s = live.wall_s
        self.since_s = self.wall_s - window_s
        self._beyond = live.newest_number + 1

    def recent(self, kind: type[Kind], where: RecordClass) -> list[tuple[int, Kind]]:
        """(number, record) of a kind within the window, oldest first."""
        return [
            (entry.number, entry.record)
            for entry in self._entries(where)
            if isinstance(entry.record, kind) and entry.record.at_s >= self.since_s
        ]

    def _entries(self, where: RecordClass) -> list[Entry]:
        known = self._read.get(where)
        if known is None:
            known = self._read[where] = self.cursor.others(where, before=self._beyond, limit=MOST)
        return known

    @cached_property
    def _read(self) -> dict[RecordClass, list[Entry]]:
        return {}

    # -- records by kind

    @cached_property
    def peer_news(self) -> dict[str, list[tuple[int, PeerRecord]]]:
        """Of each peer, what came of it within the window."""
        return _by(self.recent(PeerRecord, RecordClass.PEER), lambda record: record.peer_id)

    @cached_property
    def machine_news(self) -> dict[MachineKey, list[tuple[int, MachineRecord]]]:
        """Of each machine, what came of it within the window."""
        return _by(self.recent(MachineRecord, RecordClass.MACHINE), lambda record: record.key)

    @cached_property
    def details(self) -> dict[str, list[tuple[int, PeerDetailRecord]]]:
        """Of each peer, its figures within the window."""
        return _by(self.recent(PeerDetailRecord, RecordClass.DETAIL), lambda record: record.peer_id)

    @cached_property
    def notices(self) -> list[tuple[int, NoticeRecord]]:
        """Notices within the window."""
        return self.recent(NoticeRecord, RecordClass.NOTICE)

    @cached_property
    def commands(self) -> list[tuple[int, CommandRecord]]:
        """The person's commands within the window."""
        return self.recent(CommandRecord, RecordClass.NOTICE)

    @cached_property
    def connections(self) -> list[tuple[int, ConnectionRecord]]:
        """How our own peer stood, all that is kept of it."""
        return [
            (entry.number, entry.record)
            for entry in self._entries(RecordClass.NOTICE)
            if isinstance(entry.record, ConnectionRecord)
        ]

    @cached_property
    def losses(self) -> list[tuple[int, LossRecord]]:
        """What was lost within the window."""
        return self.recent(LossRecord, RecordClass.LOSS)

    @cached_property
    def failures(self) -> list[Moment]:
        """Transitions with an error within the window, the newest 200."""
        wanted = TransitionFilter(errors=True, since_s=self.since_s)
        return list(self.cursor.page(wanted, before=self._beyond, limit=200).moments)

    @cached_property
    def all_entries(self) -> list[Entry]:
        """All records but transitions that are looked at, by number."""
        kinds = (RecordClass.PEER, RecordClass.MACHINE, RecordClass.DETAIL, RecordClass.NOTICE)
        return sorted(
            (entry for kind in kinds for entry in self._entries(kind)), key=lambda entry: entry.number
        )

    # -- who is who

    def others(self) -> Iterator[LivePeer]:
        """All peers but ourselves."""
        for _, peer in sorted(self.live.peers.items()):
            if peer.record.status != "self":
                yield peer

    def machines(self) -> Iterator[LiveMachine]:
        """All machines but topic machines and those that are gone."""
        for key, machine in sorted(self.live.machines.items()):
            if key.slot != TOPIC_SLOT and machine.record.source != "gone":
                yield machine

    def name(self, peer_id: str) -> str:
        """A peer as a person calls it."""
        peer = self.live.peers.get(peer_id)
        name = peer.record.name if peer else ""
        return f"{name} ({peer_id[-6:]})" if name else peer_id[-8:]

    def machine_name(self, machine: LiveMachine) -> str:
        """A machine as a person calls it."""
        return f"{machine.record.machine_id} of {self.name(machine.key.peer_id)}"

    @property
    def phase(self) -> str:
        """How our own peer stands."""
        connection = self.live.connection
        return connection.phase if connection else ""

    @property
    def joined_since_s(self) -> float | None:
        """Since when our own peer takes part; None when it does not."""
        since: float | None = None
        for _, record in self.connections:
            if record.phase != "joined":
                since = None
            elif since is None:
                since = record.at_s
        return since

    def rate(self, peer_id: str, which: str, within_s: float) -> tuple[float, tuple[int, ...], float]:
        """How many a second of a peer's figure `messages_in`, `messages_out` or `dropped`, over the last seconds.

        With the numbers of the two records it follows from, newest first, and the time of the older one.
        """
        samples = self.details.get(peer_id, [])
        if len(samples) < 2:
            return 0.0, (), 0.0
        last_number, last = samples[-1]
        begin_number, begin = samples[0]
        for number, record in samples:
            if record.at_s > last.at_s - within_s:
                break
            begin_number, begin = number, record
        span_s = last.at_s - begin.at_s
        if span_s < min(within_s, 1.0) / 2 or self.wall_s - last.at_s > within_s:
            return 0.0, (), 0.0
        more = _total(last, which) - _total(begin, which)
        return max(0.0, more / span_s), (last_number, begin_number), begin.at_s


def _total(record: PeerDetailRecord, which: str) -> int:
    counts: tuple[tuple[str, int], ...] = getattr(record, which)
    return sum(count for _, count in counts)


def _by(pairs: Iterable[tuple[int, Kind]], key: Callable[[Kind], Name]) -> dict[Name, list[tuple[int, Kind]]]:
    found: dict[Name, list[tuple[int, Kind]]] = {}
    for number, record in pairs:
        found.setdefault(key(record), []).append((number, record))
    return found
