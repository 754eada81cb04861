"""Why a mutation was refused, or would be, in words: who refused, what was missing, what stands in the way."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ampubsub.machine import Machine, Preview, Transition


def why_canceled(machine: Machine, transition: Transition) -> str:
    """Why a transition was not accepted."""
    for handler in transition.handlers:
        if handler.endswith("!"):
            name = handler[:-1].rpartition(":")[2]
            if transition.error is not None:
                return f"{name} failed: {type(transition.error).__name__}: {transition.error}"
            return f"{name} refused"
    return _why(machine, transition.mutation.called, transition.target)


def why_refused(machine: Machine, plan: Preview) -> str:
    """Why relations would not let a mutation through."""
    missing, removed_by = dict(plan.missing), dict(plan.removed_by)
    reasons = []
    for name in plan.refused:
        if name in missing:
            reasons.append(f"{name} requires {_list(missing[name])}")
        elif name in removed_by:
            reasons.append(f"{name} is removed by {_list(removed_by[name])}")
    return "; ".join(reasons) or _why(machine, plan.refused, plan.target)


def _why(machine: Machine, called: Iterable[str], target: Collection[str]) -> str:
    """Which relations keep called states out of a target."""
    reached = set(target)
    reasons = []
    for name in called:
        state = machine.schema.get(name)
        if state is None or name in reached:
            continue
        missing = [other for other in state.require if other not in reached]
        blockers = [
            other for other in target if other in machine.schema and name in machine.schema[other].remove
        ]
        if missing:
            reasons.append(f"{name} requires {_list(missing)}")
        elif blockers:
            reasons.append(f"{name} is removed by {_list(blockers)}")
    return "; ".join(reasons) or "relations do not allow it"


def _list(names: Iterable[str]) -> str:
    return " and ".join(names)
