"""Expressions over a moment: is it so, now or then? The same for filters, watches, breakpoints and commands.

An `Expression` is read once and *bound* to the machines that are known; it is bound anew when machines or peers come or
change their schema, not when clocks move. Evaluating reads ticks only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from amdbg_tui.answers.grammar import (
    Both,
    Comparison,
    Either,
    Fact,
    Node,
    Not,
    Target,
    parse,
)
from amdbg_tui.history.live import Live, LiveMachine, LivePeer
from amdbg_tui.history.records import TOPIC_SLOT, MachineKey

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_OUT_OF_REACH = ("stale", "gone")

Test = Callable[[Live], bool]


@dataclass(frozen=True, slots=True)
class Touch:
    """What an expression looks at: one state of a machine, or all of it when `state` is None."""

    key: MachineKey
    state: int | None


class Directory:
    """The machines of a moment by id, by tag and in order: looked through once for many expressions."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.machines = [live.machines[key] for key in sorted(live.machines)]
        self._by_id: dict[str, list[LiveMachine]] = {}
        self._by_tag: dict[str, list[LiveMachine]] = {}
        for machine in self.machines:
            self._by_id.setdefault(machine.record.machine_id, []).append(machine)
            if machine.key.slot != TOPIC_SLOT:
                for tag in machine.record.tags:
                    self._by_tag.setdefault(tag, []).append(machine)

    def meant(self, target: Target) -> list[LiveMachine]:
        """The machines that a target means, in the order of their keys. Topic machines only by name."""
        if target.tag:
            found = self._by_tag.get(target.tag, [])
        elif target.machine.endswith("*"):
            begin = target.machine[:-1]
            found = [
                machine
                for machine in self.machines
                if machine.key.slot != TOPIC_SLOT and machine.record.machine_id.startswith(begin)
            ]
        else:
            found = self._by_id.get(target.machine, [])
        if not target.peer:
            return found
        peers = self.live.peers
        return [machine for machine in found if _is_peer(peers.get(machine.key.peer_id), target.peer)]


class Bound:
    """An expression with its names looked up. Holds until machines or peers come, or change name or schema."""

    __slots__ = ("machines", "peers", "test", "touches")

    def __init__(self, tree: Node, directory: Directory) -> None:
        self.machines: set[MachineKey] = set()
        """Machines whose clock or source it hangs on."""
        self.touches: set[Touch] = set()
        """The states and machines that the answer hangs on, as far as they are known."""
        self.peers: set[str] = set()
        """Ids of the peers that it hangs on."""
        self.test: Test = _compile(tree, directory, self)


class Expression:
    """A question with the answer yes or no.

    Args:
        text: See `amdbg_tui.answers.grammar`. Raises `ExpressionError`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = parse(text)
        self.spans_s = tuple(sorted(set(_spans(self.tree))))
        """Seconds after which it may change without any record (`age`, `changed`)."""
        self._bound_to: tuple[Live, int] | None = None
        self._bound: Bound | None = None

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    @property
    def depends_on_time(self) -> bool:
        """It may change without any record, by time alone."""
        return bool(self.spans_s)

    def is_true(self, live: Live) -> bool:
        """The answer at a moment. What is not known, a machine or a state, is not so."""
        return self.bind(live).test(live)

    def touches(self, live: Live) -> frozenset[Touch]:
        """The states and machines that the answer hangs on, as far as they are known."""
        return frozenset(self.bind(live).touches)

    def bind(self, live: Live) -> Bound:
        """Look the names up, unless that was done for these machines and peers."""
        known = self._bound_to
        if self._bound is None or known is None or known[0] is not live or known[1] != live.structure_version:
            self._bound = self.bound(Directory(live))
            self._bound_to = live, live.structure_version
        return self._bound

    def bound(self, directory: Directory) -> Bound:
        """Look the names up in a directory that several expressions share."""
        return Bound(self.tree, directory)

    def unknown(self, live: Live) -> list[str]:
        """What the expression names and nobody has, in words: machines, peers, states."""
        return list(dict.fromkeys(_unknown(self.tree, live)))


def machines_meant(target: Target, live: Live) -> list[LiveMachine]:
    """The machines that a target means, in the order of their keys. Topic machines only by name."""
    return Directory(live).meant(target)


def peers_meant(target: Target, live: Live) -> list[LivePeer]:
    """The peers that a target means."""
    return [peer for _, peer in sorted(live.peers.items()) if _is_peer(peer, target.peer)]


def _is_peer(peer: LivePeer | None, name: str) -> bool:
    return peer is not None and (peer.record.name == name or peer.record.peer_id.endswith(name))


def _spans(node: Node) -> Iterable[float]:
    if isinstance(node, Not):
        yield from _spans(node.inner)
    elif isinstance(node, Both | Either):
        for part in node.parts:
            yield from _spans(part)
    elif isinstance(node, Comparison):
        if node.number == "age":
            yield node.value
    elif node.kind == "changed":
        yield node.within_s


def _unknown(node: Node, live: Live) -> Iterable[str]:
    if isinstance(node, Not):
        yield from _unknown(node.inner, live)
    elif isinstance(node, Both | Either):
        for part in node.parts:
            yield from _unknown(part, live)
    else:
        target = node.target
        if not target.machine and not target.tag:
            if not peers_meant(target, live):
                yield f"no peer {target.peer!r}"
            return
        machines = machines_meant(target, live)
        if not machines:
            yield f"no machine {'#' + target.tag if target.tag else target.machine!r}"
        elif target.state and not any(target.state in machine.index for machine in machines):
            yield f"no state {target.state!r} in {machines[0].record.machine_id!r}"


def _compile(node: Node, directory: Directory, bound: Bound) -> Test:
    if isinstance(node, Not):
        inner = _compile(node.inner, directory, bound)
        return lambda live: not inner(live)
    if isinstance(node, Both):
        parts = [_compile(part, directory, bound) for part in node.parts]
        return lambda live: all(part(live) for part in parts)
    if isinstance(node, Either):
        parts = [_compile(part, directory, bound) for part in node.parts]
        return lambda live: any(part(live) for part in parts)
    if isinstance(node, Comparison):
        number = _number(node, directory, bound)
        compare, value = _COMPARE[node.operator], node.value
        return lambda live: any(compare(found, value) for found in number(live))
    return _fact(node, directory, bound)


def _fact(fact: Fact, directory: Directory, bound: Bound) -> Test:
    target = fact.target
    if not target.machine and not target.tag:
        peers = peers_meant(target, directory.live)
        bound.peers.update(peer.record.peer_id for peer in peers)
        statuses = _OUT_OF_REACH if fact.kind == "stale" else ("gone",)
        return lambda live: any(peer.record.status in statuses for peer in peers)
    machines = directory.meant(target)
    bound.machines.update(machine.key for machine in machines)
    if fact.kind in ("active", "all"):
        places = _places(machines, target.state, bound)
        if fact.kind == "active":
            return lambda live: any(_tick(machine, at) % 2 == 1 for machine, at in places)
        complete = bool(machines) and len(places) == len(machines)
        return lambda live: complete and all(_tick(machine, at) % 2 == 1 for machine, at in places)
    if fact.kind == "error":
        bound.touches.update(Touch(machine.key, at) for machine in machines for at in machine.error_states)
        return lambda live: any(machine.in_error for machine in machines)
    if fact.kind == "changed":
        changed = _changed_at(machines, target.state, bound)
        within_s = fact.within_s
        return lambda live: any(0 <= live.wall_s - at_s <= within_s for at_s in changed() if at_s)
    sources = _OUT_OF_REACH if fact.kind == "stale" else ("gone",)
    return lambda live: any(machine.record.source in sources for machine in machines)


def _number(node: Comparison, directory: Directory, bound: Bound) -> Callable[[Live], Iterable[float]]:
    target = node.target
    if not target.machine and not target.tag:
        peers = peers_meant(target, directory.live)
        bound.peers.update(peer.record.peer_id for peer in peers)
        return lambda live: [live.wall_s - _heard_s(peer) for peer in peers]
    machines = directory.meant(target)
    bound.machines.update(machine.key for machine in machines)
    if node.number == "count":
        if not target.state:
            count = float(len(machines))
            return lambda live: (count,)
        places = _places(machines, target.state, bound)
        return lambda live: (sum(_tick(machine, at) % 2 for machine, at in places),)
    if node.number == "tick":
        places = _places(machines, target.state, bound)
        return lambda live: [_tick(machine, at) for machine, at in places]
    if node.number == "sum":
        bound.touches.update(Touch(machine.key, None) for machine in machines)
        return lambda live: [machine.time_sum for machine in machines]
    changed = _changed_at(machines, target.state, bound)
    return lambda live: [live.wall_s - at_s for at_s in changed() if at_s]


def _places(machines: list[LiveMachine], state: str, bound: Bound) -> list[tuple[LiveMachine, int]]:
    places = [(machine, machine.index[state]) for machine in machines if state in machine.index]
    bound.touches.update(Touch(machine.key, at) for machine, at in places)
    return places


def _changed_at(machines: list[LiveMachine], state: str, bound: Bound) -> Callable[[], list[float]]:
    """When the state, or anything of the machine, changed last; 0 for never seen changing."""
    if not state:
        bound.touches.update(Touch(machine.key, None) for machine in machines)
        return lambda: [machine.last_at_s for machine in machines]
    places = _places(machines, state, bound)
    return lambda: [machine.changed_at[at] if at < len(machine.changed_at) else 0.0 for machine, at in places]


def _tick(machine: LiveMachine, at: int) -> int:
    return machine.clock[at] if at < len(machine.clock) else 0


def _heard_s(peer: LivePeer) -> float:
    detail = peer.detail
    return detail.last_heard_s if detail and detail.last_heard_s else peer.record.at_s
