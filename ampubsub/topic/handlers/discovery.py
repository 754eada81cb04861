"""Discovery: who is there and what they expose. Hello, questions, answers, bye."""

from __future__ import annotations

import trio

from ampubsub import wire
from ampubsub.machine import Event
from ampubsub.topic.compose import describe, gossip_about, known_to_few, split_info
from ampubsub.topic.core import Core
from ampubsub.topic.events import PeerStatus
from ampubsub.topic.news import News


class DiscoveryHandlers:
    """PeerJoined, PeerLeft, MsgInfo, MsgBye, MissPeersByGossip, ReqMissingPeers, MsgReqInfo, SendInfo, DoSendInfo."""

    def __init__(self, core: Core) -> None:
        self.core = core

    # -- who comes and goes

    def PeerJoinedEnter(self, event: Event) -> bool:
        """Somebody else joined."""
        return event.args.get("peer_id") not in (None, "", self.core.peer_id)

    def PeerJoinedState(self, event: Event) -> None:
        """Greet the newcomer: with what we expose, or at least with whom we know."""
        core, settings = self.core, self.core.settings
        core.machine.remove("PeerJoined", event=event)
        core.registry.joined(event.args["peer_id"], core.now())
        if settings.silent:
            return
        core.newcomers.add(event.args["peer_id"])
        delay = settings.greet_delay_s + core.random.uniform(0, core.spread())
        if not core.is_observer:
            core.info_due.add(core.peer_id, core.now() + delay)
            core.hurry()
            core.ensure("SendInfo", event=event)
        elif known_to_few(core):
            core.ensure("SendGossips", event=event, delay=2 * delay)

    def PeerLeftEnter(self, event: Event) -> bool:
        """Somebody left."""
        return bool(event.args.get("peer_id"))

    def PeerLeftState(self, event: Event) -> None:
        """Its machines are stale from now on."""
        core = self.core
        core.machine.remove("PeerLeft", event=event)
        core.registry.left(event.args["peer_id"], event.args.get("reason", ""), core.now())

    def MsgByeEnter(self, event: Event) -> bool:
        """A bye tells something."""
        return bool(event.args["message"].machs)

    def MsgByeState(self, event: Event) -> None:
        """The author's machines, or all of it, are gone."""
        news: News = event.args["news"]
        news.bye(event.args["message"].machs)

    # -- what they expose

    def MsgInfoEnter(self, event: Event) -> bool:
        """Rejected when nothing in it is new."""
        news: News = event.args["news"]
        return news.has_new(event.args["message"].peer_info or {})

    def MsgInfoState(self, event: Event) -> None:
        """Learn machines and clocks."""
        core, news = self.core, event.args["news"]
        for peer_id, machines in (event.args["message"].peer_info or {}).items():
            news.info(peer_id, machines or {})
            core.metric("Info", peer_id)
        self._ask(event)

    def MissPeersByGossipEnter(self, event: Event) -> bool:
        """Rejected when it names nobody and nothing that we miss."""
        news: News = event.args["news"]
        return news.names_unknown(event.args["gossips"])

    def MissPeersByGossipState(self, event: Event) -> None:
        """Ask for those we miss."""
        news: News = event.args["news"]
        news.note_unknown(event.args["gossips"])
        for peer_id in event.args["gossips"]:
            self.core.metric("Gossip", peer_id)
        self._ask(event)

    def _ask(self, event: Event) -> None:
        core = self.core
        if core.registry.missing.peers and not core.settings.silent:
            core.hurry()
            core.ensure("ReqMissingPeers", event=event)

    # -- asking

    def ReqMissingPeersEnter(self, event: Event) -> bool:
        """Something is missing and will be due soon."""
        return not self.core.settings.silent and self._soon() is not None

    async def ReqMissingPeersState(self, event: Event) -> None:
        """Ask for missing peers, after a random wait in which somebody else may ask."""
        core, settings = self.core, self.core.settings
        questions = core.registry.missing.peers
        while (due := self._soon()) is not None:
            wait = max(0.0, due - core.now()) + core.random.uniform(1, 2) * settings.ask_delay_s * core.pace()
            with trio.move_on_after(wait):
                while (sooner := self._soon()) is not None and sooner >= due:
                    await core.due_changed.wait()
            await core.wait_for_budget()
            peer_ids = questions.due(core.now(), core.random, settings.ask_at_most, core.registry.teller)
            if peer_ids:
                questions.asked(peer_ids, core.now(), core.pace())
                core.send("reqinfo", wire.encode(wire.MsgReqInfo(peer_ids=tuple(peer_ids))))
                await trio.sleep(settings.ask_pause_s)
        core.machine.remove("ReqMissingPeers")

    def _soon(self) -> float | None:
        """When the next question is due, if that is before the next heartbeat."""
        due = self.core.registry.missing.peers.next_due()
        return due if due is not None and due <= self.core.now() + self.core.settings.heartbeat_s else None

    # -- answering

    def MsgReqInfoEnter(self, event: Event) -> bool:
        """Somebody asks for us or for somebody we know."""
        core = self.core
        asked = event.args["message"].peer_ids or ()
        return not core.settings.silent and any(self._can_tell(peer_id) for peer_id in asked)

    def _can_tell(self, peer_id: str) -> bool:
        if peer_id == self.core.peer_id:
            return True
        peer = self.core.registry.peers.get(peer_id)
        return peer is not None and bool(peer.machines) and peer.status is not PeerStatus.GONE

    def MsgReqInfoState(self, event: Event) -> None:
        """Owe an answer: soon for ourselves, for others only when they do not answer themselves."""
        core, settings, now = self.core, self.core.settings, self.core.now()
        asker = event.args["peer_id"]
        asked = (event.args["message"].peer_ids or ())[: settings.events_remembered]
        many = len(asked) >= settings.relay_many
        recently = now - settings.named_s
        named = sum(1 for peer_id in asked if core.named.get(peer_id, 0.0) > recently)
        spread = core.spread()
        for peer_id in asked:
            if not self._can_tell(peer_id):
                continue
            before = core.told.again[asker]
            may_answer = core.told.may_answer(asker, peer_id, now)
            if core.told.again[asker] > before:
                self._asks_again(asker)
            if not may_answer:
                continue
            if peer_id == core.peer_id:
                delay = core.pace() * settings.owner_patience_s if many else 0.0
                delay += core.random.uniform(0, spread)
                delay = max(delay, core.last_info_s + settings.answer_interval_s - now)
            elif many and 2 * named >= len(asked):
                delay = core.random.uniform(0.5, 1) * settings.greet_delay_s
            else:
                delay = 2 * core.pace() * settings.relay_delay_s + core.random.uniform(0, spread)
            core.info_due.add(peer_id, now + delay, asker)
        if core.info_due:
            core.hurry()
            core.ensure("SendInfo", event=event)

    def _asks_again(self, asker: str) -> None:
        core = self.core
        if core.told.again[asker] in (2, 20, 200, 2000):
            core.notice(
                "warning",
                f"{core.peer_label(asker)} asks again for what it was told: "
                "asyncmachine-go v0.15-v0.19 cannot read it; it is answered ever more rarely",
                asker,
            )

    # -- telling

    def SendInfoEnter(self, event: Event) -> bool:
        """Something is due, and we may speak."""
        return not self.core.settings.silent and bool(self.core.info_due)

    async def SendInfoState(self, event: Event) -> None:
        """Wait until an answer is due; what will be due soon goes with it."""
        core = self.core
        while (due := core.info_due.next_due()) is not None:
            with trio.move_on_after(max(0.0, due - core.now())):
                while core.info_due.next_due() == due:
                    await core.due_changed.wait()
            await core.machine.when_not("DoSendInfo")
            await core.wait_for_budget()
            subjects = core.info_due.take(core.now(), core.settings.greet_delay_s / 2)
            if subjects:
                for subject, askers in subjects.items():
                    for asker in askers:
                        core.told.told(asker, subject, core.now())
                core.add("DoSendInfo", peer_ids=tuple(subjects), length=len(subjects))
        core.machine.remove("SendInfo")

    def DoSendInfoEnter(self, event: Event) -> bool:
        """There must be somebody to tell of."""
        return bool(event.args.get("peer_ids"))

    async def DoSendInfoState(self, event: Event) -> None:
        """Tell what we expose and what we were told, with gossip about others; many parts one by one, by the budget."""
        core = self.core
        infos = {peer_id: describe(core, peer_id) for peer_id in event.args["peer_ids"]}
        amount = core.settings.greet_amount if core.newcomers else core.settings.gossip_amount
        gossips = gossip_about(core, amount)
        core.newcomers.clear()
        core.remember_named(gossips)
        if core.peer_id in infos:
            core.last_info_s = core.now()
        for number, message in enumerate(split_info(core, infos, gossips)):
            core.send("info", wire.encode(message))
            if number:
                await core.wait_for_budget()
        core.machine.remove("DoSendInfo")
