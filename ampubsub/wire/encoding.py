"""Writing messages, byte for byte as Go's msgpack v5 does: structs as maps with all fields in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from struct import pack
from typing import Any

import msgpack

from ampubsub.machine import State
from ampubsub.wire.messages import (
    ByeMachine,
    Info,
    Message,
    Msg,
    MsgBye,
    MsgGossip,
    MsgInfo,
    MsgUpdates,
    NoNames,
)

_NIL = b"\xc0"
_BOOL = (b"\xc2", b"\xc3")
_int: Callable[[int], bytes] = msgpack.Packer().pack


@lru_cache(maxsize=8192)
def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    size = len(data)
    if size < 32:
        return pack("B", 0xA0 | size) + data
    if size < 256:
        return pack("BB", 0xD9, size) + data
    return (pack(">BH", 0xDA, size) if size < 65536 else pack(">BI", 0xDB, size)) + data


def _header(size: int, fix: int, wide: int) -> bytes:
    if size < 16:
        return pack("B", fix | size)
    return pack(">BH", wide, size) if size < 65536 else pack(">BI", wide + 1, size)


def _texts(names: Sequence[str] | None) -> bytes:
    if names is None:
        return _NIL
    return _header(len(names), 0x90, 0xDC) + b"".join(map(_text, names))


def _relation(names: tuple[str, ...]) -> bytes:
    """Of a State, where an empty tuple stands for nil."""
    return _texts(names if names or isinstance(names, NoNames) else None)


def _ticks(ticks: Sequence[int] | None) -> bytes:
    if ticks is None:
        return _NIL
    return _header(len(ticks), 0x90, 0xDC) + b"".join([pack(">BQ", 0xCF, tick) for tick in ticks])


def _tick(tick: int) -> bytes:
    return pack(">BQ", 0xCF, tick)


def _map(
    entries: Mapping[Any, Any] | None, key: Callable[[Any], bytes], value: Callable[[Any], bytes]
) -> bytes:
    if entries is None:
        return _NIL
    parts = [_header(len(entries), 0x80, 0xDE)]
    for name, entry in entries.items():
        parts.append(key(name))
        parts.append(value(entry))
    return b"".join(parts)


def _by_index(value: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    return lambda entries: _map(entries, _int, value)


_STATE_KEYS = tuple(map(_text, ("Auto", "Multi", "Require", "Add", "Remove", "After", "Tags")))
_INFO_KEYS = tuple(map(_text, ("Id", "Schema", "States", "MTime", "Tags", "Parent")))
_BYE_KEYS = tuple(map(_text, ("PeerBye", "Id", "MTime")))


def _struct(keys: tuple[bytes, ...], *values: bytes) -> bytes:
    parts = [_header(len(keys), 0x80, 0xDE)]
    for key, value in zip(keys, values, strict=True):
        parts.append(key)
        parts.append(value)
    return b"".join(parts)


@lru_cache(maxsize=8192)
def _state(state: State) -> bytes:
    lists = (state.require, state.add, state.remove, state.after, state.tags)
    return _struct(_STATE_KEYS, _BOOL[state.auto], _BOOL[state.multi], *map(_relation, lists))


def _info(info: Info | None) -> bytes:
    if info is None:
        return _NIL
    schema = _map(info.schema, _text, _plain_state)
    return _struct(
        _INFO_KEYS,
        _text(info.id),
        schema,
        _texts(info.states),
        _ticks(info.mtime),
        _texts(info.tags),
        _text(info.parent),
    )


def _plain_state(state: State) -> bytes:
    # Equal states may differ in nil and empty lists, which the cache could not tell apart.
    for names in (state.require, state.add, state.remove, state.after, state.tags):
        if isinstance(names, NoNames):
            return _state.__wrapped__(state)
    return _state(state)


def _bye(machine: ByeMachine) -> bytes:
    return _struct(_BYE_KEYS, _BOOL[machine.peer_bye], _text(machine.id), _ticks(machine.mtime))


def encode(message: Message | Msg, type_name: str | None = None) -> bytes:
    """The bytes of a message. Ticks must be 0 to 2**64 - 1 (`struct.error` otherwise).

    `type_name` puts another word into its Type field, which no healthy peer does.
    """
    fields: list[tuple[str, bytes]] = [("Type", _text(message.type if type_name is None else type_name))]
    match message:
        case MsgInfo():
            fields.append(("PeerInfo", _map(message.peer_info, _text, _by_index(_info))))
            fields.append(("PeerGossips", _map(message.peer_gossips, _text, _by_index(_tick))))
        case MsgUpdates():
            fields.append(("PeerClocks", _map(message.peer_clocks, _text, _by_index(_ticks))))
        case MsgGossip():
            fields.append(("PeerGossips", _map(message.peer_gossips, _text, _by_index(_tick))))
        case MsgBye():
            fields.append(("Machs", _map(message.machs, _int, _bye)))
        case Msg():
            pass
        case _:
            fields.append(("PeerIds", _texts(message.peer_ids)))
    return _header(len(fields), 0x80, 0xDE) + b"".join([_text(name) + value for name, value in fields])
