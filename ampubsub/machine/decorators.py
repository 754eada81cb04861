"""Handlers by decorator, for who would rather not name methods `OnEnter`.

    class Lamp:
        @may_enter("On")
        def has_bulb(self, event): return self.bulb
        @entered("On")
        def light(self, event): ...

They say the same as asyncmachine's names, which stand beside them; both can be mixed. A machine has the same decorators for
functions: `@lamp.entered("On")`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ampubsub.machine.schema import StateName, state_name

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]

MARK = "__handles__"
"""The attribute of a function that lists the handler names it stands for."""


def handles(*names: str) -> Callable[[Function], Function]:
    """Call the function as the handlers of these names (`OnEnter`, `AnyState` ...)."""

    def mark(function: Function) -> Function:
        setattr(function, MARK, (*getattr(function, MARK, ()), *names))
        return function

    return mark


def _suffixed(suffix: str, states: tuple[StateName, ...]) -> tuple[str, ...]:
    return tuple(state_name(state) + suffix for state in states)


def may_enter(*states: StateName) -> Callable[[Function], Function]:
    """Ask before any of these states is entered; False refuses."""
    return handles(*_suffixed("Enter", states))


def may_exit(*states: StateName) -> Callable[[Function], Function]:
    """Ask before any of these states is left; False refuses."""
    return handles(*_suffixed("Exit", states))


def entered(*states: StateName) -> Callable[[Function], Function]:
    """Call after any of these states was entered; may be async."""
    return handles(*_suffixed("State", states))


def exited(*states: StateName) -> Callable[[Function], Function]:
    """Call after any of these states was left; may be async."""
    return handles(*_suffixed("End", states))


def may_pass(start: StateName, end: StateName) -> Callable[[Function], Function]:
    """Ask while `start` is active and `end` is to be (the same twice: to stay); False refuses."""
    return handles(state_name(start) + state_name(end))
