"""How a schema file is refused, and how much of one is read."""

from __future__ import annotations

from dataclasses import dataclass


class SchemaFileError(Exception):
    """A file or object gives no machines. The text is one line: file, line when known, place, what to do."""


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What a schema file may hold. Far above what people write; below what hurts."""

    bytes: int = 1 << 20
    """Size of a file."""
    depth: int = 12
    """Lists and tables inside each other; a machine needs six."""
    nodes: int = 200_000
    """Values in a file, counting what YAML aliases repeat."""
    machines: int = 256
    states: int = 1024
    """States of one machine."""
    names: int = 1024
    """Names in one list: a relation, tags."""
    name_length: int = 200
    """Characters of a name of a machine, state or tag."""
