"""Judging what one message says of machines: is it well formed, is it new, may it be believed? (Rules: `beliefs.py`.)

One pass: each method takes over what may be believed and says whether anything was new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ampubsub.machine import Time
from ampubsub.topic.beliefs import Beliefs
from ampubsub.topic.checks import clock_fault, info_fault, same_labels, same_shape
from ampubsub.topic.constants import (
    BEHIND_GRACE_S,
    CLAIMANTS,
    MACHINES,
    NAME_CHARS,
    PROMOTE_AFTER_S,
    REORDER_WINDOW_S,
    STATES,
)
from ampubsub.topic.events import LifeVerdict, PeerStatus, Source
from ampubsub.topic.peers import RemoteMachine, RemotePeer
from ampubsub.topic.questions import EarlyClock
from ampubsub.wire import ByeMachine, Info

PEER_NAME_TAG = "peer-name:"
_MAX_INDEX = (1 << 31) - 1


class News:
    """One message of one author, taken in part by part."""

    __slots__ = ("author", "beliefs", "by_stream", "now", "sequence", "signed", "wait_s", "whole")

    def __init__(
        self,
        beliefs: Beliefs,
        author: str,
        sequence: int,
        now: float,
        *,
        signed: bytes = b"",
        by_stream: bool = False,
        whole: bool = False,
        wait_s: float = 0.0,
    ) -> None:
        self.beliefs = beliefs
        self.author = author
        self.sequence = sequence
        self.now = now
        self.signed = signed
        self.by_stream = by_stream
        """The author itself says it, in order, on its private stream: there is nothing newer."""
        self.whole = whole
        """What the author describes of itself is all that it exposes: not one part of several."""
        self.wait_s = wait_s
        """How long to wait before asking for what is missing."""

    def info(self, peer_id: str, machines: Mapping[int, Info | None]) -> bool:
        """The author describes a peer's machines."""
        beliefs = self.beliefs
        if peer_id == beliefs.self_id:
            return False
        first_hand = self.author == peer_id
        peer = beliefs.spoken_of(self.author, peer_id, self.now)
        if peer is None or (not first_hand and peer.status is PeerStatus.GONE):
            return False
        new = False
        for index, info in machines.items():
            if info is None:
                continue
            if reason := self._refused(peer, index, info):
                beliefs.drop(self.author, reason)
            else:
                new |= self._describe(peer, index, info)
        if first_hand and self.whole:
            for index in [index for index in peer.machines if index not in machines]:
                new |= self._absent(peer, index)
        if first_hand or not peer.known:
            new |= not peer.known
            peer.known = True
        if first_hand:
            beliefs.missing.settle(peer_id)
            self._tell_name(peer, machines)
        elif not peer.first_hand or peer_id in beliefs.missing:
            beliefs.missing.confirm(peer_id, self.now, PROMOTE_AFTER_S + self.wait_s)
        return new

    def clock(self, machine: RemoteMachine, ticks: tuple[int, ...]) -> bool:
        """The author tells a machine's clock. Says whether the clock moved."""
        beliefs, owner = self.beliefs, machine.key[0]
        if reason := clock_fault(ticks, len(machine.clock)):
            beliefs.drop(self.author, reason)
            if self.author == owner:
                beliefs.missing.add(owner, self.now, self.wait_s)
            return False
        if self.author == owner:
            return self._owner_says(machine, Time(ticks))
        clock = Time(ticks)
        if machine.first_hand:
            self.claim(machine, clock.sum())
            return False
        if clock.sum() > machine.sum:
            beliefs.move(machine, clock, self.author, False, 0, self.now)
            return True
        machine.news_s = self.now
        return False

    def early(self, peer_id: str, index: int, ticks: tuple[int, ...]) -> bool:
        """The author tells a clock of a machine that we do not know. Kept, bounded; says whether it was."""
        beliefs = self.beliefs
        peer = beliefs.spoken_of(self.author, peer_id, self.now)
        if peer is None:
            return False
        if self.author != peer_id and (peer.status is PeerStatus.GONE or index in peer.retired):
            return False
        if self.author == peer_id and self.sequence and self.sequence <= peer.retired.get(index, -1):
            return False
        if not 0 <= index <= _MAX_INDEX or not 0 < len(ticks) <= STATES:
            beliefs.drop(self.author, "clock-length")
            return False
        early = EarlyClock(ticks, self.author, self.sequence, self.signed)
        if not beliefs.early.keep((peer_id, index), early):
            beliefs.drop(self.author, "too-many-early-clocks")
            return False
        beliefs.missing.add(peer_id, self.now, self.wait_s)
        return True

    def sums(self, told: Mapping[str, Mapping[int, int]]) -> tuple[bool, bool]:
        """The author tells tick sums. Says whether it names what we do not know, and whether it claims later clocks."""
        beliefs = self.beliefs
        names_unknown = claims = False
        for peer_id, by_index in told.items():
            if peer_id == beliefs.self_id:
                continue
            if self._sums_differ(peer_id, by_index):
                names_unknown = True
                self._note_unknown(peer_id, by_index)
            peer = beliefs.peers.get(peer_id)
            machines = peer.machines if peer is not None else {}
            for index, total in by_index.items():
                machine = machines.get(index)
                if machine is None:
                    continue
                if total > machine.sum:
                    claims |= self.claim(machine, total)
                elif self.author == peer_id and total == machine.sum and machine.is_behind:
                    self._refute(machine, total)
                    beliefs.settle(machine)
        return names_unknown, claims

    def claim(self, machine: RemoteMachine, total: int) -> bool:
        """The author tells a tick sum. Says whether updates are missing, by that."""
        if total <= machine.sum or self.author in machine.refuted:
            return False
        owner = machine.key[0]
        teller = self.beliefs.peers.get(self.author)
        if self.author != owner and (teller is None or not teller.had_witness or teller.lost_s is not None):
            # Identities are free, connections are not: whom nobody hears directly may make us ask, not doubt.
            self.beliefs.late.add(owner, self.now, BEHIND_GRACE_S + self.wait_s)
            return False
        if not machine.is_behind:
            machine.claimed_s = self.now
            machine.claims.clear()
        if self.author in machine.claims or len(machine.claims) < CLAIMANTS:
            machine.claims[self.author] = total
        elif self.author != machine.key[0]:
            return False  # whoever cannot be refuted later is not believed now
        machine.claimed_sum = max(machine.claimed_sum, total)
        self.beliefs.settle(machine)
        # The news may be on its way; what the owner says after the grace decides.
        self.beliefs.late.add(machine.key[0], self.now, BEHIND_GRACE_S + self.wait_s)
        return True

    def bye(self, machines: Mapping[int, ByeMachine]) -> None:
        """The author takes back machines of its own, or leaves. Nobody can say bye for somebody else."""
        beliefs = self.beliefs
        peer = beliefs.peers.get(self.author)
        if peer is None:
            return
        leaves = any(gone.peer_bye for gone in machines.values())
        if leaves and self.sequence and self.sequence < peer.sequence:
            return  # said in an earlier life, and late: what came after it is newer
        for index, gone in machines.items():
            machine = peer.machines.get(index)
            if machine is not None and gone.mtime and len(gone.mtime) == len(machine.clock):
                self.clock(machine, gone.mtime)
        if leaves:
            peer.verdict, peer.verdict_reason = LifeVerdict.LEFT, "it said bye"
            beliefs.retire(peer, "it said bye", self.now, by_itself=True)
            peer.said_bye, peer.signed_bye = self.sequence, self.signed
            return
        for index in machines:
            machine = peer.machines.get(index)
            if machine is not None and not 0 < self.sequence < machine.sequence:
                beliefs.remove(peer, index, "its peer took it back", self.sequence)

    # -- inside

    def _sums_differ(self, peer_id: str, told: Mapping[int, int]) -> bool:
        """Does gossip name machines that we do not know, or leave out what its author took back?"""
        peer = self.beliefs.peers.get(peer_id)
        if peer is None:
            return True
        first_hand = self.author == peer_id
        if peer.status is PeerStatus.GONE and not first_hand:
            return False
        if not peer.known:
            return True
        if first_hand:
            return told.keys() != peer.machines.keys()
        return any(index not in peer.machines and index not in peer.retired for index in told)

    def _note_unknown(self, peer_id: str, told: Mapping[int, int]) -> None:
        peer = self.beliefs.spoken_of(self.author, peer_id, self.now)
        if peer is None:
            return
        if self.author == peer_id:
            for index in [index for index in peer.machines if index not in told]:
                self._absent(peer, index)
        if not peer.known or any(index not in peer.machines for index in told):
            self.beliefs.missing.add(peer_id, self.now, self.wait_s)

    def _refused(self, peer: RemotePeer, index: int, info: Info) -> str:
        if not 0 <= index <= _MAX_INDEX:
            return "machine-index"
        if index not in peer.machines and (
            len(peer.machines) >= self.beliefs.settings.max_machines_per_peer
            or self.beliefs.machines >= MACHINES
        ):
            return "too-many-machines"
        return info_fault(info)

    def _describe(self, peer: RemotePeer, index: int, info: Info) -> bool:
        known = peer.machines.get(index)
        if known is None:
            return self._expose(peer, index, info)
        first_hand = self.author == peer.peer_id
        if not same_shape(known.info, info):
            if not first_hand or (known.described and not self._is_newer(known)):
                return False
            known.described = True
            known.signed_info = known.signed_clock = self.signed
            self.beliefs.replace(known, self.sequence, info, self.now, "it has another schema now")
            return True
        if not first_hand:
            if known.first_hand:
                self.claim(known, Time(info.mtime or ()).sum())
                return False
            moved = self.clock(known, info.mtime or ())
            self.beliefs.label(known, info, same_labels(known.info, info))
            return moved
        new = not known.described
        if new:
            known.described = True
            self.beliefs.judge(known, "")
        newest = not self.sequence or self.sequence >= known.sequence or self.by_stream
        if self.signed and (newest or not known.signed_info):
            known.signed_info = self.signed
        elif newest and not same_labels(known.info, info):
            known.signed_info = b""  # the stream says what no signed message of ours does
        moved = self.clock(known, info.mtime or ())
        if newest:
            same = same_labels(known.info, info)
            self.beliefs.label(known, info, same)
            new |= not same
        return moved or new

    def _expose(self, peer: RemotePeer, index: int, info: Info) -> bool:
        beliefs = self.beliefs
        first_hand = self.author == peer.peer_id
        if not first_hand and peer.first_hand:
            beliefs.missing.add(peer.peer_id, self.now, self.wait_s)
            return False
        if index in peer.retired:
            if not first_hand or (
                self.sequence and self.sequence <= peer.retired[index] and not self.by_stream
            ):
                beliefs.drop(self.author, "retired-index")
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
            signed_info=self.signed if first_hand else b"",
            signed_clock=self.signed if first_hand else b"",
            by_stream_s=self.now if self.by_stream else float("-inf"),
        )
        beliefs.add_machine(peer, machine)
        early = beliefs.early.take(machine.key)
        if early is not None:
            News(beliefs, early.teller, early.sequence, self.now, signed=early.signed).clock(
                machine, early.clock
            )
        return True

    def _absent(self, peer: RemotePeer, index: int) -> bool:
        """The owner tells all its machines, and this one is not among them."""
        machine = peer.machines[index]
        if self.by_stream or not machine.first_hand or self.sequence > machine.sequence > 0:
            self.beliefs.remove(peer, index, "its peer exposes it no longer", self.sequence)
            return True
        return False

    def _is_newer(self, machine: RemoteMachine) -> bool:
        """Is the owner's message newer than the one that set the clock?"""
        if self.by_stream or not machine.first_hand:
            return True
        if self.sequence and machine.sequence:
            return self.sequence > machine.sequence
        return self.now - machine.moved_s > REORDER_WINDOW_S

    def _owner_says(self, machine: RemoteMachine, clock: Time) -> bool:
        beliefs = self.beliefs
        before = machine.clock
        lower = clock != before and any(new < old for new, old in zip(clock, before, strict=True))
        if not self._is_newer(machine) and (lower or (self.sequence and machine.sequence)):
            return False
        if lower and not self.by_stream and self.now - machine.by_stream_s < REORDER_WINDOW_S:
            return False  # said on the topic before what the stream told, and heard after it
        if lower and machine.first_hand:
            machine.signed_clock = self.signed
            info = replace(machine.info, mtime=clock)
            beliefs.replace(machine, self.sequence, info, self.now, "it restarted: its clock is lower")
            self._mark_stream(machine)
            return True
        if machine.is_behind:
            self._refute(machine, clock.sum())
        if self.signed or clock != before or not machine.first_hand:
            machine.signed_clock = self.signed
        beliefs.move(machine, clock, machine.key[0], True, max(self.sequence, machine.sequence), self.now)
        self._mark_stream(machine)
        return clock != before

    def _mark_stream(self, machine: RemoteMachine) -> None:
        if self.by_stream:
            machine.by_stream_s = self.now

    def _refute(self, machine: RemoteMachine, total: int) -> None:
        """The owner says less than others claim, and had the time to say more."""
        if total >= machine.claimed_sum or self.now <= machine.claimed_s + BEHIND_GRACE_S:
            return
        for who, claimed in machine.claims.items():
            if claimed > total:
                if len(machine.refuted) >= CLAIMANTS:
                    machine.refuted.pop(next(iter(machine.refuted)))
                machine.refuted[who] = None
        machine.claims.clear()
        machine.claimed_sum = 0
        if machine.late:
            machine.late = False
            self.beliefs.judge(machine, "")

    def _tell_name(self, peer: RemotePeer, machines: Mapping[int, Info | None]) -> None:
        for info in machines.values():
            for tag in (info.tags if info else None) or ():
                if tag.startswith(PEER_NAME_TAG) and len(tag) <= NAME_CHARS:
                    self.beliefs.rename(peer, tag[len(PEER_NAME_TAG) :])
                    return
