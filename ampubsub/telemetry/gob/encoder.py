"""Writing gob: declared types and values in, messages out. A definition goes out once, before its first value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ampubsub.telemetry.gob.errors import GobError
from ampubsub.telemetry.gob.types import (
    BOOTSTRAP,
    FIRST_OWN_NUMBER,
    WIRE_TYPE,
    Declaration,
    Definition,
    Kind,
    ListDefinition,
    ListOf,
    MapDefinition,
    MapOf,
    Opaque,
    OpaqueDefinition,
    StructDefinition,
    StructOf,
)

_ONE_BYTE = 128


class Encoder:
    """One direction of a stream that we write."""

    def __init__(self) -> None:
        self._definitions: dict[int, Definition] = {}
        self._numbers: dict[int, int] = {}
        """Number by the identity of a declaration."""
        self._declared: list[Declaration] = []
        """Keeps declarations alive, so that identities stay theirs."""
        self._due: list[int] = []

    def encode(self, declaration: Declaration, value: Any) -> bytes:
        """The messages for one value: definitions that were not sent yet, then the value.

        A struct is a mapping of field names; missing fields are zero. Raises `GobError` for a value that does not
        fit its declaration.
        """
        number = self._number(declaration)
        parts = [write_definition(due, self._definitions[due]) for due in self._due]
        self._due.clear()
        parts.append(write_value(self._definitions, number, value))
        return b"".join(parts)

    def _number(self, declaration: Declaration) -> int:
        if isinstance(declaration, Kind):
            return declaration
        known = self._numbers.get(id(declaration))
        if known is not None:
            return known
        number = self._numbers[id(declaration)] = FIRST_OWN_NUMBER + len(self._numbers)
        self._declared.append(declaration)
        self._due.append(number)  # the outer type before its parts
        self._definitions[number] = self._definition(number, declaration)
        return number

    def _definition(self, number: int, declaration: StructOf | ListOf | MapOf | Opaque) -> Definition:
        if isinstance(declaration, StructOf):
            fields = tuple((name, self._number(part)) for name, part in declaration.fields)
            return StructDefinition(declaration.name, number, fields)
        if isinstance(declaration, ListOf):
            return ListDefinition(declaration.name, number, self._number(declaration.element))
        if isinstance(declaration, MapOf):
            key, element = self._number(declaration.key), self._number(declaration.element)
            return MapDefinition(declaration.name, number, key, element)
        return OpaqueDefinition(declaration.name, number, declaration.how)


def write_definition(number: int, definition: Definition) -> bytes:
    """The message that defines a type."""
    common = {"Name": definition.name, "Id": definition.stated_number}
    body: dict[str, Any] = {"CommonType": common}
    if isinstance(definition, StructDefinition):
        kind = "StructT"
        body["Field"] = [{"Name": name, "Id": part} for name, part in definition.fields]
    elif isinstance(definition, MapDefinition):
        kind = "MapT"
        body |= {"Key": definition.key, "Elem": definition.element}
    elif isinstance(definition, ListDefinition):
        kind = "SliceT" if definition.length is None else "ArrayT"
        body |= {"Elem": definition.element, "Len": definition.length}
    else:
        kind = definition.how
    return _message(-number, _value(BOOTSTRAP, WIRE_TYPE, {kind: body}))


def write_value(definitions: Mapping[int, Definition], number: int, value: Any) -> bytes:
    """The message of one value, whose types are defined already."""
    definition = definitions.get(number)
    alone = b"" if isinstance(definition, StructDefinition) else b"\0"
    return _message(number, alone + _value(definitions, number, value))


def _message(number: int, body: bytes) -> bytes:
    body = _signed(number) + body
    return _unsigned(len(body)) + body


def _value(definitions: Mapping[int, Definition], number: int, value: Any) -> bytes:
    try:
        if number in _BASIC:
            return _BASIC[number](value)
        definition = BOOTSTRAP.get(number) or definitions[number]
        if isinstance(definition, StructDefinition):
            return _struct(definitions, definition, value)
        if isinstance(definition, ListDefinition):
            parts = [_value(definitions, definition.element, element) for element in value]
            return _unsigned(len(parts)) + b"".join(parts)
        if isinstance(definition, MapDefinition):
            pairs = [
                _value(definitions, definition.key, key) + _value(definitions, definition.element, element)
                for key, element in value.items()
            ]
            return _unsigned(len(pairs)) + b"".join(pairs)
        return _bytes(value)
    except (TypeError, AttributeError, OverflowError, KeyError) as error:
        raise GobError(f"a value does not fit type {number}: {error}") from error


def _struct(
    definitions: Mapping[int, Definition], definition: StructDefinition, value: Mapping[str, Any]
) -> bytes:
    parts = []
    last = -1
    for at, (name, part) in enumerate(definition.fields):
        field = value.get(name)
        if field or field == {}:  # zero values and empty lists stay away; an empty map does not
            parts.append(_unsigned(at - last) + _value(definitions, part, field))
            last = at
    return b"".join(parts) + b"\0"


def _unsigned(value: int) -> bytes:
    if 0 <= value < _ONE_BYTE:
        return bytes((value,))
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    if len(data) > 8:
        raise GobError(f"{value} has more than 64 bits")
    return bytes((256 - len(data),)) + data


def _signed(value: int) -> bytes:
    return _unsigned(~value << 1 | 1 if value < 0 else value << 1)


def _bytes(value: bytes) -> bytes:
    return _unsigned(len(value)) + value


def _text(value: str) -> bytes:
    return _bytes(value.encode("utf-8", "surrogateescape"))


def _nothing(value: Any) -> bytes:
    if value is not None:
        raise GobError("only empty interface values are written")
    return b"\0"


_BASIC: dict[int, Callable[[Any], bytes]] = {
    Kind.BOOL: lambda value: b"\1" if value else b"\0",
    Kind.INT: _signed,
    Kind.UINT: _unsigned,
    Kind.BYTES: _bytes,
    Kind.STRING: _text,
    Kind.INTERFACE: _nothing,
}
