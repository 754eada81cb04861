"""What we say on the topic, and when: hello, answers, questions, clocks, gossip, bye. Pure; rules are numbered in `rules.py`.

Longer than most files: one budget, one set of timers and one memory of what was told bind these together.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from ampubsub import wire
from ampubsub.machine import Time
from ampubsub.topic import constants as c
from ampubsub.topic.accounts import SendBudget
from ampubsub.topic.beliefs import Beliefs
from ampubsub.topic.compose import fitting, fitting_bye, message_room, split_clocks, split_indexes
from ampubsub.topic.events import Noticed, PeerStatus
from ampubsub.topic.life import Life, gossip_interval
from ampubsub.topic.own import OwnMachines
from ampubsub.topic.peers import RemotePeer
from ampubsub.topic.questions import DueAnswers, Questions, ToldLedger
from ampubsub.topic.settings import TopicSettings
from ampubsub.topic.timers import Timers
from ampubsub.wire import Info, MsgInfo

_SLACK_BYTES = 256
_NEVER = float("-inf")


class Speaking:
    """Everything that is due to be said on the topic. `said` collects the encoded messages of one `tick`."""

    def __init__(
        self,
        beliefs: Beliefs,
        life: Life,
        own: OwnMachines,
        timers: Timers,
        settings: TopicSettings,
        random: Random,
    ) -> None:
        self.beliefs, self.life, self.own, self.timers = beliefs, life, own, timers
        self.settings, self.random = settings, random
        self.silent = settings.silent
        self.budget = SendBudget(c.WINDOW_S, settings.budget_own, c.BUDGET_TOPIC, c.BUDGET_CHANGES)
        self.said: list[tuple[str, bytes]] = []
        self.messages_out: Counter[str] = Counter()
        self.told, self.told_updates = ToldLedger(), ToldLedger()
        self.info_due, self.updates_due = DueAnswers(), DueAnswers()
        self.named: OrderedDict[str, float] = OrderedDict()
        """Peers that we named in gossip, and when: we are expected to know them."""
        self.newcomers: dict[str, float] = {}
        """Peers that joined, each with when it is to be greeted; kept until we told whom we know."""
        self.hello_heard = False
        """Somebody could hear our last description, and all our clocks since."""
        self.round_trip_s = 0.0
        self.joined = False
        self._parts: deque[dict[str, list[int]]] = deque()
        """Parts of a long description that are still to be said."""
        self._changed_s = _NEVER
        self._last_update_s = self._last_info_s = self._last_clocks_s = self._last_ask_s = _NEVER
        self._last_correction_s = self._last_sums_s = _NEVER
        self._correcting_until_s = _NEVER
        self._info_bytes: deque[tuple[float, int]] = deque()

    # -- measures

    @property
    def pace(self) -> float:
        """By how much to stretch waits for others on a slow network."""
        return min(max(1.0, self.round_trip_s / c.USUAL_ROUND_TRIP_S), c.PACE_MAX)

    def spread(self) -> float:
        """How long answers that several peers could give are spread over."""
        share = max(c.SPREAD_PER_PEER_S, c.SPREAD_ROUND_TRIPS * self.round_trip_s)
        return min(c.SPREAD_MAX_S, share * max(1, self.beliefs.speakers()))

    def stream_wait(self) -> float:
        """How long what is missing may still come on private streams."""
        return c.STREAM_FIRST_S if self.life.streams() else 0.0

    def may_speak(self) -> bool:
        """We take part, and are not silent."""
        return self.joined and not self.silent

    def _wait(self, now: float, *, for_change: bool = False) -> float:
        return self.budget.wait(now, 1 + self.beliefs.speakers(), for_change=for_change)

    # -- becoming due

    def begin(self, now: float) -> None:
        """We joined: say hello, and keep up."""
        self.joined = True
        self.timers.set("heartbeat", now + c.HEARTBEAT_S * self.random.uniform(0.9, 1.1))
        self._set_gossip(now)
        if len(self.own) and not self.silent:
            self.owe_info(self.beliefs.self_id, now + self.random.uniform(0, c.HELLO_DELAY_S))

    def end(self) -> None:
        """What was going to be said is not any longer."""
        self.joined = False
        self.info_due.clear()
        self.updates_due.clear()
        self._parts.clear()
        self.newcomers.clear()
        self.hello_heard = False

    def _only_ours(self) -> bool:
        """Everybody who lives has private streams: the topic need not tell them whom we know."""
        told = self.life.map.told
        return all(peer_id in told for peer_id, peer in self.beliefs.peers.items() if _lives(peer))

    def _set_gossip(self, now: float) -> None:
        interval = gossip_interval(self.beliefs.speakers())
        if self._only_ours() and not self.own.farewells:
            interval *= c.GOSSIP_AMONG_OURS
        self.timers.set("gossip", now + interval + self.random.uniform(0, c.HEARTBEAT_S))

    def greet(self, peer_id: str, now: float) -> None:
        """A newcomer is told what we expose, and whom we know; on its private stream, if it has one."""
        if self.may_speak():
            self.newcomers[peer_id] = due = now + c.GREET_DELAY_S + self.random.uniform(0, self.spread())
            self.timers.by("greet", due)

    def owe_info(self, peer_id: str, due_s: float, asker: str = "") -> None:
        """A peer is to be described."""
        self.info_due.add(peer_id, due_s, asker)
        self.timers.by("info", due_s)

    def describe_soon(self, now: float) -> None:
        """What we expose is another than what was told."""
        self.hello_heard = False
        if self.may_speak():
            self.owe_info(self.beliefs.self_id, now + c.UPDATE_DELAY_S)

    def changed(self, is_first: bool, now: float) -> None:
        """An exposed machine changed."""
        if is_first:
            self._changed_s = now
        if self.may_speak():
            self.timers.by("updates", self._own_due())

    def _own_due(self) -> float:
        return max(self._changed_s + c.UPDATE_DELAY_S, self._last_update_s + c.UPDATE_INTERVAL_S)

    def took_back(self, now: float) -> None:
        """Machines are exposed no longer."""
        if self.may_speak():
            self.timers.by("bye", now)

    def look_for_questions(self, now: float) -> None:
        """After something was heard: if something is missing, we shall ask."""
        if not self.may_speak():
            return
        for name, questions in (("ask", self.beliefs.missing), ("ask-clocks", self.beliefs.late)):
            if (
                questions.soonest_s <= now + c.HEARTBEAT_S
                and self.timers.when(name) > questions.soonest_s + 2 * c.ASK_DELAY_S * self.pace
            ):
                self._arm(name, questions.soonest_s, now)

    def _arm(self, name: str, due_s: float, now: float) -> None:
        wait = self.random.uniform(1, 2) * c.ASK_DELAY_S * self.pace
        due = max(due_s, now) + wait
        if name == "ask":
            due = max(due, self._last_ask_s + c.ASK_PAUSE_S)
        self.timers.by(name, due)

    # -- what others said

    def others_described(self, message: MsgInfo, author: str, now: float) -> None:
        """Somebody gave answers that we owe: they are not given again. Who describes us wrongly is corrected."""
        self_id = self.beliefs.self_id
        for peer_id, machines in (message.peer_info or {}).items():
            if peer_id == self_id:
                self._described_us(machines or {}, now)
                if now < self._correcting_until_s:
                    continue
            if peer_id not in self.info_due:
                continue
            if peer_id != author and not self._tells_all(peer_id, machines or {}):
                continue
            if peer_id == self_id and self.newcomers:
                continue  # a newcomer is greeted with our own word
            for asker in self.info_due.answered(peer_id):
                if peer_id != self_id:  # who was told of us by others may still want our own word
                    self.told.told(asker, peer_id, now)

    def _described_us(self, machines: Mapping[int, Info | None], now: float) -> None:
        if not self.own.is_wrong(machines):
            return
        self.correct(now)

    def told_sums_of_us(self, told: Mapping[int, int], now: float) -> None:
        """Somebody tells tick sums of ours: larger than ours they cannot be true."""
        sums = self.own.sums()
        if any(total > sums.get(index, 0) for index, total in told.items()):
            self.correct(now)

    def correct(self, now: float) -> None:
        """Only we can say what is true of us: with our description now and then, with our sums in between."""
        if not self.may_speak() or not len(self.own):
            return
        self._correcting_until_s = now + c.ANSWER_INTERVAL_S
        if now - self._last_correction_s >= 5 * c.ANSWER_INTERVAL_S:
            self._last_correction_s = now
            self.owe_info(
                self.beliefs.self_id, max(now + c.GREET_DELAY_S, self._last_info_s + c.ANSWER_INTERVAL_S)
            )
        else:
            self.timers.by("sums", max(now + c.GREET_DELAY_S, self._last_sums_s + c.ANSWER_INTERVAL_S))

    def _tells_all(self, peer_id: str, told: Mapping[int, Info | None]) -> bool:
        """Does somebody else's description of a peer, or of us, say all that we would say, and nothing false?"""
        if peer_id == self.beliefs.self_id:
            return self.own.is_told(told)
        peer = self.beliefs.peers.get(peer_id)
        return peer is not None and all(
            (info := told.get(index)) is not None
            and (info.id, info.states) == (machine.info.id, machine.info.states)
            and Time(info.mtime or ()).sum() >= machine.sum
            for index, machine in peer.machines.items()
        )

    def others_told_clocks(
        self, clocks: Mapping[str, Mapping[int, tuple[int, ...] | None] | None], author: str, now: float
    ) -> None:
        """Somebody told clocks that we owe."""
        for peer_id, by_index in clocks.items():
            if peer_id not in self.updates_due or peer_id == self.beliefs.self_id:
                continue
            told = {index: Time(ticks or ()).sum() for index, ticks in (by_index or {}).items()}
            known = self._clocks_of_other(peer_id)
            if author == peer_id or all(told.get(i, -1) >= clock.sum() for i, clock in known.items()):
                for asker in self.updates_due.answered(peer_id):
                    self.told_updates.told(asker, peer_id, now)

    # -- being asked

    def can_tell(self, peer_id: str) -> bool:
        """We could describe this peer: it is us, or it lives and we know its machines. The dead are not named."""
        if peer_id == self.beliefs.self_id:
            return True
        peer = self.beliefs.peers.get(peer_id)
        return peer is not None and bool(peer.machines) and _lives(peer)

    def asked_for_info(self, asker: str, asked: tuple[str, ...], now: float) -> bool:
        """Somebody asks for descriptions: soon for ourselves, for others only when they do not answer themselves."""
        if not self.may_speak():
            return False
        asked = asked[: c.REMEMBERED]
        many = len(asked) >= c.RELAY_MANY
        named = sum(1 for peer_id in asked if self.named.get(peer_id, _NEVER) > now - c.NAMED_S)
        spread = self.spread()
        any_told = False
        for peer_id in asked:
            if not self.can_tell(peer_id):
                continue
            any_told = True
            before = self.told.again[asker]
            may_answer = self.told.may_answer(asker, peer_id, now)
            if self.told.again[asker] > before:
                self._asks_again(asker)
            if not may_answer:
                continue
            if peer_id == self.beliefs.self_id:
                delay = self.pace * c.OWNER_PATIENCE_S if many else 0.0
                delay += self.random.uniform(0, spread)
                delay = max(delay, self._last_info_s + c.ANSWER_INTERVAL_S - now)
            elif many and 2 * named >= len(asked):
                delay = self.random.uniform(0.5, 1) * c.GREET_DELAY_S
            else:
                delay = 2 * self.pace * c.RELAY_DELAY_S + self.random.uniform(0, spread)
            self.owe_info(peer_id, now + delay, asker)
        return any_told

    def _asks_again(self, asker: str) -> None:
        """Said of a peer that is not ours only: ours may ask again when messages are lost."""
        if self.told.again[asker] not in (2, 20, 200, 2000):
            return
        neighbour = self.life.neighbours.get(asker)
        if asker in self.life.map.told or (neighbour is not None and neighbour.direct):
            return
        peer = self.beliefs.peers.get(asker)
        name = (peer.name if peer is not None else "") or f"…{asker[-6:]}"
        self.beliefs.events.append(
            Noticed(
                "warning",
                f"{name} asks again for what it was told: "
                "asyncmachine-go v0.15-v0.19 cannot read it; it is answered ever more rarely",
                asker,
            )
        )

    def asked_for_clocks(self, asker: str, asked: tuple[str, ...], now: float) -> bool:
        """Somebody asks for clocks: at once for ourselves, for others only when they do not answer themselves."""
        if not self.may_speak():
            return False
        any_told = False
        for peer_id in asked[: c.REMEMBERED]:
            own = peer_id == self.beliefs.self_id
            if not (len(self.own) if own else self._clocks_of_other(peer_id)):
                continue
            any_told = True
            if not self.told_updates.may_answer(asker, peer_id, now):
                continue
            if own:
                delay = self.random.uniform(0, self.spread())
                delay = max(delay, self._last_clocks_s + c.ANSWER_INTERVAL_S - now)
            else:
                delay = 2 * self.pace * c.RELAY_DELAY_S + self.random.uniform(0, 2 * self.spread())
            self.updates_due.add(peer_id, now + delay, asker)
            self.timers.by("updates", now + delay)
        return any_told

    # -- saying

    def _say(self, message: wire.Message, now: float, *, for_change: bool = False) -> None:
        if self.silent:
            return
        data = wire.encode(message)
        if len(data) > self.settings.max_message_bytes:
            self.beliefs.drop(self.beliefs.self_id, "own-oversize")
            return
        self.budget.sent(now)
        if for_change:
            self.budget.change_sent(now)
        self.messages_out[message.type] += 1
        self.said.append((message.type, data))

    def say_info(self, now: float) -> None:
        """Describe those that are due; what will be due soon goes with it."""
        due = self.info_due.next_due()
        if due > now:
            self.timers.stop("info") if due == float("inf") else self.timers.set("info", due)
            return
        hello = not self.hello_heard and self.beliefs.self_id in self.info_due
        if self._parts:
            self.timers.set("info", now + 0.05)
            return
        if (wait := self._wait(now, for_change=hello)) > 0:
            self.timers.set("info", now + wait)
            return
        if not hello and (wait := self._bytes_wait(now)) > 0:
            self.timers.set("info", now + wait)
            return
        subjects = self.info_due.take(now, c.GREET_DELAY_S / 2)
        for subject, askers in subjects.items():
            for asker in askers:
                self.told.told(asker, subject, now)
        infos = {peer_id: self.describe(peer_id) for peer_id in subjects}
        parts, too_large = split_indexes(infos, message_room(self.settings))
        for peer_id, index, size in too_large:
            info = infos[peer_id][index]
            self.beliefs.drop(self.beliefs.self_id, "own-oversize")
            text = f"machine {info.id} is too large to be told: {size} bytes"
            self.beliefs.events.append(Noticed("error", text))
        amount = c.GREET_AMOUNT if any(not self._has_stream(p) for p in self.newcomers) else c.GOSSIP_AMOUNT
        gossips = {} if self._only_ours() else self.gossip_about(amount)
        self.newcomers = {p: due for p, due in self.newcomers.items() if due > now and p not in gossips}
        if self.beliefs.self_id in subjects:
            self._last_info_s = now
            self.hello_heard = bool(self.life.linked())
        self._say_part(parts[0], gossips, now, alone=len(parts) == 1, for_change=hello)
        self._parts.extend(parts[1:])
        if self._parts:
            self.timers.set("parts", now)
        self._reset("info", self.info_due.next_due())

    def _bytes_wait(self, now: float) -> float:
        """Descriptions that others make us repeat have bytes of their own, so that a lie cannot make us say much."""
        window = self._info_bytes
        while window and window[0][0] <= now - c.WINDOW_S:
            window.popleft()
        if sum(size for _, size in window) < 4 * c.CORRECTION_BYTES:
            return 0.0
        return max(0.01, window[0][0] + c.WINDOW_S - now)

    def _reset(self, name: str, due_s: float) -> None:
        if due_s == float("inf"):
            self.timers.stop(name)
        else:
            self.timers.set(name, due_s)

    def say_parts(self, now: float) -> None:
        """The next part of a long description, with the clocks of now: an older one would look like a restart."""
        if not self._parts:
            return
        if (wait := self._wait(now)) > 0:
            self.timers.set("parts", now + wait)
            return
        self._say_part(self._parts.popleft(), {}, now, alone=False)
        if self._parts:
            self.timers.set("parts", now)

    def _say_part(
        self,
        part: Mapping[str, list[int]],
        gossips: Mapping[str, Mapping[int, int]],
        now: float,
        *,
        alone: bool,
        for_change: bool = False,
    ) -> None:
        """One `info`. One part of several brings our own sums along, which say that it is not the whole."""
        self_id, room = self.beliefs.self_id, self.settings.max_message_bytes - _SLACK_BYTES
        sums = fitting(gossips, room - message_room(self.settings) - 16 * len(self.own))
        if not alone and self_id in part:
            sums[self_id] = self.own.sums()
        infos = {peer_id: self.describe(peer_id, indexes) for peer_id, indexes in part.items()}
        for peer_id in sums:
            self._remember_named(peer_id, now)
        self._say(MsgInfo(infos, sums), now, for_change=for_change)
        if self.said:
            self._info_bytes.append((now, len(self.said[-1][1])))

    def describe(self, peer_id: str, only: list[int] | None = None) -> dict[int, Info]:
        """Full descriptions of a peer's machines: our own, or what we were told with the clocks as we know them."""
        if peer_id == self.beliefs.self_id:
            return self.own.describe(only)
        peer = self.beliefs.peers.get(peer_id)
        if peer is None or not _lives(peer):
            return {}
        return {
            index: replace(machine.info, mtime=machine.clock)
            for index, machine in peer.machines.items()
            if only is None or index in only
        }

    def gossip_about(self, amount: int) -> dict[str, dict[int, int]]:
        """Tick sums of up to `amount` random living peers that we know."""
        known = [p for p in self.beliefs.peers.values() if p.known and p.machines and _lives(p)]
        chosen = known if len(known) <= amount else self.random.sample(known, amount)
        return {peer.peer_id: self.beliefs.sums(peer) for peer in chosen}

    def _remember_named(self, peer_id: str, now: float) -> None:
        self.named[peer_id] = now
        self.named.move_to_end(peer_id)
        while len(self.named) > c.REMEMBERED:
            self.named.popitem(last=False)

    def _has_stream(self, peer_id: str) -> bool:
        neighbour = self.life.neighbours.get(peer_id)
        return neighbour is not None and neighbour.direct

    def say_greeting(self, now: float) -> None:
        """Newcomers whose time has come."""
        ready = [peer_id for peer_id, due in self.newcomers.items() if due <= now]
        later = [due for due in self.newcomers.values() if due > now]
        self._reset("greet", min(later, default=float("inf")))
        if not ready:
            return
        strangers = [peer_id for peer_id in ready if not self._has_stream(peer_id)]
        if len(self.own) and (strangers or not self.hello_heard):
            self.owe_info(self.beliefs.self_id, now)
        elif strangers and self._known_to_few(strangers):
            self.timers.by("gossip", now + c.GREET_DELAY_S)
            return
        for peer_id in ready:
            if peer_id not in strangers:
                del self.newcomers[peer_id]

    def _known_to_few(self, newcomers: list[str]) -> bool:
        known = [p for p in self.beliefs.peers.values() if p.known and p.machines and _lives(p)]
        return any(peer.peer_id not in newcomers for peer in known)

    def say_updates(self, now: float) -> None:
        """Tell changed clocks at once, and those asked for; a burst is one message, the latest clock wins."""
        own_due = self._own_due() if self.own.dirty else float("inf")
        due = min(own_due, self.updates_due.next_due())
        if due > now:
            self._reset("updates", due)
            return
        if (wait := self._wait(now, for_change=bool(self.own.dirty))) > 0:
            self.timers.set("updates", now + wait)
            return
        clocks: dict[str, Mapping[int, tuple[int, ...]]] = {}
        for peer_id, askers in self.updates_due.take(now, c.UPDATE_DELAY_S).items():
            if peer_id == self.beliefs.self_id:
                self._last_clocks_s = now
                clocks[peer_id] = self.own.take_clocks()
            else:
                clocks[peer_id] = self._clocks_of_other(peer_id)
            for asker in askers:
                self.told_updates.told(asker, peer_id, now)
        is_change = bool(self.own.dirty) and now >= own_due
        if is_change:
            clocks[self.beliefs.self_id] = {**clocks.get(self.beliefs.self_id, {}), **self.own.take_dirty()}
            self.hello_heard = self.hello_heard and bool(self.life.linked())
        clocks = {peer_id: told for peer_id, told in clocks.items() if told}
        if clocks:
            self._last_update_s = now
            for message in split_clocks(clocks, self.settings):
                self._say(message, now, for_change=is_change)
        own_due = self._own_due() if self.own.dirty else float("inf")
        self._reset("updates", min(own_due, self.updates_due.next_due()))

    def _clocks_of_other(self, peer_id: str) -> dict[int, Time]:
        peer = self.beliefs.peers.get(peer_id)
        machines = peer.machines.items() if peer is not None and peer.status is not PeerStatus.GONE else ()
        return {index: machine.clock for index, machine in machines if machine.first_hand}

    def ask(self, now: float) -> None:
        """Ask for peers that are missing."""
        self._ask("ask", self.beliefs.missing, now)

    def ask_clocks(self, now: float) -> None:
        """Ask for clocks that are missing; of who does not answer that, for its description (Go v0.13 answers only that)."""
        for peer_id in list(self.beliefs.late):
            if self.beliefs.late.times_asked(peer_id) >= c.UNANSWERED_CLOCKS:
                self.beliefs.missing.add(peer_id, now)
        self._ask("ask-clocks", self.beliefs.late, now)

    def _ask(self, name: str, questions: Questions, now: float) -> None:
        if not self.may_speak():
            return
        due = questions.look()
        if due <= now:
            if (wait := self._wait(now)) > 0:
                self.timers.set(name, now + wait)
                return
            peer_ids = tuple(questions.due(now, self.random, c.ASK_AT_MOST, self.beliefs.teller))
            if peer_ids:
                questions.asked(peer_ids, now, self.pace)
                self._last_ask_s = now
                kind = wire.MsgReqInfo if name == "ask" else wire.MsgReqUpdates
                self._say(kind(peer_ids=peer_ids), now)
            due = questions.look()
            if due <= now:
                due = now + c.ASK_PAUSE_S
        if due <= now + c.HEARTBEAT_S:
            self._arm(name, due, now)

    def say_gossip(self, now: float) -> None:
        """Tell our own sums, as a sign of life, and some of others'. An observer only to newcomers."""
        strangers = [p for p, due in self.newcomers.items() if due <= now and not self._has_stream(p)]
        if self.silent or not (
            len(self.own) or self.own.farewells or (strangers and self._known_to_few(strangers))
        ):
            self._set_gossip(now)
            return
        if (wait := self._wait(now)) > 0:
            self.timers.set("gossip", now + wait)
            return
        amount = c.GREET_AMOUNT if strangers else c.GOSSIP_AMOUNT
        gossips = self.gossip_about(amount) if strangers or not self._only_ours() else {}
        for peer_id in strangers:
            del self.newcomers[peer_id]
        if len(self.own) or self.own.farewells:
            self.own.farewells = max(0, self.own.farewells - 1)
            gossips = {self.beliefs.self_id: self.own.sums(), **gossips}
        self._say_gossips(gossips, now)
        self._set_gossip(now)

    def say_sums(self, now: float) -> None:
        """Tell our own sums only: somebody told wrong ones."""
        if (wait := self._wait(now)) > 0:
            self.timers.set("sums", now + wait)
            return
        self._last_sums_s = now
        self._say_gossips({self.beliefs.self_id: self.own.sums()}, now)

    def _say_gossips(self, gossips: Mapping[str, Mapping[int, int]], now: float) -> None:
        gossips = fitting(gossips, self.settings.max_message_bytes // 2)
        if gossips:
            for peer_id in gossips:
                self._remember_named(peer_id, now)
            self._say(wire.MsgGossip(peer_gossips=gossips), now)

    def say_bye(self, now: float) -> None:
        """Take back what is exposed no longer: all of it in one message, as the budget allows."""
        if not self.own.gone:
            return
        if (wait := self._wait(now, for_change=True)) > 0:
            self.timers.set("bye", now + wait)
            return
        message, indexes = fitting_bye(self.own.gone, (), self.settings, leaving=False)
        for index in indexes:
            del self.own.gone[index]
        self._say(message, now, for_change=True)
        if self.own.gone:
            self.timers.set("bye", now)

    def farewell(self, now: float) -> None:
        """Say bye, whatever the budget; an observer has nothing to say it with."""
        machines = {index: (info.id, self.own.clocks[index]) for index, info in self.own.infos.items()}
        if machines:
            message, _ = fitting_bye(machines, list(self.own.dirty), self.settings, leaving=True)
            self._say(message, now)


def _lives(peer: RemotePeer) -> bool:
    """The dead and the doubted are not named to others."""
    return peer.status in (PeerStatus.JOINED, PeerStatus.HEARSAY)
