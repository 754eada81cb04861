"""The states of something that connects (asyncmachine `pkg/states`, Connected): one of four at a time."""

from __future__ import annotations

from ampubsub.machine import Schema, State

CONNECTED_GROUP: tuple[str, ...] = ("Connecting", "Connected", "Disconnecting", "Disconnected")
"""The four that exclude each other."""

CONNECTED_STATES: tuple[str, ...] = ("ErrConnecting", *CONNECTED_GROUP)

CONNECTED_SCHEMA: Schema = {
    # A connection failed; the error says to which address and why.
    "ErrConnecting": State(require=("Exception",)),
    # Dialling, for the first time or again.
    "Connecting": State(require=("Start",), remove=CONNECTED_GROUP),
    # At least one connection stands, or none is needed.
    "Connected": State(require=("Start",), remove=CONNECTED_GROUP),
    # Closing connections.
    "Disconnecting": State(remove=CONNECTED_GROUP),
    # The resting state: active when none of the others is.
    "Disconnected": State(auto=True, remove=CONNECTED_GROUP),
}
