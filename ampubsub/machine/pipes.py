"""Pipes: a state of one machine that follows a state of another (asyncmachine's `pkg/states/pipes`).

A pipe is a set of final handlers bound to the source. It ends with `Pipe.close`, or when either machine goes.
Both machines must belong to the same thread. Source may be any machine; target may be the source itself.

A machine at the end of a pipe changes while the source's handler runs, on the same stack. In a long row of pipes those
further down wait until the first ones are done, so that no row is too long for the stack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from threading import local
from typing import TYPE_CHECKING

from ampubsub.machine.errors import UnknownStateError
from ampubsub.machine.schema import EXCEPTION
from ampubsub.machine.transition import Event

if TYPE_CHECKING:
    from ampubsub.machine.machine import Machine

ERROR_PREFIX = "Err"
"""States that start so are added together with Exception."""
CONNECTED_STATES = ("Disconnected", "Connecting", "Connected", "Disconnecting")

PipeHandlers = Mapping[str, Callable[[Event], None]]


_DEEPEST = 16
"""Pipes that run one inside the other."""


class _Running(local):
    """The pipes that run in one thread."""

    depth = 0

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], object]] = deque()


_running = _Running()


def _carry(change: Callable[[], object]) -> None:
    """Change the machine at the end of a pipe, now or, in a long row, once those before it are done."""
    if _running.depth >= _DEEPEST:
        _running.waiting.append(change)
        return
    _running.depth += 1
    try:
        first = None
        try:
            change()
        except BaseException as error:
            first = error
        while _running.depth == 1 and _running.waiting:
            try:
                _running.waiting.popleft()()
            except BaseException as error:
                first = first or error
        if first is not None:
            raise first
    finally:
        _running.depth -= 1


class Pipe:
    """Handlers that carry states from `source` to `target`, bound until closed."""

    def __init__(self, source: Machine, target: Machine, handlers: PipeHandlers) -> None:
        self.source = source
        self.target = target
        self._handlers = handlers
        self._open = True
        source.bind_handlers(handlers)
        self._undo = (source.on_dispose(self._gone), target.on_dispose(self._gone))

    def close(self) -> None:
        """Carry nothing any more. Idempotent."""
        if self._open:
            self._open = False
            for undo in self._undo:
                undo()
            self.source.detach_handlers(self._handlers)

    def _gone(self, machine: Machine) -> None:
        other = self.target if machine is self.source else self.source
        other.log_line(3, f"[pipe:gc] {machine.id}")
        self.close()


def adding(
    source: Machine, target: Machine, state: str, target_state: str = "", *, flat: bool = False
) -> Callable[[Event], None]:
    """A final handler that adds `target_state` (the same name by default) to the target.

    An error state comes together with Exception. `flat` leaves out mutations that would change nothing, and
    passes neither arguments nor source on. Raises `UnknownStateError`.
    """
    wanted = _prepare("add", source, target, state, target_state)
    states = (EXCEPTION, wanted) if wanted.startswith(ERROR_PREFIX) else (wanted,)

    def pipe(event: Event) -> None:
        if not flat:
            _carry(lambda: target.add(*states, args=event.args, event=event))
        elif not target.is_(*states):
            _carry(lambda: target.add(*states))

    return pipe


def removing(
    source: Machine, target: Machine, state: str, target_state: str = "", *, flat: bool = False
) -> Callable[[Event], None]:
    """A final handler that removes `target_state` from the target. See `adding`."""
    wanted = _prepare("remove", source, target, state, target_state)

    def pipe(event: Event) -> None:
        if not flat:
            _carry(lambda: target.remove(wanted, args=event.args, event=event))
        elif not target.not_(wanted):
            _carry(lambda: target.remove(wanted))

    return pipe


def bind(source: Machine, target: Machine, state: str, active: str = "", inactive: str = "") -> Pipe:
    """Whenever `state` is entered, add `active`; when it is left, remove `inactive` (both the same name by default)."""
    return Pipe(
        source,
        target,
        {
            f"{state}State": adding(source, target, state, active),
            f"{state}End": removing(source, target, state, inactive or active),
        },
    )


def bind_many(source: Machine, target: Machine, states: Mapping[str, str]) -> Pipe:
    """`bind` for several states at once: source state to target state."""
    handlers: dict[str, Callable[[Event], None]] = {}
    for state, target_state in states.items():
        handlers[f"{state}State"] = adding(source, target, state, target_state)
        handlers[f"{state}End"] = removing(source, target, state, target_state)
    return Pipe(source, target, handlers)


def bind_any(source: Machine, target: Machine) -> Pipe:
    """The target follows the whole source: after each of its transitions the same states are set.

    Raises `UnknownStateError` when the target lacks a state of the source.
    """
    missing = [state for state in source.state_names if not target.has(state)]
    if missing:
        raise UnknownStateError(f"bind_any: {target.id} has no {' '.join(missing)}, which {source.id} has")

    def pipe(event: Event) -> None:
        states = source.active_order
        _carry(lambda: target.set(*states, args=event.args, event=event))

    return Pipe(source, target, {"AnyState": pipe})


def bind_err(source: Machine, target: Machine, state: str = EXCEPTION) -> Pipe:
    """The source's errors become the target's, as `state` together with Exception."""

    def pipe(event: Event) -> None:
        error = source.err
        _carry(lambda: target.add_err_state(state, error, event=event))

    _prepare("add", source, target, EXCEPTION, state)
    return Pipe(source, target, {"ExceptionState": pipe})


def bind_start(source: Machine, target: Machine, active: str = "Start", inactive: str = "") -> Pipe:
    """The target starts and stops with the source."""
    return bind(source, target, "Start", active, inactive)


def bind_ready(source: Machine, target: Machine, active: str = "Ready", inactive: str = "") -> Pipe:
    """The target is ready while the source is."""
    return bind(source, target, "Ready", active, inactive)


def bind_connected(source: Machine, target: Machine, states: Mapping[str, str]) -> Pipe:
    """Carry the four connection states to states of the target; those left out are not carried."""
    unknown = [state for state in states if state not in CONNECTED_STATES]
    if unknown:
        raise UnknownStateError(
            f"bind_connected: {' '.join(unknown)} is none of {', '.join(CONNECTED_STATES)}"
        )
    return bind_many(source, target, states)


def _prepare(kind: str, source: Machine, target: Machine, state: str, target_state: str) -> str:
    """Check both ends, and write the pipe to both logs. The target's state."""
    wanted = target_state or state
    for machine, name in ((source, state), (target, wanted)):
        if not machine.has(name):
            raise UnknownStateError(
                f"a pipe from {source.id} to {target.id} needs the state {name!r} in {machine.id}"
            )
    source.log_line(3, f"[pipe-out:{kind}] {state} to {target.id}")
    target.log_line(3, f"[pipe-in:{kind}] {wanted} from {source.id}")
    return wanted
