"""Who hears from whom directly: each of our peers tells its live links, and what cannot be reached over them has no witness. Pure.

A peer tells its links anew when they change, under a growing number; neighbours hand them on at once. A link that is
told stands, by the word of one who hears from the other end at least every few seconds. So a peer is alive, as far
as anybody can tell, exactly when a chain of live links leads to it: hearsay of life cannot outlive its last witness.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

HASH_BYTES = 8
MOST_LINKS = 1024


class Loss(IntEnum):
    """Why a link ended, as whoever lost it saw it."""

    CLOSED = 0
    LOST = 1
    SILENT = 2
    LEFT = 3
    EXPELLED = 4
    RESTARTED = 5
    """It came back with a new life whose numbers are lower: its system's clock was set back."""


@dataclass(frozen=True, slots=True)
class Links:
    """What one peer tells of its links."""

    number: int
    """Grows with each change."""
    to: tuple[bytes, ...]
    """Hashes of the peers it hears from, sorted."""
    lost: tuple[tuple[bytes, int], ...] = ()
    """Those it lost lately, each with its `Loss`."""


_HASHES: dict[str, bytes] = {}


def peer_hash(peer_id: str) -> bytes:
    """A short name of a peer for links: 8 bytes."""
    known = _HASHES.get(peer_id)
    if known is None:
        if len(_HASHES) > 65536:
            _HASHES.clear()
        known = _HASHES[peer_id] = blake2b(
            peer_id.encode(errors="surrogateescape"), digest_size=HASH_BYTES
        ).digest()
    return known


class LinkMap:
    """The links of all our peers, as told."""

    def __init__(self, self_id: str) -> None:
        self.self_id = self_id
        self.own = Links(0, ())
        self.told: dict[str, Links] = {}
        self._names: dict[bytes, str] = {peer_hash(self_id): self_id}

    def name(self, peer_id: str) -> None:
        """A peer is known: links may lead to it."""
        self._names[peer_hash(peer_id)] = peer_id

    def forget(self, peer_id: str) -> None:
        """A peer is known no longer."""
        self.told.pop(peer_id, None)
        if peer_id != self.self_id:
            self._names.pop(peer_hash(peer_id), None)

    def tell_own(self, to: Iterable[str], lost: Iterable[tuple[str, Loss]]) -> bool:
        """Our links are these now. Says whether that is news."""
        hashes = tuple(sorted(peer_hash(peer_id) for peer_id in to))
        ended = tuple(sorted((peer_hash(peer_id), int(loss)) for peer_id, loss in lost))
        if (hashes, ended) == (self.own.to, self.own.lost) and self.own.number:
            return False
        self.own = Links(self.own.number + 1, hashes, ended)
        return True

    def take(self, peer_id: str, links: Links) -> bool:
        """Somebody hands on a peer's links. Says whether they are newer than ours; our own can only be ours."""
        if peer_id == self.self_id:
            if links.number >= self.own.number and links != self.own:
                self.own = Links(links.number + 1, self.own.to, self.own.lost)
                return True
            return False
        known = self.told.get(peer_id)
        if known is not None and links.number <= known.number:
            return False
        self.told[peer_id] = links
        self.name(peer_id)
        return True

    def reached(self, start: Iterable[str]) -> dict[str, list[str]]:
        """Whom chains of live links lead to, from these neighbours of ours: each with who hears from it."""
        witnesses: dict[str, list[str]] = {peer_id: [self.self_id] for peer_id in start}
        left = list(witnesses)
        names, told = self._names, self.told
        while left:
            peer_id = left.pop()
            links = told.get(peer_id)
            if links is None:
                continue
            for short in links.to:
                other = names.get(short)
                if other is None or other == self.self_id:
                    continue
                seen = witnesses.get(other)
                if seen is None:
                    witnesses[other] = [peer_id]
                    left.append(other)
                elif len(seen) < 8:
                    seen.append(peer_id)
        return witnesses

    def named(self, short: bytes) -> str | None:
        """The peer id behind a short name."""
        return self._names.get(short)

    def losses(self) -> dict[bytes, int]:
        """How links to peers ended, by whoever told last."""
        found: dict[bytes, int] = dict(self.own.lost)
        for links in self.told.values():
            found.update(links.lost)
        return found
