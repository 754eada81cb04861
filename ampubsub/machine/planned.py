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
    _road: object
    """Another object once something happens that a plan on its way knows nothing of."""

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
        if not plan.talks and not tracers.any_transition:
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
        self._road = object()

    def _args_awaited(self) -> None:
        self._road = object()  # plans do not look for whom arguments may interest

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
        number = self._transition_count = self._transition_count + 1
        transition = PlannedTransition(self, plan, number, tuple(self._clock), args, queue_tick)
        if mutation is not None:
            transition.mutation = mutation
        self._transition = transition
        road = self._road
        accepted = plan.accepted
        odd: Exception | tuple[object, float] | None = None
        timeout = self.options.handler_timeout_s
        started = 0.0
        if plan.asks:
            # The same loop stands here twice, because a call more costs as much as a handler.
            started = monotonic()
            try:
                for call in plan.asks:
                    transition.latest = call
                    answer = call.handler(Event(call.name, self, transition))
                    now = monotonic()
                    if (
                        (answer is False and call.may_refuse)
                        or now - started > timeout
                        or self._road is not road
                    ):
                        odd = (answer, now - started)
                        break
                    started = now
            except Exception as error:
                odd = error
            if odd is not None:
                accepted = self._odd(transition, odd)
                transition.time_after = Time(self._clock)
                transition.accepted = accepted
        if accepted:
            if not self._disposing:
                clock = self._clock
                for position, more in plan.ticks:
                    clock[position] += more
                self._active = plan.active
            transition.settled = True
            if self._road is not road:
                transition.time_after = Time(self._clock)
                accepted = self._all_finals(transition)
            elif plan.finals:
                started = started or monotonic()
                try:
                    for call in plan.finals:
                        transition.latest = call
                        answer = call.handler(Event(call.name, self, transition))
                        now = monotonic()
                        if now - started > timeout or self._road is not road:
                            odd = (answer, now - started)
                            break
                        started = now
                except Exception as error:
                    odd = error
                if odd is not None:
                    accepted = self._odd(transition, odd)
            if not accepted:
                if transition.latest_state != "Any":
                    self._recover_finals(transition)
                transition.accepted = False
            elif plan.auto_called and not self._disposing:
                self.prepend(Mutation(ADD, plan.auto_called, auto=True))
        else:
            transition.settled = True  # refused: no clock changes
        transition.queue_len = len(self._queue)
        transition.completed = True
        hooks = self.tracers.transition_end
        if hooks:
            if self._log_pending:
                transition.log_before, self._log_pending = self._log_pending, []
            for hook in hooks:
                hook(transition)
        waits = self._subscriptions
        if waits is not None:
            if not accepted:
                if self._active != plan.node.active:
                    waits.broken(plan.node.active)
            elif waits.quiet.get(plan, 0) <= number:
                exited = plan.left if plan.auto else plan.exits
                ticked = self._in_index_order(plan.moved)
                waits.after_transition(plan.enters, exited, ticked, plan, number)
        return plan.result if accepted else CANCELED

    def _in_index_order(self, names: tuple[str, ...]) -> list[str]:
        return sorted(names, key=self._index.__getitem__)

    def _odd(self, transition: PlannedTransition, odd: Exception | tuple[object, float]) -> bool:
        """The latest handler did something that the plan does not foresee; whether the mutation goes on after all."""
        call = transition.latest
        assert call is not None
        if isinstance(odd, Exception):
            if not self.options.panic_to_exception:
                raise odd
            self._broke(transition, call, odd)
            return False
        answer, seconds = odd
        transition.stop(call)
        if seconds > self.options.handler_timeout_s:
            transition.handlers[-1] += "!"
            self._took_too_long(transition, call.name, call.binding, seconds)
            return False
        if answer is False and call.may_refuse and not call.final:
            transition.handlers[-1] += "!"
            return False
        # It changed who is bound or waits, or disposed of the machine: the rest goes the general way.
        transition.resume = (call.name, call.number, transition.plan.node.graph.bindings)
        return self._all_finals(transition) if call.final else self._negotiate(transition)

    def _all_finals(self, transition: PlannedTransition) -> bool:
        if not self._finals(transition):
            return False
        return self._call(transition, "Any", "Any", "AnyState", final=True, enter=True)

    def _broke(self, transition: PlannedTransition, call: Call, error: Exception) -> None:
        """A handler raised. Of other bindings' handlers of that name only a final one's turn is still noted."""
        transition.stop(call)
        self._recover(transition, error)
        transition.handlers[-1] += "!"
        if call.may_refuse:
            return
        calls = transition.plan.finals if call.final else transition.plan.asks
        for other in calls[calls.index(call) + 1 :]:
            if other.name != call.name:
                break
            transition.handlers.append(other.shown + "!")
            if not transition.completed:
                try:
                    other.handler(Event(other.name, self, transition))
                except Exception as another:
                    self._recover(transition, another)
