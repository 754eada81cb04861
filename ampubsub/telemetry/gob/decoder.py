"""Reading gob: a stream of bytes in, values out.

Structs become dictionaries of the fields that were sent (a missing field is zero), lists and maps what they are,
text is decoded with invalid bytes kept as lone surrogates (`surrogateescape`), and a type that writes itself stays
bytes. Each type is compiled into one small function when it is used first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ampubsub.telemetry.gob.errors import GobError, GobLimits
from ampubsub.telemetry.gob.types import (
    BOOTSTRAP,
    FIRST_OWN_NUMBER,
    MAP_KEYS,
    OPAQUE_FIELDS,
    WIRE_TYPE,
    Definition,
    Kind,
    ListDefinition,
    MapDefinition,
    OpaqueDefinition,
    StructDefinition,
)

_ONE_BYTE = 128
_LONGEST_INTEGER = 8


class _Message:
    """The bytes of one message, and how far they are read."""

    __slots__ = ("data", "depth", "position", "values")

    def __init__(self, data: bytes, values: int) -> None:
        self.data = data
        self.position = 0
        self.values = values
        """How many more values may be read."""
        self.depth = 0


Read = Callable[[_Message], Any]


class Decoder:
    """One direction of a stream. The types defined so far belong to it."""

    def __init__(self, limits: GobLimits | None = None) -> None:
        self.limits = limits or GobLimits()
        self.definitions: dict[int, Definition] = {}
        """The stream's own types by number."""
        self._buffer = bytearray()
        self._readers: dict[int, Read] = {
            Kind.BOOL: lambda message: _unsigned(message) != 0,
            Kind.INT: _signed,
            Kind.UINT: _unsigned,
            Kind.BYTES: _bytes,
            Kind.STRING: _text,
            Kind.INTERFACE: self._interface,
        }

    @property
    def unfinished_bytes(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[tuple[int, Any]]:
        """Take bytes in; return the values that are whole now, each with the number of its type.

        Definitions are kept and not returned. Raises `GobError`; the stream cannot go on then.
        """
        values: list[tuple[int, Any]] = []
        for message in self.messages(data):
            number, value = self.read(message)
            if number >= 0:
                values.append((number, value))
        return values

    def messages(self, data: bytes) -> list[bytes]:
        """Take bytes in; return the messages that are whole now, unread. `read` them in this order."""
        buffer = self._buffer
        buffer += data
        found: list[bytes] = []
        start, end = 0, len(buffer)
        while start < end:
            first = buffer[start]
            if first < _ONE_BYTE:
                size, body = first, start + 1
            else:
                length = 256 - first
                if length > _LONGEST_INTEGER:
                    raise GobError("the length of a message is not a number")
                body = start + 1 + length
                if body > end:
                    break
                size = int.from_bytes(buffer[start + 1 : body], "big")
            if size > self.limits.message_bytes:
                raise GobError(f"a message of {size} bytes; at most {self.limits.message_bytes} are read")
            if body + size > end:
                break
            found.append(bytes(buffer[body : body + size]))
            start = body + size
        del buffer[:start]
        return found

    @staticmethod
    def is_definition(data: bytes) -> bool:
        """Whether a message defines a type; otherwise it is a value."""
        return _signed(_Message(data, 1)) < 0

    def read(self, data: bytes) -> tuple[int, Any]:
        """Read one message: (type number, value), or (-number, definition) for the definition of a type."""
        message = _Message(data, self.limits.values)
        number = _signed(message)
        value = self._define(-number, message) if number < 0 else self._whole(number, message)
        if message.position != len(data):
            raise GobError(f"{len(data) - message.position} bytes too many in a message")
        return number, value

    # -- definitions

    def _define(self, number: int, message: _Message) -> Definition:
        definition = self._definition(self._reader(WIRE_TYPE)(message))
        if number < FIRST_OWN_NUMBER or number in self.definitions:
            raise GobError(f"type {number} cannot be defined, or not again")
        if len(self.definitions) >= self.limits.types:
            raise GobError(f"more than {self.limits.types} types in one stream")
        if isinstance(definition, MapDefinition) and definition.key not in MAP_KEYS:
            raise GobError("a map whose keys are neither numbers nor text")
        self.definitions[number] = definition
        return definition

    def _definition(self, value: dict[str, Any]) -> Definition:
        if len(value) != 1:
            raise GobError("the definition of a type says not exactly one kind")
        ((kind, body),) = value.items()
        common = body.get("CommonType", {})
        name, stated = common.get("Name", ""), common.get("Id", 0)
        if kind == "StructT":
            fields = tuple((field.get("Name", ""), field.get("Id", 0)) for field in body.get("Field", ()))
            if len(fields) > self.limits.fields:
                raise GobError(f"struct type {name!r} has {len(fields)} fields; at most {self.limits.fields}")
            return StructDefinition(name, stated, fields)
        if kind == "MapT":
            return MapDefinition(name, stated, body.get("Key", 0), body.get("Elem", 0))
        if kind in OPAQUE_FIELDS:
            return OpaqueDefinition(name, stated, kind)
        length = body.get("Len", 0) if kind == "ArrayT" else None
        return ListDefinition(name, stated, body.get("Elem", 0), length)

    # -- values

    def _whole(self, number: int, message: _Message) -> Any:
        """A value by itself: all but structs have a zero byte before them."""
        read = self._reader(number)
        if not isinstance(self._find(number), StructDefinition) and _unsigned(message) != 0:
            raise GobError("no zero byte before a value that is no struct")
        return read(message)

    def _find(self, number: int) -> Definition | None:
        return BOOTSTRAP.get(number) or self.definitions.get(number)

    def _reader(self, number: int) -> Read:
        read = self._readers.get(number)
        if read is None:
            definition = self._find(number)
            if definition is None:
                raise GobError(f"type {number} was never defined")
            read = self._readers[number] = self._compile(definition)
        return read

    def _compile(self, definition: Definition) -> Read:
        if isinstance(definition, StructDefinition):
            return self._struct(definition)
        if isinstance(definition, MapDefinition):
            return self._map(definition)
        if isinstance(definition, ListDefinition):
            return self._list(definition)
        return _bytes

    def _struct(self, definition: StructDefinition) -> Read:
        fields = definition.fields
        readers: list[Read | None] = [None] * len(fields)
        limits = self.limits

        def read(message: _Message) -> dict[str, Any]:
            value: dict[str, Any] = {}
            _enter(message, limits)
            at = -1
            while delta := _unsigned(message):
                at += delta
                if at >= len(fields):
                    raise GobError(f"field {at} of struct {definition.name!r}, which has {len(fields)}")
                read_field = readers[at]
                if read_field is None:
                    read_field = readers[at] = self._reader(fields[at][1])
                value[fields[at][0]] = read_field(message)
                message.values -= 1
            _leave(message)
            return value

        return read

    def _list(self, definition: ListDefinition) -> Read:
        limits = self.limits

        def read(message: _Message) -> list[Any]:
            count = _count(message)
            _enter(message, limits)
            message.values -= count
            if message.values < 0:
                raise GobError("too many values in one message")
            if definition.element == Kind.UINT:
                value = _unsigned_list(message, count)
            else:
                read_element = self._reader(definition.element)
                value = [read_element(message) for _ in range(count)]
            _leave(message)
            return value

        return read

    def _map(self, definition: MapDefinition) -> Read:
        limits = self.limits

        def read(message: _Message) -> dict[Any, Any]:
            count = _count(message)
            _enter(message, limits)
            message.values -= 2 * count
            read_key, read_element = self._reader(definition.key), self._reader(definition.element)
            value = {}
            for _ in range(count):
                key = read_key(message)
                value[key] = read_element(message)
            _leave(message)
            return value

        return read

    def _interface(self, message: _Message) -> Any:
        if not _text(message):  # the name of the type inside
            return None
        _enter(message, self.limits)
        while (number := _signed(message)) < 0:  # a type defined on the spot
            self._define(-number, message)
            _unsigned(message)
        end = _count(message) + message.position
        value = self._whole(number, message)
        if message.position != end:
            raise GobError("an interface value of another length than it says")
        _leave(message)
        return value


# -- the smallest parts


def _unsigned(message: _Message) -> int:
    data, position = message.data, message.position
    if position >= len(data):
        raise GobError("a message ends in the middle of a value")
    first = data[position]
    if first < _ONE_BYTE:
        message.position = position + 1
        return first
    end = position + 257 - first
    if 256 - first > _LONGEST_INTEGER or end > len(data):
        raise GobError("an integer that is too long, or cut off")
    message.position = end
    return int.from_bytes(data[position + 1 : end], "big")


def _signed(message: _Message) -> int:
    value = _unsigned(message)
    return ~(value >> 1) if value & 1 else value >> 1


def _count(message: _Message) -> int:
    count = _unsigned(message)
    if count > len(message.data) - message.position:  # each element has at least one byte
        raise GobError(f"{count} elements in the {len(message.data) - message.position} bytes left")
    return count


def _bytes(message: _Message) -> bytes:
    count = _count(message)
    start = message.position
    message.position = start + count
    return message.data[start : start + count]


def _text(message: _Message) -> str:
    return _bytes(message).decode("utf-8", "surrogateescape")


def _unsigned_list(message: _Message, count: int) -> list[int]:
    """Ticks are mostly small: a run of one-byte numbers is read at once."""
    start = message.position
    run = message.data[start : start + count]
    if count and len(run) == count and max(run) < _ONE_BYTE:
        message.position = start + count
        return list(run)
    data, position, end = message.data, start, len(message.data)
    values: list[int] = []
    append = values.append
    for _ in range(count):
        if position >= end:
            raise GobError("a message ends in the middle of a value")
        first = data[position]
        position += 1
        if first >= _ONE_BYTE:
            size = 256 - first
            if size > _LONGEST_INTEGER or position + size > end:
                raise GobError("an integer that is too long, or cut off")
            first = int.from_bytes(data[position : position + size], "big")
            position += size
        append(first)
    message.position = position
    return values


def _enter(message: _Message, limits: GobLimits) -> None:
    message.depth += 1
    message.values -= 1
    if message.depth > limits.depth:
        raise GobError(f"values nested more than {limits.depth} deep")
    if message.values < 0:
        raise GobError("too many values in one message")


def _leave(message: _Message) -> None:
    message.depth -= 1
