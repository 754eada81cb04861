"""A record as one line of JSON, with names for its fields: for other programs."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from amdbg_tui.history.filters import state_name
from amdbg_tui.history.moments import Moment, Numbered
from amdbg_tui.history.records import Record

WORDS = {
    "TransitionRecord": "transition",
    "MachineRecord": "machine",
    "PeerRecord": "peer",
    "PeerDetailRecord": "detail",
    "NoticeRecord": "notice",
    "CommandRecord": "command",
    "ConnectionRecord": "connection",
    "MessageRecord": "message",
    "LossRecord": "loss",
}


def line_of(entry: Numbered) -> str:
    """One line. Text that is not plain ASCII is escaped, so it is harmless on a terminal; bytes are base64."""
    record: Record = entry.record
    values: dict[str, Any] = {"record": WORDS[type(record).__name__], "number": entry.number}
    values |= {name: getattr(record, name) for name in record.__struct_fields__}
    if type(entry) is Moment:
        values["machine_id"] = entry.generation.record.machine_id
        values["changed"] = [state_name(entry.names, index) for index in entry.changed]
    return json.dumps(msgspec.to_builtins(values), ensure_ascii=True)
