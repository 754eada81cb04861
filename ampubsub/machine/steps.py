"""Steps: what relations and handlers did during one transition, in order, for whoever asks why."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class StepKind(Enum):
    """What kind of thing happened (asyncmachine manual, "Transition lifecycle")."""

    RELATION = "rel"
    HANDLER = "handler"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    DEACTIVATE_PASSIVE = "deactivate-passive"
    CALLED = "called"
    CANCEL = "cancel"


class Relation(Enum):
    """The four relations between states, in asyncmachine's own order."""

    AFTER = "after"
    ADD = "add"
    REQUIRE = "require"
    REMOVE = "remove"


class Step(NamedTuple):
    """One step. `from_state` and `to_state` are empty where they do not apply.

    `detail` is the relation's name of a relation step; of a handler step its flags: `F` final, `E` enter,
    `S` self, together or empty.
    """

    kind: StepKind
    from_state: str
    to_state: str
    detail: str = ""

    def __str__(self) -> str:
        start = f"**{self.from_state}**" if self.from_state else ""
        end = f"**{self.to_state}**" if self.to_state else ""
        if not start and not end:
            end = "**Any**"
        if start and end:
            # Go prints the zero relation, "after", between the two states of any step.
            word = self.detail if self.kind is StepKind.RELATION else Relation.AFTER.value
            line = f"{start} {word} {end}"
        else:
            line = start or end
        if self.kind is StepKind.RELATION:
            return line
        suffix = ""
        if self.kind is StepKind.HANDLER:
            flags = self.detail
            if "S" in flags:
                suffix = line
            elif "F" in flags:
                suffix = "State" if "E" in flags else "End"
            else:
                suffix = "Enter" if "E" in flags else "Exit"
        return f"{self.kind.value} {line}{suffix}"
