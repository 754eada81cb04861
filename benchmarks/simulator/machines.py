"""Light machines: a schema that all share, a clock, and every clock that it ever had. No engine behind them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from random import Random

from ampubsub.machine import State


@lru_cache(maxsize=64)
def schema_of(states: int, kind: int = 0) -> tuple[Mapping[str, State], tuple[str, ...]]:
    """A schema with so many states besides Exception, and its states in index order; `kind` makes others of the same size."""
    names = tuple(f"{'Mode' if not kind else f'Kind{kind}Mode'}{number:02}" for number in range(states))
    schema: dict[str, State] = {"Exception": State(multi=True)}
    for number, name in enumerate(names):
        require = (names[number - 1],) if number % 4 == 1 else ()
        remove = (names[number - 2],) if number % 4 == 3 else ()
        schema[name] = State(multi=number % 4 == 2, require=require, remove=remove)
    return schema, tuple(schema)


class LightMachine:
    """One machine of a simulated peer, in one life of that peer."""

    __slots__ = ("clock", "clocks", "id", "schema", "states", "tags")

    def __init__(self, id: str, states: int = 12, *, kind: int = 0, clock: tuple[int, ...] = ()) -> None:
        self.id = id
        self.schema, self.states = schema_of(states - 1, kind)
        self.tags: tuple[str, ...] = ()
        self.clock = clock or (0,) * len(self.states)
        self.clocks: set[tuple[int, ...]] = {self.clock}
        """All clocks that were true at some time."""

    def change(self, random: Random) -> tuple[int, ...]:
        """Let one or two states change; the new clock."""
        ticks = list(self.clock)
        for _ in range(random.randint(1, 2)):
            ticks[random.randrange(len(ticks))] += 1
        self.clock = tuple(ticks)
        self.clocks.add(self.clock)
        return self.clock
