"""What am-dbg's telemetry costs: hearing ten busy programs, and a program that tells.

`python -m benchmarks.telemetry [--json] [--quick]`. The programs are threads' worth of recorded calls, sent by child processes that wait
for each answer, as Go programs do. CPU time of the receiving process, records made and fed into a history in memory included.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import socket
import statistics
import threading
import time

from amdbg_tui.history import History
from amdbg_tui.node.programs import Programs
from ampubsub.machine import Machine, State
from ampubsub.telemetry.calls import SCHEMA_METHODS, TRANSITION_METHOD, ClientSide
from ampubsub.telemetry.environment import TelemetryWishes
from ampubsub.telemetry.messages import LogLine, MachineSchema, MachineTransition
from ampubsub.telemetry.receiver import ProgramGone, Receiver
from ampubsub.telemetry.sender import DebuggerSender
from ampubsub.telemetry.wire_types import SCHEMA, TRANSITION, schema_value, transition_value

STATES = 30
PROGRAMS = 10
A_SECOND = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seconds = 2 if options.quick else 10
    for row in (receiving(seconds), *sending(2_000 if options.quick else 10_000)):
        print(json.dumps(row) if options.json else "  ".join(f"{key} {value}" for key, value in row.items()))


def receiving(seconds: int) -> dict[str, object]:
    """Ten programs with a thousand transitions a second each."""
    with History(None) as history:
        programs = Programs(history.feed)
        gone = threading.Semaphore(0)

        def heard(event: object) -> None:
            programs.heard(event)  # type: ignore[arg-type]
            if isinstance(event, ProgramGone):
                gone.release()

        receiver = Receiver(heard, port=0)
        receiver.start()
        context = multiprocessing.get_context("spawn")
        ready = context.Barrier(PROGRAMS + 1)
        children = [
            context.Process(target=_program, args=(receiver.port, number, seconds, ready))
            for number in range(PROGRAMS)
        ]
        for child in children:
            child.start()
        ready.wait()
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        for _ in children:
            gone.acquire()
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        receiver.close()
        for child in children:
            child.join()
        while history.refresh():
            pass
        sent = PROGRAMS * A_SECOND * seconds
        return {
            "what": "receive",
            "programs": PROGRAMS,
            "transitions": sent,
            "a_second": round(sent / wall_s),
            "cpu_percent_of_a_core": round(100 * cpu_s / wall_s, 1),
            "us_a_transition": round(1e6 * cpu_s / sent, 1),
            "lost": sent - history.live.transitions,
        }


def _program(port: int, number: int, seconds: int, ready: object) -> None:
    chance = random.Random(number)
    names = tuple(f"State{at}" for at in range(STATES))
    schema = MachineSchema(f"machine-{number}", names, {name: State() for name in names})
    clock = [0] * STATES
    client = ClientSide()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def call(data: bytes) -> None:
            connection.sendall(data)
            while not client.feed(connection.recv(65_536)):
                pass

        call(client.call(SCHEMA_METHODS[0], SCHEMA, schema_value(schema)))
        ready.wait()  # type: ignore[attr-defined]
        start = time.perf_counter()
        for at in range(A_SECOND * seconds):
            state = chance.randrange(STATES)
            clock[state] += 1
            sign = "+" if clock[state] % 2 else "-"
            told = MachineTransition(
                schema.machine_id,
                f"{at:x}",
                tuple(clock),
                called=(names[state],),
                log=(LogLine(2, f"[state] {sign}{names[state]}"),),
            )
            body = client.call(TRANSITION_METHOD, TRANSITION, transition_value(told, names))
            if (ahead := start + at / A_SECOND - time.perf_counter()) > 0:
                time.sleep(ahead)
            call(body)


def sending(count: int) -> list[dict[str, object]]:
    """A mutation with telemetry on beside one without: CPU time of the calling thread, and of the whole process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    listener = context.Process(target=_listen, args=(theirs,))
    listener.start()
    port = ours.recv()
    rows = []
    for states, handlers in ((30, False), (30, True)):
        plain, told, caller, lost = [], [], [], 0
        for seed in range(3):
            work = _work(states, count, seed)
            plain.append(_run(_machine(states, handlers), work))
            machine = _machine(states, handlers)
            sender = DebuggerSender(machine, TelemetryWishes("127.0.0.1", port))
            cpu_s = time.process_time()
            caller.append(_run(machine, work))
            sender.close()
            told.append(time.process_time() - cpu_s)
            lost += sender.lost
        rows.append(
            {
                "what": "send",
                "states": states,
                "handlers": handlers,
                "plain_us": round(1e6 * statistics.median(plain) / count, 2),
                "caller_us": round(1e6 * statistics.median(caller) / count, 2),
                "process_us": round(1e6 * statistics.median(told) / count, 2),
                "ratio_caller": round(statistics.median(caller) / statistics.median(plain), 2),
                "lost": lost,
            }
        )
    ours.send("done")
    listener.join()
    return rows


def _listen(pipe: object) -> None:
    receiver = Receiver(lambda event: None, port=0)
    receiver.start()
    pipe.send(receiver.port)  # type: ignore[attr-defined]
    pipe.recv()  # type: ignore[attr-defined]
    receiver.close()


def _work(states: int, count: int, seed: int) -> list[tuple[bool, str]]:
    chance = random.Random(seed)
    return [(chance.random() < 0.5, f"S{chance.randrange(states)}") for _ in range(count)]


def _machine(states: int, handlers: bool) -> Machine:
    chance = random.Random(states)
    names = [f"S{at}" for at in range(states)]
    schema = {
        name: State(remove=tuple(chance.sample(names, 2)), add=tuple(chance.sample(names, 1)))
        for name in names
    }
    bound = {f"{name}State": (lambda event: None) for name in names} if handlers else None
    return Machine(schema, id="worker", handlers=bound)


def _run(machine: Machine, work: list[tuple[bool, str]]) -> float:
    """CPU seconds of the calling thread."""
    started = time.thread_time()
    for adds, state in work:
        (machine.add if adds else machine.remove)(state)
    return time.thread_time() - started


if __name__ == "__main__":
    main()
