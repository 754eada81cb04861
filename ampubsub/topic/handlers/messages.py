"""Messages: what comes in is bounded, decoded and handed on; what goes out is bounded and queued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ampubsub import wire
from ampubsub.machine import Event, Time
from ampubsub.topic.checks import same_shape
from ampubsub.topic.core import Core
from ampubsub.topic.news import News
from ampubsub.topic.peers import RemotePeer
from ampubsub.transport.interface import MessageReceived

_NOT_A_MESSAGE = "generic"


class MessageHandlers:
    """ProcessMsgs, MsgReceived, SendMsg."""

    def __init__(self, core: Core) -> None:
        self.core = core

    # -- in

    def ProcessMsgsEnter(self, event: Event) -> bool:
        """There must be messages."""
        return bool(event.args.get("messages"))

    def ProcessMsgsState(self, event: Event) -> None:
        """Decode a batch of received messages and hand each on."""
        for received in event.args["messages"]:
            self._process(received, event)

    def _process(self, received: MessageReceived, event: Event) -> None:
        core, author = self.core, received.author
        now = core.now()
        if reason := core.intake.allow(author, now):
            core.registry.drop(author, reason)
            return
        if core.intake.count(author, now) <= core.settings.budget_own:
            core.budget.heard(now)  # what one says beyond its own budget must not silence the others
        if len(received.data) > core.settings.max_message_bytes:
            core.registry.drop(author, "oversize")
            return
        try:
            message = wire.decode(received.data, core.limits)
        except wire.WireError as error:
            self._unreadable(received, error, event)
            return
        peer = core.registry.heard(author, received.sequence, now)
        if peer is None:
            return
        peer.messages_in[message.type] += 1
        core.metric("Peer", "")
        self._hand_on(message, peer, received.sequence, event)

    def _unreadable(self, received: MessageReceived, error: wire.WireError, event: Event) -> None:
        """Free messages are an event; anything else that cannot be read is only counted."""
        core = self.core
        core.registry.drop(received.author, error.reason)
        if error.reason == _NOT_A_MESSAGE:
            core.add("MsgReceived", event=event, peer_id=received.author, messages=[received], length=1)

    def _hand_on(self, message: wire.Message, peer: RemotePeer, sequence: int, event: Event) -> None:
        core, author = self.core, peer.peer_id
        if isinstance(message, wire.MsgInfo):
            self._others_told(message, author, event)
            whole = author not in (message.peer_gossips or {})  # parts bring the author's sums along
            news = News(core.registry, author, sequence, core.now(), whole=whole)
            core.add(
                "MsgInfo",
                event=event,
                peer_id=author,
                message=message,
                news=news,
                length=len(message.peer_info or ()),
            )
            self._hand_on_gossip(message.peer_gossips, peer, news, event)
        elif isinstance(message, wire.MsgUpdates):
            news = News(core.registry, author, sequence, core.now())
            core.add("MsgUpdates", event=event, peer_id=author, message=message, news=news)
        elif isinstance(message, wire.MsgGossip):
            news = News(core.registry, author, sequence, core.now())
            self._hand_on_gossip(message.peer_gossips, peer, news, event)
        elif isinstance(message, wire.MsgReqInfo):
            core.registry.missing.peers.others_asked(message.peer_ids or (), core.now(), core.pace())
            core.add("MsgReqInfo", event=event, peer_id=author, message=message)
        elif isinstance(message, wire.MsgReqUpdates):
            core.registry.missing.late.others_asked(message.peer_ids or (), core.now(), core.pace())
            core.add("MsgReqUpdates", event=event, peer_id=author, message=message)
        elif isinstance(message, wire.MsgBye):
            news = News(core.registry, author, sequence, core.now())
            core.add("MsgBye", event=event, peer_id=author, message=message, news=news)

    def _hand_on_gossip(
        self,
        told: Mapping[str, Mapping[int, int] | None] | None,
        peer: RemotePeer,
        news: News,
        event: Event,
    ) -> None:
        core = self.core
        gossips = {peer_id: sums or {} for peer_id, sums in (told or {}).items()}
        if not gossips:
            return
        if peer.peer_id in gossips:
            peer.tells_itself = True
        for peer_id in gossips:
            if peer_id in core.registry.peers:
                core.registry.spoken_of(peer.peer_id, peer_id, core.now())
        core.add("MissPeersByGossip", event=event, peer_id=peer.peer_id, gossips=gossips, news=news)
        core.add("MissUpdatesByGossip", event=event, peer_id=peer.peer_id, gossips=gossips, news=news)

    def _others_told(self, message: wire.MsgInfo, author: str, event: Event) -> None:
        """Somebody gave answers that we owe: they are not given again."""
        core, now = self.core, self.core.now()
        for peer_id, machines in (message.peer_info or {}).items():
            if peer_id == core.peer_id:
                if self._tells_us_wrong(machines or {}):
                    self._correct(event)
                if now < core.correcting_until_s:
                    continue
            if peer_id not in core.info_due:
                continue
            if peer_id != author and not self._tells_all(peer_id, machines or {}):
                continue
            if peer_id == core.peer_id and core.newcomers:
                continue  # a newcomer is greeted with our own word
            for asker in core.info_due.answered(peer_id):
                if peer_id != core.peer_id:  # who was told of us by others may still want our own word
                    core.told.told(asker, peer_id, now)

    def _tells_us_wrong(self, machines: Mapping[int, wire.Info | None]) -> bool:
        """Does somebody describe machines as ours that are not, or not so?"""
        own = self.core.exposures
        return any(
            info is not None
            and (index not in own.machines or not same_shape(own.info(own.machines[index]), info))
            for index, info in machines.items()
        )

    def _correct(self, event: Event) -> None:
        """Only we can say what is true of us: we do, soon, and leave it to nobody for a while."""
        core, settings, now = self.core, self.core.settings, self.core.now()
        if settings.silent or core.is_observer:
            return
        core.correcting_until_s = now + settings.answer_interval_s
        due = max(now + settings.greet_delay_s, core.last_info_s + settings.answer_interval_s)
        core.info_due.add(core.peer_id, due)
        core.hurry()
        core.ensure("SendInfo", event=event)

    def _tells_all(self, peer_id: str, machines: Mapping[int, wire.Info | None]) -> bool:
        """Does somebody else's description of a peer, or of us, say all that we would say, and nothing false?"""
        core = self.core
        if peer_id == core.peer_id:
            ours = {index: core.exposures.info(machine) for index, machine in core.exposures.machines.items()}
        else:
            peer = core.registry.peers.get(peer_id)
            known = peer.machines if peer is not None else {}
            ours = {index: replace(machine.info, mtime=machine.clock) for index, machine in known.items()}
        return all(
            (told := machines.get(index)) is not None
            and same_shape(told, info)
            and Time(told.mtime or ()).sum() >= Time(info.mtime or ()).sum()
            for index, info in ours.items()
        )

    def MsgReceivedEnter(self, event: Event) -> bool:
        """There must be a message."""
        return bool(event.args.get("messages"))

    # -- out

    def SendMsgEnter(self, event: Event) -> bool:
        """Not when silent, not over the size limit, not over the budget."""
        core, msg = self.core, event.args.get("msg")
        if not msg or core.settings.silent:
            return False
        if len(msg) > core.settings.max_message_bytes:
            core.registry.drop(core.peer_id, "own-oversize")
            return False
        if core.budget.sent_in_window(core.now()) >= 2 * core.settings.budget_own:
            core.registry.drop(core.peer_id, "own-budget")
            return False
        return True

    def SendMsgState(self, event: Event) -> None:
        """Queue it for the publisher."""
        core = self.core
        core.budget.sent(core.now())
        core.outbox.append((event.args["msg_type"], event.args["msg"]))
        core.outbox_sent = type(core.outbox_sent)()
        core.outbox_filled.set()
