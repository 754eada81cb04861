"""Rows of the wire: what Go writes for a value, and what it makes of bytes."""

from __future__ import annotations

from typing import Any

from ampubsub import wire
from ampubsub.machine import State
from ampubsub.wire.decoding import message_of, message_type
from ampubsub.wire.messages import NoNames
from tests.conformance.compare import first_difference

FIELDS = {
    "Msg": (),
    "MsgInfo": ("PeerInfo", "PeerGossips"),
    "MsgUpdates": ("PeerClocks",),
    "MsgGossip": ("PeerGossips",),
    "MsgReqInfo": ("PeerIds",),
    "MsgReqUpdates": ("PeerIds",),
    "MsgBye": ("Machs",),
}


def _names(names: tuple[str, ...]) -> list[str] | None:
    return [_go(name) for name in names] if names or isinstance(names, NoNames) else None


def _go(value: Any) -> Any:
    """A decoded value in the rows' form: Go's field names, nil as None, invalid text as the JSON of the rows has it."""
    match value:
        case State():
            lists = ("require", "add", "remove", "after", "tags")
            return {
                "Auto": value.auto,
                "Multi": value.multi,
                **{name.capitalize(): _names(getattr(value, name)) for name in lists},
            }
        case wire.Info():
            return {
                "Id": _go(value.id),
                "Schema": _go(value.schema),
                "States": _go(value.states),
                "MTime": _go(value.mtime),
                "Tags": _go(value.tags),
                "Parent": _go(value.parent),
            }
        case wire.ByeMachine():
            return {"PeerBye": value.peer_bye, "Id": _go(value.id), "MTime": _go(value.mtime)}
        case dict():
            return {_go(str(key)): _go(entry) for key, entry in value.items()}
        case tuple():
            return [_go(entry) for entry in value]
        case str():
            return "".join("\ufffd" if "\udc80" <= char <= "\udcff" else char for char in value)
    return value


def _value(type_name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": _go(values.get("Type", "")),
        **{name: _go(values.get(name)) for name in FIELDS[type_name]},
    }


def replay_decode(row: dict[str, Any]) -> str:
    """Decode the bytes as the row's type and as the base type; compare values, errors and dispatch."""
    data = bytes.fromhex(row["hex"])
    found = wire.decode_as(row["type"], data)
    base = wire.decode_as("Msg", data)
    seen: dict[str, Any] = {
        "ok": found.error is None,
        "value": _value(row["type"], found.values),
        "base_type": _go(base.values.get("Type", "")),
        "dispatch": message_type(data),
    }
    if found.error is not None:
        seen["err"] = str(found.error)
    if base.error is not None:
        seen["base_err"] = str(base.error)
    recorded = {name: value for name, value in row.items() if name not in ("name", "type", "hex", "note")}
    for name in ("err", "base_err"):
        if recorded.get(name) is None:
            recorded.pop(name, None)
    return first_difference(seen, recorded)


def replay_encode(row: dict[str, Any]) -> str:
    """Decode the row's bytes, compare with its value, and encode again: the same bytes, in each recorded variant."""
    for text in [row["hex"], *row.get("variants", [])]:
        data = bytes.fromhex(text)
        found = wire.decode_as(row["type"], data)
        if found.error is not None:
            return f"could not be decoded: {found.error}"
        different = first_difference(_value(row["type"], found.values), row["value"], "value")
        if different:
            return different
        again = wire.encode(message_of(row["type"], found.values), found.values.get("Type", ""))
        if again != data:
            return f"bytes: seen {again.hex()}, recorded {text}"
    if row.get("len", len(data)) != len(data):
        return f"len: recorded {row['len']}, the bytes have {len(data)}"
    known = {"name", "type", "hex", "len", "value", "deterministic", "variants", "distinct_seen", "roundtrip"}
    unknown = sorted(set(row) - known)
    return f"unknown fields {', '.join(unknown)}" if unknown else ""
