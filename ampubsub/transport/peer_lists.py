"""Who may connect: an allow-list and a deny-list of peer ids, files that are read again when they change.

One peer id a line, or an address that ends in `/p2p/PEERID`; `#` begins a comment. Who is on the deny-list is refused;
with an allow-list, so is everybody who is not on it. A gate at one peer protects only that peer: others of the topic
that let a stranger in hand on what is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ampubsub.transport.address import parse_peer_id
from ampubsub.transport.interface import AddressError, TransportError

_MOST_BYTES = 4 << 20


@dataclass(slots=True)
class PeerList:
    """One file of peer ids."""

    path: Path
    peers: frozenset[str] = frozenset()
    _state: tuple[int, int, int] | None = None

    def read(self) -> bool:
        """Read the file if it changed since; whether it did. Raises `TransportError`, and keeps what it had."""
        try:
            found = self.path.stat()
            state = found.st_mtime_ns, found.st_size, found.st_ino
            if state == self._state:
                return False
            if found.st_size > _MOST_BYTES:
                raise TransportError(f"The list of peers {self.path} has over {_MOST_BYTES} bytes")
            text = self.path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._state = None
            reason = getattr(error, "strerror", None) or error
            raise TransportError(f"Cannot read the list of peers {self.path}: {reason}") from error
        self._state = state
        self.peers = frozenset(parse(text, str(self.path)))
        return True


def parse(text: str, name: str) -> list[str]:
    """The peer ids of a list. Raises `TransportError` that names the first wrong line."""
    peers = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        peer_id = entry.rpartition("/p2p/")[2]
        try:
            parse_peer_id(peer_id)
        except AddressError as error:
            raise TransportError(f"{name}, line {number}: {error}") from error
        peers.append(peer_id)
    return peers


@dataclass(slots=True)
class PeerLists:
    """Both lists; a missing one lets everybody pass."""

    allow: PeerList | None = None
    deny: PeerList | None = None
    wrong: str = field(default="", init=False)
    """Why a list could not be read the last time; what was read before holds meanwhile."""

    @classmethod
    def of(cls, allow: Path | None, deny: Path | None) -> PeerLists:
        """Lists of these files, not read yet."""
        return cls(PeerList(allow) if allow else None, PeerList(deny) if deny else None)

    @property
    def any(self) -> bool:
        """Whether there is a list."""
        return self.allow is not None or self.deny is not None

    def read(self) -> bool:
        """Read what changed; whether anything did. Raises `TransportError`."""
        changed = False
        for each in (self.allow, self.deny):
            if each is not None:
                changed |= each.read()
        return changed

    def read_again(self) -> bool:
        """The same; an error is kept in `wrong`, and what was read before holds."""
        try:
            changed = self.read()
        except TransportError as error:
            self.wrong = str(error)
            return False
        self.wrong = ""
        return changed

    def refusal(self, peer_id: str) -> str:
        """Why a peer is refused: `denied`, `not-allowed`, or nothing."""
        if self.deny is not None and peer_id in self.deny.peers:
            return "denied"
        if self.allow is not None and peer_id not in self.allow.peers:
            return "not-allowed"
        return ""

    def says(self, refusal: str) -> str:
        """A refusal in words."""
        if refusal == "denied" and self.deny is not None:
            return f"it is on the deny-list {self.deny.path}"
        return f"it is not on the allow-list {self.allow.path if self.allow else ''}"
