"""Carrying out one mutation after the other: negotiation, new clocks, final handlers, Auto states.

Theory of operation
-------------------
The queue holds mutations; whoever adds one to an idle machine runs the queue until it is empty, on its own
stack. What a handler adds is queued and runs afterwards. Each mutation becomes one transition:

1. *Relations* turn the called states into target states (`relations.py`). An add or set whose called states
   do not all survive is not accepted. An Auto mutation needs only one that survives.
2. *Negotiation*: `XExit` of those that leave, `XEnter` of those that come, `XX` of those that stay, `BA` for
   each active B and target A, `AnyEnter`. The first that returns False cancels the transition; in an Auto
   mutation it takes only its own Auto state out. Nothing has changed so far.
3. *Clocks*: target states become active. Entered and left states tick by 1, re-entered Multi states by 2.
4. *Final handlers*: `XEnd` of those that left, `XState` of those that came, `AnyState`. They cannot refuse.
   An exception rolls back the states whose final handlers have not run, and adds Exception.
5. *Auto*: if a clock changed, inactive Auto states that nothing removes are added, before what is queued.
6. *Subscriptions* fire. Then the next in the queue.

A check (`can_add`, `can_remove`) stops after 2. All of it but the answers of handlers is known beforehand, as a
`Resolution`, remembered or fresh; this file walks along it, and there is one walk. An `Account` tells onlookers.

**What raises.** Handlers, tracers, callbacks and loggers are others' code. Whatever they raise is caught where they are called, the
walk goes on, and the first of it is raised again once the queue is empty, by the call that ran the queue. What is no `Exception`
(`KeyboardInterrupt`, `trio.Cancelled`) also cancels what waits in the queue. An `Exception` of a handler is not raised
again but becomes the state Exception (`Options.panic_to_exception`). Source: asyncmachine manual, "Transition lifecycle".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from ampubsub.machine.account import Account
from ampubsub.machine.blueprint import Blueprint
from ampubsub.machine.calling import carry_out, entered, negotiate
from ampubsub.machine.errors import WrongThreadError
from ampubsub.machine.handlers import Handlers
from ampubsub.machine.log import Log
from ampubsub.machine.mutation import NO_ARGS, Args, Eval, Mutation, is_health
from ampubsub.machine.options import Options
from ampubsub.machine.queue import Queue
from ampubsub.machine.relations import mask_of
from ampubsub.machine.resolution import Memory, Place, Resolution
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.tracing import TracerSet
from ampubsub.machine.transition import Transition

if TYPE_CHECKING:
    from ampubsub.machine.machine import Machine

ADD, EVAL = MutationKind.ADD, MutationKind.EVAL
EXECUTED, CANCELED = Result.EXECUTED, Result.CANCELED
QUEUED = Result(2)
_STRIDE_TICKS = 4
"""A mutation and the Auto mutation after it tick no state more often."""
_NOWHERE = Place((), 0)
"""Where a machine is that cannot use what is remembered."""


class Walk:
    """What carries out the mutations of one machine, and what it has to know for that."""

    __slots__ = (
        "active",
        "backoff_until",
        "clock",
        "count",
        "dispose_next",
        "disposing",
        "error",
        "failures",
        "generation",
        "handlers",
        "log",
        "machine",
        "memory",
        "options",
        "order",
        "place",
        "queue",
        "rules",
        "running",
        "stands",
        "thread",
        "tracers",
    )

    def __init__(
        self, machine: Machine, known: Blueprint, clock: list[int], options: Options, tracers: TracerSet
    ) -> None:
        self.machine = machine
        self.clock = clock
        self.options = options
        self.tracers = tracers
        self.queue = Queue()
        self.log = Log(machine.id, options, self.failed)
        self.order: tuple[int, ...] = ()
        """Active states, in the order in which the last transition put them."""
        self.active = 0
        """Their mask."""
        self.rules = known.relations
        self.handlers: Handlers | None = None
        """None until any were bound."""
        self.memory: Memory = known.memory
        self.place = _NOWHERE
        """Where the machine stands while it is idle."""
        self.stands: tuple[tuple[int, ...] | None, Place | None] = (None, None)
        """The order that it stood at last, and its place in the memory, if it has been there before."""
        self.count = 0
        """Transitions so far."""
        self.running = False
        self.disposing = False
        self.dispose_next = False
        """Dispose of the machine once the queue has run."""
        self.generation = 0
        """Grows when something happens in a handler that the rest of the walk has to heed."""
        self.failures: list[BaseException] | None = None
        """What others' code raised during the present run of the queue."""
        self.backoff_until = 0.0
        self.error: BaseException | None = None
        self.thread: int | None = None

    # -- what everything goes through --------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the queue takes no more."""
        return len(self.queue.waiting) >= self.options.queue_limit

    def failed(self, error: BaseException) -> None:
        """Others' code raised: to be raised again once the queue has run, or at once when it does not."""
        if not self.running:
            raise error
        self._keep(error)
        if not isinstance(error, Exception):
            self.queue.cancel()

    def _keep(self, error: BaseException) -> None:
        if self.failures is None:
            self.failures = []
        self.failures.append(error)

    def tell(self, hooks: Iterable[Callable[..., object]], *args: Any) -> None:
        """Call hooks, all of them."""
        for hook in hooks:
            try:
                hook(*args)
            except BaseException as error:
                self.failed(error)

    def check_thread(self) -> None:
        """Raise `WrongThreadError` unless the present thread owns the machine; nobody's is taken."""
        thread = get_ident()
        if self.thread is None:
            self.thread = thread
        elif self.thread != thread:
            raise WrongThreadError(
                f"{self.machine.id} was mutated from another thread than its own: machines are not locked. "
                f"Hand it over with machine.release(), or call from the thread that owns it"
            )

    def changed(self) -> None:
        """Handlers or the schema changed, or the machine goes: what is remembered is of no use."""
        self.generation += 1
        self.place = _NOWHERE
        self.stands = (None, None)

    def append(self, mutation: Mutation) -> Result:
        """Queue a mutation and run the queue, unless it runs already."""
        self.queue.append(mutation)
        return self.run(mutation)

    def prepend(self, mutation: Mutation) -> Result:
        """Put a mutation in front and run the queue, unless it runs already."""
        self.queue.prepend(mutation)
        return self.run(mutation)

    def _announce(self, mutation: Mutation) -> None:
        """Tell onlookers of a mutation in the queue."""
        if self.options.log_level < 3 and not self.tracers.mutation_queued and not self.machine.breakpoints:
            return
        if self.options.log_level >= 3:
            place = "queue" if mutation.queue_tick else "prepend"
            called = " ".join(mutation.called)
            self.log.line(3, f"[{place}:{mutation.kind.value}] {called}{self.log.args(mutation.args)}")
        if mutation.kind is EVAL:
            return
        if self.tracers.mutation_queued:
            self.tell(self.tracers.mutation_queued, self.machine, mutation)
        if mutation.queue_tick and self.machine.breakpoints:
            self.tell((self.machine.stop_at,), mutation)

    # -- from an idle machine ----------------------------------------------------------------------

    def again(self, resolution: Resolution, args: Args | None) -> Result | None:
        """Carry out what is remembered at the machine's place; None when somebody looks on too closely for that."""
        options, tracers, machine = self.options, self.tracers, self.machine
        if (
            options.log_level > 1
            or options.record_steps
            or tracers.wants_more
            or machine.on_change is not None
            or machine.breakpoints
        ):
            return None
        if get_ident() != self.thread:
            self.check_thread()
        waits = machine._subscriptions
        if not tracers.any_transition:
            stride = resolution.stride
            if stride is None and not (resolution.asks or resolution.finals):
                stride = self.memory.stride(resolution, options.remember_plans)
            if stride is not None and (
                waits is None
                or not (waits.args or waits.cares(stride.entered, stride.left, self.clock, _STRIDE_TICKS))
            ):
                queue = self.queue
                queue.tick += 1
                queue.token += stride.transitions - 1
                self.count += stride.transitions
                clock = self.clock
                for state, more in stride.ticks:
                    clock[state] += more
                place = self.place = stride.place
                self.order = place.order
                self.active = place.active
                return resolution.result
        queue = self.queue
        queue.tick += 1
        outer, self.failures = self.failures, None
        memory, result = self.memory, CANCELED
        self.running = True
        self.place = _NOWHERE
        try:
            try:
                result = self._walk(None, resolution, args or NO_ARGS)
            except BaseException as error:
                self._torn(error)
            if queue.waiting:
                self._drain(None)
            waits = machine._subscriptions
            if tracers.queue_end or (waits is not None and waits.queue_ends):
                self._over()
        finally:
            self.log.transition = None
            self.running = False
        if self.dispose_next:
            self._dispose()
        if (
            self.order is resolution.target
            and resolution.next is not None
            and self.memory is memory
            and not (self.backoff_until or self.disposing)
        ):
            self.place = resolution.next
        else:
            self.stand(resolution if self.memory is memory else None)
        failures: list[BaseException] | None = self.failures
        self.failures = outer
        if failures is not None:
            raise _worst(failures)
        return result

    def run(self, own: Mutation) -> Result:
        """Carry out what waits until nothing does. The result of `own`, which is next."""
        if self.running:
            self._announce(own)
            if self.options.log_level >= 3:
                count = len(self.queue.waiting)
                self.log.line(3, f"[postpone] queue running ({count} item{'s' if count > 1 else ''})")
            return QUEUED
        outer, self.failures = self.failures, None
        self.running = True
        self.place = _NOWHERE
        try:
            self._announce(own)
            result = self._drain(own)
            waits = self.machine._subscriptions
            if self.tracers.queue_end or (waits is not None and waits.queue_ends):
                self._over()
        finally:
            self.log.transition = None
            self.running = False
        if self.dispose_next:
            self._dispose()
        self.stand(None)
        failures: list[BaseException] | None = self.failures
        self.failures = outer
        if failures is not None:
            raise _worst(failures)
        return result

    def _drain(self, own: Mutation | None) -> Result:
        """Carry out what waits; the result of `own`."""
        queue, result = self.queue, CANCELED
        while queue.waiting:
            mutation = queue.pop()
            try:
                if mutation.kind is EVAL:
                    self._eval(mutation)
                    continue
                outcome = self._walk(mutation, None, mutation.args)
            except BaseException as error:
                self._torn(error)
                outcome = CANCELED
            if mutation is own:
                result = outcome
        return result

    def _eval(self, mutation: Mutation) -> None:
        assert isinstance(mutation, Eval)
        if mutation.context is None or not mutation.context.done:
            self.log.line(1, f"[exter] eval: {mutation.name}")
            self.tell((mutation.function,))

    def _torn(self, error: BaseException) -> None:
        """An exception came from outside in the middle of a walk: the clocks are what counts; set right what follows."""
        self._keep(error)
        self.queue.cancel()
        clock, before, transition = self.clock, self.active, self.log.transition
        kept = [state for state in self.order if clock[state] & 1]
        known = mask_of(kept)
        kept += [state for state, tick in enumerate(clock) if tick & 1 and not known >> state & 1]
        self.order, self.active = tuple(kept), mask_of(kept)
        if transition is not None and not transition.completed:
            before = mask_of(transition.before)
            transition.accepted = False
            transition.completed = True
        self._tell_waits(
            [state for state in kept if not before >> state & 1],
            [state for state in range(len(clock)) if (before & ~self.active) >> state & 1],
            -1,
            False,
        )

    def _over(self) -> None:
        """The queue is empty: tell who waits for that. What they add runs afterwards, and ends it once more."""
        queue, machine = self.queue, self.machine
        self.log.transition = None
        ended = True
        while ended:
            self.tell(self.tracers.queue_end, machine)
            waits = machine._subscriptions
            while waits is not None and waits.queue_ends:
                self.tell(waits.queue_ended())
                waits = machine._subscriptions
            ended = bool(queue.waiting)
            if ended:
                self._drain(None)
                self.log.transition = None

    def _dispose(self) -> None:
        self.dispose_next = False
        try:
            self.machine.dispose()
        except BaseException as error:
            self._keep(error)

    def stand(self, came_by: Resolution | None) -> None:
        """An idle machine stands at its place, unless something makes what is remembered there useless."""
        options = self.options
        limit = options.remember_plans
        if self.disposing or self.running or limit <= 0 or options.record_steps or options.log_level > 1:
            return
        if self.backoff_until:
            if monotonic() < self.backoff_until:
                return
            self.backoff_until = 0.0
        place = self.memory.place(self.order, self.active, limit)
        self.stands = self.order, place
        if place is not None:
            self.place = place
            if came_by is not None and came_by.target is self.order:
                came_by.next = place

    # -- one transition ----------------------------------------------------------------------------

    def _walk(self, mutation: Mutation | None, resolution: Resolution | None, args: Args) -> Result:
        options, tracers, machine = self.options, self.tracers, self.machine
        self.count += 1
        before, active, generation = self.order, self.active, self.generation
        if mutation is None:  # remembered, and nobody looks on closely
            auto = check = watched = False
        else:
            auto, check = mutation.auto, mutation.check
            watched = options.log_level > 1 or options.record_steps or tracers.wants_more
        transition: Transition | None = None
        account: Account | None = None
        if watched or self.handlers is not None or tracers.transition_end or machine.on_change is not None:
            clock = tuple(self.clock)
            transition = Transition(machine, mutation, args, self.queue.tick, self.count, before, clock)
            self.log.transition = transition
            if watched:
                account = Account(transition, options, self.log, tracers, self.tell)
                account.begins()
        if resolution is None:
            assert mutation is not None
            resolution = self._resolution(mutation, account)
        accepted = resolution.accepted
        if transition is not None:
            transition.resolved = resolution
            if not accepted:
                transition.accepted = False
            if account is not None:
                account.resolved(resolution)
            if not (auto or check):
                if accepted:
                    accepted = carry_out(self, transition, resolution, account) is None
            else:
                refused = 0
                if accepted and self.handlers is not None:
                    accepted, refused = negotiate(self, transition, resolution, account)
                if not check:
                    resolution = transition.resolved = self._settled(resolution, refused, account)
                    transition.left_in = None
                    if accepted:
                        failed = carry_out(self, transition, resolution, account, (), resolved_in=generation)
                        accepted = failed is None
            changed = transition.ticked and bool(resolution.ticks)
            transition.settled = True
            if machine.on_change is not None and not check:
                times = transition.time_before, transition.time_after
                self.tell((machine.on_change,), machine, *times)
        else:
            if auto and accepted:
                resolution = self.memory.settled(resolution)
            changed = accepted and not check and bool(resolution.ticks)
            if changed:
                for state, more in resolution.ticks:
                    self.clock[state] += more
            if accepted and not check:
                self.order, self.active = resolution.target, resolution.reached
                if machine._subscriptions is not None:
                    for state in resolution.enters:
                        entered(self, state, args)
        if changed and accepted and not (auto or self.disposing):
            if account is not None and mutation is not None and not is_health(mutation):
                account.autos(self.rules, self.order, self.active, resolution.auto_states)
            if resolution.auto_states:
                self.prepend(Mutation(ADD, resolution.states(resolution.auto_states), auto=True))
        if transition is not None:
            if not accepted:
                transition.accepted = False
            if self.log.between:
                transition.lines_before = self.log.take()
            transition.queue_len = len(self.queue.waiting)
            transition.completed = True
            if tracers.transition_end:
                self.tell(tracers.transition_end, transition)
        if check:
            return EXECUTED if accepted else CANCELED
        waits = machine._subscriptions
        if waits is not None and (accepted or (transition is not None and transition.ticked)):
            if not accepted or auto:
                now = self.active
                came = tuple([state for state in self.order if not active >> state & 1])
                left = tuple([state for state in before if not now >> state & 1])
                self._tell_waits(came, left, -1, accepted)
            elif waits.cares(resolution.entered, resolution.left, self.clock):
                ticked = resolution.entered | resolution.left
                self._tell_waits(resolution.enters, resolution.exits, ticked, accepted)
        if not accepted or self.disposing:
            return CANCELED
        return resolution.result

    def _resolution(self, mutation: Mutation, account: Account | None) -> Resolution:
        kind, names = mutation.kind, mutation.called
        index = self.machine._index
        called = tuple([index[name] for name in names])
        findings = None
        if account is not None:
            base = (*called, *self.order) if kind is ADD else called
            findings = account.findings(self.rules, kind, base, self.active)
        elif not mutation.check:
            limit = self.options.remember_plans
            if limit > 0:
                order, place = self.stands
                if order is not self.order:
                    place = self.memory.place(self.order, self.active, limit)
                if place is not None:
                    return self.memory.resolution(place, kind, names, called, mutation.auto, limit)
        return Resolution(
            self.rules,
            self.handlers,
            kind,
            called,
            self.order,
            self.active,
            auto=mutation.auto,
            check=mutation.check,
            findings=findings,
        )

    def _settled(self, resolution: Resolution, refused: int, account: Account | None) -> Resolution:
        """What an Auto mutation becomes without the states that were refused."""
        if account is None:
            return self.memory.settled(resolution, refused)
        out = refused | mask_of(resolution.called) & ~resolution.reached
        base = [state for state in resolution.called if not out >> state & 1]
        findings = account.findings(self.rules, ADD, (*base, *self.order), self.active)
        settled = self.memory.settled(resolution, refused, findings)
        account.judged(self.active)
        return settled

    def _tell_waits(self, entered: Sequence[int], left: Sequence[int], ticked: int, accepted: bool) -> None:
        waits = self.machine._subscriptions
        if waits is not None:
            self.tell(
                waits.after_transition(
                    entered, left, self.active, self.clock, self.queue.tick, ticked=ticked, accepted=accepted
                )
            )


def _worst(failures: Sequence[BaseException]) -> BaseException:
    """What has to be raised of all that was: the first that is no `Exception`, else the first."""
    return next((error for error in failures if not isinstance(error, Exception)), failures[0])
