"""Synchronisation: clocks that change, clocks that are missing, gossip."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from ampubsub import wire
from ampubsub.machine import Event, Time
from ampubsub.topic.compose import fitting, gossip_about, known_to_few, split_clocks
from ampubsub.topic.core import Core
from ampubsub.topic.news import News


class SyncHandlers:
    """Msg-, Send- and MsgReqUpdates, ReqMissingUpdates, MissUpdatesByGossip, MissPeersByUpdates, SendGossips."""

    def __init__(self, core: Core) -> None:
        self.core = core

    # -- clocks of others

    def MsgUpdatesEnter(self, event: Event) -> bool:
        """There must be clocks of others."""
        return any(peer_id != self.core.peer_id for peer_id in event.args["message"].peer_clocks or ())

    def MsgUpdatesState(self, event: Event) -> None:
        """Follow the clocks; keep those of machines that are not known yet."""
        core, news = self.core, event.args["news"]
        early: dict[str, dict[int, tuple[int, ...]]] = {}
        for peer_id, clocks in (event.args["message"].peer_clocks or {}).items():
            if peer_id == core.peer_id:
                continue
            for index, ticks in (clocks or {}).items():
                machine = core.registry.machine((peer_id, index))
                if machine is None:
                    early.setdefault(peer_id, {})[index] = tuple(ticks or ())
                else:
                    news.clock(machine, tuple(ticks or ()))
            core.metric("Update", peer_id)
            if news.author == peer_id or self._tells_as_much(peer_id, clocks or {}):
                for asker in core.updates_due.answered(peer_id):
                    core.told_updates.told(asker, peer_id, core.now())
        if early:
            core.add("MissPeersByUpdates", event=event, peer_id=news.author, clocks=early, news=news)
        self._ask_clocks(event)

    def _tells_as_much(self, peer_id: str, clocks: Mapping[int, tuple[int, ...] | None]) -> bool:
        """Do these clocks, told for another peer, leave nothing for us to tell?"""
        told = {index: Time(ticks or ()).sum() for index, ticks in clocks.items()}
        known = self._clocks_of_other(peer_id)
        return all(told.get(index, -1) >= clock.sum() for index, clock in known.items())

    def MissPeersByUpdatesEnter(self, event: Event) -> bool:
        """There must be clocks to keep."""
        return bool(event.args.get("clocks"))

    def MissPeersByUpdatesState(self, event: Event) -> None:
        """Keep clocks until their machines are known, and ask for those."""
        core, news = self.core, event.args["news"]
        for peer_id, clocks in event.args["clocks"].items():
            for index, ticks in clocks.items():
                news.early(peer_id, index, ticks)
        if core.registry.missing.peers and not core.settings.silent:
            core.hurry()
            core.ensure("ReqMissingPeers", event=event)

    def MissUpdatesByGossipEnter(self, event: Event) -> bool:
        """Rejected when nobody claims later clocks than ours."""
        news: News = event.args["news"]
        return news.shows_behind(event.args["gossips"])

    def MissUpdatesByGossipState(self, event: Event) -> None:
        """Ask for the clocks."""
        news: News = event.args["news"]
        news.note_behind(event.args["gossips"])
        self._ask_clocks(event)

    def _ask_clocks(self, event: Event) -> None:
        core = self.core
        if core.registry.missing.late and not core.settings.silent:
            core.hurry()
            core.ensure("ReqMissingUpdates", event=event)

    # -- asking

    def ReqMissingUpdatesEnter(self, event: Event) -> bool:
        """Something is missing and will be due soon."""
        return not self.core.settings.silent and self._clocks_soon() is not None

    async def ReqMissingUpdatesState(self, event: Event) -> None:
        """Ask for missing clocks, after a random wait in which somebody else may ask."""
        core, settings = self.core, self.core.settings
        questions = core.registry.missing.late
        while (due := self._clocks_soon()) is not None:
            wait = max(0.0, due - core.now()) + core.random.uniform(1, 2) * settings.ask_delay_s * core.pace()
            with trio.move_on_after(wait):
                while (sooner := self._clocks_soon()) is not None and sooner >= due:
                    await core.due_changed.wait()
            await core.wait_for_budget()
            peer_ids = questions.due(core.now(), core.random, settings.ask_at_most, core.registry.teller)
            if peer_ids:
                questions.asked(peer_ids, core.now(), core.pace())
                core.send("requpdates", wire.encode(wire.MsgReqUpdates(peer_ids=tuple(peer_ids))))
                await trio.sleep(settings.ask_pause_s)
        core.machine.remove("ReqMissingUpdates")

    def _clocks_soon(self) -> float | None:
        due = self.core.registry.missing.late.next_due()
        return due if due is not None and due <= self.core.now() + self.core.settings.heartbeat_s else None

    # -- answering

    def MsgReqUpdatesEnter(self, event: Event) -> bool:
        """Somebody asks for clocks of ours or of somebody we know."""
        core = self.core
        asked = event.args["message"].peer_ids or ()
        return not core.settings.silent and any(self._can_tell_clocks(peer_id) for peer_id in asked)

    def _can_tell_clocks(self, peer_id: str) -> bool:
        core = self.core
        if peer_id == core.peer_id:
            return not core.is_observer
        peer = core.registry.peers.get(peer_id)
        return peer is not None and any(machine.first_hand for machine in peer.machines.values())

    def MsgReqUpdatesState(self, event: Event) -> None:
        """Owe an answer: at once for ourselves, for others only when they do not answer themselves."""
        core, settings, now = self.core, self.core.settings, self.core.now()
        asker = event.args["peer_id"]
        for peer_id in (event.args["message"].peer_ids or ())[: settings.events_remembered]:
            if not self._can_tell_clocks(peer_id) or not core.told_updates.may_answer(asker, peer_id, now):
                continue
            delay = core.random.uniform(0, core.spread())
            if peer_id == core.peer_id:
                delay = max(delay, core.last_clocks_s + settings.answer_interval_s - now)
            else:
                delay += 2 * core.pace() * settings.relay_delay_s
            core.updates_due.add(peer_id, now + delay, asker)
        if core.updates_due:
            core.hurry()
            core.ensure("SendUpdates", event=event)

    # -- telling

    def SendUpdatesEnter(self, event: Event) -> bool:
        """Something changed or somebody asked, and we may speak."""
        core = self.core
        return not core.settings.silent and bool(core.exposures.dirty or core.updates_due)

    async def SendUpdatesState(self, event: Event) -> None:
        """Tell changed clocks at once; a burst is merged into one message, the latest clock wins."""
        core, settings = self.core, self.core.settings
        while (due := self._next_update()) is not None:
            with trio.move_on_after(max(0.0, due - core.now())):
                while (sooner := self._next_update()) is not None and sooner >= due:
                    await core.due_changed.wait()
            await core.wait_for_budget(for_change=bool(core.exposures.dirty))
            clocks: dict[str, Mapping[int, tuple[int, ...]]] = {}
            asked = core.updates_due.take(core.now(), settings.update_delay_s)
            for peer_id, askers in asked.items():
                clocks[peer_id] = self._clocks(peer_id)
                for asker in askers:
                    core.told_updates.told(asker, peer_id, core.now())
            if core.exposures.dirty and core.now() >= self._own_due():
                own = core.exposures.take_dirty()
                clocks[core.peer_id] = {**clocks.get(core.peer_id, {}), **own}
                core.budget.change_sent(core.now())
            clocks = {peer_id: told for peer_id, told in clocks.items() if told}
            if clocks:
                core.last_update_s = core.now()
                for message in split_clocks(clocks, settings):
                    core.send("updates", wire.encode(message))
        core.machine.remove("SendUpdates")

    def _own_due(self) -> float:
        """When changed clocks of ours may go."""
        core, settings = self.core, self.core.settings
        return max(core.changed_s + settings.update_delay_s, core.last_update_s + settings.update_interval_s)

    def _next_update(self) -> float | None:
        times = [self._own_due()] if self.core.exposures.dirty else []
        if (due := self.core.updates_due.next_due()) is not None:
            times.append(due)
        return min(times, default=None)

    def _clocks(self, peer_id: str) -> Mapping[int, tuple[int, ...]]:
        core = self.core
        if peer_id == core.peer_id:
            core.exposures.dirty.clear()
            core.last_clocks_s = core.now()
            return core.exposures.clocks()
        return self._clocks_of_other(peer_id)

    def _clocks_of_other(self, peer_id: str) -> dict[int, Time]:
        peer = self.core.registry.peers.get(peer_id)
        machines = peer.machines.items() if peer else ()
        return {index: machine.clock for index, machine in machines if machine.first_hand}

    # -- gossip

    def SendGossipsEnter(self, event: Event) -> bool:
        """An observer gossips to newcomers only."""
        core = self.core
        if core.settings.silent or not self._has_gossip():
            return False
        return bool(core.registry.peers)

    def _has_gossip(self) -> bool:
        core = self.core
        return not core.is_observer or core.exposures.farewells > 0 or known_to_few(core)

    async def SendGossipsState(self, event: Event) -> None:
        """Tell our own sums, as a sign of life, and some of others'."""
        core, settings = self.core, self.core.settings
        delay = event.args.get("delay", core.random.uniform(0, settings.heartbeat_s))
        await trio.sleep(delay)
        await core.wait_for_budget()
        if not self._has_gossip():
            core.newcomers.clear()
            core.machine.remove("SendGossips")
            return
        gossips = gossip_about(core, settings.greet_amount if core.newcomers else settings.gossip_amount)
        core.newcomers.clear()
        if not core.is_observer or core.exposures.farewells:
            core.exposures.farewells = max(0, core.exposures.farewells - 1)
            gossips = {core.peer_id: core.exposures.sums(), **gossips}
        gossips = fitting(gossips, settings.max_message_bytes // 2)
        core.last_gossip_s = core.now()
        if gossips:
            core.remember_named(gossips)
            core.send("gossip", wire.encode(wire.MsgGossip(peer_gossips=gossips)))
        core.machine.remove("SendGossips")
