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
from warnings import warn

from ampubsub.machine.account import Account
from ampubsub.machine.blueprint import Blueprint
from ampubsub.machine.errors import HandlerTimeoutError, SlowHandlerWarning, WrongThreadError
from ampubsub.machine.handlers import ANY_STATE, END, STATE, Handlers
from ampubsub.machine.log import Log
from ampubsub.machine.mutation import Args, Eval, Mutation
from ampubsub.machine.negotiation import Negotiation
from ampubsub.machine.options import Options
from ampubsub.machine.queue import Queue
from ampubsub.machine.relations import mask_of
from ampubsub.machine.resolution import Memory, Place, Resolution
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.schema import EXCEPTION
from ampubsub.machine.tracing import TracerSet
from ampubsub.machine.transition import Call, Event, Panic, Role, Transition

if TYPE_CHECKING:
    from ampubsub.machine.machine import Machine

ADD = MutationKind.ADD
EXECUTED, CANCELED = Result.EXECUTED, Result.CANCELED
QUEUED = Result(2)
_NOWHERE = Place((), 0)
"""Where a machine is that cannot use what is remembered."""
_ROLE_ENDS = -1
"""Number of the call that stands for the end of a role."""


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
        "thread",
        "tracers",
        "transition",
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
        self.transition: Transition | None = None
        self.count = 0
        """Transitions so far."""
        self.running = False
        self.disposing = False
        self.dispose_next = False
        """Dispose of the machine once the queue has run."""
        self.generation = 0
        """Grows when something happens in a handler that the rest of the walk has to heed."""
        self.failures: list[BaseException] = []
        """What others' code raised during the present run of the queue."""
        self.backoff_until = 0.0
        self.error: BaseException | None = None
        self.thread: int | None = None

    # -- what everything goes through --------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """Others' code raised: to be raised again once the queue has run, or at once when it does not."""
        if not self.running:
            raise error
        self.failures.append(error)
        if not isinstance(error, Exception):
            self.queue.cancel()

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
        if self.options.log_level >= 3:
            place = "queue" if mutation.queue_tick else "prepend"
            called = " ".join(mutation.called)
            self.log.line(3, f"[{place}:{mutation.kind.value}] {called}{self.log.args(mutation.args)}")
        if mutation.kind is MutationKind.EVAL:
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
            if stride is None and self.handlers is None:
                stride = self.memory.stride(resolution, options.remember_plans)
            if stride is not None and (
                waits is None or not (waits.args or waits.cares(stride.entered, stride.left))
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
        mutation = Mutation(resolution.kind, resolution.called_names, args or None)
        queue.tick = tick = queue.tick + 1
        mutation.queue_tick = tick
        mutation.queue_tick_now = tick - 1
        mutation.queue_len = 1
        return self.run(mutation, resolution)

    def run(self, own: Mutation, known: Resolution | None = None) -> Result:
        """Carry out what waits until nothing does. The result of `own`, which is next, with its resolution if known."""
        queue = self.queue
        if self.running:
            self._announce(own)
            if self.options.log_level >= 3:
                count = len(queue.waiting)
                self.log.line(3, f"[postpone] queue running ({count} item{'s' if count > 1 else ''})")
            return QUEUED
        result = CANCELED
        outer, self.failures = self.failures, []
        self.running = True
        self.place = _NOWHERE
        waiting = queue.waiting
        try:
            if known is None:
                self._announce(own)
            while waiting or known is not None:
                mutation = own if known is not None else queue.pop()
                try:
                    if mutation.kind is MutationKind.EVAL:
                        self._eval(mutation)
                        continue
                    outcome = self._walk(mutation, known)
                except BaseException as error:
                    self._torn(error)
                    outcome = CANCELED
                finally:
                    known = None
                if mutation is own:
                    result = outcome
        finally:
            self.transition = self.log.transition = None
            self.running = False
        self._over()
        failures, self.failures = self.failures, outer
        if failures:
            raise next((error for error in failures if not isinstance(error, Exception)), failures[0])
        return result

    def _eval(self, mutation: Mutation) -> None:
        assert isinstance(mutation, Eval)
        if mutation.context is None or not mutation.context.done:
            self.log.line(1, f"[exter] eval: {mutation.name}")
            self.tell((mutation.function,))

    def _torn(self, error: BaseException) -> None:
        """An exception came from outside in the middle of a walk: the clocks are what counts; set right what follows."""
        self.failures.append(error)
        self.queue.cancel()
        clock = self.clock
        before = self.active
        kept = [state for state in self.order if clock[state] & 1]
        known = mask_of(kept)
        kept += [state for state, tick in enumerate(clock) if tick & 1 and not known >> state & 1]
        self.order, self.active = tuple(kept), mask_of(kept)
        if self.transition is not None:
            before = mask_of(self.transition.before)
            self.transition.accepted = False
            self.transition.completed = True
        self._tell_waits(
            [state for state in kept if not before >> state & 1],
            [state for state in range(len(clock)) if (before & ~self.active) >> state & 1],
            -1,
            False,
        )

    def _over(self) -> None:
        """The queue is empty: tell who waits for that, and stand still."""
        waits = self.machine._subscriptions
        ended = waits.queue_ended() if waits is not None else ()
        for hook in self.tracers.queue_end:
            try:
                hook(self.machine)
            except BaseException as error:
                self.failures.append(error)
        for call in ended:
            try:
                call()
            except BaseException as error:
                self.failures.append(error)
        if self.dispose_next and not self.running:
            self.dispose_next = False
            try:
                self.machine.dispose()
            except BaseException as error:
                self.failures.append(error)
        self.stand()

    def stand(self) -> None:
        """An idle machine stands at its place, unless something makes what is remembered there useless."""
        limit = self.options.remember_plans
        if self.disposing or self.running or limit <= 0:
            return
        if self.backoff_until:
            if monotonic() < self.backoff_until:
                return
            self.backoff_until = 0.0
        place = self.memory.place(self.order, self.active, limit)
        if place is not None:
            self.place = place

    # -- one transition ----------------------------------------------------------------------------

    def _walk(self, mutation: Mutation, resolution: Resolution | None) -> Result:
        options, tracers, machine = self.options, self.tracers, self.machine
        self.count += 1
        before, active, generation = self.order, self.active, self.generation
        check = mutation.check
        watched = options.log_level > 1 or options.record_steps or tracers.wants_more
        transition: Transition | None = None
        account: Account | None = None
        if watched or self.handlers is not None or tracers.transition_end or machine.on_change is not None:
            names = self.rules.names
            transition = Transition(machine, mutation, self.count, names, before, tuple(self.clock))
            self.transition = self.log.transition = transition
            if watched:
                account = Account(transition, options, self.log, tracers, self.tell)
                account.begins()
        if resolution is None:
            resolution = self._resolution(mutation, account)
        accepted = resolution.accepted
        if transition is not None:
            transition.resolved = resolution
            transition.accepted = accepted
            if account is not None:
                account.resolved(resolution)
            refused = 0
            if accepted and self.handlers is not None and (resolution.asks or options.log_level >= 5):
                accepted, refused = self._negotiate(transition, resolution, account)
                accepted = accepted and not transition.completed
            if mutation.auto and not check:
                resolution = transition.resolved = self._settled(resolution, refused, account)
                transition.left_in = None
        elif accepted and mutation.auto:
            resolution = self.memory.settled(resolution)
        changed = False
        if not check:
            changed = accepted and not self.disposing and bool(resolution.ticks)
            if accepted and not self.disposing:
                self._settle(resolution)
            accepted = self._finish(mutation, resolution, transition, account, accepted, generation)
            if changed and accepted and not self.disposing:
                if account is not None and not mutation.auto and not transition.is_health:  # type: ignore[union-attr]
                    account.autos(self.rules, self.order, self.active, resolution.auto_states)
                if resolution.auto_states:
                    self.prepend(Mutation(ADD, resolution.states(resolution.auto_states), auto=True))
        if transition is not None:
            transition.accepted = transition.accepted and accepted
            transition.log_before = self.log.take()
            transition.queue_len = len(self.queue.waiting)
            transition.completed = True
            self.tell(tracers.transition_end, transition)
        if check:
            return EXECUTED if accepted else CANCELED
        if machine._subscriptions is not None and (
            accepted or (transition is not None and transition.ticked)
        ):
            self._told(mutation, resolution, before, active, accepted)
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

    def _settle(self, resolution: Resolution) -> None:
        """Clocks tick: the target states are the active ones."""
        clock = self.clock
        for state, more in resolution.ticks:
            clock[state] += more
        self.order = resolution.target
        self.active = resolution.reached

    def _finish(
        self,
        mutation: Mutation,
        resolution: Resolution,
        transition: Transition | None,
        account: Account | None,
        accepted: bool,
        generation: int,
    ) -> bool:
        """Final handlers and those who wait for arguments; whether the transition stands."""
        waits = self.machine._subscriptions
        if transition is None:
            if accepted and waits is not None and waits.args:
                for state in resolution.enters:
                    self._entered(state, mutation.args)
            return accepted
        if accepted and not self.disposing:
            transition.ticked = True
        transition.settled = True
        if accepted:
            if account is not None and not self.disposing:
                again = self.rules.multi & mask_of(resolution.called)
                account.settled(resolution.target, resolution.before, again, resolution.names)
            closely = self.options.log_level >= 5 or (waits is not None and bool(waits.args))
            changed = generation != self.generation
            if closely or changed or resolution.finals:
                calls: Sequence[Call] = resolution.finals
                if closely or changed:
                    calls = self._every(_finals_of(resolution), closely)
                if self._call(transition, resolution, calls, account, None) is not None:
                    accepted = False
                    latest = transition.latest
                    if latest is None or latest.role.kind != ANY_STATE:
                        self._take_out(transition, resolution, account)
        if self.machine.on_change is not None:
            self.tell((self.machine.on_change,), self.machine, transition.time_before, transition.time_after)
        return accepted

    def _told(
        self, mutation: Mutation, resolution: Resolution, before: Sequence[int], active: int, accepted: bool
    ) -> None:
        """The transition is over: tell who waits."""
        if accepted and not mutation.auto:
            if self.machine._subscriptions.cares(resolution.entered, resolution.left):  # type: ignore[union-attr]
                ticked = resolution.entered | resolution.left
                self._tell_waits(resolution.enters, resolution.exits, ticked, accepted)
        else:
            now = self.active
            entered = tuple([state for state in self.order if not active >> state & 1])
            left = tuple([state for state in before if not now >> state & 1])
            self._tell_waits(entered, left, -1, accepted)

    def _tell_waits(self, entered: Sequence[int], left: Sequence[int], ticked: int, accepted: bool) -> None:
        waits = self.machine._subscriptions
        if waits is not None:
            self.tell(
                waits.after_transition(
                    entered, left, self.active, self.clock, self.queue.tick, ticked=ticked, accepted=accepted
                )
            )

    def _entered(self, state: int, args: Args) -> None:
        """The final handlers of a state have run: tell who waits for these arguments."""
        waits = self.machine._subscriptions
        if waits is not None and waits.args:
            try:
                self.tell(waits.entered_with(state, args))
            except BaseException as error:  # arguments that cannot be compared
                self.failed(error)

    # -- handlers ----------------------------------------------------------------------------------

    def _negotiate(
        self, transition: Transition, resolution: Resolution, account: Account | None
    ) -> tuple[bool, int]:
        """Ask all who may refuse; whether they agree, and the mask of Auto states that were refused."""
        negotiation = Negotiation(self.rules, resolution) if resolution.auto else None
        calls: Sequence[Call] = resolution.asks
        if self.options.log_level >= 5:
            everything = negotiation or Negotiation(self.rules, resolution)
            calls = self._every(everything.after(None, self.handlers), False)  # type: ignore[arg-type]
        refused = self._call(transition, resolution, calls, account, negotiation)
        if negotiation is None:
            return refused is None, 0
        return refused is None and not negotiation.in_vain, negotiation.refused

    def _call(
        self,
        transition: Transition,
        resolution: Resolution,
        calls: Sequence[Call],
        account: Account | None,
        negotiation: Negotiation | None,
    ) -> Call | None:
        """Call handlers in order. The one that refused or failed, if one did: the rest was not called then."""
        machine, options, ran = self.machine, self.options, transition.handlers
        limit = options.slow_handler_s
        if options.handler_timeout_s is not None and options.handler_timeout_s < limit:
            limit = options.handler_timeout_s
        rest: Sequence[Call] | None = calls
        while rest is not None:
            calls, rest = rest, None
            generation = self.generation
            started = monotonic()
            for position, call in enumerate(calls):
                function = call.function
                if function is None:
                    if call.number == _ROLE_ENDS:
                        self._entered(call.role.end, transition.mutation.args)
                    elif account is not None:
                        account.tries(call)
                    continue
                transition.latest = call
                if account is not None:
                    account.starts(call)
                ran.append(call.shown)
                raised = False
                answer: object = False
                if transition.completed:  # a handler before this one raised
                    if account is not None:
                        account.invalid(call)
                else:
                    try:
                        answer = function(Event(call.name, machine, transition))
                    except BaseException as error:
                        raised = True
                        self._raised(transition, resolution, call, error, account)
                now = monotonic()
                if (
                    account is None
                    and not raised
                    and not (answer is False and call.may_refuse)
                    and now - started <= limit
                    and generation == self.generation
                ):
                    started = now
                    continue
                too_slow = now - started > limit and self._took_too_long(transition, call, now - started)
                if account is not None:
                    if not (raised or too_slow or transition.completed):
                        account.returned(call)
                    account.ends(call)
                if raised or too_slow or (answer is False and call.may_refuse):
                    ran[-1] += "!"
                    if raised:
                        self._skip(transition, resolution, calls[position + 1 :], call, account)
                    if call.role.kind < END and account is not None:
                        account.refused(call.role, call.name)
                    if negotiation is None or not negotiation.goes_on_without(call.role):
                        return call
                    transition.left_in = tuple(negotiation.target)
                    rest = self._rest(resolution, call, (), negotiation)
                    break
                if self.disposing:
                    is_last = call.role.kind == ANY_STATE and position == len(calls) - 1
                    return None if is_last else call
                if generation != self.generation:
                    rest = self._rest(resolution, call, calls[position + 1 :], negotiation)
                    break
                started = monotonic() if account is not None else now
        return None

    def _rest(
        self, resolution: Resolution, call: Call, others: Sequence[Call], negotiation: Negotiation | None
    ) -> list[Call]:
        """What is left to call after one handler, now that something changed: first `others` of its role."""
        role = call.role
        handlers = self.handlers
        assert handlers is not None
        same = [other for other in others if other.role == role and other.number != _ROLE_ENDS]
        if role.kind < END:  # a negotiation
            asked = negotiation or Negotiation(self.rules, resolution)
            return same + self._every(asked.after(role, handlers), False)
        roles = _finals_of(resolution)
        waits = self.machine._subscriptions
        closely = waits is not None and bool(waits.args)
        if closely and role.kind == STATE:
            same.append(_role_end(role))
        return same + self._every(roles[roles.index(role) + 1 :], closely)

    def _every(self, roles: Iterable[Role], ends: bool) -> list[Call]:
        """The handlers of these roles; at the highest log level also those that are not there.

        `ends` adds, after each state's, a call that tells who waits for arguments.
        """
        handlers = self.handlers
        calls: list[Call] = []
        for role in roles:
            if handlers is not None:
                calls += handlers.trying(role) if self.options.log_level >= 5 else handlers.playing(role)
            if ends and role.kind == STATE:
                calls.append(_role_end(role))
        return calls

    def _skip(
        self,
        transition: Transition,
        resolution: Resolution,
        calls: Sequence[Call],
        failed: Call,
        account: Account | None,
    ) -> None:
        """After a handler that raised: of other bindings' handlers of that name, a final one's turn is still noted."""
        if failed.may_refuse:
            return
        for call in calls:
            if call.role != failed.role:
                break
            if call.function is None:
                if call.number == _ROLE_ENDS:
                    self._entered(call.role.end, transition.mutation.args)
                elif account is not None:
                    account.tries(call)
                continue
            transition.latest = call
            if account is not None:
                account.starts(call)
            transition.handlers.append(call.shown + "!")
            if transition.completed:
                if account is not None:
                    account.invalid(call)
            else:
                try:
                    call.function(Event(call.name, self.machine, transition))
                except BaseException as error:
                    self._raised(transition, resolution, call, error, account)
                else:
                    if account is not None:
                        account.returned(call)
            if account is not None:
                account.ends(call)

    def _raised(
        self,
        transition: Transition,
        resolution: Resolution,
        call: Call,
        error: BaseException,
        account: Account | None,
    ) -> None:
        """A handler raised: undo what is not settled, and let Exception run next."""
        becomes_state = self.options.panic_to_exception or not isinstance(error, Exception)
        if not (self.options.panic_to_exception and isinstance(error, Exception)):
            self.failed(error)
        if self.disposing:
            return
        transition.error = error
        if EXCEPTION in transition.called:
            return
        self.log.line(3, "[recover] handling panic...")
        if becomes_state:
            self.error = error
            if call.role.kind >= END:
                self._take_out(transition, resolution, account)
        self.log.line(3, f"[cancel] ({' '.join(transition.target)}) by recover")
        transition.accepted = False
        transition.completed = True
        if becomes_state:
            trace = trace_of(error) if self.options.log_stack_traces else ""
            args = {"_am_err": error, "_am_errTrace": trace, "_am_panic": Panic(transition)}
            self.prepend(Mutation(ADD, (EXCEPTION,), args))

    def _take_out(self, transition: Transition, resolution: Resolution, account: Account | None) -> None:
        """Take the states whose final handlers have not run out again; what comes before stays.

        As in Go, called Multi states that stay tick once more.
        """
        if self.disposing:
            return
        latest = transition.latest
        order, clock = list(self.order), self.clock
        if latest is not None and latest.role.kind == STATE:
            position = resolution.enters.index(latest.role.end)
            for state in resolution.enters[position:]:
                if state in order:
                    order.remove(state)
        names = resolution.names
        self.log.line(3, f"[recover] partial final states as ({' '.join(names[state] for state in order)})")
        before = self.order
        stays = mask_of(order)
        again = self.rules.multi & mask_of(resolution.called) & stays
        for state in before:
            if not stays >> state & 1:
                clock[state] += 1
            elif again >> state & 1:
                clock[state] += 2
        self.order, self.active = tuple(order), stays
        if account is not None:
            account.settled(order, before, again, names)

    def _took_too_long(self, transition: Transition, call: Call, seconds: float) -> bool:
        """A handler was slow: say so; whether that counts as a refusal."""
        options, machine = self.options, self.machine
        timeout = options.handler_timeout_s
        if timeout is None or seconds <= timeout:
            text = f"{call.name} from {call.binding} of {machine.id} took {seconds:.1f} s: the machine stood still"
            self.log.line(2, f"[slow] {text}")
            try:
                warn(f"{text}; make it an async handler", SlowHandlerWarning, stacklevel=5)
            except Warning as error:
                self.failed(error)
            return False
        self.log.line(3, f"[cancel] ({' '.join(transition.target)}) by timeout")
        self.log.line(4, f"[handler:timeout]: {call.name} from {call.binding}")
        if seconds > options.handler_deadline_s:
            self.queue.clear()
            machine.add_err(
                HandlerTimeoutError(f"handler timeout: {call.name} from {call.binding}"),
                event=Event(call.name, machine, transition),
            )
            self.backoff_until = monotonic() + options.handler_backoff_s
        return True


def _finals_of(resolution: Resolution) -> list[Role]:
    return Handlers.finished(resolution.exits, resolution.enters)


def _role_end(role: Role) -> Call:
    return Call(role, "", None, _ROLE_ENDS, "")


def trace_of(error: BaseException) -> str:
    """The stack trace of an error, as text."""
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()
