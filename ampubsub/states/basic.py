"""The basic states: errors, start, readiness, signs of life (asyncmachine `pkg/states`, Basic)."""

from __future__ import annotations

from ampubsub.machine import Schema, State

BASIC_STATES: tuple[str, ...] = (
    "ErrNetwork",
    "ErrHandlerTimeout",
    "Start",
    "Ready",
    "Healthcheck",
    "Heartbeat",
)
"""Index order of the group, without `Exception`, which every machine has first."""

BASIC_SCHEMA: Schema = {
    # Something went wrong; the machine's error says what.
    "Exception": State(multi=True),
    # The network refused something.
    "ErrNetwork": State(multi=True, add=("Exception",), require=("Exception",)),
    # A handler took too long.
    "ErrHandlerTimeout": State(multi=True, add=("Exception",), require=("Exception",)),
    # The machine should be working; removing it stops the work.
    "Start": State(),
    # The machine meets its criteria to work.
    "Ready": State(require=("Start",)),
    # Somebody asks whether the machine still answers.
    "Healthcheck": State(multi=True),
    # Periodic upkeep.
    "Heartbeat": State(),
}
