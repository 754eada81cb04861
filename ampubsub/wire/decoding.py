"""Reading messages as Go's msgpack v5 does: lenient about widths and nil, strict about kinds.

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
from ampubsub.wire.messages import (
    NO_NAMES,
    ByeMachine,
    Info,
    Message,
    Msg,
    MsgBye,
    MsgGossip,
    MsgInfo,
    MsgReqInfo,
    MsgReqUpdates,
    MsgUpdates,
)

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
        """(code, value) of one whole value."""
        position = self.tell()
        if position >= len(self.data):
            raise WireError("truncated", "EOF")
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
        parts = 1
        try:
            while parts:
                parts -= 1
                code = self.code()
                if 0x90 <= code <= 0x9F or code in (0xDC, 0xDD):
                    parts += self.array_size() or 0
                elif 0x80 <= code <= 0x8F or code in (0xDE, 0xDF):
                    parts += 2 * (self.map_size() or 0)
                else:
                    self.value()
        except WireError as error:
            return error
        return WireError("truncated", "EOF")

    def text(self) -> str:
        code, value = self.scalar("string/bytes length")
        if type(value) is bytes:
            return value.decode("utf-8", "surrogateescape")
        if value is None:
            return ""
        raise WireError("wrong-type", f"msgpack: invalid code={code:x} decoding string/bytes length")

    def scalar(self, what: str) -> tuple[int, Any]:
        """As `value`, but a container is refused before it is read."""
        code = self.code()
        if 0x80 <= code <= 0x9F or 0xDC <= code <= 0xDF:
            raise WireError("wrong-type", f"msgpack: invalid code={code:x} decoding {what}")
        return self.value()

    def name(self) -> str:
        name = self.text()
        if self.limits is not None and len(name) > self.limits.name_bytes:
            raise WireError(
                "name-too-long", f"a name of {len(name)} characters; {self.limits.name_bytes} are taken"
            )
        return name

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

    def names(self, limit: str) -> tuple[str, ...] | None:
        size = self.array_size()
        if size is None:
            return None
        self.bound(size, limit)
        read = self.name
        return tuple([read() for _ in range(size)])

    def relation(self) -> tuple[str, ...]:
        names = self.names("relations")
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
            result[name] = value()
        return result

    def by_index(self, value: Callable[[], Any]) -> Callable[[], dict[int, Any] | None]:
        return lambda: self.entries(None, self.machine_index, value, "machines")

    # -- structs -----------------------------------------------------------------------------------

    def struct(
        self, fields: dict[str, Callable[[Any], Any]], values: dict[str, Any], embedded: str = ""
    ) -> None:
        """Fill `values` from a map (any order, unknown fields skipped) or from an array by position."""
        code = self.code()
        if 0x90 <= code <= 0x9F or code in (0xDC, 0xDD):
            size = self.array_size()
            if not size:
                return
            if size != len(fields):
                raise WireError("wrong-type", "msgpack: number of fields in array-encoded struct has changed")
            for name, read in fields.items():
                values[name] = read(values.get(name))
            return
        count = self.map_size()
        for _ in range(count or 0):
            name = self.text()
            found = fields.get(name)
            if found is not None:
                values[name] = found(values.get(name))
            elif embedded and name == embedded:
                self.struct({"Type": lambda _: self.text()}, values)
            else:
                self.skip()

    def state(self) -> State:
        values: dict[str, Any] = {}
        self.struct(
            {
                "Auto": lambda _: self.boolean(),
                "Multi": lambda _: self.boolean(),
                "Require": lambda _: self.relation(),
                "Add": lambda _: self.relation(),
                "Remove": lambda _: self.relation(),
                "After": lambda _: self.relation(),
                "Tags": lambda _: self.relation(),
            },
            values,
        )
        return State(**{name.lower(): value for name, value in values.items()})

    def info(self) -> Info | None:
        if self.code() == 0xC0:
            self.unpack()
            return None
        values: dict[str, Any] = {}
        self.struct(
            {
                "Id": lambda _: self.name(),
                "Schema": lambda old: self.entries(old, self.name, self.state, "states"),
                "States": lambda _: self.names("states"),
                "MTime": lambda _: self.ticks(),
                "Tags": lambda _: self.names("tags"),
                "Parent": lambda _: self.name(),
            },
            values,
        )
        return Info(**{name.lower(): value for name, value in values.items()})

    def bye(self) -> ByeMachine:
        values: dict[str, Any] = {}
        self.struct(
            {
                "PeerBye": lambda _: self.boolean(),
                "Id": lambda _: self.name(),
                "MTime": lambda _: self.ticks(),
            },
            values,
        )
        return ByeMachine(values.get("PeerBye", False), values.get("Id", ""), values.get("MTime"))


_Fields = dict[str, Callable[[Any], Any]]


def _message_fields(reader: _Reader, type_name: str, values: dict[str, Any]) -> _Fields:
    """The fields of one message type. A repeated map merges into the one before; one that fails stays in `values`."""
    fields: _Fields = {"Type": lambda _: reader.text()}

    def table(name: str, key: Callable[[], Any], value: Callable[[], Any], limit: str) -> None:
        def place(entries: dict[Any, Any]) -> None:
            values[name] = entries

        fields[name] = lambda old: reader.entries(old, key, value, limit, place)

    def peers(name: str, value: Callable[[], Any]) -> None:
        table(name, reader.name, reader.by_index(value), "peers")

    match type_name:
        case "MsgInfo":
            peers("PeerInfo", reader.info)
            peers("PeerGossips", reader.tick)
        case "MsgUpdates":
            peers("PeerClocks", reader.ticks)
        case "MsgGossip":
            peers("PeerGossips", reader.tick)
        case "MsgReqInfo" | "MsgReqUpdates":
            fields["PeerIds"] = lambda _: reader.names("peers")
        case "MsgBye":
            table("Machs", reader.machine_index, reader.bye, "machines")
        case "Msg":
            pass
        case _:
            raise ValueError(f"{type_name} is no message type")
    return fields


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding into one type gave: the fields by Go name, and Go's error text if it stopped early."""

    values: dict[str, Any]
    error: WireError | None


def decode_as(type_name: str, data: bytes, limits: Limits | None = None) -> Decoded:
    """Decode into one Go type by name (`Msg`, `MsgInfo` ...), keeping what was read before an error."""
    reader = _Reader(data, limits)
    values: dict[str, Any] = {}
    try:
        reader.struct(_message_fields(reader, type_name, values), values, "" if type_name == "Msg" else "Msg")
    except WireError as error:
        return Decoded(values, error)
    return Decoded(values, None)


_TYPES: dict[str, tuple[str, Callable[[dict[str, Any]], Message]]] = {
    "info": ("MsgInfo", lambda v: MsgInfo(v.get("PeerInfo"), v.get("PeerGossips"))),
    "updates": ("MsgUpdates", lambda v: MsgUpdates(v.get("PeerClocks"))),
    "gossip": ("MsgGossip", lambda v: MsgGossip(v.get("PeerGossips"))),
    "reqinfo": ("MsgReqInfo", lambda v: MsgReqInfo(v.get("PeerIds"))),
    "requpdates": ("MsgReqUpdates", lambda v: MsgReqUpdates(v.get("PeerIds"))),
    "bye": ("MsgBye", lambda v: MsgBye(v.get("Machs"))),
}


def message_of(type_name: str, values: dict[str, Any]) -> Message | Msg:
    """The message made of fields by Go name, as `decode_as` gives them."""
    for known, make in _TYPES.values():
        if known == type_name:
            return make(values)
    return Msg(values.get("Type", ""))


def message_type(data: bytes) -> str:
    """The Go type a payload is to be read as; `generic` when it is no message, `unsupported` for an unknown type."""
    base = decode_as("Msg", data)
    if base.error is not None:
        return "generic"
    known = _TYPES.get(base.values.get("Type", ""))
    return known[0] if known else "unsupported"


def decode(data: bytes, limits: Limits | None = None) -> Message:
    """Read one payload. `limits` bounds what is taken; None takes all that Go would.

    Raises `WireError`: `generic` when it is no message of this protocol at all, `unsupported-type` for a type
    nobody knows, `oversize` and `too-many-...` beyond the limits, otherwise what is wrong with it.
    """
    if limits is not None and len(data) > limits.message_bytes:
        raise WireError("oversize", f"a message of {len(data)} bytes; {limits.message_bytes} are taken")
    base = decode_as("Msg", data, limits)
    if base.error is not None:
        raise WireError("generic", f"not a message of this protocol: {base.error}")
    name = base.values.get("Type", "")
    known = _TYPES.get(name)
    if known is None:
        raise WireError("unsupported-type", f"unsupported msg type: {name[:64]!r}")
    found = decode_as(known[0], data, limits)
    if found.error is not None:
        raise found.error
    return known[1](found.values)
