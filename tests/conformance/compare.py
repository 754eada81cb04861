"""Comparing what a row records with what was seen, and saying where they part."""

from __future__ import annotations

import json
from typing import Any


def shown(value: Any) -> str:
    """A value, short enough for one line."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 300 else text[:297] + "..."


def first_difference(seen: Any, recorded: Any, where: str = "") -> str:
    """Where two values part, in words; empty when they are equal."""
    if isinstance(seen, dict) and isinstance(recorded, dict):
        for key in [*recorded, *(key for key in seen if key not in recorded)]:
            place = f"{where}.{key}" if where else str(key)
            if key not in seen:
                return f"{place}: recorded {shown(recorded[key])}, not seen"
            if key not in recorded:
                return f"{place}: seen {shown(seen[key])}, not recorded"
            found = first_difference(seen[key], recorded[key], place)
            if found:
                return found
        return ""
    if isinstance(seen, list) and isinstance(recorded, list):
        for position, (one, other) in enumerate(zip(seen, recorded, strict=False)):
            found = first_difference(one, other, f"{where}[{position}]")
            if found:
                return found
        if len(seen) != len(recorded):
            return (
                f"{where}: seen {len(seen)} entries {shown(seen)}, recorded {len(recorded)} {shown(recorded)}"
            )
        return ""
    if seen == recorded and type(seen) is type(recorded):
        return ""
    return f"{where}: seen {shown(seen)}, recorded {shown(recorded)}"
