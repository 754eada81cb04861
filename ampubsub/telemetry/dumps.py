"""am-dbg's export files (`.gob.br`): Brotli around one gob value, a list of machines with their records.

Needs the package `Brotli` (`pip install ampubsub-tui[dumps]`). Reading is bounded in packed and unpacked bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ampubsub.telemetry.gob import Decoder, Encoder, GobError
from ampubsub.telemetry.limits import TelemetryLimits
from ampubsub.telemetry.messages import (
    MachineSchema,
    MachineTransition,
    TelemetryError,
    read_schema,
    read_transition,
)
from ampubsub.telemetry.wire_types import DUMP, schema_value, transition_value

_CHUNK_BYTES = 1 << 20


class DumpError(Exception):
    """A dump cannot be read or written. The text names the file and says why."""


@dataclass(frozen=True, slots=True)
class DumpedMachine:
    """One machine of a dump, with its records, oldest first."""

    schema: MachineSchema
    transitions: tuple[MachineTransition, ...]
    """Each with `at_s` set."""


def read_dump(path: Path, limits: TelemetryLimits | None = None) -> list[DumpedMachine]:
    """The machines of a dump, in the file's order. Raises `DumpError`."""
    limits = limits or TelemetryLimits()
    try:
        if path.stat().st_size > limits.dump_packed_bytes:
            raise DumpError(f"{path}: {path.stat().st_size} bytes; at most {limits.dump_packed_bytes}")
        data = _unpack(path.read_bytes(), limits.dump_unpacked_bytes)
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DumpError(f"{path}: not an am-dbg dump: {error}") from error
    gob_limits = replace(
        limits.gob, message_bytes=limits.dump_unpacked_bytes, values=limits.dump_unpacked_bytes
    )
    decoder = Decoder(gob_limits)
    try:
        values = decoder.feed(data)
        if len(values) != 1 or not isinstance(values[0][1], list) or decoder.unfinished_bytes:
            raise DumpError(f"{path}: not an am-dbg dump: it holds no list of machines, or is cut off")
        return [_machine(value, limits) for value in values[0][1]]
    except (GobError, TelemetryError) as error:
        raise DumpError(f"{path}: not an am-dbg dump that can be read: {error}") from error


def _machine(value: object, limits: TelemetryLimits) -> DumpedMachine:
    if not isinstance(value, dict):
        raise TelemetryError("a machine that is none")
    schema = read_schema(value.get("MsgStruct", {}), limits)
    names = {schema.machine_id: schema.state_names}
    transitions = value.get("MsgTxs") or []
    if not all(isinstance(record, dict) for record in transitions):
        raise TelemetryError(f"records of {schema.machine_id!r} that are none")
    own = {"MachineID": schema.machine_id}  # v0.13 leaves it out in files
    return DumpedMachine(
        schema, tuple(read_transition(record | own, names, limits) for record in transitions)
    )


def write_dump(path: Path, machines: Iterable[DumpedMachine]) -> None:
    """Write a dump that am-dbg imports. Each record needs its time. Raises `DumpError`."""
    brotli = _brotli()
    value = []
    for machine in machines:
        for transition in machine.transitions:
            if transition.at_s is None:
                raise DumpError(
                    f"{path}: a record of {machine.schema.machine_id!r} has no time; am-dbg would crash"
                )
        value.append(
            {
                "MsgStruct": schema_value(machine.schema),
                "MsgTxs": _transitions(machine.transitions, machine.schema.state_names),
            }
        )
    try:
        path.write_bytes(brotli.compress(Encoder().encode(DUMP, value), quality=5))
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror or error}") from error


def _transitions(transitions: Sequence[MachineTransition], names: tuple[str, ...]) -> list[dict[str, object]]:
    return [transition_value(transition, names) for transition in transitions]


def _unpack(data: bytes, most: int) -> bytes:
    """Unpacked bytes; raises ValueError when they are no Brotli, or more than `most`."""
    brotli = _brotli()
    unpacker = brotli.Decompressor()
    parts: list[bytes] = []
    total = 0
    try:
        part = unpacker.process(data, output_buffer_limit=_CHUNK_BYTES)
        while True:
            parts.append(part)
            total += len(part)
            if total > most:
                raise ValueError(f"more than {most} bytes once unpacked")
            if unpacker.is_finished():
                return b"".join(parts)
            if not part and unpacker.can_accept_more_data():
                raise ValueError("it is cut off")
            part = unpacker.process(b"", output_buffer_limit=_CHUNK_BYTES)
    except brotli.error as error:
        raise ValueError("no Brotli data") from error


def _brotli() -> Any:
    try:
        import brotli
    except ImportError as error:
        raise DumpError(
            "am-dbg's dumps need the package Brotli: pip install 'ampubsub-tui[dumps]'"
        ) from error
    return brotli
