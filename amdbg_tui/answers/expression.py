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


class Expression:
    """A question with the answer yes or no.

    Args:
        text: See `amdbg_tui.answers.grammar`. Raises `ExpressionError`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = parse(text)
        self.depends_on_time = _depends_on_time(self.tree)
        """It may change without any record, by time alone (`age`, `changed`)."""
        self._bound_to: tuple[Live, int] | None = None
        self._test: Test = lambda live: False
        self._touches: frozenset[Touch] = frozenset()

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def is_true(self, live: Live) -> bool:
        """The answer at a moment. What is not known, a machine or a state, is not so."""
        self.bind(live)
        return self._test(live)

    def touches(self, live: Live) -> frozenset[Touch]:
        """The states and machines that the answer hangs on, as far as they are known."""
        self.bind(live)
        return self._touches

    def bind(self, live: Live) -> None:
        """Look the names up, unless that was done for these machines and peers."""
        bound = self._bound_to
        if bound is not None and bound[0] is live and bound[1] == live.structure_version:
            return
        touches: set[Touch] = set()
        self._test = _compile(self.tree, live, touches)
        self._touches = frozenset(touches)
        self._bound_to = live, live.structure_version

    def unknown(self, live: Live) -> list[str]:
        """What the expression names and nobody has, in words: machines, peers, states."""
        return list(dict.fromkeys(_unknown(self.tree, live)))


def machines_meant(target: Target, live: Live) -> list[LiveMachine]:
    """The machines that a target means, in the order of their keys. Topic machines only by name."""
    found = []
    for key in sorted(live.machines):
        machine = live.machines[key]
        record = machine.record
        if target.peer and not _is_peer(live.peers.get(key.peer_id), target.peer):
            continue
        if target.tag:
            meant = key.slot != TOPIC_SLOT and target.tag in record.tags
        elif target.machine.endswith("*"):
            meant = key.slot != TOPIC_SLOT and record.machine_id.startswith(target.machine[:-1])
        else:
            meant = record.machine_id == target.machine
        if meant:
            found.append(machine)
    return found


def peers_meant(target: Target, live: Live) -> list[LivePeer]:
    """The peers that a target means."""
    return [peer for _, peer in sorted(live.peers.items()) if _is_peer(peer, target.peer)]


def _is_peer(peer: LivePeer | None, name: str) -> bool:
    return peer is not None and (peer.record.name == name or peer.record.peer_id.endswith(name))


def _depends_on_time(node: Node) -> bool:
    if isinstance(node, Not):
        return _depends_on_time(node.inner)
    if isinstance(node, Both | Either):
        return any(map(_depends_on_time, node.parts))
    return node.number == "age" if isinstance(node, Comparison) else node.kind == "changed"


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


def _compile(node: Node, live: Live, touches: set[Touch]) -> Test:
    if isinstance(node, Not):
        inner = _compile(node.inner, live, touches)
        return lambda live: not inner(live)
    if isinstance(node, Both):
        parts = [_compile(part, live, touches) for part in node.parts]
        return lambda live: all(part(live) for part in parts)
    if isinstance(node, Either):
        parts = [_compile(part, live, touches) for part in node.parts]
        return lambda live: any(part(live) for part in parts)
    if isinstance(node, Comparison):
        number = _number(node, live, touches)
        compare, value = _COMPARE[node.operator], node.value
        return lambda live: any(compare(found, value) for found in number(live))
    return _fact(node, live, touches)


def _fact(fact: Fact, live: Live, touches: set[Touch]) -> Test:
    target = fact.target
    if not target.machine and not target.tag:
        peers = peers_meant(target, live)
        statuses = _OUT_OF_REACH if fact.kind == "stale" else ("gone",)
        return lambda live: any(peer.record.status in statuses for peer in peers)
    machines = machines_meant(target, live)
    if fact.kind in ("active", "all"):
        places = _places(machines, target.state, touches)
        if fact.kind == "active":
            return lambda live: any(_tick(machine, at) % 2 == 1 for machine, at in places)
        complete = bool(machines) and len(places) == len(machines)
        return lambda live: complete and all(_tick(machine, at) % 2 == 1 for machine, at in places)
    touches.update(Touch(machine.key, None) for machine in machines)
    if fact.kind == "error":
        return lambda live: any(machine.in_error for machine in machines)
    if fact.kind == "changed":
        changed = _changed_at(machines, target.state, touches)
        within_s = fact.within_s
        return lambda live: any(0 <= live.wall_s - at_s <= within_s for at_s in changed() if at_s)
    sources = _OUT_OF_REACH if fact.kind == "stale" else ("gone",)
    return lambda live: any(machine.record.source in sources for machine in machines)


def _number(node: Comparison, live: Live, touches: set[Touch]) -> Callable[[Live], Iterable[float]]:
    target = node.target
    if not target.machine and not target.tag:
        peers = peers_meant(target, live)
        return lambda live: [live.wall_s - _heard_s(peer) for peer in peers]
    machines = machines_meant(target, live)
    if node.number == "count":
        if not target.state:
            count = float(len(machines))
            return lambda live: (count,)
        places = _places(machines, target.state, touches)
        return lambda live: (sum(_tick(machine, at) % 2 for machine, at in places),)
    if node.number == "tick":
        places = _places(machines, target.state, touches)
        return lambda live: [_tick(machine, at) for machine, at in places]
    touches.update(Touch(machine.key, None) for machine in machines)
    if node.number == "sum":
        return lambda live: [machine.time_sum for machine in machines]
    changed = _changed_at(machines, target.state, touches)
    return lambda live: [live.wall_s - at_s for at_s in changed() if at_s]


def _places(machines: list[LiveMachine], state: str, touches: set[Touch]) -> list[tuple[LiveMachine, int]]:
    places = [(machine, machine.index[state]) for machine in machines if state in machine.index]
    touches.update(Touch(machine.key, at) for machine, at in places)
    return places


def _changed_at(machines: list[LiveMachine], state: str, touches: set[Touch]) -> Callable[[], list[float]]:
    """When the state, or anything of the machine, changed last; 0 for never seen changing."""
    if not state:
        return lambda: [machine.last_at_s for machine in machines]
    places = _places(machines, state, touches)
    return lambda: [machine.changed_at[at] if at < len(machine.changed_at) else 0.0 for machine, at in places]


def _tick(machine: LiveMachine, at: int) -> int:
    return machine.clock[at] if at < len(machine.clock) else 0


def _heard_s(peer: LivePeer) -> float:
    detail = peer.detail
    return detail.last_heard_s if detail and detail.last_heard_s else peer.record.at_s
