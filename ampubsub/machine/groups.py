"""Sets of states that build on each other, and the groups this gives (asyncmachine's state structs)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ampubsub.machine.state_lists import joined


@dataclass(frozen=True, slots=True)
class StateSet:
    """Named states, with other sets embedded: `StateSet("Lamp", BASE, "On", "Off")`."""

    name: str
    members: tuple[str | StateSet, ...]

    def __init__(self, name: str, *members: str | StateSet) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "members", members)

    @property
    def states(self) -> tuple[str, ...]:
        """All names in index order: embedded sets expanded in place, each name once."""
        parts = (member.states if isinstance(member, StateSet) else (member,) for member in self.members)
        return joined(*parts)

    @property
    def own(self) -> tuple[str, ...]:
        """Names of this set alone, without those an embedded set has already."""
        embedded = {name for member in self.members if isinstance(member, StateSet) for name in member.states}
        return tuple(member for member in self.members if isinstance(member, str) and member not in embedded)

    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """`self` and each embedded set but the base one, in traversal order, by name."""
        found: dict[str, tuple[str, ...]] = {"self": self.own}

        def embed(inner: StateSet) -> None:
            for member in inner.members:
                if isinstance(member, StateSet) and member is not BASE:
                    found.setdefault(member.name, member.own)
                    embed(member)

        embed(self)
        return found


BASE = StateSet("StatesBase", "Exception")
"""What every state set builds on."""
