"""Putting messages together: split so that none is too large, with as much gossip as fits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ampubsub.topic.checks import info_fault
from ampubsub.topic.constants import NAME_CHARS, STATES
from ampubsub.topic.settings import TopicSettings
from ampubsub.wire import ByeMachine, Info, Limits, MsgBye, MsgInfo, MsgUpdates, WireError, decode, encode
from ampubsub.wire.messages import Ticks

_TICK_BYTES = 9
_STATE_BYTES = 48
_SLACK_BYTES = 256


def limits_of(settings: TopicSettings) -> Limits:
    """How much of one message we take from others."""
    return Limits(
        message_bytes=settings.max_message_bytes,
        peers=settings.max_peers,
        machines=settings.max_machines_per_peer,
        states=STATES,
        name_bytes=4 * NAME_CHARS,
        tag_bytes=4 * NAME_CHARS,
    )


def message_room(settings: TopicSettings) -> int:
    """Bytes of one `info` that may describe machines: the rest is kept for gossip and for our own sums."""
    return (settings.max_message_bytes - _SLACK_BYTES) * 3 // 4


def split_indexes(
    infos: Mapping[str, Mapping[int, Info]], room: int
) -> tuple[list[dict[str, list[int]]], list[tuple[str, int, int]]]:
    """What goes into each `info`: peers are kept together as far as possible. Then what fits into none, with its size."""
    parts: list[dict[str, list[int]]] = [{}]
    too_large = []
    left = room
    for peer_id, machines in infos.items():
        parts[-1].setdefault(peer_id, [])
        left -= len(peer_id) + 8
        for index, info in machines.items():
            needed = size_of(info)
            if needed > room:
                too_large.append((peer_id, index, needed))
                continue
            if needed > left:
                parts.append({peer_id: []})
                left = room - len(peer_id) - 8
            parts[-1][peer_id].append(index)
            left -= needed
    return parts, too_large


def fitting(gossips: Mapping[str, Mapping[int, int]], room: int) -> dict[str, dict[int, int]]:
    """As much gossip as fits: it must never leave our own machines without room."""
    kept = {}
    for peer_id, sums in gossips.items():
        room -= 64 + 16 * len(sums)
        if room < 0:
            break
        kept[peer_id] = dict(sums)
    return kept


def split_clocks(
    clocks: Mapping[str, Mapping[int, tuple[int, ...]]], settings: TopicSettings
) -> Iterator[MsgUpdates]:
    """One `updates`, or several when it would be too large: others would drop it whole."""
    part: dict[str, dict[int, tuple[int, ...]]] = {}
    room = limit = settings.max_message_bytes - _SLACK_BYTES
    for peer_id, machines in clocks.items():
        for index, clock in machines.items():
            needed = 16 + len(clock) * _TICK_BYTES + (0 if peer_id in part else len(peer_id) + 8)
            if needed > room and part:
                yield MsgUpdates(peer_clocks=part)
                part, room = {}, limit
            part.setdefault(peer_id, {})[index] = clock
            room -= needed
    if part:
        yield MsgUpdates(peer_clocks=part)


def fitting_bye(
    machines: Mapping[int, tuple[str, Ticks | None]],
    first: Sequence[int],
    settings: TopicSettings,
    *,
    leaving: bool,
) -> tuple[MsgBye, list[int]]:
    """One `bye`, and the indexes in it: last clocks as far as they fit, those of `first` before others.

    One entry is enough to leave as a whole.
    """
    room = settings.max_message_bytes - _SLACK_BYTES
    sooner = set(first)
    entries: dict[int, ByeMachine] = {}
    for index in sorted(machines, key=lambda index: (index not in sooner, index)):
        name, clock = machines[index]
        room -= 48 + 4 * len(name)
        if room < 0 and entries:
            break
        fits = clock is not None and len(clock) <= STATES and len(clock) * _TICK_BYTES <= room
        room -= len(clock) * _TICK_BYTES if fits and clock is not None else 0
        entries[index] = ByeMachine(leaving, name, clock if fits else None)
        if len(entries) >= settings.max_machines_per_peer:
            break
    return MsgBye(machs=dict(sorted(entries.items()))), list(entries)


def unsayable(info: Info, settings: TopicSettings) -> str:
    """Why others with our limits would drop what we say of this machine, in words; empty when they would not."""
    if fault := info_fault(info):
        limits = f"{STATES} states, {NAME_CHARS} characters a name"
        return f"others would drop it ({fault}): a machine may have {limits}"
    if (size := size_of(info)) > (room := message_room(settings)):
        return f"its description needs {size} bytes, and {room} fit into a message"
    try:
        decode(encode(MsgInfo(peer_info={"": {0: info}}, peer_gossips={})), limits_of(settings))
    except WireError as error:
        return f"others would drop it: {error}"
    return ""


def size_of(info: Info) -> int:
    """About how many bytes a machine needs on the wire; never too few."""
    size = _SLACK_BYTES + 4 * len(info.id) + 4 * len(info.parent or "")
    size += sum(4 * len(tag) + 5 for tag in info.tags or ())
    size += len(info.mtime or ()) * _TICK_BYTES
    for name, state in (info.schema or {}).items():
        size += _STATE_BYTES + 8 * len(name) + 10
        for names in (state.require, state.add, state.remove, state.after, state.tags):
            size += sum(4 * len(other) + 5 for other in names or ())
    return size
