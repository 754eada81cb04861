"""Hears what programs tell a debugger: a small server that any asyncmachine program finds by `AM_DBG_ADDR`.

One thread owns all connections. A call is answered before its body is looked at: Go programs wait for the answer, and
stop when a thousand wait. What is heard goes to one callback, in that thread, which must be quick. There is no
authentication in this protocol, so it listens on loopback unless told otherwise.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from ampubsub.telemetry.calls import (
    FORWARDED_SCHEMA_METHOD,
    FORWARDED_TRANSITION_METHOD,
    METHODS,
    SCHEMA_METHODS,
    TRANSITION_METHOD,
    Call,
    ServerSide,
)
from ampubsub.telemetry.gob import GobError
from ampubsub.telemetry.limits import DEFAULT_PORT, TelemetryLimits
from ampubsub.telemetry.messages import (
    MachineSchema,
    MachineTransition,
    TelemetryError,
    read_schema,
    read_transition,
)

_READ_BYTES = 262_144
_UNSENT_BYTES = 1 << 20
"""Answers a program does not read; beyond it the connection is closed."""


class ListenAddressError(Exception):
    """The address to listen on is not usable. The text says which and why."""


@dataclass(frozen=True, slots=True)
class SchemaHeard:
    """A machine told its schema: it is new, or its schema, groups or tags changed."""

    connection: int
    """Number of the connection, from 1; one machine each, unless they are forwarded."""
    schema: MachineSchema
    at_s: float
    """Seconds since 1970, by our clock: the wire carries no time."""


@dataclass(frozen=True, slots=True)
class TransitionHeard:
    """A machine told of a queued mutation, or of a transition that ended."""

    connection: int
    transition: MachineTransition
    at_s: float


@dataclass(frozen=True, slots=True)
class ProgramGone:
    """A connection ended; its machines are told of no longer."""

    connection: int
    machine_ids: tuple[str, ...]
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True)
class CallRefused:
    """Something a program said could not be used."""

    connection: int
    reason: str
    at_s: float


Heard = SchemaHeard | TransitionHeard | ProgramGone | CallRefused


@dataclass(slots=True)
class _Connection:
    number: int
    socket: socket.socket
    side: ServerSide
    unsent: bytearray = field(default_factory=bytearray)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """State names by machine id."""
    close_reason: str = ""


class Receiver:
    """Listens from `start` to `close`.

    Args:
        heard: Called with each event, in the receiver's thread.
        host: Where to listen: an IPv4 or IPv6 address, or `localhost`.
        port: 0 for any free port.
        limits: Bounds of what programs may send.
    """

    def __init__(
        self,
        heard: Callable[[Heard], None],
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        limits: TelemetryLimits | None = None,
    ) -> None:
        self.host, self.port = host, port
        self.limits = limits or TelemetryLimits()
        self.refused = 0
        """Calls that could not be used so far."""
        self._heard = heard
        self._connections: dict[int, _Connection] = {}
        self._last_number = 0
        self._selector = selectors.DefaultSelector()
        self._server: socket.socket | None = None
        self._wake, self._woken = socket.socketpair()
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def is_open_to_others(self) -> bool:
        """It listens on an address that other hosts can reach."""
        return self.host != "localhost" and not ip_address(self.host).is_loopback

    @property
    def connections(self) -> int:
        """Programs' connections now."""
        return len(self._connections)

    def start(self) -> None:
        """Listen, and begin to hear. Raises `ListenAddressError`."""
        try:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            self._server = socket.create_server((self.host, self.port), family=family, backlog=128)
        except OSError as error:
            raise ListenAddressError(
                f"cannot listen for programs on {self.host}:{self.port}: {error.strerror or error}; "
                "is am-dbg or another debugger running there?"
            ) from error
        self.port = self._server.getsockname()[1]
        for listener in (self._server, self._woken):
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="telemetry-receiver", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close every connection and end the thread. Idempotent."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._wake.send(b".")
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    # -- the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                for key, _ in self._selector.select():
                    if key.fileobj is self._server:
                        self._accept()
                    elif key.fileobj is not self._woken:
                        self._serve(key.data)
        finally:
            for connection in list(self._connections.values()):
                self._end(connection, "we stopped listening")
            if self._server is not None:
                self._server.close()
            self._selector.close()
            self._wake.close()
            self._woken.close()

    def _accept(self) -> None:
        assert self._server is not None
        try:
            accepted, _ = self._server.accept()
        except OSError:
            return  # it went away again, or there are no descriptors left
        if len(self._connections) >= self.limits.connections:
            accepted.close()
            self._refuse(0, f"more than {self.limits.connections} programs at a time: one was sent away")
            return
        accepted.setblocking(False)
        with contextlib.suppress(OSError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._last_number += 1
        connection = _Connection(self._last_number, accepted, ServerSide(self.limits.gob))
        self._connections[connection.number] = connection
        self._selector.register(accepted, selectors.EVENT_READ, connection)

    def _serve(self, connection: _Connection) -> None:
        try:
            if connection.unsent:
                self._send(connection)
            data = connection.socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(connection, f"its connection broke: {error.strerror or error}")
            return
        if not data:
            self._end(connection, "the program closed its connection")
            return
        try:
            calls = connection.side.feed(data)
        except GobError as error:
            self._refuse(connection.number, f"not telemetry: {error}")
            self._end(connection, f"it sent what is not telemetry: {error}")
            return
        if calls:
            connection.unsent += b"".join([connection.side.answer(call) for call in calls])
            try:
                self._send(connection)
            except OSError as error:
                connection.close_reason = f"its connection broke: {error.strerror or error}"
            at_s = time.time()
            for call in calls:
                self._take(connection, call, at_s)
        elif self._unfinished() > self.limits.unfinished_bytes:
            connection.close_reason = "its messages were too large to wait for"
        if connection.close_reason:
            self._end(connection, connection.close_reason)

    def _unfinished(self) -> int:
        return sum(connection.side.unfinished_bytes for connection in self._connections.values())

    def _send(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.send(connection.unsent)
            del connection.unsent[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        if len(connection.unsent) > _UNSENT_BYTES:
            connection.close_reason = "it does not read our answers"
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
        self._selector.modify(connection.socket, events, connection)

    def _end(self, connection: _Connection, reason: str) -> None:
        if self._connections.pop(connection.number, None) is None:
            return
        self._selector.unregister(connection.socket)
        connection.socket.close()
        if connection.names:
            self._heard(ProgramGone(connection.number, tuple(connection.names), reason, time.time()))

    # -- what was said

    def _take(self, connection: _Connection, call: Call, at_s: float) -> None:
        try:
            heard = self._read(connection, call, at_s)
        except (GobError, TelemetryError) as error:
            self._refuse(connection.number, str(error))
            return
        self._heard(heard)

    def _read(self, connection: _Connection, call: Call, at_s: float) -> Heard:
        if call.method not in METHODS:
            raise TelemetryError(f"a call of {call.method[:64]!r}, which no debugger knows")
        body = connection.side.body(call)
        if call.method in (FORWARDED_SCHEMA_METHOD, FORWARDED_TRANSITION_METHOD):
            inner = "MsgStruct" if call.method == FORWARDED_SCHEMA_METHOD else "MsgTx"
            body = body.get(inner, {}) if isinstance(body, dict) else body
        if call.method in SCHEMA_METHODS or call.method == FORWARDED_SCHEMA_METHOD:
            schema = read_schema(body, self.limits)
            if (
                schema.machine_id not in connection.names
                and len(connection.names) >= self.limits.machines_per_connection
            ):
                raise TelemetryError(
                    f"more than {self.limits.machines_per_connection} machines on one connection"
                )
            connection.names[schema.machine_id] = schema.state_names
            return SchemaHeard(connection.number, schema, at_s)
        assert call.method in (TRANSITION_METHOD, FORWARDED_TRANSITION_METHOD)
        return TransitionHeard(connection.number, read_transition(body, connection.names, self.limits), at_s)

    def _refuse(self, number: int, reason: str) -> None:
        self.refused += 1
        self._heard(CallRefused(number, reason, time.time()))
