"""The pictures of the manual: `python -m tests.tui.pictures` writes them to `screenshots/`.

They are taken from the fixed history at a fixed moment, so that they are the same on every machine.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdbg_tui.app import App
from amdbg_tui.node.commands import Command, Forecast, Outcome, Preview
from amdbg_tui.settings import Settings
from tests.tui.fixed_history import NOW, fixed_history

FOLDER = Path(__file__).parents[2] / "screenshots"


class AnsweringNode:
    """Stands for the peer in pictures and pane tests: answers at once with what it was told to."""

    def __init__(self, *, forecast: Forecast | None = None, outcome: Outcome | None = None) -> None:
        self.forecast = forecast or Forecast(True, ("Shipped", "Tracked"), ("Packed",))
        self.outcome = outcome or Outcome("executed")
        self.calls: list[Command] = []
        self.started = 0

    def start(self) -> None:
        self.started += 1

    def call(self, command: Command) -> Future[Any]:
        self.calls.append(command)
        future: Future[Any] = Future()
        future.set_result(self.forecast if isinstance(command, Preview) else self.outcome)
        return future


@dataclass(frozen=True)
class Picture:
    name: str
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    theme: str = "dark"
    node: bool = False


DOWN_TO_PACKED = ("2", *("down",) * 6)
REFUSED = (*DOWN_TO_PACKED, "(")
PICTURES = (
    Picture("demo", (150, 45), DOWN_TO_PACKED),
    Picture("past", (150, 45), REFUSED),
    Picture("steps", (150, 45), ("2", "left", "alt+j", "alt+j", "alt+j", "alt+j")),
    Picture("rain", (120, 35), (*DOWN_TO_PACKED, "alt+r")),
    Picture("matrix", (120, 35), (*DOWN_TO_PACKED, "alt+m", "alt+m")),
    Picture(
        "tree",
        (120, 35),
        ("alt+m", "alt+m", "alt+m", *DOWN_TO_PACKED, "enter", "up", "up", "up", "enter", *("down",) * 11),
    ),
    Picture("records", (120, 35), ("3", "right_square_bracket", "alt+w", "slash", *"is:refused", "enter")),
    Picture("add-state", (150, 45), ("2", "+", "s", "h", "i", "tab"), node=True),
    Picture("peer", (120, 35), ("down", "enter")),
    Picture("help", (150, 45), ("question_mark",)),
    Picture("light", (150, 45), REFUSED, theme="light"),
    Picture("high-contrast", (150, 45), REFUSED, theme="high-contrast"),
    Picture("terminal", (120, 35), DOWN_TO_PACKED, theme="terminal"),
    Picture("narrow", (80, 24), REFUSED),
    Picture("wide", (220, 60), REFUSED),
)


async def take(picture: Picture) -> str:
    """The picture as SVG text, without what differs from run to run."""
    node = AnsweringNode() if picture.node else None
    app = App(
        fixed_history(),
        node,
        settings=Settings(theme=picture.theme),
        now=lambda: NOW,
        least_frame_s=0.0,
    )
    app.animation_level = "none"
    async with app.run_test(size=picture.size) as pilot:
        await pilot.pause()
        for key in picture.keys:
            await pilot.press(key)
        await asyncio.sleep(0.15)  # the preview is asked for after a pause in typing
        await pilot.pause()
        return normal(app.export_screenshot(title="ampubsub-tui"))


def normal(svg: str) -> str:
    """Identifiers in the SVG are made from its content and Textual's version: they say nothing."""
    return re.sub(r"terminal-\d+", "terminal", svg) + "\n"


def take_all(pictures: Iterable[Picture] = PICTURES) -> dict[str, str]:
    os.environ["TZ"] = "UTC"
    time.tzset()
    return {picture.name: asyncio.run(take(picture)) for picture in pictures}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, svg in take_all().items():
        (FOLDER / f"{name}.svg").write_text(svg, "utf-8")
        print(f"screenshots/{name}.svg")


if __name__ == "__main__":
    main()
