"""Arguments of the topic machine's mutations, by name, and how they look in a log."""

from __future__ import annotations

from collections.abc import Mapping

PEER_ID = "peer_id"
"""Peer id of who said or did it."""
PEER = "peer"
"""Name of that peer, when it has one."""
PEER_IDS = "peer_ids"
"""Peers spoken of."""
MESSAGE = "message"
"""A decoded message."""
MESSAGES = "messages"
"""Received messages, not decoded yet."""
MSG = "msg"
"""An encoded message to send."""
MSG_TYPE = "msg_type"
SEQUENCE = "sequence"
"""The author's sequence number of a message."""
GOSSIPS = "gossips"
CLOCKS = "clocks"
FILTERS = "filters"
REPLY = "reply"
"""A list to put the answer into."""
LENGTH = "length"
"""How many messages, machines or peers it is about."""
ADDRESSES = "addrs"
AGAIN = "again"
"""A connection was lost before."""
REJOIN = "rejoin"
"""Join once connected."""
UNREACHED = "unreached"
"""Addresses that nobody answered at yet."""
REASON = "reason"

_LOGGED = {PEER: "peer", LENGTH: "length", MSG_TYPE: "msg_type", ADDRESSES: "addrs", REASON: "reason"}


def log_arguments(args: Mapping[str, object]) -> dict[str, str]:
    """The arguments worth a place in a log line, as text (Go: `LogArgs`)."""
    shown = {}
    for key, label in _LOGGED.items():
        value = args.get(key)
        if value:
            shown[label] = " ".join(value) if isinstance(value, tuple | list) else str(value)
    if PEER not in shown and args.get(PEER_ID):
        shown["peer"] = short_peer_id(str(args[PEER_ID]))
    return shown


def short_peer_id(peer_id: str) -> str:
    """The tail of a peer id: the part that differs."""
    return peer_id if len(peer_id) <= 8 else f"…{peer_id[-6:]}"
