"""Carrying out mutations along plans, with the engine's own code for whatever a plan does not foresee.

`plans.py` tells what a plan is. Three ways lead through a machine, and all give the same results:

* *whole*: no handler, nobody looking: ticks and the next node, the Auto mutation included.
* *planned*: the plan's handlers are called one after the other; waits and `transition_end` are told.
* *general* (`engine.py`): everything else.
"""

from __future__ import annotations

from threading import get_ident
from time import monotonic

from ampubsub.machine.clock import Time
from ampubsub.machine.engine import Engine
from ampubsub.machine.errors import HandlerError
from ampubsub.machine.mutation import NO_ARGS, Args, Mutation
from ampubsub.machine.plans import ADD, Call, Node, Plan, PlanGraph, Whole
from ampubsub.machine.result import Result
from ampubsub.machine.subscriptions import Subscriptions
from ampubsub.machine.transition import Event, PlannedTransition

CANCELED = Result.CANCELED


class PlannedEngine(Engine):
    """An engine that remembers."""

    _node: Node | None
    _graph: PlanGraph | None

    # -- from an idle machine ----------------------------------------------------------------------

    def _run_idle(self, plan: Plan, args: Args | None) -> Result | None:
        """Carry out a plan at the machine's node, past the queue; None when the general way has to be gone."""
        options = self.options
        tracers = self.tracers
        if options.log_level > 1 or options.record_steps or self.on_change is not None or tracers.wants_more:
            return None
        if get_ident() != self._thread:
            self._check_thread()
        waits = self._subscriptions
        if (
            waits is not None
            and (waits.bare or (args and waits.args))
            and waits.awaits_args(plan.enters, args or NO_ARGS)
        ):
            return None
        if not tracers.any_transition:
            whole = plan.whole or plan.node.graph.whole(plan)
            if whole is not None and (waits is None or self._nobody_cares(waits, whole)):
                self._queue_tick += 1
                self._transition_count += whole.transitions
                self._token += whole.transitions - 1
                clock = self._clock
                for position, more in whole.ticks:
                    clock[position] += more
                self._active = whole.active
                self._node = whole.node
                return plan.result
        graph = self._graph
        self._node = None
        self._processing = True
        try:
            self._queue_tick += 1
            result = self._walk(plan, None, args or NO_ARGS, self._queue_tick)
            while self._queue:
                self._run_next()
        finally:
            self._transition = None
            self._processing = False
        if tracers.queue_end or (waits is not None and waits.queue_ends):
            self._queue_over()
        if (
            self._graph is graph
            and self._active is plan.active
            and not self._queue
            and not self._backoff_until
        ):
            self._node = plan.next
        else:
            self._settle_node()
        return result

    def _nobody_cares(self, waits: Subscriptions, whole: Whole) -> bool:
        number = self._transition_count + 1
        if waits.bare:
            return False
        if waits.quiet.get(whole, 0) <= number:
            waits.find_quiet(whole, number)
            return waits.quiet.get(whole, 0) > number
        return True

    def _process_queue(self) -> Result:
        if self._processing:
            return super()._process_queue()
        self._node = None
        result = super()._process_queue()
        self._settle_node()
        return result

    def _settle_node(self) -> None:
        """An idle machine stands at the node of its active states, unless something makes it go the long way."""
        if self._disposing or self._queue or self._processing or self.options.remember_plans <= 0:
            return
        if self._backoff_until:
            if self.is_backing_off:
                return
            self._backoff_until = 0.0
        graph = self._graph
        if graph is None:
            graph = self._graph = self._own_graph()
        self._node = graph.node(self._active)

    def _own_graph(self) -> PlanGraph:
        if not self._ever_bound:
            return self._blueprint.graph
        return PlanGraph(self.relations, self._index, self._bindings, talking=True)

    def _forget_plans(self) -> None:
        """Handlers or the schema changed."""
        self._graph = None
        self._node = None

    # -- from the queue ----------------------------------------------------------------------------

    def _run(self, mutation: Mutation) -> Result:
        plan = self._plan_for(mutation)
        if plan is None:
            return super()._run(mutation)
        return self._walk(plan, mutation, mutation.args, mutation.queue_tick)

    def _plan_for(self, mutation: Mutation) -> Plan | None:
        options, tracers = self.options, self.tracers
        if (
            mutation.check
            or options.log_level > 1
            or options.record_steps
            or options.remember_plans <= 0
            or self.on_change is not None
            or tracers.wants_more
        ):
            return None
        graph = self._graph
        if graph is None:
            graph = self._graph = self._own_graph()
        try:
            plan = graph.plan(
                self._active, mutation.kind, mutation.called, mutation.auto, options.remember_plans
            )
        except HandlerError:
            return None  # the general way comes to it in its own time
        if plan is None or (plan.auto and plan.asks):
            return None  # a refusal inside an Auto mutation changes what is asked next
        waits = self._subscriptions
        if waits is not None and waits.args and waits.awaits_args(plan.enters, mutation.args):
            return None
        return plan

    # -- along a plan ------------------------------------------------------------------------------

    def _walk(self, plan: Plan, mutation: Mutation | None, args: Args, queue_tick: int) -> Result:
        self._transition_count += 1
        transition = PlannedTransition(
            self, plan, self._transition_count, tuple(self._clock), args, queue_tick
        )
        if mutation is not None:
            transition.mutation = mutation
        self._transition = transition
        result = plan.result
        accepted = plan.accepted
        if plan.asks and not self._call_all(transition, plan.asks):
            transition.accepted = accepted = False
            transition.time_after = Time(self._clock)
            result = CANCELED
        elif accepted:
            if not self._disposing:
                clock = self._clock
                for position, more in plan.ticks:
                    clock[position] += more
                self._active = plan.active
                transition.settled = True
            if self._graph is not plan.node.graph:
                settled = self._all_finals(transition)
            else:
                settled = not plan.finals or self._call_all(transition, plan.finals)
            if not settled:
                if transition.latest_state != "Any":
                    self._recover_finals(transition)
                transition.accepted = accepted = False
                result = CANCELED
            elif plan.auto_called and not self._disposing:
                self.prepend(Mutation(ADD, plan.auto_called, auto=True))
        else:
            transition.settled = True  # relations refused it: no clock changes
        transition.queue_len = len(self._queue)
        transition.completed = True
        hooks = self.tracers.transition_end
        if hooks:
            if self._log_pending:
                transition.log_before, self._log_pending = self._log_pending, []
            for hook in hooks:
                hook(transition)
        waits = self._subscriptions
        if waits is None:
            return result
        if not accepted:
            if self._active != plan.node.active:
                waits.broken(plan.node.active)
        elif waits.quiet.get(plan, 0) <= transition.number:
            exited = plan.left if plan.auto else plan.exits
            ticked = self._in_index_order(plan.moved)
            waits.after_transition(plan.enters, exited, ticked, plan, transition.number)
        return result

    def _in_index_order(self, names: tuple[str, ...]) -> list[str]:
        return sorted(names, key=self._index.__getitem__)

    def _call_all(self, transition: PlannedTransition, calls: tuple[Call, ...]) -> bool:
        """Call handlers in turn; False when the mutation ends here, everything of the failing one settled."""
        limit = self.options.handler_timeout_s
        graph = transition.plan.node.graph
        started = monotonic()
        call = calls[0]
        try:
            for position, call in enumerate(calls, transition.at + 1):
                transition.at = position
                answer = call.handler(Event(call.name, self, transition))
                now = monotonic()
                if now - started > limit:
                    transition.stop(call)
                    transition.handlers[-1] += "!"
                    self._took_too_long(transition, call.name, call.binding, now - started)
                    return False
                started = now
                if answer is False and call.may_refuse:
                    transition.stop(call)
                    transition.handlers[-1] += "!"
                    return False
                if self._graph is not graph:
                    return self._go_on(transition, call)
        except Exception as error:
            if not self.options.panic_to_exception:
                raise
            self._broke(transition, call, calls, error)
            return False
        return True

    def _go_on(self, transition: PlannedTransition, call: Call) -> bool:
        """A handler changed what is bound, or disposed of the machine: the rest goes the general way."""
        transition.stop(call)
        transition.resume = (call.name, call.number, transition.plan.node.graph.bindings)
        return self._all_finals(transition) if call.final else self._negotiate(transition)

    def _all_finals(self, transition: PlannedTransition) -> bool:
        if not self._finals(transition):
            return False
        return self._call(transition, "Any", "Any", "AnyState", final=True, enter=True)

    def _broke(
        self, transition: PlannedTransition, call: Call, calls: tuple[Call, ...], error: Exception
    ) -> None:
        """A handler raised. Of other bindings' handlers of that name only a final one's turn is still noted."""
        transition.stop(call)
        self._recover(transition, error)
        transition.handlers[-1] += "!"
        if call.may_refuse:
            return
        for other in calls[calls.index(call) + 1 :]:
            if other.name != call.name:
                break
            transition.handlers.append(other.shown + "!")
            if not transition.completed:
                try:
                    other.handler(Event(other.name, self, transition))
                except Exception as another:
                    self._recover(transition, another)
