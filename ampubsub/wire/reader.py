"""Reading any message as Go's msgpack v5 does: lenient about widths and nil, strict about kinds.

This is the whole rule, and slow; what peers really write goes the way of `canonical.py`, which agrees.

A receiver first reads the type alone, skipping everything else, then the whole message as that type. Both
steps can fail apart from each other, and a field that cannot be read leaves those before it in place.
Numbers are taken modulo 2**64 like Go's conversions; text may be msgpack text or bytes, and need not be UTF-8
(invalid bytes survive as surrogates, so that what is told on stays as it was said).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

from ampubsub.machine import State
from ampubsub.wire.errors import WireError
from ampubsub.wire.limits import Limits
from ampubsub.wire.messages import NO_NAMES, ByeMachine, Info

_U64 = 1 << 64
_FIXED_EXT = {0xD4: 1, 0xD5: 1, 0xD6: 1, 0xD7: 1, 0xD8: 1}
_SIZED_EXT = {0xC7: 2, 0xC8: 3, 0xC9: 5}
_SIZE_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}


class _Reader:
    """One payload being read. Errors carry Go's words."""

    __slots__ = ("data", "limits", "tell", "unpack", "unpacker")

    def __init__(self, data: bytes, limits: Limits | None) -> None:
        self.data = data
        self.limits = limits
        self.unpacker: Any = msgpack.Unpacker(
            raw=True, strict_map_key=False, max_buffer_size=max(len(data), 1), use_list=True
        )
        self.unpacker.feed(data)
        self.tell: Callable[[], int] = self.unpacker.tell
        self.unpack: Callable[[], Any] = self.unpacker.unpack

    def code(self) -> int:
        position = self.tell()
        if position >= len(self.data):
            raise WireError("truncated", "EOF")
        return self.data[position]

    def cut_short(self, position: int) -> WireError:
        """Go's word for the end of data inside one value: EOF when a read found nothing at all."""
        left = len(self.data) - position - 1
        size = _SIZE_BYTES.get(self.data[position], 0) if position < len(self.data) else 0
        nothing = left <= 0 or (size and left == size)
        return WireError("truncated", "EOF" if nothing else "unexpected EOF")

    def value(self) -> tuple[int, Any]:
        """(code, value) of one whole value, of which there is a code."""
        position = self.tell()
        try:
            return self.data[position], self.unpack()
        except msgpack.OutOfData:
            raise self.cut_short(position) from None
        except Exception:  # a broken value, or nesting beyond what msgpack follows
            raise WireError("malformed", f"msgpack: invalid code={self.data[position]:x}") from None

    def skip(self) -> None:
        position = self.tell()
        try:
            self.unpacker.skip()
        except msgpack.OutOfData:
            if self.limits is not None:  # Go's exact words cost a second reading: not for everybody
                raise WireError("truncated", "EOF") from None
            raise _Reader(self.data[position:], None).where_cut() from None
        except Exception:
            raise WireError("malformed", "msgpack: a value to skip is broken or nested too deep") from None

    def where_cut(self) -> WireError:
        """The error for a value that is known to be incomplete: that of its first incomplete part.

        One pass without recursion: how deep and how long it is was chosen by somebody else.
        """
        try:
            while True:
                code = self.code()
                if 0x90 <= code <= 0x9F or code in (0xDC, 0xDD):
                    self.array_size()
                elif 0x80 <= code <= 0x8F or code in (0xDE, 0xDF):
                    self.map_size()
                else:
                    self.value()
        except WireError as error:
            return error

    def text(self) -> str:
        return self.text_bytes().decode("utf-8", "surrogateescape")

    def text_bytes(self) -> bytes:
        code, value = self.scalar("string/bytes length")
        if type(value) is bytes:
            return value
        if value is None:
            return b""
        raise WireError("wrong-type", f"msgpack: invalid code={code:x} decoding string/bytes length")

    def scalar(self, what: str) -> tuple[int, Any]:
        """As `value`, but a container is refused before it is read."""
        code = self.code()
        if 0x80 <= code <= 0x9F or 0xDC <= code <= 0xDF:
            raise WireError("wrong-type", f"msgpack: invalid code={code:x} decoding {what}")
        return self.value()

    def name(self) -> str:
        name = self.text_bytes()
        if self.limits is not None and len(name) > self.limits.name_bytes:
            raise WireError(
                "name-too-long", f"a name of {len(name)} bytes; {self.limits.name_bytes} are taken"
            )
        return name.decode("utf-8", "surrogateescape")

    def tag(self) -> str:
        tag = self.text_bytes()
        if self.limits is not None and len(tag) > self.limits.tag_bytes:
            raise WireError("tag-too-long", f"a tag of {len(tag)} bytes; {self.limits.tag_bytes} are taken")
        return tag.decode("utf-8", "surrogateescape")

    def boolean(self) -> bool:
        code, value = self.scalar("bool")
        if value is None or type(value) is bool:
            return bool(value)
        raise WireError("wrong-type", f"msgpack: invalid code={code:x} decoding bool")

    def tick(self) -> int:
        code, value = self.scalar("uint64")
        if type(value) is int:
            return value % _U64
        if value is None:
            return 0
        raise WireError("wrong-type", f"msgpack: invalid code={code:x} decoding uint64")

    def machine_index(self) -> int:
        code, value = self.scalar("int64")
        if value is None:
            value = 0
        if type(value) is not int:
            raise WireError("wrong-type", f"msgpack: invalid code={code:x} decoding int64")
        index = value - _U64 if value >= _U64 >> 1 else value
        if self.limits is not None and not 0 <= index <= self.limits.machine_index:
            raise WireError(
                "bad-index", f"a machine's index is {index}; 0 to {self.limits.machine_index} are taken"
            )
        return index

    def array_size(self) -> int | None:
        code = self.code()
        if code == 0xC0:
            self.unpack()
            return None
        if not (0x90 <= code <= 0x9F or code in (0xDC, 0xDD)):
            raise WireError("wrong-type", f"msgpack: invalid code={code:x} decoding array length")
        position = self.tell()
        try:
            return int(self.unpacker.read_array_header())
        except msgpack.OutOfData:
            raise self.cut_short(position) from None

    def map_size(self) -> int | None:
        code = self.code()
        if code in _FIXED_EXT or code in _SIZED_EXT:
            self.unpacker.read_bytes(1 + (_FIXED_EXT.get(code) or _SIZED_EXT[code]))
            code = self.code()
        if code == 0xC0:
            self.unpack()
            return None
        if not (0x80 <= code <= 0x8F or code in (0xDE, 0xDF)):
            raise WireError("wrong-type", f"msgpack: unexpected code={code:x} decoding map length")
        position = self.tell()
        try:
            return int(self.unpacker.read_map_header())
        except msgpack.OutOfData:
            raise self.cut_short(position) from None

    def bound(self, count: int, limit: str) -> None:
        if self.limits is not None and count > getattr(self.limits, limit):
            raise WireError(
                f"too-many-{limit}",
                f"{count} {limit} in one message; {getattr(self.limits, limit)} are taken",
            )

    # -- lists and maps ----------------------------------------------------------------------------

    def texts(self, read: Callable[[], str], limit: str) -> tuple[str, ...] | None:
        size = self.array_size()
        if size is None:
            return None
        self.bound(size, limit)
        return tuple([read() for _ in range(size)])

    def relation(self) -> tuple[str, ...]:
        names = self.texts(self.name, "relations")
        return () if names is None else names or NO_NAMES

    def ticks(self) -> tuple[int, ...] | None:
        size = self.array_size()
        if size is None:
            return None
        self.bound(size, "states")
        read = self.tick
        return tuple([read() for _ in range(size)])

    def entries(
        self,
        into: dict[Any, Any] | None,
        key: Callable[[], Any],
        value: Callable[[], Any],
        limit: str,
        place: Callable[[dict[Any, Any]], None] | None = None,
    ) -> dict[Any, Any] | None:
        """A map, merged into one read before. `place` gets it before its entries are read: if one fails, those
        before it stay."""
        size = self.map_size()
        if size is None:
            return None
        self.bound(size, limit)
        result: dict[Any, Any] = {} if into is None else into
        if place is not None:
            place(result)
        for _ in range(size):
            name = key()
            if into is not None and name not in result:
                self.bound(len(result) + 1, limit)  # a field said twice must not pass the limits in pieces
            result[name] = value()
        return result

    def by_index(self, value: Callable[[], Any]) -> Callable[[], dict[int, Any] | None]:
        return lambda: self.entries(None, self.machine_index, value, "machines")

    # -- structs -----------------------------------------------------------------------------------

    def struct(self, fields: _Fields, values: dict[str, Any], embedded: bool = False) -> None:
        """Fill `values` from a map (any order, unknown fields skipped) or from an array by position."""
        code = self.code()
        if 0x90 <= code <= 0x9F or code in (0xDC, 0xDD):
            size = self.array_size()
            if not size:
                return
            if size != len(fields):
                raise WireError("wrong-type", "msgpack: number of fields in array-encoded struct has changed")
            for name, read in fields.items():
                values[name] = read(self, values)
            return
        count = self.map_size()
        for _ in range(count or 0):
            name = self.text()
            found = fields.get(name)
            if found is not None:
                values[name] = found(self, values)
            elif embedded and name == "Msg":
                self.struct({"Type": lambda reader, _: reader.text()}, values)
            else:
                self.skip()

    def state(self) -> State:
        values: dict[str, Any] = {}
        self.struct(_STATE, values)
        return State(**{name.lower(): value for name, value in values.items()})

    def info(self) -> Info | None:
        if self.code() == 0xC0:
            self.unpack()
            return None
        values: dict[str, Any] = {}
        self.struct(_INFO, values)
        return Info(**{name.lower(): value for name, value in values.items()})

    def bye(self) -> ByeMachine:
        values: dict[str, Any] = {}
        self.struct(_BYE, values)
        return ByeMachine(values.get("PeerBye", False), values.get("Id", ""), values.get("MTime"))


_Fields = dict[str, Callable[[_Reader, dict[str, Any]], Any]]
"""Of one struct, in order: how each field is read. The reader of a field gets those read before it."""

_STATE: _Fields = {
    "Auto": lambda reader, _: reader.boolean(),
    "Multi": lambda reader, _: reader.boolean(),
    "Require": lambda reader, _: reader.relation(),
    "Add": lambda reader, _: reader.relation(),
    "Remove": lambda reader, _: reader.relation(),
    "After": lambda reader, _: reader.relation(),
    "Tags": lambda reader, _: reader.relation(),
}
_INFO: _Fields = {
    "Id": lambda reader, _: reader.name(),
    "Schema": lambda reader, old: reader.entries(old.get("Schema"), reader.name, reader.state, "states"),
    "States": lambda reader, _: reader.texts(reader.name, "states"),
    "MTime": lambda reader, _: reader.ticks(),
    "Tags": lambda reader, _: reader.texts(reader.tag, "tags"),
    "Parent": lambda reader, _: reader.name(),
}
_BYE: _Fields = {
    "PeerBye": lambda reader, _: reader.boolean(),
    "Id": lambda reader, _: reader.name(),
    "MTime": lambda reader, _: reader.ticks(),
}


def _map_field(
    name: str, key: Callable[[_Reader], Any], value: Callable[[_Reader], Callable[[], Any]], limit: str
) -> _Fields:
    """A map merges into the one said before it under the same name; if an entry fails, those before it stay."""

    def read(reader: _Reader, values: dict[str, Any]) -> Any:
        def place(entries: dict[Any, Any]) -> None:
            values[name] = entries

        return reader.entries(values.get(name), lambda: key(reader), value(reader), limit, place)

    return {name: read}


def _peers_field(name: str, value: Callable[[_Reader], Callable[[], Any]]) -> _Fields:
    return _map_field(name, _Reader.name, lambda reader: reader.by_index(value(reader)), "peers")


_TYPE: _Fields = {"Type": lambda reader, _: reader.text()}
_PEER_IDS: _Fields = {"PeerIds": lambda reader, _: reader.texts(reader.name, "peers")}
_GOSSIPS = _peers_field("PeerGossips", lambda reader: reader.tick)
_MESSAGES: dict[str, _Fields] = {
    "Msg": _TYPE,
    "MsgInfo": _TYPE | _peers_field("PeerInfo", lambda reader: reader.info) | _GOSSIPS,
    "MsgUpdates": _TYPE | _peers_field("PeerClocks", lambda reader: reader.ticks),
    "MsgGossip": _TYPE | _GOSSIPS,
    "MsgReqInfo": _TYPE | _PEER_IDS,
    "MsgReqUpdates": _TYPE | _PEER_IDS,
    "MsgBye": _TYPE | _map_field("Machs", _Reader.machine_index, lambda reader: reader.bye, "machines"),
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding into one type gave: the fields by Go name, and Go's error text if it stopped early."""

    values: dict[str, Any]
    error: WireError | None


def decode_as(type_name: str, data: bytes, limits: Limits | None = None) -> Decoded:
    """Decode into one Go type by name (`Msg`, `MsgInfo` ...), keeping what was read before an error.

    Raises `ValueError` for a name that is none of them.
    """
    fields = _MESSAGES.get(type_name)
    if fields is None:
        raise ValueError(f"{type_name} is no message type")
    values: dict[str, Any] = {}
    try:
        _Reader(data, limits).struct(fields, values, embedded=type_name != "Msg")
    except WireError as error:
        return Decoded(values, error)
    return Decoded(values, None)
