"""A program and a debugger over a real socket: our sender, our receiver, and strangers."""

from __future__ import annotations

import queue
import socket
import time

import pytest

from ampubsub.machine import LogLevel, Machine, State
from ampubsub.telemetry.calls import TRANSITION_METHOD, ClientSide
from ampubsub.telemetry.environment import (
    DebuggerAddressError,
    TelemetryWishes,
    read_address,
    wishes,
)
from ampubsub.telemetry.limits import SenderSettings, TelemetryLimits
from ampubsub.telemetry.receiver import (
    CallRefused,
    ListenAddressError,
    ProgramGone,
    Receiver,
    SchemaHeard,
    TransitionHeard,
)
from ampubsub.telemetry.sender import DebuggerSender, show_in_debugger
from ampubsub.telemetry.translate import safe_line
from tests.telemetry.recorded import ANSWERS, CALLS, name_of, recorded_bytes

PATIENCE_S = 10.0


class Screen:
    """A receiver whose events are waited for."""

    def __init__(self, **kwargs) -> None:
        self.events: queue.Queue = queue.Queue()
        self.receiver = Receiver(self.events.put, port=0, **kwargs)
        self.receiver.start()

    def next(self, kind):
        while True:
            event = self.events.get(timeout=PATIENCE_S)
            if isinstance(event, kind):
                return event

    def wishes(self, **kwargs) -> TelemetryWishes:
        return TelemetryWishes("127.0.0.1", self.receiver.port, **kwargs)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.receiver.port), PATIENCE_S)


@pytest.fixture
def screen():
    screen = Screen()
    yield screen
    screen.receiver.close()


def lamp() -> Machine:
    return Machine(
        {
            "On": State(require=("Power",), tags=("light",)),
            "Power": State(),
            "Off": State(remove=("On",)),
            "Exception": State(multi=True),
        },
        id="lamp",
        states=["On", "Power", "Off", "Exception"],
        tags=["room:kitchen"],
    )


def test_a_machine_appears_with_its_schema_transitions_steps_and_log(screen) -> None:
    machine = lamp()
    sender = DebuggerSender(machine, screen.wishes(steps=True, queued=True))
    machine.add("Power", "On", args={"by": "hand"})
    machine.add("Off")
    schema = screen.next(SchemaHeard).schema
    assert (schema.machine_id, schema.state_names) == ("lamp", ("On", "Power", "Off", "Exception"))
    assert schema.states["On"] == State(require=("Power",), tags=("light",))
    assert schema.tags == ("room:kitchen",)
    queued = screen.next(TransitionHeard).transition
    assert queued.queued
    assert set(queued.called) == {"Power", "On"}
    ended = screen.next(TransitionHeard).transition
    assert (ended.queued, ended.accepted, ended.kind, ended.clock) == (False, True, "add", (1, 1, 0, 0))
    assert dict(ended.args) == {"by": "hand"}
    assert ended.steps
    assert any(line.text.startswith("[state] +On +Power") for line in ended.log)
    screen.next(TransitionHeard)
    second = screen.next(TransitionHeard).transition
    assert second.clock == (2, 1, 1, 0)
    sender.close()
    assert screen.next(ProgramGone).machine_ids == ("lamp",)
    assert (sender.lost, sender.trouble) == (0, "")


def test_a_machine_that_is_disposed_of_is_told_to_its_end(screen) -> None:
    machine = lamp()
    sender = DebuggerSender(machine, screen.wishes())
    for _ in range(50):
        machine.add("Power")
        machine.remove("Power")
    machine.dispose()
    records = []
    while True:
        event = screen.events.get(timeout=PATIENCE_S)
        if isinstance(event, ProgramGone):
            break
        records.append(event)
    assert sum(isinstance(record, TransitionHeard) for record in records) >= 100
    assert sender.sent >= 100


def test_another_schema_is_told_on_the_same_connection(screen) -> None:
    machine = lamp()
    sender = DebuggerSender(machine, screen.wishes())
    first = screen.next(SchemaHeard)
    machine.set_schema({**machine.schema, "Dim": State()}, [*machine.state_names, "Dim"])
    second = screen.next(SchemaHeard)
    assert second.connection == first.connection
    assert second.schema.state_names == ("On", "Power", "Off", "Exception", "Dim")
    machine.add("Dim")
    assert screen.next(TransitionHeard).transition.called == ("Dim",)
    sender.close()


def test_without_a_debugger_the_program_goes_on_and_losses_are_told_later() -> None:
    machine = lamp()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = SenderSettings(waiting=10, redial_first_s=0.02, redial_max_s=0.02)
    sender = DebuggerSender(machine, TelemetryWishes("127.0.0.1", port), settings)
    for _ in range(20):
        machine.add("Power")
        machine.remove("Power")
    assert sender.lost == 30
    events: queue.Queue = queue.Queue()
    receiver = Receiver(events.put, port=port)
    receiver.start()
    assert isinstance(events.get(timeout=PATIENCE_S), SchemaHeard)
    first = events.get(timeout=PATIENCE_S).transition
    assert "30 records before this one were lost" in first.log_before[0].text
    sender.close()
    receiver.close()
    assert sender.sent == 10


def test_a_lost_connection_is_dialled_again_with_a_new_schema(screen) -> None:
    machine = lamp()
    settings = SenderSettings(redial_first_s=0.02, redial_max_s=0.02)
    sender = DebuggerSender(machine, screen.wishes(), settings)
    assert screen.next(SchemaHeard).connection == 1
    port = screen.receiver.port
    screen.receiver.close()
    again = Receiver(screen.events.put, port=port)
    again.start()
    machine.add("Power")
    assert isinstance(screen.next(SchemaHeard), SchemaHeard)
    assert screen.next(TransitionHeard).transition.called == ("Power",)
    sender.close()
    again.close()


def test_closing_without_a_debugger_takes_no_time() -> None:
    sender = DebuggerSender(lamp(), TelemetryWishes("127.0.0.1", 9), SenderSettings(redial_first_s=60.0))
    started = time.monotonic()
    sender.close()
    assert time.monotonic() - started < 5.0
    sender.close()


@pytest.mark.parametrize("path", CALLS, ids=name_of)
def test_a_recorded_go_program_is_answered_and_heard(screen, path) -> None:
    data = recorded_bytes(path)
    with screen.connect() as program:
        program.sendall(data)
        client, answers = ClientSide(), []
        screen.next(SchemaHeard)
        program.settimeout(PATIENCE_S)
        heard = 1
        while not answers or len(answers) < heard or not screen.events.empty():
            answers += client.feed(program.recv(65_536))
            while not screen.events.empty():
                assert not isinstance(screen.events.get(), CallRefused)
                heard += 1
        assert all(answer.error == "" for answer in answers)
        assert [answer.sequence for answer in answers] == list(range(len(answers)))
    screen.next(ProgramGone)
    assert screen.receiver.refused == 0


@pytest.mark.parametrize("path", ANSWERS, ids=name_of)
def test_answers_of_am_dbg_itself_are_read(path) -> None:
    answers = ClientSide().feed(recorded_bytes(path))
    errors = [answer.error for answer in answers if answer.error]
    assert len(answers) > 2
    assert bool(errors) == ("no-method" in path.name)
    assert all("can't find method" in error for error in errors)


def test_a_method_that_is_not_known_is_answered_as_go_does_and_the_connection_lives(screen) -> None:
    from ampubsub.telemetry.wire_types import SCHEMA

    client = ClientSide()
    with screen.connect() as program:
        program.sendall(client.call("RPCServer.Nothing", SCHEMA, {"ID": "x"}))
        answers = []
        while not answers:
            answers += client.feed(program.recv(4096))
        assert answers[0].error == "rpc: can't find method RPCServer.Nothing"
        assert "no debugger knows" in screen.next(CallRefused).reason
        program.sendall(client.call("RPCServer.DbgMsgSchema", SCHEMA, {"ID": "x"}))
        assert screen.next(SchemaHeard).schema.machine_id == "x"


def test_what_is_no_telemetry_ends_its_connection_only(screen) -> None:
    sender = DebuggerSender(lamp(), screen.wishes())
    screen.next(SchemaHeard)
    with screen.connect() as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: somebody.example\r\n\r\n" * 3)
        assert "not telemetry" in screen.next(CallRefused).reason
        assert stranger.recv(100) == b""
    assert screen.receiver.connections == 1
    sender.close()


def test_a_record_before_its_schema_is_answered_and_refused(screen) -> None:
    from ampubsub.telemetry.wire_types import TRANSITION

    client = ClientSide()
    with screen.connect() as program:
        program.sendall(client.call(TRANSITION_METHOD, TRANSITION, {"MachineID": "x"}))
        answers = []
        while not answers:
            answers += client.feed(program.recv(4096))
        assert answers[0].error == ""
        assert "schema was not told" in screen.next(CallRefused).reason


def test_connections_machines_and_unfinished_bytes_are_bounded() -> None:
    from ampubsub.telemetry.wire_types import SCHEMA

    screen = Screen(limits=TelemetryLimits(connections=1, machines_per_connection=1, unfinished_bytes=1000))
    client = ClientSide()
    with screen.connect() as program:
        for name in ("a", "b"):
            program.sendall(client.call("RPCServer.DbgMsgSchema", SCHEMA, {"ID": name}))
        screen.next(SchemaHeard)
        assert "more than 1 machines" in screen.next(CallRefused).reason
        with screen.connect() as second:
            assert second.recv(1) == b""
        assert "more than 1 programs" in screen.next(CallRefused).reason
        program.sendall(b"\xfd\x10\x00\x00" + bytes(2000))
        assert "too large to wait for" in screen.next(ProgramGone).reason
    screen.receiver.close()


def test_a_port_in_use_is_said_in_words(screen) -> None:
    with pytest.raises(ListenAddressError, match="is am-dbg or another debugger running there"):
        Receiver(print, port=screen.receiver.port).start()


def test_closing_ends_the_thread_and_every_connection() -> None:
    screen = Screen()
    program = screen.connect()
    screen.receiver.close()
    screen.receiver.close()
    assert program.recv(1) == b""
    program.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1", ("127.0.0.1", 6831)),
        ("localhost:7000", ("127.0.0.1", 7000)),
        (":7000", ("127.0.0.1", 7000)),
        ("7000", ("127.0.0.1", 7000)),
        ("10.0.0.1", ("10.0.0.1", 6831)),
        ("[::1]:7000", ("::1", 7000)),
    ],
)
def test_addresses_as_go_writes_them(text, address) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["host:port", "host:", "host:70000"])
def test_wrong_addresses_are_refused_in_words(text) -> None:
    with pytest.raises(DebuggerAddressError, match="HOST:PORT"):
        read_address(text)


def test_the_environment_says_what_to_tell() -> None:
    assert wishes({}) is None
    assert wishes({"AM_DBG_ADDR": "1", "AM_TEST_RUNNER": "1"}) is None
    assert show_in_debugger(lamp(), {}) is None
    plain = wishes({"AM_DBG_ADDR": "1"})
    assert plain == TelemetryWishes("127.0.0.1", 6831)
    full = wishes({"AM_DBG_ADDR": "1", "AM_LOG": "3", "AM_LOG_FULL": "1"})
    assert full == TelemetryWishes(
        "127.0.0.1", 6831, LogLevel.OPERATIONS, steps=True, checks=True, queued=True
    )


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("[state] +A", "[state] +A"),
        ("short", "[extern] short"),
        ("[no space]", "[extern] [no space]"),
        ("[state] +A)", "[state] +A]"),
        ("[state] +A (k=v)", "[state] +A (k=v)"),
        ("[extern] a\x1b]0;x\x07", "[extern] a ]0;x "),
        ("[error] one\ntwo", "[error] one\ntwo"),
    ],
)
def test_log_texts_never_end_a_second_of_am_dbg(text, safe) -> None:
    assert safe_line(text) == safe
