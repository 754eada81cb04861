"""Telemetry with the real asyncmachine-go v0.18.0: its programs to us, our machines to am-dbg's own server."""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from ampubsub.machine import Machine, State
from ampubsub.telemetry.environment import TelemetryWishes
from ampubsub.telemetry.receiver import ProgramGone, Receiver, SchemaHeard, TransitionHeard
from ampubsub.telemetry.sender import DebuggerSender
from tests.go_programs import GoUnavailableError, go_program

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

SOURCE = Path(__file__).parent / "go"
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return go_program(SOURCE, "telemetry-v0.18.0", list(SOURCE.iterdir()), toolchain="go1.24.9")
    except GoUnavailableError as error:
        pytest.skip(str(error))


def test_a_go_program_is_seen_with_what_a_topic_never_tells(program) -> None:
    events: queue.Queue = queue.Queue()
    receiver = Receiver(events.put, port=0)
    receiver.start()
    with subprocess.Popen(
        [program, "tell", f"127.0.0.1:{receiver.port}"], stdout=subprocess.PIPE, text=True
    ) as go:
        assert go.stdout is not None
        told = next(line for line in go.stdout if line.startswith("{"))  # after what the machine logs
        clock = json.loads(told)["clock"]
        heard = []
        while not heard or not isinstance(heard[-1], ProgramGone):
            heard.append(events.get(timeout=PATIENCE_S))
    receiver.close()
    schema = heard[0]
    assert isinstance(schema, SchemaHeard)
    assert (schema.schema.machine_id, schema.schema.tags) == ("plant", ("site:north",))
    assert schema.schema.states["Start"].add == ("Power",)
    ended = [
        event.transition for event in heard if isinstance(event, TransitionHeard) and event.transition.ended
    ]
    assert clock in [list(transition.clock) for transition in ended]
    refused = next(transition for transition in ended if transition.called == ("Cold",))
    assert not refused.accepted
    assert any("ColdEnter" in line.text for line in refused.log)
    inner = next(transition for transition in ended if transition.called == ("Warm",))
    assert inner.steps
    assert sum(transition.called == ("Blink",) for transition in ended) == 40
    assert receiver.refused == 0


def test_am_dbgs_own_server_hears_our_machine_as_it_is(program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([program, "serve", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True) as go:
        assert go.stdout is not None
        lines: queue.Queue = queue.Queue()

        def read() -> None:
            for line in go.stdout or ():
                lines.put(json.loads(line))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        _wait_for(port)
        assert lines.get(timeout=PATIENCE_S) == {"gone": True}, "we looked whether it listens"
        machine = Machine(
            {
                "On": State(require=("Power",), tags=("light",)),
                "Power": State(),
                "Exception": State(multi=True),
            },
            id="lamp",
            states=["On", "Power", "Exception"],
            tags=["room:kitchen"],
        )
        sender = DebuggerSender(machine, TelemetryWishes("127.0.0.1", port, steps=True, queued=True))
        machine.add("On")  # refused: no power
        machine.add("Power", "On", args={"by": "hand"})
        for _ in range(100):
            machine.remove("On")
            machine.add("On")
        said = lines.get(timeout=PATIENCE_S)
        schema = said["schema"]
        assert (schema["ID"], schema["StatesIndex"]) == ("lamp", ["On", "Power", "Exception"])
        assert schema["States"]["On"]["require"] == ["Power"]
        assert schema["Tags"] == ["room:kitchen"]
        records = []
        while not records or records[-1]["Clocks"] != list(machine.time()) or records[-1]["IsQueued"]:
            records.append(lines.get(timeout=PATIENCE_S)["record"])
        ended = [record for record in records if not record["IsQueued"]]
        queued = [record for record in records if record["IsQueued"]]
        assert len(ended) == len(queued) == 202
        assert not ended[0]["Accepted"]
        assert ended[1]["Args"] == {"by": "hand"}
        assert any(line["Text"] == "[state] +On +Power (by=hand)" for line in ended[1]["LogEntries"])
        assert ended[1]["CalledStatesIdxs"] == [1, 0]
        assert ended[1]["Steps"]
        for before, after in zip(queued, ended, strict=True):
            assert before["MutQueueTick"] == after["QueueTick"]
        sender.close()
        assert lines.get(timeout=PATIENCE_S) == {"gone": True}
        go.kill()
        reader.join()


def _wait_for(port: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)  # another process: there is no event to wait for
        else:
            return
    pytest.fail("am-dbg's server does not listen")
