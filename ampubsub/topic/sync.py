"""What we do on private streams: beats, links, reconciliation, records. Pure: frames come in, frames are queued in `out`."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ampubsub.topic.beliefs import Beliefs
from ampubsub.topic.constants import (
    BEAT_S,
    BUSY_S,
    DIFFERING_BEAT_S,
    FRAME_BYTES,
    RECONCILE_EVERY_S,
    RECORD_PAUSE_S,
    RECORD_RAW_BYTES,
    ROWS_AT_ONCE,
    SETTLING_S,
)
from ampubsub.topic.direct import (
    BUCKETS,
    PARTS,
    Beat,
    Own,
    Parts,
    Records,
    Rows,
    Sums,
    TellLinks,
    Want,
    encode_frame,
    pack,
)
from ampubsub.topic.events import PeerStatus
from ampubsub.topic.life import Life
from ampubsub.topic.links import HASH_BYTES, Links
from ampubsub.topic.own import OwnMachines
from ampubsub.topic.peers import Key
from ampubsub.topic.reconcile import (
    Entries,
    Entry,
    clock_content,
    links_content,
    links_key,
    machine_key,
    mark_of,
    read_rows,
)

_NO_MARK = bytes(4)
_LINKS_IN_FRAME = 200
_MOST_OWED = 65536


@dataclass(slots=True)
class _Stream:
    """One neighbour's stream."""

    said_s: float = float("-inf")
    """When we said something last."""
    differs_s: float = float("inf")
    """Since when its entries differ from ours."""
    differed_total: int = -1
    asked_s: float = float("-inf")
    """When we began to compare last."""
    owed: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)
    """Keys of entries to be sent, each with the mark of the description that the neighbour knows."""
    owed_due_s: float = 0.0


class Sync:
    """All private streams of one peer."""

    def __init__(self, topic: str, beliefs: Beliefs, life: Life, own: OwnMachines) -> None:
        self.topic = topic
        self.beliefs = beliefs
        self.life = life
        self.own = own
        self.entries = Entries()
        self.out: deque[tuple[str, bytes]] = deque()
        self.streams: dict[str, _Stream] = {}
        self._machines: dict[bytes, Key] = {}
        self._link_owners: dict[bytes, str] = {}
        self._links_due: dict[str, str] = {}
        """Peers whose links are to be handed on, each with the neighbour that told them."""
        self._busy_until_s = float("-inf")
        """We compare with one neighbour at a time: all would send us the same."""

    # -- entries

    def refresh(self) -> None:
        """Bring the entries up to date with what changed."""
        touched, self.beliefs.touched = self.beliefs.touched, {}
        for key in touched:
            self._refresh(key)
        for index in self.own.take_touched():
            key = (self.beliefs.self_id, index)
            short = machine_key(*key)
            info = self.own.infos.get(index)
            if info is None:
                self.entries.remove(short)
                self._machines.pop(short, None)
                continue
            mark = mark_of(info)
            self._machines[short] = key
            self.entries.put(short, Entry(clock_content(short, mark, self.own.clocks[index]), 0, mark))

    def _refresh(self, key: Key) -> None:
        short = machine_key(*key)
        peer = self.beliefs.peers.get(key[0])
        machine = peer.machines.get(key[1]) if peer is not None else None
        lives = peer is not None and peer.status in (PeerStatus.JOINED, PeerStatus.HEARSAY)
        if machine is None or not lives or not machine.first_hand or not machine.described:
            self.entries.remove(short)
            self._machines.pop(short, None)
            return
        mark = mark_of(machine.info)
        content = clock_content(short, mark, machine.clock)
        self._machines[short] = key
        self.entries.put(short, Entry(content, machine.sequence, mark))

    def links_changed(self, peer_id: str, teller: str = "") -> None:
        """A peer's links are news, told by this neighbour: they are handed on to all others."""
        links = self.life.map.own if peer_id == self.beliefs.self_id else self.life.map.told[peer_id]
        short = links_key(peer_id)
        self._link_owners[short] = peer_id
        self.entries.put(short, Entry(links_content(short, links), links.number, _NO_MARK))
        self._links_due[peer_id] = teller

    def forget_links(self, peer_id: str) -> None:
        """A peer is known no longer."""
        short = links_key(peer_id)
        self._link_owners.pop(short, None)
        self.entries.remove(short)

    def prune(self) -> None:
        """Forget the links of peers that are known no longer."""
        told = self.life.map.told
        for peer_id in [p for p in self._link_owners.values() if p not in told and p != self.beliefs.self_id]:
            self.forget_links(peer_id)

    # -- streams

    def opened(self, neighbour: str, now: float) -> None:
        """A stream stands: say that we live, and what our links are."""
        self.streams[neighbour] = _Stream()
        self._links_due.setdefault(self.beliefs.self_id, "")
        self.beat(now)

    def closed(self, neighbour: str) -> None:
        """The stream is no more."""
        self.streams.pop(neighbour, None)

    def beat(self, now: float, ask: tuple[str, ...] = ()) -> None:
        """Tell every neighbour that heard nothing for a while that we live; ask those that are silent."""
        self.refresh()
        for neighbour, stream in self.streams.items():
            pause_s = BEAT_S if stream.differs_s == float("inf") else DIFFERING_BEAT_S
            if neighbour in ask or now - stream.said_s >= 0.9 * pause_s:
                self._beat(neighbour, stream, now, answer=neighbour in ask)

    @property
    def differs(self) -> bool:
        """Some neighbour knows other things than we."""
        return any(stream.differs_s < float("inf") for stream in self.streams.values())

    def _beat(self, neighbour: str, stream: _Stream, now: float, *, answer: bool = False) -> None:
        self._send(neighbour, Beat(self.entries.total, len(self.entries), answer), now)

    def _send(
        self, neighbour: str, frame: Beat | TellLinks | Sums | Parts | Rows | Want | Records | Own, now: float
    ) -> None:
        stream = self.streams.get(neighbour)
        if stream is not None:
            stream.said_s = now
            self.out.append((neighbour, encode_frame(self.topic, frame)))

    def tell_links(self, now: float) -> None:
        """Hand on the links that are news."""
        due, self._links_due = self._links_due, {}
        if not due:
            return
        for neighbour in self.streams:
            links = [
                (peer_id, told)
                for peer_id, teller in due.items()
                if teller != neighbour
                and peer_id != neighbour
                and (told := self._links_of(peer_id)) is not None
            ]
            self._send_links(neighbour, links, now)

    def _send_links(self, neighbour: str, links: list[tuple[str, Links]], now: float) -> None:
        for start in range(0, len(links), _LINKS_IN_FRAME):
            self._send(neighbour, TellLinks(tuple(links[start : start + _LINKS_IN_FRAME])), now)

    def _links_of(self, peer_id: str) -> Links | None:
        return self.life.map.own if peer_id == self.beliefs.self_id else self.life.map.told.get(peer_id)

    @property
    def owes_links(self) -> bool:
        """Some links are news."""
        return bool(self._links_due)

    # -- comparing

    def heard_beat(self, neighbour: str, beat: Beat, now: float) -> None:
        """Compare, when what the neighbour knows has differed for a while and it is for us to begin."""
        stream = self.streams.get(neighbour)
        if stream is None:
            return
        if beat.answer:
            self._beat(neighbour, stream, now)
        self.refresh()
        if beat.total == self.entries.total:
            stream.differs_s = float("inf")
            return
        first = stream.differs_s == float("inf")
        if first:
            stream.differs_s = now
        mine, theirs = len(self.entries), beat.count
        steady = self.entries.total == stream.differed_total or now - stream.differs_s > 3 * BEAT_S
        stream.differed_total = self.entries.total
        ours_to_begin = (mine, self.beliefs.self_id) < (theirs, neighbour)
        fresh = 2 * mine + 16 < theirs  # a newcomer does not wait
        settled = steady and now - stream.differs_s >= SETTLING_S
        if not ours_to_begin:
            settled = now - stream.differs_s > 4 * BEAT_S  # whoever should begin does not
        never = stream.asked_s == float("-inf")
        if (settled or ((fresh or never) and ours_to_begin)) and (
            now >= self._busy_until_s and now - stream.asked_s >= RECONCILE_EVERY_S
        ):
            stream.asked_s = now
            self._busy_until_s = now + BUSY_S
            self._send(neighbour, Sums(self.entries.sums()), now)

    def heard_sums(self, neighbour: str, frame: Sums, now: float) -> None:
        """Divide what differs, list it where there is little, and send what the neighbour has nothing of."""
        self.refresh()
        parts: list[tuple[int, bytes]] = []
        rows: list[tuple[int, bytes]] = []
        for bucket, empty in self.entries.differing(frame.sums):
            if empty:
                for key in self.entries.keys(bucket):
                    self._owe(neighbour, key, _NO_MARK, now)
            elif self.entries.size(bucket) <= ROWS_AT_ONCE:
                rows.append((bucket, self.entries.rows(bucket)))
            else:
                parts.append((bucket, self.entries.parts(bucket)))
        if parts:
            self._send(neighbour, Parts(tuple(parts)), now)
        self._send_rows(neighbour, rows, now)

    def heard_parts(self, neighbour: str, frame: Parts, now: float) -> None:
        """List the parts that differ."""
        self.refresh()
        self._busy_until_s = max(self._busy_until_s, now + BUSY_S)
        rows = []
        for bucket, theirs in frame.parts:
            ours = self.entries.parts(bucket)
            for part in range(PARTS):
                if ours[8 * part : 8 * part + 8] != theirs[8 * part : 8 * part + 8]:
                    number = BUCKETS + PARTS * bucket + part
                    rows.append((number, self.entries.rows(number)))
        self._send_rows(neighbour, rows, now)

    def _send_rows(self, neighbour: str, rows: list[tuple[int, bytes]], now: float) -> None:
        batch: list[tuple[int, bytes]] = []
        size = 0
        for number, data in rows:
            if size + len(data) > FRAME_BYTES // 2 and batch:
                self._send(neighbour, Rows(tuple(batch)), now)
                batch, size = [], 0
            batch.append((number, data))
            size += len(data) + 8
        if batch:
            self._send(neighbour, Rows(tuple(batch)), now)

    def heard_rows(self, neighbour: str, frame: Rows, now: float) -> None:
        """Send what the neighbour lacks, ask for what we lack."""
        self.refresh()
        self._busy_until_s = max(self._busy_until_s, now + BUSY_S)
        want: list[bytes] = []
        for number, data in frame.ranges:
            theirs = read_rows(data)
            for key in self.entries.keys(number):
                if key not in theirs:
                    self._lacks(neighbour, key, now)
            for key, row in theirs.items():
                mine = self.entries.entries.get(key)
                if mine is None:
                    want.append(key + _NO_MARK)
                elif mine.content != row.content:
                    if self._ours_is_newer(neighbour, key, mine, row):
                        self._owe(neighbour, key, row.mark, now)
                    else:
                        want.append(key + mine.mark)
        if want:
            self._send(neighbour, Want(b"".join(want)), now)

    def _lacks(self, neighbour: str, key: bytes, now: float) -> None:
        """A neighbour has nothing there: send it what we have, unless it is its own machine, which it exposes no longer."""
        place = self._machines.get(key)
        peer = self.beliefs.peers.get(neighbour)
        if place is not None and place[0] == neighbour and peer is not None:
            self.beliefs.remove(peer, place[1], "its peer exposes it no longer")
        else:
            self._owe(neighbour, key, _NO_MARK, now)

    def _ours_is_newer(self, neighbour: str, key: bytes, mine: Entry, row: Entry) -> bool:
        owner = self._machines[key][0] if key in self._machines else self._link_owners.get(key, "")
        if owner in (neighbour, self.beliefs.self_id):
            return owner != neighbour
        return mine.sequence >= row.sequence

    def feed(self, neighbour: str, now: float) -> None:
        """Tell a neighbour that never asks all that we know."""
        self.refresh()
        for key in self.entries.entries:
            self._owe(neighbour, key, _NO_MARK, now)

    def send_own(self, neighbour: str, data: bytes, now: float) -> None:
        """Say something of ourselves on one stream."""
        self._send(neighbour, Own(data), now)

    def heard_want(self, neighbour: str, frame: Want, now: float) -> None:
        """Send what is asked for, if we have it."""
        self.refresh()
        size = HASH_BYTES + 4
        for start in range(0, len(frame.keys), size):
            key, mark = frame.keys[start : start + HASH_BYTES], frame.keys[start + HASH_BYTES : start + size]
            if key in self.entries.entries:
                self._owe(neighbour, key, mark, now)

    # -- sending records

    def _owe(self, neighbour: str, key: bytes, mark: bytes, now: float) -> None:
        stream = self.streams.get(neighbour)
        if stream is not None and len(stream.owed) < _MOST_OWED:
            stream.owed[key] = mark

    def records_due(self) -> float:
        """When the next pack of records may go; infinity when none is owed."""
        return min((s.owed_due_s for s in self.streams.values() if s.owed), default=float("inf"))

    def send_records(self, now: float, say: Callable[[list[int]], list[bytes]]) -> None:
        """Send one pack to each neighbour that is owed something. `say` describes machines of our own."""
        for neighbour, stream in self.streams.items():
            if stream.owed and stream.owed_due_s <= now:
                stream.owed_due_s = now + RECORD_PAUSE_S
                self._send_pack(neighbour, stream, now, say)

    def _send_pack(
        self, neighbour: str, stream: _Stream, now: float, say: Callable[[list[int]], list[bytes]]
    ) -> None:
        messages: dict[bytes, None] = {}
        links: list[tuple[str, Links]] = []
        own: list[int] = []
        size = 0
        while stream.owed and size < RECORD_RAW_BYTES:
            key, mark = stream.owed.popitem(last=False)
            if key in self._link_owners:
                told = self._links_of(self._link_owners[key])
                if told is not None and self._link_owners[key] != neighbour:
                    links.append((self._link_owners[key], told))
                continue
            place = self._machines.get(key)
            if place is None or place[0] == neighbour:
                continue
            if place[0] == self.beliefs.self_id:
                own.append(place[1])
                continue
            machine = self.beliefs.machine(place)
            if machine is None:
                continue
            if not machine.signed_info or not machine.signed_clock:
                self.beliefs.missing.add(place[0], now)  # we know it by its stream only: let it say so to all
                continue
            for signed in (
                (machine.signed_clock,)
                if mark == mark_of(machine.info)
                else (machine.signed_info, machine.signed_clock)
            ):
                if signed not in messages:
                    messages[signed] = None
                    size += len(signed)
        self._send_links(neighbour, links, now)
        for data in say(own) if own else ():
            self._send(neighbour, Own(data), now)
        if messages:
            packed = pack(list(messages))
            if len(packed) < FRAME_BYTES - 256:
                self._send(neighbour, Records(packed), now)
            else:
                half = list(messages)
                for part in (half[: len(half) // 2], half[len(half) // 2 :]):
                    if part and len(data := pack(part)) < FRAME_BYTES - 256:
                        self._send(neighbour, Records(data), now)

    def heard_records(self, now: float) -> None:
        """A pack came: others would send us the same now."""
        self._busy_until_s = now + BUSY_S
