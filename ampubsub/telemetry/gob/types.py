"""Types as gob knows them: by number on the wire, by reference where we declare our own.

A *definition* names its parts by type number and is what travels. A *declaration* (`StructOf`, `ListOf`, `MapOf`)
names them directly, for what we write ourselves; `Encoder` turns declarations into definitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """The basic types and their numbers in every stream."""

    BOOL = 1
    INT = 2
    UINT = 3
    FLOAT = 4
    BYTES = 5
    STRING = 6
    COMPLEX = 7
    INTERFACE = 8


FIRST_OWN_NUMBER = 64
"""Definitions of a stream have numbers from here on."""

MAP_KEYS = frozenset({Kind.BOOL, Kind.INT, Kind.UINT, Kind.STRING})
"""Types whose values can be keys here."""


@dataclass(frozen=True, slots=True)
class StructDefinition:
    """A struct: its fields in order, each with the number of its type. A field that is missing is zero."""

    name: str
    stated_number: int
    """The number inside the definition. Go's `time.Time` states another than it has: it is kept, not believed."""
    fields: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ListDefinition:
    """A slice, or an array when `length` is set."""

    name: str
    stated_number: int
    element: int
    length: int | None = None


@dataclass(frozen=True, slots=True)
class MapDefinition:
    """A map."""

    name: str
    stated_number: int
    key: int
    element: int


@dataclass(frozen=True, slots=True)
class OpaqueDefinition:
    """A type that writes itself as bytes, such as `time.Time`."""

    name: str
    stated_number: int
    how: str
    """`GobEncoderT`, `BinaryMarshalerT` or `TextMarshalerT`."""


Definition = StructDefinition | ListDefinition | MapDefinition | OpaqueDefinition

OPAQUE_FIELDS = ("GobEncoderT", "BinaryMarshalerT", "TextMarshalerT")

WIRE_TYPE = 16
"""The number of the type in which types are written."""

BOOTSTRAP: dict[int, Definition] = {
    WIRE_TYPE: StructDefinition(
        "wireType",
        16,
        (
            ("ArrayT", 17),
            ("SliceT", 19),
            ("StructT", 20),
            ("MapT", 23),
            ("GobEncoderT", 24),
            ("BinaryMarshalerT", 24),
            ("TextMarshalerT", 24),
        ),
    ),
    17: StructDefinition("arrayType", 17, (("CommonType", 18), ("Elem", Kind.INT), ("Len", Kind.INT))),
    18: StructDefinition("CommonType", 18, (("Name", Kind.STRING), ("Id", Kind.INT))),
    19: StructDefinition("sliceType", 19, (("CommonType", 18), ("Elem", Kind.INT))),
    20: StructDefinition("structType", 20, (("CommonType", 18), ("Field", 22))),
    21: StructDefinition("fieldType", 21, (("Name", Kind.STRING), ("Id", Kind.INT))),
    22: ListDefinition("[]*gob.fieldType", 22, 21),
    23: StructDefinition("mapType", 23, (("CommonType", 18), ("Key", Kind.INT), ("Elem", Kind.INT))),
    24: StructDefinition("gobEncoderType", 24, (("CommonType", 18),)),
}
"""Go's own numbers 16 to 23; 24 is ours and never travels."""


@dataclass(frozen=True, slots=True, eq=False)
class StructOf:
    """Declares a struct for writing."""

    name: str
    fields: tuple[tuple[str, Declaration], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ListOf:
    """Declares a list for writing."""

    element: Declaration
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class MapOf:
    """Declares a map for writing."""

    key: Declaration
    element: Declaration
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """Declares a type that writes itself; its values are bytes."""

    name: str = ""
    how: str = "GobEncoderT"


Declaration = Kind | StructOf | ListOf | MapOf | Opaque
