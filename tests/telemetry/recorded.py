"""Connections and dumps that real Go programs made, and what Go itself read in them (`vectors/`)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent / "vectors"
CALLS = sorted(path for path in VECTORS.glob("*/*.bin.gz") if "answers" not in path.name)
ANSWERS = sorted(VECTORS.glob("*/answers*.bin.gz"))
DUMPS = sorted(VECTORS.glob("*/dump.gob.br"))


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.name.split('.')[0]}"


def recorded_bytes(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def told(path: Path) -> list[Any]:
    """What Go decoded, a value a line."""
    name = path.name.split(".")[0] + ".json.gz"
    return [json.loads(line) for line in gzip.decompress(path.with_name(name).read_bytes()).splitlines()]


def present(value: Any) -> Any:
    """Go's JSON without zero fields of structs, as our reader leaves them out."""
    if isinstance(value, dict):
        return {
            name: present(field)
            for name, field in value.items()
            if field not in (None, 0, "", False, []) or field == {}
        }
    if isinstance(value, list):
        return [present(element) for element in value]
    return value
