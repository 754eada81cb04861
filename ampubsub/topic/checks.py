"""Is what a peer tells of a machine well formed? Pure; a reason is a short stable word, empty if so."""

from __future__ import annotations

from ampubsub.topic.constants import NAME_CHARS, STATES
from ampubsub.wire import Info

_MAX_TICK = (1 << 64) - 1


_REMEMBERED = 16_384
_judged: dict[int, tuple[Info, str]] = {}


def info_fault(info: Info) -> str:
    """Why this description of a machine cannot be used. The same object again, as from the same bytes, costs nothing."""
    known = _judged.get(id(info))
    if known is not None and known[0] is info:
        return known[1]
    if len(_judged) >= _REMEMBERED:
        _judged.clear()
    fault = _info_fault(info)
    _judged[id(info)] = (info, fault)
    return fault


def _info_fault(info: Info) -> str:
    states = info.states or ()
    if not info.id or len(info.id) > NAME_CHARS:
        return "machine-id"
    if len(info.parent or "") > NAME_CHARS or any(len(tag) > NAME_CHARS for tag in info.tags or ()):
        return "name-length"
    if len(info.tags or ()) > STATES:
        return "tags"
    if not states or len(states) > STATES:
        return "states-count"
    if any(not name or len(name) > NAME_CHARS for name in states):
        return "state-name"
    names = set(states)
    if len(names) != len(states):
        return "state-twice"
    if names != set(info.schema or {}):
        return "schema-states"
    return clock_fault(info.mtime or (), len(states))


def clock_fault(clock: tuple[int, ...], length: int) -> str:
    """Why these ticks cannot be a clock of a machine with `length` states."""
    if len(clock) != length:
        return "clock-length"
    if clock and (min(clock) < 0 or max(clock) > _MAX_TICK):
        return "clock-range"
    return ""


def same_shape(one: Info, other: Info) -> bool:
    """Both describe the same machine: same id, states and relations. Tags, parent and clock may differ."""
    return one is other or (one.id == other.id and one.states == other.states and one.schema == other.schema)


def same_labels(one: Info, other: Info) -> bool:
    """Both give the machine the same tags and parent."""
    return (one.tags or ()) == (other.tags or ()) and (one.parent or "") == (other.parent or "")
