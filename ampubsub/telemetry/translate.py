"""A machine of this program as telemetry: its schema, and its transitions as records.

The log texts are those that am-dbg reads. What ends a second of its records (`docs/go-debugger.md`) is never written: a text
without a `[word]` at its start, a state line with unbalanced brackets, a called state outside of the schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ampubsub.machine import Machine, Mutation, Transition
from ampubsub.machine import StepKind as MachineStepKind
from ampubsub.machine.log_args import cut, log_text
from ampubsub.telemetry.messages import (
    KINDS,
    RELATIONS,
    LogLine,
    MachineSchema,
    MachineTransition,
    Step,
    StepKind,
)

_CHANGES = 2
_WORD = re.compile(r"\[[^\[\]\s]+\] ")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STATE_WORDS = ("[state] ", "[auto_] ")
_KINDS = {
    MachineStepKind.RELATION: StepKind.RELATION,
    MachineStepKind.HANDLER: StepKind.HANDLER,
    MachineStepKind.ACTIVATE: StepKind.ACTIVATE,
    MachineStepKind.DEACTIVATE: StepKind.DEACTIVATE,
    MachineStepKind.DEACTIVATE_PASSIVE: StepKind.DEACTIVATE_PASSIVE,
    MachineStepKind.CALLED: StepKind.CALLED,
    MachineStepKind.CANCEL: StepKind.CANCEL,
}


def schema_of(machine: Machine) -> MachineSchema:
    """Who a machine is now."""
    names = tuple(machine.state_names)
    return MachineSchema(
        machine_id=machine.id,
        state_names=names,
        states={name: machine.schema[name] for name in names},
        parent_id=machine.parent_id or "",
        tags=tuple(machine.tags),
        groups=dict(machine.groups),
    )


def queued_record(machine: Machine, mutation: Mutation, transition_id: str) -> MachineTransition:
    """A mutation that joined the queue just now. Called on the machine's stack."""
    return MachineTransition(
        machine_id=machine.id,
        transition_id=transition_id,
        clock=tuple(machine.time()),
        kind=mutation.kind.value,
        called=mutation.called,
        queued=True,
        auto=mutation.auto,
        check=mutation.check,
        queue_tick=mutation.queue_tick_now,
        queued_for=0 if mutation.queue_token else mutation.queue_tick,
        queue_token=mutation.queue_token,
        queue_length=mutation.queue_len,
    )


def ended_record(
    transition: Transition, machine_id: str, names: tuple[str, ...], argument_chars: int
) -> MachineTransition:
    """A transition that is over; may be called later, in any thread."""
    mutation = transition.mutation
    args = _arguments(mutation, argument_chars)
    log = _lines(transition.log)
    if not any(line.text.startswith(_STATE_WORDS) for line in log):
        log = (*log, *_change_line(transition, names, args))
    return MachineTransition(
        machine_id=machine_id,
        transition_id=transition.id,
        clock=tuple(transition.time_after),
        kind=mutation.kind.value if mutation.kind.value in KINDS else "set",
        called=mutation.called,
        accepted=transition.accepted,
        auto=mutation.auto,
        check=mutation.check,
        queue_tick=mutation.queue_tick,
        queue_token=mutation.queue_token,
        queue_length=transition.queue_len,
        args=args,
        steps=_steps(transition, names),
        log=log,
        log_before=_lines(transition.log_before),
    )


def _arguments(mutation: Mutation, longest: int) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), cut(log_text(mutation.args[name]), longest)) for name in sorted(mutation.args))


def _lines(lines: Iterable[tuple[int, str]]) -> tuple[LogLine, ...]:
    return tuple(LogLine(int(level), safe_line(text)) for level, text in lines)


def safe_line(text: str) -> str:
    """A log text that am-dbg can read: it begins with `[word] `, and a state line's brackets are balanced."""
    text = _CONTROL.sub(" ", text)
    if not _WORD.match(text):
        text = f"[extern] {text}"
    if text.startswith(_STATE_WORDS) and text.endswith(")") and "(" not in text:
        text = text[:-1] + "]"
    return text


def _change_line(
    transition: Transition, names: tuple[str, ...], args: tuple[tuple[str, str], ...]
) -> tuple[LogLine, ...]:
    before, after = transition.time_before, transition.time_after
    changes = [
        f"{'+' if after[at] % 2 else '-'}{names[at]}"
        for at in range(min(len(before), len(after), len(names)))
        if before[at] != after[at]
    ]
    if not changes or not transition.accepted:
        return ()
    text = f"{'[auto_]' if transition.is_auto else '[state]'} {' '.join(changes)}"
    if args:
        text += f" ({' '.join(f'{name}={value}' for name, value in args)})"
    return (LogLine(_CHANGES, safe_line(text)),)


def _steps(transition: Transition, names: tuple[str, ...]) -> tuple[Step, ...]:
    if not transition.steps:
        return ()
    index = {name: at for at, name in enumerate(names)}
    return tuple(
        Step(
            _KINDS[step.kind],
            index.get(step.from_state, -1),
            index.get(step.to_state, -1),
            relation=RELATIONS.index(step.detail) if step.kind is MachineStepKind.RELATION else 0,
            final=step.kind is MachineStepKind.HANDLER and "F" in step.detail,
            own=step.kind is MachineStepKind.HANDLER and "S" in step.detail,
            enter=step.kind is MachineStepKind.HANDLER and "E" in step.detail,
        )
        for step in transition.steps
    )
