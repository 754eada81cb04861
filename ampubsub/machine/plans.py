"""Plans: mutations resolved once, remembered as a graph, and carried out without thinking again.

Theory of operation
-------------------
What a mutation does to an idle machine depends on few things only: the schema, the bound handlers, the states
active now (in order), and what is called. So each set of active states is a *node*, and each mutation tried
there twice becomes a *plan*: target states, the clocks that tick, the very handlers to call in order, the Auto
mutation that follows, the answer, and the next node. The second time a machine comes by, the mutation is one
look-up and a walk along the plan.

A plan foresees only the smooth way. Whatever is not smooth (a handler refuses, raises, takes too long) is
settled by the engine's own code, from the point reached. Steps, log lines, checks, and tracers that want more than
the end of a transition go the engine's general way from the start (`planned.py`).

Machines without handlers share the graph of their blueprint; a machine with handlers has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ampubsub.machine.handlers import FINAL_SUFFIXES, Binding, Handler
from ampubsub.machine.relations import Relations
from ampubsub.machine.result import MutationKind, Result
from ampubsub.machine.schema import State

ADD, REMOVE, SET = MutationKind.ADD, MutationKind.REMOVE, MutationKind.SET
HEALTH_STATES = ("Heartbeat", "Healthcheck")
"""Added alone they bring no Auto states along."""


class Call:
    """One handler of one binding, to be called at its turn."""

    __slots__ = ("binding", "enter", "final", "handler", "may_refuse", "name", "number", "shown", "state")

    def __init__(
        self, name: str, handler: Handler, binding: Binding, number: int, state: str, enter: bool, final: bool
    ) -> None:
        self.name = name
        self.handler = handler
        self.may_refuse = not name.endswith(FINAL_SUFFIXES)
        self.binding = binding
        self.number = number
        self.state = state
        """The state that the handler is about, as roll-backs need it."""
        self.enter = enter
        self.final = final
        self.shown: str = f"{number}:{name}" if number else name
        """The name in `Transition.handlers`."""


class Whole:
    """A mutation without handlers and the Auto mutation after it, in one."""

    __slots__ = ("active", "moved", "node", "plans", "ticks", "transitions")

    def __init__(self, *plans: Plan) -> None:
        self.plans = plans
        self.transitions = len(plans)
        self.active: tuple[str, ...] = plans[-1].active
        self.node: Node = plans[-1].next
        ticks: dict[int, int] = {}
        for plan in plans:
            for position, more in plan.ticks:
                ticks[position] = ticks.get(position, 0) + more
        self.ticks = tuple(ticks.items())
        self.moved = tuple(dict.fromkeys(name for plan in plans for name in plan.moved))


class Plan:
    """What one mutation does at one node."""

    __slots__ = (
        "accepted",
        "active",
        "asks",
        "auto",
        "auto_called",
        "called",
        "enters",
        "exits",
        "finals",
        "kind",
        "left",
        "moved",
        "next",
        "node",
        "result",
        "talks",
        "target",
        "ticks",
        "whole",
    )

    def __init__(self, node: Node, kind: MutationKind, called: tuple[str, ...], auto: bool) -> None:
        self.node: Node = node
        self.kind = kind
        self.called = called
        self.auto = auto
        self.accepted: bool = False
        self.target: tuple[str, ...] = ()
        self.enters: tuple[str, ...] = ()
        self.exits: tuple[str, ...] = ()
        self.asks: tuple[Call, ...] = ()
        """Negotiation handlers."""
        self.finals: tuple[Call, ...] = ()
        """Final handlers, `AnyState` last."""
        self.active: tuple[str, ...] = node.active
        """States active afterwards."""
        self.ticks: tuple[tuple[int, int], ...] = ()
        """(index, ticks more)."""
        self.moved: tuple[str, ...] = ()
        """States whose clock ticks."""
        self.left: tuple[str, ...] = ()
        """Of those, the ones that get inactive."""
        self.auto_called: tuple[str, ...] = ()
        """Called states of the Auto mutation that follows."""
        self.result = Result.CANCELED
        self.next: Node = node
        self.talks = False
        """Whether there is any handler to call."""
        self.whole: Whole | None = None


_UNSEEN: Any = object()


class Node:
    """One order of active states, and the plans made there."""

    __slots__ = ("active", "adds", "autos", "graph", "removes", "sets")

    def __init__(self, graph: PlanGraph, active: tuple[str, ...]) -> None:
        self.graph = graph
        self.active: tuple[str, ...] = active
        self.adds: dict[tuple[str, ...], Plan | None] = {}
        self.removes: dict[tuple[str, ...], Plan | None] = {}
        self.sets: dict[tuple[str, ...], Plan | None] = {}
        self.autos: dict[tuple[str, ...], Plan | None] = {}

    def plans(self, kind: MutationKind, auto: bool) -> dict[tuple[str, ...], Plan | None]:
        """The plans of one kind of mutation; None marks one seen once."""
        if auto:
            return self.autos
        return self.adds if kind is ADD else self.removes if kind is REMOVE else self.sets


class PlanGraph:
    """All nodes of one schema with one set of bound handlers.

    Machines of several threads may share one: what a plan says never depends on who made it, every step on the
    tables is a single operation, and at worst a plan is made twice.
    """

    __slots__ = ("bindings", "count", "index", "nodes", "relations", "schema", "talking")

    def __init__(
        self,
        relations: Relations,
        index: Mapping[str, int],
        bindings: Sequence[Binding] = (),
        talking: bool = False,
    ) -> None:
        self.relations = relations
        self.schema: Mapping[str, State] = relations.schema
        self.index = index
        self.bindings = tuple(bindings)
        self.talking = talking
        """Whether handlers were ever bound; without any, negotiation is skipped altogether."""
        self.nodes: dict[tuple[str, ...], Node] = {}
        self.count = 0

    def node(self, active: tuple[str, ...]) -> Node:
        """The node of these active states."""
        found = self.nodes.get(active)
        if found is None:
            found = self.nodes[active] = Node(self, active)
        return found

    def plan(
        self, active: tuple[str, ...], kind: MutationKind, called: tuple[str, ...], auto: bool, limit: int
    ) -> Plan | None:
        """The plan of a mutation; None the first time it is asked for. Raises `HandlerError`.

        More than `limit` remembered mutations are all forgotten at once.
        """
        plans = self.node(active).plans(kind, auto)
        found: Plan | None = plans.get(called, _UNSEEN)
        if found is _UNSEEN:
            self.count += 1
            if self.count > limit:
                self.forget()
                plans = self.node(active).plans(kind, auto)
            plans[called] = None
            return None
        if found is None:
            found = plans[called] = self._make(self.node(active), kind, called, auto)
        return found

    def forget(self) -> None:
        """Drop all plans; a machine on its way along one is not disturbed."""
        nodes = list(self.nodes.values())
        self.nodes.clear()
        self.count = 0
        for node in nodes:
            for plans in (node.adds, node.removes, node.sets, node.autos):
                plans.clear()

    def whole(self, plan: Plan) -> Whole | None:
        """A plan and its Auto plan as one, when no handler stands in the way."""
        if plan.asks or plan.finals:
            return None
        if not plan.auto_called:
            plan.whole = Whole(plan)
            return plan.whole
        auto = plan.next.autos.get(plan.auto_called)
        if auto is None:
            auto = plan.next.autos[plan.auto_called] = self._make(plan.next, ADD, plan.auto_called, True)
        if auto.asks or auto.finals:
            return None
        plan.whole = Whole(plan, auto)
        return plan.whole

    # -- making a plan: the engine's rules, followed once ------------------------------------------

    def _make(self, node: Node, kind: MutationKind, called: tuple[str, ...], auto: bool) -> Plan:
        plan = Plan(node, kind, called, auto)
        relations, active = self.relations, node.active
        target = relations.resolve(kind, called, active, relations.base(kind, called, active))
        refused = [name for name in called if name not in target]
        if auto:
            plan.accepted = len(refused) < len(called)
        else:
            plan.accepted = kind is REMOVE or not refused
        exits, enters = self._moves(active, called, target) if plan.accepted else ([], [])
        if self.talking and plan.accepted:
            plan.asks = self._asks(active, target, exits, enters, kind)
        if self.talking and auto and not target:
            plan.accepted = False
        if auto:
            base = relations.base(ADD, [name for name in called if name in target], active)
            target = relations.resolve(kind, called, active, base)
            exits, enters = self._moves(active, called, target)
        plan.target, plan.enters, plan.exits = tuple(target), tuple(enters), tuple(exits)
        if plan.accepted:
            self._settle(plan)
        plan.talks = bool(plan.asks or plan.finals)
        return plan

    def _moves(
        self, active: Sequence[str], called: Sequence[str], target: Sequence[str]
    ) -> tuple[list[str], list[str]]:
        exits = [name for name in active if name not in target]
        self.relations.sort(exits)
        enters = [
            name for name in target if name not in active or (name in called and self.schema[name].multi)
        ]
        return exits, enters

    def _asks(
        self,
        active: Sequence[str],
        target: Sequence[str],
        exits: Sequence[str],
        enters: Sequence[str],
        kind: MutationKind,
    ) -> tuple[Call, ...]:
        calls: list[Call] = []
        for name in exits:
            calls += self._calls(f"{name}Exit", "")
        for name in enters:
            calls += self._calls(f"{name}Enter", name, enter=True)
        if kind is not REMOVE:
            for name in target:
                if name in active:
                    calls += self._calls(name + name, name)
        for before in active:
            for name in target:
                if before != name:
                    calls += self._calls(before + name, name)
        calls += self._calls("AnyEnter", "Any", enter=True)
        return tuple(calls)

    def _calls(self, name: str, state: str, *, enter: bool = False, final: bool = False) -> list[Call]:
        found = ((number, binding, binding.handler(name)) for number, binding in enumerate(self.bindings))
        return [
            Call(name, handler, binding, number, state, enter, final)
            for number, binding, handler in found
            if handler is not None
        ]

    def _settle(self, plan: Plan) -> None:
        """Clocks, final handlers, what follows, and the answer of an accepted mutation."""
        before, index = plan.node.active, self.index
        plan.left = tuple(name for name in before if name not in plan.target)
        ticks: dict[str, int] = {}
        for name in plan.target:
            if name not in before:
                ticks[name] = 1
            elif name in plan.called and self.schema[name].multi:
                ticks[name] = 2
        ticks.update((name, 1) for name in plan.left)
        plan.ticks = tuple((index[name], more) for name, more in ticks.items())
        plan.moved = tuple(ticks)
        plan.active = plan.target
        plan.next = self.node(plan.active)
        if self.talking:
            finals: list[Call] = []
            for name in plan.exits:
                finals += self._calls(f"{name}End", "", final=True)
            for name in plan.enters:
                finals += self._calls(f"{name}State", name, enter=True, final=True)
            plan.finals = (*finals, *self._calls("AnyState", "Any", enter=True, final=True))
        healthy = plan.kind is ADD and len(plan.called) == 1 and plan.called[0] in HEALTH_STATES
        if ticks and not plan.auto and not healthy:
            plan.auto_called = tuple(self.relations.auto_candidates(plan.active)[0])
        gone = not any(name in plan.target for name in plan.called)
        plan.result = Result.EXECUTED if plan.kind is not REMOVE or gone else Result.CANCELED
