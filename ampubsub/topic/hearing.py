"""What a decoded message makes us believe and owe: each part of it to whom it concerns. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from ampubsub import wire
from ampubsub.topic import constants as c
from ampubsub.topic.beliefs import Beliefs
from ampubsub.topic.news import News
from ampubsub.topic.own import OwnMachines
from ampubsub.topic.peers import RemotePeer
from ampubsub.topic.speaking import Speaking
from ampubsub.transport.interface import MessageReceived
from ampubsub.wire import MsgInfo


class Hearing:
    """Takes decoded messages in, and notes what was heard."""

    def __init__(self, beliefs: Beliefs, speaking: Speaking, own: OwnMachines) -> None:
        self.beliefs, self.speaking, self.own = beliefs, speaking, own
        self.activity: dict[str, dict[str, Any]] = {}
        """What was said and heard since somebody looked: names of states of the topic machine, with arguments."""
        self.heard_of: deque[tuple[str, str]] = deque(maxlen=c.REMEMBERED)
        """What was heard of whom since somebody looked, for metrics: `Peer`, `Info`, `Gossip`, `Update`, and a peer id."""

    def did(self, state: str, **arguments: Any) -> None:
        """Something happened that is worth a state of the topic machine."""
        self.activity[state] = arguments

    def take(
        self, now: float, message: wire.Message, peer: RemotePeer, received: MessageReceived, *, relayed: bool
    ) -> None:
        """Take in what a message says. `relayed`: handed on by somebody, so that its questions are long past."""
        author = peer.peer_id
        whole = isinstance(message, MsgInfo) and author not in (message.peer_gossips or {})
        news = News(
            self.beliefs,
            author,
            received.sequence,
            now,
            signed=received.signed,
            whole=whole,
            wait_s=self.speaking.stream_wait(),
        )
        match message:
            case wire.MsgInfo():
                self.info(now, message, news)
            case wire.MsgUpdates():
                self._updates(now, message, news)
            case wire.MsgGossip():
                self._gossips(now, message.peer_gossips, news)
            case wire.MsgBye() if message.machs:
                news.bye(message.machs)
                self.did("MsgBye", peer_id=author, length=len(message.machs))
            case wire.MsgReqInfo() if not relayed:
                asked = message.peer_ids or ()
                self.beliefs.missing.others_asked(asked, now, self.speaking.pace)
                if self.speaking.asked_for_info(author, asked, now):
                    self.did("MsgReqInfo", peer_id=author, length=len(asked))
            case wire.MsgReqUpdates() if not relayed:
                asked = message.peer_ids or ()
                self.beliefs.late.others_asked(asked, now, self.speaking.pace)
                if self.speaking.asked_for_clocks(author, asked, now):
                    self.did("MsgReqUpdates", peer_id=author, length=len(asked))
            case _:
                pass

    def info(self, now: float, message: MsgInfo, news: News) -> None:
        """Descriptions, and the gossip beside them."""
        self.speaking.others_described(message, news.author, now)
        new = False
        infos = message.peer_info or {}
        for peer_id, machines in infos.items():
            new |= news.info(peer_id, machines or {})
            self.heard_of.append(("Info", peer_id))
        if new:
            self.did("MsgInfo", peer_id=news.author, length=len(infos))
        self._gossips(now, message.peer_gossips, news)

    def _gossips(self, now: float, told: Mapping[str, Mapping[int, int] | None] | None, news: News) -> None:
        gossips = {peer_id: sums or {} for peer_id, sums in (told or {}).items()}
        if not gossips:
            return
        if news.author in gossips:
            self.beliefs.peers[news.author].tells_itself = True
        if self.beliefs.self_id in gossips:
            self.speaking.told_sums_of_us(gossips[self.beliefs.self_id], now)
        for peer_id in gossips:
            if peer_id in self.beliefs.peers:
                self.beliefs.spoken_of(news.author, peer_id, now)
            self.heard_of.append(("Gossip", peer_id))
        unknown, claims = news.sums(gossips)
        if unknown:
            self.did("MissPeersByGossip", peer_id=news.author, length=len(gossips))
        if claims:
            self.did("MissUpdatesByGossip", peer_id=news.author, length=len(gossips))

    def _updates(self, now: float, message: wire.MsgUpdates, news: News) -> None:
        clocks = message.peer_clocks or {}
        peers, self_id, early = self.beliefs.peers, self.beliefs.self_id, 0
        for peer_id, by_index in clocks.items():
            if peer_id == self_id:
                if any(self.own.is_false_clock(i, ticks or ()) for i, ticks in (by_index or {}).items()):
                    self.speaking.correct(now)
                continue
            peer = peers.get(peer_id)
            machines = peer.machines if peer is not None else {}
            for index, ticks in (by_index or {}).items():
                machine = machines.get(index)
                if machine is not None:
                    news.clock(machine, ticks or ())
                elif news.early(peer_id, index, ticks or ()):
                    early += 1
            self.heard_of.append(("Update", peer_id))
        self.did("MsgUpdates", peer_id=news.author, length=len(clocks))
        if early:
            self.did("MissPeersByUpdates", peer_id=news.author, length=early)
        self.speaking.others_told_clocks(clocks, news.author, now)
