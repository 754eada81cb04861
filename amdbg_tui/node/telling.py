"""Tells the history what happens on a topic: its events, the transitions of our own machines, peers'
figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import trio

from amdbg_tui.history.records import (
    TOPIC_SLOT,
    MachineKey,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    TransitionRecord,
    replace,
)
from amdbg_tui.node import translate
from amdbg_tui.node.phases import Phases
from amdbg_tui.node.tracer import RecordingTracer
from amdbg_tui.node.translate import ShownMachine
from amdbg_tui.safe_text import safe_text
from ampubsub.machine import LogLevel, Machine, MachineView
from ampubsub.topic import Topic
from ampubsub.topic.events import (
    ClockChanged,
    MachineExposed,
    MachineGone,
    MachineLabelled,
    MachineReplaced,
    MachineSourceChanged,
    Noticed,
    PeerChanged,
    PeerStatus,
    Source,
    TopicEvent,
)

RESTARTS_EVERY_S = 1.0
"""Least time between two notices about restarted machines of one peer."""


class Telling:
    """Watches a topic from its making to its end."""

    def __init__(
        self,
        topic: Topic,
        feed: Callable[[Sequence[Record]], None],
        phases: Phases,
        name: str = "",
    ) -> None:
        self.topic = topic
        self.shown: dict[MachineKey, ShownMachine] = {}
        self.tracers: dict[MachineKey, RecordingTracer] = {}
        self._machines: dict[MachineKey, Machine] = {}
        self._options: dict[MachineKey, tuple[bool, LogLevel]] = {}
        """How our machines recorded before."""
        self._feed = feed
        self._phases = phases
        self._details: dict[str, PeerDetailRecord] = {}
        self._restarts: dict[str, tuple[float, int]] = {}
        """By peer: when a restart was last told, and how many were not told since."""
        self._epoch_s = time.time() - trio.current_time()
        self._unwatch = topic.watch(self.take)
        me = topic.peer_id
        feed([PeerRecord(time.time(), me, PeerStatus.SELF.value, safe_text(name))])
        self._show_own(MachineKey(me, TOPIC_SLOT), topic.machine)
        for index, machine in topic.exposed.items():
            self._show_own(MachineKey(me, index), machine)

    def end(self) -> None:
        """Look no longer."""
        self._unwatch()
        for key in list(self.tracers):
            self._forget_own(key)

    # Events of the topic.

    def take(self, event: TopicEvent) -> None:
        """Tell one event."""
        if isinstance(event, ClockChanged):
            self._feed((translate.derived_transition(event),))
        elif isinstance(event, PeerChanged):
            self._feed((translate.peer_record(event),))
        elif isinstance(event, Noticed):
            machine = self.topic.machine
            if event.text != str(machine.err) or not self._phases.tells_error_of(machine):
                self._feed((translate.notice_record(event),))
        elif isinstance(event, MachineExposed):
            self._exposed(event)
        elif isinstance(event, MachineSourceChanged):
            self._source_changed(MachineKey(*event.key), event.source.value, event.reason)
        elif isinstance(event, MachineLabelled):
            self._labelled(MachineKey(*event.key))
        elif isinstance(event, MachineReplaced):
            self._replaced(event)
        elif isinstance(event, MachineGone):
            self._gone(event)

    def _exposed(self, event: MachineExposed) -> None:
        key = MachineKey(*event.key)
        if event.source is Source.LOCAL:
            machine = self.topic.exposed.get(key.slot)
            if machine is not None and key not in self.tracers:
                self._show_own(key, machine)
            return
        self._show_remote(key, event.source, "")

    def _show_remote(self, key: MachineKey, source: Source, reason: str) -> None:
        replica = self.topic.network_machine(key)
        if replica is None:
            return
        shown = translate.show_machine(
            key,
            replica,
            source.value,
            machine_id=replica.remote_id,
            parent_id=replica.remote_parent,
            tags=[tag for tag in replica.tags if tag != "pubsub-worker" and not tag.startswith("src-id:")],
            reason=reason,
        )
        self.shown[key] = shown
        self._feed((shown.record,))

    def _source_changed(self, key: MachineKey, source: str, reason: str) -> None:
        shown = self.shown.get(key)
        if shown is not None:
            self._feed((translate.again(shown, source=source, reason=reason),))

    def _labelled(self, key: MachineKey) -> None:
        """Its tags or its parent changed."""
        replica, shown = self.topic.network_machine(key), self.shown.get(key)
        if replica is not None and shown is not None:
            self._show_remote(key, replica.source, shown.record.reason)

    def _replaced(self, event: MachineReplaced) -> None:
        key = MachineKey(*event.key)
        replica = self.topic.network_machine(key)
        if replica is not None:
            self._show_remote(key, replica.source, event.reason)
            name = self.shown[key].record.machine_id
            text = f"machine {name}: {safe_text(event.reason)}; its clock starts anew"
            self._tell_restart(key.peer_id, text)

    def _tell_restart(self, peer_id: str, text: str) -> None:
        """One notice a peer and second: a peer that restarts may have hundreds of machines."""
        now = trio.current_time()
        told_s, untold = self._restarts.get(peer_id, (-RESTARTS_EVERY_S, 0))
        if now - told_s < RESTARTS_EVERY_S:
            self._restarts[peer_id] = (told_s, untold + 1)
            return
        self._restarts[peer_id] = (now, 0)
        self._feed((NoticeRecord(time.time(), "warning", text, peer_id),))

    def _untold_restarts(self) -> list[Record]:
        now = trio.current_time()
        over = {
            peer: untold
            for peer, (told_s, untold) in self._restarts.items()
            if now - told_s >= RESTARTS_EVERY_S
        }
        for peer_id in over:
            del self._restarts[peer_id]
        return [
            NoticeRecord(time.time(), "warning", f"{untold:,} more of its machines restarted", peer_id)
            for peer_id, untold in over.items()
            if untold
        ]

    def _gone(self, event: MachineGone) -> None:
        key = MachineKey(*event.key)
        self._forget_own(key)
        self._source_changed(key, Source.GONE.value, event.reason)

    # Our own machines.

    def _show_own(self, key: MachineKey, machine: Machine) -> None:
        shown = translate.show_machine(key, machine, Source.LOCAL.value, parent_id=machine.parent_id)
        self.shown[key] = shown
        self._feed((shown.record,))
        tracer = self.tracers[key] = RecordingTracer(key, self._own_transition)
        self._machines[key] = machine
        machine.bind_tracer(tracer)
        self._look_closely(key, machine)

    def _forget_own(self, key: MachineKey) -> None:
        tracer, machine = self.tracers.pop(key, None), self._machines.pop(key, None)
        if tracer is not None and machine is not None:
            machine.detach_tracer(tracer)
            machine.options.record_steps, machine.options.log_level = self._options.pop(key)

    def _look_closely(self, key: MachineKey, machine: Machine) -> None:
        """Have steps and log lines kept with transitions; a machine with a logger of its own keeps its
        level. A topic machine is left as it is: steps would cost it its compiled plans, and nobody asked.
        """
        options = machine.options
        self._options[key] = options.record_steps, options.log_level
        if key.slot == TOPIC_SLOT:
            return
        options.record_steps = True
        if options.logger is None:
            options.log_level = max(options.log_level, LogLevel.DECISIONS)

    def _own_transition(self, record: TransitionRecord) -> None:
        self._feed((record,))
        if record.key.slot == TOPIC_SLOT:
            error = self.topic.machine.err
            self._phases.look_at(self.topic.machine, str(error) if error else "")

    def view_of(self, key: MachineKey) -> MachineView | None:
        """A machine by its key, our own or a replica."""
        return self._machines.get(key) or self.topic.network_machine(key)

    def own(self, key: MachineKey) -> Machine | None:
        """A machine of our own."""
        return self._machines.get(key)

    # Figures.

    async def sample_details(self, interval_s: float) -> None:
        """Look at every peer's figures now and then, and tell those that changed."""
        while True:
            self._feed([*self._untold_restarts(), *self._changed_details()])
            await trio.sleep(interval_s)

    def _changed_details(self) -> list[Record]:
        topic = self.topic
        transport = topic.host.transport
        known = topic.peers
        changed: list[Record] = []
        for peer_id in {*known, *transport.connected_peers()}:
            record = translate.detail_record(
                peer_id,
                known.get(peer_id),
                transport.detail(peer_id),
                topic.name,
                self._epoch_s,
            )
            if peer_id == topic.peer_id:
                record = replace(record, addresses=topic.addresses)
            if record != self._details.get(peer_id):
                self._details[peer_id] = record
                changed.append(replace(record, at_s=time.time()))
        return changed
