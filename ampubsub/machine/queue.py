"""The queue of a machine: what waits to be carried out, and what can be asked about it. Also the machine's log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from threading import get_ident
from time import monotonic

from ampubsub.machine.blueprint import Blueprint
from ampubsub.machine.clock import Time
from ampubsub.machine.errors import WrongThreadError
from ampubsub.machine.handlers import Binding, Handler
from ampubsub.machine.log_args import format_args
from ampubsub.machine.mutation import Args, Mutation
from ampubsub.machine.options import LogLevel, Options
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.tracing import Tracer, TracerSet
from ampubsub.machine.transition import Event, Transition
from ampubsub.machine.view import MachineView

_COUNTER = {MutationKind.ADD: MutationKind.REMOVE, MutationKind.REMOVE: MutationKind.ADD}


class QueueView(MachineView):
    """The state of a machine that its engine and its entry points share."""

    def __init__(
        self,
        machine_id: str,
        blueprint: Blueprint,
        *,
        tags: Iterable[str],
        parent_id: str,
        options: Options,
        tracers: Iterable[Tracer],
    ) -> None:
        super().__init__(machine_id, blueprint.schema, blueprint.names, tags=tags, parent_id=parent_id)
        self._blueprint = blueprint
        self.relations = blueprint.relations
        self.options = options
        self.tracers = TracerSet(tracers)
        self.on_change: Callable[[QueueView, Time, Time], object] | None = None
        """Called with the times before and after each transition that is not a check, canceled ones included."""
        self.on_error: Callable[[QueueView, BaseException], object] | None = None
        """Called with each error given to `add_err`; not for exceptions of handlers."""
        self.spawn: Callable[[Handler, Event], None] | None = None
        """Starts an async handler as a task; set by the machine's owner (`trio_adapter.own`)."""
        self._active: tuple[str, ...] = ()
        self._bindings: tuple[Binding, ...] = ()
        self._ever_bound = False
        self._queue: deque[Mutation] = deque()
        self._queue_tick = 1
        self._pending = 0
        self._token = 0
        self._processing = False
        self._disposing = False
        self._transition: Transition | None = None
        self._transition_count = 0
        self._backoff_until = 0.0
        self._error: BaseException | None = None
        self._log_pending: list[tuple[int, str]] = []
        self._thread: int | None = None

    # What the engine asks of the entry points above it.

    def prepend(self, mutation: Mutation) -> Result:
        """Put a mutation in front of the queue."""
        raise TypeError("a queue alone carries nothing out")

    def add_err(
        self, error: BaseException | None, args: Args | None = None, event: Event | None = None
    ) -> Result:
        """Add the Exception state."""
        raise TypeError("a queue alone carries nothing out")

    # -- asking ------------------------------------------------------------------------------------

    @property
    def queue_tick(self) -> int:
        """How many appended mutations have run, plus one."""
        return self._queue_tick

    @property
    def active_order(self) -> tuple[str, ...]:
        """Active states in the order in which the last transition put them: the order of their handlers."""
        return self._active

    @property
    def queue_len(self) -> int:
        """How many mutations wait, the running one not counted."""
        return len(self._queue)

    @property
    def queue(self) -> tuple[Mutation, ...]:
        """What waits, next first."""
        return tuple(self._queue)

    @property
    def transition(self) -> Transition | None:
        """The transition being carried out, if any."""
        return self._transition

    @property
    def is_backing_off(self) -> bool:
        """A handler missed its deadline not long ago; mutations are refused for now."""
        return self._backoff_until > 0.0 and monotonic() < self._backoff_until

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
        queue: Iterable[Mutation] = self._queue
        if position == "first":
            queue = list(self._queue)[:1]
        elif position == "last":
            queue = list(self._queue)[-1:]
        for i, mutation in enumerate(queue):
            if self._matches(mutation, kind, states, without_args, strict, min_queue_tick, check):
                return True, i, mutation.queue_tick
        return False, 0, 0

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
        found = 0
        for mutation in self._queue:
            if self._matches(mutation, kind, states, without_args, strict, min_queue_tick, False):
                found += 1
                if found >= threshold:
                    return True
        return False

    def will_be(self, *states: str, position: str = "any") -> bool:
        """Whether adding these states is queued."""
        return not self._disposing and self.is_queued(MutationKind.ADD, states, position=position)[0]

    def will_be_removed(self, *states: str, position: str = "any") -> bool:
        """Whether removing these states is queued."""
        return not self._disposing and self.is_queued(MutationKind.REMOVE, states, position=position)[0]

    @staticmethod
    def _matches(
        mutation: Mutation,
        kind: MutationKind,
        states: Sequence[str],
        without_args: bool,
        strict: bool,
        min_queue_tick: int,
        check: bool,
    ) -> bool:
        called = mutation.called
        return (
            mutation.kind is kind
            and mutation.check == check
            and not (min_queue_tick and mutation.queue_tick < min_queue_tick)
            and not (without_args and mutation.args)
            and (len(called) == len(states) if strict else len(called) >= len(states))
            and all(state in called for state in states)
        )

    def _is_duplicate(self, kind: MutationKind, states: Sequence[str]) -> bool:
        """Whether an equal mutation without arguments waits, and nothing behind it takes it back."""
        found, position, queue_tick = self.is_queued(kind, states, without_args=True, strict=True)
        if not found:
            return False
        counter = _COUNTER.get(kind)
        if counter is None:
            return position > 0 and len(self._queue) > 1
        return not self.is_queued(counter, states, min_queue_tick=queue_tick + 1)[0]

    def _is_idle(self) -> bool:
        return not self._processing

    # -- the log -----------------------------------------------------------------------------------

    def log(self, text: str) -> None:
        """Write a line of the program's own to the machine's log (level external)."""
        self.log_line(1, "[exter] " + text.replace("\n", " "))

    def log_line(self, level: int, text: str) -> None:
        """Write one line to the log, kept with the running transition and given to the logger."""
        options = self.options
        if level > options.log_level or self._disposing:
            return
        if options.log_id:
            text = f"[{self.id[:5]}] {text}"
        if options.logger is not None:
            options.logger(LogLevel(level), text)
        transition = self._transition
        if transition is not None and not transition.completed:
            transition.log.append((level, text))
        elif not self._log_pending or self._log_pending[-1][1] != text or "[pipe-" in text:
            self._log_pending.append((level, text))

    def _log_args(self, mutation: Mutation) -> str:
        mapper = self.options.log_args
        if mapper is None or not mutation.args:
            return ""
        return format_args(mapper(mutation.args) or {})

    # -- threads -----------------------------------------------------------------------------------

    def _check_thread(self) -> None:
        thread = get_ident()
        if self._thread is None:
            self._thread = thread
        elif self._thread != thread:
            raise WrongThreadError(
                f"{self.id} was mutated from another thread than its own: machines are not locked. "
                f"Hand it over with machine.release(), or call from the thread that owns it"
            )

    def release(self) -> None:
        """Let the next thread that mutates the machine own it."""
        self._thread = None
