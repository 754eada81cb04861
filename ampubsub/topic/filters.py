"""Choosing among network machines: every filter of `Topic.list_machines`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ampubsub.remote import NetworkMachine
from ampubsub.topic.events import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilters:
    """What `Topic.list_machines` shall return. All given filters must match; none given means all machines.

    An id is matched against the machine's own id and against that of its replica (`ps-ID-RANDOM`).
    """

    id_exact: str = ""
    """The id."""
    id_partial: str = ""
    """A part of the id (not of the random end of a replica's id)."""
    id_regexp: str | re.Pattern[str] = ""
    """A regular expression found in the id."""
    parent: str = ""
    """Id of the parent: the machine's own at its peer, or the topic machine, which is parent of every replica."""
    peer_id: str = ""
    """The peer that exposes it."""
    depth_level: int | None = None
    """With `parent`: how many levels up the tree the parent may be; by default 1, and so for 0, which in Go means
    not set. Without: how many levels below the root of its tree a machine may be; 0 lists roots only."""
    children_min: int | None = None
    """At least so many known machines have it as their parent."""
    children_max: int | None = None
    """At most so many."""
    tags: tuple[str, ...] = ()
    """All of these tags; one that ends in `:` matches any value."""
    sources: tuple[Source, ...] = ()
    """One of these; by default all but gone."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for what can match nothing: a person's typing must not put a topic into an error."""
        if isinstance(self.id_regexp, str):
            try:
                re.compile(self.id_regexp)
            except re.error as error:
                raise ValueError(f"id_regexp {self.id_regexp!r} is no regular expression: {error}") from None
        for name in ("depth_level", "children_min", "children_max"):
            if (value := getattr(self, name)) is not None and value < 0:
                raise ValueError(f"{name} is {value}: give 0 or more")
        low, high = self.children_min, self.children_max
        if low is not None and high is not None and low > high:
            raise ValueError(f"children_min {low} is above children_max {high}: nothing can match")


def filter_machines(machines: Iterable[NetworkMachine], filters: ListFilters) -> list[NetworkMachine]:
    """The machines that match, ordered by peer id and index."""
    everybody = sorted(machines, key=lambda machine: machine.key)
    trees = _Trees(everybody)
    pattern = re.compile(filters.id_regexp) if filters.id_regexp else None
    return [machine for machine in everybody if _matches(machine, filters, pattern, trees)]


def _matches(
    machine: NetworkMachine, filters: ListFilters, pattern: re.Pattern[str] | None, trees: _Trees
) -> bool:
    ids = (machine.remote_id, machine.id)
    if filters.sources:
        if machine.source not in filters.sources:
            return False
    elif machine.source is Source.GONE:
        return False
    if filters.peer_id and machine.owner != filters.peer_id:
        return False
    if filters.id_exact and filters.id_exact not in ids:
        return False
    if filters.id_partial and filters.id_partial not in f"ps-{machine.remote_id}":
        return False
    if pattern is not None and not any(pattern.search(name) for name in ids):
        return False
    if not all(_has_tag(machine, tag) for tag in filters.tags):
        return False
    if filters.parent and not trees.is_below(machine, filters.parent, filters.depth_level or 1):
        return False
    if not filters.parent and filters.depth_level is not None and trees.depth(machine) > filters.depth_level:
        return False
    children = trees.children(machine)
    if filters.children_min is not None and children < filters.children_min:
        return False
    return filters.children_max is None or children <= filters.children_max


def _has_tag(machine: NetworkMachine, tag: str) -> bool:
    if tag.endswith(":"):
        return any(own.startswith(tag) for own in machine.tags)
    return tag in machine.tags


class _Trees:
    """Which machine is whose parent, peer by peer."""

    def __init__(self, machines: Iterable[NetworkMachine]) -> None:
        self._parents: dict[tuple[str, str], str] = {}
        self._children: dict[tuple[str, str], int] = {}
        for machine in machines:
            if machine.source is Source.GONE:
                continue
            self._parents[machine.owner, machine.remote_id] = machine.remote_parent
            if machine.remote_parent not in ("", machine.remote_id):
                place = (machine.owner, machine.remote_parent)
                self._children[place] = self._children.get(place, 0) + 1

    def children(self, machine: NetworkMachine) -> int:
        """How many known machines have it as their parent."""
        return self._children.get((machine.owner, machine.remote_id), 0)

    def ancestors(self, machine: NetworkMachine) -> Mapping[str, int]:
        """Ids of its ancestors, each with its distance; a parent that is not exposed ends the line.

        Parents are others' word and may go round in circles: nothing is its own ancestor.
        """
        found: dict[str, int] = {}
        parent = machine.remote_parent
        while parent and parent not in found and parent != machine.remote_id:
            found[parent] = len(found) + 1
            parent = self._parents.get((machine.owner, parent), "")
        return found

    def depth(self, machine: NetworkMachine) -> int:
        """How many exposed machines are above it."""
        return sum(1 for name in self.ancestors(machine) if (machine.owner, name) in self._parents)

    def is_below(self, machine: NetworkMachine, parent: str, levels: int) -> bool:
        """Is `parent` among its ancestors, at most `levels` up? Every replica is a child of its topic machine."""
        return machine.parent_id == parent or self.ancestors(machine).get(parent, levels + 1) <= levels
