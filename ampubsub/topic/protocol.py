"""The protocol of one peer on one topic: bytes, identities and time in, messages, events and the next due time out.

Pure: no I/O, no task, no clock of its own, no machine, nothing that calls back. The same calls with the same `random`
give the same bytes. Theory of operation:

* `receive` and `receive_direct` take one message or frame in, in one pass; `local` takes in what happened here.
* All that is to be said or judged later is a timer; `tick` does what is due and collects what is to be sent.
* What is believed lives in `beliefs.py` (judged in `news.py`), who lives in `life.py`, what is said on the topic in
  `speaking.py`, what goes over private streams in `sync.py`, what a message means for all of them in `hearing.py`. Here
  they are joined, and nothing else; that takes more lines than most files have.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from typing import Any

from ampubsub import wire
from ampubsub.topic import changes
from ampubsub.topic import constants as c
from ampubsub.topic.accounts import Intake
from ampubsub.topic.addresses import AddressBook, OpenRecord
from ampubsub.topic.beliefs import Beliefs
from ampubsub.topic.changes import LocalChange, Output
from ampubsub.topic.compose import limits_of, message_room, split_indexes
from ampubsub.topic.direct import (
    Addresses,
    Beat,
    Frame,
    FrameError,
    Own,
    Parts,
    Records,
    Rows,
    Sums,
    TellLinks,
    Want,
    decode_frame,
    encode_frame,
    unpack,
)
from ampubsub.topic.events import MachineExposed, MachineGone, PeerStatus, Source, TopicEvent
from ampubsub.topic.hearing import Hearing
from ampubsub.topic.life import Life
from ampubsub.topic.links import Links, Loss
from ampubsub.topic.news import News
from ampubsub.topic.own import OwnMachines
from ampubsub.topic.peers import RemotePeer
from ampubsub.topic.settings import TopicSettings
from ampubsub.topic.speaking import Speaking
from ampubsub.topic.sync import Sync
from ampubsub.topic.timers import Timers
from ampubsub.transport.interface import MessageReceived, Verdict
from ampubsub.wire import Limits, MsgInfo

_NOT_A_MESSAGE = "generic"
_REMEMBERED_BYTES = 16_384
_MOST_STEPS = 1000
"""Timers that one `tick` runs; more would be a timer that sets itself for now."""

OpenSigned = Callable[[bytes], MessageReceived | None]


@lru_cache(maxsize=1024)
def _decode_small(data: bytes, limits: Limits) -> wire.Message:
    return wire.decode(data, limits)


def _decode(data: bytes, limits: Limits) -> wire.Message:
    """The same bytes again cost nothing, as long as they are few enough to be remembered."""
    return _decode_small(data, limits) if len(data) <= _REMEMBERED_BYTES else wire.decode(data, limits)


def _of_itself(message: wire.Message, author: str) -> wire.Message:
    """What an author said of itself: a message that is handed on later is no news of anybody else."""
    match message:
        case MsgInfo(infos, gossips):
            return MsgInfo(_only(infos, author), _only(gossips, author))
        case wire.MsgUpdates(clocks):
            return wire.MsgUpdates(_only(clocks, author))
        case wire.MsgGossip(gossips):
            return wire.MsgGossip(_only(gossips, author))
        case _:
            return message


def _only(told: Mapping[str, Any] | None, author: str) -> dict[str, Any]:
    return {author: told[author]} if told and author in told else {}


class Protocol:
    """One peer on one topic.

    Args:
        name: The topic's name.
        peer_id: Our own peer id.
        settings: What a person may choose.
        random: The only source of chance; nothing secret comes from it.
        open_signed: Opens a signed message of this topic that came by another way; None when it is forged.
        open_record: Opens a signed address record.

    `now` is in seconds of any clock that never goes back, the same for all calls.
    """

    def __init__(
        self,
        *,
        name: str,
        peer_id: str,
        settings: TopicSettings,
        random: Random,
        open_signed: OpenSigned | None = None,
        open_record: OpenRecord | None = None,
    ) -> None:
        self.name, self.peer_id, self.settings, self.random = name, peer_id, settings, random
        self.beliefs = Beliefs(peer_id, settings)
        self.life = Life(self.beliefs)
        self.own = OwnMachines()
        self.timers = Timers()
        self.speaking = Speaking(self.beliefs, self.life, self.own, self.timers, settings, random)
        self.sync = Sync(name, self.beliefs, self.life, self.own)
        self.intake = Intake(settings.messages_per_peer, settings.messages_in_total)
        self._frames = Intake(1 << 30, 1 << 30, 4 * c.BYTES_IN_TOTAL)
        self.limits = limits_of(settings)
        self.hearing = Hearing(self.beliefs, self.speaking, self.own)
        self._open_signed = open_signed
        self._passed: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._muted: dict[str, bool] = {}
        """Muted peers, each with whether what it hands on is unwanted as well."""
        self._addresses = AddressBook(self.beliefs, self.life, random, open_record)
        self._dials: list[bytes] = []
        self._handlers: dict[str, Callable[[float], None]] = {
            "heartbeat": self._heartbeat,
            "beat": self._beat,
            "links": self._tell_links,
            "judge": self._judge,
            "records": self._send_records,
            "info": self.speaking.say_info,
            "parts": self.speaking.say_parts,
            "greet": self.speaking.say_greeting,
            "updates": self.speaking.say_updates,
            "ask": self.speaking.ask,
            "ask-clocks": self.speaking.ask_clocks,
            "gossip": self.speaking.say_gossip,
            "sums": self.speaking.say_sums,
            "bye": self.speaking.say_bye,
            "flush": lambda now: None,
        }

    # -- messages of the topic

    def check(self, now: float, message: MessageReceived) -> Verdict:
        """Asked before a message is relayed: charges the neighbour that brought it. Never punishes anybody."""
        if message.author == self.peer_id:
            return Verdict.ACCEPT
        if reason := self._refusal(now, message):
            self.beliefs.drop(message.author, reason)
            return Verdict.IGNORE
        if message.sequence:
            self._passed[message.author, message.sequence] = None
            if len(self._passed) > c.REMEMBERED:
                self._passed.popitem(last=False)
        return Verdict.ACCEPT

    def receive(self, now: float, message: MessageReceived) -> list[TopicEvent]:
        """A message of the topic."""
        if message.author == self.peer_id:
            return []
        charged = (message.author, message.sequence) in self._passed
        if charged:
            del self._passed[message.author, message.sequence]
        elif reason := self._refusal(now, message):
            self.beliefs.drop(message.author, reason)
            return self._events()
        if self.intake.said(message.author, now) <= self.settings.budget_own:
            self.speaking.budget.heard(now)  # what one says beyond its own budget must not silence the others
        self._take(now, message)
        return self._events()

    def _refusal(self, now: float, message: MessageReceived) -> str:
        author, neighbour = message.author, message.received_from or message.author
        if author in self._muted or self._muted.get(neighbour):
            return "muted"
        if len(message.data) > self.settings.max_message_bytes:
            return "oversize"
        return self.intake.refusal(neighbour, author, len(message.data), now)

    def _take(self, now: float, received: MessageReceived, *, relayed: bool = False) -> None:
        author = received.author
        try:
            message = _decode(received.data, self.limits)
        except wire.WireError as error:
            self.beliefs.drop(author, error.reason)
            if error.reason == _NOT_A_MESSAGE:
                self.hearing.did("MsgReceived", peer_id=author, message=received, length=1)
            return
        hello = isinstance(message, MsgInfo) and author in (message.peer_info or {})
        peer = self.beliefs.heard(
            author, received.sequence, now, through=received.received_from, relayed=relayed, hello=hello
        )
        if peer is None:
            return
        self._note_restarts(now)
        peer.messages_in[message.type] += 1
        self.hearing.heard_of.append(("Peer", ""))
        if relayed:
            message = _of_itself(message, author)
        self.hearing.take(now, message, peer, received, relayed=relayed)
        self.speaking.look_for_questions(now)

    # -- the private stream

    def receive_direct(self, now: float, neighbour: str, data: bytes) -> list[TopicEvent]:
        """A frame of the private stream."""
        if neighbour in self._muted:
            return []
        try:
            frame = decode_frame(self.name, data)
            if frame is not None:
                self._frame(now, neighbour, frame)
        except (FrameError, wire.WireError) as error:
            self.beliefs.drop(neighbour, str(getattr(error, "reason", error)))
        return self._events()

    def _frame(self, now: float, neighbour: str, frame: Frame) -> None:
        if self.life.has_left(neighbour):
            return
        known = self.life.neighbours.get(neighbour)
        if known is None or not known.direct:
            self._direct_opened(now, neighbour)
        if self.life.frame(neighbour, now):
            self.timers.by("links", now)
            self.timers.by("judge", now)
        match frame:
            case Beat():
                self.sync.heard_beat(neighbour, frame, now)
            case TellLinks(told):
                self._links_told(now, neighbour, told)
            case Sums():
                self.sync.heard_sums(neighbour, frame, now)
            case Parts():
                self.sync.heard_parts(neighbour, frame, now)
            case Rows():
                self.sync.heard_rows(neighbour, frame, now)
            case Want():
                self.sync.heard_want(neighbour, frame, now)
            case Records(packed):
                self._records(now, neighbour, packed)
            case Own(data):
                self._own_word(now, neighbour, data)
            case Addresses(records):
                self._addresses.take(records)
        self.timers.by("records", self.sync.records_due())
        if self.sync.out:
            self.timers.by("flush", now)

    def _links_told(self, now: float, neighbour: str, told: tuple[tuple[str, Any], ...]) -> None:
        known = self.life.map.told
        for peer_id, links in told:
            if peer_id not in known and len(known) >= 2 * self.settings.max_peers:
                self.beliefs.drop(neighbour, "too-many-links")
                continue
            if self.life.map.take(peer_id, links):
                self._restarts_told(links)
                own = peer_id == self.peer_id
                self.sync.links_changed(peer_id, "" if own else neighbour)
                self.timers.by("links", now)
                self.timers.by("judge", now + c.JUDGE_DELAY_S)

    def _restarts_told(self, links: Links) -> None:
        for short, loss in links.lost:
            peer = self.beliefs.peers.get(self.life.map.named(short) or "")
            if loss == Loss.RESTARTED and peer is not None and not peer.connected:
                peer.may_restart = True

    def _note_restarts(self, now: float) -> None:
        for peer_id in self.beliefs.restarted:
            self.life.restarted(peer_id, now)
            self.timers.by("links", now)
        self.beliefs.restarted.clear()

    def _records(self, now: float, neighbour: str, packed: bytes) -> None:
        """Signed messages that a neighbour hands on: what their authors said is first-hand, whichever way it comes."""
        if self._open_signed is None:
            return
        messages = unpack(packed)
        size = sum(map(len, messages))
        if reason := self._frames.refusal(neighbour, neighbour, size, now):
            self.beliefs.drop(neighbour, reason)
            return
        self.sync.heard_records(now)
        for signed in messages:
            received = self._open_signed(signed)
            if received is None:
                self.beliefs.drop(neighbour, "bad-signature")
                continue
            if received.author == self.peer_id or received.author in self._muted:
                continue
            received = MessageReceived(
                self.name, received.author, received.data, neighbour, received.sequence, signed
            )
            self._take(now, received, relayed=True)

    def _own_word(self, now: float, neighbour: str, data: bytes) -> None:
        """A neighbour says something of itself: the stream is proof enough, and in order."""
        message = _decode(data, self.limits)
        if not isinstance(message, MsgInfo) or set(message.peer_info or {}) != {neighbour}:
            self.beliefs.drop(neighbour, "not-its-own")
            return
        known = self.beliefs.peers.get(neighbour)
        if known is not None and known.said_bye >= 0:
            return  # said before its bye, and heard after it
        peer = self.beliefs.heard(neighbour, 0, now, through=neighbour, relayed=False, hello=True)
        if peer is None:
            return
        peer.messages_in[message.type] += 1
        wait_s = self.speaking.stream_wait()
        news = News(self.beliefs, neighbour, peer.sequence, now, by_stream=True, wait_s=wait_s)
        self.hearing.info(now, message, news)
        self.speaking.look_for_questions(now)

    def _describe_own(self, indexes: list[int]) -> list[bytes]:
        """Machines of ours, for one neighbour; our sums say which machines there are besides."""
        infos = {index: info for index in indexes if (info := self.own.info(index)) is not None}
        parts, _ = split_indexes({self.peer_id: infos}, message_room(self.settings))
        sums = {self.peer_id: self.own.sums()}
        return [
            wire.encode(MsgInfo({self.peer_id: {i: infos[i] for i in part[self.peer_id]}}, sums))
            for part in parts
            if self.peer_id in part
        ]

    def _direct_opened(self, now: float, peer_id: str) -> None:
        self.life.opened(peer_id, now)
        if (peer := self.beliefs.peers.get(peer_id)) is not None:
            peer.new_link = True
        self._open_stream(now, peer_id)

    def _open_stream(self, now: float, peer_id: str) -> None:
        """We and a neighbour take part, and the stream between us stands: say what we expose, and begin."""
        neighbour, peer = self.life.neighbours.get(peer_id), self.beliefs.peers.get(peer_id)
        if neighbour is None or not neighbour.direct or peer is None or not peer.connected:
            return
        if not self.speaking.may_speak():
            return
        neighbour.opened_s = neighbour.frame_s = now
        self.sync.opened(peer_id, now)
        for data in self._describe_own(list(self.own.infos)):
            self.sync.send_own(peer_id, data, now)
        self._tell_addresses(peer_id)
        self.timers.by("beat", now + c.BEAT_S * self.random.uniform(0.5, 1.0))
        self.timers.by("links", now + c.LINKS_DELAY_S)

    def _tell_addresses(self, neighbour: str) -> None:
        if records := self._addresses.to_tell(neighbour):
            self.sync.out.append((neighbour, encode_frame(self.name, Addresses(records))))

    # -- what happens here

    def local(self, now: float, change: LocalChange) -> list[TopicEvent]:
        """Something happened here: see `changes.py`."""
        match change:
            case changes.Changed(index, clock):
                if self.own.change(index, clock):
                    self.speaking.changed(True, now)
                elif self.own.dirty:
                    self.speaking.changed(False, now)
            case changes.Exposed(index, info):
                if index not in self.own.infos:
                    self.beliefs.events.append(MachineExposed((self.peer_id, index), info.id, Source.LOCAL))
                self.own.expose(index, info)
                self.speaking.describe_soon(now)
            case changes.Unexposed(index, last):
                if (gone := self.own.infos.get(index)) is not None:
                    self.own.unexpose(index, last)
                    reason = "exposed no longer"
                    self.beliefs.events.append(MachineGone((self.peer_id, index), gone.id, reason))
                    self.speaking.took_back(now)
            case changes.Joined(neighbours):
                self.own.gone.clear()
                self.speaking.begin(now)
                for peer_id in neighbours:
                    self._subscribed(now, peer_id)
            case changes.Leaving():
                self._leave(now)
            case changes.Left(reason, stopped):
                self._left(now, reason, stopped=stopped)
            case changes.Connected(peer_id, _, agent):
                self.life.connected(peer_id, agent, now)
            case changes.Disconnected():
                self._disconnected(now, change)
            case changes.Subscribed(peer_id):
                self._subscribed(now, peer_id)
            case changes.Unsubscribed(peer_id):
                self._unsubscribed(now, peer_id)
            case changes.DirectOpened(peer_id):
                self._direct_opened(now, peer_id)
            case changes.RoundTrip(seconds):
                self.speaking.round_trip_s = seconds
            case changes.Muted(peer_id, muted, through):
                self._mute(peer_id, muted=muted, through=through)
            case changes.Named(peer_id, name):
                self._name(peer_id, name)
            case changes.AddressRecord(record):
                self._addresses.own = record
                for peer_id in self.sync.streams:
                    self._tell_addresses(peer_id)
            case changes.TransportDropped(peer_id, reason):
                self.beliefs.drop(peer_id, reason)
        if self.sync.out:
            self.timers.by("flush", now)
        return self._events()

    def _subscribed(self, now: float, peer_id: str) -> None:
        if peer_id in ("", self.peer_id):
            return
        self.life.came(peer_id, now)
        peer = self.beliefs.joined(peer_id, now)
        if peer is None:
            return
        if not peer.known:
            self.beliefs.missing.add(peer_id, now, c.JOIN_GRACE_S + self.speaking.stream_wait())
        self.speaking.greet(peer_id, now)
        if peer_id not in self.sync.streams:
            self._open_stream(now, peer_id)
        self.hearing.did("PeerJoined", peer_id=peer_id)
        self.timers.by("links", now + c.LINKS_DELAY_S)
        self.timers.by("judge", now + c.JUDGE_DELAY_S)

    def _unsubscribed(self, now: float, peer_id: str) -> None:
        peer = self.beliefs.peers.get(peer_id)
        if peer is None or not peer.connected or peer_id not in self.life.neighbours:
            return
        self.life.left(peer_id, now)
        self.sync.closed(peer_id)
        self._lost(now, peer, "it left the topic")

    def _disconnected(self, now: float, change: changes.Disconnected) -> None:
        self.life.ended(change.peer_id, change.cause, now)
        self.sync.closed(change.peer_id)
        peer = self.beliefs.peers.get(change.peer_id)
        if peer is not None and peer.connected:
            self._lost(now, peer, change.reason)

    def _lost(self, now: float, peer: RemotePeer, reason: str) -> None:
        peer.connected = False
        self.speaking.newcomers.pop(peer.peer_id, None)
        self.hearing.did("PeerLeft", peer_id=peer.peer_id, reason=reason)
        self._judge(now)
        self.timers.by("links", now)
        if self.speaking.joined and not self.life.linked():
            self.life.cut_off("we are cut off: no connection is left", now)

    def _leave(self, now: float) -> None:
        """A bye is the last word: after it nothing is said."""
        may_speak = self.speaking.may_speak()
        self.speaking.end()
        self.timers.stop_all()
        self.speaking.said.clear()
        self.sync.out.clear()
        if may_speak:
            self.speaking.farewell(now)
        self.timers.set("flush", now)

    def _left(self, now: float, reason: str, *, stopped: bool) -> None:
        self.speaking.end()
        self.timers.stop_all()
        self.sync.out.clear()
        for peer in self.beliefs.peers.values():
            peer.connected = False
        self.sync.streams.clear()
        if stopped:
            self.life.neighbours.clear()
        self._judge(now)
        self.life.cut_off(reason, now)
        self.timers.set("heartbeat", now + c.HEARTBEAT_S)

    def _mute(self, peer_id: str, *, muted: bool, through: bool) -> None:
        if muted:
            self._muted[peer_id] = through
        else:
            self._muted.pop(peer_id, None)
        if (peer := self.beliefs.peers.get(peer_id)) is not None:
            peer.muted = muted

    def _name(self, peer_id: str, name: str) -> None:
        self.beliefs.names.pop(peer_id, None)
        if name:
            self.beliefs.names[peer_id] = name
        if (peer := self.beliefs.peers.get(peer_id)) is not None:
            self.beliefs.rename(peer, name)

    # -- time

    def tick(self, now: float) -> Output:
        """Do what is due."""
        due = self.timers.next_due()
        if now - due > c.LAG_S:
            self.life.late(now - due, now)
        for _ in range(_MOST_STEPS):
            name = self.timers.take(now)
            if not name:
                break
            self._handlers[name](now)
        output = Output(events=self._events())
        for kind, data in self.speaking.said:
            output.messages.append(data)
            self.hearing.did("SendMsg", msg_type=kind, length=len(data))
        self.speaking.said.clear()
        if self.speaking.silent:
            self.sync.out.clear()
        output.direct.extend(self.sync.out)
        self.sync.out.clear()
        output.dial.extend(self._dials)
        self._dials.clear()
        return output

    def next_due(self) -> float:
        """When to call `tick` next; infinity when nothing is due."""
        return self.timers.next_due()

    def _heartbeat(self, now: float) -> None:
        self.timers.set("heartbeat", now + c.HEARTBEAT_S * self.random.uniform(0.9, 1.1))
        self.life.expire(now, joined=self.speaking.joined)
        if self.speaking.may_speak():
            self._dials += self._addresses.to_dial(now)
            if self._addresses.is_time_to_tell(now):
                for neighbour in self.sync.streams:
                    self._tell_addresses(neighbour)
            self.timers.by("flush", now)
        self.sync.prune()
        for questions in (self.beliefs.missing, self.beliefs.late):
            questions.look()
        self.speaking.look_for_questions(now)
        if self.speaking.joined:
            self.hearing.did("Heartbeat")

    def _beat(self, now: float) -> None:
        if not self.life.streams() or self.speaking.silent:
            return
        asked = self.life.to_ping(now)
        self.life.calm()
        self.sync.beat(now, tuple(asked))
        for peer_id in self.life.streams():
            neighbour = self.life.neighbours[peer_id]
            if not neighbour.spoke and not neighbour.fed and now - neighbour.opened_s > 2 * c.BEAT_S:
                neighbour.fed = True
                self.sync.feed(peer_id, now)
        if any(neighbour.silent for neighbour in self.life.neighbours.values()):
            self.timers.by("links", now)
            self.timers.by("judge", now)
        self.timers.by("records", self.sync.records_due())
        pause_s = c.PING_EVERY_S if asked else c.BEAT_S
        self.timers.set("beat", now + (min(pause_s, c.DIFFERING_BEAT_S) if self.sync.differs else pause_s))

    def _judge(self, now: float) -> None:
        self.life.judge(now)
        self.sync.prune()

    def _tell_links(self, now: float) -> None:
        if self.life.own_links(now):
            self.sync.links_changed(self.peer_id)
        self.sync.tell_links(now)

    def _send_records(self, now: float) -> None:
        self.sync.send_records(now, self._describe_own)
        self.timers.by("records", self.sync.records_due())

    # -- looking

    def working(self) -> frozenset[str]:
        """States of the topic machine that stand for what is due: work that is under way."""
        if not self.speaking.may_speak():
            return frozenset()
        working = {_WORK[name] for name in _WORK if self.timers.when(name) < float("inf")}
        return frozenset(working)

    @property
    def alive(self) -> int:
        """How many peers are believed to live."""
        return sum(p.status in (PeerStatus.JOINED, PeerStatus.HEARSAY) for p in self.beliefs.peers.values())

    def _events(self) -> list[TopicEvent]:
        events, self.beliefs.events = self.beliefs.events, []
        return events


_WORK = {
    "info": "SendInfo",
    "parts": "DoSendInfo",
    "updates": "SendUpdates",
    "ask": "ReqMissingPeers",
    "ask-clocks": "ReqMissingUpdates",
}
