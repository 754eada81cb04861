"""The settings of the demo network."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

TOPIC = "demo"

LISTEN = "/ip4/127.0.0.1/udp/0/quic-v1"


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How the demo's machines live. Times are in seconds."""

    seed: int = 7
    """Makes each machine's choices repeatable; their order among peers depends on the network."""
    shortest_s: float = 0.5
    """No machine does anything sooner than this after what it did before."""
    longest_s: float = 4.0
    """... nor later. People can follow changes at this pace."""
    start_timeout_s: float = 20.0
    """How long the child process may take until its root can be dialled."""
    stop_timeout_s: float = 4.0
    """How long the child process may take to say bye; then it is killed."""


class Dice:
    """A machine's chance and pace."""

    def __init__(self, settings: DemoSettings, name: str) -> None:
        self._random = Random(f"{settings.seed} {name}")  # repeatable, nothing secret
        self._settings = settings

    def chance(self, share: float) -> bool:
        """True about `share` of the times."""
        return self._random.random() < share

    async def pause(self, factor: float = 1.0) -> None:
        """Wait a human while, longer or shorter by `factor`."""
        import trio

        settings = self._settings
        await trio.sleep(factor * self._random.uniform(settings.shortest_s, settings.longest_s))
