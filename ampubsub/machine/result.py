"""What a mutation is, and what came of it."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class MutationKind(Enum):
    """What a mutation does to the states it names."""

    ADD = "add"
    REMOVE = "remove"
    SET = "set"
    EVAL = "eval"


class Result(int):
    """The answer of a mutation: executed (0), canceled (1), or the queue tick at which it will run (>= 2).

    It is true unless canceled, though 0 is the number of executed: `if machine.add("On"):` asks what it seems to ask.
    """

    EXECUTED: ClassVar[Result]
    CANCELED: ClassVar[Result]

    @property
    def is_queued(self) -> bool:
        """The mutation waits in the queue; the number is the queue tick after it ran."""
        return self >= 2

    def __bool__(self) -> bool:
        return self != 1

    def __str__(self) -> str:
        return ("executed", "canceled")[self] if self < 2 else "queued"

    def __repr__(self) -> str:
        return f"Result.{str(self).upper()}" if self < 2 else f"Result.queued({int(self)})"


Result.EXECUTED = Result(0)
Result.CANCELED = Result(1)
