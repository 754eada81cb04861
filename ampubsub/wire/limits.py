"""How much of one message we take from others, before anything is built from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one message. Go has none; these are far above what a healthy topic says."""

    message_bytes: int = 1_000_000
    """Longest payload (py-libp2p itself drops above 1 MiB)."""
    peers: int = 1_000
    """Peers named in one message."""
    machines: int = 256
    """Machines of one peer in one message."""
    states: int = 1_024
    """States of one machine."""
    relations: int = 1_024
    """Entries of one relation or tag list of a state."""
    tags: int = 64
    """Tags of one machine."""
    name_bytes: int = 256
    """Longest machine id, state name, parent id, peer id, in bytes of UTF-8."""
    tag_bytes: int = 256
    """Longest tag of a machine, in bytes of UTF-8."""
    machine_index: int = 1_000_000
    """Highest index of a machine; negative ones are refused."""
