"""The thread behind the screen: started once, asked from outside, stopped in time, and honest when it breaks."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import pytest

from amdbg_tui.history.records import ConnectionRecord, MachineKey, NoticeRecord, Record
from amdbg_tui.node import CommandError, JoinRequest, Node
from amdbg_tui.node.commands import Mutate
from ampubsub import Machine, State
from ampubsub.transport.interface import ListenError
from ampubsub.transport.memory import MemoryNetwork

LIMIT_S = 20


class Told:
    """Records of the peer's thread."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._changed = threading.Condition()

    def __call__(self, records: Sequence[Record]) -> None:
        with self._changed:
            self.records += records
            self._changed.notify_all()

    def phase(self, phase: str) -> ConnectionRecord:
        """Wait for a phase."""

        def found() -> ConnectionRecord | None:
            connections = (record for record in self.records if isinstance(record, ConnectionRecord))
            return next((record for record in connections if record.phase == phase), None)

        with self._changed:
            assert self._changed.wait_for(lambda: found() is not None, LIMIT_S), self.records
        record = found()
        assert record is not None
        return record


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def lamp() -> Machine:
    states = {"Exception": State(multi=True), "On": State()}
    return Machine(states, id="lamp", states=list(states))


@pytest.fixture
def node(told: Told, lamp: Machine) -> Iterator[Node]:
    network = MemoryNetwork(seed=1)
    node = Node(told, JoinRequest((), "home", (lamp,), make_transport=lambda: network.transport("us")))
    yield node
    assert node.stop()


def test_it_starts_answers_and_stops(node: Node, told: Told, lamp: Machine) -> None:
    assert not node.is_running
    node.start()
    node.start()
    us = told.phase("joined").peer_id
    outcome = node.call(Mutate(MachineKey(us, 0), "add", ("On",))).result(LIMIT_S)
    assert outcome.result == "executed"
    assert lamp.is_("On")
    assert node.stop()
    assert node.stop()
    assert not node.is_running
    told.phase("closed")
    assert [thread for thread in threading.enumerate() if thread.name == "peer"] == []
    with pytest.raises(CommandError, match="has left"):
        node.call(Mutate(MachineKey(us, 0), "add", ("On",))).result(LIMIT_S)


def test_a_command_asked_before_the_start_is_answered_after_it(node: Node, told: Told) -> None:
    future = node.call(Mutate(MachineKey("us", 0), "add", ("On",)))
    assert not future.done()
    node.start()
    with pytest.raises(CommandError):
        future.result(LIMIT_S)


def test_a_node_that_never_started_stops_at_once_and_refuses_what_was_asked(node: Node) -> None:
    future: Future[object] = node.call(Mutate(MachineKey("us", 0), "add", ("On",)))
    assert node.stop()
    with pytest.raises(CommandError, match="has left"):
        future.result(LIMIT_S)
    node.start()
    assert not node.is_running


def test_an_address_in_use_is_told_as_a_failure_that_waits_to_be_read(told: Told) -> None:
    class Taken(type(MemoryNetwork(seed=1).transport("x"))):  # type: ignore[misc]
        def opened(self, listen: Sequence[str]) -> object:
            raise ListenError("Cannot listen on /ip4/127.0.0.1/udp/7/quic-v1: the port is in use")

    network = MemoryNetwork(seed=1)
    transport = network.transport("us")
    transport.__class__ = Taken
    node = Node(told, JoinRequest((), "home", make_transport=lambda: transport))
    node.start()
    assert "port is in use" in told.phase("failed").detail
    assert "port is in use" in node.failure
    assert node.is_running
    assert node.stop()
    assert node.crash is None


def test_a_peer_that_breaks_is_told_and_kept_for_the_report(told: Told) -> None:
    def broken() -> object:
        raise ZeroDivisionError("boom")

    node = Node(told, JoinRequest((), "home", make_transport=broken))  # type: ignore[arg-type]
    node.start()
    assert "ZeroDivisionError: boom" in told.phase("failed").detail
    assert any(isinstance(record, NoticeRecord) and record.severity == "error" for record in told.records)
    assert node.stop()
    assert node.crash is not None
    assert "boom" in node.crash_report
    assert "boom" in node.failure


def test_importing_the_node_imports_neither_trio_nor_the_network() -> None:
    code = "import sys, amdbg_tui.node; print([name for name in ('trio', 'libp2p', 'textual') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
