"""Running the app for a test: over the fixed history or one's own records, without a network."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable

from textual.pilot import Pilot

from amdbg_tui.app import App, Peer
from amdbg_tui.history import History
from amdbg_tui.history.records import Record
from amdbg_tui.settings import Settings
from tests.tui.fixed_history import NOW, fixed_history, recorded

Act = Callable[[App, Pilot[int]], Awaitable[None]]


def history_of(records: Iterable[Record]) -> History:
    return recorded(records)


def run(
    act: Act,
    *,
    history: History | None = None,
    size: tuple[int, int] = (140, 40),
    theme: str = "dark",
    keys: dict[str, str] | None = None,
    node: Peer | None = None,
    **options: object,
) -> None:
    """Start the app over a history (else the fixed one), let `act` use it, and leave."""
    os.environ["TZ"] = "UTC"
    time.tzset()

    async def whole() -> None:
        app = App(
            history or fixed_history(),
            node,
            **{  # type: ignore[arg-type]
                "settings": Settings(theme=theme, keys=keys or {}),
                "now": lambda: NOW,
                "least_frame_s": 0.0,
                **options,
            },
        )
        app.animation_level = "none"
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(whole())


def text_of(app: App) -> str:
    """What is on the screen, as text."""
    width, _ = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text[:width].rstrip() for strip in lines)


def words_of(app: App) -> str:
    """The same with single blanks: for what stands in columns."""
    return re.sub(" +", " ", text_of(app))


async def until(pilot: Pilot[int], holds: Callable[[], bool], tries: int = 200) -> None:
    """Let the app go on until something holds."""
    for _ in range(tries):
        if holds():
            return
        await pilot.pause(0.01)
    raise AssertionError(f"it never came to be:\n{text_of(pilot.app)}")  # type: ignore[arg-type]
