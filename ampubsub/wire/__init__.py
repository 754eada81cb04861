"""The six messages of a topic, and their bytes: equal to those of asyncmachine-go's `pkg/pubsub`.

One GossipSub payload is one msgpack value: a map with Go's field names, in declaration order, all of them,
ticks always as nine bytes. `messages.py` has the dataclasses, `encoding.py` and `decoding.py` the bytes,
`limits.py` what we are willing to take from others.
"""

from ampubsub.wire.decoding import Decoded, decode, decode_as
from ampubsub.wire.encoding import encode
from ampubsub.wire.errors import WireError
from ampubsub.wire.limits import Limits
from ampubsub.wire.messages import (
    ByeMachine,
    Info,
    Message,
    Msg,
    MsgBye,
    MsgGossip,
    MsgInfo,
    MsgReqInfo,
    MsgReqUpdates,
    MsgUpdates,
)

__all__ = [
    "ByeMachine",
    "Decoded",
    "Info",
    "Limits",
    "Message",
    "Msg",
    "MsgBye",
    "MsgGossip",
    "MsgInfo",
    "MsgReqInfo",
    "MsgReqUpdates",
    "MsgUpdates",
    "WireError",
    "decode",
    "decode_as",
    "encode",
]
