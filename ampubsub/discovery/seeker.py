"""Whom to dial, and when: one place that decides, pure. The time is given in, nothing is dialled here.

What is found is a hint. Peers are dialled a few at a time, those that were met before first; one that fails is tried
again ever more rarely and forgotten after some tries, so that neither liars nor the dead, nor ten thousand of them,
cost more than a bounded number of dials. Once enough peers of the topic are connected the rest is kept in reserve.

Two peers that find each other should not both dial: who was there already dials a newcomer at once; of two newcomers
the one with the smaller peer id does, and the other waits whether that helped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import zip_longest
from math import inf

from ampubsub.discovery.found import MOST_ADDRESSES, Found, How

_TRUST = {How.GIVEN: 0, How.LIST: 1, How.BOOK: 2, How.MDNS: 3, How.TOLD: 4, How.DIALLED_US: 5}
"""The order in which hints of different sources are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeekerSettings:
    """How eagerly peers are sought. Times are in seconds."""

    wanted: int = 4
    """Connected peers of the topic that are sought at once. A handshake costs a tenth of a second of a core on both sides."""
    most: int = 8
    """Connected peers at which nobody more is dialled; between the two one more now and then, lest the topic falls apart
    into groups that are content with each other (GossipSub's mesh has 6)."""
    one_more_s: float = 10.0
    dials_at_once: int = 3
    dial_interval_s: float = 0.05
    """The least time between two dials: a whole network does not dial a newcomer at the same instant."""
    dials_of_strangers: int = 32
    """Dials to peers that nobody vouches for (mDNS, told) begun in `window_s`."""
    window_s: float = 30.0
    newcomer_s: float = 1.5
    """So long we count as newly arrived, and so long the peer with the larger id waits."""
    peers: int = 256
    """Found peers remembered."""
    sources: int = 4
    """Different records of one peer remembered: who claims another's id must not push its own addresses out."""
    first_retry_s: float = 2.0
    """The wait after a failed dial; it doubles each time."""
    last_retry_s: float = 300.0
    tries: int = 5
    """Failed dials after which a found peer is forgotten, until it is found again. Given, listed and met ones are kept."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Dial one of these addresses, in turn, until one works; then tell `Seeker.dialled`."""

    peer_id: str
    addresses: tuple[str, ...]
    how: str


@dataclass(slots=True, eq=False)
class _Hint:
    peer_id: str
    number: int
    rank: bytes
    """Its place in an order of our own."""
    records: dict[tuple[How, str], Found] = field(default_factory=dict)
    due_s: float = 0.0
    failed: int = 0
    dialling: bool = False

    @property
    def best(self) -> Found:
        return min(self.records.values(), key=lambda found: _TRUST[found.how])


class Seeker:
    """Decides for one topic. Methods take `now` in seconds of any clock that never goes back."""

    def __init__(
        self, own_id: str, tag: str, settings: SeekerSettings | None = None, *, strangers: bool = False
    ) -> None:
        """`tag` is the topic's (`topic_tag`). `strangers`: also dial mDNS peers that do not say their topics (Go's)."""
        self._own_id = own_id
        self._tag = tag
        self._settings = settings or SeekerSettings()
        self._strangers = strangers
        self._hints: dict[str, _Hint] = {}
        self._connected: set[str] = set()
        self._how: dict[str, str] = {}
        self._began_s: float | None = None
        self._last_dial_s = -inf
        self._stranger_dials: list[float] = []
        self._count = 0
        self._turn = 0

    # -- what happens

    def found(self, now: float, found: Found) -> None:
        """A source found a peer, or (no addresses) says that it is gone."""
        settings = self._settings
        self._began_s = now if self._began_s is None else self._began_s
        if found.peer_id == self._own_id:
            return
        hint = self._hints.get(found.peer_id)
        place = (found.how, found.source)
        if not found.addresses:
            self._gone(place)
            return
        if found.topics and self._tag not in found.topics:
            return
        if not found.topics and found.how is How.MDNS and not self._strangers:
            return
        if hint is None:
            if len(self._hints) >= settings.peers and not self._make_room(found):
                return
            hint = self._hints[found.peer_id] = _Hint(found.peer_id, self._count, self._rank(found.peer_id))
            hint.due_s = now + self._patience(now, found)
            self._count += 1
        elif place not in hint.records and len(hint.records) >= settings.sources:
            return
        hint.records[place] = found

    def _rank(self, peer_id: str) -> bytes:
        return hashlib.blake2b(f"{self._own_id} {peer_id}".encode(), digest_size=8).digest()

    def _gone(self, place: tuple[How, str]) -> None:
        """Forget one record, which says that its peer is gone; whoever has no other is forgotten."""
        for peer, hint in list(self._hints.items()):
            if hint.records.pop(place, None) is not None and not hint.records:
                del self._hints[peer]

    def _patience(self, now: float, found: Found) -> float:
        assert self._began_s is not None
        is_newcomer = now - self._began_s < self._settings.newcomer_s
        if found.how is How.MDNS and is_newcomer and self._own_id > found.peer_id:
            return self._settings.newcomer_s
        return 0.0

    def _make_room(self, found: Found) -> bool:
        """Forget a hint that matters less than this one: failed before, or of a less trusted source, the oldest first."""
        idle = [
            hint for hint in self._hints.values() if not hint.dialling and hint.peer_id not in self._connected
        ]
        if not idle:
            return False
        trust = _TRUST[found.how]
        worst = max(idle, key=lambda hint: (_TRUST[hint.best.how], hint.failed, -hint.number))
        if _TRUST[worst.best.how] < trust:
            return False
        del self._hints[worst.peer_id]
        return True

    def connected(self, peer_id: str, how: str = "") -> None:
        """A peer of the topic is connected. `how` says how we know it, when it was not found here (`dialled us`)."""
        self._connected.add(peer_id)
        hint = self._hints.get(peer_id)
        if hint is not None:
            hint.failed = 0
        if peer_id not in self._how:
            self._how[peer_id] = hint.best.told_how if hint is not None and how != How.DIALLED_US else how
        for peer in list(self._how)[: max(0, len(self._how) - 4 * self._settings.peers)]:
            if peer not in self._connected:
                del self._how[peer]

    def disconnected(self, now: float, peer_id: str) -> None:
        """A connected peer is gone: it may be dialled again after a moment."""
        self._connected.discard(peer_id)
        hint = self._hints.get(peer_id)
        if hint is not None:
            hint.due_s = max(hint.due_s, now + self._settings.first_retry_s)

    def dialled(self, now: float, peer_id: str, *, reached: bool) -> None:
        """A dial has ended: it reached a peer of this topic, or not."""
        hint = self._hints.get(peer_id)
        if hint is None:
            return
        settings = self._settings
        hint.dialling = False
        if reached:
            hint.failed = 0
            return
        hint.failed += 1
        hint.due_s = now + min(settings.first_retry_s * 2 ** (hint.failed - 1), settings.last_retry_s)
        if hint.failed >= settings.tries and _TRUST[hint.best.how] > _TRUST[How.BOOK]:
            del self._hints[peer_id]

    # -- what is to be done

    def due(self, now: float) -> list[Dial]:
        """Whom to dial now."""
        dials: list[Dial] = []
        while (hint := self._next(now)) is not None:
            hint.dialling = True
            found = hint.best
            records = sorted(hint.records.values(), key=lambda each: _TRUST[each.how])
            in_turn = zip_longest(*[record.addresses for record in records])  # no record crowds out another
            addresses = [address for row in in_turn for address in row if address is not None]
            if _TRUST[found.how] > _TRUST[How.BOOK]:
                self._stranger_dials.append(now)
            self._last_dial_s = now
            self._turn += 1
            self._how.setdefault(hint.peer_id, found.told_how)
            dials.append(Dial(hint.peer_id, tuple(dict.fromkeys(addresses))[:MOST_ADDRESSES], found.told_how))
        return dials

    def _next(self, now: float) -> _Hint | None:
        dialling = sum(hint.dialling for hint in self._hints.values())
        if now < self._pause(dialling):
            return None
        waiting = [hint for hint in self._waiting(now) if hint.due_s <= now]
        if not waiting:
            return None
        trust = min(_TRUST[hint.best.how] for hint in waiting)
        waiting = [hint for hint in waiting if _TRUST[hint.best.how] == trust]
        if trust <= _TRUST[How.BOOK]:
            return waiting[0]
        fewest = min(hint.failed for hint in waiting)
        waiting = [hint for hint in waiting if hint.failed == fewest]
        # Each peer has an order of its own, or all would dial the same ones. The newest and the oldest have their turn,
        # so that a flood before or after an honest peer does not bury it.
        match self._turn % 4:
            case 1:
                return max(waiting, key=lambda hint: hint.number)
            case 3:
                return min(waiting, key=lambda hint: hint.number)
        return min(waiting, key=lambda hint: hint.rank)

    def _pause(self, dialling: int) -> float:
        """When the next dial may begin; inf when not before something else happens."""
        settings = self._settings
        busy = len(self._connected) + dialling
        if dialling >= settings.dials_at_once or busy >= settings.most:
            return inf
        if busy >= settings.wanted:
            return inf if dialling else self._last_dial_s + settings.one_more_s
        return self._last_dial_s + settings.dial_interval_s

    def _waiting(self, now: float) -> list[_Hint]:
        """Those that may be dialled now or later, but for strangers while too many were."""
        self._stranger_dials = [at for at in self._stranger_dials if at > now - self._settings.window_s]
        full = len(self._stranger_dials) >= self._settings.dials_of_strangers
        return [
            hint
            for hint in self._hints.values()
            if not hint.dialling
            and hint.peer_id not in self._connected
            and not (full and _TRUST[hint.best.how] > _TRUST[How.BOOK])
        ]

    def next_due(self, now: float) -> float:
        """When `due` is worth asking next, if nothing happens before; inf when only then."""
        dialling = sum(hint.dialling for hint in self._hints.values())
        settings = self._settings
        pause = self._pause(dialling)
        if pause == inf:
            return inf
        waiting = self._waiting(now)
        first = min((hint.due_s for hint in waiting), default=inf)
        held_back = len(self._hints) - dialling - len(self._connected & self._hints.keys()) - len(waiting)
        if held_back > 0 and self._stranger_dials:
            first = min(first, self._stranger_dials[0] + settings.window_s)
        return max(first, pause)

    def how_found(self, peer_id: str) -> str:
        """How a peer was found: `given`, `list`, `book`, `mdns`, `told by PEER`, `dialled us`; empty when unknown."""
        return self._how.get(peer_id, "")

    @property
    def known(self) -> int:
        """Found peers remembered."""
        return len(self._hints)
