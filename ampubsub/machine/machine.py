"""The machine: what a program holds in its hand. Entry points of mutations, handlers, tracers, life and death.

How a mutation is carried out stands in `engine.py`, how relations decide in `relations.py`, waiting in
`subscriptions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import urandom
from typing import Any

from ampubsub.machine.blueprint import Blueprint, blueprint, verified_names
from ampubsub.machine.clock import Time
from ampubsub.machine.engine import Panic, _trace
from ampubsub.machine.errors import HandlerError, ImportMismatchError, MachineError, SchemaError, StatePanic
from ampubsub.machine.handlers import Binding
from ampubsub.machine.mutation import NO_ARGS, Args, Mutation
from ampubsub.machine.options import Options
from ampubsub.machine.planned import PlannedEngine
from ampubsub.machine.relations import Findings
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.schema import Schema, State
from ampubsub.machine.steps import Step
from ampubsub.machine.tracing import Tracer
from ampubsub.machine.transition import Event, Transition
from ampubsub.machine.view import EXCEPTION

ADD, REMOVE, SET = MutationKind.ADD, MutationKind.REMOVE, MutationKind.SET
EXECUTED, CANCELED = Result.EXECUTED, Result.CANCELED


@dataclass(frozen=True, slots=True)
class Exported:
    """A machine's clocks, to be carried elsewhere and imported by a machine with the same id and states."""

    id: str
    state_names: tuple[str, ...]
    time: Time
    queue_tick: int
    machine_tick: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What relations would make of a mutation now. Handlers are not asked; they may still refuse."""

    accepted: bool
    target: tuple[str, ...]
    enters: tuple[str, ...]
    exits: tuple[str, ...]
    refused: tuple[str, ...]
    """Called states that relations do not let through."""
    steps: tuple[Step, ...]
    removed_by: tuple[tuple[str, tuple[str, ...]], ...]
    """States that would be dropped, and by which."""
    missing: tuple[tuple[str, tuple[str, ...]], ...]
    """States that could not be, and what they need."""


class Machine(PlannedEngine):
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
        schema: Schema,
        *,
        id: str | None = None,
        states: Iterable[str] | None = None,
        handlers: object = None,
        tags: Iterable[str] = (),
        parent: Machine | str | None = None,
        tracers: Iterable[Tracer] = (),
        options: Options | None = None,
        groups: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        known = blueprint(schema)
        super().__init__(
            id or urandom(16).hex(),
            known,
            tags=tags,
            parent_id=parent if isinstance(parent, str) else parent.id if parent is not None else "",
            options=options if options is not None else Options(),
            tracers=tracers,
        )
        self._node = None
        self._graph = None
        self._road = None
        self._verified = False
        self._machine_tick = 0
        self._on_dispose: list[Callable[[Machine], object]] = []
        self._breakpoints: tuple[tuple[tuple[str, ...], tuple[str, ...], bool], ...] = ()
        self.breakpoint_hook: Callable[[], object] | None = None
        """Called at breakpoints, for instance the built-in `breakpoint`."""
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

    def add(self, *states: str, args: Args | None = None, event: Event | None = None) -> Result:
        """Activate states. `event` names the handler's event that this comes from.

        Executed, canceled, or (inside a handler) queued. Raises `UnknownStateError`.
        """
        node = self._node
        if node is not None and event is None:
            plan = node.adds.get(states)
            if plan is not None:
                result = self._run_idle(plan, args)
                if result is not None:
                    return result
        if self._refuses() or (
            self._full() and (event is not None or EXCEPTION not in states or self.is_err())
        ):
            return CANCELED
        return self._mutate(ADD, states, args, event, 0 if event is None else 1)

    def remove(self, *states: str, args: Args | None = None, event: Event | None = None) -> Result:
        """Deactivate states. Raises `UnknownStateError`."""
        node = self._node
        if node is not None and event is None:
            plan = node.removes.get(states)
            if plan is not None:
                result = self._run_idle(plan, args)
                if result is not None:
                    return result
        if self._refuses() or (
            self._full() and (event is not None or EXCEPTION not in states or not self.is_err())
        ):
            return CANCELED
        if self._transition is not None and not self._queue and not self.any(*states):
            return EXECUTED
        return self._mutate(REMOVE, states, args, event, 1)

    def set(self, *states: str, args: Args | None = None, event: Event | None = None) -> Result:
        """Make these states, with what they imply, the only active ones. Raises `UnknownStateError`."""
        node = self._node
        if node is not None and event is None:
            plan = node.sets.get(states)
            if plan is not None:
                result = self._run_idle(plan, args)
                if result is not None:
                    return result
        if self._disposing or self._full():
            return CANCELED
        return self._mutate(SET, states, args, event, 1)

    def toggle(self, *states: str, args: Args | None = None, event: Event | None = None) -> Result:
        """Remove the states if all are active, else add them."""
        change = self.remove if self.is_(*states) else self.add
        return CANCELED if self._disposing else change(*states, args=args, event=event)

    def can_add(self, *states: str, args: Args | None = None) -> Result:
        """Whether adding would be accepted now, relations and handlers asked; nothing changes."""
        return CANCELED if self._refuses() else self.prepend(Mutation(ADD, states, args, check=True))

    def can_remove(self, *states: str, args: Args | None = None) -> Result:
        """Whether removing would be accepted now; nothing changes."""
        return CANCELED if self._refuses() else self.prepend(Mutation(REMOVE, states, args, check=True))

    def add_err(
        self, error: BaseException | None, args: Args | None = None, event: Event | None = None
    ) -> Result:
        """Add the Exception state for an error; no error, no mutation."""
        return self.add_err_state(EXCEPTION, error, args, event)

    def add_err_state(
        self, state: str, error: BaseException | None, args: Args | None = None, event: Event | None = None
    ) -> Result:
        """Add an error state together with Exception."""
        if error is None or self._refuses() or (event is not None and self._full()):
            return CANCELED
        self._error = error
        trace = _trace(error) if self.options.log_stack_traces else ""
        if self.on_error is not None:
            self.on_error(self, error)
        states = (EXCEPTION,) if state == EXCEPTION else (state, EXCEPTION)
        return self.add(*states, args={**(args or {}), "_am_err": error, "_am_errTrace": trace}, event=event)

    def prepend(self, mutation: Mutation) -> Result:
        """Put a mutation in front of everything that waits: no limit, no de-duplication, no queue tick."""
        if self._disposing:
            return CANCELED
        self._check_thread()
        mutation.called = tuple(dict.fromkeys(mutation.called))
        is_eval = mutation.eval is not None
        if not is_eval:
            self._known_for(mutation)
        if self.options.log_level >= 3:
            called = " ".join(mutation.called)
            self.log_line(3, f"[prepend:{mutation.kind.value}] {called}{self._log_args(mutation)}")
        self._queue.appendleft(mutation)
        if not is_eval:
            self._token += 1
            mutation.queue_len = len(self._queue)
            mutation.queue_token = self._token
            mutation.queue_tick_now = self._queue_tick
            for hook in self.tracers.mutation_queued:
                hook(self, mutation)
        return self._process_queue()

    def eval(self, source: str, function: Callable[[], object], ctx: Any = None) -> bool:
        """Run a function between transitions; False when the machine is going or the context has ended.

        Inside a handler it could only wait for itself, which raises `MachineError`.
        """
        if self._disposing:
            return False
        if not source:
            raise MachineError("error: source of eval is required")
        if self._processing:
            raise MachineError(
                f"{self.id}: eval {source!r} was called inside a handler and would wait for itself; call the function"
            )
        self.log_line(3, f"[eval] {source}")
        ran = False

        def run() -> None:
            nonlocal ran
            ran = True
            function()

        mutation = Mutation(MutationKind.EVAL, ())
        mutation.eval, mutation.eval_source, mutation.context = run, source, ctx
        self.prepend(mutation)
        self.log_line(5 if ran else 4, f"[eval:{'end' if ran else 'ctxdone'}] {source}")
        return ran

    def preview(self, kind: MutationKind, *states: str) -> Preview:
        """What relations would make of a mutation now, without touching anything. Raises `UnknownStateError`."""
        self._known(states)
        called = tuple(dict.fromkeys(states))
        findings = Findings(record_steps=True, record_adds=True)
        base = self.relations.base(kind, called, self._active)
        target = self.relations.resolve(kind, called, self._active, base, findings)
        refused = () if kind is REMOVE else tuple(name for name in called if name not in target)
        active = self._active
        multi = [name for name in called if name in active and self._schema[name].multi]
        return Preview(
            accepted=not refused,
            target=tuple(target),
            enters=tuple(name for name in target if name not in active or name in multi),
            exits=tuple(name for name in active if name not in target),
            refused=refused,
            steps=tuple(findings.steps),
            removed_by=tuple(findings.removed_by),
            missing=tuple((name, needs) for found in findings.missing for name, needs in found.items()),
        )

    def _mutate(
        self, kind: MutationKind, states: Sequence[str], args: Args | None, event: Event | None, behind: int
    ) -> Result:
        """Queue and run. `behind` is what Go adds to the queue tick it answers with."""
        self._check_thread()
        self._known(states)
        called = tuple(dict.fromkeys(states))
        plain = not args and self._queue and not any(self._schema[name].multi for name in called)
        if plain and self._is_duplicate(kind, called):
            self.log_line(3, f"[queue:skipped] Duplicate detected for [{kind.value}] {' '.join(called)}")
            return EXECUTED
        source = event.transition.source if event is not None else None
        mutation = Mutation(kind, called, args or NO_ARGS, source=source)
        self._queue.append(mutation)
        self._pending += 1
        mutation.queue_len = len(self._queue)
        mutation.queue_tick = self._pending + self._queue_tick
        mutation.queue_tick_now = self._queue_tick
        if self.options.log_level >= 3:
            self.log_line(3, f"[queue:{kind.value}] {' '.join(called)}{self._log_args(mutation)}")
        for hook in self.tracers.mutation_queued:
            hook(self, mutation)
        if self._breakpoints and kind is not SET:
            self._break(kind, called)
            self._break(kind, called)  # Go looks twice, once when queueing and once before running
        result = self._process_queue()
        return Result(mutation.queue_tick + behind) if result >= 2 else result

    def _refuses(self) -> bool:
        return self._disposing or self.is_backing_off

    def _full(self) -> bool:
        return len(self._queue) >= self.options.queue_limit

    def _known_for(self, mutation: Mutation) -> None:
        if mutation.check:
            unknown = [f"unknown{self.index(name)}" for name in mutation.called if name not in self._index]
            self._known(unknown)
        self._known(mutation.called)

    def add_breakpoint(
        self, added: Iterable[str] = (), removed: Iterable[str] = (), *, strict: bool = False
    ) -> None:
        """Write a line to the log (level changes) whenever exactly these states are asked to be added or removed.

        `strict` leaves out mutations that would change nothing. With `breakpoint_hook` set, that is called too.
        """
        self._breakpoints = (*self._breakpoints, (tuple(added), tuple(removed), strict))

    def _break(self, kind: MutationKind, called: tuple[str, ...]) -> None:
        for added, removed, strict in self._breakpoints:
            wanted, other = (added, self.is_) if kind is ADD else (removed, self.not_)
            if wanted != called or (strict and other(*wanted)):
                continue
            self.log_line(2, "[breakpoint] Machine.breakpoint")
            if self.breakpoint_hook is not None:
                self.breakpoint_hook()
            return

    # -- errors ------------------------------------------------------------------------------------

    @property
    def err(self) -> BaseException | None:
        """The last error, also after Exception was removed."""
        return self._error

    @contextmanager
    def panic_to_err(self, state: str = EXCEPTION) -> Iterator[None]:
        """An exception inside the block becomes the machine's, as that error state."""
        try:
            yield
        except Exception as error:
            if not self.options.panic_to_exception:
                raise
            self.add_err_state(state, error)

    # -- handlers and tracers ----------------------------------------------------------------------

    @property
    def has_handlers(self) -> bool:
        """Whether any handlers are bound."""
        return bool(self._bindings)

    def bind_handlers(self, handlers: object) -> None:
        """Bind an object with handler methods, or a mapping of handler names to functions."""
        if self._disposing:
            return
        first = not self._ever_bound
        self._ever_bound = True
        binding = Binding(handlers)
        self._bindings = (*self._bindings, binding)
        self._forget_plans()
        self.log_line(3, f"[handlers] bind {binding.name}")
        if first and self.is_err():
            self.add_err(self._error)

    def detach_handlers(self, handlers: object) -> None:
        """Unbind what `bind_handlers` was given. Raises `HandlerError` when it is not bound."""
        if self._disposing:
            return
        for binding in self._bindings:
            if binding.source is handlers:
                self._bindings = tuple(other for other in self._bindings if other is not binding)
                self._forget_plans()
                self.log_line(3, f"[handlers] detach {binding.name}")
                return
        raise HandlerError("handlers not bound")

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

    def verify_states(self, states: Iterable[str]) -> None:
        """Fix the index order of states. Raises `SchemaError` unless every state is named."""
        if self._disposing:
            return
        self._reorder(verified_names(self.id, self._blueprint, tuple(states)))
        self._verified = True
        for hook in self.tracers.verify_states:
            hook(self)

    def set_schema(self, schema: Schema, states: Iterable[str]) -> None:
        """Take a larger schema. Raises `SchemaError` during a transition, or when it does not grow."""
        names = tuple(states)
        if self._transition is not None:
            raise SchemaError("schema error: cannot set schema during a transition")
        if len(schema) <= len(self._schema):
            raise SchemaError(f"schema error: new schema too short (> {len(self._schema)} states)")
        if len(schema) != len(names):
            raise SchemaError("schema error: new schema has to be the same length as state names")
        made = blueprint(schema)
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
        self._blueprint = made
        self._schema = made.schema
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

    def _reorder(self, names: tuple[str, ...]) -> None:
        if names != self._names:
            self._take_names(self._blueprint.with_names(names), self.clock())

    def _take_names(self, made: Blueprint, clock: Mapping[str, int]) -> None:
        groups = {group: [self._names[i] for i in members] for group, members in self._groups.items()}
        self._blueprint = made
        self._forget_plans()
        self.relations = made.relations
        self._names = made.names
        self._index = {name: i for i, name in enumerate(made.names)}
        self._clock = [clock.get(name, 0) for name in made.names]
        if self._subscriptions is not None:
            self._subscriptions.quiet.clear()
        self.set_groups(groups)

    # -- carrying clocks ---------------------------------------------------------------------------

    def export(self) -> Exported:
        """The clocks, to be imported elsewhere. Raises `SchemaError` unless the index order was fixed."""
        if not self._verified:
            raise SchemaError("schema error: call VerifyStates first")
        self.log_line(3, f"[import] exported at {sum(self._clock)} ticks")
        return Exported(self.id, self._names, self.time(), self._queue_tick, self._machine_tick)

    def import_(self, data: Exported) -> None:
        """Take over exported clocks; nothing changes if they do not fit. Raises `ImportMismatchError`."""
        if self.id != data.id:
            raise ImportMismatchError("import ID mismatch")
        if len(self._names) != len(data.state_names) or len(data.time) != len(data.state_names):
            raise ImportMismatchError("schema error: importing diff state len")
        for name in data.state_names:
            if name not in self._index:
                raise ImportMismatchError(f"state unknown: {name}")
        self._take_names(
            self._blueprint.with_names(data.state_names), dict(zip(data.state_names, data.time, strict=True))
        )
        self._active = tuple(name for name, tick in zip(self._names, self._clock, strict=True) if tick & 1)
        self._node = None
        self._verified = True
        self._machine_tick = data.machine_tick + 1
        if self.has("MachineRestored"):
            self.add("MachineRestored")
        self.log_line(2, f"[import] imported {self._machine_tick} times, now at {sum(data.time)} ticks")

    # -- the end -----------------------------------------------------------------------------------

    def on_dispose(self, callback: Callable[[Machine], object]) -> None:
        """Call `callback(machine)` when the machine goes."""
        self._on_dispose.append(callback)

    def dispose(self) -> None:
        """End the machine: a Start state is removed first, then everything that waits ends. Idempotent.

        Inside a handler it takes effect once the queue has run.
        """
        if self._disposing:
            return
        if self._processing:
            mutation = Mutation(MutationKind.EVAL, ())
            mutation.eval, mutation.eval_source = self.dispose_now, "dispose"
            self._queue.append(mutation)
            return
        if self.has("Start") and self.is_("Start"):
            self.remove("Start")
        self.dispose_now()

    def dispose_now(self) -> None:
        """End the machine without letting it finish anything."""
        if self._disposing:
            return
        self._disposing = True
        self._forget_plans()
        for hook in self.tracers.machine_dispose:
            hook(self.id)
        self._queue.clear()
        self._end(f"machine {self.id} was disposed of")
        for callback in self._on_dispose:
            callback(self)
        self._on_dispose.clear()


__all__ = [
    "CANCELED",
    "EXECUTED",
    "Exported",
    "Machine",
    "Panic",
    "Preview",
    "State",
    "StatePanic",
    "Transition",
]
