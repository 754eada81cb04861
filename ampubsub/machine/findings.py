"""What a resolution saw on its way, for whoever asks why: steps, log lines and previews.

The rules in `relations.py` tell a `Findings` what they look at, in order; they decide nothing by it, and without one
they go the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ampubsub.machine.schema import State
from ampubsub.machine.steps import Relation, Step, StepKind


class Removed(NamedTuple):
    """A state that others drove out."""

    state: str
    by: tuple[str, ...]


class Missing(NamedTuple):
    """States that could not be, and what each of them needs and lacks."""

    needs: Mapping[str, tuple[str, ...]]


class Findings:
    """The notes of one resolution."""

    __slots__ = ("adds", "called", "names", "notes", "schema", "steps", "wants_steps")

    def __init__(
        self,
        names: Sequence[str],
        schema: Mapping[str, State],
        called: Iterable[str],
        steps: list[Step],
        *,
        wants_steps: bool = True,
        adds: bool = True,
    ) -> None:
        self.names = names
        self.schema = schema
        self.called = frozenset(called)
        self.steps = steps
        """Where steps are written."""
        self.wants_steps = wants_steps
        self.adds = adds
        """Steps of Add relations; a check has them even where it has no others."""
        self.notes: list[Removed | Missing] = []
        """What was driven out and what was missing, in the order in which it was judged."""

    @property
    def removed(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """States that were driven out, and by which."""
        return tuple((note.state, note.by) for note in self.notes if isinstance(note, Removed))

    @property
    def missing(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """States that could not be, and what they need."""
        return tuple(pair for note in self.notes if isinstance(note, Missing) for pair in note.needs.items())

    # -- told by the rules -------------------------------------------------------------------------

    def implied(self, state: int, left_out: int) -> None:
        """A state brings its Add states along, but for those in the mask `left_out`."""
        if not self.adds:
            return
        name = self.names[state]
        index = {other: i for i, other in enumerate(self.names)} if left_out else {}
        added = [other for other in self.schema[name].add if not left_out >> index.get(other, 0) & 1]
        self.steps += [Step(StepKind.RELATION, name, other, Relation.ADD.value) for other in added]
        self.steps += [Step(StepKind.ACTIVATE, "", other) for other in added]

    def required(self, states: Iterable[int], needs: dict[str, tuple[str, ...]]) -> None:
        """One pass over the Require relations of a list; what is missing joins `needs`."""
        listed = [self.names[state] for state in states]
        present = set(listed)
        for name in listed:
            lacking = []
            for needed in self.schema[name].require:
                if self.wants_steps:
                    self.steps.append(Step(StepKind.RELATION, name, needed, Relation.REQUIRE.value))
                if needed in present:
                    continue
                lacking.append(needed)
                if self.wants_steps:
                    self.steps.append(Step(StepKind.DEACTIVATE_PASSIVE, name, ""))
                    if name in self.called:
                        self.steps.append(Step(StepKind.CANCEL, "", needed))
            if lacking:
                needs[name] = tuple(lacking)

    def lacked(self, needs: dict[str, tuple[str, ...]]) -> None:
        """All passes over the Require relations are done."""
        if needs:
            self.notes.append(Missing(needs))

    def judged(self, state: int, removers: Iterable[int], blocked: int, active: int) -> None:
        """Whether a state is driven out by these, of which those in the mask `blocked` are out themselves."""
        names = self.names
        removers = tuple(removers)
        name = names[state]
        if self.wants_steps:
            self.steps += [
                Step(StepKind.RELATION, names[remover], name, Relation.REMOVE.value) for remover in removers
            ]
        standing = tuple(names[remover] for remover in removers if not blocked >> remover & 1)
        if standing:
            self.notes.append(Removed(name, standing))
            if self.wants_steps:
                kind = StepKind.DEACTIVATE if active >> state & 1 else StepKind.DEACTIVATE_PASSIVE
                self.steps.append(Step(kind, "", name))

    def compared(self, one: int, other: int) -> None:
        """Two states are put in order by their After relations, if they have any to each other."""
        if not self.wants_steps:
            return
        first, second = self.names[one], self.names[other]
        if second in self.schema[first].after:
            self.steps.append(Step(StepKind.RELATION, second, first, Relation.AFTER.value))
        elif first in self.schema[second].after:
            self.steps.append(Step(StepKind.RELATION, first, second, Relation.AFTER.value))
