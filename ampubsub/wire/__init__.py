"""The six messages of a topic, and their bytes: equal to those of asyncmachine-go's `pkg/pubsub`.

One GossipSub payload is one msgpack value: a map with Go's field names, in declaration order, all of them,
ticks always as nine bytes. `messages.py` has the dataclasses, `encoding.py` and `decoding.py` the bytes (`canonical.py`
the form peers write, `reader.py` all that Go takes, `memory.py` what came lately), `limits.py` what we take from others.
"""

from ampubsub.wire.decoding import decode
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
from ampubsub.wire.reader import Decoded, decode_as

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
