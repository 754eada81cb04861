"""Frames are painted in the loop's thread, in the context in which they were started."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

from amdbg_tui.frames import Frames

APP: ContextVar[str] = ContextVar("APP")


def test_a_frame_woken_by_another_thread_knows_the_app_it_belongs_to() -> None:
    async def story() -> list[tuple[str, int]]:
        APP.set("ours")
        painted: list[tuple[str, int]] = []
        twice = asyncio.Event()

        def paint() -> None:
            painted.append((APP.get("nobody's"), threading.get_ident()))
            if len(painted) == 2:
                twice.set()

        frames = Frames(paint, least_s=0.0)
        frames.start()
        while not painted:
            await asyncio.sleep(0)
        waker = threading.Thread(target=frames.wake)
        waker.start()
        waker.join()
        async with asyncio.timeout(20):
            await twice.wait()
        frames.stop()
        return painted

    assert asyncio.run(story()) == [("ours", threading.get_ident())] * 2
