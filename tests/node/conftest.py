"""A session with its records, beside ordinary peers of the in-memory network, under trio's virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import trio

from amdbg_tui.history import History, Live
from amdbg_tui.history.records import MachineKey, Record, TransitionRecord
from amdbg_tui.node import JoinRequest
from amdbg_tui.node.commands import Command
from amdbg_tui.node.session import Session
from ampubsub import Machine, State, Topic, TopicSettings
from ampubsub.transport.memory import MemoryNetwork

Found = TypeVar("Found")
PATIENCE_S = 300.0


def lamp(id: str = "lamp", **more: Any) -> Machine:
    states = {
        "Exception": State(multi=True),
        "On": State(require=("Power",)),
        "Power": State(),
        "Blink": State(multi=True),
        "Broken": State(remove=("On", "Power")),
    }
    return Machine(states, id=id, states=list(states), **more)


class Bench:
    """The network, and what the session told."""

    def __init__(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.history = History()
        self.records: list[Record] = []
        self.failure = ""
        self.session: Session | None = None
        self._told = trio.Event()

    @property
    def live(self) -> Live:
        self.history.refresh()
        return self.history.live

    def feed(self, records: Sequence[Record]) -> None:
        self.records += records
        self.history.append(records)
        self._told.set()
        self._told = trio.Event()

    def set_failure(self, text: str) -> None:
        self.failure = text

    def peer(
        self, name: str, *expose: Machine, topic: str = "home", to: Sequence[str] = (), **more: Any
    ) -> Topic:
        return Topic(
            topic, expose=expose, connect=to, listen=[f"/memory/{name}"], transport=self.network.transport(name),
            suffix=name, seed=1, settings=TopicSettings(), **more,
        )  # fmt: skip

    @asynccontextmanager
    async def joined(self, *addresses: str, name: str = "us", **more: Any) -> AsyncIterator[Session]:
        """Run a session; at the end it is asked to stop."""
        join = JoinRequest(
            tuple(addresses),
            name=name,
            listen=(f"/memory/{name}",),
            make_transport=lambda: self.network.transport(name),
        )
        session = self.session = Session(replace(join, **more), self.feed, self.set_failure)
        async with trio.open_nursery() as nursery:
            ready = trio.Event()
            nursery.start_soon(session.run, ready.set)
            await ready.wait()
            yield session
            session.request_stop()

    async def until(self, condition: Callable[[], Found]) -> Found:
        """Wait until the records make something true."""
        with trio.move_on_after(PATIENCE_S):
            while not (found := condition()):
                await self._told.wait()
            return found
        raise AssertionError(f"never came; the last records were {self.records[-8:]}")

    async def ask(self, command: Command) -> Any:
        """Have a command done, as the screen would."""
        assert self.session is not None
        future: Future[Any] = Future()
        done = trio.Event()
        token = trio.lowlevel.current_trio_token()
        future.add_done_callback(lambda _: token.run_sync_soon(done.set))
        self.session.submit(command, future)
        with trio.fail_after(PATIENCE_S):
            await done.wait()
        return future.result()

    def phases(self) -> list[str]:
        """The phases of our own peer so far, each once."""
        found = [record.phase for record in self.records if hasattr(record, "phase")]
        return [phase for at, phase in enumerate(found) if at == 0 or found[at - 1] != phase]

    def key_of(self, machine_id: str) -> MachineKey | None:
        return next(
            (key for key, known in self.live.machines.items() if known.record.machine_id == machine_id), None
        )

    def transitions(self, key: MachineKey) -> list[TransitionRecord]:
        return [
            record for record in self.records if isinstance(record, TransitionRecord) and record.key == key
        ]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture(name="lamp")
def _lamp() -> Callable[..., Machine]:
    return lamp
