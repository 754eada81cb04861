"""The bounded queue between the network and the reader of `events()`, and exact counts of drops."""

from __future__ import annotations

from collections import Counter, deque

import trio

from ampubsub.transport.interface import Dropped, MessageReceived, TransportEvent


class EventQueue:
    """One ordered queue. Messages are bounded by `limit`; news of peers may use eight times as much.

    The writer never waits: what does not fit is dropped and counted. One reader.
    """

    def __init__(self, limit: int, dropped_events_per_s: float) -> None:
        self.dropped: Counter[str] = Counter()
        self._limit = limit
        self._events: deque[TransportEvent] = deque()
        self._wake = trio.Event()
        self._closed = False
        self._dropped_pause_s = 1 / dropped_events_per_s
        self._told: dict[tuple[str, str], float] = {}

    def put(self, event: TransportEvent) -> None:
        """Append an event, or count it as dropped when the reader is too far behind."""
        limit = self._limit if isinstance(event, MessageReceived) else 8 * self._limit
        if self._closed:
            return
        if len(self._events) >= limit:
            self.dropped["queue-full"] += 1
            return
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
        return self._events.popleft()
