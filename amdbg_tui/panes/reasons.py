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
    passing: tuple[tuple[str, str], ...] = ()
    """(remover, state): the remover did it before it went itself; only when nothing that stayed explains the state."""
    added: tuple[tuple[str, str], ...] = ()
    """(state, implied): the second came with the first."""


def active_names(names: Sequence[str], ticks: Sequence[int]) -> set[str]:
    """Names of the states that are active in a clock."""
    return {name for name, tick in zip(names, ticks, strict=False) if tick % 2}


def reasons_of(moment: Moment) -> Reasons:
    """The facts of one record; empty for a derived one, whose steps nobody told."""
    record = moment.record
    unmet, removed, added, gone = _read(record.steps)
    before, after = active_names(moment.names, record.before), active_names(moment.names, record.after)
    refused = next((name.rstrip("!") for name in record.handlers if name.endswith("!")), "")
    if record.accepted and not record.check:
        went = before - after
        lacking = tuple((state, need) for state, need in unmet if state in went and need not in after)
        standing = tuple((other, state) for other, state in removed if state in went and other in after)
        return Reasons(
            "",
            lacking,
            standing,
            _passing(
                [pair for pair in removed if pair[1] in went and pair[0] not in after], lacking, standing
            ),
            tuple((state, other) for state, other in added if other in after - before and state in after),
        )
    if refused:
        return Reasons(refused)
    wanted = set(record.called)
    chain = list(wanted)
    for state in chain:  # whatever a called state needs in vain is a reason too
        chain += [need for of, need in unmet if of == state and need not in chain]
    lacking = tuple((state, need) for state, need in unmet if state in chain)
    blocking = [(other, state) for other, state in removed if state in chain]
    standing = tuple(pair for pair in blocking if pair[0] not in gone)
    return Reasons("", lacking, standing, _passing([p for p in blocking if p[0] in gone], lacking, standing))


def _passing(
    gone: list[tuple[str, str]], lacking: tuple[tuple[str, str], ...], standing: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Removers that went themselves, for states that nothing else explains."""
    explained = {state for state, _ in lacking} | {state for _, state in standing}
    return tuple(pair for pair in gone if pair[1] not in explained)


def _read(
    steps: Sequence[StepRecord],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[tuple[str, str]], set[str]]:
    """(unmet, removed, added) pairs and the states that were dropped, as the machine went through them, without what a later step took back."""
    unmet: dict[tuple[str, str], int] = {}
    removed: dict[tuple[str, str], int] = {}
    added: dict[tuple[str, str], None] = {}
    came: dict[str, int] = {}
    went: dict[str, int] = {}
    blocked: set[str] = set()
    blockers: list[StepRecord] = []
    for at, (step, following) in enumerate(zip(steps, [*steps[1:], StepRecord("")], strict=False)):
        if step.kind == "rel" and step.detail == "require":
            dropped = following.kind == "deactivate-passive" and following.from_state == step.from_state
            if dropped or (following.kind == "cancel" and following.to_state == step.to_state):
                unmet[step.from_state, step.to_state] = at
                went[step.from_state] = at
        elif step.kind == "rel" and step.detail == "remove":
            blockers.append(step)
            continue
        elif step.kind == "rel" and step.detail == "add":
            added[step.from_state, step.to_state] = None
        elif step.kind == "activate":
            came[step.to_state] = at
        elif step.kind == "cancel" and steps[at - 1].kind != "deactivate-passive":
            went[step.to_state] = at
        elif step.kind in ("deactivate", "deactivate-passive") and step.to_state and blockers:
            for blocker in blockers:
                if blocker.to_state == step.to_state and blocker.from_state not in blocked:
                    removed[blocker.from_state, step.to_state] = at
            blocked.add(step.to_state)
            went[step.to_state] = at
        blockers = []

    def stays(name: str, at: int) -> bool:
        """It came back after a step: an Add of the second level, which no state that stays removes."""
        if came.get(name, -1) <= max(at, went.get(name, -1)):
            return False
        removers = [other for other, of in removed if of == name]
        return all(other in went and came.get(other, -1) <= went[other] for other in removers)

    return (
        [pair for pair, at in unmet.items() if not stays(pair[1], at) and not stays(pair[0], at)],
        [pair for pair, at in removed.items() if not stays(pair[1], at)],
        list(added),
        {name for name, at in went.items() if not stays(name, at)},
    )


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
