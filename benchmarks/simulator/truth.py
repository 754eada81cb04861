"""What is true on a day, and whether what peers believe agrees with it.

The simulator knows every clock that a machine ever had, and who lives. Safety is checked at each event and at each
look: no wrong clock is ever first-hand, no dead peer is first-hand past its bound, nobody who lives and can be
reached is declared gone, memory is bounded. Liveness is a question asked when the faults are over: `doubts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ampubsub.topic.events import (
    ClockChanged,
    MachineExposed,
    MachineGone,
    MachineReplaced,
    MachineSourceChanged,
    PeerChanged,
    PeerStatus,
    Source,
    TopicEvent,
)
from benchmarks.simulator.machines import LightMachine

if TYPE_CHECKING:
    from benchmarks.simulator.day import Day
    from benchmarks.simulator.peer import Peer

Key = tuple[str, int]

DEAD_FIRST_HAND_S = 15.0
"""A dead peer's machines may be first-hand at others for so long, at most, while nothing else goes wrong."""
DEAD_FIRST_HAND_BAD_S = 30.0
"""... and so long while other faults last."""
OLD_LIFE_S = 15.0
"""A clock of an earlier life may stay first-hand for so long after the new life began."""
CALM_S = 20.0
"""Only after so long without a partition or a standstill near it is a peer called falsely dead."""
ENTRIES_EVERY = 5
"""Memory is looked at every so many seconds."""
UNTRUSTED = (Source.STALE, Source.GONE)


class WrongBeliefError(AssertionError):
    """A peer believes what cannot be so."""


@dataclass(slots=True)
class Life:
    """One life of a peer."""

    number: int
    """Which of the day's peers it is."""
    born_s: float
    machines: dict[int, LightMachine]
    died_s: float | None = None
    how: str = ""


@dataclass(slots=True)
class Truth:
    """Who lived when, with which machines."""

    day: Day
    lives: dict[str, list[Life]] = field(default_factory=dict)

    def born(self, peer_id: str, life: Life) -> None:
        """A peer begins a life."""
        self.lives.setdefault(peer_id, []).append(life)

    def died(self, peer_id: str, how: str) -> None:
        """A peer's life ended."""
        life = self.lives[peer_id][-1]
        life.died_s, life.how = self.day.network.now, how

    def life(self, peer_id: str) -> Life | None:
        """The latest life of a peer; None for one that never was."""
        lives = self.lives.get(peer_id)
        return lives[-1] if lives else None

    def is_hostile(self, peer_id: str) -> bool:
        """Whether it is an identity of a villain that signed something: what it says of itself is as it says."""
        return peer_id not in self.lives and peer_id in self.day.network.authors

    def was_true(self, key: Key, clock: tuple[int, ...]) -> bool:
        """Whether a machine ever had this clock."""
        return any(
            key[1] in life.machines and tuple(clock) in life.machines[key[1]].clocks
            for life in reversed(self.lives.get(key[0], ()))
        )

    # -- safety

    def event(self, peer: Peer, event: TopicEvent) -> None:
        """Judge what a peer just said happened. Raises `WrongBeliefError`."""
        match event:
            case ClockChanged(key=key, after=after, source=Source.FIRST_HAND):
                self._clock(peer, key, tuple(after))
            case MachineExposed(key=key, source=Source.FIRST_HAND) | MachineReplaced(key=key):
                self._look_at(peer, key)
            case MachineSourceChanged(key=key, source=Source.FIRST_HAND):
                self._look_at(peer, key)
            case PeerChanged(peer_id=peer_id, status=PeerStatus.GONE):
                self._gone(peer, peer_id, event.reason)
            case MachineGone(key=key):
                life = self.life(key[0])
                if life is not None and life.died_s is None and key[1] in life.machines:
                    self._gone(peer, key[0], f"machine {key[1]}: {event.reason}")
            case _:
                pass

    def _look_at(self, peer: Peer, key: Key) -> None:
        belief = peer.belief(key)
        if belief is not None and belief.source is Source.FIRST_HAND:
            self._clock(peer, key, belief.clock)

    def _clock(self, peer: Peer, key: Key, clock: tuple[int, ...]) -> None:
        if key[0] == peer.peer_id or self.is_hostile(key[0]):
            return
        if not self.was_true(key, clock):
            self._wrong(peer, f"{self.name(key[0])}/{key[1]} first-hand with {clock}, which it never had")

    def _gone(self, peer: Peer, peer_id: str, reason: str) -> None:
        life = self.life(peer_id)
        now = self.day.network.now
        if life is None or life.died_s is not None or peer_id == peer.peer_id:
            return
        if now - life.born_s < CALM_S and len(self.lives[peer_id]) > 1:
            return  # the news of its earlier life's end may still be on its way
        if now - self.day.upset_s < CALM_S or not self.day.connected(peer, peer_id):
            return
        self.day.met["false death"] += 1
        self._wrong(peer, f"{self.name(peer_id)} gone ({reason}), which lives and can be reached")

    def look(self) -> None:
        """Look at what all believe now. Raises `WrongBeliefError`."""
        day = self.day
        now = day.network.now
        for peer in day.living:
            if peer.blocked_until > now - 2:
                continue
            for belief in peer.beliefs():
                peer_id = belief.key[0]
                if belief.source is not Source.FIRST_HAND or self.is_hostile(peer_id):
                    continue
                life = self.life(peer_id)
                if life is None:
                    self._wrong(peer, f"{belief.key} first-hand, which never was")
                elif life.died_s is not None:
                    bound = DEAD_FIRST_HAND_BAD_S if day.troubled_s > life.died_s else DEAD_FIRST_HAND_S
                    since = now - max(life.died_s, peer.up_since)
                    if since > bound:
                        self._wrong(
                            peer,
                            f"{self.name(peer_id)}/{belief.key[1]} first-hand {since:.1f} s after its {life.how}",
                        )
                else:
                    self._clock(peer, belief.key, belief.clock)
                    machine = life.machines.get(belief.key[1])
                    fresh = machine is not None and belief.clock in machine.clocks
                    if not fresh and now - max(life.born_s, day.troubled_s) > OLD_LIFE_S:
                        self._wrong(
                            peer,
                            f"{self.name(peer_id)}/{belief.key[1]} first-hand with a clock of an earlier life",
                        )
            if int(now) % ENTRIES_EVERY:
                continue
            entries = peer.entries()
            day.most_entries = max(day.most_entries, entries)
            if entries > day.entries_allowed:
                self._wrong(peer, f"{entries} entries in memory; {day.entries_allowed} are allowed")

    # -- liveness

    def doubts(self) -> Iterator[str]:
        """What some living peer does not know, or trusts wrongly. Identities that villains used once are forgotten later."""
        living = {peer.peer_id: peer for peer in self.day.living}
        for peer in living.values():
            known = {belief.key: belief for belief in peer.beliefs()}
            for peer_id, other in living.items():
                if other is peer:
                    continue
                for index, machine in other.machines.items():
                    belief = known.pop((peer_id, index), None)
                    what = f"{other.name}/{index}"
                    if belief is None:
                        yield f"{peer.name} does not know {what}"
                    elif belief.clock != machine.clock:
                        yield f"{peer.name} has {sum(belief.clock)} of {what} ({belief.source}), true is {sum(machine.clock)}"
                    elif belief.source is not Source.FIRST_HAND:
                        yield f"{peer.name} has {what} as {belief.source}"
            for key, belief in known.items():
                if belief.source not in UNTRUSTED and not self.is_hostile(key[0]):
                    yield f"{peer.name} still trusts {self.name(key[0])}/{key[1]} as {belief.source}"

    def name(self, peer_id: str) -> str:
        """A peer in words."""
        life = self.life(peer_id)
        if life is not None:
            return f"peer {life.number}"
        return f"villain {peer_id[-5:]}" if self.is_hostile(peer_id) else f"nobody {peer_id[-5:]}"

    def _wrong(self, peer: Peer, text: str) -> None:
        raise WrongBeliefError(f"at {self.day.network.now:.3f} s {peer.name} believes: {text}")
