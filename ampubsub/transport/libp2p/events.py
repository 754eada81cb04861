"""The bounded queue between the network and the reader of `events()`, and exact counts of drops."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

import trio

from ampubsub.transport.interface import DirectReceived, Dropped, MessageReceived, TransportEvent


class EventQueue:
    """One ordered queue. Messages are bounded by `limit` and `limit_bytes`; news of peers may be eight times as many.

    The writer never waits: what does not fit is dropped and counted. One reader. Frames of private streams are
    bounded by who reads them from the network: `taken` tells that one was taken from the queue.
    """

    def __init__(self, limit: int, dropped_events_per_s: float, limit_bytes: int = 1 << 26) -> None:
        self.dropped: Counter[str] = Counter()
        self.taken: Callable[[DirectReceived], None] | None = None
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._events: deque[TransportEvent] = deque()
        self._wake = trio.Event()
        self._closed = False
        self._dropped_pause_s = 1 / dropped_events_per_s
        self._told: dict[tuple[str, str], float] = {}

    def put(self, event: TransportEvent) -> None:
        """Append an event, or count it as dropped when the reader is too far behind."""
        if self._closed:
            return
        if isinstance(event, MessageReceived):
            size = len(event.data) + len(event.signed)
            full = len(self._events) >= self._limit or self._bytes + size > self._limit_bytes
        else:
            size, full = 0, len(self._events) >= 8 * self._limit
        if full and not isinstance(event, DirectReceived):
            self.dropped["queue-full"] += 1
            return
        self._bytes += size
        self._events.append(event)
        self._wake.set()

    def drop(self, peer_id: str, reason: str, count: int = 1) -> None:
        """Count dropped input and tell the reader, at most so often for each peer and reason."""
        self.dropped[reason] += count
        now = trio.current_time()
        last = self._told.get((peer_id, reason))
        if last is not None and now - last < self._dropped_pause_s:
            return
        if len(self._told) >= 1024:
            self._told.clear()
        self._told[peer_id, reason] = now
        self.put(Dropped(peer_id, reason))

    def close(self) -> None:
        """End the iteration once what is queued was read."""
        self._closed = True
        self._wake.set()

    def __aiter__(self) -> EventQueue:
        return self

    async def __anext__(self) -> TransportEvent:
        """The next event, in order; the iteration ends after `close`, once what is queued was read."""
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._wake = trio.Event()
            await self._wake.wait()
        event = self._events.popleft()
        if isinstance(event, MessageReceived):
            self._bytes -= len(event.data) + len(event.signed)
        elif isinstance(event, DirectReceived) and self.taken is not None:
            self.taken(event)
        return event
