"""The rows of the tree of states: am-dbg's order of properties, relations and tags, and how a state relates to others. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.records import StateShape, StepRecord, TransitionRecord
from amdbg_tui.widgets.paint import Row, Span

RELATIONS = ("Add", "Require", "Remove", "After")
_LOOK = {"Add": "inactive", "Require": "active", "Remove": "error", "After": "grey"}
_ACTIVE = {"Add": "added", "Require": "required", "Remove": "removed", "After": "before"}
_BOTH = {"Add": "⇄ adds", "Require": "⇄ requires", "Remove": "⇄ removes", "After": "⇄ after"}
_PASSIVE = {"Add": "adds", "Require": "requires", "Remove": "removes", "After": "after"}
_DOES = {"Add": "adds", "Require": "requires", "Remove": "removes", "After": "comes after"}
_UNDERGOES = {"Add": "added by", "Require": "required by", "Remove": "removed by", "After": "comes before"}


@dataclass(frozen=True, slots=True)
class Node:
    """A row of the tree. `state` is the index of the state it belongs to, -1 for the root's rows."""

    kind: str
    """tags, root, beside, state, property, relation, reference, tag-head, tag, nothing."""
    prefix: str
    text: str
    state: int = -1
    owner: str = ""
    """The state's name: it stays when a new schema has the state at another index."""


def guides(machine: LiveMachine, at: int, rows: dict[int, int]) -> dict[int, list[Span]]:
    """How a state relates to the others that are on show, drawn beside them. `rows` maps states to rows."""
    said = {state: spans for state, spans in _related(machine, at).items() if state in rows}
    if at not in rows or not said:
        return {}
    places = {rows[state]: spans for state, spans in said.items()}
    mine = rows[at]
    first, last = min(mine, *places), max(mine, *places)
    found: dict[int, list[Span]] = {}
    for place in range(first, last + 1):
        end = "┐┘"[place == last] if place in (first, last) else "┤"
        if place == mine:
            found[place] = [("─" + end, "bright")]
        elif place in places:
            start = "┌└"[place == last] if place in (first, last) else "├"
            found[place] = [(" " + start, "grey"), *places[place]]
        else:
            found[place] = [(" │", "faint")]
    return found


def _related(machine: LiveMachine, at: int) -> dict[int, list[Span]]:
    shapes = machine.record.states
    mine = shapes[at]
    said: dict[int, list[Span]] = {}
    for other, shape in enumerate(shapes):
        for relation in RELATIONS if other != at else ():
            to_it = shape.name in getattr(mine, relation.lower())
            from_it = mine.name in getattr(shape, relation.lower())
            if to_it or from_it:
                words_of = _BOTH if to_it and from_it else _ACTIVE if to_it else _PASSIVE
                said.setdefault(other, []).append((f" {words_of[relation]}", _LOOK[relation]))
    return said


def relation_sentence(machine: LiveMachine, at: int) -> Row:
    """All relations of a state in one line: `PaidOut: requires Approved (inactive) · removed by Draft`."""
    mine = machine.record.states[at]
    parts: list[Row] = []
    for relation in RELATIONS:
        names = getattr(mine, relation.lower())
        if names:
            parts.append([(f"{_DOES[relation]} ", _LOOK[relation]), *_named(names, machine, relation)])
    for relation in RELATIONS:
        names = tuple(
            shape.name for shape in machine.record.states if mine.name in getattr(shape, relation.lower())
        )
        if names:
            parts.append([(f"{_UNDERGOES[relation]} ", _LOOK[relation]), *_named(names, machine, "")])
    row: Row = [(mine.name, "bright bold"), (": ", "grey")]
    for place, part in enumerate(parts):
        row += [(" · ", "grey"), *part] if place else part
    return row if parts else [*row, ("no relations", "grey")]


def _named(names: tuple[str, ...], machine: LiveMachine, relation: str) -> Row:
    row: Row = []
    for place, name in enumerate(names):
        row.append((", " if place else "", "grey"))
        row.append((name, "bright"))
        if relation == "Require" and not machine.is_active(name):
            row.append((" (inactive)", "error"))
    return row


RELATION_SIGN = {"add": "a", "require": "r", "remove": "R", "after": "f"}


def steps_of(record: TransitionRecord, name: str, step: int) -> str:
    """am-dbg's short form: what touched a state in the first `step` steps, a sign each."""
    return "".join(_sign(each, name) for each in record.steps[:step])


def _sign(step: StepRecord, name: str) -> str:
    if name not in (step.from_state, step.to_state):
        return ""
    if step.kind == "rel":
        return RELATION_SIGN.get(step.detail, "?") if step.from_state == name else "◂"
    signs = {
        "called": "c",
        "activate": "+",
        "deactivate": "-",
        "deactivate-passive": "-",
        "handler": "*",
        "cancel": "!",
    }
    return signs.get(step.kind, "")


def touched(record: TransitionRecord) -> set[str]:
    """States that a record's steps name."""
    return {name for step in record.steps for name in (step.from_state, step.to_state) if name}


def children(shape: StateShape, index: int, prefix: str) -> list[Node]:
    """Properties, relations with their references, tags: am-dbg's order."""
    branches: list[tuple[str, str, list[str]]] = []
    properties = " ".join(name for name in ("auto", "multi") if getattr(shape, name))
    if properties:
        branches.append(("property", properties, []))
    for relation in RELATIONS:
        names = getattr(shape, relation.lower())
        if names:
            branches.append(("relation", relation, list(names)))
    if shape.tags:
        branches.append(("tag-head", "Tags", [f"#{tag}" for tag in shape.tags]))
    if not branches:
        branches.append(("property", "no relations", []))
    nodes: list[Node] = []
    for place, (kind, text, leaves) in enumerate(branches):
        last = place == len(branches) - 1
        nodes.append(Node(kind, prefix + ("└──" if last else "├──"), text, index, shape.name))
        below = prefix + ("   " if last else "│  ")
        leaf_kind = "tag" if kind == "tag-head" else "reference"
        nodes.extend(
            Node(leaf_kind, below + ("└──" if leaf == len(leaves) - 1 else "├──"), name, index, shape.name)
            for leaf, name in enumerate(leaves)
        )
    return nodes


def search_words(shape: StateShape) -> str:
    """What a filter of states looks through: the name, relations and tags."""
    return " ".join(
        (
            shape.name,
            *shape.add,
            *shape.require,
            *shape.remove,
            *shape.after,
            *(f"#{tag}" for tag in shape.tags),
        )
    ).casefold()


def matrix_cells(machine: LiveMachine, at: int, lit: str, room: int) -> Row:
    """Relations of the state `at` to those of the columns: r requires, R removes, a adds, f after; three cells each."""
    shape = machine.record.states[at]
    row: Row = []
    for column, other in enumerate(machine.names[: room // 3]):
        signs = "".join(
            sign
            for sign, names in (
                ("r", shape.require),
                ("R", shape.remove),
                ("a", shape.add),
                ("f", shape.after),
            )
            if other in names
        )
        if column == at:
            signs = signs or "╲"
        look = "faint" if not signs or signs == "╲" else "error bold" if "R" in signs else "active bold"
        row.append((f"{signs or '·':>3}", look + " on lit" if other == lit else look))
    return row
