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
6. *Subscriptions* of an accepted transition fire. Then the next in the queue.

A check (`can_add`, `can_remove`) stops after 2. This file is the general way through all of it, which every
mutation can go; `planned.py` is the short one for what was resolved before. Source: asyncmachine manual, "Transition lifecycle".
"""

from __future__ import annotations

from time import monotonic

from ampubsub.machine.clock import Time
from ampubsub.machine.errors import HandlerTimeoutError, MachineError, StatePanic
from ampubsub.machine.handlers import FINAL_SUFFIXES, Binding
from ampubsub.machine.mutation import Mutation
from ampubsub.machine.queue import QueueView
from ampubsub.machine.relations import Findings
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.steps import Step, StepKind
from ampubsub.machine.transition import Event, Transition, guess_time
from ampubsub.machine.view import EXCEPTION

ADD, REMOVE = MutationKind.ADD, MutationKind.REMOVE
EXECUTED, CANCELED = Result.EXECUTED, Result.CANCELED
_QUEUED = Result(2)


class Panic:
    """What the Exception state's handlers get to know about a handler that raised."""

    __slots__ = ("active_before", "called", "kind", "transition")

    def __init__(self, transition: Transition) -> None:
        self.called = transition.called
        self.kind = transition.mutation.kind.value
        self.active_before = transition.active_before
        self.transition = transition


class Engine(QueueView):
    """The part of a machine that runs transitions. Its entry points are those of `Machine`."""

    def _process_queue(self) -> Result:
        if not self._queue or self._disposing:
            return CANCELED
        if self._processing:
            if self.options.log_level >= 3:
                count = len(self._queue)
                self.log_line(3, f"[postpone] queue running ({count} item{'s' if count > 1 else ''})")
            return _QUEUED
        first: Result | None = None
        self._processing = True
        try:
            while self._queue:
                result = self._run_next()
                if first is None:
                    first = result
        finally:
            self._transition = None
            self._processing = False
        self._queue_over()
        return CANCELED if first is None else first

    def _run_next(self) -> Result | None:
        """Carry out the first mutation of the queue; None for an eval, which has no result."""
        mutation = self._queue.popleft()
        if mutation.queue_tick:
            self._pending -= 1
            self._queue_tick += 1
        if mutation.context is not None and mutation.context.done:
            return EXECUTED
        if mutation.eval is not None:
            self.log_line(1, f"[exter] eval: {mutation.eval_source}")
            mutation.eval()
            return None
        return self._run(mutation)

    def _queue_over(self) -> None:
        for hook in self.tracers.queue_end:
            hook(self)
        if self._subscriptions is not None:
            self._subscriptions.queue_ended()

    # -- one transition ----------------------------------------------------------------------------

    def _run(self, mutation: Mutation) -> Result:
        transition = self._begin(mutation)
        result = self._emit(transition)
        if self._subscriptions is not None and not mutation.check:
            if transition.accepted:
                self._tell_subscriptions(transition)
            elif self._active != transition.active_before:
                self._subscriptions.broken(transition.active_before)
        return result

    def _begin(self, mutation: Mutation) -> Transition:
        options = self.options
        transition = Transition(self, mutation, self._active, Time(self._clock))
        self._transition_count += 1
        transition.number = self._transition_count
        if not mutation.check:
            transition.time_after = guess_time(mutation.kind, mutation.called, self._clock, self._blueprint)
        self._transition = transition
        for hook in self.tracers.transition_init:
            hook(transition)
        called = mutation.called
        recording = self._recording(mutation)
        if recording:
            transition.steps += [Step(StepKind.CALLED, "", name) for name in called]
        if options.log_level >= 3:
            auto = ":auto" if mutation.auto else ""
            self.log_line(
                4 if auto else 3,
                f"[{mutation.kind.value}{auto}] {' '.join(called)}{self._log_args(mutation)}",
            )
            if mutation.source is not None:
                self.log_line(3, f"[source] {mutation.source}")
        base = self._base(transition, mutation.kind, called, recording)
        self._resolve(transition, mutation.kind, base, recording)
        if options.log_level >= 3:
            implied = [name for name in transition.target if name not in base]
            if implied:
                self.log_line(3, f"[implied] {' '.join(implied)}")
        transition.accepted = self._accepts(transition, recording)
        if transition.accepted:
            self._enters_and_exits(transition, recording)
        return transition

    def _emit(self, transition: Transition) -> Result:
        mutation = transition.mutation
        for hook in self.tracers.transition_start:
            hook(transition)
        accepted = transition.accepted
        talking = self._ever_bound or self.options.log_level >= 5
        if accepted and talking:
            accepted = self._negotiate(transition)
        elif talking and mutation.auto and not transition.target:
            accepted = False
        changed = False
        if not mutation.check:
            if mutation.auto:
                self._resolve_again(transition)
            if accepted:
                self._set_active(transition, transition.target)
                transition.time_after = Time(self._clock)
                waits = self._subscriptions
                if talking or (waits is not None and waits.args):
                    accepted = self._finals(transition)
                if not accepted:
                    self._recover_finals(transition)
                changed = tuple(self._clock) != transition.time_before
            else:
                transition.time_after = Time(self._clock)
            if accepted and talking:
                accepted = self._call(transition, "Any", "Any", "AnyState", final=True, enter=True)
            if self.on_change is not None:
                self.on_change(self, transition.time_before, transition.time_after)
            if not accepted:
                transition.accepted = False
            elif changed and not self._disposing and not mutation.auto and not transition.is_health:
                self._add_autos()
        elif not accepted:
            transition.accepted = False
        transition.log_before, self._log_pending = self._log_pending, []
        transition.queue_len = len(self._queue)
        transition.completed = True
        for hook in self.tracers.transition_end:
            hook(transition)
        if mutation.check:
            return EXECUTED if accepted else CANCELED
        if not accepted:
            return CANCELED
        if mutation.kind is REMOVE:
            return EXECUTED if not self.any(*mutation.called) else CANCELED
        return EXECUTED if self.is_(*transition.target) else CANCELED

    # -- before the handlers -----------------------------------------------------------------------

    def _recording(self, mutation: Mutation) -> bool:
        return self.options.record_steps and (not mutation.check or self.options.record_check_steps)

    def _base(
        self, transition: Transition, kind: MutationKind, called: tuple[str, ...] | list[str], recording: bool
    ) -> list[str]:
        active = self._active
        base = self.relations.base(kind, called, active)
        if recording:
            if kind is REMOVE:
                transition.steps += [Step(StepKind.DEACTIVATE, "", name) for name in called]
            else:
                transition.steps += [Step(StepKind.ACTIVATE, "", name) for name in base if name not in active]
                if kind is MutationKind.SET:
                    transition.steps += [
                        Step(StepKind.DEACTIVATE, "", name) for name in active if name not in base
                    ]
        return base

    def _resolve(self, transition: Transition, kind: MutationKind, base: list[str], recording: bool) -> None:
        """Fill in the target. `kind` differs from the mutation's only when an Auto mutation is resolved again."""
        findings = Findings(recording, self.options.record_steps, transition.steps)
        transition.target = self.relations.resolve(
            transition.mutation.kind,
            transition.called,
            transition.active_before,
            base,
            findings,
            self._active,
        )
        if self.options.log_level >= 3:
            self._log_findings(transition, findings)

    def _log_findings(self, transition: Transition, findings: Findings) -> None:
        removed, missing = iter(findings.removed_by), iter(findings.missing)
        for entry in findings.order:
            if entry == "r":
                name, blockers = next(removed)
                self.log_line(3 if self.is_(name) else 4, f"[rel:remove] {name} by {' '.join(blockers)}")
            else:
                lacking = next(missing)
                words = [
                    f"{name}(-{' -'.join(lacking[name])})"
                    for name in sorted(lacking, key=self._index.__getitem__)
                ]
                auto = transition.mutation.auto
                self.log_line(4 if auto else 3, f"[reject{':auto' if auto else ''}] {' '.join(words)}")

    def _accepts(self, transition: Transition, recording: bool) -> bool:
        mutation = transition.mutation
        if mutation.kind is REMOVE:
            return True
        refused = [name for name in mutation.called if name not in transition.target]
        if mutation.auto:
            if len(refused) < len(mutation.called):
                return True
            if not refused:
                return False
        if not refused:
            return True
        if mutation.check and any(self._schema[name].multi for name in mutation.called):
            return True
        self.log_line(3, f"[cancel:reject] {' '.join(refused)}")
        if recording:
            transition.steps += [Step(StepKind.CANCEL, "", name) for name in refused]
        return False

    def _enters_and_exits(self, transition: Transition, recording: bool) -> None:
        active, called, schema = self._active, transition.called, self._schema
        target = transition.target
        exits = [name for name in active if name not in target]
        self.relations.sort(exits, transition.steps if recording else None)
        transition.exits = exits
        transition.enters = [
            name for name in target if name not in active or (name in called and schema[name].multi)
        ]

    # -- negotiation -------------------------------------------------------------------------------

    def _negotiate(self, transition: Transition) -> bool:
        mutation = transition.mutation
        allowed = (
            self._ask_exits(transition)
            and self._ask_enters(transition)
            and (mutation.kind is REMOVE or self._ask_selves(transition))
            and self._ask_pairs(transition)
        )
        if mutation.auto and not transition.target:
            return False
        return allowed and self._call(transition, "Any", "Any", "AnyEnter", enter=True)

    def _ask_exits(self, transition: Transition) -> bool:
        # Go crashes when an Auto state refuses to leave in an Auto mutation; here that cancels the mutation.
        return all(self._call(transition, name, "", f"{name}Exit") for name in transition.exits)

    def _ask_enters(self, transition: Transition) -> bool:
        for name in transition.enters:
            if not self._call(transition, "", name, f"{name}Enter", enter=True):
                if not self._partly(transition, name):
                    return False
                if name in transition.target:
                    transition.target.remove(name)
        return True

    def _ask_selves(self, transition: Transition) -> bool:
        target, position, removed, allowed = transition.target, 0, 0, True
        while position < len(target):
            name = target[position]
            if self.is_(name):
                allowed = self._call(transition, "", name, name + name, itself=True)
                if not allowed:
                    if not self._partly(transition, name):
                        return False
                    removed += 1
                    target.remove(name)  # as in Go, the next one moves up and is not asked
            position += 1
        for _ in range(removed):
            self.is_("")  # Go looks at the emptied end of its list too, which its log shows
        return allowed  # and, as in Go, the last one asked decides

    def _ask_pairs(self, transition: Transition) -> bool:
        wanted = list(transition.target)
        for before in transition.active_before:
            for name in wanted:
                if before == name or self._call(transition, before, name, before + name):
                    continue
                if not self._partly(transition, name):
                    return False
                if name in transition.target:
                    transition.target = [other for other in transition.target if other != name]
        return True

    def _partly(self, transition: Transition, refused: str) -> bool:
        """An Auto mutation goes on without an Auto state that was refused."""
        return transition.mutation.auto and self._schema[refused].auto

    def _resolve_again(self, transition: Transition) -> None:
        called = [name for name in transition.called if name in transition.target]
        recording = self._recording(transition.mutation)
        base = self._base(transition, ADD, called, recording)
        self._resolve(transition, ADD, base, recording)
        self._enters_and_exits(transition, recording)

    # -- clocks and final handlers -----------------------------------------------------------------

    def _set_active(self, transition: Transition, target: list[str]) -> None:
        if self._disposing:
            return
        previous, called = self._active, transition.called
        clock, index, schema = self._clock, self._index, self._schema
        entered, again = [], []
        for name in target:
            if name not in previous:
                clock[index[name]] += 1
                entered.append(name)
            elif name in called and schema[name].multi:
                clock[index[name]] += 2
                again.append(name)
        left = [name for name in previous if name not in target]
        for name in left:
            clock[index[name]] += 1
        self._active = tuple(target)
        if self.options.log_level >= 2:
            text = "".join(f" +{name}" for name in entered + again) + "".join(f" -{name}" for name in left)
            kept = [name for name in target if name in previous]
            if kept and self.options.log_level >= 5:
                text += f" {' '.join(kept)}"
            if text:
                label = "auto_" if transition.mutation.auto else "state"
                self.log_line(2, f"[{label}]{text}{self._log_args(transition.mutation)}")

    def _finals(self, transition: Transition) -> bool:
        enters = transition.enters
        for name in [*transition.exits, *enters]:
            enter = name in enters
            handler = f"{name}State" if enter else f"{name}End"
            called, allowed = self._run_handlers(transition, handler, True, enter, name if enter else "")
            if called and self.options.record_steps:
                transition.steps.append(Step(StepKind.HANDLER, "", name, "FE" if enter else "F"))
            if not allowed:
                return False
        return True

    def _recover_finals(self, transition: Transition) -> None:
        """Take the states whose final handlers have not run out again; what comes before stays."""
        active = list(self._active)
        found = False
        for name in [*transition.exits, *transition.enters]:
            found = found or transition.latest_state == name
            if not found:
                continue
            if not transition.latest_is_enter:
                active.append(name)
            elif name in active:
                active.remove(name)
        self.log_line(3, f"[recover] partial final states as ({' '.join(active)})")
        self._set_active(transition, active)

    def _add_autos(self) -> None:
        candidates, blocked = self.relations.auto_candidates(self._active)
        if self.options.log_level >= 5:
            for name, remover in blocked:
                self.log_line(5, f"[auto:rel:remove] {name} by {remover}")
        if candidates:
            self.log_line(3, f"[auto] {' '.join(candidates)}")
            self.prepend(Mutation(ADD, candidates, auto=True))

    def _tell_subscriptions(self, transition: Transition) -> None:
        before = transition.active_before
        if transition.mutation.auto:
            entered = [name for name in self._active if name not in before]
            exited = [name for name in before if name not in self._active]
        else:
            entered, exited = transition.enters, transition.exits
        old, new = transition.time_before, self._clock
        ticked = [name for name, a, b in zip(self._names, old, new, strict=False) if a != b]
        self.subscriptions.after_transition(entered, exited, ticked)

    # -- handlers ----------------------------------------------------------------------------------

    def _call(
        self,
        transition: Transition,
        start: str,
        end: str,
        name: str,
        *,
        final: bool = False,
        enter: bool = False,
        itself: bool = False,
    ) -> bool:
        """Run all handlers of one name; False when one refused, failed or took too long."""
        called, allowed = self._run_handlers(transition, name, final, enter, end)
        recording = self._recording(transition.mutation) if itself else self.options.record_steps
        if called and recording:
            flags = ("F" if final else "") + ("E" if enter else "") + ("S" if itself else "")
            transition.steps.append(Step(StepKind.HANDLER, start, end, flags))
        if not allowed and not final:
            label = "cancel:self" if itself else "cancel"
            self.log_line(3, f"[{label}] ({' '.join(transition.target)}) by {name}")
        return allowed

    def _run_handlers(
        self, transition: Transition, name: str, final: bool, enter: bool, state: str
    ) -> tuple[bool, bool]:
        """(whether any was bound, whether all agreed) of the handlers with one name, in binding order."""
        transition.latest_state = state
        transition.latest_is_enter = enter
        transition.latest_final = final
        tracers, level = self.tracers, self.options.log_level
        called, failed = False, False
        resume = transition.resume
        bindings = self._bindings
        if resume is not None:
            if resume[0] != name:
                return False, True  # had its turn along the plan
            transition.resume = None
            bindings = resume[2]
        for number, binding in enumerate(bindings):
            if self._disposing:
                return called, False
            if resume is not None and number <= resume[1]:
                continue
            if level >= 5:
                self.log_line(5, f"[handle:{_padded(f'{number}:{binding.name}')}] {name}")
            handler = binding.handler(name)
            if handler is None:
                continue
            if level >= 3:
                self.log_line(3, f"[handler:{number}] {name}")
            called = True
            transition.handlers.append(name if not number else f"{number}:{name}")
            emitter = f"{number}:{binding.name}"
            for hook in tracers.handler_start:
                hook(transition, emitter, name)
            answer: object = None
            timed_out = False
            if transition.completed:
                self.log_line(4, f"[handler:invalid] {name}")
                answer = False
            else:
                started = monotonic()
                try:
                    answer = handler(Event(name, self, transition))
                except Exception as error:
                    if not self.options.panic_to_exception:
                        raise
                    failed = True
                    self._recover(transition, error)
                    answer = False
                else:
                    timed_out = self._took_too_long(transition, name, binding, monotonic() - started)
                    if level >= 5 and not timed_out:
                        self.log_line(5, f"[handler:end] {name} from {binding.name}")
            for hook in tracers.handler_end:
                hook(transition, emitter, name)
            if timed_out or (answer is False and not name.endswith(FINAL_SUFFIXES)):
                transition.handlers[-1] += "!"
                return called, False
            if failed:
                transition.handlers[-1] += "!"
        waits = self._subscriptions
        if waits is not None and waits.args and final and enter and state:
            waits.entered_with(state, transition.args)
        return called, not failed

    def _took_too_long(self, transition: Transition, name: str, binding: Binding, seconds: float) -> bool:
        options = self.options
        if seconds <= options.handler_timeout_s:
            return False
        self.log_line(3, f"[cancel] ({' '.join(transition.target)}) by timeout")
        self.log_line(4, f"[handler:timeout]: {name} from {binding.name}")
        if seconds > options.handler_deadline_s:
            self._queue.clear()
            self._pending = 0
            self.add_err(
                HandlerTimeoutError(f"handler timeout: {name} from {binding.name}"),
                event=Event(name, self, transition),
            )
            self._backoff_until = monotonic() + options.handler_backoff_s
        return True

    def _recover(self, transition: Transition, error: Exception) -> None:
        """A handler raised: undo what is not settled, and let Exception run next."""
        if self._disposing:
            return
        transition.error = error
        if EXCEPTION in transition.called:
            return
        self.log_line(3, "[recover] handling panic...")
        self._error = error
        if transition.latest_final:
            self._recover_finals(transition)
        self.log_line(3, f"[cancel] ({' '.join(transition.target)}) by recover")
        transition.accepted = False
        transition.completed = True
        trace = _trace(error) if self.options.log_stack_traces else ""
        args = {"_am_err": error, "_am_errTrace": trace, "_am_panic": Panic(transition)}
        self.prepend(Mutation(ADD, (EXCEPTION,), args))


def _padded(emitter: str) -> str:
    text = emitter if len(emitter) <= 15 else emitter[:12] + "..."
    return text.replace(" ", "_").ljust(15, "_")


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()


__all__ = ["Engine", "MachineError", "Panic", "StatePanic"]
