"""The six messages as plain values. Go field names stand in `encoding.py`; here they read as Python.

None stands for Go's nil where a list or map may be nil; Go reads nil and empty alike, but writes them apart,
and what is told on must stay as it was said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ampubsub.machine import State

Ticks = tuple[int, ...]
"""One tick for each state in index order, 0 to 2**64 - 1."""


class NoNames(tuple[str, ...]):
    """An empty list that is not nil, where a `State` holds tuples: keeps what a peer said byte for byte."""

    __slots__ = ()


NO_NAMES = NoNames()


@dataclass(frozen=True, slots=True)
class Info:
    """One exposed machine: what a peer must know to keep a replica of it."""

    id: str = ""
    schema: Mapping[str, State] | None = None
    states: tuple[str, ...] | None = None
    """State names in index order."""
    mtime: Ticks | None = None
    tags: tuple[str, ...] | None = None
    parent: str = ""


@dataclass(frozen=True, slots=True)
class ByeMachine:
    """One machine that goes, with its last clock. `peer_bye` says that the whole peer goes."""

    peer_bye: bool = False
    id: str = ""
    mtime: Ticks | None = None


@dataclass(frozen=True, slots=True)
class Msg:
    """What all messages start with: their type alone."""

    type: str = ""


@dataclass(frozen=True, slots=True)
class MsgInfo:
    """Machines by peer and index, and tick sums of others' machines."""

    type: ClassVar[str] = "info"
    peer_info: Mapping[str, Mapping[int, Info | None] | None] | None = None
    peer_gossips: Mapping[str, Mapping[int, int] | None] | None = None


@dataclass(frozen=True, slots=True)
class MsgUpdates:
    """Whole clocks by peer and index."""

    type: ClassVar[str] = "updates"
    peer_clocks: Mapping[str, Mapping[int, Ticks | None] | None] | None = None


@dataclass(frozen=True, slots=True)
class MsgGossip:
    """Tick sums by peer and index."""

    type: ClassVar[str] = "gossip"
    peer_gossips: Mapping[str, Mapping[int, int] | None] | None = None


@dataclass(frozen=True, slots=True)
class MsgReqInfo:
    """Asks for `info` about these peers."""

    type: ClassVar[str] = "reqinfo"
    peer_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MsgReqUpdates:
    """Asks for `updates` of these peers."""

    type: ClassVar[str] = "requpdates"
    peer_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MsgBye:
    """Machines of the sender that go, by index."""

    type: ClassVar[str] = "bye"
    machs: Mapping[int, ByeMachine] | None = None


Message = MsgInfo | MsgUpdates | MsgGossip | MsgReqInfo | MsgReqUpdates | MsgBye
