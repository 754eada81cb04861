"""py-libp2p's QUIC with its inner loops replaced: packets are read, and answered, without a task step for each.

py-libp2p spends 12 steps of tasks, 10 rounds of the scheduler and four locks on a message that it receives. Here the
socket is drained in one go, a packet finds its connection in a dict, what it brings is put into its stream at once, and
what is to be sent goes to the socket at once. A connection's one task sleeps until aioquic's next timer; an earlier one
moves its alarm clock without waking it. Handshakes, new streams and the end of a connection, which are rare, go
py-libp2p's way, in order.

Time: aioquic takes the time from outside. Each connection counts on from the wall clock of its first moment by the steady
one, so that a clock that is set, forwards or back, ends or stalls nothing.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import trio
from aioquic import tls
from aioquic.quic import events
from aioquic.quic.connection import QuicConnection
from libp2p.transport.quic.connection import QUICConnection
from libp2p.transport.quic.exceptions import QUICStreamClosedError, QUICStreamResetError
from libp2p.transport.quic.listener import QUICListener
from libp2p.transport.quic.stream import QUICStream, StreamState, _QUICStreamEOF
from libp2p.transport.quic.utils import create_quic_multiaddr

log = logging.getLogger("ampubsub.transport")

_PACKETS_A_TURN = 64
_ID_BYTES = 8
"""Length of our connection ids (aioquic's default)."""
_ENDING_S = 5.0
_ACK_S, _BUSY_ACK_S, _BUSY_GAP_S, _PACKETS_AN_ACK = 0.001, 0.02, 0.02, 8
_NO_LIMIT_S = 1e8
_CLOSED = (StreamState.CLOSED, StreamState.RESET)


class LightStream(QUICStream):
    """Reads and writes without locks: nothing waits between looking and acting, so none is needed."""

    async def read(self, n: int | None = None) -> bytes:
        """What has arrived, at most `n` bytes; waits for the first."""
        if self.READ_TIMEOUT < _NO_LIMIT_S:
            return await super().read(n)
        buffer = self._receive_buffer
        while not buffer:
            if self._state is StreamState.RESET:
                raise QUICStreamResetError(f"Stream {self._stream_id} was reset")
            if self._read_closed:
                raise _QUICStreamEOF
            if self._state is StreamState.CLOSED:
                raise QUICStreamClosedError(f"Stream {self._stream_id} is closed")
            if self._receive_event.is_set():
                self._receive_event = trio.Event()
            await self._receive_event.wait()
        if n is None or n < 0 or n >= len(buffer):
            data = bytes(buffer)
            buffer.clear()
        else:
            data = bytes(buffer[:n])
            del buffer[:n]
        return data

    async def write(self, data: bytes) -> None:
        """Hand `data` over to be sent; waits while too much of what was written is not acknowledged."""
        if len(data) > self.WRITE_CHUNK_SIZE or not self._backpressure_event.is_set():
            await super().write(data)
            return
        if self._write_closed or self._state in _CLOSED:
            raise QUICStreamClosedError(f"Stream {self._stream_id} is closed")
        connection: Any = self._connection
        try:
            connection._quic.send_stream_data(self._stream_id, data)
        except (ValueError, AssertionError) as error:  # aioquic no longer knows it, or it was finished
            raise QUICStreamClosedError(f"Stream {self._stream_id} is closed") from error
        self._update_send_backpressure()
        connection.send()

    def put(self, data: bytes, end: bool) -> bool:
        """Take what a packet brought; False when it does not fit."""
        if self._state is StreamState.RESET:
            return True
        if data:
            if len(self._receive_buffer) + len(data) > self.MAX_RECEIVE_BUFFER_SIZE:
                return False
            self._receive_buffer += data
        if end:
            self._read_closed = True
            self._state = StreamState.CLOSED if self._write_closed else StreamState.READ_CLOSED
        self._receive_event.set()
        return True


class LightConnection(QUICConnection):
    """One connection. `receive`, then `pump`: nothing here waits, but for what goes py-libp2p's way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started_at = time.time() - time.monotonic()
        self._slow: deque[events.QuicEvent] = deque()
        """Events that py-libp2p handles, and all that came after them."""
        self._handling = False
        self._wake = trio.Event()
        self._alarm: trio.CancelScope | None = None
        self.heard_at = time.monotonic()
        self._unacknowledged = 0
        self.drain: Callable[[], None] = self._drain_own_socket

    def now(self) -> float:
        """The time for aioquic."""
        return self._started_at + time.monotonic()

    # Receiving

    def receive(self, data: bytes, address: Any) -> None:
        """Take one packet."""
        steady = time.monotonic()
        now, gap_s, self.heard_at = self._started_at + steady, steady - self.heard_at, steady
        native = self._quic
        space = native._spaces.get(tls.Epoch.ONE_RTT)
        if space is None or not native._handshake_complete:
            native.receive_datagram(data, address, now=now)
            return
        # Each acknowledgement of its own is a wake-up and a packet, here and there. When packets come one after the
        # other it waits for more of them, as RFC 9000 wants it: at most 25 ms, which aioquic has announced.
        native._ack_delay = _BUSY_ACK_S if gap_s < _BUSY_GAP_S else _ACK_S
        if space.ack_at is None:
            self._unacknowledged = 0
        native.receive_datagram(data, address, now=now)
        self._unacknowledged += 1
        if space.ack_at is not None and self._unacknowledged >= _PACKETS_AN_ACK:
            space.ack_at = min(space.ack_at, now)

    def pump(self) -> None:
        """Hand out what packets or a timer brought, and send what is to be sent."""
        happened = self._quic._events
        while happened:
            event = happened.popleft()
            if self._slow or self._handling or not self._handle(event):
                self._slow.append(event)
        if self._slow:
            self._wake.set()
        self.send()

    def _handle(self, event: events.QuicEvent) -> bool:
        """Handle a frequent event; False for the others."""
        if type(event) is events.StreamDataReceived:
            stream = self._streams.get(event.stream_id)
            if stream.__class__ is not LightStream:
                return False
            if not stream.put(event.data, event.end_stream):
                log.debug("a stream of %s holds too much unread: reset", self._remote_peer_id)
                assert self._nursery is not None
                self._nursery.start_soon(stream.reset, 1)
            return True
        return type(event) is events.PingAcknowledged

    async def _handle_slow(self) -> None:
        self._handling = True
        try:
            while self._slow and not self._closed:
                await self._handle_quic_event(self._slow.popleft())
        finally:
            self._handling = False

    # Sending

    def send(self) -> None:
        """Send what aioquic has to send. A packet that the system refuses is a lost one: aioquic sends its
        contents again, and the idle limit decides whether the peer is gone."""
        outlet = self._socket
        if outlet is None:
            return
        raw = outlet._sock  # type: ignore[attr-defined]
        try:
            for data, address in self._quic.datagrams_to_send(now=self.now()):
                raw.sendto(data, address)
        except OSError as error:
            log.debug("cannot send to %s: %r", self._remote_addr, error)
        for stream in self._streams.values():
            if not stream._backpressure_event.is_set():
                stream._update_send_backpressure()
        self._set_alarm()

    def _set_alarm(self) -> None:
        alarm = self._alarm
        if alarm is not None:
            deadline = self._deadline()
            if deadline < alarm.deadline:
                alarm.deadline = deadline

    def _deadline(self) -> float:
        """When aioquic's timer is due, on trio's clock."""
        timer = self._quic.get_timer()
        return float("inf") if timer is None else trio.current_time() + timer - self.now()

    # The connection's task

    async def _event_processing_loop(self) -> None:
        """Wake for aioquic's timer and for rare events."""
        self.pump()
        while not self._closed:
            await self._handle_slow()
            self._wake = trio.Event()
            with trio.CancelScope(deadline=self._deadline()) as self._alarm:
                if not self._slow:
                    await self._wake.wait()
            self._alarm = None
            timer = self._quic.get_timer()
            if timer is not None and timer <= self.now():
                self.drain()  # we may have been stopped: what came meanwhile counts first
                self._quic.handle_timer(now=self.now())
                self.pump()

    async def _client_packet_receiver(self) -> None:
        """Drain our own socket whenever something has arrived."""
        while not self._closed and self._socket is not None:
            try:
                await trio.lowlevel.wait_readable(self._socket.fileno())
            except (trio.ClosedResourceError, OSError, ValueError):
                return
            self.drain()

    def _drain_own_socket(self) -> None:
        if self._owns_socket and self._socket is not None and drain(self._socket, self.receive):
            self.pump()

    # What py-libp2p calls

    def _signal_activity(self) -> None:
        self._set_alarm()

    async def _process_quic_events_batched(self) -> bool:
        self.pump()
        return False

    async def _transmit(self) -> None:
        self.send()

    async def _handle_timer_events(self) -> None:
        pass  # the loop does

    async def _handle_connection_terminated(self, event: events.ConnectionTerminated) -> None:
        """Shielded: it cancels the connection's tasks, one of which runs it, before it tells of the end."""
        with trio.CancelScope(deadline=trio.current_time() + _ENDING_S, shield=True):
            await super()._handle_connection_terminated(event)

    async def open_stream(self, timeout: float | None = None) -> QUICStream:
        """Open a stream."""
        stream = await super().open_stream(timeout)
        stream.__class__ = LightStream
        return stream

    async def _create_inbound_stream(self, stream_id: int) -> QUICStream:
        stream = await super()._create_inbound_stream(stream_id)
        stream.__class__ = LightStream
        return stream


class LightListener(QUICListener):
    """Drains its socket and finds connections by their id; packets of handshakes go py-libp2p's way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._touched: dict[LightConnection, None] = {}
        self._slow: deque[tuple[bytes, Any]] = deque()
        self._handling = False

    async def _handle_incoming_packets(self) -> None:
        while self._listening and self._socket is not None:
            try:
                await trio.lowlevel.wait_readable(self._socket.fileno())
            except (trio.ClosedResourceError, OSError, ValueError):
                return
            self.drain()
            await trio.lowlevel.checkpoint()

    def drain(self) -> None:
        """Take what has arrived, then let each connection hand it out and answer, once."""
        if self._socket is None:
            return
        drain(self._socket, self._take)
        touched, self._touched = self._touched, {}
        for connection in touched:
            connection.pump()
        if self._slow and not self._handling and self._nursery is not None:
            self._handling = True
            self._nursery.start_soon(self._handle_slow)

    async def _handle_slow(self) -> None:
        """py-libp2p's way, for packets of handshakes and of ids that we do not know."""
        try:
            while self._slow:
                await self._process_packet(*self._slow.popleft())
        finally:
            self._handling = False

    def _take(self, data: bytes, address: Any) -> None:
        connection = (
            self._registry._connections.get(data[1 : 1 + _ID_BYTES]) if data and data[0] < 0x80 else None
        )
        if connection.__class__ is LightConnection:
            connection.receive(data, address)
            self._touched[connection] = None
        elif len(self._slow) < 4 * _PACKETS_A_TURN:
            self._slow.append((data, address))

    async def _route_to_connection(self, connection: QUICConnection, data: bytes, addr: Any) -> None:
        if isinstance(connection, LightConnection):
            connection.receive(data, addr)
            connection.pump()
        else:
            await super()._route_to_connection(connection, data, addr)

    async def _process_quic_events(
        self, quic_conn: QuicConnection, addr: Any, destination_connection_id: bytes
    ) -> None:
        """Of a connection in its handshake: promote it when that is done; then its events are its own.

        py-libp2p takes them all here, and loses what a first packet brings for a stream.
        """
        connection = self._conn_by_quic_id.get(id(quic_conn))
        if connection is None and quic_conn._handshake_complete:
            await self._promote_pending_connection(quic_conn, addr, destination_connection_id)
            connection = self._conn_by_quic_id.get(id(quic_conn))
        if isinstance(connection, LightConnection):
            connection.pump()
        elif any(isinstance(event, events.ConnectionTerminated) for event in quic_conn._events):
            await self._remove_connection(destination_connection_id)

    async def _promote_pending_connection(
        self, quic_conn: QuicConnection, addr: Any, destination_connection_id: bytes
    ) -> None:
        if id(quic_conn) not in self._conn_by_quic_id and id(quic_conn) not in self._handler_invoked_quic_ids:
            connection = LightConnection(
                quic_connection=quic_conn,
                remote_addr=addr[:2],
                remote_peer_id=None,
                local_peer_id=self._transport._peer_id,
                is_initiator=False,
                maddr=create_quic_multiaddr(addr[0], addr[1], "/quic-v1"),
                transport=self._transport,
                security_manager=self._security_manager,
                listener_socket=self._socket,
                listener=self,
                listener_connection_id=self._pending_cid_by_quic_id.get(
                    id(quic_conn), destination_connection_id
                ),
            )
            connection.drain = self.drain
            self._conn_by_quic_id[id(quic_conn)] = connection
        await super()._promote_pending_connection(quic_conn, addr, destination_connection_id)


def drain(sock: Any, take: Callable[[bytes, Any], None]) -> int:
    """Take the packets that wait at a socket of trio's, a turn's worth at most; return how many."""
    raw: socket.socket = sock._sock
    for count in range(_PACKETS_A_TURN):
        try:
            data, address = raw.recvfrom(65536)
        except BlockingIOError:
            return count
        except OSError as error:  # told of an earlier packet of ours (ICMP), or closed
            if raw.fileno() < 0:
                return count
            log.debug("a socket says %r", error)
            continue
        take(data, address)
    return _PACKETS_A_TURN
