"""Shows a machine of this program in a debugger: am-dbg, or our own screen.

`DebuggerSender` looks on as a tracer. On the machine's stack it only appends to a bounded queue; a thread of its own
connects, tells the schema, then one record after the other, each after the answer to the one before (am-dbg runs calls
side by side). It never blocks the program: records that find the queue full are counted, and the loss is told in the log
of the next one. A lost connection is dialled again; am-dbg then forgets the machine's old records.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from ampubsub.machine import Machine, Mutation, MutationKind, State, Tracer, Transition
from ampubsub.telemetry.calls import SCHEMA_METHODS, TRANSITION_METHOD, ClientSide
from ampubsub.telemetry.environment import TelemetryWishes, wishes
from ampubsub.telemetry.gob import GobError
from ampubsub.telemetry.gob.types import Declaration
from ampubsub.telemetry.limits import SenderSettings
from ampubsub.telemetry.messages import LogLine, MachineSchema, MachineTransition
from ampubsub.telemetry.translate import ended_record, queued_record, schema_of
from ampubsub.telemetry.wire_types import SCHEMA, TRANSITION, schema_value, transition_value

_EXTERNAL = 1
_METHOD_UNKNOWN = "can't find method"


class DebuggerSender(Tracer):
    """Tells a debugger about one machine, from now until `close` or the machine's disposal.

    Args:
        machine: The machine to show. Its log level and steps are set as `asked` says, which costs it time.
        asked: What to tell, and where.
        settings: Bounds and waits.
    """

    def __init__(
        self, machine: Machine, asked: TelemetryWishes, settings: SenderSettings | None = None
    ) -> None:
        self.asked = asked
        self.settings = settings or SenderSettings()
        self.machine_id = machine.id
        self.sent = 0
        """Records that the debugger has answered."""
        self.lost = 0
        """Records that were dropped because the debugger did not keep up, or was not there."""
        self.trouble = ""
        """Why nothing is sent now; empty while connected."""
        self._schema = schema_of(machine)
        self._waiting: deque[MachineSchema | MachineTransition | Transition] = deque()
        self._lost_untold = 0
        self._last_id, self._queued_since = "", 0
        self._something = threading.Event()
        self._closing = threading.Event()
        machine.options.log_level = max(machine.options.log_level, asked.log_level)
        machine.options.record_steps = machine.options.record_steps or asked.steps
        machine.options.record_check_steps = machine.options.record_check_steps or (
            asked.steps and asked.checks
        )
        self._detach = machine
        machine.bind_tracer(self)
        self._thread = threading.Thread(target=self._run, name=f"telemetry-{machine.id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking on, send what waits for at most `close_timeout_s`, and end the thread. Idempotent."""
        if not self._closing.is_set():
            self._detach.detach_tracer(self)
        self._closing.set()
        self._something.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(self.settings.close_timeout_s + self.settings.answer_timeout_s)

    # -- on the machine's stack

    def mutation_queued(self, machine: Machine, mutation: Mutation) -> None:
        """A mutation joined the queue: a record of its own, when asked for."""
        if self.asked.queued and mutation.kind is not MutationKind.EVAL:
            if mutation.check and not self.asked.checks:
                return
            self._append(queued_record(machine, mutation, f"{self._last_id}-{self._queued_since}"))
            self._queued_since += 1

    def transition_end(self, transition: Transition) -> None:
        """A transition is over; it is turned into a record in the sender's own thread."""
        mutation = transition.mutation
        if mutation.kind is MutationKind.EVAL or (mutation.check and not self.asked.checks):
            return
        self._last_id, self._queued_since = transition.id, 0
        self._append(transition)

    def schema_change(self, machine: Machine, old: Mapping[str, State]) -> None:
        """The machine has another schema: told on the same connection."""
        self._append(schema_of(machine))

    def machine_dispose(self, machine_id: str) -> None:
        """The machine ends: what waits is sent, then the connection is closed."""
        self._closing.set()
        self._something.set()

    def _append(self, what: MachineSchema | MachineTransition | Transition) -> None:
        waiting = self._waiting
        if len(waiting) >= self.settings.waiting and not isinstance(what, MachineSchema):
            self.lost += 1
            self._lost_untold += 1
            return
        waiting.append(what)
        if not self._something.is_set():
            self._something.set()

    # -- in the sender's thread

    def _run(self) -> None:
        wait_s = self.settings.redial_first_s
        while not self._is_over():
            try:
                with socket.create_connection(
                    (self.asked.host, self.asked.port), self.settings.connect_timeout_s
                ) as connection:
                    connection.settimeout(self.settings.answer_timeout_s)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._tell(connection)
                    return
            except (OSError, GobError, _RefusedError) as error:
                if self.sent and not self.trouble:
                    wait_s = self.settings.redial_first_s
                self.trouble = f"the debugger at {self.asked.host}:{self.asked.port}: {error}"
            if self._closing.wait(wait_s):
                return
            wait_s = min(wait_s * 2, self.settings.redial_max_s)

    def _is_over(self) -> bool:
        return self._closing.is_set() and not self._waiting

    def _tell(self, connection: socket.socket) -> None:
        client = ClientSide()
        self._call_schema(connection, client)
        self.trouble = ""
        while True:
            while self._waiting:
                if self._closing.is_set():
                    connection.settimeout(self.settings.close_timeout_s)
                self._tell_next(connection, client)
            if self._closing.is_set():
                return
            self._something.wait()
            self._something.clear()

    def _tell_next(self, connection: socket.socket, client: ClientSide) -> None:
        what = self._waiting[0]
        if isinstance(what, MachineSchema):
            self._schema = what
            self._call_schema(connection, client)
            self._waiting.popleft()
            return
        names = self._schema.state_names
        record = what if isinstance(what, MachineTransition) else self._ended(what, names)
        lost = self._lost_untold
        if lost:
            text = f"[extern] {lost} records before this one were lost: the debugger did not keep up"
            record = _with_line(record, LogLine(_EXTERNAL, text))
        error = _call(connection, client, TRANSITION_METHOD, TRANSITION, transition_value(record, names))
        self._waiting.popleft()
        self._lost_untold -= lost
        if error:
            self.lost += 1
            self._lost_untold += 1
        else:
            self.sent += 1

    def _ended(self, transition: Transition, names: tuple[str, ...]) -> MachineTransition:
        longest = self.settings.argument_chars
        return ended_record(transition, self.machine_id, names, longest)

    def _call_schema(self, connection: socket.socket, client: ClientSide) -> None:
        error = ""
        for method in SCHEMA_METHODS:  # up to v0.13 it has another name
            error = _call(connection, client, method, SCHEMA, schema_value(self._schema))
            if _METHOD_UNKNOWN not in error:
                break
        if error:
            raise _RefusedError(f"it refused the schema: {error}")


class _RefusedError(Exception):
    """The debugger answered the schema with an error."""


def _call(
    connection: socket.socket, client: ClientSide, method: str, declaration: Declaration, body: object
) -> str:
    """One call; returns the error of its answer, empty when all is well."""
    connection.sendall(client.call(method, declaration, body))
    while True:
        data = connection.recv(65_536)
        if not data:
            raise ConnectionError("it closed the connection")
        for answer in client.feed(data):
            return answer.error


def _with_line(record: MachineTransition, line: LogLine) -> MachineTransition:
    return replace(record, log_before=(line, *record.log_before))


def show_in_debugger(machine: Machine, environment: Mapping[str, str]) -> DebuggerSender | None:
    """Show a machine in the debugger that the environment names (`AM_DBG_ADDR`); None when it names none.

    Opt-in per machine, as in Go (`MachDebugEnv`). Raises `DebuggerAddressError` for an address that is none.
    """
    asked = wishes(environment)
    return DebuggerSender(machine, asked) if asked is not None else None
