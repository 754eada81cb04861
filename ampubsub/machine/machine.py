"""The machine: what a program holds in its hand. Entry points of mutations, handlers, tracers, life and death.

How a mutation is carried out stands in `walk.py`, how relations decide in `relations.py`, waiting in
`subscriptions.py`. The whole face is in this one file, most of it a line or two a method, and so it is longer than others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from os import urandom
from threading import get_ident
from time import monotonic
from typing import Any, NoReturn

from ampubsub.machine import decorators
from ampubsub.machine.arguments import ArgsLike, as_args
from ampubsub.machine.blueprint import Blueprint, blueprint, verified_names
from ampubsub.machine.calling import trace_of
from ampubsub.machine.clock import Time
from ampubsub.machine.context import call_all
from ampubsub.machine.decorators import Function
from ampubsub.machine.errors import (
    HandlerError,
    ImportMismatchError,
    MachineError,
    SchemaError,
    UnknownStateError,
    WrongThreadError,
)
from ampubsub.machine.exported import Exported
from ampubsub.machine.handlers import Binding, Handler, Handlers
from ampubsub.machine.mutation import Args, Eval, Mutation
from ampubsub.machine.options import Options
from ampubsub.machine.preview import Preview, preview
from ampubsub.machine.relations import Relations, mask_of
from ampubsub.machine.resolution import Memory
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.schema import EXCEPTION, StateName, state_name
from ampubsub.machine.state_class import SchemaLike, schema_of
from ampubsub.machine.subscriptions import Subscriptions
from ampubsub.machine.tracing import Tracer, TracerSet
from ampubsub.machine.transition import Event, Transition
from ampubsub.machine.view import MachineView
from ampubsub.machine.walk import Walk

ADD, REMOVE, SET = MutationKind.ADD, MutationKind.REMOVE, MutationKind.SET
EXECUTED, CANCELED = Result.EXECUTED, Result.CANCELED


class Machine(MachineView):
    """A state machine with many states active at once (asyncmachine manual).

    `schema` maps state names to `State`; `states` fixes their index order (otherwise alphabetical). `handlers`
    is an object with methods such as `OnState`, a mapping of such names to functions, or a list of those.
    `parent` is the machine this one belongs to. Raises `SchemaError` for a list of states that does not fit; a
    conflict inside the schema makes the machine start with Exception active.

    A machine belongs to the thread that mutates it first: from another one mutations raise `WrongThreadError`
    until `release` is called. Reading works from anywhere.
    """

    def __init__(
        self,
        schema: SchemaLike,
        *,
        id: str | None = None,
        states: Iterable[StateName] | None = None,
        handlers: object = None,
        tags: Iterable[str] = (),
        parent: Machine | str | None = None,
        tracers: Iterable[Tracer] = (),
        options: Options | None = None,
        groups: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        options = options if options is not None else Options()
        known = blueprint(schema_of(schema), strict=options.strict)
        super().__init__(
            id or urandom(16).hex(),
            known.schema,
            known.names,
            tags=tags,
            parent_id=parent if isinstance(parent, str) else parent.id if parent is not None else "",
        )
        self.tracers = TracerSet(tracers)
        self.on_change: Callable[[Machine, Time, Time], object] | None = None
        """Called with the times before and after each transition that is not a check, canceled ones included."""
        self.on_error: Callable[[Machine, BaseException], object] | None = None
        """Called with each error given to `add_err`; not for exceptions of handlers."""
        self.spawn: Callable[[Handler, Event], None] | None = None
        """Starts an async handler as a task; set by the machine's owner (`trio_adapter.own`)."""
        self.breakpoint_hook: Callable[[], object] | None = None
        """Called at breakpoints, for instance the built-in `breakpoint`."""
        self.breakpoints: tuple[tuple[tuple[str, ...], tuple[str, ...], bool], ...] = ()
        self._blueprint = known
        self._walk = Walk(self, known, self._clock, options, self.tracers)
        self._bindings: tuple[Binding, ...] = ()
        self._verified = False
        self._machine_tick = 0
        self._on_dispose: dict[object, Callable[[Machine], object]] = {}
        if isinstance(parent, Machine):
            for hook in parent.tracers.new_submachine:
                hook(parent, self)
        for hook in self.tracers.machine_init:
            hook(self)
        if known.conflicts:
            self.add_err(SchemaError("\n".join(known.conflicts)))
        if states is not None:
            self.verify_states(states)
        if groups is not None:
            self.set_groups(groups)
        if handlers is not None:
            for each in handlers if isinstance(handlers, (list, tuple)) else (handlers,):
                self.bind_handlers(each)

    # -- mutations ---------------------------------------------------------------------------------

    def add(self, *states: StateName, args: ArgsLike = None, event: Event | None = None) -> Result:
        """Activate states. `event` names the handler's event that this comes from.

        Executed, canceled, or (inside a handler) queued. Raises `UnknownStateError`.
        """
        walk = self._walk
        if args is not None and type(args) is not dict:
            args = as_args(args)
        if event is None:
            try:
                known = walk.place.adds.get(states)  # type: ignore[arg-type] # what is no text is not found
            except TypeError:
                known = None  # not hashable, so no state either
            if known is not None:
                result = walk.again(known, args)
                if result is not None:
                    return result
        if walk.disposing or walk.backoff_until or len(walk.queue.waiting) >= walk.options.queue_limit:
            exempt = event is None and EXCEPTION in states and not self.is_err()
            if self._refuses() or (walk.is_full and not exempt):
                return CANCELED
        return self._mutate(ADD, states, args, event, 0 if event is None else 1)

    def remove(self, *states: StateName, args: ArgsLike = None, event: Event | None = None) -> Result:
        """Deactivate states. Raises `UnknownStateError`."""
        walk = self._walk
        if args is not None and type(args) is not dict:
            args = as_args(args)
        if event is None:
            try:
                known = walk.place.removes.get(states)  # type: ignore[arg-type] # what is no text is not found
            except TypeError:
                known = None  # not hashable, so no state either
            if known is not None:
                result = walk.again(known, args)
                if result is not None:
                    return result
        if walk.disposing or walk.backoff_until or len(walk.queue.waiting) >= walk.options.queue_limit:
            exempt = event is None and EXCEPTION in states and self.is_err()
            if self._refuses() or (walk.is_full and not exempt):
                return CANCELED
        if walk.running and not walk.queue.waiting and self.not_(*states):
            return EXECUTED
        return self._mutate(REMOVE, states, args, event, 1)

    def set(self, *states: StateName, args: ArgsLike = None, event: Event | None = None) -> Result:
        """Make these states, with what they imply, the only active ones. Raises `UnknownStateError`."""
        walk = self._walk
        if args is not None and type(args) is not dict:
            args = as_args(args)
        if event is None:
            try:
                known = walk.place.sets.get(states)  # type: ignore[arg-type] # what is no text is not found
            except TypeError:
                known = None  # not hashable, so no state either
            if known is not None:
                result = walk.again(known, args)
                if result is not None:
                    return result
        if walk.disposing or walk.is_full:
            return CANCELED
        return self._mutate(SET, states, args, event, 1)

    def toggle(self, *states: StateName, args: ArgsLike = None, event: Event | None = None) -> Result:
        """Remove the states if all are active, else add them."""
        change = self.remove if self.is_(*states) else self.add
        return CANCELED if self._walk.disposing else change(*states, args=args, event=event)

    def can_add(self, *states: StateName, args: ArgsLike = None) -> Result:
        """Whether adding would be accepted now, relations and handlers asked; nothing changes."""
        return (
            CANCELED
            if self._refuses()
            else self.prepend(Mutation(ADD, map(state_name, states), as_args(args or {}), check=True))
        )

    def can_remove(self, *states: StateName, args: ArgsLike = None) -> Result:
        """Whether removing would be accepted now; nothing changes."""
        return (
            CANCELED
            if self._refuses()
            else self.prepend(Mutation(REMOVE, map(state_name, states), as_args(args or {}), check=True))
        )

    def add_err(
        self, error: BaseException | None, args: ArgsLike = None, event: Event | None = None
    ) -> Result:
        """Add the Exception state for an error; no error, no mutation."""
        return self.add_err_state(EXCEPTION, error, args, event)

    def add_err_state(
        self, state: str, error: BaseException | None, args: ArgsLike = None, event: Event | None = None
    ) -> Result:
        """Add an error state together with Exception."""
        if error is None or self._refuses() or (event is not None and self._walk.is_full):
            return CANCELED
        self._known((state,))
        walk = self._walk
        walk.error = error
        args = {
            **as_args(args or {}),
            "_am_err": error,
            "_am_errTrace": trace_of(error) if walk.options.log_stack_traces else "",
        }
        states = (EXCEPTION,) if state == EXCEPTION else (state, EXCEPTION)
        try:
            if self.on_error is not None:
                self.on_error(self, error)
        finally:
            result = self.add(*states, args=args, event=event)
        return result

    def prepend(self, mutation: Mutation) -> Result:
        """Put a mutation in front of everything that waits: no limit, no de-duplication, no queue tick."""
        if self._walk.disposing:
            return CANCELED
        self._walk.check_thread()
        mutation.called = self._called(mutation.called)
        return self._walk.prepend(mutation)

    def eval(self, source: str, function: Callable[[], object], ctx: Any = None) -> bool:
        """Run a function between transitions; False when the machine is going or the context has ended.

        Inside a handler it could only wait for itself, which raises `MachineError`.
        """
        walk = self._walk
        if walk.disposing:
            return False
        if not source:
            raise MachineError("error: source of eval is required")
        if walk.running:
            raise MachineError(
                f"{self.id}: eval {source!r} was called inside a handler and would wait for itself; call the function"
            )
        self.log_line(3, f"[eval] {source}")
        ran = False

        def run() -> None:
            nonlocal ran
            ran = True
            function()

        self.prepend(Eval(source, run, ctx))
        self.log_line(5 if ran else 4, f"[eval:{'end' if ran else 'ctxdone'}] {source}")
        return ran

    def preview(self, kind: MutationKind, *states: StateName) -> Preview:
        """What relations would make of a mutation now, without touching anything. Raises `UnknownStateError`."""
        walk = self._walk
        numbers = tuple([self._index[name] for name in self._called(states)])
        return preview(walk.rules, kind, numbers, walk.order, walk.active)

    def _mutate(
        self,
        kind: MutationKind,
        states: Sequence[StateName],
        args: Args | None,
        event: Event | None,
        behind: int,
    ) -> Result:
        """Queue and run. `behind` is what Go adds to the queue tick it answers with."""
        walk = self._walk
        if walk.thread != get_ident():
            walk.check_thread()
        called = self._called(states)
        plain = walk.queue.waiting and not args and not any(self._schema[name].multi for name in called)
        if plain and walk.queue.is_duplicate(kind, called):
            self.log_line(3, f"[queue:skipped] Duplicate detected for [{kind.value}] {' '.join(called)}")
            return EXECUTED
        mutation = Mutation(kind, called, args or None)
        if event is not None:
            mutation.source = event.transition.source
        result = walk.append(mutation)
        return Result(mutation.queue_tick + behind) if result >= 2 else result

    def _called(self, states: Sequence[StateName]) -> tuple[str, ...]:
        """Names of known states, each once. Raises `UnknownStateError`."""
        index = self._index
        for name in states:
            if type(name) is not str or name not in index:
                return tuple(dict.fromkeys(self._known(states)))
        return tuple(dict.fromkeys(states)) if len(states) > 1 else tuple(states)  # type: ignore[arg-type]

    def _refuses(self) -> bool:
        walk = self._walk
        return walk.disposing or (walk.backoff_until > 0.0 and monotonic() < walk.backoff_until)

    def add_breakpoint(
        self, added: Iterable[str] = (), removed: Iterable[str] = (), *, strict: bool = False
    ) -> None:
        """Write a line to the log (level changes) whenever exactly these states are asked to be added or removed.

        `strict` leaves out mutations that would change nothing. With `breakpoint_hook` set, that is called too.
        """
        self.breakpoints = (*self.breakpoints, (tuple(added), tuple(removed), strict))

    def stop_at(self, mutation: Mutation) -> None:
        """Stop if there is a breakpoint for a mutation."""
        kind, called = mutation.kind, mutation.called
        for added, removed, strict in self.breakpoints if kind is not SET else ():
            wanted, other = (added, self.is_) if kind is ADD else (removed, self.not_)
            if wanted != called or (strict and other(*wanted)):
                continue
            self.log_line(2, "[breakpoint] Machine.breakpoint")
            if self.breakpoint_hook is not None:
                self.breakpoint_hook()
            return

    # -- the queue ---------------------------------------------------------------------------------

    @property
    def options(self) -> Options:
        """The settings; what is changed there holds from the next mutation on."""
        return self._walk.options

    @property
    def relations(self) -> Relations:
        """The relations of the present schema."""
        return self._walk.rules

    @property
    def queue_tick(self) -> int:
        """How many appended mutations have run, plus one."""
        return self._walk.queue.tick

    @property
    def active_order(self) -> tuple[str, ...]:
        """Active states in the order in which the last transition put them: the order of their handlers."""
        return tuple([self._names[state] for state in self._walk.order])

    @property
    def queue_len(self) -> int:
        """How many mutations wait, the running one not counted."""
        return len(self._walk.queue.waiting)

    @property
    def queue(self) -> tuple[Mutation, ...]:
        """What waits, next first."""
        return tuple(self._walk.queue.waiting)

    @property
    def transition(self) -> Transition | None:
        """The transition being carried out, if any."""
        return self._walk.log.transition

    @property
    def is_backing_off(self) -> bool:
        """A handler missed its deadline not long ago; mutations are refused for now."""
        return self._walk.backoff_until > 0.0 and monotonic() < self._walk.backoff_until

    def is_queued(
        self,
        kind: MutationKind,
        states: Sequence[str],
        *,
        without_args: bool = False,
        strict: bool = False,
        min_queue_tick: int = 0,
        check: bool = False,
        position: str = "any",
    ) -> tuple[bool, int, int]:
        """(found, index, queue tick) of the first waiting mutation of this kind whose called states contain these.

        `strict` wants the same number of states; `position` is `any`, `first` or `last` (the index is then
        that within the looked-at part).
        """
        return self._walk.queue.find(
            kind,
            states,
            without_args=without_args,
            strict=strict,
            min_queue_tick=min_queue_tick,
            check=check,
            position=position,
        )

    def is_queued_above(
        self,
        threshold: int,
        kind: MutationKind,
        states: Sequence[str],
        *,
        without_args: bool = False,
        strict: bool = False,
        min_queue_tick: int = 0,
    ) -> bool:
        """Whether at least `threshold` such mutations wait."""
        found = self._walk.queue.count(
            kind, states, without_args=without_args, strict=strict, min_queue_tick=min_queue_tick
        )
        return found > 0 and found >= threshold

    def will_be(self, *states: StateName, position: str = "any") -> bool:
        """Whether adding these states is queued."""
        return (
            not self._walk.disposing
            and self.is_queued(ADD, tuple(map(state_name, states)), position=position)[0]
        )

    def will_be_removed(self, *states: StateName, position: str = "any") -> bool:
        """Whether removing these states is queued."""
        return (
            not self._walk.disposing
            and self.is_queued(REMOVE, tuple(map(state_name, states)), position=position)[0]
        )

    # -- the log and the thread --------------------------------------------------------------------

    def log(self, text: str) -> None:
        """Write a line of the program's own to the machine's log (level external)."""
        self._walk.log.line(1, "[exter] " + text.replace("\n", " "))

    def _logs(self, level: int) -> bool:
        """Whether a line of that level would be written to the log."""
        return level <= self._walk.options.log_level

    def log_line(self, level: int, text: str) -> None:
        """Write one line to the log, kept with the running transition and given to the logger."""
        self._walk.log.line(level, text)

    def release(self) -> None:
        """Let the next thread that mutates the machine own it."""
        self._walk.thread = None

    # -- errors ------------------------------------------------------------------------------------

    @property
    def err(self) -> BaseException | None:
        """The last error, also after Exception was removed."""
        return self._walk.error

    @contextmanager
    def panic_to_err(self, state: str = EXCEPTION) -> Iterator[None]:
        """An exception inside the block becomes the machine's, as that error state."""
        try:
            yield
        except Exception as error:
            if not self._walk.options.panic_to_exception:
                raise
            self.add_err_state(state, error)

    # -- handlers and tracers ----------------------------------------------------------------------

    @property
    def has_handlers(self) -> bool:
        """Whether any handlers are bound."""
        return bool(self._bindings)

    def bind_handlers(self, handlers: object) -> None:
        """Bind an object with handler methods, or a mapping of handler names to functions."""
        if self._walk.disposing:
            return
        binding = Binding(handlers, self._names)
        first = self._walk.handlers is None
        self._bound((*self._bindings, binding))
        self.log_line(3, f"[handlers] bind {binding.name}")
        if first and self.is_err():
            self.add_err(self._walk.error)

    def detach_handlers(self, handlers: object) -> None:
        """Unbind what `bind_handlers` was given. Raises `HandlerError` when it is not bound."""
        if self._walk.disposing:
            return
        for binding in self._bindings:
            if binding.source is handlers:
                self._bound(tuple(other for other in self._bindings if other is not binding))
                self.log_line(3, f"[handlers] detach {binding.name}")
                return
        raise HandlerError("handlers not bound")

    def _bound(self, bindings: tuple[Binding, ...]) -> None:
        walk = self._walk
        self._bindings = bindings
        walk.handlers = Handlers(bindings, self._names)
        walk.memory = Memory(walk.rules, walk.handlers)
        walk.changed()

    def entered(self, *states: StateName) -> Callable[[Function], Function]:
        """Call the function after any of these states was entered: `@machine.entered("On")`."""
        return self._binds(decorators.entered(*states))

    def exited(self, *states: StateName) -> Callable[[Function], Function]:
        """Call the function after any of these states was left."""
        return self._binds(decorators.exited(*states))

    def may_enter(self, *states: StateName) -> Callable[[Function], Function]:
        """Ask the function before any of these states is entered; False refuses."""
        return self._binds(decorators.may_enter(*states))

    def may_exit(self, *states: StateName) -> Callable[[Function], Function]:
        """Ask the function before any of these states is left; False refuses."""
        return self._binds(decorators.may_exit(*states))

    def _binds(self, mark: Callable[[Function], Function]) -> Callable[[Function], Function]:
        def bind(function: Function) -> Function:
            def stand_in(event: Event) -> None:
                pass

            self.bind_handlers(dict.fromkeys(getattr(mark(stand_in), decorators.MARK), function))  # type: ignore[arg-type]
            return function

        return bind

    def bind_tracer(self, tracer: Tracer) -> None:
        """Let a tracer look on."""
        self.tracers.add(tracer)
        self.log_line(3, f"[tracers] bind {tracer.name}")

    def detach_tracer(self, tracer: Tracer) -> None:
        """Stop a tracer. Raises `MachineError` when it is not bound."""
        if not self.tracers.remove(tracer):
            raise MachineError("tracer not bound")
        self.log_line(3, f"[tracers] detach {tracer.name}")

    # -- names, schema, tags -----------------------------------------------------------------------

    @property
    def machine_tick(self) -> int:
        """How often the machine was imported."""
        return self._machine_tick

    @property
    def states_verified(self) -> bool:
        """Whether the index order was fixed."""
        return self._verified

    def verify_states(self, states: Iterable[StateName]) -> None:
        """Fix the index order of states. Raises `SchemaError` unless every state is named."""
        if self._walk.disposing:
            return
        names = verified_names(self.id, self._blueprint, tuple(map(state_name, states)))
        if names != self._names:
            if self._walk.running:
                raise SchemaError(
                    f"schema error: {self.id} cannot change its index order during a transition"
                )
            self._take_names(self._blueprint.with_names(names), self.clock())
        self._verified = True
        for hook in self.tracers.verify_states:
            hook(self)

    def set_schema(self, schema: SchemaLike, states: Iterable[StateName]) -> None:
        """Take a larger schema. Raises `SchemaError` during a transition, or when it does not grow."""
        schema = schema_of(schema)
        names = tuple(map(state_name, states))
        if self._walk.running:
            raise SchemaError("schema error: cannot set schema during a transition")
        if len(schema) <= len(self._schema):
            raise SchemaError(f"schema error: new schema too short (> {len(self._schema)} states)")
        if len(schema) != len(names):
            raise SchemaError("schema error: new schema has to be the same length as state names")
        made = blueprint(schema, strict=self._walk.options.strict)
        if made.conflicts:
            raise SchemaError("\n".join(made.conflicts))
        lost = [name for name in self._names if name not in made.schema]
        if lost:
            raise SchemaError(
                f"schema error: {self.id} would lose {' '.join(lost)}; a new schema keeps every state"
            )
        old = self._schema
        made = made.with_names(verified_names(self.id, made, names))
        clock = self.clock()
        self._take_names(made, clock)
        self._verified = True
        for hook in self.tracers.verify_states:
            hook(self)
        for hook in self.tracers.schema_change:
            hook(self, old)

    def set_groups(self, groups: Mapping[str, Iterable[str]]) -> None:
        """Name groups of states; unknown states are left out."""
        self._groups = {
            name: tuple(self._index[state] for state in states if state in self._index)
            for name, states in groups.items()
        }

    def set_tags(self, tags: Iterable[str]) -> None:
        """Replace the tags."""
        self._tags = tuple(tags)

    def _take_names(
        self, made: Blueprint, clock: Mapping[str, int], order: Iterable[str] | None = None
    ) -> None:
        """Take another index order, or schema. Active states are those with odd ticks, in the order given."""
        walk = self._walk
        kept = self.active_order if order is None else tuple(order)
        groups = {group: [self._names[i] for i in members] for group, members in self._groups.items()}
        self._blueprint = made
        self._schema = made.schema
        self._names = made.names
        self._index = made.index
        self._clock[:] = [clock.get(name, 0) for name in made.names]
        walk.order = tuple([made.index[name] for name in kept])
        walk.active = mask_of(walk.order)
        walk.rules = made.relations
        if walk.handlers is None:
            walk.memory = made.memory
            walk.changed()
        else:
            self._bound(self._bindings)
        if self._subscriptions is not None:
            self._subscriptions.renamed(made.names, self.is_)
        self.set_groups(groups)

    # -- carrying clocks ---------------------------------------------------------------------------

    def export(self) -> Exported:
        """The clocks, to be imported elsewhere. Raises `SchemaError` unless the index order was fixed."""
        if not self._verified:
            raise SchemaError("schema error: call VerifyStates first")
        self.log_line(3, f"[import] exported at {sum(self._clock)} ticks")
        return Exported(self.id, self._names, self.time(), self._walk.queue.tick, self._machine_tick)

    def import_(self, data: Exported) -> None:
        """Take over exported clocks; nothing changes if they do not fit. Raises `ImportMismatchError`."""
        if self.id != data.id:
            raise ImportMismatchError("import ID mismatch")
        if len(self._names) != len(data.state_names) or len(data.time) != len(data.state_names):
            raise ImportMismatchError("schema error: importing diff state len")
        for name in data.state_names:
            if name not in self._index:
                raise ImportMismatchError(f"state unknown: {name}")
        if self._walk.running:
            raise ImportMismatchError(f"{self.id} cannot take over clocks during a transition")
        before = self._walk.active
        clock = dict(zip(data.state_names, data.time, strict=True))
        names = [name for name in data.state_names if clock[name] & 1]
        was = {self._names[state] for state in range(len(self._names)) if before >> state & 1}
        self._take_names(self._blueprint.with_names(data.state_names), clock, names)
        self._verified = True
        self._machine_tick = data.machine_tick + 1
        waits = self._subscriptions
        if waits is not None:
            walk = self._walk
            entered = [state for state in walk.order if self._names[state] not in was]
            left = [self._index[name] for name in was if name not in names]
            call_all(waits.after_transition(entered, left, walk.active, self._clock, walk.queue.tick))
        if self.has("MachineRestored"):
            self.add("MachineRestored")
        self.log_line(2, f"[import] imported {self._machine_tick} times, now at {sum(data.time)} ticks")

    # -- the end -----------------------------------------------------------------------------------

    def on_dispose(self, callback: Callable[[Machine], object]) -> Callable[[], None]:
        """Call `callback(machine)` when the machine goes. What is returned takes the callback out again."""
        token = object()
        self._on_dispose[token] = callback

        def undo() -> None:
            self._on_dispose.pop(token, None)

        return undo

    def dispose(self) -> None:
        """End the machine: a Start state is removed first, then everything that waits ends. Idempotent.

        Inside a handler it takes effect once the queue has run.
        """
        walk = self._walk
        if walk.disposing:
            return
        if walk.running:
            walk.dispose_next = True
            return
        try:
            if self.has("Start") and self.is_("Start"):
                self.remove("Start")
        finally:
            self.dispose_now()

    def dispose_now(self) -> None:
        """End the machine without letting it finish anything. Raises the first error of those who are told."""
        walk = self._walk
        if walk.disposing:
            return
        walk.disposing = walk.log.silent = True
        walk.changed()
        walk.queue.clear()
        callbacks, self._on_dispose = list(self._on_dispose.values()), {}
        calls: list[Callable[[], object]] = [
            *(partial(hook, self.id) for hook in self.tracers.machine_dispose),
            lambda: self._end(f"machine {self.id} was disposed of"),
            *(partial(callback, self) for callback in callbacks),
        ]
        if walk.running:
            walk.tell(calls)
        else:
            call_all(calls)

    # -- inside ------------------------------------------------------------------------------------

    @property
    def subscriptions(self) -> Subscriptions:
        """Who waits for what here. Raises `WrongThreadError` in a thread that does not own the machine."""
        thread = self._walk.thread
        if thread is not None and thread != get_ident():
            raise WrongThreadError(
                f"{self.id} belongs to another thread: a wait made here could miss what happens there. "
                f"Wait in the thread that mutates it, and tell this one from a callback"
            )
        self._walk.generation += 1  # a handler may be waiting for what its own transition does
        return super().subscriptions

    def _active_mask(self) -> int:
        return self._walk.active

    def _is_idle(self) -> bool:
        return not self._walk.running

    def __copy__(self) -> NoReturn:
        raise TypeError(
            f"machine {self.id} cannot be copied: its handlers, waits and queue belong to it alone. "
            f"Make another one of the same schema, and carry the clocks over: other.import_(machine.export())"
        )

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__copy__()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"machine {self.id} cannot be pickled: its handlers, waits and queue belong to this process. "
            f"Pickle machine.export(), and import it into a machine of the same schema"
        )


__all__ = ["CANCELED", "EXECUTED", "Exported", "Machine", "Preview", "UnknownStateError"]
