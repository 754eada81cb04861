"""How the sending to one peer goes: slow peers are let be, those that take nothing are noticed."""

from __future__ import annotations

from dataclasses import dataclass

import trio
from libp2p.abc import INetStream

from ampubsub.transport.libp2p.workarounds import quic


@dataclass(slots=True)
class Outlet:
    """The writing to one peer's stream."""

    stream: INetStream
    writing: bool = False
    """Whether a write waits for the peer."""
    writes: int = 0
    """Writes that came to an end."""

    async def write(self, data: bytes) -> None:
        """Write to the stream, however long it takes."""
        self.writing = True
        await self.stream.write(data)
        self.writing = False
        self.writes += 1

    async def until_stuck(self, write_timeout_s: float) -> None:
        """Return when the peer has taken nothing at all for so long, though something waits to be written.

        A time limit on each write would cut off peers behind a slow link, or on a busy machine, again and again.
        """
        moved, since = (-1, -1), trio.current_time()
        while True:
            await trio.sleep(write_timeout_s / 4)
            now, at = trio.current_time(), (self.writes, quic.unacknowledged(self.stream))
            if not self.writing or at != moved:
                moved, since = at, now
            elif now - since >= write_timeout_s:
                return
