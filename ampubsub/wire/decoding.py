"""Reading one payload: from memory, else in the form peers write, else by Go's whole rule.

Three ways, one result: the same bytes as lately give the same (immutable) message again, what is in the form that
Go and we write is read by `canonical.py`, all else by `reader.py`, which also says what is wrong with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ampubsub.wire.canonical import CanonicalReader
from ampubsub.wire.errors import WireError
from ampubsub.wire.limits import Limits
from ampubsub.wire.memory import Memory
from ampubsub.wire.messages import (
    Message,
    Msg,
    MsgBye,
    MsgGossip,
    MsgInfo,
    MsgReqInfo,
    MsgReqUpdates,
    MsgUpdates,
)
from ampubsub.wire.reader import decode_as

_REMEMBERED_BYTES = 1_000_000
"""Of payloads whose messages are kept. What is decoded of hostile ones may be 50 times as long."""
_REMEMBERED = 1_024

_TYPES: dict[str, tuple[str, Callable[[dict[str, Any]], Message]]] = {
    "info": ("MsgInfo", lambda v: MsgInfo(v.get("PeerInfo"), v.get("PeerGossips"))),
    "updates": ("MsgUpdates", lambda v: MsgUpdates(v.get("PeerClocks"))),
    "gossip": ("MsgGossip", lambda v: MsgGossip(v.get("PeerGossips"))),
    "reqinfo": ("MsgReqInfo", lambda v: MsgReqInfo(v.get("PeerIds"))),
    "requpdates": ("MsgReqUpdates", lambda v: MsgReqUpdates(v.get("PeerIds"))),
    "bye": ("MsgBye", lambda v: MsgBye(v.get("Machs"))),
}
_NO_LIMITS = Limits(*[sys.maxsize] * 9)


def message_of(type_name: str, values: dict[str, Any]) -> Message | Msg:
    """The message made of fields by Go name, as `decode_as` gives them."""
    for known, make in _TYPES.values():
        if known == type_name:
            return make(values)
    return Msg(values.get("Type", ""))


def message_type(data: bytes) -> str:
    """The Go type a payload is to be read as; `generic` when it is no message, `unsupported` for an unknown type."""
    base = decode_as("Msg", data)
    if base.error is not None:
        return "generic"
    known = _TYPES.get(base.values.get("Type", ""))
    return known[0] if known else "unsupported"


def decode(data: bytes, limits: Limits | None = None) -> Message:
    """Read one payload. `limits` bounds what is taken; None takes all that Go would.

    The message may be shared with whoever reads the same bytes: its maps are not to be changed.

    Raises `WireError`: `generic` when it is no message of this protocol at all, `unsupported-type` for a type
    nobody knows, `oversize` and `too-many-...` beyond the limits, otherwise what is wrong with it.
    """
    if limits is not None and len(data) > limits.message_bytes:
        raise WireError("oversize", f"a message of {len(data)} bytes; {limits.message_bytes} are taken")
    canonical, remembered = _ways(limits)
    message: Message | None = remembered.get(data)
    if message is None:
        message = canonical.read(data)
        if message is None:
            return decode_by_rule(data, limits)
        remembered.put(data, message)
    return message


@lru_cache(maxsize=8)
def _ways(limits: Limits | None) -> tuple[CanonicalReader, Memory]:
    """What one set of limits reads with, and remembers."""
    return CanonicalReader(limits or _NO_LIMITS), Memory(_REMEMBERED, _REMEMBERED_BYTES)


def decode_by_rule(data: bytes, limits: Limits | None) -> Message:
    """As `decode`, whatever the form, and slowly: first the type, skipping all else, then the whole as that type."""
    base = decode_as("Msg", data, limits)
    if base.error is not None:
        raise WireError("generic", f"not a message of this protocol: {base.error}")
    name = base.values.get("Type", "")
    known = _TYPES.get(name)
    if known is None:
        raise WireError("unsupported-type", f"unsupported msg type: {name[:64]!r}")
    found = decode_as(known[0], data, limits)
    if found.error is not None:
        raise found.error
    return known[1](found.values)
