"""Records to what SQLite keeps, and back: clocks as small byte strings, other fields as JSON lists.

A JSON list holds the fields of a record in their order, so a record may get new fields at its end and old
files stay readable. Clocks are one width byte followed by the ticks, little-endian, as narrow as they fit.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from array import array
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Anything = TypeVar("Anything")

_WIDTHS = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
_CODES = dict(_WIDTHS)
_LARGEST = 2**64 - 1


def pack_clock(ticks: Sequence[int]) -> bytes:
    """Ticks as bytes: 31 for 30 small ticks. Ticks over 64 bits are cut to the largest that fits."""
    try:
        return b"\x01" + bytes(ticks)
    except ValueError:
        pass
    ticks = [min(max(tick, 0), _LARGEST) for tick in ticks]
    top = max(ticks, default=0)
    size, code = next(pair for pair in _WIDTHS if top < 1 << (8 * pair[0]))
    packed = array(code, ticks)
    if sys.byteorder == "big":
        packed.byteswap()
    return bytes((size,)) + packed.tobytes()


def unpack_clock(data: bytes) -> tuple[int, ...]:
    """The inverse of `pack_clock`. Raises `ValueError` on anything else."""
    if not data or data[0] not in _CODES:
        raise ValueError(f"a clock begins with 1, 2, 4 or 8, not {data[:1]!r}")
    if data[0] == 1:
        return tuple(data[1:])
    ticks = array(_CODES[data[0]])
    ticks.frombytes(data[1:])
    if sys.byteorder == "big":
        ticks.byteswap()
    return tuple(ticks)


def dump(value: Any) -> str:
    """A record, or a plain value of lists and tuples, as compact JSON."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def load(kind: type[Anything], text: str) -> Anything:
    """The record of type `kind` that `dump` wrote. Raises `ValueError` when it is none."""
    hint: Any = kind
    try:
        record: Anything = _maker(hint)(json.loads(text))
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a {kind.__name__}: {text[:80]}") from error
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        kind: Any = type(value)
        return [_plain(getattr(value, name)) for name in _names(kind)]
    return value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@cache
def _maker(hint: Any) -> Callable[[Any], Any]:
    """A function that makes a value of the type `hint` out of plain JSON."""
    origin = get_origin(hint)
    if origin is tuple:
        inner = get_args(hint)
        if inner[-1] is Ellipsis:
            one = _maker(inner[0])
            return tuple if one is _same else lambda items: tuple(map(one, items))
        each = [_maker(item) for item in inner]
        return lambda items: tuple(make(item) for make, item in zip(each, items, strict=True))
    if origin in (Union, types.UnionType):
        (kind,) = (item for item in get_args(hint) if item is not type(None))
        make = _maker(kind)
        return _same if make is _same else lambda value: None if value is None else make(value)
    if dataclasses.is_dataclass(hint):
        record_type: Any = hint
        hints = get_type_hints(hint)
        parts = [_maker(hints[name]) for name in _names(record_type)]
        return lambda items: record_type(*(make(item) for make, item in zip(parts, items, strict=False)))
    if isinstance(hint, type) and issubclass(hint, tuple):
        return lambda items: hint(*items)
    return _same


def _same(value: Any) -> Any:
    return value
