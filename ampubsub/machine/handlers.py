"""Handlers: whose method runs when a state is entered, left, or asks for it.

Names follow asyncmachine: `AEnter`, `AExit`, `AA` (A stays), `AB` (from A to B) and `AnyEnter` may refuse by
returning False; `AState`, `AEnd` and `AnyState` come after the fact and cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ampubsub.machine.errors import HandlerError
from ampubsub.machine.transition import Event

Handler = Callable[[Event], Any]

_ASYNC_FLAG = 0x80  # inspect.CO_COROUTINE, without the weight of importing inspect
FINAL_SUFFIXES = ("State", "End")


def is_async(handler: Handler) -> bool:
    """Whether calling `handler` makes a coroutine."""
    function: Any = handler
    while not hasattr(function, "__code__"):
        inner = getattr(function, "__func__", None) or getattr(function, "func", None)
        if inner is None:
            call = getattr(type(function), "__call__", None)  # noqa: B004 - its code is wanted
            inner = call if hasattr(call, "__code__") else None
        if inner is None:
            return False
        function = inner
    return bool(function.__code__.co_flags & _ASYNC_FLAG)


class ExceptionHandler:
    """The built-in handler of the Exception state: writes the error to the machine's log."""

    def ExceptionState(self, event: Event) -> None:
        """Log the error that came with the mutation."""
        machine = event.machine
        error = event.args.get("_am_err")
        if error is None:
            machine.log_line(2, "[error] missing error in args to ExceptionState")
            return
        panic = event.args.get("_am_panic")
        trace = str(event.args.get("_am_errTrace") or "")
        called = getattr(panic, "called", None)
        if called:
            mutation_kind = panic.kind if panic is not None else "add"
            machine.log_line(2, f"[error:{mutation_kind}] {' '.join(called)} ({error})" + _tail(trace))
        else:
            machine.log_line(2, f"[error] {error}" + _tail(trace))


def _tail(trace: str) -> str:
    return f"\n{trace}" if trace else ""


class Binding:
    """One bound object or mapping, and the handlers found on it so far."""

    __slots__ = ("_cache", "_find", "name", "source")

    def __init__(self, source: object) -> None:
        self.source = source
        self._cache: dict[str, Handler | None] = {}
        if isinstance(source, Mapping):
            self.name = "anon"
            self._find: Callable[[str], Any] = source.get
        else:
            self.name = type(source).__name__
            self._find = lambda handler: getattr(source, handler, None)

    def handler(self, name: str) -> Handler | None:
        """The handler of that name, if this binding has one."""
        try:
            return self._cache[name]
        except KeyError:
            found: Handler | None = self._find(name)
            if found is not None and not callable(found):
                raise HandlerError(
                    f"{self.name}.{name} is not callable: a handler is a function of one event"
                ) from None
            if found is not None and is_async(found) and not name.endswith(FINAL_SUFFIXES):
                raise HandlerError(
                    f"{self.name}.{name} is async, but a handler that may refuse must answer at once: "
                    f"only final handlers (...State, ...End) can be async"
                ) from None
            if found is not None and is_async(found):
                found = _as_task(self.name, name, found)
            self._cache[name] = found
            return found


def _as_task(binding: str, name: str, handler: Handler) -> Handler:
    """A final handler that hands its async body to the machine's owner."""

    def start(event: Event) -> None:
        spawn = event.machine.spawn
        if spawn is None:
            raise HandlerError(
                f"{binding}.{name} of {event.machine.id} is async and needs an owner to run its task: "
                f"async with ampubsub.machine.trio_adapter.own(machine)"
            )
        spawn(handler, event)

    return start


def handler_names(names: Iterable[str]) -> set[str]:
    """Every handler name that a machine with these states may look for."""
    states = list(names)
    result = {"AnyEnter", "AnyState"}
    for state in states:
        result.update((f"{state}Enter", f"{state}Exit", f"{state}State", f"{state}End"))
        result.update(f"{state}{other}" for other in states)
    return result


def parse_handler_name(names: Iterable[str], handler: str) -> tuple[str, str]:
    """The one or two states that a handler name is about; empty strings for none."""
    states = set(names)
    if handler in ("AnyEnter", "AnyState"):
        return "", ""
    for suffix in ("Enter", "Exit", "State", "End"):
        state = handler.removesuffix(suffix)
        if state != handler and state in states:
            return state, ""
    if handler.startswith("Any") and handler != "Any":
        return handler.removeprefix("Any"), ""
    state = handler.removesuffix("Any")
    if state != handler and state in states:
        return state, ""
    for state in states:
        rest = handler.removeprefix(state)
        if rest != handler and rest in states:
            return state, rest
    return "", ""
