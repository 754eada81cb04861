"""The states of something that is disposed of for good (asyncmachine `pkg/states`, Disposed)."""

from __future__ import annotations

from ampubsub.machine import Schema, State

DISPOSED_STATES: tuple[str, ...] = ("RegisterDisposal", "Disposing", "Disposed")

DISPOSED_SCHEMA: Schema = {
    # Asks to call a function at disposal, passed as the argument `handler`.
    "RegisterDisposal": State(multi=True),
    # Resources are being given back.
    "Disposing": State(remove=("Start", "Exception")),
    # All resources are given back; the machine can go.
    "Disposed": State(remove=("Start", "Exception", "Disposing")),
}
