"""Length-prefixed frames on a stream, as GossipSub and identify use them: read in bulk, bounded."""

from __future__ import annotations

import trio
from libp2p.abc import INetStream

_CHUNK = 65536


class FrameTooLargeError(Exception):
    """A peer announced a frame over the limit, or a length that is no number."""


class FrameReader:
    """Reads frames from one stream; each read takes whatever has arrived.

    A frame that has begun must be there in full after `unfinished_s` seconds: an unfinished one holds memory.
    """

    def __init__(self, stream: INetStream, limit: int, unfinished_s: float = float("inf")) -> None:
        # Past the state lock of py-libp2p's wrapper, which costs two turns of the scheduler for each read.
        self._read = getattr(stream, "muxed_stream", stream).read
        self._limit = limit
        self._unfinished_s = unfinished_s
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """The next frame; None when the stream has ended.

        Raises `FrameTooLargeError`, `trio.TooSlowError` for one that stays unfinished, stream errors.
        """
        until = float("inf")
        while True:
            frame = self.ready()
            if frame is not None:
                return frame
            if not self._buffer:
                chunk = await self._read(_CHUNK)
            else:
                until = min(until, trio.current_time() + self._unfinished_s)
                with trio.fail_at(until):
                    chunk = await self._read(_CHUNK)
            if not chunk:
                return None
            self._buffer += chunk

    def ready(self) -> bytes | None:
        """The next frame if it has arrived in full."""
        buffer = self._buffer
        size = start = 0
        more = True
        while more:
            if start == len(buffer):
                return None
            if start == 9:
                raise FrameTooLargeError("length prefix of more than 9 bytes")
            size |= (buffer[start] & 0x7F) << 7 * start
            more = buffer[start] >= 0x80
            start += 1
        if size > self._limit:
            raise FrameTooLargeError(f"frame of {size} bytes, limit {self._limit}")
        end = start + size
        if len(buffer) < end:
            return None
        frame = bytes(buffer[start:end])
        del buffer[:end]
        return frame


def framed(data: bytes) -> bytes:
    """`data` with its length in front, as an unsigned LEB128 number."""
    size = len(data)
    prefix = bytearray()
    while size >= 0x80:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return bytes(prefix) + data
