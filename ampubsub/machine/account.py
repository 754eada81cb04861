"""An account of one walk for those who look closely: steps, log lines, and tracers that want more than its end.

The walk (`walk.py`) tells it what happens, in order; it decides nothing. Without onlookers there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ampubsub.machine.findings import Findings, Removed
from ampubsub.machine.handlers import ANY_ENTER, ANY_STATE, END, ENTER, EXIT, PAIR, SELF, STATE
from ampubsub.machine.log import Log
from ampubsub.machine.options import Options
from ampubsub.machine.relations import Relations, mask_of
from ampubsub.machine.resolution import Resolution
from ampubsub.machine.result import MutationKind
from ampubsub.machine.steps import Step, StepKind
from ampubsub.machine.tracing import TracerSet
from ampubsub.machine.transition import Call, Role, Transition

REMOVE, SET = MutationKind.REMOVE, MutationKind.SET
_FLAGS = {EXIT: "", ENTER: "E", SELF: "S", PAIR: "", ANY_ENTER: "E", END: "F", STATE: "FE", ANY_STATE: "FE"}

Tell = Callable[..., None]


class Account:
    """Who looks at one transition closely, and what they have been told."""

    __slots__ = (
        "_findings",
        "_level",
        "_log",
        "_noted",
        "_recording",
        "_stepped",
        "_steps",
        "_tell",
        "_tracers",
        "_transition",
    )

    def __init__(
        self, transition: Transition, options: Options, log: Log, tracers: TracerSet, tell: Tell
    ) -> None:
        self._transition = transition
        self._log = log
        self._tracers = tracers
        self._tell = tell
        self._level = options.log_level
        self._steps = options.record_steps
        """Whether handlers and Add relations are recorded, for checks too."""
        self._recording = options.record_steps and (
            not transition.mutation.check or options.record_check_steps
        )
        """Whether everything is."""
        self._noted: list[Step] = []
        if self._steps:
            transition.recorded = self._noted
        self._findings: Findings | None = None
        self._stepped: Role | None = None

    def _line(self, level: int, text: str) -> None:
        if level <= self._level:
            self._log.line(level, text)

    # -- relations ---------------------------------------------------------------------------------

    def begins(self) -> None:
        """A mutation is about to be resolved."""
        transition = self._transition
        mutation = transition.mutation
        self._tell(self._tracers.transition_init, transition)
        if self._recording:
            self._noted += [Step(StepKind.CALLED, "", name) for name in mutation.called]
        if self._level >= 3:
            auto = ":auto" if mutation.auto else ""
            called = " ".join(mutation.called)
            self._line(
                4 if auto else 3, f"[{mutation.kind.value}{auto}] {called}{self._log.args(mutation.args)}"
            )
            if mutation.source is not None:
                self._line(3, f"[source] {mutation.source}")

    def findings(
        self, rules: Relations, kind: MutationKind, base: Sequence[int], active: int
    ) -> Findings | None:
        """Where relations write what they see, if anybody wants it. `base` are the states that it starts with."""
        if not self._steps and self._level < 3:
            return None
        transition = self._transition
        names = rules.names
        if self._recording:
            steps = self._noted
            if kind is REMOVE:
                steps += [Step(StepKind.DEACTIVATE, "", names[state]) for state in base]
            else:
                steps += [
                    Step(StepKind.ACTIVATE, "", names[state]) for state in base if not active >> state & 1
                ]
                if kind is SET:
                    steps += [
                        Step(StepKind.DEACTIVATE, "", name)
                        for name in transition.active_before
                        if name not in transition.called
                    ]
        self._findings = Findings(
            names,
            rules.schema,
            transition.called,
            self._noted,
            wants_steps=self._recording,
            adds=self._steps,
        )
        return self._findings

    def judged(self, active: int) -> None:
        """Relations have been resolved; write down what they found."""
        findings, self._findings = self._findings, None
        if findings is None or self._level < 3:
            return
        auto = self._transition.mutation.auto
        index = {name: i for i, name in enumerate(findings.names)}
        for note in findings.notes:
            if isinstance(note, Removed):
                level = 3 if active >> index[note.state] & 1 else 4
                self._line(level, f"[rel:remove] {note.state} by {' '.join(note.by)}")
            else:
                words = [
                    f"{name}(-{' -'.join(note.needs[name])})"
                    for name in sorted(note.needs, key=index.__getitem__)
                ]
                self._line(4 if auto else 3, f"[reject{':auto' if auto else ''}] {' '.join(words)}")

    def resolved(self, resolution: Resolution) -> None:
        """It is known what the mutation would do, and whether relations let it."""
        transition = self._transition
        mutation = transition.mutation
        self.judged(resolution.active)
        if self._level >= 3:
            base = 0
            if mutation.kind is not SET:
                base = resolution.active
            for state in resolution.called:
                base = base & ~(1 << state) if mutation.kind is REMOVE else base | 1 << state
            implied = [state for state in resolution.target if not base >> state & 1]
            if implied:
                self._line(3, f"[implied] {' '.join(resolution.states(implied))}")
        if not resolution.accepted:
            refused = [state for state in resolution.called if not resolution.reached >> state & 1]
            names = resolution.states(refused)
            if names:
                self._line(3, f"[cancel:reject] {' '.join(names)}")
                if self._recording:
                    self._noted += [Step(StepKind.CANCEL, "", name) for name in names]
        self._tell(self._tracers.transition_start, transition)

    # -- handlers ----------------------------------------------------------------------------------

    def tries(self, call: Call) -> None:
        """A name is looked for in a binding."""
        if self._level >= 5:
            self._line(5, f"[handle:{_padded(f'{call.number}:{call.binding}')}] {call.name}")

    def starts(self, call: Call) -> None:
        """A bound handler is about to run."""
        self.tries(call)
        self._line(3, f"[handler:{call.number}] {call.name}")
        if self._tracers.handler_start:
            emitter = f"{call.number}:{call.binding}"
            self._tell(self._tracers.handler_start, self._transition, emitter, call.name)

    def invalid(self, call: Call) -> None:
        """It does not run after all: the transition was broken before its turn."""
        self._line(4, f"[handler:invalid] {call.name}")
        self._line(5, f"[handler:end] {call.name} from {call.binding}")

    def returned(self, call: Call) -> None:
        """It came to its end."""
        self._line(5, f"[handler:end] {call.name} from {call.binding}")

    def ends(self, call: Call) -> None:
        """It is over, in whatever way."""
        if self._tracers.handler_end:
            emitter = f"{call.number}:{call.binding}"
            self._tell(self._tracers.handler_end, self._transition, emitter, call.name)
        role = call.role
        if role == self._stepped or not (self._recording if role.kind == SELF else self._steps):
            return
        self._stepped = role
        names = self._transition.machine.state_names
        kind, start, end = role
        if kind in (ANY_ENTER, ANY_STATE):
            step = Step(StepKind.HANDLER, "Any", "Any", _FLAGS[kind])
        elif kind == END:
            step = Step(StepKind.HANDLER, "", names[start], "F")
        else:
            first = "" if start < 0 or kind == SELF else names[start]
            step = Step(StepKind.HANDLER, first, "" if end < 0 else names[end], _FLAGS[kind])
        self._noted.append(step)

    def refused(self, role: Role, name: str) -> None:
        """The handlers of one name did not agree."""
        if self._level >= 3:
            label = "cancel:self" if role.kind == SELF else "cancel"
            self._line(3, f"[{label}] ({' '.join(self._transition.target)}) by {name}")

    # -- the end -----------------------------------------------------------------------------------

    def settled_by(self, resolution: Resolution, multi: int) -> None:
        """The clocks have ticked. `multi` is the mask of Multi states."""
        again = multi & mask_of(resolution.called)
        self.settled(resolution.target, resolution.before, again, resolution.names)

    def settled(self, target: Sequence[int], before: Sequence[int], again: int, names: Sequence[str]) -> None:
        """The active states are others now. `again` are the called Multi states that were active already."""
        if self._level < 2:
            return
        had, has = set(before), set(target)
        entered = [names[state] for state in target if state not in had]
        entered += [names[state] for state in target if state in had and again >> state & 1]
        left = [names[state] for state in before if state not in has]
        text = "".join(f" +{name}" for name in entered) + "".join(f" -{name}" for name in left)
        if self._level >= 5:
            kept = [names[state] for state in target if state in had]
            if kept:
                text += f" {' '.join(kept)}"
        if text:
            mutation = self._transition.mutation
            self._line(2, f"[{'auto_' if mutation.auto else 'state'}]{text}{self._log.args(mutation.args)}")

    def autos(self, rules: Relations, order: Sequence[int], active: int, candidates: Sequence[int]) -> None:
        """Auto states are looked for."""
        names = rules.names
        if self._level >= 5:
            for state, name in enumerate(names):
                if rules.auto >> state & 1 and not active >> state & 1 and state not in candidates:
                    remover = next(other for other in order if rules.removed_by[state] >> other & 1)
                    self._line(5, f"[auto:rel:remove] {name} by {names[remover]}")
        if candidates:
            self._line(3, f"[auto] {' '.join(names[state] for state in candidates)}")


def _padded(emitter: str) -> str:
    text = emitter if len(emitter) <= 15 else emitter[:12] + "..."
    return text.replace(" ", "_").ljust(15, "_")
