"""Range-based reconciliation: two peers find out where what they know differs, in two round trips. Pure.

Every machine, and every peer's links, is an *entry*: a key, a content hash, the number of the message it came by, and a
mark of its description. Keys are hashes, so they fill 256 ranges evenly, each of 16 parts. Equal sums of content
hashes mean equal entries; ranges that differ are divided, then listed (`sync.py` does it).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct, pack

from ampubsub.machine import State
from ampubsub.topic.direct import BUCKETS, PARTS, ROW_BYTES
from ampubsub.topic.links import HASH_BYTES, Links
from ampubsub.wire import Info

_ROW = Struct(">8s8sQ4s")
_WRAP = (1 << 64) - 1
_MARKS = 16384


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known under one key."""

    content: int
    sequence: int
    mark: bytes
    """Of the description: who knows it already needs only the clock."""


def machine_key(peer_id: str, index: int) -> bytes:
    """The key of a machine."""
    return blake2b(f"{peer_id} {index}".encode(errors="surrogateescape"), digest_size=HASH_BYTES).digest()


def links_key(peer_id: str) -> bytes:
    """The key of a peer's links."""
    return blake2b(f"links {peer_id}".encode(errors="surrogateescape"), digest_size=HASH_BYTES).digest()


_marks: dict[int, tuple[Info, bytes]] = {}


def mark_of(info: Info) -> bytes:
    """A mark of what is described, without the clock; remembered for each description."""
    known = _marks.get(id(info))
    if known is not None and known[0] is info:
        return known[1]
    parts: list[str] = [info.id, info.parent or "", *(info.tags or ()), "\1", *(info.states or ())]
    for name, state in sorted((info.schema or {}).items()):
        parts += ("\2", name, *_state_words(state))
    mark = blake2b("\0".join(parts).encode(errors="surrogateescape"), digest_size=4).digest()
    if len(_marks) >= _MARKS:
        _marks.clear()
    _marks[id(info)] = (info, mark)
    return mark


def _state_words(state: State) -> Iterator[str]:
    yield f"{state.auto:d}{state.multi:d}"
    for names in (state.require, state.add, state.remove, state.after, state.tags):
        yield "\3"
        yield from names or ()


def clock_content(key: bytes, mark: bytes, clock: tuple[int, ...]) -> int:
    """The content hash of a machine's description and clock."""
    body = key + mark + pack(f">{len(clock)}Q", *clock)
    return int.from_bytes(blake2b(body, digest_size=8).digest())


def links_content(key: bytes, links: Links) -> int:
    """The content hash of a peer's links."""
    lost = b"".join(who + bytes([loss]) for who, loss in links.lost)
    body = key + links.number.to_bytes(8) + b"".join(links.to) + b"\0" + lost
    return int.from_bytes(blake2b(body, digest_size=8).digest())


class Entries:
    """All entries, with the sums of their ranges kept up to date."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.total = 0
        self._sums = [0] * BUCKETS
        self._ranges: list[dict[bytes, None]] = [{} for _ in range(BUCKETS)]

    def __len__(self) -> int:
        return len(self.entries)

    def put(self, key: bytes, entry: Entry) -> None:
        """Know this under a key from now on."""
        old = self.entries.get(key)
        self._move(key[0], entry.content - (old.content if old else 0))
        self.entries[key] = entry
        self._ranges[key[0]][key] = None

    def remove(self, key: bytes) -> None:
        """Know nothing under a key any longer."""
        old = self.entries.pop(key, None)
        if old is not None:
            self._move(key[0], -old.content)
            self._ranges[key[0]].pop(key, None)

    def _move(self, bucket: int, by: int) -> None:
        self._sums[bucket] = (self._sums[bucket] + by) & _WRAP
        self.total = (self.total + by) & _WRAP

    def sums(self) -> bytes:
        """The sums of all ranges."""
        return b"".join(total.to_bytes(8) for total in self._sums)

    def differing(self, sums: bytes) -> list[tuple[int, bool]]:
        """Ranges whose sums differ from these; each with whether the other side has nothing there."""
        found = []
        for bucket in range(BUCKETS):
            theirs = int.from_bytes(sums[8 * bucket : 8 * bucket + 8])
            if theirs != self._sums[bucket]:
                found.append((bucket, theirs == 0))
        return found

    def size(self, bucket: int) -> int:
        """How many entries a range has."""
        return len(self._ranges[bucket])

    def parts(self, bucket: int) -> bytes:
        """The sums of a range's 16 parts."""
        sums = [0] * PARTS
        for key in self._ranges[bucket]:
            sums[key[1] >> 4] += self.entries[key].content
        return b"".join((total & _WRAP).to_bytes(8) for total in sums)

    def keys(self, number: int) -> list[bytes]:
        """The keys of a range (below 256), or of a part of one."""
        if number < BUCKETS:
            return sorted(self._ranges[number])
        bucket, part = divmod(number - BUCKETS, PARTS)
        return sorted(key for key in self._ranges[bucket] if key[1] >> 4 == part)

    def rows(self, number: int) -> bytes:
        """The entries of a range or part, as they travel."""
        return b"".join(
            _ROW.pack(key, entry.content.to_bytes(8), entry.sequence, entry.mark)
            for key in self.keys(number)
            for entry in (self.entries[key],)
        )


def read_rows(rows: bytes) -> dict[bytes, Entry]:
    """Entries that came."""
    found = {}
    for start in range(0, len(rows), ROW_BYTES):
        key, content, sequence, mark = _ROW.unpack_from(rows, start)
        found[key] = Entry(int.from_bytes(content), sequence, mark)
    return found
