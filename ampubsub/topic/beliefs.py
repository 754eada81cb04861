"""What we believe of the other peers and their machines, who said it, and how far to trust it.

Pure: time is passed in, what changes is appended to `events`. What somebody says is judged in `news.py`; here is what
follows from it. Theory of operation:

* *First-hand* is what a machine's own peer signed and what is not older than what we have, whichever way it came.
  Everything else is *hearsay*, believed only where there is nothing first-hand.
* Against a first-hand clock, a larger sum in hearsay is a *claim*: the machine is behind (stale), its owner is asked,
  and only the owner moves the clock.
* The owner's words are ordered by its sequence numbers. Newer and lower means a restart, older means old news.
* Indexes are never reused while a peer lives. What is gone stays gone for hearsay; a bye is undone by a new hello only.
* Everything is bounded. What is thrown away is counted by reason, for each peer and in total.
"""

from __future__ import annotations

from collections import Counter

from ampubsub.machine import Time
from ampubsub.topic.constants import BEHIND_GRACE_S, NAME_CHARS, NEW_LIFE_NUMBERS, PEERS_PER_TELLER
from ampubsub.topic.events import (
    ClockChanged,
    LifeVerdict,
    MachineExposed,
    MachineGone,
    MachineLabelled,
    MachineReplaced,
    MachineSourceChanged,
    PeerChanged,
    PeerStatus,
    Source,
    TopicEvent,
)
from ampubsub.topic.peers import Key, RemoteMachine, RemotePeer
from ampubsub.topic.questions import EarlyClocks, Questions
from ampubsub.topic.settings import TopicSettings
from ampubsub.wire import Info

_OLD_LIVES = 4


class Beliefs:
    """What one peer believes of the others."""

    def __init__(self, self_id: str, settings: TopicSettings) -> None:
        self.self_id = self_id
        self.settings = settings
        self.peers: dict[str, RemotePeer] = {}
        self.names: dict[str, str] = {}
        """Names given to peers by us (Go: `HostToPeer`); they win over names that peers tell."""
        self.dropped: Counter[str] = Counter()
        self.machines = 0
        """How many machines are known."""
        self.missing = Questions()
        """Peers whose machines we do not know, or not from themselves."""
        self.late = Questions()
        """Peers with machines that are behind."""
        self.restarted: list[str] = []
        """Neighbours that began a new life under lower numbers, to be told to others."""
        self.early = EarlyClocks()
        self.events: list[TopicEvent] = []
        self.touched: dict[Key, None] = {}
        """Machines whose clock, description or trust changed: what is compared with neighbours is to be brought up to date."""
        self._introduced: Counter[str] = Counter()
        """How many peers each told us of that we never heard ourselves."""
        self._speakers = 0
        self._full_until_s = float("-inf")
        """No room for peers only heard of, as of a moment ago: one who invents thousands must not cost us a search each."""

    # -- looking

    def machine(self, key: Key) -> RemoteMachine | None:
        """The machine at an address, or None."""
        peer = self.peers.get(key[0])
        return peer.machines.get(key[1]) if peer else None

    def speakers(self) -> int:
        """How many peers say something themselves; those only heard of have no share in what may be said."""
        return self._speakers

    def teller(self, peer_id: str) -> str:
        """Who is accountable for our knowing of a peer: itself once it spoke."""
        peer = self.peers.get(peer_id)
        return peer_id if peer is None or peer.heard_s is not None else peer.introduced_by

    @staticmethod
    def sums(peer: RemotePeer) -> dict[int, int]:
        """Index to tick sum of a peer's machines, as gossip tells it."""
        return {index: machine.sum for index, machine in peer.machines.items()}

    def drop(self, peer_id: str, reason: str) -> None:
        """Count one piece of input that is thrown away."""
        self.dropped[reason] += 1
        peer = self.peers.get(peer_id)
        if peer is not None:
            peer.dropped[reason] += 1

    # -- peers

    def heard(
        self, author: str, sequence: int, now: float, *, through: str, relayed: bool, hello: bool
    ) -> RemotePeer | None:
        """`author` said something. None when its message is not to be used (counted).

        `relayed`: its signed message was handed on by somebody; it may be old, and is no sign of life.
        """
        peer = self.peers.get(author)
        if peer is None:
            status = PeerStatus.HEARSAY if relayed else PeerStatus.JOINED
            peer = self._new_peer(author, author, status, now, through)
            if peer is None:
                self.drop(author, "too-many-peers")
                return None
        if sequence and any(first <= sequence <= last for first, last in peer.old_lives):
            self.drop(author, "old-life")
            return None
        directly = not relayed and through == author and peer.connected
        if 0 < sequence < peer.sequence - NEW_LIFE_NUMBERS and (
            peer.may_restart or (directly and peer.new_link)
        ):
            if directly and peer.new_link:
                self.restarted.append(author)
            self._new_life(peer, sequence)
        if directly and sequence:
            peer.new_link = False
        newer = sequence > peer.sequence or sequence == 0
        if peer.said_bye >= 0 and not (hello and newer and sequence):
            self.drop(author, "after-bye")
            return None
        if peer.status is PeerStatus.GONE and not newer:
            self.drop(author, "after-bye")
            return None
        if newer:
            if not peer.sequence:
                peer.life_from = sequence
            peer.sequence = max(peer.sequence, sequence)
            peer.said_bye, peer.signed_bye = -1, b""
            peer.through = through or peer.through
            if not relayed:
                self._speaks(peer)
                peer.heard_s = peer.mentioned_s = now
                if peer.verdict is not LifeVerdict.ALIVE:
                    peer.verdict, peer.verdict_reason = LifeVerdict.ALIVE, "it spoke"
                self.set_status(peer, PeerStatus.JOINED, "", now)
            elif peer.status is PeerStatus.GONE:
                self.set_status(peer, PeerStatus.HEARSAY, "", now)
        elif sequence < peer.sequence - NEW_LIFE_NUMBERS and not relayed:
            self.drop(author, "old-sequence")
        if not peer.known:
            self.missing.add(author, now)
        return peer

    def _new_life(self, peer: RemotePeer, sequence: int) -> None:
        """It came back over a new connection under far lower numbers: its clock was set back."""
        peer.old_lives = [*peer.old_lives, (peer.life_from, peer.sequence)][-_OLD_LIVES:]
        peer.sequence = sequence - 1
        peer.life_from = sequence
        peer.said_bye, peer.signed_bye = -1, b""
        peer.may_restart = False
        peer.retired.clear()
        for machine in peer.machines.values():
            machine.sequence = sequence - 1

    def spoken_of(self, author: str, peer_id: str, now: float, through: str = "") -> RemotePeer | None:
        """Somebody speaks of a peer. None when there is no room for it (counted)."""
        peer = self.peers.get(peer_id)
        if peer is None:
            peer = self._new_peer(peer_id, author, PeerStatus.HEARSAY, now, through)
            if peer is None:
                self.drop(author, "too-many-peers")
                return None
        if (
            peer.status is PeerStatus.STALE
            and peer.heard_s is None
            and not peer.doubted
            and not peer.had_witness
        ):
            self._news_of(peer, now)
        return peer

    def _news_of(self, peer: RemotePeer, now: float) -> None:
        """Others show that a peer lives which we never heard ourselves."""
        peer.mentioned_s, peer.doubted = now, False
        if peer.status is PeerStatus.STALE:
            self.set_status(peer, PeerStatus.HEARSAY, "", now)

    def joined(self, peer_id: str, now: float) -> RemotePeer | None:
        """A peer connected to us takes part in the topic. It always has a place."""
        peer = self.peers.get(peer_id)
        if peer is None:
            peer = self._new_peer(peer_id, peer_id, PeerStatus.JOINED, now, "", always=True)
        if peer is None:
            self.drop(peer_id, "too-many-peers")
            return None
        if not peer.connected:
            peer.new_link = True
        peer.connected = True
        peer.mentioned_s = now
        peer.lost_s, peer.said_bye, peer.had_witness = None, -1, True
        peer.verdict, peer.verdict_reason = LifeVerdict.ALIVE, "it is connected to us"
        self.set_status(peer, PeerStatus.JOINED, "", now)
        return peer

    def stale(self, peer: RemotePeer, reason: str, now: float) -> None:
        """A peer is out of reach for a while."""
        if peer.status is not PeerStatus.GONE:
            self.set_status(peer, PeerStatus.STALE, reason, now)

    def retire(self, peer: RemotePeer, reason: str, now: float, *, by_itself: bool = False) -> None:
        """A peer is gone, and its machines with it. Only what it took back `by_itself` cannot come back as it was."""
        retired = dict(peer.retired)
        for index in list(peer.machines):
            self.remove(peer, index, reason)
        if not by_itself:
            peer.retired = retired
        peer.known = False
        peer.may_restart = True
        self.missing.settle(peer.peer_id)
        self.late.settle(peer.peer_id)
        self.early.forget(peer.peer_id)
        self.set_status(peer, PeerStatus.GONE, reason, now)

    def forget(self, peer: RemotePeer) -> None:
        """Remove the last trace of a peer."""
        self.retire(peer, "forgotten", peer.since_s)
        if self.peers.pop(peer.peer_id, None) is not None:
            self._unintroduce(peer)
        for other in self.peers.values():
            for machine in other.machines.values():
                machine.claims.pop(peer.peer_id, None)
                machine.refuted.pop(peer.peer_id, None)

    def rename(self, peer: RemotePeer, name: str) -> None:
        """A peer has a new name."""
        name = self.names.get(peer.peer_id, name)
        if name != peer.name:
            peer.name = name
            self.events.append(PeerChanged(peer.peer_id, peer.status, name, peer.reason, peer.verdict))

    # -- machines

    def add_machine(self, peer: RemotePeer, machine: RemoteMachine) -> None:
        """A machine became visible."""
        peer.machines[machine.key[1]] = machine
        self.machines += 1
        machine.sum = machine.clock.sum()
        machine.source = self._source(machine, peer)
        self.events.append(MachineExposed(machine.key, machine.info.id, machine.source))
        self._settle(machine, peer)

    def replace(self, machine: RemoteMachine, sequence: int, info: Info, now: float, reason: str) -> None:
        """The owner's machine began anew."""
        machine.info, machine.clock = info, Time(info.mtime or ())
        machine.sum = machine.clock.sum()
        machine.first_hand, machine.teller, machine.sequence = True, machine.key[0], sequence
        machine.moved_s = machine.news_s = now
        machine.claimed_sum, machine.late = 0, False
        self.events.append(MachineReplaced(machine.key, info.id, reason))
        self.judge(machine, "")
        self._settle(machine, self.peers[machine.key[0]])

    def move(
        self, machine: RemoteMachine, clock: Time, teller: str, first_hand: bool, sequence: int, now: float
    ) -> None:
        """A machine's clock is set, be it to what it was."""
        peer = self.peers[machine.key[0]]
        before, machine.clock = machine.clock, clock
        machine.teller, machine.first_hand, machine.sequence = teller, first_hand, sequence
        machine.news_s = now
        if clock != before:
            machine.sum = clock.sum()
            machine.moved_s = now
            if peer.heard_s is None and not peer.had_witness:
                self._news_of(peer, now)
        machine.late = machine.late and machine.is_behind
        if clock != before:  # before the trust in it is told, or an invented clock would be called first-hand
            self.events.append(ClockChanged(machine.key, before, clock, self._source(machine, peer), teller))
        self.judge(machine, "" if first_hand else "said by another peer")
        self._settle(machine, peer)

    def label(self, machine: RemoteMachine, info: Info, same: bool) -> None:
        """The machine is described again, perhaps with other tags or another parent."""
        machine.info = info
        if not same:
            self.events.append(MachineLabelled(machine.key, info.id))
            self.touched[machine.key] = None

    def judge(self, machine: RemoteMachine, reason: str) -> None:
        """Tell when the trust in a machine's clock has changed."""
        source = self._source(machine, self.peers[machine.key[0]])
        if source is not machine.source:
            machine.source = source
            self.events.append(MachineSourceChanged(machine.key, source, reason))

    def remove(self, peer: RemotePeer, index: int, reason: str, sequence: int = 0) -> None:
        """A machine is gone for good."""
        machine = peer.machines.pop(index, None)
        if machine is None:
            return
        self.machines -= 1
        peer.unsettled -= machine.unsettled
        machine.source = Source.GONE
        self.touched[machine.key] = None
        peer.retired[index] = max(sequence, machine.sequence, peer.sequence)
        if len(peer.retired) > self.settings.max_machines_per_peer:
            peer.retired.pop(next(iter(peer.retired)))
        self.events.append(MachineGone(machine.key, machine.info.id, reason))

    def judge_late(self, now: float) -> None:
        """Machines that have been behind for too long are stale."""
        for peer_id in list(self.late):
            peer = self.peers.get(peer_id)
            for machine in peer.machines.values() if peer else ():
                if machine.is_behind and now - machine.claimed_s >= BEHIND_GRACE_S:
                    machine.late = True
                    self.judge(machine, "updates are missing")

    def settle(self, machine: RemoteMachine) -> None:
        """Something changed that decides whether a machine's owner is to be asked."""
        self._settle(machine, self.peers[machine.key[0]])

    def set_status(self, peer: RemotePeer, status: PeerStatus, reason: str, now: float) -> None:
        """A peer's standing changed: so may the trust in its machines."""
        if peer.status is status:
            return
        if peer.heard_s is not None:
            self._speakers += (status is not PeerStatus.GONE) - (peer.status is not PeerStatus.GONE)
        peer.status, peer.reason, peer.since_s = status, reason, now
        self.events.append(PeerChanged(peer.peer_id, status, peer.name, reason, peer.verdict))
        for machine in peer.machines.values():
            self.judge(machine, reason if status is PeerStatus.STALE else "")
            self.touched[machine.key] = None

    # -- inside

    def _settle(self, machine: RemoteMachine, peer: RemotePeer) -> None:
        self.touched[machine.key] = None
        unsettled = machine.is_behind or not machine.first_hand
        peer.unsettled += unsettled - machine.unsettled
        machine.unsettled = unsettled
        if not peer.unsettled:
            self.late.settle(peer.peer_id)

    def _source(self, machine: RemoteMachine, peer: RemotePeer) -> Source:
        if machine.late or peer.status in (PeerStatus.STALE, PeerStatus.GONE):
            return Source.STALE
        return Source.FIRST_HAND if machine.first_hand and machine.described else Source.HEARSAY

    def _new_peer(
        self, peer_id: str, teller: str, status: PeerStatus, now: float, through: str, *, always: bool = False
    ) -> RemotePeer | None:
        if peer_id == self.self_id or not peer_id or len(peer_id) > NAME_CHARS:
            return None
        if teller != peer_id and self._introduced[teller] >= PEERS_PER_TELLER:
            return None
        if len(self.peers) >= self.settings.max_peers and not self._make_room(
            teller, peer_id, through, now, always=always
        ):
            return None
        if teller != peer_id:
            self._introduced[teller] += 1
        peer = RemotePeer(peer_id, status, now, teller, name=self.names.get(peer_id, ""), mentioned_s=now)
        peer.through = through
        self.peers[peer_id] = peer
        self.events.append(PeerChanged(peer_id, status, peer.name))
        return peer

    def _speaks(self, peer: RemotePeer) -> None:
        """Its teller is not accountable for it any longer."""
        if peer.heard_s is None:
            self._unintroduce(peer)
            peer.heard_s = 0.0
            self._speakers += peer.status is not PeerStatus.GONE

    def _unintroduce(self, peer: RemotePeer) -> None:
        if peer.introduced_by != peer.peer_id and peer.heard_s is None:
            self._introduced[peer.introduced_by] -= 1
            if self._introduced[peer.introduced_by] <= 0:
                del self._introduced[peer.introduced_by]

    def _make_room(self, teller: str, peer_id: str, through: str, now: float, *, always: bool) -> bool:
        """Forget the peer that matters least, if there is one that may go.

        First who is gone; then, for who speaks itself, one only heard of; then one that is not connected and came
        through the neighbour that brought most. A connected peer (`always`) finds a place so.
        """
        spoke_itself = teller == peer_id
        greediest, most = self._introduced.most_common(1)[0] if self._introduced else ("", 0)
        is_modest = 2 * (self._introduced[teller] + 1) < most
        if not spoke_itself and not is_modest and now < self._full_until_s:
            return False
        others = [p for p in self.peers.values() if not p.connected]
        gone = [p for p in others if p.status is PeerStatus.GONE]
        if not gone and spoke_itself:
            gone = [p for p in others if p.heard_s is None]
        if not gone and is_modest:
            gone = [p for p in others if p.introduced_by == greediest and p.heard_s is None]
        if not gone and spoke_itself:
            brought = Counter(p.through for p in others)
            busiest, most = brought.most_common(1)[0] if brought else ("", 0)
            if most and (always or (through and brought[through] + 1 < most)):
                gone = [p for p in others if p.through == busiest]
        if not gone:
            self._full_until_s = now + 1.0
            return False
        peer = min(gone, key=lambda p: (p.heard_s or 0.0, p.since_s))
        if peer.status is not PeerStatus.GONE:
            self.retire(peer, "no room", now)
        self.forget(peer)
        return True
