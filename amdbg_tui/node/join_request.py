"""What the command line asked for: whom to dial, which topic, what to expose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from amdbg_tui.node.doors import Doors
from amdbg_tui.settings import PeerSettings

if TYPE_CHECKING:
    from ampubsub.machine import Machine
    from ampubsub.transport.interface import Transport


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A wish to join. Every address was checked for its form already."""

    addresses: tuple[str, ...] = ()
    """Multiaddrs to dial, each ending in /p2p/PEERID. None: be the first peer and wait for others."""
    topic: str = ""
    """Empty: the topic that the dialled peers announce; of several, the person chooses."""
    expose: tuple[Machine, ...] = ()
    """Own machines, released by the thread that made them."""
    name: str = ""
    listen: tuple[str, ...] = ()
    silent: bool = False
    settings: PeerSettings = field(default_factory=PeerSettings)
    doors: Doors = field(default_factory=Doors)
    """How others are found without an address, and who may take part."""
    find_addresses: Callable[[], tuple[str, ...]] | None = field(default=None, compare=False)
    """Called in a worker thread to learn the addresses; it may wait, and raise an error in words for the person."""
    live: Callable[[], Awaitable[object]] | None = field(default=None, compare=False)
    """A task to run beside the topic, which owns the exposed machines; cancelled before bye is said."""
    make_transport: Callable[[], Transport] | None = field(default=None, compare=False)
    """Called in the peer's thread; None: libp2p."""
