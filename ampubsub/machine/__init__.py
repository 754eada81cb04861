"""The state machine: schema, relations, queue, handlers, subscriptions. Pure Python, no I/O.

`walk.py` opens with how a mutation is carried out, `relations.py` with how relations decide.
"""

from ampubsub.machine import pipes
from ampubsub.machine.clock import Time
from ampubsub.machine.context import Context, StateContext, Waiter
from ampubsub.machine.decorators import entered, exited, handles, may_enter, may_exit, may_pass
from ampubsub.machine.errors import (
    ContextEndedError,
    HandlerError,
    HandlerTimeoutError,
    ImportMismatchError,
    MachineError,
    MachineGoneError,
    SchemaError,
    SlowHandlerWarning,
    StatePanic,
    UnknownStateError,
    WrongThreadError,
)
from ampubsub.machine.handlers import ExceptionHandler
from ampubsub.machine.history import History, Past
from ampubsub.machine.machine import Exported, Machine, Preview
from ampubsub.machine.mutation import Args, Mutation, Source
from ampubsub.machine.options import LogLevel, Options
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.schema import Schema, State, StateName
from ampubsub.machine.state_class import States
from ampubsub.machine.steps import Relation, Step, StepKind
from ampubsub.machine.tracing import Tracer
from ampubsub.machine.transition import Event, Transition
from ampubsub.machine.view import MachineView

__all__ = [
    "Args",
    "Context",
    "ContextEndedError",
    "Event",
    "ExceptionHandler",
    "Exported",
    "HandlerError",
    "HandlerTimeoutError",
    "History",
    "ImportMismatchError",
    "LogLevel",
    "Machine",
    "MachineError",
    "MachineGoneError",
    "MachineView",
    "Mutation",
    "MutationKind",
    "Options",
    "Past",
    "Preview",
    "Relation",
    "Result",
    "Schema",
    "SchemaError",
    "SlowHandlerWarning",
    "Source",
    "State",
    "StateContext",
    "StateName",
    "StatePanic",
    "States",
    "Step",
    "StepKind",
    "Time",
    "Tracer",
    "Transition",
    "UnknownStateError",
    "Waiter",
    "WrongThreadError",
    "entered",
    "exited",
    "handles",
    "may_enter",
    "may_exit",
    "may_pass",
    "pipes",
]
