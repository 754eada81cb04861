"""Keyframes: everything as of one record, in one piece, so that any moment is a keyframe and the records after it."""

from __future__ import annotations

import zlib

from msgspec import Struct, msgpack

from amdbg_tui.history.block_reading import Resolve
from amdbg_tui.history.live import Live, LiveMachine, LivePeer
from amdbg_tui.history.packing import pack_numbers, pack_times, unpack_numbers, unpack_times
from amdbg_tui.history.records import ConnectionRecord, PeerDetailRecord, PeerRecord, replace


class MachineState(Struct, frozen=True, array_like=True):
    """A machine in a keyframe."""

    generation: int
    number: int
    at_s: float
    source: str
    reason: str
    told_clock: bytes
    """The clock of its newest record; empty when that had none."""
    clock: bytes
    changed_at: bytes
    """Empty when no state was ever seen moving."""
    transitions: int
    last_transition: int
    last_at_s: float
    last_error: int


class PeerState(Struct, frozen=True, array_like=True):
    """A peer in a keyframe."""

    record: PeerRecord
    number: int
    detail: PeerDetailRecord | None


class Keyframe(Struct, frozen=True, array_like=True):
    """Everything as of a record, but what can be listed: notices, commands, losses, transitions."""

    at_s: float
    newest_number: int
    transitions: int
    peers: tuple[PeerState, ...]
    machines: tuple[MachineState, ...]
    connection: ConnectionRecord | None


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Keyframe).decode


def pack_keyframe(live: Live) -> bytes:
    """A keyframe of how everything stands."""
    peers = tuple([PeerState(peer.record, peer.number, peer.detail) for peer in live.peers.values()])
    machines = tuple([_packed(machine) for machine in live.machines.values()])
    keyframe = Keyframe(live.at_s, live.newest_number, live.transitions, peers, machines, live.connection)
    return zlib.compress(_encode(keyframe), 1)


def unpack_keyframe(data: bytes, resolve: Resolve) -> Live:
    """The `Live` that a keyframe was made of. Raises `ValueError`, `zlib.error` when it is none."""
    keyframe = _decode(zlib.decompress(data))
    live = Live()
    live.at_s, live.newest_number = keyframe.at_s, keyframe.newest_number
    live.transitions, live.connection = keyframe.transitions, keyframe.connection
    for peer in keyframe.peers:
        live.peers[peer.record.peer_id] = LivePeer(peer.record, peer.number, peer.detail)
    for state in keyframe.machines:
        generation = resolve(state.generation)
        record = replace(
            generation.record,
            at_s=state.at_s,
            source=state.source,
            reason=state.reason,
            clock=tuple(unpack_numbers(state.told_clock)),
        )
        key = record.key
        live.machines[key] = LiveMachine(
            record,
            state.number,
            generation,
            tuple(unpack_numbers(state.clock)),
            generation.names,
            generation.index,
            list(unpack_times(state.changed_at)) if state.changed_at else [0.0] * len(generation.names),
            state.transitions,
            state.last_transition,
            state.last_at_s,
            state.last_error,
            1,
            generation.error_states,
        )
        owner = live.peers.get(key.peer_id)
        if owner is not None:
            owner.machines[key.slot] = key
    return live


def _packed(machine: LiveMachine) -> MachineState:
    record = machine.record
    return MachineState(
        machine.generation.id,
        machine.number,
        record.at_s,
        record.source,
        record.reason,
        pack_numbers(record.clock),
        pack_numbers(machine.clock),
        pack_times(machine.changed_at) if any(machine.changed_at) else b"",
        machine.transitions,
        machine.last_transition,
        machine.last_at_s,
        machine.last_error,
    )
