"""Who dials whom: random connected graphs with a bounded number of neighbours."""

from __future__ import annotations

from random import Random

Dials = list[list[int]]
"""For each peer the earlier or later ones it dials."""


def random_graph(count: int, random: Random, degrees: tuple[int, int] = (4, 8)) -> Dials:
    """Each peer dials a few of those before it, so that the topic is connected at any time while they join one by one."""
    fewest, most = degrees
    neighbours: list[set[int]] = [set() for _ in range(count)]
    dials: Dials = [[] for _ in range(count)]

    def join(one: int, other: int) -> None:
        neighbours[one].add(other)
        neighbours[other].add(one)
        dials[one].append(other)

    for peer in range(1, count):
        free = [other for other in range(peer) if len(neighbours[other]) < most]
        for other in random.sample(free, min(len(free), (fewest + most) // 4)):
            join(peer, other)
    for peer in range(count):
        others = [
            o for o in range(count) if o != peer and o not in neighbours[peer] and len(neighbours[o]) < most
        ]
        missing = min(len(others), fewest - len(neighbours[peer]))
        for other in random.sample(others, max(0, missing)):
            join(max(peer, other), min(peer, other))
    return dials


def star(count: int) -> Dials:
    """All dial the first."""
    return [[] if peer == 0 else [0] for peer in range(count)]
