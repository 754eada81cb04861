"""Contexts and waiters: things that end once, and tell whoever cares.

A machine knows its waiters by a weak reference only, until somebody has a callback on one: a wait that nobody looks at any
more is forgotten by itself, however it was given up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol

from ampubsub.machine.errors import ContextEndedError

Undo = Callable[[], None]


def call_all(calls: Iterable[Callable[[], object]], first: BaseException | None = None) -> None:
    """Call each, also when one before it failed: nobody is forgotten for another's fault. Raises the first error."""
    for call in calls:
        try:
            call()
        except BaseException as error:
            first = first or error
    if first is not None:
        raise first


class Callbacks:
    """Functions to be called once."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[object, Callable[[], object]] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, callback: Callable[[], object]) -> Undo:
        """Add one; what is returned takes it out again."""
        calls, token = self._calls, object()
        calls[token] = callback

        def undo() -> None:
            calls.pop(token, None)

        return undo

    def call(self) -> None:
        """Call all, in order. Raises the first error."""
        calls, self._calls = list(self._calls.values()), {}
        call_all(calls)


class Context:
    """Something that ends once, by `cancel`. Given to a wait, it bounds the wait."""

    __slots__ = ("_callbacks", "done")

    def __init__(self) -> None:
        self.done = False
        self._callbacks: Callbacks | None = None

    def cancel(self) -> None:
        """End it. Idempotent."""
        if self.done:
            return
        self.done = True
        callbacks, self._callbacks = self._callbacks, None
        if callbacks is not None:
            callbacks.call()

    def on_done(self, callback: Callable[[], object]) -> Undo:
        """Call `callback` when it ends, or now if it has. What is returned takes the callback out again."""
        if self.done:
            callback()
            return _nothing
        if self._callbacks is None:
            self._callbacks = Callbacks()
        return self._callbacks.add(callback)


class StateContext(Context):
    """Lasts as long as one activation of a state (asyncmachine manual, "State context")."""

    __slots__ = ("machine_id", "state", "tick")

    def __init__(self, machine_id: str, state: str, tick: int) -> None:
        super().__init__()
        self.machine_id = machine_id
        self.state = state
        self.tick = tick


class Place(Protocol):
    """Where a waiter hangs."""

    def hold(self, waiter: Waiter | None) -> None:
        """Keep the waiter alive, or no longer."""

    def forget(self) -> None:
        """Nobody waits any more."""


class Waiter:
    """The answer to "tell me when": done once, or failed once. Await it under trio or asyncio, or use `on_done`."""

    __slots__ = ("__weakref__", "_callbacks", "_place", "_what", "done", "error")

    def __init__(self, what: str | tuple[str | tuple[str, ...], ...], done: bool = False) -> None:
        self._what = what
        self.done = done
        self.error: Exception | None = None
        """Why it will never be done, if so."""
        self._callbacks: Callbacks | None = None
        self._place: Place | None = None

    @property
    def what(self) -> str:
        """What is waited for, in words, for error texts."""
        what = self._what
        if isinstance(what, str):
            return what
        return "".join(part if isinstance(part, str) else " ".join(part) for part in what)

    def finish(self) -> None:
        """It happened. Idempotent; does nothing after a failure."""
        if not self.done and self.error is None:
            self.done = True
            self._tell()

    def fail(self, error: Exception) -> None:
        """It will not happen. Idempotent; does nothing once done."""
        if not self.done and self.error is None:
            self.error = error
            self._tell()

    def cancel(self) -> None:
        """Give up waiting."""
        if not self.done and self.error is None:
            self.fail(ContextEndedError(f"gave up waiting for {self.what}"))

    def on_done(self, callback: Callable[[Waiter], object]) -> Undo:
        """Call `callback(waiter)` when it is done or has failed, or now if it is already.

        What is returned takes the callback out again.
        """
        if self.done or self.error is not None:
            callback(self)
            return _nothing
        if self._callbacks is None:
            self._callbacks = Callbacks()
            if self._place is not None:
                self._place.hold(self)
        undo = self._callbacks.add(lambda: callback(self))

        def leave() -> None:
            undo()
            if self._callbacks is not None and not self._callbacks:
                self._callbacks = None
                if self._place is not None:
                    self._place.hold(None)

        return leave

    def _tell(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            place.forget()
        callbacks, self._callbacks = self._callbacks, None
        if callbacks is not None:
            callbacks.call()

    def __del__(self) -> None:
        if self._place is not None:
            self._place.forget()

    def __bool__(self) -> bool:
        return self.done

    def __repr__(self) -> str:
        state = "done" if self.done else f"failed: {self.error}" if self.error else "waiting"
        return f"<Waiter for {self.what}, {state}>"

    def __await__(self) -> Generator[Any, Any, None]:
        from ampubsub.machine.awaiting import wait

        return wait(self)


def _nothing() -> None:
    pass
