"""The machines that the interop tests expose, as the Go peer and `Machine` take them."""

from __future__ import annotations

from typing import Any


def lamp(machine_id: str, *, active: tuple[str, ...] = ()) -> dict[str, Any]:
    """A machine with every property and relation of a state, in an order that is not alphabetical."""
    return {
        "id": machine_id,
        "schema": {
            "Exception": {"multi": True},
            "Power": {"tags": ["mains"]},
            "On": {"require": ["Power"], "remove": ["Off"], "add": ["Warm"]},
            "Off": {"remove": ["On"], "auto": True, "require": ["Power"]},
            "Warm": {"after": ["On"]},
            "Flicker": {"multi": True},
        },
        "states": ["Exception", "Power", "On", "Off", "Warm", "Flicker"],
        "tags": ["lamp", f"room:{machine_id}"],
        "active": list(active),
    }
