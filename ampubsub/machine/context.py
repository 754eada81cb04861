"""Contexts and waiters: things that end once, and tell whoever cares."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any

from ampubsub.machine.errors import ContextEndedError


def call_all(calls: Iterable[Callable[[], object]], first: Exception | None = None) -> None:
    """Call each, also when one before it failed: nobody is forgotten for another's fault. Raises the first error."""
    for call in calls:
        try:
            call()
        except Exception as error:
            first = first or error
    if first is not None:
        raise first


class Context:
    """Something that ends once, by `cancel`. Given to a wait, it bounds the wait."""

    __slots__ = ("_callbacks", "done")

    def __init__(self) -> None:
        self.done = False
        self._callbacks: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """End it. Idempotent."""
        if self.done:
            return
        self.done = True
        callbacks, self._callbacks = self._callbacks, []
        if callbacks:
            call_all(callbacks)

    def on_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it ends, or now if it has."""
        if self.done:
            callback()
        else:
            self._callbacks.append(callback)


class StateContext(Context):
    """Lasts as long as one activation of a state (asyncmachine manual, "State context")."""

    __slots__ = ("machine_id", "state", "tick")

    def __init__(self, machine_id: str, state: str, tick: int) -> None:
        super().__init__()
        self.machine_id = machine_id
        self.state = state
        self.tick = tick


class Waiter:
    """The answer to "tell me when": done once, or failed once. Await it under trio, or use `on_done`."""

    __slots__ = ("_callbacks", "done", "error", "what")

    def __init__(self, what: str, done: bool = False) -> None:
        self.what = what
        """What is waited for, in words, for error texts."""
        self.done = done
        self.error: Exception | None = None
        """Why it will never be done, if so."""
        self._callbacks: list[Callable[[Waiter], None]] = []

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
        self.fail(ContextEndedError(f"gave up waiting for {self.what}"))

    def on_done(self, callback: Callable[[Waiter], None]) -> None:
        """Call `callback(waiter)` when it is done or has failed, or now if it is already."""
        if self.done or self.error is not None:
            callback(self)
        else:
            self._callbacks.append(callback)

    def _tell(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        if len(callbacks) == 1:
            callbacks[0](self)
        elif callbacks:
            call_all(partial(callback, self) for callback in callbacks)

    def __bool__(self) -> bool:
        return self.done

    def __repr__(self) -> str:
        state = "done" if self.done else f"failed: {self.error}" if self.error else "waiting"
        return f"<Waiter for {self.what}, {state}>"

    def __await__(self) -> Generator[Any, Any, None]:
        from ampubsub.machine.trio_adapter import wait

        return wait(self).__await__()
