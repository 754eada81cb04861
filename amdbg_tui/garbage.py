"""Python's cycle collector, kept from stopping the screen while a key waits to be painted.

A full collection looks at every object there is, tens of milliseconds with thousands of machines. What stands once the
screen is up is never looked at again, and full collections wait for a moment in which nobody presses a key.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """When the collector runs."""

    young_objects: int = 20_000
    """New objects after which the youngest are looked at (Python: 700 to 2,000)."""
    middle_rounds: int = 50
    old_rounds: int = 1_000
    """Rounds of the younger ones after which the older ones are looked at (Python: 10)."""
    full_every_s: float = 60.0
    """A full collection this often at most, when it is quiet."""
    quiet_s: float = 2.0
    """Nobody has pressed a key for this long."""


class Collector:
    """Runs full collections at quiet moments."""

    def __init__(self, settings: CollectorSettings | None = None) -> None:
        self.settings = settings or CollectorSettings()
        self._collected_s = time.monotonic()
        self._pressed_s = 0.0

    def begin(self) -> None:
        """The screen is up: leave alone what stands, and look at the rest more rarely."""
        settings = self.settings
        gc.collect()
        gc.freeze()
        gc.set_threshold(settings.young_objects, settings.middle_rounds, settings.old_rounds)
        self._collected_s = time.monotonic()

    def key_pressed(self) -> None:
        """Somebody works with the screen."""
        self._pressed_s = time.monotonic()

    def second(self) -> None:
        """Once a second: collect if it is time and quiet."""
        now, settings = time.monotonic(), self.settings
        if now - self._collected_s >= settings.full_every_s and now - self._pressed_s >= settings.quiet_s:
            gc.collect()
            self._collected_s = time.monotonic()
