"""Keeps a `NetworkMachine` for each machine that is believed in, by following the events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from ampubsub.machine import Machine
from ampubsub.remote import NetworkMachine
from ampubsub.topic.beliefs import Beliefs
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

_LOGGER = logging.getLogger("ampubsub.topic")


class Replicas:
    """Makes, moves and ends replicas; with `show`, tells the topic machine's tracers of each new one.

    What a callback of somebody who waits raises is logged (logger `ampubsub.topic`) and harms nobody else.
    """

    def __init__(
        self, beliefs: Beliefs, machine: Machine, random: Random, now: Callable[[], float], *, show: bool
    ) -> None:
        self.by_key: dict[Key, NetworkMachine] = {}
        self._beliefs, self._machine, self._random, self._now = beliefs, machine, random, now
        self._show = show

    def take(self, event: TopicEvent) -> None:
        """Follow one event."""
        with _harmless(event):
            self._take(event)

    def _take(self, event: TopicEvent) -> None:
        match event:
            case ClockChanged(key):
                if (replica := self.by_key.get(key)) is not None:
                    replica.follow(event.after, event.source, self._now())
            case MachineSourceChanged(key):
                if (replica := self.by_key.get(key)) is not None:
                    replica.trust(event.source)
            case MachineExposed(key):
                if event.source is not Source.LOCAL:
                    self._make(key)
            case MachineLabelled(key):
                self._label(key)
            case MachineReplaced():
                self._replace(event)
            case MachineGone(key):
                if key in self.by_key:
                    self.by_key.pop(key).end(event.reason)
            case _:
                pass

    def end(self, reason: str) -> None:
        """End all: nobody will tell them anything any longer."""
        for key in list(self.by_key):
            with _harmless(reason):
                self.by_key.pop(key).end(reason)

    def _make(self, key: Key) -> None:
        machine = self._beliefs.machine(key)
        if machine is None:
            return
        info = machine.info
        self.by_key[key] = replica = NetworkMachine(
            info.id,
            dict(info.schema or {}),
            tuple(info.states or ()),
            machine.clock,
            key=key,
            tags=tuple(info.tags or ()),
            remote_parent=info.parent or "",
            parent_id=self._machine.id,
            source=machine.source,
            news_s=machine.news_s,
            suffix=f"{self._random.getrandbits(32):08x}",
        )
        if self._show:
            for hook in self._machine.tracers.new_submachine:
                hook(self._machine, replica)

    def _label(self, key: Key) -> None:
        machine, replica = self._beliefs.machine(key), self.by_key.get(key)
        if machine is not None and replica is not None:
            replica.relabel(machine.info.tags or (), machine.info.parent or "")

    def _replace(self, event: MachineReplaced) -> None:
        """The same machine with a new clock goes on; one with another schema ends, and a new replica begins."""
        machine, replica = self._beliefs.machine(event.key), self.by_key.get(event.key)
        if machine is None or replica is None:
            return
        info = machine.info
        same = replica.state_names == tuple(info.states or ()) and replica.schema == info.schema
        if same and replica.remote_id == info.id:
            self._label(event.key)
            replica.restart(machine.clock, machine.source, self._now())
            return
        with _harmless(event):
            self.by_key.pop(event.key).end(event.reason)
        self._make(event.key)


@contextmanager
def _harmless(event: object) -> Iterator[None]:
    """A callback's fault must not stop the peer."""
    try:
        yield
    except Exception:
        _LOGGER.exception("a callback of a wait on a network machine failed at %r", event)
