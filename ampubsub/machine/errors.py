"""What can go wrong with a machine. Texts name the machine, the state and what to do."""

from __future__ import annotations


class MachineError(Exception):
    """The base of all errors of this package."""


class UnknownStateError(MachineError):
    """A mutation or wait names states that the schema does not have."""


class SchemaError(MachineError):
    """A schema, or a list of state names for it, is not usable."""


class HandlerError(MachineError):
    """A binding of handlers is not usable (an unknown name, an async handler without an owner)."""


class HandlerTimeoutError(MachineError):
    """A handler ran past its deadline; the queue was emptied and the machine backs off for a while."""


class WrongThreadError(MachineError):
    """A machine was mutated from a thread that does not own it. `Machine.release` hands it over."""


class MachineGoneError(MachineError):
    """The machine was disposed of, or its peer is gone: what was waited for will not come."""


class ContextEndedError(MachineError):
    """The context given to a wait ended before what was waited for happened."""


class ImportMismatchError(MachineError):
    """Exported data does not belong to this machine."""


class StatePanic(Exception):  # noqa: N818 - Go's word for an exception that stopped a handler
    """An error known by its text only, as Go keeps a recovered panic."""


class SlowHandlerWarning(RuntimeWarning):
    """A handler took so long that its machine, and whatever runs in the same thread, stood still meanwhile."""
