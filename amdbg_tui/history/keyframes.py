"""Keyframes: everything as of one record, in one piece, so that any moment is a keyframe and the records after it.

Machines are columns, since there may be thousands of them: the clocks of all are one run of numbers.
"""

from __future__ import annotations

import zlib
from array import array
from itertools import chain

from msgspec import Struct, msgpack

from amdbg_tui.history.block_reading import Resolve
from amdbg_tui.history.harmless import inflate
from amdbg_tui.history.live import Live, LiveMachine, LivePeer
from amdbg_tui.history.packing import pack_numbers, pack_times, unpack_numbers, unpack_times
from amdbg_tui.history.records import ConnectionRecord, PeerDetailRecord, PeerRecord, replace


class PeerState(Struct, frozen=True, array_like=True):
    """A peer in a keyframe."""

    record: PeerRecord
    number: int
    detail: PeerDetailRecord | None


class MachineStates(Struct, frozen=True, array_like=True):
    """All machines in a keyframe, a column each."""

    generations: bytes
    numbers: bytes
    at_s: bytes
    sources: tuple[str, ...]
    reasons: tuple[str, ...]
    told_widths: bytes
    """How many ticks the newest record of each machine had; 0 when it had no clock."""
    told_clocks: bytes
    widths: bytes
    """How many ticks the clock of each machine has."""
    clocks: bytes
    glow_widths: bytes
    changed_at: bytes
    transitions: bytes
    last_transitions: bytes
    last_at_s: bytes
    last_errors: bytes


class Keyframe(Struct, frozen=True, array_like=True):
    """Everything as of a record, but what can be listed: notices, commands, losses, transitions."""

    at_s: float
    newest_number: int
    transitions: int
    peers: tuple[PeerState, ...]
    machines: MachineStates
    connection: ConnectionRecord | None


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Keyframe).decode


def pack_keyframe(live: Live) -> bytes:
    """A keyframe of how everything stands."""
    machines = list(live.machines.values())
    records = [machine.record for machine in machines]
    states = MachineStates(
        pack_numbers([machine.generation.id for machine in machines]),
        pack_numbers([machine.number for machine in machines]),
        pack_times([record.at_s for record in records]),
        tuple([record.source for record in records]),
        tuple([record.reason for record in records]),
        pack_numbers([len(record.clock) for record in records]),
        pack_numbers(list(chain.from_iterable(record.clock for record in records))),
        pack_numbers([len(machine.clock) for machine in machines]),
        pack_numbers(list(chain.from_iterable(machine.clock for machine in machines))),
        pack_numbers([len(machine.changed_at) for machine in machines]),
        _planes(pack_times(array("d", chain.from_iterable(machine.changed_at for machine in machines)))),
        pack_numbers([machine.transitions for machine in machines]),
        pack_numbers([machine.last_transition for machine in machines]),
        pack_times([machine.last_at_s for machine in machines]),
        pack_numbers([machine.last_error for machine in machines]),
    )
    peers = tuple([PeerState(peer.record, peer.number, peer.detail) for peer in live.peers.values()])
    keyframe = Keyframe(live.at_s, live.newest_number, live.transitions, peers, states, live.connection)
    return zlib.compress(_encode(keyframe), 1)


def unpack_keyframe(data: bytes, resolve: Resolve) -> Live:
    """The `Live` that a keyframe was made of. Raises `ValueError`, `zlib.error` when it is none."""
    keyframe = _decode(inflate(data))
    live = Live()
    live.at_s, live.newest_number = keyframe.at_s, keyframe.newest_number
    live.transitions, live.connection = keyframe.transitions, keyframe.connection
    peers, machines = live.peers, live.machines
    for peer in keyframe.peers:
        peers[peer.record.peer_id] = LivePeer(peer.record, peer.number, peer.detail)
    states = keyframe.machines
    told, clocks = tuple(unpack_numbers(states.told_clocks)), tuple(unpack_numbers(states.clocks))
    changed_at = unpack_times(_interleaved(states.changed_at))
    told_end = clock_end = glow_end = 0
    for (
        generation_id,
        number,
        at_s,
        source,
        reason,
        told_width,
        width,
        glow_width,
        ran,
        last,
        last_at_s,
        error,
    ) in zip(
        unpack_numbers(states.generations),
        unpack_numbers(states.numbers),
        unpack_times(states.at_s),
        states.sources,
        states.reasons,
        unpack_numbers(states.told_widths),
        unpack_numbers(states.widths),
        unpack_numbers(states.glow_widths),
        unpack_numbers(states.transitions),
        unpack_numbers(states.last_transitions),
        unpack_times(states.last_at_s),
        unpack_numbers(states.last_errors),
        strict=True,
    ):
        told_start, told_end = told_end, told_end + told_width
        clock_start, clock_end = clock_end, clock_end + width
        glow_start, glow_end = glow_end, glow_end + glow_width
        generation = resolve(generation_id)
        record = replace(
            generation.record, at_s=at_s, source=source, reason=reason, clock=told[told_start:told_end]
        )
        key = record.key
        machines[key] = LiveMachine(
            record,
            number,
            generation,
            clocks[clock_start:clock_end],
            generation.names,
            generation.index,
            changed_at[glow_start:glow_end],
            ran,
            last,
            last_at_s,
            error,
            1,
            generation.error_states,
        )
        owner = peers.get(key.peer_id)
        if owner is not None:
            owner.machines[key.slot] = key
    return live


def _planes(times: bytes) -> bytes:
    """The first bytes of all times, then their second bytes ...: alike bytes together are deflated better."""
    return b"".join([times[plane::8] for plane in range(8)])


def _interleaved(planes: bytes) -> bytes:
    count = len(planes) // 8
    times = bytearray(len(planes))
    for plane in range(8):
        times[plane::8] = planes[plane * count : (plane + 1) * count]
    return bytes(times)
