"""Judging what others say of machines: is it well formed, is it new, may it be believed? (Rules: `registry.py`.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ampubsub.machine import Time
from ampubsub.topic.checks import clock_fault, info_fault, same_labels, same_shape
from ampubsub.topic.events import PeerStatus, Source
from ampubsub.topic.peers import RemoteMachine, RemotePeer
from ampubsub.topic.registry import Registry
from ampubsub.wire import ByeMachine, Info

PEER_NAME_TAG = "peer-name:"
_MAX_INDEX = (1 << 31) - 1


class News:
    """One message of one author, told to the registry part by part."""

    def __init__(
        self, registry: Registry, author: str, sequence: int, now: float, *, whole: bool = False
    ) -> None:
        self.registry = registry
        self.author = author
        self.sequence = sequence
        self.now = now
        self.whole = whole
        """What the author describes of itself is all that it exposes: not one part of several."""

    def info(self, peer_id: str, machines: Mapping[int, Info | None]) -> bool:
        """The author describes a peer's machines. Says whether anything in it was new."""
        registry = self.registry
        if peer_id == registry.self_id:
            return False
        first_hand = self.author == peer_id
        peer = registry.spoken_of(self.author, peer_id, self.now)
        if peer is None or (not first_hand and peer.status is PeerStatus.GONE):
            return False
        new = False
        for index, info in machines.items():
            if info is None:
                continue
            if reason := self._refused(peer, index, info):
                registry.drop(self.author, reason)
            else:
                new |= self._describe(peer, index, info)
        if first_hand and self.whole:
            for index in [index for index in peer.machines if index not in machines]:
                self._absent(peer, index)
        if first_hand or not peer.known:
            new |= not peer.known
            peer.known = True
        if first_hand:
            registry.missing.found(peer_id)
        elif not peer.first_hand or peer_id in registry.missing.peers:
            registry.missing.peers.confirm(peer_id, self.now, registry.settings.promote_after_s)
        if first_hand:
            self._tell_name(peer, machines)
        return new

    def clock(self, machine: RemoteMachine, ticks: tuple[int, ...]) -> bool:
        """The author tells a machine's clock. Says whether the clock moved."""
        registry, owner = self.registry, machine.key[0]
        if reason := clock_fault(ticks, len(machine.clock)):
            registry.drop(self.author, reason)
            if self.author == owner:
                registry.missing.peer(owner, self.now)
            return False
        clock = Time(ticks)
        if self.author == owner:
            return self._owner_says(machine, clock)
        if machine.first_hand:
            self.claim(machine, clock.sum())
            return False
        if clock.sum() > machine.sum:
            registry.move(machine, clock, self.author, False, 0, self.now)
            return True
        machine.news_s = self.now
        return False

    def early(self, peer_id: str, index: int, ticks: tuple[int, ...]) -> bool:
        """The author tells a clock of a machine that we do not know. Kept, bounded; says whether it was."""
        registry = self.registry
        peer = registry.spoken_of(self.author, peer_id, self.now)
        if peer is None:
            return False
        if self.author != peer_id and (peer.status is PeerStatus.GONE or index in peer.retired):
            return False
        if not 0 <= index <= _MAX_INDEX or not 0 < len(ticks) <= registry.settings.max_states:
            registry.drop(self.author, "clock-length")
            return False
        if not registry.missing.keep_early((peer_id, index), ticks, self.author, self.sequence):
            registry.drop(self.author, "too-many-early-clocks")
            return False
        registry.missing.peer(peer_id, self.now)
        return True

    def has_new(self, infos: Mapping[str, Mapping[int, Info | None] | None]) -> bool:
        """Is anything in these descriptions new to us? Changes nothing."""
        return any(
            self._peer_is_news(peer_id, machines or {})
            for peer_id, machines in infos.items()
            if peer_id != self.registry.self_id
        )

    def names_unknown(self, sums: Mapping[str, Mapping[int, int]]) -> bool:
        """Does gossip name peers or machines that we do not know, or leave out what its author took back?"""
        return any(self._sums_differ(peer_id, told) for peer_id, told in sums.items())

    def note_unknown(self, sums: Mapping[str, Mapping[int, int]]) -> None:
        """Ask for peers and machines that gossip names and we do not know."""
        for peer_id, told in sums.items():
            if not self._sums_differ(peer_id, told):
                continue
            peer = self.registry.spoken_of(self.author, peer_id, self.now)
            if peer is None:
                continue
            if self.author == peer_id:
                for index in [i for i in peer.machines if i not in told]:
                    self._absent(peer, index)
            if not peer.known or any(i not in peer.machines for i in told):
                self.registry.missing.peer(peer_id, self.now)

    def shows_behind(self, sums: Mapping[str, Mapping[int, int]]) -> bool:
        """Does gossip claim later clocks than ours? Changes nothing."""
        return any(
            machine is not None and total > machine.sum and self.author not in machine.refuted
            for peer_id, told in sums.items()
            for index, total in told.items()
            for machine in (self.registry.machine((peer_id, index)),)
        )

    def note_behind(self, sums: Mapping[str, Mapping[int, int]]) -> None:
        """Take note of the later clocks that gossip claims."""
        for peer_id, told in sums.items():
            for index, total in told.items():
                machine = self.registry.machine((peer_id, index))
                if machine is not None:
                    self.claim(machine, total)

    def claim(self, machine: RemoteMachine, total: int) -> bool:
        """The author tells a tick sum. Says whether updates are missing, by that."""
        registry = self.registry
        if total <= machine.sum or self.author in machine.refuted:
            return False
        if not machine.is_behind:
            machine.claimed_s = self.now
            machine.claims.clear()
        if len(machine.claims) < registry.settings.max_machines_per_peer:
            machine.claims[self.author] = total
        machine.claimed_sum = max(machine.claimed_sum, total)
        # The news may be on its way; what the owner says after the grace decides.
        registry.missing.updates(machine.key[0], self.now, wait_s=registry.settings.behind_grace_s)
        return True

    def bye(self, machines: Mapping[int, ByeMachine]) -> None:
        """The author takes back machines of its own, or leaves. Nobody can say bye for somebody else."""
        peer = self.registry.peers.get(self.author)
        if peer is None:
            return
        if self.sequence and any(m.sequence > self.sequence for m in peer.machines.values()):
            return  # said in an earlier life, and late: what came after it is newer
        for index, gone in machines.items():
            machine = peer.machines.get(index)
            if machine is not None and gone.mtime and len(gone.mtime) == len(machine.clock):
                self.clock(machine, gone.mtime)
        if any(gone.peer_bye for gone in machines.values()):
            self.registry.retire(peer, "it said bye", self.now)
            return
        for index in machines:
            self.registry.remove(peer, index, "its peer took it back", self.sequence)

    # -- inside

    def _peer_is_news(self, peer_id: str, machines: Mapping[int, Info | None]) -> bool:
        peer = self.registry.peers.get(peer_id)
        if peer is None or not peer.known or peer_id in self.registry.missing.peers:
            return True
        first_hand = self.author == peer_id
        if first_hand and self.whole and any(index not in machines for index in peer.machines):
            return True
        for index, info in machines.items():
            known = peer.machines.get(index)
            if info is None:
                continue
            if known is None or (
                first_hand
                and (not known.described or not known.first_hand or not same_shape(known.info, info))
            ):
                return True
            ticks = Time(info.mtime or ())
            if first_hand and (ticks != known.clock or not same_labels(known.info, info)):
                return True
            if ticks.sum() > known.sum:
                return True
        return False

    def _sums_differ(self, peer_id: str, told: Mapping[int, int]) -> bool:
        if peer_id == self.registry.self_id:
            return False
        peer = self.registry.peers.get(peer_id)
        if peer is None:
            return True
        first_hand = self.author == peer_id
        if peer.status is PeerStatus.GONE and not first_hand:
            return False
        if not peer.known:
            return True
        if first_hand:
            return set(told) != set(peer.machines)
        return any(index not in peer.machines and index not in peer.retired for index in told)

    def _refused(self, peer: RemotePeer, index: int, info: Info) -> str:
        settings = self.registry.settings
        if not 0 <= index <= _MAX_INDEX:
            return "machine-index"
        if index not in peer.machines and (
            len(peer.machines) >= settings.max_machines_per_peer
            or self.registry.machines >= settings.max_machines
        ):
            return "too-many-machines"
        return info_fault(info, settings)

    def _describe(self, peer: RemotePeer, index: int, info: Info) -> bool:
        known = peer.machines.get(index)
        if known is None:
            return self._expose(peer, index, info)
        first_hand = self.author == peer.peer_id
        if not same_shape(known.info, info):
            if not first_hand or (known.described and not self._is_newer(known)):
                return False
            known.described = True
            self.registry.replace(known, self.sequence, info, self.now, "it has another schema now")
            return True
        if first_hand and not known.described:
            known.described = True
            self.registry.judge(known, "")
        if first_hand or not known.first_hand:
            moved = self.clock(known, info.mtime or ())
            if not first_hand or not self.sequence or self.sequence >= known.sequence:
                self.registry.label(known, info)
            return moved
        self.claim(known, Time(info.mtime or ()).sum())
        return False

    def _expose(self, peer: RemotePeer, index: int, info: Info) -> bool:
        registry = self.registry
        first_hand = self.author == peer.peer_id
        if not first_hand and peer.first_hand:
            registry.missing.peer(peer.peer_id, self.now)
            return False
        if index in peer.retired:
            if not first_hand or (self.sequence and self.sequence <= peer.retired[index]):
                registry.drop(self.author, "retired-index")
                return False
            del peer.retired[index]
        machine = RemoteMachine(
            key=(peer.peer_id, index),
            info=info,
            clock=Time(info.mtime or ()),
            source=Source.HEARSAY,
            teller=self.author,
            first_hand=first_hand,
            sequence=self.sequence if first_hand else 0,
            moved_s=self.now,
            news_s=self.now,
            described=first_hand,
        )
        registry.add_machine(peer, machine)
        early = registry.missing.take_early(machine.key)
        if early is not None:
            News(registry, early.teller, early.sequence, self.now).clock(machine, early.clock)
        return True

    def _absent(self, peer: RemotePeer, index: int) -> None:
        """The owner tells all its machines, and this one is not among them."""
        machine = peer.machines[index]
        if not machine.first_hand or self.sequence > machine.sequence > 0:
            self.registry.remove(peer, index, "its peer exposes it no longer", self.sequence)

    def _is_newer(self, machine: RemoteMachine) -> bool:
        """Is the owner's message newer than the one that set the clock?"""
        if not machine.first_hand:
            return True
        if self.sequence and machine.sequence:
            return self.sequence > machine.sequence
        return self.now - machine.moved_s > self.registry.settings.reorder_window_s

    def _owner_says(self, machine: RemoteMachine, clock: Time) -> bool:
        registry = self.registry
        lower = any(new < old for new, old in zip(clock, machine.clock, strict=True))
        if not self._is_newer(machine) and (lower or (self.sequence and machine.sequence)):
            return False
        if lower and machine.first_hand:
            info = replace(machine.info, mtime=clock)
            registry.replace(machine, self.sequence, info, self.now, "it restarted: its clock is lower")
            return True
        if (
            machine.is_behind
            and clock.sum() < machine.claimed_sum
            and self.now > machine.claimed_s + registry.settings.behind_grace_s
        ):
            if len(machine.refuted) < registry.settings.max_machines_per_peer:
                machine.refuted.update(who for who, total in machine.claims.items() if total > clock.sum())
            machine.claimed_sum = 0
        moved = clock != machine.clock
        owner, sequence = machine.key[0], max(self.sequence, machine.sequence)
        registry.move(machine, clock, owner, True, sequence, self.now)
        return moved

    def _tell_name(self, peer: RemotePeer, machines: Mapping[int, Info | None]) -> None:
        limit = self.registry.settings.max_name_chars
        for info in machines.values():
            for tag in (info.tags if info else None) or ():
                if tag.startswith(PEER_NAME_TAG) and len(tag) <= limit:
                    self.registry.rename(peer, tag[len(PEER_NAME_TAG) :])
                    return
