"""Addresses that peers told of themselves, signed, and whom to dial when somebody is lost. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from random import Random

from ampubsub.topic import constants as c
from ampubsub.topic.beliefs import Beliefs
from ampubsub.topic.events import LifeVerdict, PeerStatus
from ampubsub.topic.life import Life

OpenRecord = Callable[[bytes], tuple[str, tuple[str, ...]] | None]
_LONGEST = 8192


class AddressBook:
    """Signed address records of some peers. Bounded: the newest are kept."""

    def __init__(self, beliefs: Beliefs, life: Life, random: Random, open_record: OpenRecord | None) -> None:
        self._beliefs, self._life, self._random, self._open = beliefs, life, random, open_record
        self.own = b""
        """Our own record; empty when we do not listen."""
        self._records: OrderedDict[str, bytes] = OrderedDict()
        self._dialled_s = self._told_s = float("-inf")

    def take(self, records: tuple[bytes, ...]) -> None:
        """A neighbour hands on records; forged ones are no records."""
        for record in records[: 2 * c.ADDRESSES_TOLD]:
            if self._open is None or len(record) > _LONGEST or (opened := self._open(record)) is None:
                continue
            peer_id = opened[0]
            if peer_id != self._beliefs.self_id:
                self._records[peer_id] = record
                self._records.move_to_end(peer_id)
                if len(self._records) > c.ADDRESSES_KEPT:
                    self._records.popitem(last=False)

    def to_tell(self, neighbour: str) -> tuple[bytes, ...]:
        """Our own, and some of others."""
        known = [record for peer_id, record in self._records.items() if peer_id != neighbour]
        chosen = self._random.sample(known, min(len(known), c.ADDRESSES_TOLD))
        return (*((self.own,) if self.own else ()), *chosen)

    def is_time_to_tell(self, now: float) -> bool:
        """Neighbours are told now and then; says whether it is time, once."""
        if now < self._told_s + c.ADDRESSES_EVERY_S:
            return False
        self._told_s = now
        return True

    def to_dial(self, now: float) -> list[bytes]:
        """One whom we lost: a topic whose hub died comes together again over addresses that were told before."""
        if now < self._dialled_s + c.DIAL_EVERY_S:
            return []
        alone = not self._life.neighbours
        lost = [record for peer_id, record in self._records.items() if alone or self._is_lost(peer_id)]
        if not lost:
            return []
        self._dialled_s = now
        return [self._random.choice(lost)]

    def _is_lost(self, peer_id: str) -> bool:
        """It is out of reach, and did not say that it goes."""
        peer = self._beliefs.peers.get(peer_id)
        if peer is None or peer_id in self._life.neighbours or peer.said_bye >= 0:
            return False
        return peer.status in (PeerStatus.STALE, PeerStatus.GONE) and peer.verdict is not LifeVerdict.LEFT
