"""What relations would make of a mutation, and why, without touching anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ampubsub.machine.findings import Findings
from ampubsub.machine.relations import Relations
from ampubsub.machine.resolution import Resolution
from ampubsub.machine.result import MutationKind
from ampubsub.machine.steps import Step


@dataclass(frozen=True, slots=True)
class Preview:
    """What relations would make of a mutation now. Handlers are not asked; they may still refuse."""

    accepted: bool
    target: tuple[str, ...]
    enters: tuple[str, ...]
    exits: tuple[str, ...]
    refused: tuple[str, ...]
    """Called states that relations do not let through."""
    steps: tuple[Step, ...]
    removed_by: tuple[tuple[str, tuple[str, ...]], ...]
    """States that would be dropped, and by which."""
    missing: tuple[tuple[str, tuple[str, ...]], ...]
    """States that could not be, and what they need."""


def preview(
    rules: Relations, kind: MutationKind, called: tuple[int, ...], order: tuple[int, ...], active: int
) -> Preview:
    """Resolve a mutation of a machine with these active states, in this order. States are numbers."""
    names = [rules.names[state] for state in called]
    findings = Findings(rules.names, rules.schema, names, [])
    resolution = Resolution(rules, None, kind, called, order, active, findings=findings)
    refused: Sequence[str] = []
    if kind is not MutationKind.REMOVE:
        refused = [
            name for state, name in zip(called, names, strict=True) if not resolution.reached >> state & 1
        ]
    entered = resolution.reached & ~active
    for state in called:
        entered |= rules.multi & active & resolution.reached & 1 << state
    return Preview(
        accepted=not refused,
        target=tuple(resolution.states(resolution.target)),
        enters=tuple(resolution.states([state for state in resolution.target if entered >> state & 1])),
        exits=tuple(resolution.states([state for state in order if not resolution.reached >> state & 1])),
        refused=tuple(refused),
        steps=tuple(findings.steps),
        removed_by=findings.removed,
        missing=findings.missing,
    )
