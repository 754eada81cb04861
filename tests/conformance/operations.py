"""The operations of scenario rows, each mapped to a call of ours."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ampubsub.machine import (
    Context,
    Exported,
    HandlerError,
    Machine,
    MachineError,
    MachineView,
    Mutation,
    MutationKind,
    StatePanic,
    Time,
)
from ampubsub.machine.handlers import handler_names
from ampubsub.machine.relations import inbound_relations_of, relations_between, relations_of
from ampubsub.machine.transition import Event
from tests.conformance.api_rows import state

if TYPE_CHECKING:
    from tests.conformance.scenarios import Scenario

Operation = dict[str, Any]
Answer = dict[str, Any]
COMPARE = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
KNOWN = {
    "op", "states", "args", "err", "state", "id", "ctx", "tick", "ticks", "times", "groups", "mut_type", "flags",
    "position", "data", "schema", "query", "msg", "added", "removed", "strict", "table", "sleep_ms", "ms", "tags",
}  # fmt: skip


def _queued(mutation: Mutation, machine: Machine) -> str:
    return mutation.string(machine.state_names) + (" check" if mutation.check else "")


class Operations:
    """Does one scenario's operations."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.machine = scenario.machine
        self.contexts: dict[str, Context] = {}
        self.tables: dict[str, dict[str, Any]] = {}

    def table(self, table: dict[str, list[dict[str, Any]]]) -> dict[str, Callable[[Event], Any]]:
        """Handlers from a table of behaviours."""
        known = handler_names(self.machine.state_names)  # Go overlooks the others
        return {name: self._handler(behaviours or []) for name, behaviours in table.items() if name in known}

    def _handler(self, behaviours: list[dict[str, Any]]) -> Callable[[Event], Any]:
        calls = iter(range(1 << 62))

        def handler(event: Event) -> bool:
            call = next(calls)
            if not behaviours:
                return True
            if call >= len(behaviours):
                return bool(behaviours[-1].get("ret", True))
            behaviour = behaviours[call]
            for operation in behaviour.get("do") or []:
                self.scenario.run_nested(operation, event)
            if behaviour.get("sleep_ms"):
                time.sleep(behaviour["sleep_ms"] / 1000)
            if behaviour.get("panic"):
                raise StatePanic(behaviour["panic"])
            return bool(behaviour.get("ret", True))

        return handler

    def run(self, operation: Operation, event: Event | None) -> Answer:
        """Do one operation; `result` or `value` of it. Raises ValueError for one that is not known."""
        unknown = set(operation) - KNOWN
        if unknown:
            raise ValueError(f"unknown fields {', '.join(sorted(unknown))} of operation {operation['op']}")
        method = getattr(self, f"op_{operation['op']}", None)
        if method is None:
            raise ValueError(f"unknown operation {operation['op']}")
        answer: Answer | None = method(operation, event)
        return answer or {}

    def as_go_says(self, operation: Operation, panic: str) -> str:
        """Go's checks print an index for each unknown state, which is always -1."""
        panic = panic.partition("; did you mean ")[0]
        if not operation["op"].startswith("can_"):
            return panic
        for name in operation.get("states") or []:
            if self.machine.index(name) < 0:
                panic = panic.replace(f" {name} ", " unknown-1 ", 1)
        return panic

    # -- mutations ---------------------------------------------------------------------------------

    def _mutate(self, name: str, operation: Operation, event: Event | None) -> Answer:
        states, args = operation.get("states") or [], operation.get("args")
        call = getattr(self.machine, name)
        result = call(*states, args=args) if event is None else call(*states, args=args, event=event)
        return {"result": int(result)}

    def op_add(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("add", operation, None)

    def op_remove(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("remove", operation, None)

    def op_set(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("set", operation, None)

    def op_toggle(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("toggle", operation, None)

    def op_can_add(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("can_add", operation, None)

    def op_can_remove(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("can_remove", operation, None)

    def op_ev_add(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("add", operation, event)

    def op_ev_remove(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("remove", operation, event)

    def op_ev_toggle(self, operation: Operation, event: Event | None) -> Answer:
        return self._mutate("toggle", operation, event)

    def op_prepend(self, operation: Operation, event: Event | None) -> Answer:
        kind = MutationKind(operation.get("mut_type") or "add")
        mutation = Mutation(kind, operation.get("states") or [], operation.get("args"))
        return {"result": int(self.machine.prepend(mutation))}

    def op_add_err(self, operation: Operation, event: Event | None) -> Answer:
        return {"result": int(self.machine.add_err(StatePanic(operation["err"]), operation.get("args")))}

    def op_ev_add_err(self, operation: Operation, event: Event | None) -> Answer:
        error = StatePanic(operation["err"])
        return {"result": int(self.machine.add_err(error, operation.get("args"), event=event))}

    def op_add_err_state(self, operation: Operation, event: Event | None) -> Answer:
        error = StatePanic(operation["err"])
        return {"result": int(self.machine.add_err_state(operation["state"], error, operation.get("args")))}

    def op_add_err_nil(self, operation: Operation, event: Event | None) -> Answer:
        return {"result": int(self.machine.add_err(None))}

    def op_panic_to_err(self, operation: Operation, event: Event | None) -> Answer:
        # A panic with something that is no error loses its text in Go; a Python exception always is one.
        return self.op_panic_to_err_err({**operation, "err": "<nil>"}, event)

    def op_panic_to_err_err(self, operation: Operation, event: Event | None) -> Answer:
        with self.machine.panic_to_err():
            raise StatePanic(operation["err"])
        return {}

    def op_panic_to_err_state(self, operation: Operation, event: Event | None) -> Answer:
        with self.machine.panic_to_err(operation["state"]):
            raise StatePanic(operation["err"])
        return {}

    def op_eval(self, operation: Operation, event: Event | None) -> Answer:
        ran = False

        def function() -> None:
            nonlocal ran
            ran = True

        ok = self.machine.eval(operation.get("id", ""), function, self._context(operation))
        return {"value": {"ok": ok, "ran": ran}}

    # -- queries -----------------------------------------------------------------------------------

    def op_is(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.is_(*(operation.get("states") or []))}

    def op_not(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.not_(*(operation.get("states") or []))}

    def op_any(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.any(*(operation.get("groups") or []))}

    def op_any1(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.any(*(operation.get("states") or []))}

    def op_switch(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.switch(*(operation.get("groups") or []))}

    def op_has(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.has(*(operation.get("states") or []))}

    def op_is_err(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.is_err()}

    def op_time(self, operation: Operation, event: Event | None) -> Answer:
        states = operation.get("states")
        if self.machine.is_disposed:
            return {"value": None}
        return {"value": list(self.machine.time(*states)) if states else list(self.machine.time())}

    def op_clock(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.clock(*(operation.get("states") or []))}

    def op_tick(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": 0 if self.machine.is_disposed else self.machine.tick(operation["state"])}

    def op_active_states(self, operation: Operation, event: Event | None) -> Answer:
        states = operation.get("states")
        found = self.machine.active_order if states is None else self.machine.active_states(*states)
        return {"value": [] if self.machine.is_disposed or states == [] else list(found)}

    def op_index(self, operation: Operation, event: Event | None) -> Answer:
        if self.machine.is_disposed:
            return {"value": []}
        return {"value": [self.machine.index(name) for name in operation.get("states") or []]}

    def op_state_names(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": list(self.machine.state_names)}

    def op_inspect(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.inspect(*(operation.get("states") or []))}

    def op_string(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": str(self.machine)}

    def op_string_all(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.string_all()}

    def op_export(self, operation: Operation, event: Event | None) -> Answer:
        def export() -> Any:
            data = self.machine.export()
            return {
                "id": data.id,
                "state_names": list(data.state_names),
                "time": list(data.time),
                "queue_tick": data.queue_tick,
                "machine_tick": data.machine_tick,
            }

        return self._try(export)

    def op_import(self, operation: Operation, event: Event | None) -> Answer:
        data = operation["data"]
        exported = Exported(
            data.get("id", ""),
            tuple(data.get("state_names") or ()),
            Time(data.get("time") or ()),
            data.get("queue_tick", 0),
            data.get("machine_tick", 0),
        )
        return self._try(lambda: self.machine.import_(exported))

    def op_verify_states(self, operation: Operation, event: Event | None) -> Answer:
        return self._try(lambda: self.machine.verify_states(operation.get("states") or []))

    def op_set_schema(self, operation: Operation, event: Event | None) -> Answer:
        schema = {name: state(raw) for name, raw in (operation.get("schema") or {}).items()}
        return self._try(lambda: self.machine.set_schema(schema, operation.get("states") or []))

    def op_parse_states(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": list(self.machine.parse_states(operation.get("states") or []))}

    def op_relations_of(self, operation: Operation, event: Event | None) -> Answer:
        name = operation.get("state") or (operation.get("states") or [""])[0]
        return self._relations(lambda: [kind.value for kind in relations_of(self.machine.schema, name)])

    def op_relations_between(self, operation: Operation, event: Event | None) -> Answer:
        start, end = (operation.get("states") or ["", ""])[:2]
        return self._relations(
            lambda: [kind.value for kind in relations_between(self.machine.schema, start, end)]
        )

    def op_inbound_relations_of(self, operation: Operation, event: Event | None) -> Answer:
        name = operation.get("state") or (operation.get("states") or [""])[0]
        return self._relations(lambda: sorted(inbound_relations_of(self.machine.schema, name)))

    def _relations(self, question: Callable[[], Any]) -> Answer:
        try:
            return {"value": question()}
        except KeyError as error:
            return {"value": {"err": f"state unknown: {error.args[0]}"}}

    def op_is_queued(self, operation: Operation, event: Event | None) -> Answer:
        flags = [*(operation.get("flags") or []), False, False, False]
        found = self.machine.is_queued(
            MutationKind(operation.get("mut_type") or "add"),
            operation.get("states") or [],
            without_args=flags[0],
            strict=flags[1],
            check=flags[2],
            min_queue_tick=operation.get("tick", 0),
            position=self._position(operation),
        )
        return {"value": list(found)}

    def op_is_queued_above(self, operation: Operation, event: Event | None) -> Answer:
        flags = [*(operation.get("flags") or []), False, False]
        found = self.machine.is_queued_above(
            operation.get("ticks", 0),
            MutationKind(operation.get("mut_type") or "add"),
            operation.get("states") or [],
            without_args=flags[0],
            strict=flags[1],
            min_queue_tick=operation.get("tick", 0),
        )
        return {"value": found}

    @staticmethod
    def _position(operation: Operation) -> str:
        position = operation.get("position") or "any"
        return position if isinstance(position, str) else {0: "any", 1: "first", 2: "last"}[position]

    def op_will_be(self, operation: Operation, event: Event | None) -> Answer:
        return {
            "value": self.machine.will_be(
                *(operation.get("states") or []), position=self._position(operation)
            )
        }

    def op_will_be_removed(self, operation: Operation, event: Event | None) -> Answer:
        states = operation.get("states") or []
        return {"value": self.machine.will_be_removed(*states, position=self._position(operation))}

    def op_is_time(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.is_time(operation.get("times") or [], *(operation.get("states") or []))}

    def op_was_time(self, operation: Operation, event: Event | None) -> Answer:
        return {
            "value": self.machine.was_time(operation.get("times") or [], *(operation.get("states") or []))
        }

    def op_queue(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": [_queued(mutation, self.machine) for mutation in self.machine.queue]}

    def op_queue_len(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.queue_len}

    def op_in_tx(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.transition is not None}

    def op_tx_info(self, operation: Operation, event: Event | None) -> Answer:
        transition = self.machine.transition
        if transition is None:
            return {"value": None}
        return {
            "value": {
                "accepted": transition.accepted,
                "active": list(self.machine.active_order),
                "before": list(transition.active_before),
                "called": list(transition.called),
                "completed": transition.completed,
                "target": list(transition.target),
                "time_after": list(transition.time_after),
                "time_before": list(transition.time_before),
            }
        }

    def op_tx_string(self, operation: Operation, event: Event | None) -> Answer:
        transition = self.machine.transition
        if transition is None:
            return {"value": None}
        return {"value": str(transition).replace(f"tx#{transition.id}", "tx#ID")}

    def op_event_info(self, operation: Operation, event: Event | None) -> Answer:
        if event is None:
            return {"value": None}
        return {
            "value": {
                "args": dict(event.args),
                "check": event.mutation.check,
                "mut_check": event.mutation.check,
                "name": event.name,
                "str": event.mutation.string(self.machine.state_names),
                "valid": not event.transition.completed,
            }
        }

    def op_err(self, operation: Operation, event: Event | None) -> Answer:
        return {} if self.machine.err is None else {"value": str(self.machine.err)}

    def op_err_args(self, operation: Operation, event: Event | None) -> Answer:
        if event is None:
            return {"value": None}
        value: dict[str, Any] = {}
        error, panic = event.args.get("_am_err"), event.args.get("_am_panic")
        if error is not None:
            value["err"] = str(error)
        if panic is not None:
            value["panic_called"] = list(panic.called)
            value["panic_before"] = list(panic.active_before)
        return {"value": value}

    def op_backoff(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.is_backing_off}

    def op_has_handlers(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.has_handlers}

    def op_tags(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": list(self.machine.tags) or None}

    def op_parent_id(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.parent_id}

    def op_is_disposed(self, operation: Operation, event: Event | None) -> Answer:
        return {"value": self.machine.is_disposed}

    # -- subscriptions -----------------------------------------------------------------------------

    def _context(self, operation: Operation) -> Context | None:
        name = operation.get("ctx")
        return self.contexts.setdefault(name, Context()) if name else None

    def _watch(self, operation: Operation, waiter: Any) -> Answer:
        ended = waiter.done or getattr(waiter, "error", None) is not None
        if not ended:
            self.scenario.recorder.watched[operation["id"]] = waiter
        return {"value": ended}

    def op_when(self, operation: Operation, event: Event | None) -> Answer:
        return self._watch(
            operation, self.machine.when(*(operation.get("states") or []), ctx=self._context(operation))
        )

    def op_when_not(self, operation: Operation, event: Event | None) -> Answer:
        waiter = self.machine.when_not(*(operation.get("states") or []), ctx=self._context(operation))
        return self._watch(operation, waiter)

    def op_when_err(self, operation: Operation, event: Event | None) -> Answer:
        return self._watch(operation, self.machine.when_err(ctx=self._context(operation)))

    def op_when_time(self, operation: Operation, event: Event | None) -> Answer:
        states, times = operation.get("states") or [], operation.get("times") or []
        try:
            return self._watch(operation, self.machine.when_time(states, times, ctx=self._context(operation)))
        except MachineError as error:
            self.machine.add_err(error)
            return {"value": True}

    def op_when_time1(self, operation: Operation, event: Event | None) -> Answer:
        waiter = self.machine.when_time(
            [operation["state"]], [operation.get("tick", 0)], ctx=self._context(operation)
        )
        return self._watch(operation, waiter)

    def op_when_ticks(self, operation: Operation, event: Event | None) -> Answer:
        waiter = self.machine.when_ticks(
            operation["state"], operation.get("ticks", 0), ctx=self._context(operation)
        )
        return self._watch(operation, waiter)

    def op_when_args(self, operation: Operation, event: Event | None) -> Answer:
        args = operation.get("args") or {}
        return self._watch(
            operation, self.machine.when_args(operation["state"], args, ctx=self._context(operation))
        )

    def op_when_query(self, operation: Operation, event: Event | None) -> Answer:
        terms = operation.get("query") or []

        def query(machine: MachineView) -> bool:
            return all(
                COMPARE[term["cmp"]](machine.tick(term["state"]), term.get("value", 0)) for term in terms
            )

        return self._watch(operation, self.machine.when_query(query, ctx=self._context(operation)))

    def op_when_queue(self, operation: Operation, event: Event | None) -> Answer:
        return self._watch(operation, self.machine.when_queue(operation.get("tick", 0)))

    def op_when_queue_ends(self, operation: Operation, event: Event | None) -> Answer:
        return self._watch(operation, self.machine.when_queue_ends())

    def op_when_disposed(self, operation: Operation, event: Event | None) -> Answer:
        return self._watch(operation, self.machine.when_disposed())

    def op_state_ctx(self, operation: Operation, event: Event | None) -> Answer:
        return self._watch(operation, self.machine.state_context(operation["state"]))

    def op_cancel_ctx(self, operation: Operation, event: Event | None) -> Answer:
        name = operation.get("ctx") or operation.get("id") or ""
        self.contexts.setdefault(name, Context()).cancel()
        return {}

    # -- others ------------------------------------------------------------------------------------

    def op_log(self, operation: Operation, event: Event | None) -> Answer:
        self.machine.log(operation.get("msg", "") % ())  # Go's takes a format
        return {}

    def op_breakpoint(self, operation: Operation, event: Event | None) -> Answer:
        self.machine.add_breakpoint(
            operation.get("added") or (),
            operation.get("removed") or (),
            strict=operation.get("strict", False),
        )
        return {}

    def op_sleep(self, operation: Operation, event: Event | None) -> Answer:
        time.sleep((operation.get("sleep_ms") or operation.get("ms") or 0) / 1000)
        return {}

    def op_dispose(self, operation: Operation, event: Event | None) -> Answer:
        self.machine.dispose()
        return {}

    def op_dispose_force(self, operation: Operation, event: Event | None) -> Answer:
        self.machine.dispose_now()
        return {}

    def op_bind(self, operation: Operation, event: Event | None) -> Answer:
        table = self.tables[operation.get("id", "")] = self.table(operation.get("table") or {})
        self.machine.bind_handlers(table)
        return {}

    def op_detach(self, operation: Operation, event: Event | None) -> Answer:
        try:
            self.machine.detach_handlers(self.tables.get(operation.get("id", "")))
        except HandlerError as error:
            return {"value": str(error)}
        return {"value": "ok"}

    def op_detach_tracer(self, operation: Operation, event: Event | None) -> Answer:
        try:
            self.machine.detach_tracer(self.scenario.recorder)
        except MachineError as error:
            return {"value": str(error)}
        return {}

    def op_set_tags(self, operation: Operation, event: Event | None) -> Answer:
        self.machine.set_tags(operation.get("states") or operation.get("tags") or [])
        return {}

    @staticmethod
    def _try(call: Callable[[], Any]) -> Answer:
        try:
            value = call()
        except MachineError as error:
            return {"value": {"err": str(error).partition("; did you mean ")[0]}}
        return {"value": "ok" if value is None else value}
