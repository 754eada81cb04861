"""Why a transition came out as it did, as facts: which relation, which handler. Pure; sentences are made of them elsewhere.

Facts come from the recorded steps, read as the machine wrote them: a Require that was not met is followed by the step that drops its
state, and a Remove counts only when who removes was not dropped itself. What cannot be known from a record is left out: nothing is
guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amdbg_tui.history.live import Moment
from amdbg_tui.history.records import StepRecord


@dataclass(frozen=True, slots=True)
class Reasons:
    """What decided."""

    refused_by: str = ""
    """The handler that said no."""
    unmet: tuple[tuple[str, str], ...] = ()
    """(state, needed): the state could not be, because what it requires was not to be active."""
    removed: tuple[tuple[str, str], ...] = ()
    """(remover, state): the state went, or could not come, because the other one stays."""
    added: tuple[tuple[str, str], ...] = ()
    """(state, implied): the second came with the first."""


def active_names(names: Sequence[str], ticks: Sequence[int]) -> set[str]:
    """Names of the states that are active in a clock."""
    return {name for name, tick in zip(names, ticks, strict=False) if tick % 2}


def reasons_of(moment: Moment) -> Reasons:
    """The facts of one record; empty for a derived one, whose steps nobody told."""
    record = moment.record
    unmet, removed, added = _read(record.steps)
    before, after = active_names(moment.names, record.before), active_names(moment.names, record.after)
    refused = next((name.rstrip("!") for name in record.handlers if name.endswith("!")), "")
    if record.accepted and not record.check:
        went = before - after
        return Reasons(
            "",
            tuple((state, need) for state, need in unmet if state in went and need not in after),
            tuple((other, state) for other, state in removed if state in went and other in after),
            tuple((state, other) for state, other in added if other in after - before and state in after),
        )
    if refused:
        return Reasons(refused)
    wanted = set(record.called)
    chain = list(wanted)
    for state in chain:  # whatever a called state needs in vain is a reason too
        chain += [need for of, need in unmet if of == state and need not in chain]
    return Reasons(
        "",
        tuple((state, need) for state, need in unmet if state in chain),
        tuple((other, state) for other, state in removed if state in chain),
    )


def _read(
    steps: Sequence[StepRecord],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[tuple[str, str]]]:
    unmet: dict[tuple[str, str], None] = {}
    removed: dict[tuple[str, str], None] = {}
    added: dict[tuple[str, str], None] = {}
    blocked: set[str] = set()
    blockers: list[StepRecord] = []
    for step, following in zip(steps, [*steps[1:], StepRecord("")], strict=False):
        if step.kind == "rel" and step.detail == "require":
            dropped = following.kind == "deactivate-passive" and following.from_state == step.from_state
            if dropped or (following.kind == "cancel" and following.to_state == step.to_state):
                unmet[step.from_state, step.to_state] = None
        elif step.kind == "rel" and step.detail == "remove":
            blockers.append(step)
        elif step.kind == "rel" and step.detail == "add":
            added[step.from_state, step.to_state] = None
        elif step.kind in ("deactivate", "deactivate-passive") and step.to_state and blockers:
            for blocker in blockers:
                if blocker.to_state == step.to_state and blocker.from_state not in blocked:
                    removed[blocker.from_state, step.to_state] = None
            blocked.add(step.to_state)
        if not (step.kind == "rel" and step.detail == "remove"):
            blockers = []
    return list(unmet), list(removed), list(added)


HANDLER_ENDINGS = {
    (True, True): "State",
    (True, False): "End",
    (False, True): "Enter",
    (False, False): "Exit",
}


def handler_name(step: StepRecord) -> str:
    """The name of the handler of a step: `CheckedState`, `PaidEnter`, `PaidPlaced`."""
    if step.detail.strip("FES"):  # recordings of format 1 name the handler itself
        return step.detail
    if step.from_state and step.to_state:
        return step.from_state + step.to_state
    state = step.to_state or step.from_state
    if "S" in step.detail:
        return state + state
    return state + HANDLER_ENDINGS["F" in step.detail, "E" in step.detail]
