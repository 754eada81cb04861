"""Our own machines, as the protocol sees them: descriptions, clocks, what changed and what is gone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ampubsub.topic.checks import same_shape
from ampubsub.topic.constants import FAREWELLS
from ampubsub.wire import Info
from ampubsub.wire.messages import Ticks

_WRAP = 1 << 64


class OwnMachines:
    """What we expose, by index."""

    def __init__(self) -> None:
        self.infos: dict[int, Info] = {}
        self.clocks: dict[int, Ticks] = {}
        self.dirty: dict[int, None] = {}
        """Indexes of machines that changed since their clocks were told."""
        self.gone: dict[int, tuple[str, Ticks | None]] = {}
        """Machines exposed no longer, which is still to be said: id and last clock."""
        self.farewells = 0
        """How often it is still to be said that nothing is exposed any longer: the bye may have been lost."""
        self._touched: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self.infos)

    def expose(self, index: int, info: Info) -> None:
        """Expose a machine, or describe it anew."""
        self.infos[index] = info
        self.clocks[index] = tuple(info.mtime or ())
        self.gone.pop(index, None)
        self._touched[index] = None

    def change(self, index: int, clock: Ticks) -> bool:
        """A clock moved. Says whether it is the first change that is not told yet."""
        if index not in self.infos:
            return False
        is_first = not self.dirty
        self.clocks[index] = clock
        self.dirty[index] = None
        self._touched[index] = None
        return is_first

    def unexpose(self, index: int, clock: Ticks | None) -> None:
        """Expose a machine no longer."""
        info = self.infos.pop(index, None)
        if info is None:
            return
        last = self.clocks.pop(index, None)
        self.gone[index] = (info.id, clock if clock is not None else last)
        self.dirty.pop(index, None)
        self._touched[index] = None
        self.farewells = 0 if self.infos else FAREWELLS

    def take_touched(self) -> list[int]:
        """Indexes of machines that changed in any way since this was asked last."""
        touched, self._touched = self._touched, {}
        return list(touched)

    def take_dirty(self) -> dict[int, Ticks]:
        """The clocks of machines that changed; they count as told."""
        clocks = {index: self.clocks[index] for index in sorted(self.dirty)}
        self.dirty.clear()
        return clocks

    def take_clocks(self) -> dict[int, Ticks]:
        """The clocks of all machines; they count as told."""
        self.dirty.clear()
        return dict(self.clocks)

    def sums(self) -> dict[int, int]:
        """Tick sums, as gossip tells them."""
        return {index: sum(clock) % _WRAP for index, clock in self.clocks.items()}

    def info(self, index: int) -> Info | None:
        """A machine's description with its clock of now."""
        info = self.infos.get(index)
        return replace(info, mtime=self.clocks[index]) if info is not None else None

    def describe(self, only: Iterable[int] | None = None) -> dict[int, Info]:
        """Full descriptions with the clocks of now; those clocks count as told."""
        chosen = list(self.infos) if only is None else [index for index in only if index in self.infos]
        found = {}
        for index in chosen:
            self.dirty.pop(index, None)
            found[index] = replace(self.infos[index], mtime=self.clocks[index])
        return found

    # -- what others say of us

    def is_wrong(self, told: Mapping[int, Info | None]) -> bool:
        """Does somebody describe machines as ours that are not, or not so, or with ticks that they never had?"""
        return any(
            info is not None
            and (
                (ours := self.infos.get(index)) is None
                or not same_shape(ours, info)
                or self.is_false_clock(index, tuple(info.mtime or ()))
            )
            for index, info in told.items()
        )

    def is_false_clock(self, index: int, told: Ticks) -> bool:
        """Ticks beyond ours cannot be ours."""
        ours = self.clocks.get(index)
        if ours is None or len(ours) != len(told):
            return True
        return any(theirs > tick for theirs, tick in zip(told, ours, strict=True))

    def is_told(self, told: Mapping[int, Info | None]) -> bool:
        """Does somebody's description of us say all that we would say, and nothing false?"""
        return not self.is_wrong(told) and all(
            (info := told.get(index)) is not None and tuple(info.mtime or ()) == self.clocks[index]
            for index in self.infos
        )
