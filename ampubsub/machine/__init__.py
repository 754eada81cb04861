"""The state machine: schema, relations, queue, handlers, subscriptions. Pure Python, no I/O."""

from ampubsub.machine.clock import Time
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.schema import Schema, State

__all__ = ["MutationKind", "Result", "Schema", "State", "Time"]
