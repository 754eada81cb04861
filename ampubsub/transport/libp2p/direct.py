"""The private stream between peers of ours: one for each connected peer, both ways, frames with a length before them.

The peer with the smaller id opens it once identify has told that the other speaks `DIRECT_PROTOCOL`, and again when it
ends while a connection stands. Both directions are bounded in bytes: what we may not send yet is refused, and a stream
whose frames nobody takes from the events is reset (to stop reading it would not do: py-libp2p's QUIC streams throw away
what comes while 2 MiB wait, in the middle of a stream that is reliable otherwise).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import trio
from libp2p.abc import IHost, INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from ampubsub.transport.backoff import Backoff
from ampubsub.transport.interface import (
    DIRECT_FRAME_BYTES,
    DIRECT_PROTOCOL,
    DirectOpened,
    DirectReceived,
    TransportError,
)
from ampubsub.transport.libp2p.events import EventQueue
from ampubsub.transport.libp2p.frames import FrameReader, FrameTooLargeError, framed
from ampubsub.transport.libp2p.peers import Peer
from ampubsub.transport.libp2p.settings import TransportSettings
from ampubsub.transport.libp2p.workarounds import swarm

log = logging.getLogger("ampubsub.transport")

_PROTOCOL = TProtocol(DIRECT_PROTOCOL)
_WRITE_BYTES = 16384
_FRAMES_A_TURN = 8


@dataclass(slots=True, eq=False)
class _Link:
    """One stream that stands."""

    stream: INetStream
    scope: trio.CancelScope
    queue: deque[bytes] = field(default_factory=deque)
    queued: int = 0
    """Bytes in `queue`, and in the write under way."""
    filled: trio.Event = field(default_factory=trio.Event)
    unread: int = 0
    """Bytes of frames that the reader of the events has not taken."""


class Direct:
    """The private streams of one session."""

    def __init__(
        self,
        host: IHost,
        settings: TransportSettings,
        events: EventQueue,
        peer_of: Callable[[ID], Peer | None],
        offended: Callable[[ID, str, float], None],
    ) -> None:
        self._host = host
        self._settings = settings
        self._events = events
        self._peer_of = peer_of
        self._offended = offended
        self._links: dict[ID, _Link] = {}
        self._opening: set[ID] = set()
        events.taken = self._taken
        host.set_stream_handler(_PROTOCOL, self._accept)

    def stands(self, peer_id: ID) -> bool:
        """Whether there is a stream to a peer."""
        return peer_id in self._links

    def send(self, peer_id: ID, data: bytes) -> bool:
        """Queue a frame; False when there is no stream or no room."""
        if len(data) > DIRECT_FRAME_BYTES:
            raise TransportError(f"A frame of {len(data)} bytes: the limit is {DIRECT_FRAME_BYTES}")
        link = self._links.get(peer_id)
        if link is None or link.queued + len(data) > self._settings.direct_queue_bytes:
            return False
        frame = framed(data)
        link.queue.append(frame)
        link.queued += len(frame)
        link.filled.set()
        return True

    async def keep_open(self, peer: Peer) -> None:
        """Open the stream to a connected peer if that is our part, and again when it ends."""
        ours = self._host.get_id()
        if (
            DIRECT_PROTOCOL not in peer.protocols
            or peer.id in self._opening
            or ours.to_bytes() > peer.id.to_bytes()
        ):
            return
        self._opening.add(peer.id)
        settings = self._settings
        backoff = Backoff(settings.redial_base_s, settings.redial_max_s, settings.redial_settled_s)
        try:
            while self._peer_of(peer.id) is peer:
                since = trio.current_time()
                await self._open_once(peer.id)
                backoff.lost(trio.current_time() - since)
                with trio.move_on_after(backoff.next()):
                    await peer.ended.wait()
        finally:
            self._opening.discard(peer.id)

    async def _open_once(self, peer_id: ID) -> None:
        """Open the stream and serve it until it ends. Of its own, since a local variable would keep it meanwhile."""
        try:
            with trio.fail_after(self._settings.identify_timeout_s):
                stream = await self._host.new_stream(peer_id, [_PROTOCOL])
        except Exception as error:
            log.debug("no private stream to %s: %r", peer_id, error)
        else:
            await self._run(stream, peer_id)

    async def _accept(self, stream: INetStream) -> None:
        peer_id = stream.muxed_conn.peer_id
        if self._peer_of(peer_id) is None or peer_id.to_bytes() > self._host.get_id().to_bytes():
            await swarm.reset_quietly(stream)
            return
        await self._run(stream, peer_id)

    async def _run(self, stream: INetStream, peer_id: ID) -> None:
        """Serve one stream until it ends, or a newer one takes its place."""
        before = self._links.pop(peer_id, None)
        if before is not None:
            before.scope.cancel()
        with trio.CancelScope() as scope:
            link = self._links[peer_id] = _Link(stream, scope)
            self._events.put(DirectOpened(str(peer_id)))
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, link, peer_id, nursery.cancel_scope)
                    await self._read(link, peer_id)
                    nursery.cancel_scope.cancel()
            finally:
                if self._links.get(peer_id) is link:
                    del self._links[peer_id]
                with swarm.briefly(1):
                    await swarm.reset_quietly(stream)

    async def _read(self, link: _Link, peer_id: ID) -> None:
        frames = FrameReader(link.stream, DIRECT_FRAME_BYTES, self._settings.unfinished_frame_s)
        sender = str(peer_id)
        handled = 0
        try:
            while (frame := await frames.next()) is not None:
                peer = self._peer_of(peer_id)
                if peer is None:
                    return
                peer.traffic.bytes_in += len(frame)
                link.unread += len(frame)
                self._events.put(DirectReceived(sender, frame))
                handled += 1
                if handled % _FRAMES_A_TURN == 0:
                    await trio.lowlevel.checkpoint()
                if link.unread > 2 * self._settings.direct_queue_bytes:
                    self._events.drop(sender, "direct-full")
                    return
        except FrameTooLargeError:
            self._offended(peer_id, "oversize", float("inf"))
        except Exception as error:  # streams end with errors of several libraries
            log.debug("private stream of %s ended: %r", peer_id, error)

    def _taken(self, event: DirectReceived) -> None:
        """The reader of the events took a frame. One of an earlier stream of the peer counts too much: harmless."""
        link = self._links.get(ID.from_string(event.peer_id))
        if link is not None:
            link.unread = max(0, link.unread - len(event.data))

    async def _write(self, link: _Link, peer_id: ID, serving: trio.CancelScope) -> None:
        try:
            while True:
                while not link.queue:
                    link.filled = trio.Event()
                    await link.filled.wait()
                output = bytearray(link.queue.popleft())
                while link.queue and len(output) < _WRITE_BYTES:
                    output += link.queue.popleft()
                await link.stream.write(bytes(output))
                link.queued -= len(output)
                peer = self._peer_of(peer_id)
                if peer is not None:
                    peer.traffic.bytes_out += len(output)
        except Exception as error:
            log.debug("private stream to %s ended: %r", peer_id, error)
            serving.cancel()
