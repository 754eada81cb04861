"""Keeps a `NetworkMachine` for each machine in the registry, by following the events."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ampubsub.remote import NetworkMachine
from ampubsub.topic.events import (
    ClockChanged,
    MachineExposed,
    MachineGone,
    MachineLabelled,
    MachineReplaced,
    MachineSourceChanged,
    Source,
    TopicEvent,
)
from ampubsub.topic.peers import Key

if TYPE_CHECKING:
    from ampubsub.topic.core import Core

_LOGGER = logging.getLogger("ampubsub.topic")


class Replicas:
    """Makes, moves and ends replicas; with `show`, tells the topic machine's tracers of each new one.

    What a callback of somebody who waits raises is logged (logger `ampubsub.topic`) and harms nobody else.
    """

    def __init__(self, core: Core, *, show: bool) -> None:
        self._core = core
        self._show = show

    def take(self, event: TopicEvent) -> None:
        """Follow one event."""
        with _harmless(event):
            self._take(event)

    def _take(self, event: TopicEvent) -> None:
        if isinstance(event, ClockChanged):
            if (replica := self._core.replicas.get(event.key)) is not None:
                replica.follow(event.after, event.source, self._core.now())
        elif isinstance(event, MachineSourceChanged):
            if (replica := self._core.replicas.get(event.key)) is not None:
                replica.trust(event.source)
        elif isinstance(event, MachineExposed):
            if event.source is not Source.LOCAL:
                self._make(event.key)
        elif isinstance(event, MachineLabelled):
            self._label(event.key)
        elif isinstance(event, MachineReplaced):
            self._replace(event)
        elif isinstance(event, MachineGone) and event.key in self._core.replicas:
            self._core.replicas.pop(event.key).end(event.reason)

    def end(self, reason: str) -> None:
        """End all: nobody will tell them anything any longer."""
        for key in list(self._core.replicas):
            with _harmless(reason):
                self._core.replicas.pop(key).end(reason)

    def _make(self, key: Key) -> None:
        core = self._core
        machine = core.registry.machine(key)
        if machine is None:
            return
        info = machine.info
        core.replicas[key] = replica = NetworkMachine(
            info.id,
            dict(info.schema or {}),
            tuple(info.states or ()),
            machine.clock,
            key=key,
            tags=tuple(info.tags or ()),
            remote_parent=info.parent or "",
            parent_id=core.machine.id,
            source=machine.source,
            news_s=machine.news_s,
            suffix=f"{core.random.getrandbits(32):08x}",
        )
        if self._show:
            for hook in core.machine.tracers.new_submachine:
                hook(core.machine, replica)

    def _label(self, key: Key) -> None:
        machine, replica = self._core.registry.machine(key), self._core.replicas.get(key)
        if machine is not None and replica is not None:
            replica.label(machine.info.tags or (), machine.info.parent or "")

    def _replace(self, event: MachineReplaced) -> None:
        """The same machine with a new clock goes on; one with another schema ends, and a new replica begins."""
        core = self._core
        machine, replica = core.registry.machine(event.key), core.replicas.get(event.key)
        if machine is None or replica is None:
            return
        info = machine.info
        same = replica.state_names == tuple(info.states or ()) and replica.schema == info.schema
        if same and replica.remote_id == info.id:
            self._label(event.key)
            replica.restart(machine.clock, machine.source, core.now())
            return
        with _harmless(event):
            core.replicas.pop(event.key).end(event.reason)
        self._make(event.key)


@contextmanager
def _harmless(event: object) -> Iterator[None]:
    """A callback's fault must not stop the peer."""
    try:
        yield
    except Exception:
        _LOGGER.exception("a callback of a wait on a network machine failed at %r", event)
