"""Handlers: whose method runs when a state is entered, left, or asks for it.

Names follow asyncmachine: `AEnter`, `AExit`, `AA` (A stays), `AB` (from A to B) and `AnyEnter` may refuse by
returning False; `AState`, `AEnd` and `AnyState` come after the fact and cannot.

Binding looks at every name once. Each becomes a `Call` in the tables of `Handlers`, by the *role* that it plays, so that
a transition looks only at handlers that are there. One name can play several roles: with the states A and AA, `AAA`
is a handler from A to AA and from AA to A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ampubsub.machine.decorators import MARK
from ampubsub.machine.errors import HandlerError
from ampubsub.machine.relations import mask_of
from ampubsub.machine.result import MutationKind
from ampubsub.machine.schema import nearest
from ampubsub.machine.transition import Call, Event, Role

Handler = Callable[[Event], Any]

_ASYNC_FLAG = 0x80  # inspect.CO_COROUTINE, without the weight of importing inspect
FINAL_SUFFIXES = ("State", "End")
EXIT, ENTER, SELF, PAIR, ANY_ENTER, END, STATE, ANY_STATE = range(8)
_SUFFIXES = {"Exit": EXIT, "Enter": ENTER, "End": END, "State": STATE}
_WORDS = {role: suffix for suffix, role in _SUFFIXES.items()}
_NOWHERE = -1


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
        tail = f"\n{trace}" if trace else ""
        called = getattr(panic, "called", None)
        if panic is not None and called:
            machine.log_line(2, f"[error:{panic.kind}] {' '.join(called)} ({error}){tail}")
        else:
            machine.log_line(2, f"[error] {error}{tail}")


class Binding:
    """One bound object or mapping, with the handlers found on it when it was bound."""

    __slots__ = ("found", "name", "source")

    def __init__(self, source: object, names: Sequence[str]) -> None:
        self.source = source
        self.found: dict[str, Handler] = {}
        """Handler name to function."""
        known = _Names(names)
        if isinstance(source, Mapping):
            self.name = "anon"
            for name, handler in source.items():
                self._take(str(name), handler, known, strict=True)
        else:
            self.name = type(source).__name__
            for name in dir(source):
                if name.startswith("__"):
                    continue
                # A property is not asked for its value unless its name is a handler's.
                static = getattr(type(source), name, None)
                marked = getattr(static, MARK, ())
                for each in marked if isinstance(marked, tuple) else ():
                    self._take(each, getattr(source, name), known, strict=True)
                # Methods are not named with a capital letter but to be handlers.
                if known.roles(name) or (name[:1].isupper() and not marked):
                    handler = getattr(source, name, None)
                    if handler is not None and not isinstance(handler, type):
                        self._take(name, handler, known, strict=callable(handler))

    def _take(self, name: str, handler: Any, known: _Names, *, strict: bool) -> None:
        if not known.roles(name):
            if strict:
                advice = nearest(name, [*known.names, *_plain_names(known.names)])
                raise HandlerError(
                    f"{self.name}.{name} is no handler of a machine with the states {', '.join(known.names)}{advice}"
                )
            return
        if not callable(handler):
            raise HandlerError(f"{self.name}.{name} is not callable: a handler is a function of one event")
        if is_async(handler):
            if not name.endswith(FINAL_SUFFIXES):
                raise HandlerError(
                    f"{self.name}.{name} is async, but a handler that may refuse must answer at once: "
                    f"only final handlers (...State, ...End) can be async"
                )
            handler = _as_task(self.name, name, handler)
        self.found[name] = handler


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


class _Names:
    """Which roles a handler name can play on a machine with these states."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.index = {name: i for i, name in enumerate(names)}

    def roles(self, name: str) -> list[Role]:
        """All of them: none for a name that is no handler's."""
        index = self.index
        found = []
        if name == "AnyEnter":
            found.append(Role(ANY_ENTER, _NOWHERE, _NOWHERE))
        elif name == "AnyState":
            found.append(Role(ANY_STATE, _NOWHERE, _NOWHERE))
        for cut in range(1, len(name)):
            state = index.get(name[:cut])
            if state is None:
                continue
            rest = name[cut:]
            kind = _SUFFIXES.get(rest)
            if kind is not None:
                leaving = kind in (EXIT, END)
                found.append(Role(kind, state if leaving else _NOWHERE, _NOWHERE if leaving else state))
            other = index.get(rest)
            if other is not None:
                found.append(Role(SELF if other == state else PAIR, state, other))
        return found


class _Roles(NamedTuple):
    """The handlers of one kind of role, by state."""

    calls: dict[int, tuple[Call, ...]]
    mask: int


class Handlers:
    """The handlers bound to one machine, by role. Never changes; binding makes another one."""

    __slots__ = ("_table", "any_enter", "any_state", "bindings", "names", "pairs", "sources")

    def __init__(self, bindings: Sequence[Binding], names: Sequence[str]) -> None:
        self.bindings = tuple(bindings)
        self.names = tuple(names)
        known = _Names(names)
        found: dict[Role, list[Call]] = {}
        for number, binding in enumerate(self.bindings):
            for name, handler in binding.found.items():
                for role in known.roles(name):
                    found.setdefault(role, []).append(Call(role, name, handler, number, binding.name))
        calls = {role: tuple(listed) for role, listed in found.items()}
        self._table = {kind: self._of_kind(kind, calls) for kind in (EXIT, ENTER, SELF, END, STATE)}
        self.any_enter = calls.get(Role(ANY_ENTER, _NOWHERE, _NOWHERE), ())
        self.any_state = calls.get(Role(ANY_STATE, _NOWHERE, _NOWHERE), ())
        self.pairs: dict[int, _Roles] = {}
        for role in calls:
            if role.kind == PAIR and role.start not in self.pairs:
                row = {other.end: calls[other] for other in calls if other[:2] == role[:2]}
                self.pairs[role.start] = _Roles(row, mask_of(row))
        self.sources = mask_of(self.pairs)

    @staticmethod
    def _of_kind(kind: int, calls: Mapping[Role, tuple[Call, ...]]) -> _Roles:
        found = {max(role.start, role.end): listed for role, listed in calls.items() if role.kind == kind}
        return _Roles(found, mask_of(found))

    # -- in the order of a transition --------------------------------------------------------------

    def asks(
        self,
        kind: MutationKind,
        before: Sequence[int],
        active: int,
        exits: Sequence[int],
        enters: Sequence[int],
        target: Sequence[int],
        reached: int,
    ) -> tuple[Call, ...]:
        """Negotiation handlers. `active` and `reached` are the masks of `before` and `target`."""
        calls: list[Call] = []
        table = self._table
        found, mask = table[EXIT]
        if mask & active & ~reached:
            for state in exits:
                if mask >> state & 1:
                    calls += found[state]
        found, mask = table[ENTER]
        if mask & reached:
            for state in enters:
                if mask >> state & 1:
                    calls += found[state]
        found, mask = table[SELF]
        if mask & active & reached and kind is not MutationKind.REMOVE:
            for state in target:
                if mask & active & (1 << state):
                    calls += found[state]
        if self.sources & active:
            for start in before:
                if self.sources >> start & 1:
                    found, mask = self.pairs[start]
                    if mask & reached:
                        for state in target:
                            if mask >> state & 1:
                                calls += found[state]
        calls += self.any_enter
        return tuple(calls)

    def finals(self, exits: Sequence[int], enters: Sequence[int]) -> tuple[Call, ...]:
        """Final handlers, `AnyState` last."""
        calls: list[Call] = []
        found, mask = self._table[END]
        if mask:
            for state in exits:
                if mask >> state & 1:
                    calls += found[state]
        found, mask = self._table[STATE]
        if mask:
            for state in enters:
                if mask >> state & 1:
                    calls += found[state]
        calls += self.any_state
        return tuple(calls)

    # -- every name, bound or not ------------------------------------------------------------------

    def asked(
        self,
        kind: MutationKind,
        before: Sequence[int],
        active: int,
        exits: Sequence[int],
        enters: Sequence[int],
        stays: Sequence[int],
        wanted: Sequence[int],
    ) -> list[Role]:
        """The roles of a negotiation, in order, whether a handler plays them or not.

        `stays` and `wanted` are the target states as those that stay, and as pairs, are asked.
        """
        roles = [Role(EXIT, state, _NOWHERE) for state in exits]
        roles += [Role(ENTER, _NOWHERE, state) for state in enters]
        if kind is not MutationKind.REMOVE:
            roles += [Role(SELF, state, state) for state in stays if active >> state & 1]
        roles += [Role(PAIR, start, state) for start in before for state in wanted if start != state]
        roles.append(Role(ANY_ENTER, _NOWHERE, _NOWHERE))
        return roles

    @staticmethod
    def finished(exits: Sequence[int], enters: Sequence[int]) -> list[Role]:
        """The roles of final handlers, in order."""
        roles = [Role(END, state, _NOWHERE) for state in exits]
        roles += [Role(STATE, _NOWHERE, state) for state in enters]
        roles.append(Role(ANY_STATE, _NOWHERE, _NOWHERE))
        return roles

    def playing(self, role: Role) -> tuple[Call, ...]:
        """The handlers of one role, in binding order."""
        kind, start, end = role
        if kind == PAIR:
            row = self.pairs.get(start)
            return row.calls.get(end, ()) if row is not None else ()
        if kind == ANY_ENTER:
            return self.any_enter
        if kind == ANY_STATE:
            return self.any_state
        return self._table[kind].calls.get(max(start, end), ())

    def trying(self, role: Role) -> list[Call]:
        """One call for each binding, also for those without such a handler."""
        found = {call.number: call for call in self.playing(role)}
        name = self.name(role)
        return [
            found.get(number) or Call(role, name, None, number, binding.name)
            for number, binding in enumerate(self.bindings)
        ]

    def name(self, role: Role) -> str:
        """The handler name of a role."""
        kind, start, end = role
        if kind in (ANY_ENTER, ANY_STATE):
            return "AnyEnter" if kind == ANY_ENTER else "AnyState"
        if kind in (SELF, PAIR):
            return self.names[start] + self.names[end]
        return self.names[max(start, end)] + _WORDS[kind]


def _plain_names(names: Iterable[str]) -> list[str]:
    return [
        *("AnyEnter", "AnyState"),
        *(f"{state}{suffix}" for state in names for suffix in ("Enter", "Exit", "State", "End")),
    ]


def handler_names(names: Iterable[str]) -> set[str]:
    """Every handler name that a machine with these states may look for."""
    states = list(names)
    return {*_plain_names(states), *(f"{state}{other}" for state in states for other in states)}


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
