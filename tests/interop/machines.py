"""The machines that the interop tests expose, as the Go peer and `Machine` take them."""

from __future__ import annotations

from typing import Any

from ampubsub.machine import Machine, State


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


def machine(described: dict[str, Any]) -> Machine:
    """The same machine in Python."""
    schema = {name: State(**state) for name, state in described["schema"].items()}
    made = Machine(schema, id=described["id"], states=described["states"], tags=described["tags"])
    if described["active"]:
        made.add(*described["active"])
    return made


def as_described(state: State) -> dict[str, Any]:
    """A state as it stands in a description: what is not set is left out."""
    written: dict[str, Any] = {flag: True for flag in ("auto", "multi") if getattr(state, flag)}
    for key in ("require", "add", "remove", "after", "tags"):
        if names := getattr(state, key):
            written[key] = list(names)
    return written
