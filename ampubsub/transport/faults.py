"""How bad an in-memory network is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """How bad the network is. May be changed at any time; applies to what is sent from then on."""

    delay_s: tuple[float, float] = (0.001, 0.01)
    """Shortest and longest delay of one hop."""
    loss: float = 0.0
    """Share of deliveries that never arrive."""
    duplication: float = 0.0
    """Share of deliveries that arrive twice."""
    reorder: bool = False
    """Let a later message overtake an earlier one of the same hop."""
    detection_s: float = 8.5
    """How long it takes to notice that a peer crashed or is cut off. As `TransportSettings.idle_timeout_s`."""
    dial_timeout_s: float = 5.0
    redial_s: tuple[float, float] = (0.5, 30.0)
    """First and longest pause before a lost known peer is dialled again."""
    redial_settled_s: float = 5.0
    """A link that the other side closed earlier than this does not restart the pauses."""
    redial_eager: tuple[float, float] = (300.0, 1.0)
    """For so many seconds after a loss no pause is longer than so many seconds."""
    message_bytes: int = 1_000_000
    event_queue: int = 4096
    """Events that may wait for a host's reader; more are dropped and counted."""
    direct_queue_bytes: int = 2_097_152
    """Bytes under way on one private stream; more are refused."""
