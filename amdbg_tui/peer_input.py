"""What `ampubsub-tui peer` is told on its standard input: mutations of its own machines, one a line, each with one answer.

```
add lamp On Power brightness=3 by="the cook"     add, remove, set or toggle; a machine's id, or its index; states; arguments
```
Empty lines and those that begin with `#` are left out. The end of the input ends nothing. Input is read in a thread that is left
behind when the peer ends, straight from the file descriptor, so that nothing waits for it and no lock is held.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import trio

from amdbg_tui.history.records import MachineKey, TransitionRecord
from amdbg_tui.node.commands import MUTATIONS, Argument, CommandError, parse_arguments
from amdbg_tui.node.tracer import RecordingTracer
from amdbg_tui.node.why import why_canceled
from ampubsub.machine import Machine, MachineError, MutationKind, Result

LONGEST_LINE = 65_536
"""Bytes."""
_WORD = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class Typed:
    """A line, understood."""

    mutation: str
    machine: str
    states: tuple[str, ...]
    arguments: Mapping[str, Argument]


def parse_line(text: str) -> Typed:
    """A mutation out of a line. Raises `CommandError`."""
    words, rest = [], text.strip()
    while (match := _WORD.match(rest)) and "=" not in match[0]:
        words.append(match[0].strip())
        rest = rest[match.end() :]
    if not words or words[0] not in MUTATIONS:
        found = f", not {words[0]!r}" if words else ""
        raise CommandError(f"a line begins with {', '.join(MUTATIONS)}{found}")
    if len(words) < 2:
        raise CommandError(f"a machine is missing: {words[0]} MACHINE STATE... key=value...")
    if len(words) < 3 and words[0] != "set":
        raise CommandError(f"a state is missing: {words[0]} {words[1]} STATE...")
    try:
        arguments = dict(parse_arguments(rest))
    except ValueError as error:
        raise CommandError(str(error)) from error
    return Typed(words[0], words[1], tuple(dict.fromkeys(words[2:])), arguments)


def carry_out(exposed: Mapping[int, Machine], peer_id: str, typed: Typed) -> dict[str, Any]:
    """Do it; the fields of the answer. Raises `CommandError`."""
    index, machine = _machine(exposed, typed.machine)
    for state in typed.states:
        if state not in machine.schema:
            raise CommandError(
                f"{machine.id} has no state {state!r}; it has {', '.join(machine.state_names[:20])}"
            )
    kind = MutationKind.ADD if typed.mutation == "toggle" else MutationKind(typed.mutation)
    if typed.mutation == "toggle" and machine.is_(*typed.states):
        kind = MutationKind.REMOVE
    records: list[TransitionRecord] = []
    tracer = RecordingTracer(MachineKey(peer_id, index), records.append)
    machine.bind_tracer(tracer)
    tracer.expect(kind, typed.states)
    do = {MutationKind.ADD: machine.add, MutationKind.REMOVE: machine.remove, MutationKind.SET: machine.set}[
        kind
    ]
    before = machine.active_states()
    try:
        result = do(*typed.states, args=typed.arguments or None)
    except MachineError as error:
        raise CommandError(str(error)) from error
    finally:
        tracer.forget()
        machine.detach_tracer(tracer)
    active = machine.active_states()
    reason = ""
    if result == Result.CANCELED:
        seen = tracer.seen
        reason = why_canceled(machine, seen) if seen else "the machine takes no mutations now"
    return {
        "machine_id": machine.id,
        "index": index,
        "mutation": typed.mutation,
        "states": list(typed.states),
        "result": "queued" if result.is_queued else str(result),
        "reason": reason,
        "entered": [name for name in active if name not in before],
        "exited": [name for name in before if name not in active],
        "active": list(active),
    }


def _machine(exposed: Mapping[int, Machine], named: str) -> tuple[int, Machine]:
    found = [(index, machine) for index, machine in exposed.items() if machine.id == named]
    if not found and named.isdecimal() and int(named) in exposed:
        return int(named), exposed[int(named)]
    if not found:
        known = ", ".join(machine.id for machine in exposed.values()) or "none: start it with --expose FILE"
        raise CommandError(f"this peer has no machine {named!r} of its own; it has {known}")
    if len(found) > 1:
        indexes = ", ".join(str(index) for index, _ in found)
        raise CommandError(f"{len(found)} machines have the id {named!r}: name one by its index: {indexes}")
    return found[0]


async def lines(descriptor: int = 0) -> AsyncGenerator[tuple[int, str | None], None]:
    """(number, text) of each line that comes; None for one that is too long. Ends with the input, or when there is none."""
    if hasattr(signal, "SIGTTIN"):
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background of a terminal: an error, not a stop
    waiting, number, is_too_long = b"", 0, False
    while True:
        try:
            piece = await trio.to_thread.run_sync(
                os.read,
                descriptor,
                LONGEST_LINE,
                abandon_on_cancel=True,  # type: ignore[call-arg]  # older stubs
            )
        except OSError:
            return
        *ended, waiting = (waiting + piece).split(b"\n")
        if not piece and waiting:
            ended, waiting = [waiting], b""
        for line in ended:
            number += 1
            too_long, is_too_long = is_too_long or len(line) > LONGEST_LINE, False
            yield number, None if too_long else line.decode("utf-8", "replace")
        if len(waiting) > LONGEST_LINE:
            waiting, is_too_long = b"", True
        if not piece:
            return
