"""Recordings that came from somebody else: their texts made harmless, their packed pieces bounded.

What this program recorded is harmless already. A file that is opened may be anybody's, so every text in it goes the
same way as texts from the network do, which leaves those of our own recordings as they are.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from amdbg_tui.history.live import Live
from amdbg_tui.safe_text import safe_block

MOST_INFLATED = 256 * 1024 * 1024
"""Bytes that one piece of a recording may have, unpacked."""
Anything = TypeVar("Anything")
Record = TypeVar("Record", bound=Struct)


def inflate(data: bytes) -> bytes:
    """The inverse of `zlib.compress`. Raises `ValueError` when it is too much, `zlib.error` when it is none."""
    inflater = zlib.decompressobj()
    whole = inflater.decompress(data, MOST_INFLATED)
    if not inflater.eof:
        raise ValueError("a piece of it is cut off, or larger than this program makes any")
    return whole


def harmless(record: Record) -> Record:
    """The same record with every text in it made harmless."""
    changed: dict[str, Any] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        clean = _clean(value)
        if clean is not value:
            changed[name] = clean
    return replace(record, **changed) if changed else record


def harmless_value(value: Anything) -> Anything:
    """A text, or a tuple of whatever, made harmless."""
    found: Anything = _clean(value)
    return found


def make_harmless(live: Live) -> Live:
    """A moment whose records are made harmless; schemas are already."""
    for peer in live.peers.values():
        peer.record = harmless(peer.record)
        if peer.detail is not None:
            peer.detail = harmless(peer.detail)
    for machine in live.machines.values():
        record = machine.record
        source, reason = _clean(record.source), _clean(record.reason)
        if (source, reason) != (record.source, record.reason):
            machine.record = replace(record, source=source, reason=reason)
    if live.connection is not None:
        live.connection = harmless(live.connection)
    return live


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return (
            value if value.isascii() and value.isprintable() and len(value) < 10_000 else _clean_text(value)
        )
    if isinstance(value, tuple):
        if not value or isinstance(value[0], int | float):
            return value if not any(isinstance(item, str) for item in value) else _clean_items(value)
        return _clean_items(value)
    if isinstance(value, Struct):
        return harmless(value)
    return value


def _clean_items(value: tuple[Any, ...]) -> Any:
    items = [_clean(item) for item in value]
    if all(new is old for new, old in zip(items, value, strict=True)):
        return value
    return type(value)(*items) if hasattr(value, "_fields") else tuple(items)


@lru_cache(maxsize=16_384)
def _clean_text(text: str) -> str:
    return safe_block(text)
