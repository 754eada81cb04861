"""What the handlers of a topic share: its machine, its books, and the way in and out. No behaviour of its own.

The books (registry, exposures, budgets, questions, answers) are data; what is *done* with them is done by
transitions of the topic machine, in `handlers/`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import median
from typing import Any

import trio

from ampubsub.machine import Event, Machine, Result
from ampubsub.remote import NetworkMachine
from ampubsub.topic.answers import DueAnswers, ToldLedger
from ampubsub.topic.arguments import PEER, PEER_ID, short_peer_id
from ampubsub.topic.budget import IntakeBudget, SendBudget
from ampubsub.topic.events import Noticed, TopicEvent
from ampubsub.topic.exposures import Exposures
from ampubsub.topic.host import Host
from ampubsub.topic.metrics import Metrics
from ampubsub.topic.peers import Key
from ampubsub.topic.registry import Registry
from ampubsub.topic.settings import TopicSettings
from ampubsub.transport.backoff import Backoff
from ampubsub.transport.interface import MessageReceived
from ampubsub.wire import Limits


class Core:
    """The inside of one topic."""

    machine: Machine
    exposures: Exposures
    metrics: Metrics | None = None
    redescribed: Callable[[Machine], None]
    """An exposed machine is to be described anew."""

    def __init__(
        self,
        name: str,
        host: Host,
        settings: TopicSettings,
        *,
        listen: Sequence[str],
        connect: Sequence[str],
        peer_name: str,
        random: Random,
        publish_event: Callable[[TopicEvent], None],
    ) -> None:
        self.name = name
        self.host = host
        self.settings = settings
        self.listen = tuple(listen)
        self.connect = tuple(connect)
        self.peer_name = peer_name
        self.random = random
        self.limits = Limits(
            message_bytes=settings.max_message_bytes,
            peers=settings.max_peers,
            machines=settings.max_machines_per_peer,
            states=settings.max_states,
            name_bytes=4 * settings.max_name_chars,
            tag_bytes=4 * settings.max_name_chars,
        )
        self.emit = publish_event
        self.registry = Registry(host.peer_id, settings, publish_event)
        self.replicas: dict[Key, NetworkMachine] = {}
        self.told = ToldLedger(settings)
        self.told_updates = ToldLedger(settings)
        self.info_due = DueAnswers(settings.events_remembered)
        self.updates_due = DueAnswers(settings.events_remembered)
        self.due_changed = trio.Event()
        """Set when something became due earlier than it was."""
        self.named: OrderedDict[str, float] = OrderedDict()
        """Peers that we named in gossip, and when: we are expected to know them."""
        self.intake = IntakeBudget(
            settings.budget_window_s,
            settings.messages_per_peer,
            settings.messages_in_total,
            settings.events_remembered,
        )
        self.budget = SendBudget(
            settings.budget_window_s, settings.budget_own, settings.budget_topic, settings.budget_changes
        )
        self.inbox: deque[MessageReceived] = deque()
        self.inbox_filled = trio.Event()
        self.outbox: deque[tuple[str, bytes]] = deque()
        self.outbox_filled = trio.Event()
        self.outbox_sent = trio.Event()
        self.messages_out: Counter[str] = Counter()
        self.connections_changed = trio.Event()
        self.redialling = Backoff(settings.redial_first_s, settings.redial_max_s, settings.redial_settled_s)
        """Waits before we dial again when no connection is left."""
        self._round_trip = (float("-inf"), 0.0)
        """When the round trip was measured, and what it was."""
        self.closed = trio.Event()
        """The host is closed, as far as we opened it."""
        self.closed.set()
        self.newcomers: set[str] = set()
        """Peers that joined since we last told whom we know."""
        self.changed_s = float("-inf")
        """When the first of the changes that are not told yet happened."""
        self.last_update_s = float("-inf")
        self.last_info_s = float("-inf")
        """When we described ourselves last."""
        self.correcting_until_s = float("-inf")
        """Until then nobody else's description of us stands for ours: somebody told wrong things of us."""
        self.last_clocks_s = float("-inf")
        """When we told all our clocks last because somebody asked."""
        self.last_gossip_s = float("-inf")
        self.dropped_by_transport: Counter[str] = Counter()
        self.disposals: list[Callable[[str], object]] = []
        """What to call at disposal, with the machine's id."""

    # -- who and when

    @property
    def peer_id(self) -> str:
        """Our own peer id."""
        return self.host.peer_id

    @property
    def told_name(self) -> str:
        """The name that others are told for us; empty for none."""
        return self.peer_name if self.settings.tell_name else ""

    @property
    def is_observer(self) -> bool:
        """We expose nothing, so we say only what we must."""
        return not self.exposures.machines

    @staticmethod
    def now() -> float:
        """Seconds on trio's clock."""
        return trio.current_time()

    def connections(self) -> int:
        """How many peers are connected to us."""
        return len(self.host.transport.connected_peers()) if self.host.is_open else 0

    def transport_dropped(self) -> Counter[str]:
        """What the transport threw away, by reason; what it told us of is counted by us already."""
        return Counter(self.host.transport.dropped) - self.dropped_by_transport

    def spread(self) -> float:
        """How long answers that several peers could give are spread over."""
        settings = self.settings
        share = max(settings.spread_per_peer_s, settings.spread_round_trips * self.round_trip())
        return min(settings.spread_max_s, share * max(1, len(self.registry.peers)))

    def pace(self) -> float:
        """By how much to stretch waits for others on a slow network."""
        settings = self.settings
        return min(max(1.0, self.round_trip() / settings.usual_round_trip_s), settings.pace_max)

    def round_trip(self) -> float:
        """The median round trip to the peers connected to us, in seconds; measured once a second, 0 when unknown."""
        measured_s, round_trip = self._round_trip
        if self.now() - measured_s >= 1.0:
            transport = self.host.transport
            details = map(transport.detail, transport.connected_peers()) if self.host.is_open else ()
            trips = [detail.round_trip_s for detail in details if detail and detail.round_trip_s is not None]
            round_trip = median(trips) if trips else 0.0
            self._round_trip = (self.now(), round_trip)
        return round_trip

    # -- mutations

    def add(self, *states: str, event: Event | None = None, **args: Any) -> Result:
        """Add states with arguments; an argument `peer_id` brings the peer's name along."""
        if PEER_ID in args and PEER not in args:
            name = self.peer_label(args[PEER_ID])
            args[PEER] = name
        return self.machine.add(*states, args=args or None, event=event)

    def ensure(self, state: str, event: Event | None = None, **args: Any) -> None:
        """Add a state unless it is active."""
        if self.machine.not_(state):
            self.add(state, event=event, **args)

    def drop(self, *states: str, event: Event | None = None) -> None:
        """Remove those of the states that are active."""
        active = [state for state in states if self.machine.is_(state)]
        if active:
            self.machine.remove(*active, event=event)

    # -- telling people

    def peer_label(self, peer_id: str) -> str:
        """A peer's name, or the tail of its id."""
        peer = self.registry.peers.get(peer_id)
        return (peer.name if peer else self.registry.names.get(peer_id, "")) or short_peer_id(peer_id)

    def notice(self, severity: str, text: str, peer_id: str = "") -> None:
        """Tell something that a person should read."""
        self.emit(Noticed(severity, text, peer_id))

    def metric(self, what: str, peer_id: str) -> None:
        """Count something heard of a peer in the metrics machine, if there is one."""
        if self.metrics is not None:
            self.metrics.tick(what, peer_id, self.registry.names.get(peer_id, ""))

    # -- due work

    def changed(self, is_first: bool) -> None:
        """An exposed machine changed."""
        if self.machine.not_("Joined") or self.settings.silent:
            return
        if is_first:
            self.changed_s = self.now()
            self.hurry()
        self.ensure("SendUpdates")

    def hurry(self) -> None:
        """Something became due: whoever waits for the next due time looks again."""
        self.due_changed.set()
        self.due_changed = trio.Event()

    def send(self, msg_type: str, msg: bytes, event: Event | None = None) -> None:
        """Send one encoded message, as a transition."""
        self.add("SendMsg", event=event, msg=msg, msg_type=msg_type, length=len(msg))

    async def wait_for_budget(self, *, for_change: bool = False) -> None:
        """Wait until the next message may go; one about a change of ours has a share of its own."""
        while True:
            wait = self.budget.wait(self.now(), 1 + self.registry.speakers(), for_change=for_change)
            if wait <= 0:
                return
            await trio.sleep(wait)

    def remember_named(self, sums: Mapping[str, Mapping[int, int]]) -> None:
        """We named these peers in gossip."""
        now = self.now()
        for peer_id in sums:
            self.named[peer_id] = now
            self.named.move_to_end(peer_id)
        while len(self.named) > self.settings.events_remembered:
            self.named.popitem(last=False)
