"""The registry of remote peers and machines: what we believe, who said it, and how far to trust it.

Pure: time is passed in, events come out through `emit`. What somebody says is judged in `news.py`; here is what
follows from it. Theory of operation:

* A message is *first-hand* for a peer when that peer signed it; for everybody else in it, it is *hearsay*.
* Hearsay is believed only where there is nothing first-hand. Against a first-hand clock, a larger sum in
  hearsay is a *claim*: the machine is behind (stale), its owner is asked, and only the owner moves the clock.
* First-hand news is ordered by the author's sequence numbers. Newer and lower means a restart, older means
  old news. Without numbers, lower is old news within `reorder_window_s` of the last move.
* Indexes are never reused while a peer lives. What is gone stays gone for hearsay; a newer message of the
  owner brings it back, because then the owner restarted.
* Everything is bounded. What is thrown away is counted by reason, for each peer and in total.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ampubsub.machine import Time
from ampubsub.topic.checks import same_labels
from ampubsub.topic.events import (
    ClockChanged,
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
from ampubsub.topic.missing import Missing
from ampubsub.topic.peers import Key, RemoteMachine, RemotePeer
from ampubsub.topic.settings import TopicSettings
from ampubsub.wire import Info


class Registry:
    """What one peer knows of the others."""

    def __init__(self, self_id: str, settings: TopicSettings, emit: Callable[[TopicEvent], None]) -> None:
        self.self_id = self_id
        self.settings = settings
        self.peers: dict[str, RemotePeer] = {}
        self.names: dict[str, str] = {}
        """Names given to peers by us (Go: `HostToPeer`); they win over names that peers tell."""
        self.dropped: Counter[str] = Counter()
        self.machines = 0
        """How many machines are known."""
        self.missing = Missing(settings)
        self._emit = emit
        self._introduced: Counter[str] = Counter()
        """How many peers each told us of that we never heard ourselves."""
        self._full_until_s = float("-inf")
        """No room for peers only heard of, as of a moment ago: one who invents thousands must not cost us a search each."""

    # -- looking

    def machine(self, key: Key) -> RemoteMachine | None:
        """The machine at an address, or None."""
        peer = self.peers.get(key[0])
        return peer.machines.get(key[1]) if peer else None

    def known_peers(self) -> list[RemotePeer]:
        """Peers that are there and whose machines we know."""
        return [p for p in self.peers.values() if p.known and p.status is not PeerStatus.GONE]

    def speakers(self) -> int:
        """How many peers say something themselves; those only heard of have no share in what may be said."""
        return sum(
            1 for p in self.peers.values() if p.heard_s is not None and p.status is not PeerStatus.GONE
        )

    def teller(self, peer_id: str) -> str:
        """Who is accountable for our knowing of a peer: itself once it spoke."""
        peer = self.peers.get(peer_id)
        return peer_id if peer is None or peer.heard_s is not None else peer.introduced_by

    def sums(self, peer: RemotePeer) -> dict[int, int]:
        """Index to tick sum of a peer's machines, as gossip tells it."""
        return {index: machine.sum for index, machine in peer.machines.items()}

    # -- counting

    def drop(self, peer_id: str, reason: str) -> None:
        """Count one piece of input that is thrown away."""
        self.dropped[reason] += 1
        peer = self.peers.get(peer_id)
        if peer is not None:
            peer.dropped[reason] += 1

    # -- peers

    def heard(self, author: str, sequence: int, now: float) -> RemotePeer | None:
        """`author` said something. None when its message is not to be used (counted)."""
        peer = self.peers.get(author)
        if peer is None:
            peer = self._new_peer(author, author, PeerStatus.JOINED, now)
            if peer is None:
                self.drop(author, "too-many-peers")
                return None
        newer = sequence > peer.sequence or sequence == 0
        if peer.status is PeerStatus.GONE and not newer:
            self.drop(author, "after-bye")
            return None
        if newer:
            if peer.heard_s is None:
                self._speaks(peer)
            peer.sequence = max(peer.sequence, sequence)
            peer.heard_s = peer.mentioned_s = now
            self._set_status(peer, PeerStatus.JOINED, "", now)
        if not peer.known:
            self.missing.peer(author, now)
        return peer

    def spoken_of(self, author: str, peer_id: str, now: float) -> RemotePeer | None:
        """Somebody speaks of a peer. None when there is no room for it (counted)."""
        peer = self.peers.get(peer_id)
        if peer is None:
            peer = self._new_peer(peer_id, author, PeerStatus.HEARSAY, now)
            if peer is None:
                self.drop(author, "too-many-peers")
                return None
        if peer.status is PeerStatus.STALE and peer.heard_s is None and not peer.doubted:
            self._news_of(peer, now)
        return peer

    def _news_of(self, peer: RemotePeer, now: float) -> None:
        """Others show that a peer lives which we never heard ourselves."""
        peer.mentioned_s, peer.doubted = now, False
        if peer.status is PeerStatus.STALE:
            self._set_status(peer, PeerStatus.HEARSAY, "", now)

    def joined(self, peer_id: str, now: float) -> None:
        """A peer connected to us takes part in the topic."""
        peer = self.peers.get(peer_id) or self._new_peer(peer_id, peer_id, PeerStatus.JOINED, now)
        if peer is None:
            self.drop(peer_id, "too-many-peers")
            return
        peer.connected = True
        peer.mentioned_s = now
        self._set_status(peer, PeerStatus.JOINED, "", now)
        if not peer.known:
            self.missing.peer(peer_id, now, wait_s=self.settings.join_grace_s)

    def left(self, peer_id: str, reason: str, now: float) -> None:
        """A peer connected to us left the topic or lost its connection; it may still be heard through others."""
        peer = self.peers.get(peer_id)
        if peer is None or not peer.connected:
            return
        peer.connected = False
        if peer.status is not PeerStatus.GONE:
            self._set_status(peer, PeerStatus.STALE, reason, now)

    def leave_all(self, reason: str, now: float) -> None:
        """We are cut off from everybody."""
        for peer in list(self.peers.values()):
            self.left(peer.peer_id, reason, now)

    def stale(self, peer: RemotePeer, reason: str, now: float) -> None:
        """A peer is out of reach for a while."""
        self._set_status(peer, PeerStatus.STALE, reason, now)

    def retire(self, peer: RemotePeer, reason: str, now: float) -> None:
        """A peer is gone for good, and its machines with it."""
        for index in list(peer.machines):
            self.remove(peer, index, reason)
        peer.known = False
        self.missing.forget(peer.peer_id)
        self._set_status(peer, PeerStatus.GONE, reason, now)

    def forget(self, peer: RemotePeer) -> None:
        """Remove the last trace of a peer."""
        for index in list(peer.machines):
            self.remove(peer, index, "forgotten")
        self.missing.forget(peer.peer_id)
        if self.peers.pop(peer.peer_id, None) is not None and peer.heard_s is None:
            self._speaks(peer)

    def rename(self, peer: RemotePeer, name: str) -> None:
        """A peer has a new name."""
        name = self.names.get(peer.peer_id, name)
        if name != peer.name:
            peer.name = name
            self._emit(PeerChanged(peer.peer_id, peer.status, name, peer.reason))

    # -- machines

    def add_machine(self, peer: RemotePeer, machine: RemoteMachine) -> None:
        """A machine became visible."""
        peer.machines[machine.key[1]] = machine
        self.machines += 1
        machine.source = self._source(machine)
        self._emit(MachineExposed(machine.key, machine.info.id, machine.source))

    def replace(self, machine: RemoteMachine, sequence: int, info: Info, now: float, reason: str) -> None:
        """The owner's machine began anew."""
        machine.info, machine.clock = info, Time(info.mtime or ())
        machine.first_hand, machine.teller, machine.sequence = True, machine.key[0], sequence
        machine.moved_s = machine.news_s = now
        machine.claimed_sum, machine.late = 0, False
        self._emit(MachineReplaced(machine.key, info.id, reason))
        self.judge(machine, "")

    def move(
        self, machine: RemoteMachine, clock: Time, teller: str, first_hand: bool, sequence: int, now: float
    ) -> None:
        """A machine's clock is set, be it to what it was."""
        before, machine.clock = machine.clock, clock
        machine.teller, machine.first_hand, machine.sequence = teller, first_hand, sequence
        machine.news_s = now
        machine.late = machine.late and machine.is_behind
        if clock != before:
            machine.moved_s = now
            peer = self.peers[machine.key[0]]
            if peer.heard_s is None:
                self._news_of(peer, now)
        if clock != before:  # before the trust in it is told, or an invented clock would be called first-hand
            self._emit(ClockChanged(machine.key, before, clock, self._source(machine), teller))
        self.judge(machine, "" if first_hand else "said by another peer")
        machines = self.peers[machine.key[0]].machines.values()
        if not any(m.is_behind or not m.first_hand for m in machines):
            self.missing.updated(machine.key[0])

    def label(self, machine: RemoteMachine, info: Info) -> None:
        """The machine is described again, perhaps with other tags or another parent."""
        same = same_labels(machine.info, info)
        machine.info = info
        if not same:
            self._emit(MachineLabelled(machine.key, info.id))

    def judge(self, machine: RemoteMachine, reason: str) -> None:
        """Tell when the trust in a machine's clock has changed."""
        source = self._source(machine)
        if source is not machine.source:
            machine.source = source
            self._emit(MachineSourceChanged(machine.key, source, reason))

    def remove(self, peer: RemotePeer, index: int, reason: str, sequence: int = 0) -> None:
        """A machine is gone for good."""
        machine = peer.machines.pop(index, None)
        if machine is None:
            return
        self.machines -= 1
        machine.source = Source.GONE
        peer.retired[index] = max(sequence, machine.sequence, peer.sequence)
        if len(peer.retired) > self.settings.max_machines_per_peer:
            peer.retired.pop(next(iter(peer.retired)))
        self._emit(MachineGone(machine.key, machine.info.id, reason))

    def judge_late(self, now: float) -> None:
        """Machines that have been behind for too long are stale."""
        for peer_id in list(self.missing.late):
            peer = self.peers.get(peer_id)
            for machine in peer.machines.values() if peer else ():
                if machine.is_behind and now - machine.claimed_s >= self.settings.behind_grace_s:
                    machine.late = True
                    self.judge(machine, "updates are missing")

    def judge_peer(self, peer: RemotePeer) -> None:
        """The peer's standing changed: so may the trust in its machines."""
        reason = peer.reason if peer.status is PeerStatus.STALE else ""
        for machine in peer.machines.values():
            self.judge(machine, reason)

    # -- inside

    def _new_peer(self, peer_id: str, teller: str, status: PeerStatus, now: float) -> RemotePeer | None:
        if peer_id == self.self_id or not peer_id or len(peer_id) > self.settings.max_name_chars:
            return None
        if teller != peer_id and self._introduced[teller] >= self.settings.max_peers_per_teller:
            return None
        if len(self.peers) >= self.settings.max_peers and not self._make_room(teller, peer_id, now):
            return None
        if teller != peer_id:
            self._introduced[teller] += 1
        peer = RemotePeer(peer_id, status, now, teller, name=self.names.get(peer_id, ""), mentioned_s=now)
        self.peers[peer_id] = peer
        self._emit(PeerChanged(peer_id, status, peer.name))
        return peer

    def _speaks(self, peer: RemotePeer) -> None:
        """Its teller is not accountable for it any longer."""
        if peer.introduced_by != peer.peer_id:
            self._introduced[peer.introduced_by] -= 1
            if self._introduced[peer.introduced_by] <= 0:
                del self._introduced[peer.introduced_by]

    def _make_room(self, teller: str, peer_id: str, now: float) -> bool:
        """Forget the peer that matters least, if there is one that may go: whoever told of most gives way to others."""
        spoke_itself = teller == peer_id
        greediest, most = self._introduced.most_common(1)[0] if self._introduced else ("", 0)
        is_modest = 2 * (self._introduced[teller] + 1) < most
        if not spoke_itself and not is_modest and now < self._full_until_s:
            return False
        gone = [p for p in self.peers.values() if p.status is PeerStatus.GONE]
        if not gone and spoke_itself:
            gone = [p for p in self.peers.values() if p.heard_s is None and not p.connected]
        if not gone and is_modest:
            told = (p for p in self.peers.values() if p.introduced_by == greediest)
            gone = [p for p in told if p.heard_s is None and not p.connected]
        if not gone:
            self._full_until_s = now + 1.0
            return False
        peer = min(gone, key=lambda p: p.since_s)
        if peer.status is not PeerStatus.GONE:
            self.retire(peer, "no room", peer.since_s)
        self.forget(peer)
        return True

    def _source(self, machine: RemoteMachine) -> Source:
        peer = self.peers[machine.key[0]]
        if peer.status in (PeerStatus.STALE, PeerStatus.GONE) or machine.late:
            return Source.STALE
        return Source.FIRST_HAND if machine.first_hand and machine.described else Source.HEARSAY

    def _set_status(self, peer: RemotePeer, status: PeerStatus, reason: str, now: float) -> None:
        if peer.status is status:
            return
        peer.status, peer.reason, peer.since_s = status, reason, now
        self._emit(PeerChanged(peer.peer_id, status, peer.name, reason))
        self.judge_peer(peer)
