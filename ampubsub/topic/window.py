"""The topic machine: a window on the protocol. What happened is shown a batch at a time, one transition each.

True states stand for our own life and for errors; they are entered by `running.py`. The states shown here are of two
kinds: *work*, active while something is due, and *news*, which tick (Multi) with what was said or heard; the reasons
are the transition's arguments.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from ampubsub.machine import LogLevel, Machine, Options
from ampubsub.states import TOPIC_GROUPS, TOPIC_SCHEMA, TOPIC_STATES
from ampubsub.topic.constants import HANDLER_TIMEOUT_S
from ampubsub.topic.protocol import Protocol

LOG_VARIABLE = "AM_PUBSUB_LOG"
"""Environment: when set, the topic machine logs what it does (as in Go)."""

LOGGER = logging.getLogger("ampubsub.topic")
LOGGER.addHandler(logging.NullHandler())

_WORK = frozenset({"SendInfo", "DoSendInfo", "SendUpdates", "ReqMissingPeers", "ReqMissingUpdates"})
_LOGGED = {"peer": "peer", "length": "length", "msg_type": "msg_type", "addrs": "addrs", "reason": "reason"}


def topic_machine(machine_id: str, name: str, parent: Machine | None, handlers: object) -> Machine:
    """The machine of one topic."""
    return Machine(
        TOPIC_SCHEMA,
        id=machine_id,
        states=TOPIC_STATES,
        groups=TOPIC_GROUPS,
        handlers=handlers,
        tags=(f"pubsub:{name}",),
        parent=parent,
        options=Options(
            handler_timeout_s=HANDLER_TIMEOUT_S,
            log_args=log_arguments,
            logger=_log,
            log_level=LogLevel.OPERATIONS if os.environ.get(LOG_VARIABLE) else LogLevel.NOTHING,
        ),
    )


def _log(level: LogLevel, text: str) -> None:
    LOGGER.info("%s", text)


def log_arguments(args: Mapping[str, object]) -> dict[str, str]:
    """The arguments worth a place in a log line, as text (Go: `LogArgs`)."""
    shown = {}
    for key, label in _LOGGED.items():
        value = args.get(key)
        if value:
            shown[label] = " ".join(value) if isinstance(value, tuple | list) else str(value)
    if "peer" not in shown and args.get("peer_id"):
        shown["peer"] = short_peer_id(str(args["peer_id"]))
    return shown


def short_peer_id(peer_id: str) -> str:
    """The tail of a peer id: the part that differs."""
    return peer_id if len(peer_id) <= 8 else f"…{peer_id[-6:]}"


class Window:
    """Shows a protocol's activity in a machine."""

    def __init__(self, protocol: Protocol, machine: Machine) -> None:
        self._protocol = protocol
        self._machine = machine

    def show(self) -> None:
        """Show what happened since the last time, in one transition; and take back what is over."""
        protocol, machine = self._protocol, self._machine
        activity, protocol.hearing.activity = protocol.hearing.activity, {}
        if machine.not_("Joined"):
            return
        working = protocol.working()
        over = [state for state in machine.active_states() if self._is_over(state, working, activity)]
        if over:
            machine.remove(*over)
        new = [state for state in working if machine.not_(state)]
        if activity or new:
            machine.add(*sorted(activity), *sorted(new), args=self._arguments(activity))

    def _is_over(self, state: str, working: frozenset[str], activity: Mapping[str, object]) -> bool:
        beliefs = self._protocol.beliefs
        match state:
            case "MissPeersByGossip":
                return not beliefs.missing
            case "MissPeersByUpdates":
                return not len(beliefs.early)
            case "MissUpdatesByGossip":
                return not beliefs.late
            case "Heartbeat" | "PeerJoined" | "PeerLeft":
                return state not in activity or state == "Heartbeat"
        return state in _WORK and state not in working

    def _arguments(self, activity: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Those of the last thing, and all by state."""
        args: dict[str, Any] = {}
        for each in activity.values():
            args.update(each)
        peer = self._protocol.beliefs.peers.get(args.get("peer_id", ""))
        if peer is not None and peer.name:
            args["peer"] = peer.name
        if len(activity) > 1:
            args["of"] = dict(activity)
        return args
