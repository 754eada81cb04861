"""What the commands print: tables for people, one JSON object a line for scripts (`docs/json.md`).

Keys are never removed or given another meaning within one `SCHEMA`; new ones may come. All text is plain ASCII in JSON, and
harmless in tables.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from amdbg_tui.history.live import LiveMachine, LivePeer
from amdbg_tui.history.moments import Moment, Numbered
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    LossRecord,
    MachineRecord,
    NoticeRecord,
    PeerRecord,
    TransitionRecord,
)

SCHEMA = 1
"""Version of the objects, in each of them as `schema`."""

Fields = Mapping[str, Any]


def write_json(kind: str, fields: Fields) -> None:
    """One line: an object with `schema`, `kind` and the fields."""
    sys.stdout.write(json.dumps({"schema": SCHEMA, "kind": kind, **fields}) + "\n")
    sys.stdout.flush()


def time_text(at_s: float) -> str:
    """RFC 3339 with milliseconds, UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def peer_fields(peer: LivePeer, wall_s: float) -> dict[str, Any]:
    """A peer."""
    record, detail = peer.record, peer.detail
    heard_s = detail.last_heard_s if detail else None
    return {
        "peer_id": record.peer_id,
        "name": record.name,
        "status": record.status,
        "reason": record.reason,
        "machines": len(peer.machines),
        "since": time_text(record.at_s),
        "last_heard_s_ago": round(max(0.0, wall_s - heard_s), 3) if heard_s else None,
        "round_trip_s": detail.round_trip_s if detail else None,
        "agent": detail.agent if detail else "",
        "addresses": list(detail.addresses) if detail else [],
        "transport": detail.transport if detail else "",
        "in_mesh": bool(detail and detail.in_mesh),
        "through": detail.through if detail else "",
        "messages_in": _total(detail.messages_in) if detail else 0,
        "messages_out": _total(detail.messages_out) if detail else 0,
        "dropped": _total(detail.dropped) if detail else 0,
        "dropped_by_reason": dict(detail.dropped) if detail else {},
        "muted": bool(detail and detail.muted),
    }


def _total(counts: Iterable[tuple[str, int]]) -> int:
    return sum(count for _, count in counts)


def in_order(rows: Iterable[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """Rows sorted by a column, with `-` before it the largest first; what is not known comes last.

    Raises `KeyError` naming the columns when there is none of that name, or it holds lists.
    """
    listed = list(rows)
    name, backward = column.removeprefix("-"), column.startswith("-")
    if not listed:
        return listed
    known = [each for each, value in listed[0].items() if not isinstance(value, list | dict)]
    if name not in known:
        raise KeyError(", ".join(known))
    there = [row for row in listed if row[name] is not None]
    there.sort(key=lambda row: row[name], reverse=backward)
    return there + [row for row in listed if row[name] is None]


def machine_fields(machine: LiveMachine, wall_s: float) -> dict[str, Any]:
    """A machine, with its active states."""
    record = machine.record
    return {
        "peer_id": record.key.peer_id,
        "index": record.key.slot,
        "machine_id": record.machine_id,
        "source": record.source,
        "reason": record.reason,
        "parent_id": record.parent_id,
        "tags": list(record.tags),
        "active": [name for name in machine.names if machine.is_active(name)],
        "time_sum": machine.time_sum,
        "in_error": machine.in_error,
        "transitions": machine.transitions,
        "last_change_s_ago": round(max(0.0, wall_s - machine.last_at_s), 3) if machine.last_at_s else None,
    }


def state_fields(machine: LiveMachine, wall_s: float) -> list[dict[str, Any]]:
    """The states of a machine, in index order."""
    found = []
    for at, shape in enumerate(machine.record.states):
        changed_s = machine.changed_at[at] if at < len(machine.changed_at) else 0.0
        found.append(
            {
                "peer_id": machine.key.peer_id,
                "index": machine.key.slot,
                "machine_id": machine.record.machine_id,
                "state": shape.name,
                "active": machine.is_active(shape.name),
                "tick": machine.clock[at] if at < len(machine.clock) else 0,
                "auto": shape.auto,
                "multi": shape.multi,
                "require": list(shape.require),
                "add": list(shape.add),
                "remove": list(shape.remove),
                "after": list(shape.after),
                "last_change_s_ago": round(max(0.0, wall_s - changed_s), 3) if changed_s else None,
            }
        )
    return found


def record_fields(entry: Numbered, machine_id: str) -> tuple[str, dict[str, Any]]:
    """(kind, fields) of any record."""
    record = entry.record
    common = {"number": entry.number, "at": time_text(record.at_s)}
    if isinstance(record, TransitionRecord):
        assert isinstance(entry, Moment)
        names, after = entry.names, record.after
        return "transition", common | {
            "peer_id": record.key.peer_id,
            "index": record.key.slot,
            "machine_id": machine_id,
            "mutation": record.kind,
            "called": list(record.called),
            "accepted": record.accepted,
            "entered": [names[at] for at in entry.changed if at < len(names) and after[at] % 2],
            "exited": [names[at] for at in entry.changed if at < len(names) and not after[at] % 2],
            "source": record.source,
            "trust": record.trust,
            "args": dict(record.args),
            "error": record.error,
            "stands_for": entry.stands_for,
        }
    if isinstance(record, MachineRecord):
        return "machine_news", common | {
            "peer_id": record.key.peer_id,
            "index": record.key.slot,
            "machine_id": record.machine_id,
            "source": record.source,
            "reason": record.reason,
        }
    if isinstance(record, PeerRecord):
        fields = {"peer_id": record.peer_id, "name": record.name, "status": record.status}
        return "peer_news", common | fields | {"reason": record.reason}
    if isinstance(record, NoticeRecord):
        fields = {"severity": record.severity, "text": record.text, "peer_id": record.peer_id}
        return "notice", common | fields
    if isinstance(record, ConnectionRecord):
        return "connection", common | {"phase": record.phase, "topic": record.topic, "detail": record.detail}
    if isinstance(record, LossRecord):
        return "loss", common | {"cause": record.kind, "count": record.count, "text": record.text}
    if isinstance(record, CommandRecord):
        return "command", common | {
            "machine_id": machine_id,
            "mutation": record.kind,
            "states": list(record.states),
            "result": record.result,
            "reason": record.reason,
        }
    return "detail", common | {"peer_id": record.peer_id}


def record_line(entry: Numbered, machine_id: str) -> str:
    """A record as one line for people."""
    kind, fields = record_fields(entry, machine_id)
    at = datetime.fromtimestamp(entry.record.at_s).strftime("%H:%M:%S.%f")[:-3]
    if kind == "transition":
        changes = [f"+{name}" for name in fields["entered"]] + [f"-{name}" for name in fields["exited"]]
        text = " ".join(changes) or " ".join(fields["called"])
        mark = "!" if fields["error"] else " " if fields["accepted"] else "x"
        words = f"{fields['machine_id']:<20} {fields['mutation']:<7}{mark} {text}"
        return f"{at} {words}" + (f"  {fields['error']}" if fields["error"] else "")
    rest = " ".join(
        str(value) for name, value in fields.items() if name not in ("number", "at") and value not in ("", [])
    )
    return f"{at} {kind:<20} {rest}"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Left-aligned columns under their names; numbers to the right. Ends without a line break."""
    cells = [[_cell(value) for value in row] for row in rows]
    right = [
        bool(cells) and all(row[at].lstrip("-").replace(".", "").isdigit() or not row[at] for row in cells)
        for at in range(len(columns))
    ]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(columns)]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()

    return "\n".join([line([name.upper() for name in columns]), *map(line, cells)])


def _cell(value: object) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, float):
        return f"{value:.3f}" if value < 10 else f"{value:.1f}"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
