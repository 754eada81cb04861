"""Rows of machine scenarios: build the machine, do the operations, compare everything the row records."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ampubsub.machine import (
    ExceptionHandler,
    LogLevel,
    Machine,
    MachineError,
    Options,
    StatePanic,
    Tracer,
    Transition,
)
from ampubsub.machine.handlers import handler_names
from ampubsub.machine.log_args import args_mapper
from ampubsub.machine.transition import Event
from tests.conformance.api_rows import state
from tests.conformance.compare import first_difference
from tests.conformance.operations import Operations

ROW_FIELDS = {
    "name", "desc", "states", "schema", "ops", "handlers", "bind_all", "exc_handler", "opts", "init", "results",
    "go_variants", "go_outcomes", "observed", "in_go_variants",
}  # fmt: skip
OPTION_FIELDS = {
    "log_level", "queue_limit", "no_steps", "can", "hooks", "timeout_ms", "deadline_ms", "backoff_ms", "log_args",
    "log_args_max", "log_id", "id", "no_verify", "parent", "tags", "on_error", "on_change",
}  # fmt: skip
LOG4 = 4
"""The level of the extra log that curated rows carry."""


class Recorder(Tracer):
    """Writes down what Go's recorder wrote down: transitions, hooks, and where each subscription was seen closed."""

    def __init__(self) -> None:
        self.transitions: list[dict[str, Any]] = []
        self.hooks: list[str] = []
        self.closed: list[str] = []
        self.watched: dict[str, Any] = {}
        self.machine: Machine | None = None
        self.number = 0

    def check(self, where: str) -> None:
        for name, waiter in list(self.watched.items()):
            if waiter.done or getattr(waiter, "error", None) is not None:
                self.closed.append(f"{name}@{where}")
                del self.watched[name]

    @property
    def name(self) -> str:
        return "tracer"

    def new_submachine(self, parent: Machine, child: Machine) -> None:
        self.hooks.append(f"NewSubmachine {child.id}")

    def machine_dispose(self, machine_id: str) -> None:
        self.hooks.append(f"MachineDispose {machine_id}")

    def verify_states(self, machine: Machine) -> None:
        self.hooks.append("VerifyStates")

    def schema_change(self, machine: Machine, old: object) -> None:
        self.hooks.append("SchemaChange")

    def mutation_queued(self, machine: Machine, mutation: Any) -> None:
        check = " check" if mutation.check else ""
        text = mutation.string(machine.state_names)
        self.hooks.append(
            f"MutationQueued {text}{check} qtick={mutation.queue_tick} qlen={mutation.queue_len}"
        )

    def transition_init(self, transition: Transition) -> None:
        self.hooks.append("TransitionInit")
        self.number = len(self.transitions)
        self.check(f"tx{self.number}.init")

    def transition_start(self, transition: Transition) -> None:
        self.hooks.append("TransitionStart")
        self.check(f"tx{self.number}.start")

    def handler_start(self, transition: Transition, emitter: str, handler: str) -> None:
        self.hooks.append(f"HandlerStart {emitter} {handler}")
        self.check(f"tx{self.number}.{handler}.start")

    def handler_end(self, transition: Transition, emitter: str, handler: str) -> None:
        self.hooks.append(f"HandlerEnd {emitter} {handler}")
        self.check(f"tx{self.number}.{handler}.end")

    def transition_end(self, transition: Transition) -> None:
        self.hooks.append("TransitionEnd")
        self.transitions.append(self._seen(transition))
        self.check(f"tx{self.number}.end")

    def queue_end(self, machine: Machine) -> None:
        self.hooks.append("QueueEnd")
        self.check("queue_end")

    def _seen(self, transition: Transition) -> dict[str, Any]:
        mutation = transition.mutation
        seen: dict[str, Any] = {
            "type": mutation.kind.value,
            "called": list(mutation.called),
            "accepted": transition.accepted,
            "target": list(transition.target),
            "enters": list(transition.enters),
            "exits": list(transition.exits),
            "before": list(transition.time_before),
            "after": list(transition.time_after),
            "handlers": [name.rstrip("!") for name in transition.handlers],
            "qtick": mutation.queue_tick,
            "mut_queue_len": mutation.queue_len,
            "mut_qtick_now": mutation.queue_tick_now,
        }
        now = transition.machine.time()
        optional = {
            "auto": mutation.auto,
            "check": mutation.check,
            "steps": [_step(step) for step in transition.steps],
            "source": f"{mutation.source.machine_id}/{mutation.source.machine_time}"
            if mutation.source
            else "",
            "queue_len": transition.queue_len,
            "qtoken": mutation.queue_token,
            "mach_time": [] if now == transition.time_after else list(now),
        }
        seen.update({name: value for name, value in optional.items() if value})
        return seen


GO_LOOKS_AT_AN_EMPTY_NAME = "4 [is] state  not found"
"""A line of Go's about no state at all, which ours does not write."""


def _as_go_logs(level: int, text: str) -> list[str]:
    """A log line of ours as Go writes it: breakpoints are looked at twice there, when queueing and before running."""
    line = f"{level} {_without_ids(text)}"
    return [line, line] if "[breakpoint]" in text else [line]


def _without_ids(text: str) -> str:
    """A log line without what differs from run to run: transition ids."""
    return re.sub(r"\[source\] ([^/]+)/[^/]+/", r"[source] \1/TXID/", text)


def _step(step: Any) -> str:
    text = f"{step.kind.value} {step.from_state or '-'} {step.to_state or '-'}"
    if step.kind.value == "handler":
        return f"{text} {step.detail or '-'}"
    return f"{text} {step.detail}" if step.detail else text


class Scenario:
    """One machine with its recorder, doing a row's operations."""

    recorder_type: Callable[[], Recorder] = Recorder

    def __init__(self, row: dict[str, Any], log_level: int | None = None) -> None:
        options = row.get("opts") or {}
        unknown = sorted((set(row) - ROW_FIELDS) | (set(options) - OPTION_FIELDS))
        if unknown:
            raise ValueError(f"unknown fields {', '.join(unknown)}")
        self.row = row
        self.options = options
        self.log: list[str] = []
        self.changes: list[list[int]] = []
        self.errors: list[str] = []
        self.nested: list[dict[str, Any]] = []
        self.recorder = type(self).recorder_type()
        level = options.get("log_level", 0) if log_level is None else log_level
        settings = Options(
            log_id=bool(options.get("log_id")),
            logger=lambda level, text: self.log.extend(_as_go_logs(int(level), text)),
            handler_timeout_s=options.get("timeout_ms", 30_000) / 1000,
            slow_handler_s=float("inf"),
            strict=False,
        )
        if "queue_limit" in options:
            settings.queue_limit = options["queue_limit"]
        if "deadline_ms" in options:
            settings.handler_deadline_s = options["deadline_ms"] / 1000
        if "backoff_ms" in options:
            settings.handler_backoff_s = options["backoff_ms"] / 1000
        if "log_args" in options:
            settings.log_args = args_mapper(options["log_args"], options.get("log_args_max", 20))
        parent = None
        if options.get("parent"):
            parent = Machine({}, id="parent", tracers=[self.recorder])
            self.recorder.hooks.clear()
        self.machine = machine = Machine(
            {name: state(raw) for name, raw in row["schema"].items()},
            id=options.get("id", "m"),
            tags=options.get("tags") or (),
            parent=parent,
            tracers=[self.recorder],
            options=settings,
        )
        settings.log_level = LogLevel(level)
        settings.record_steps = not options.get("no_steps")
        settings.record_check_steps = bool(options.get("can"))
        self.operations = Operations(self)
        if not options.get("no_verify"):
            machine.verify_states(row["states"])
        if options.get("on_change"):
            machine.on_change = lambda _, before, after: self.changes.extend([list(before), list(after)])
        if options.get("on_error"):
            machine.on_error = lambda _, error: self.errors.append(str(error))
        self._bind()
        self.recorder.check("init")

    def _bind(self) -> None:
        row, machine = self.row, self.machine
        if row.get("exc_handler"):
            machine.bind_handlers(ExceptionHandler())
        tables = row.get("handlers") or ([{}] if row.get("bind_all") else [])
        for number, table in enumerate(tables):
            made = self.operations.table(table)
            if not number and row.get("bind_all"):
                for name in handler_names(machine.state_names):
                    made.setdefault(name, lambda event: True)
            machine.bind_handlers(made)

    def run_nested(self, operation: dict[str, Any], event: Event) -> None:
        """One operation inside a handler; a panic in it is the handler's."""
        entry: dict[str, Any] = {"h": event.name, "op": operation["op"]}
        if operation.get("states"):
            entry["states"] = operation["states"]
        self.nested.append(entry)
        try:
            entry.update(self.operations.run(operation, event))
        except MachineError as error:
            entry["panic"] = self.operations.as_go_says(operation, str(error))
            raise StatePanic(entry["panic"]) from None
        finally:
            entry["qlen"] = self.machine.queue_len

    def run(self, operation: dict[str, Any]) -> dict[str, Any]:
        """One operation of the row, and how the machine stands afterwards."""
        seen: dict[str, Any] = {}
        try:
            seen.update(self.operations.run(operation, None))
        except MachineError as error:
            seen["panic"] = self.operations.as_go_says(operation, str(error))
        self.recorder.check("done")
        seen.update(self.snapshot())
        return seen

    def snapshot(self) -> dict[str, Any]:
        """Everything a row records of a moment; what was collected since the last one is handed out."""
        machine, recorder = self.machine, self.recorder
        seen: dict[str, Any] = {
            "time": [] if machine.is_disposed else list(machine.time()),
            "active": [] if machine.is_disposed else list(machine.active_order),
            "str": str(machine),
            "str_all": machine.string_all(),
            "qtick": machine.queue_tick,
            "mtick": machine.machine_tick,
            "qlen": machine.queue_len,
            "txs": recorder.transitions,
        }
        optional: dict[str, Any] = {
            "err": str(machine.err) if machine.err is not None else "",
            "nested": self.nested,
            "closed": recorder.closed,
            "hooks": recorder.hooks if self.options.get("hooks") else [],
            "log": self.log if self.options.get("log_level") else [],
            "on_change": self.changes,
            "on_error": self.errors,
        }
        seen.update({name: value for name, value in optional.items() if value})
        recorder.transitions, recorder.closed, recorder.hooks = [], [], []
        self.log, self.changes, self.errors, self.nested = [], [], [], []
        return seen


def replay(row: dict[str, Any]) -> str:
    """Replay a scenario, and once more at log level 4 where the row has that log."""
    moments = [row["init"], *row["results"]]
    if len(row["ops"]) != len(row["results"]):
        return f"{len(row['ops'])} operations, {len(row['results'])} results"
    scenario = Scenario(row)
    for number, recorded in enumerate(moments):
        operation = row["ops"][number - 1] if number else {}
        seen = scenario.run(operation) if number else scenario.snapshot()
        expected = {name: value for name, value in recorded.items() if name != "log4"}
        problem = first_difference(seen, expected)
        if problem:
            return f"{_where(number, operation)}: {problem}"
    if any("log4" in recorded for recorded in moments):
        return _replay_log(row, moments)
    return ""


def _replay_log(row: dict[str, Any], moments: list[dict[str, Any]]) -> str:
    scenario = Scenario(row, LOG4)
    scenario.options = {**scenario.options, "log_level": LOG4}
    for number, recorded in enumerate(moments):
        operation = row["ops"][number - 1] if number else {}
        seen = scenario.run(operation) if number else scenario.snapshot()
        lines = [line for line in recorded.get("log4", []) if line != GO_LOOKS_AT_AN_EMPTY_NAME]
        problem = first_difference(seen.get("log", []), lines, "log4")
        if problem:
            return f"{_where(number, operation)}: {problem}"
    return ""


def _where(number: int, operation: dict[str, Any]) -> str:
    return (
        f"operation {number} ({operation.get('op')} {' '.join(operation.get('states') or [])})"
        if number
        else "init"
    )
