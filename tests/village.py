"""Peers on the in-memory network, under trio's virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from ampubsub import Machine, State, Topic, TopicSettings
from ampubsub.topic import TopicEvent
from ampubsub.transport.memory import MemoryNetwork

PATIENCE_S = 60.0


def lamp(id: str = "lamp", **kwargs: Any) -> Machine:
    """A small machine with something to do."""
    states = {"On": State(require=("Power",)), "Power": State(), "Blink": State(multi=True)}
    return Machine(states, id=id, states=["Exception", "On", "Power", "Blink"], **kwargs)


class Village:
    """Makes peers, and waits for what they shall come to know."""

    def __init__(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.topics: list[Topic] = []
        self._changed = trio.Event()
        self.lamp = lamp

    def topic(self, name: str, *expose: Machine, to: tuple[str, ...] = (), **kwargs: Any) -> Topic:
        """A peer called `name`; `to` are addresses to dial."""
        topic = Topic(
            kwargs.pop("topic", "home"),
            expose=expose,
            connect=to,
            listen=[f"/memory/{name}"],
            transport=kwargs.pop("transport", None) or self.network.transport(name),
            suffix=name,
            seed=len(self.topics),
            settings=kwargs.pop("settings", TopicSettings()),
            **kwargs,
        )
        self.topics.append(topic)
        topic.watch(self._wake)
        return topic

    def _wake(self, event: TopicEvent) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], bool], within: float = PATIENCE_S) -> float:
        """Wait until something is true of the peers; looks again after each event. Returns the seconds it took."""
        start = trio.current_time()
        with trio.move_on_after(within):
            while not condition():
                await self._changed.wait()
        assert condition(), f"not so within {within} s"
        return trio.current_time() - start


@pytest.fixture
def village() -> Village:
    """An empty village. Tests ask for `autojump_clock` as well: pytest-trio wants to see it itself."""
    return Village()


def knows(topic: Topic, *ids: str) -> bool:
    """Does a peer know exactly these machines?"""
    return sorted(machine.remote_id for machine in topic.network_machines) == sorted(ids)


@pytest.fixture(name="knows")
def _knows() -> Callable[..., bool]:
    return knows
