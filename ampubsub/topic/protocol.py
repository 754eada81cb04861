"""The protocol of one peer on one topic: bytes, identities and time in, messages, events and the next due time out.

Pure: no I/O, no task, no clock of its own, no machine, nothing that calls back.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ampubsub.topic.changes import LocalChange, Output
from ampubsub.topic.events import TopicEvent
from ampubsub.topic.settings import TopicSettings
from ampubsub.transport.interface import MessageReceived, Verdict


class Protocol:
    """See the file's first lines. `now` is in seconds of any clock that never goes back."""

    def __init__(
        self,
        *,
        name: str,
        peer_id: str,
        settings: TopicSettings,
        random: Random,
        open_signed: Callable[[bytes], MessageReceived | None] | None = None,
    ) -> None:
        self.name, self.peer_id, self.settings = name, peer_id, settings

    def check(self, now: float, message: MessageReceived) -> Verdict:
        """Asked before a message is relayed: charges the neighbour that brought it."""
        raise NotImplementedError

    def receive(self, now: float, message: MessageReceived) -> list[TopicEvent]:
        """A message of the topic."""
        raise NotImplementedError

    def receive_direct(self, now: float, neighbour: str, data: bytes) -> list[TopicEvent]:
        """A frame of the private stream."""
        raise NotImplementedError

    def local(self, now: float, change: LocalChange) -> list[TopicEvent]:
        """Something happened here: see `changes.py`."""
        raise NotImplementedError

    def tick(self, now: float) -> Output:
        """Do what is due."""
        raise NotImplementedError

    def next_due(self) -> float:
        """When to call `tick` next; infinity when nothing is due."""
        raise NotImplementedError
