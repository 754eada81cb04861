"""The topic machine's states: what a peer is and does (asyncmachine `pkg/pubsub/states`).

Names, order and relations are those of the Go peer, so that a debugger shows both alike.
"""

from __future__ import annotations

from ampubsub.machine import Schema, State
from ampubsub.states.basic import BASIC_SCHEMA, BASIC_STATES
from ampubsub.states.connected import CONNECTED_GROUP, CONNECTED_SCHEMA, CONNECTED_STATES
from ampubsub.states.disposed import DISPOSED_SCHEMA, DISPOSED_STATES

_JOINED = State(require=("Joined",))
_JOINED_MULTI = State(multi=True, require=("Joined",))

_OWN_SCHEMA: dict[str, State] = {
    # -- errors
    # The host or the topic could not be opened.
    "ErrJoining": State(require=("Exception",)),
    # Receiving from the topic failed.
    "ErrListening": State(require=("Exception",)),
    # -- status
    # The GossipSub topic is being joined.
    "Joining": State(require=("Connected",), remove=("Joined",)),
    # We take part in the topic: messages are received and sent.
    "Joined": State(require=("Connected",), remove=("Joining",)),
    # The host is open and has a peer id.
    "Started": State(require=("Start",)),
    # Clocks came for peers whose machines are not known yet; kept until their info comes.
    "MissPeersByUpdates": _JOINED_MULTI,
    # Others spoke of peers or machines that are not known yet.
    "MissPeersByGossip": _JOINED_MULTI,
    # Others know later clocks of machines we know.
    "MissUpdatesByGossip": _JOINED_MULTI,
    # -- work
    # Telling which peers and clock sums we know.
    "SendGossips": _JOINED,
    # Telling the clocks of exposed machines that changed.
    "SendUpdates": _JOINED,
    # Asking for peers that are missing.
    "ReqMissingPeers": _JOINED,
    # Asking for clocks that are missing.
    "ReqMissingUpdates": _JOINED,
    # An `info` is being put together and sent.
    "DoSendInfo": _JOINED,
    # -- events
    # A peer connected to us joined the topic.
    "PeerJoined": _JOINED_MULTI,
    # A peer connected to us left the topic, or its connection ended.
    "PeerLeft": _JOINED_MULTI,
    # An `info` came with something new in it.
    "MsgInfo": _JOINED_MULTI,
    # A peer takes back machines, or leaves.
    "MsgBye": _JOINED_MULTI,
    # Clocks came.
    "MsgUpdates": _JOINED_MULTI,
    # Somebody asks for machines that we know.
    "MsgReqInfo": _JOINED_MULTI,
    # Somebody asks for clocks that we know.
    "MsgReqUpdates": _JOINED_MULTI,
    # Something came that is not one of the six messages.
    "MsgReceived": _JOINED_MULTI,
    # -- actions
    # Somebody asks for the list of network machines.
    "ListMachines": _JOINED_MULTI,
    # One message is handed to the topic.
    "SendMsg": _JOINED_MULTI,
    # Received messages are taken from the buffer.
    "ProcessMsgs": _JOINED_MULTI,
    # An `info` will be sent within moments.
    "SendInfo": _JOINED,
}

TOPIC_OWN_STATES: tuple[str, ...] = tuple(_OWN_SCHEMA)

TOPIC_STATES: tuple[str, ...] = (
    "Exception",
    *TOPIC_OWN_STATES,
    *BASIC_STATES,
    *CONNECTED_STATES,
    *DISPOSED_STATES,
)
"""Every state in index order."""

TOPIC_SCHEMA: Schema = {
    **BASIC_SCHEMA,
    **CONNECTED_SCHEMA,
    **DISPOSED_SCHEMA,
    **_OWN_SCHEMA,
    # Joined, and enough connections (`TopicSettings.connections_to_ready`).
    "Ready": State(auto=True, require=("Joined",)),
    "Heartbeat": State(require=("Joined",)),
}
"""The topic machine's schema."""

TOPIC_GROUPS: dict[str, tuple[str, ...]] = {
    "self": TOPIC_OWN_STATES,
    "BasicStatesDef": BASIC_STATES,
    "ConnectedStatesDef": CONNECTED_STATES,
    "DisposedStatesDef": DISPOSED_STATES,
    "Connected": CONNECTED_GROUP,
}
"""State groups: the topic's own, one per inherited part, and the four that exclude each other."""
