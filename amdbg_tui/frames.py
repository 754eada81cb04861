"""When a frame is painted: soon after something fresh came, never too often, and not at all when nothing
happens."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable

FRAME_S = 0.08
"""Least time between two frames."""
FRAME_SHARE = 0.4
"""Largest share of a core that frames may take."""


class Frames:
    """Calls `paint` in the event loop's thread. `wake` may be called from any thread, as often as one
    likes."""

    def __init__(self, paint: Callable[[], None], *, least_s: float = FRAME_S) -> None:
        self._paint = paint
        self._least_s = least_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.Context()
        """The app's: widgets are only reached from there, not from that of the thread that woke us."""
        self._handle: asyncio.TimerHandle | None = None
        self._last_end = 0.0
        self._last_cost = 0.0
        self.painted = 0
        self.slowest_s = 0.0

    def start(self) -> None:
        """From now on frames are painted in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self.soon()

    def stop(self) -> None:
        """No more frames."""
        loop, self._loop = self._loop, None
        if self._handle is not None and loop is not None:
            self._handle.cancel()
            self._handle = None

    def wake(self) -> None:
        """Something is fresh; called in another thread."""
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self.soon, context=self._context)
            except RuntimeError:  # the loop was closed meanwhile: there is no screen to paint
                self._loop = None

    def soon(self) -> None:
        """Paint at the next moment that is allowed."""
        if self._loop is None or self._handle is not None:
            return
        gap = max(self._least_s, self._last_cost / FRAME_SHARE)
        wait_s = max(0.0, self._last_end + gap - time.monotonic())
        self._handle = self._loop.call_later(wait_s, self._frame, context=self._context)

    def _frame(self) -> None:
        self._handle = None
        begin = time.monotonic()
        try:
            self._paint()
        finally:
            self._last_end = time.monotonic()
            self._last_cost = self._last_end - begin
            self.slowest_s = max(self.slowest_s, self._last_cost)
            self.painted += 1
