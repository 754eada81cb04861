"""What goes wrong on a day, as small objects in a list: leave one out, and the rest of the day is as it was.

Peers are named by their number on that day, so that a fault means the same in a shorter list. Each can be made
milder (`milder`) when a failing list is shrunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from benchmarks.simulator.network import Conditions

if TYPE_CHECKING:
    from benchmarks.simulator.day import Day


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong from `start_s` to `end_s`, seconds of the day."""

    start_s: float
    end_s: float

    def schedule(self, day: Day) -> None:
        """Put it on the day's schedule."""
        day.network.schedule.at(self.start_s, self.begin, day)
        day.network.schedule.at(self.end_s, self.end, day)

    def begin(self, day: Day) -> None:
        """It starts."""
        day.active.append(self)
        day.renew_conditions()

    def end(self, day: Day) -> None:
        """It is over."""
        if self in day.active:
            day.active.remove(self)
        day.renew_conditions()

    def worsen(self, conditions: Conditions) -> None:
        """What it does to the network while it lasts."""

    def milder(self) -> Iterator[Fault]:
        """Smaller forms of it, worth trying when it makes a day fail."""
        length = self.end_s - self.start_s
        if length > 1:
            yield replace(self, end_s=self.start_s + length / 2)


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """Hops take longer, and differ."""

    longest_s: float = 0.5

    def worsen(self, conditions: Conditions) -> None:
        conditions.delay_s = (conditions.delay_s[0], max(self.longest_s, conditions.delay_s[1]))


@dataclass(frozen=True, slots=True)
class Loss(Fault):
    """Copies of topic messages are lost; frames of streams come late, and some never."""

    share: float = 0.1
    frames: float = 0.0

    def worsen(self, conditions: Conditions) -> None:
        conditions.loss = max(conditions.loss, self.share)
        conditions.frame_loss = max(conditions.frame_loss, self.frames)


@dataclass(frozen=True, slots=True)
class Doubling(Fault):
    """Copies arrive twice."""

    share: float = 0.2

    def worsen(self, conditions: Conditions) -> None:
        conditions.doubling = max(conditions.doubling, self.share)


@dataclass(frozen=True, slots=True)
class Reorder(Fault):
    """Later messages overtake earlier ones."""

    def worsen(self, conditions: Conditions) -> None:
        conditions.reorder = True
        conditions.delay_s = (conditions.delay_s[0], max(0.3, conditions.delay_s[1]))


@dataclass(frozen=True, slots=True)
class Partition(Fault):
    """An island of peers is cut off."""

    island: tuple[int, ...] = ()

    def begin(self, day: Day) -> None:
        Fault.begin(self, day)
        day.renew_partition()

    def end(self, day: Day) -> None:
        Fault.end(self, day)
        day.renew_partition()

    def milder(self) -> Iterator[Fault]:
        yield from Fault.milder(self)
        if len(self.island) > 1:
            yield replace(self, island=self.island[: len(self.island) // 2])


@dataclass(frozen=True, slots=True)
class Death(Fault):
    """A peer ends at `start_s`, and comes back at `end_s` if it does."""

    peer: int = 0
    how: str = "crash"
    """`crash` (without a word), `reset` (killed, connections reset), `bye` (politely)."""
    back: bool = False
    same_identity: bool = True
    clock_back_s: float = 0.0
    """How far the system's clock is set back between the two lives."""

    def begin(self, day: Day) -> None:
        day.end_peer(self.peer, self.how)

    def end(self, day: Day) -> None:
        if self.back:
            day.restart_peer(self.peer, same_identity=self.same_identity, clock_back_s=self.clock_back_s)

    def milder(self) -> Iterator[Fault]:
        if self.clock_back_s:
            yield replace(self, clock_back_s=0.0)
        if self.how != "bye":
            yield replace(self, how="bye")


@dataclass(frozen=True, slots=True)
class Pause(Fault):
    """A process stands still (SIGSTOP, a machine that sleeps)."""

    peer: int = 0

    def begin(self, day: Day) -> None:
        day.block(self.peer, self.end_s - self.start_s)
        day.met["pause"] += 1

    def end(self, day: Day) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Lag(Fault):
    """A peer's loop is busy again and again: what it does comes late."""

    peer: int = 0
    stall_s: float = 0.4
    every_s: float = 0.7

    def begin(self, day: Day) -> None:
        if day.network.now < self.end_s:
            day.block(self.peer, self.stall_s)
            day.met["lag"] += 1
            day.network.schedule.after(self.every_s, self.begin, day)

    def end(self, day: Day) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Villain(Fault):
    """A hostile host with one honest neighbour, and as many identities as it likes."""

    kind: str = "sybils"
    """A name of `simulator.villains.KINDS`."""
    neighbour: int = 0
    rate: float = 20.0
    """Messages a second, in all."""

    def begin(self, day: Day) -> None:
        day.start_villain(self)

    def end(self, day: Day) -> None:
        day.stop_villain(self)

    def milder(self) -> Iterator[Fault]:
        yield from Fault.milder(self)
        if self.rate > 1:
            yield replace(self, rate=self.rate / 2)


LABORIOUS = {"invented_machines": 400, "invented_peers": 20, "fresh_identities": 10, "false_sums": 10}
"""What one message of a villain makes others do is this much more than usual: on bad days they are rarer."""


def bad_day(seed: int, peers: int, start_s: float, end_s: float, villains: tuple[str, ...]) -> list[Fault]:
    """A list of faults for a day, by chance; all are over at `end_s`."""
    random = Random(f"{seed} faults")
    faults: list[Fault] = []
    free = list(range(1, peers))
    random.shuffle(free)

    def span(shortest: float, longest: float) -> tuple[float, float]:
        length = random.uniform(shortest, longest)
        start = random.uniform(start_s, max(start_s, end_s - length))
        return round(start, 3), round(min(end_s, start + length), 3)

    if villains and seed % 2 == 0:  # so that few seeds meet all of them
        kind = villains[seed // 2 % len(villains)]
        rate = 20.0 / LABORIOUS.get(kind, 1)
        faults.append(Villain(*span(5, 10), kind=kind, neighbour=random.randrange(peers), rate=rate))
    for _ in range(random.randint(3, 6)):
        match random.choice(
            (
                "delay",
                "loss",
                "doubling",
                "reorder",
                "partition",
                "death",
                "death",
                "pause",
                "lag",
                "villain",
                "villain",
            )
        ):
            case "delay":
                faults.append(Delay(*span(2, 20), longest_s=random.choice((0.2, 0.5, 1.5))))
            case "loss":
                share = random.choice((0.05, 0.1, 0.2, 0.5))
                faults.append(Loss(*span(2, 20), share=share, frames=random.choice((0.0, share / 2))))
            case "doubling":
                faults.append(Doubling(*span(2, 20), share=random.choice((0.1, 0.5))))
            case "reorder":
                faults.append(Reorder(*span(2, 20)))
            case "partition":
                island = tuple(sorted(random.sample(range(peers), random.randint(1, max(1, peers // 2)))))
                faults.append(Partition(*span(3, 25), island=island))
            case "death" if free:
                how = random.choice(("crash", "crash", "reset", "bye"))
                clock_back_s = random.choice((0.0, 0.0, 60.0, 86_400.0))
                faults.append(
                    Death(
                        *span(2, 25),
                        peer=free.pop(),
                        how=how,
                        back=random.random() < 0.7,
                        same_identity=random.random() < 0.7,
                        clock_back_s=clock_back_s,
                    )
                )
            case "pause":
                faults.append(Pause(*span(2, 5), peer=random.randrange(peers)))
            case "lag":
                faults.append(
                    Lag(*span(3, 15), peer=random.randrange(peers), stall_s=random.choice((0.2, 0.6, 1.5)))
                )
            case "villain" if villains:
                kind = random.choice(villains)
                rate = random.choice((5.0, 20.0, 60.0)) / LABORIOUS.get(kind, 1)
                faults.append(Villain(*span(3, 20), kind=kind, neighbour=random.randrange(peers), rate=rate))
            case _:
                pass
    return sorted(faults, key=lambda fault: (fault.start_s, repr(fault)))
