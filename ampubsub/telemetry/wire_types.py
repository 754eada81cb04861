"""The gob types that we write, and how our messages become values of them.

Compatible receivers match fields by name, so only what we use is declared (asyncmachine-go v0.15 to v0.18; v0.13 lacks
some fields, and skips them).
"""

from __future__ import annotations

from typing import Any

from ampubsub.telemetry.gob import Kind, ListOf, MapOf, Opaque, StructOf, write_time
from ampubsub.telemetry.messages import KINDS, LogLine, MachineSchema, MachineTransition, Step

_TEXTS = ListOf(Kind.STRING, "[]string")
_INDEXES = ListOf(Kind.INT, "[]int")
_STATE = StructOf(
    "State",
    (
        ("Auto", Kind.BOOL),
        ("Multi", Kind.BOOL),
        ("Require", _TEXTS),
        ("Add", _TEXTS),
        ("Remove", _TEXTS),
        ("After", _TEXTS),
        ("Tags", _TEXTS),
    ),
)
SCHEMA = StructOf(
    "DbgMsgStruct",
    (
        ("ID", Kind.STRING),
        ("StatesIndex", _TEXTS),
        ("States", MapOf(Kind.STRING, _STATE, "Schema")),
        ("Groups", MapOf(Kind.STRING, _INDEXES)),
        ("GroupsOrder", _TEXTS),
        ("Parent", Kind.STRING),
        ("Tags", _TEXTS),
    ),
)
_STEP = StructOf(
    "Step",
    (
        ("Type", Kind.INT),
        ("RelType", Kind.INT),
        ("IsFinal", Kind.BOOL),
        ("IsSelf", Kind.BOOL),
        ("IsEnter", Kind.BOOL),
        ("FromStateIdx", Kind.INT),
        ("ToStateIdx", Kind.INT),
    ),
)
_LOG = ListOf(StructOf("LogEntry", (("Level", Kind.INT), ("Text", Kind.STRING))))
_TRANSITION_FIELDS = (
    ("MachineID", Kind.STRING),
    ("ID", Kind.STRING),
    ("Clocks", ListOf(Kind.UINT, "Time")),
    ("QueueTick", Kind.UINT),
    ("MutQueueToken", Kind.UINT),
    ("MutQueueTick", Kind.UINT),
    ("Type", Kind.INT),
    ("CalledStates", _TEXTS),
    ("CalledStatesIdxs", _INDEXES),
    ("Steps", ListOf(_STEP)),
    ("LogEntries", _LOG),
    ("PreLogEntries", _LOG),
    ("Queue", Kind.INT),
    ("IsAuto", Kind.BOOL),
    ("Accepted", Kind.BOOL),
    ("IsCheck", Kind.BOOL),
    ("IsQueued", Kind.BOOL),
    ("Args", MapOf(Kind.STRING, Kind.STRING)),
    ("StackTrace", Kind.STRING),
)
TRANSITION = StructOf("DbgMsgTx", _TRANSITION_FIELDS)
DUMP = ListOf(
    StructOf(
        "Exportable",
        (
            ("MsgStruct", SCHEMA),
            ("MsgTxs", ListOf(StructOf("DbgMsgTx", (*_TRANSITION_FIELDS, ("Time", Opaque()))))),
        ),
    )
)
"""am-dbg dereferences `Time` in files: it is always written there."""


def schema_value(schema: MachineSchema) -> dict[str, Any]:
    """A schema as Go's `DbgMsgStruct`."""
    return {
        "ID": schema.machine_id,
        "StatesIndex": schema.state_names,
        "States": {
            name: {
                "Auto": state.auto,
                "Multi": state.multi,
                "Require": state.require,
                "Add": state.add,
                "Remove": state.remove,
                "After": state.after,
                "Tags": state.tags,
            }
            for name, state in schema.states.items()
        },
        "Groups": dict(schema.groups),
        "GroupsOrder": tuple(schema.groups),
        "Parent": schema.parent_id,
        "Tags": schema.tags,
    }


def transition_value(transition: MachineTransition, state_names: tuple[str, ...]) -> dict[str, Any]:
    """A record as Go's `DbgMsgTx`. Called states outside of the schema are left out: they end am-dbg's second."""
    index = {name: at for at, name in enumerate(state_names)}
    called = tuple(name for name in transition.called if name in index)
    value: dict[str, Any] = {
        "MachineID": transition.machine_id,
        "ID": transition.transition_id,
        "Clocks": transition.clock,
        "QueueTick": transition.queue_tick,
        "MutQueueToken": transition.queue_token,
        "MutQueueTick": transition.queued_for,
        "Type": KINDS.index(transition.kind),
        "CalledStatesIdxs": tuple(index[name] for name in called),
        "Steps": tuple(map(_step, transition.steps)),
        "LogEntries": tuple(map(_log_line, transition.log)),
        "PreLogEntries": tuple(map(_log_line, transition.log_before)),
        "Queue": transition.queue_length,
        "IsAuto": transition.auto,
        "Accepted": transition.accepted,
        "IsCheck": transition.check,
        "IsQueued": transition.queued,
        "Args": dict(transition.args),
        "StackTrace": transition.stack_trace,
    }
    if transition.at_s is not None:
        value |= {"Time": write_time(transition.at_s), "CalledStates": called}
    return value


def _step(step: Step) -> dict[str, Any]:
    return {
        "Type": int(step.kind),
        "RelType": step.relation,
        "IsFinal": step.final,
        "IsSelf": step.own,
        "IsEnter": step.enter,
        "FromStateIdx": step.from_state,
        "ToStateIdx": step.to_state,
    }


def _log_line(line: LogLine) -> dict[str, Any]:
    return {"Level": line.level, "Text": line.text}
