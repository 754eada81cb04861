"""Putting messages together: what we say of ourselves and of others, split so that none is too large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ampubsub.topic.checks import info_fault, same_shape
from ampubsub.topic.core import Core
from ampubsub.topic.events import PeerStatus
from ampubsub.topic.exposures import told_time
from ampubsub.topic.settings import TopicSettings
from ampubsub.wire import ByeMachine, Info, MsgBye, MsgInfo, MsgUpdates, WireError, decode, encode

_TICK_BYTES = 9
_STATE_BYTES = 48
_SLACK_BYTES = 256


def describe(core: Core, peer_id: str) -> dict[int, Info]:
    """Full descriptions of a peer's machines: our own, or what we were told with the clocks as we know them."""
    if peer_id == core.peer_id:
        return core.exposures.infos(core.told_name)
    peer = core.registry.peers.get(peer_id)
    if peer is None or peer.status is PeerStatus.GONE:
        return {}
    return {index: replace(machine.info, mtime=machine.clock) for index, machine in peer.machines.items()}


def gossip_about(core: Core, amount: int) -> dict[str, dict[int, int]]:
    """Tick sums of up to `amount` random peers that we know."""
    known = [
        peer for peer in core.registry.known_peers() if peer.machines and peer.status is not PeerStatus.STALE
    ]
    chosen = known if len(known) <= amount else core.random.sample(known, amount)
    return {peer.peer_id: core.registry.sums(peer) for peer in chosen}


def known_to_few(core: Core) -> bool:
    """Do we know peers that a newcomer may not have heard of?"""
    known = core.registry.known_peers()
    return bool(core.newcomers) and any(p.machines and p.peer_id not in core.newcomers for p in known)


def split_info(
    core: Core, infos: Mapping[str, Mapping[int, Info]], gossips: dict[str, dict[int, int]]
) -> Iterator[MsgInfo]:
    """One `info`, or several when it would be too large. Peers are kept together as far as possible.

    When our own description has to be split, our own sums go along: they say how many machines there are, so that
    a part is not taken for the whole. Parts may be asked for later, one by one: each tells the clocks of its moment.
    """
    limit = message_room(core.settings)
    gossips = fitting(
        gossips, core.settings.max_message_bytes - _SLACK_BYTES - limit - 16 * len(core.exposures)
    )
    part: dict[str, dict[int, Info]] = {}
    size = 0
    first = True
    for peer_id, machines in infos.items():
        part.setdefault(peer_id, {})
        size += len(peer_id) + 8
        for index, info in machines.items():
            bytes_needed = _size(info)
            if bytes_needed > limit:
                core.registry.drop(core.peer_id, "own-oversize")
                core.notice("error", f"machine {info.id} is too large to be told: {bytes_needed} bytes")
                continue
            if size + bytes_needed > limit:
                yield MsgInfo(_as_of_now(core, part), _with_own(core, gossips, part, first))
                part, size, first = {peer_id: {}}, len(peer_id) + 8, False
            part[peer_id][index] = info
            size += bytes_needed
    if part:
        if first:
            yield MsgInfo(part, gossips)
        else:
            yield MsgInfo(_as_of_now(core, part), _with_own(core, gossips, part, first))


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


def fitting_bye(core: Core, indexes: Iterable[int], leaving: bool) -> MsgBye:
    """One `bye`: last clocks as far as they fit, those not told yet first. One entry is enough to leave as a whole."""
    room = core.settings.max_message_bytes - _SLACK_BYTES
    chosen = [index for index in indexes if index in core.exposures.machines]
    chosen.sort(key=lambda index: (index not in core.exposures.dirty, index))
    entries: dict[int, ByeMachine] = {}
    for index in chosen:
        machine = core.exposures.machines[index]
        room -= 48 + 4 * len(machine.id)
        if room < 0 and entries and leaving:
            break
        clock = told_time(machine)
        fits = len(clock) <= core.settings.max_states and len(clock) * _TICK_BYTES <= room
        room -= len(clock) * _TICK_BYTES if fits else 0
        entries[index] = ByeMachine(leaving, machine.id, clock if fits else None)
    return MsgBye(machs=dict(sorted(entries.items())))


def message_room(settings: TopicSettings) -> int:
    """Bytes of one `info` that may describe machines: the rest is kept for gossip and for our own sums."""
    return (settings.max_message_bytes - _SLACK_BYTES) * 3 // 4


def unsayable(info: Info, core: Core) -> str:
    """Why others with our limits would drop what we say of this machine, in words; empty when they would not."""
    if fault := info_fault(info, core.settings):
        limits = f"{core.settings.max_states} states, {core.settings.max_name_chars} characters a name"
        return f"others would drop it ({fault}): a machine may have {limits}"
    if (size := _size(info)) > (room := message_room(core.settings)):
        return f"its description needs {size} bytes, and {room} fit into a message"
    try:
        decode(encode(MsgInfo(peer_info={"": {0: info}}, peer_gossips={})), core.limits)
    except WireError as error:
        return f"others would drop it: {error}"
    return ""


def fitting(gossips: dict[str, dict[int, int]], room: int) -> dict[str, dict[int, int]]:
    """As much gossip as fits: it must never leave our own machines without room."""
    kept = {}
    for peer_id, sums in gossips.items():
        room -= 64 + 16 * len(sums)
        if room < 0:
            break
        kept[peer_id] = sums
    return kept


def _with_own(
    core: Core, gossips: dict[str, dict[int, int]], part: Mapping[str, object], first: bool
) -> dict[str, dict[int, int]]:
    """The gossip of one part of several."""
    sums = dict(gossips) if first else {}
    if core.peer_id in part:
        sums[core.peer_id] = core.exposures.sums()
    return sums


def _as_of_now(core: Core, part: Mapping[str, Mapping[int, Info]]) -> dict[str, dict[int, Info]]:
    """A part with the clocks of now: an older one in a newer message would look like a restart."""
    fresh: dict[str, dict[int, Info]] = {}
    for peer_id, machines in part.items():
        found = fresh[peer_id] = {}
        for index, info in machines.items():
            if peer_id == core.peer_id:
                own = core.exposures.machines.get(index)
                if own is not None:
                    found[index] = core.exposures.info(own, core.told_name)
            elif (known := core.registry.machine((peer_id, index))) is not None:
                found[index] = (
                    replace(info, mtime=known.clock) if same_shape(info, known.info) else known.info
                )
    return fresh


def _size(info: Info) -> int:
    """About how many bytes a machine needs on the wire; never too few."""
    size = _SLACK_BYTES + 4 * len(info.id) + 4 * len(info.parent or "")
    size += sum(4 * len(tag) + 5 for tag in info.tags or ())
    size += len(info.mtime or ()) * _TICK_BYTES
    for name, state in (info.schema or {}).items():
        size += _STATE_BYTES + 8 * len(name) + 10
        for names in (state.require, state.add, state.remove, state.after, state.tags):
            size += sum(4 * len(other) + 5 for other in names or ())
    return size
