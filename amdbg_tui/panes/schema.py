"""The states of one machine as am-dbg's tree: aligned `M|tick` columns, relations and tags below each state.

The state under the cursor is lit wherever it appears, and guides at the right say how it relates to the
others. A tick that moved glows for a moment. `├─●` marks an active state where there are no colours, `├─!`
an error.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from rich.cells import cell_len

from amdbg_tui.history.filters import is_error_state
from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.records import StateShape
from amdbg_tui.panes import words
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row, Span, clip, pad, width_of
from amdbg_tui.widgets.virtual_list import VirtualList

RELATIONS = ("Add", "Require", "Remove", "After")
GUIDE_CELLS = 14
"""Room for the guides, when there is so much."""


@dataclass(frozen=True, slots=True)
class Node:
    """A row of the tree. `state` is the index of the state it belongs to, -1 for the root's rows."""

    kind: str
    """tags, root, state, property, relation, reference, tag-head, tag, nothing."""
    prefix: str
    text: str
    state: int = -1
    owner: str = ""
    """The state's name: it stays when a new schema has the state at another index."""


class SchemaPane(VirtualList):
    """The states of the selected machine."""

    searchable = True
    DEFAULT_CSS = """
    SchemaPane { border: solid $frame; }
    SchemaPane:focus { border: double $frame-focused; }
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="schema")
        self.view = view
        self.nodes: list[Node] = []
        self.expanded: dict[str, bool] = {}
        self.filter_text = ""
        self._made_for: Hashable = None
        self._machine: LiveMachine | None = None
        self._width = 0
        self._widest = 0
        self._guides: dict[int, list[Span]] = {}
        """By row."""

    # What there is to show.

    def resized(self) -> None:
        """Another size may have room for more."""
        self.update()

    def update(self) -> None:
        """Take what changed in the view."""
        machine = self.view.machine
        made_for: Hashable = None
        if machine is not None:
            live_filter = machine.version if self.view.state_filter != "all" else 0
            made_for = (
                machine.key,
                machine.record.machine_id,
                machine.record.states,
                machine.record.tags,
                self.view.group,
                self.view.state_filter,
                live_filter,
                self.filter_text,
                tuple(name for name, open_ in self.expanded.items() if open_),
                self._glowing_states(machine) if self.view.state_filter == "changed" else 0,
            )
        if made_for != self._made_for:
            other = self._machine is not machine
            self._made_for = made_for
            self._machine = machine
            self._rebuild(machine, other)
        self._machine = machine
        self._make_guides(machine)
        self._show_title(machine)
        self.sync()

    def _glowing_states(self, machine: LiveMachine) -> Hashable:
        return tuple(index for index in range(len(machine.names)) if self.view.glow(machine, index))

    def _show_title(self, machine: LiveMachine | None) -> None:
        if machine is None:
            self.set_title("Schema")
            self.set_subtitle("")
            return
        name = clip(machine.record.machine_id, max(8, self.size.width - 18))
        self.set_title(f"{name} · Schema:{len(machine.names)}")
        if not self.search:
            trust = words.TRUST_WORDS.get(machine.record.source, machine.record.source)
            sign = words.TRUST_SIGN.get(machine.record.source, " ").strip()
            self.set_subtitle(clip(f"{sign} {trust}".strip(), self.size.width - 6))

    def _rebuild(self, machine: LiveMachine | None, other: bool) -> None:
        held = self.nodes[self.cursor] if self.cursor < len(self.nodes) else None
        self.nodes = self._build(machine) if machine is not None else []
        names = max((len(name) for name in machine.names), default=4) if machine is not None else 4
        self._width = min(max(names, 6), 60)
        self._widest = max((cell_len(node.prefix + node.text) for node in self.nodes), default=0)
        if other:
            self._to_selected_state()
        elif held is not None:
            last = max(0, len(self.nodes) - 1)
            places = {(node.kind, node.text, node.owner): place for place, node in enumerate(self.nodes)}
            self.cursor = places.get((held.kind, held.text, held.owner), min(self.cursor, last))
        self.rebuilt()

    def _to_selected_state(self) -> None:
        places = {node.text: place for place, node in enumerate(self.nodes) if node.kind == "state"}
        root = next((place for place, node in enumerate(self.nodes) if node.kind == "root"), 0)
        self.cursor = places.get(self.view.state, root)

    def _shown_states(self, machine: LiveMachine) -> list[int]:
        shapes = machine.record.states
        chosen = range(len(shapes))
        if self.view.group:
            for name, indexes in machine.record.groups:
                if name == self.view.group:
                    chosen = sorted(i for i in indexes if 0 <= i < len(shapes))  # type: ignore[assignment]
        found = list(chosen)
        if self.view.state_filter == "active":
            found = [i for i in found if i < len(machine.clock) and machine.clock[i] % 2]
        elif self.view.state_filter == "changed":
            found = [i for i in found if self.view.glow(machine, i)]
        if self.filter_text:
            wanted = self.filter_text.casefold()
            found = [i for i in found if wanted in _searchable(shapes[i])]
        return found

    def _build(self, machine: LiveMachine) -> list[Node]:
        nodes: list[Node] = []
        if machine.record.tags:
            nodes.append(Node("tags", "", words.tags_text(machine.record.tags)))
        title = "States"
        if self.view.group:
            title += f" · group {self.view.group}"
        if self.view.state_filter != "all":
            title += f" · {self.view.state_filter}"
        if self.filter_text:
            title += f" · like {self.filter_text}"
        nodes.append(Node("root", "", title))
        shown = self._shown_states(machine)
        for place, index in enumerate(shown):
            last = place == len(shown) - 1
            shape = machine.record.states[index]
            nodes.append(Node("state", "└──" if last else "├──", shape.name, index, shape.name))
            if self.expanded.get(shape.name):
                nodes.extend(_children(shape, index, "   " if last else "│  "))
        if not shown:
            nodes.append(Node("nothing", "└──", "no state to show"))
        return nodes

    def row_count(self) -> int:
        """All open rows of the tree."""
        return len(self.nodes)

    def row_version(self, index: int) -> Hashable:
        """What the row shows."""
        node = self.nodes[index]
        machine = self._machine
        if machine is None:
            return node
        tick = machine.clock[node.state] if 0 <= node.state < len(machine.clock) else -1
        glow = self.view.glow(machine, node.state) if node.kind == "state" else ""
        lit = self._is_lit(node)
        guides = tuple(self._guides.get(index, ()))
        return (node, tick, glow, lit, guides, machine.record.source)

    # What a row looks like.

    def _is_lit(self, node: Node) -> bool:
        state = self.view.state
        if not state or self._machine is None:
            return False
        if node.kind == "reference" and node.text == state:
            return True
        return 0 <= node.state < len(self._machine.names) and self._machine.names[node.state] == state

    def row_look(self, index: int) -> str:
        """The selected state is lit, with all below it and wherever it is named."""
        node = self.nodes[index]
        return "on lit" if self._is_lit(node) else ""

    def build_row(self, index: int, width: int) -> Row:
        """One row of the tree, with the guides at its right."""
        node = self.nodes[index]
        if node.kind == "state" and self._machine is not None:
            row = self._state_row(node, self._machine, width)
        else:
            look = {"tags": "grey", "root": "plain", "tag": "grey", "nothing": "grey"}.get(node.kind, "plain")
            if node.kind == "reference":
                look = self._look_of(node.text)
            row = [(node.prefix, "faint"), (node.text, look)]
        if (guides := self._guides.get(index)) and self._machine is not None:
            gap = self._guide_column(width) - width_of(row)
            row += [(" " * gap, "plain"), *guides] if gap >= 0 else []
        return row

    def _name_cells(self, width: int) -> int:
        return min(self._width, max(8, width - 3 - 9))

    def _guide_column(self, width: int) -> int:
        """Right of the longest tick, or of the longest row that is open when there is room for that."""
        assert self._machine is not None
        ticks = 3 + self._name_cells(width) + 3 + self._tick_cells(self._machine) + 2
        return max(ticks, min(self._widest + 1, width - GUIDE_CELLS))

    def _look_of(self, name: str) -> str:
        machine = self._machine
        at = machine.index.get(name) if machine is not None else None
        if machine is None or at is None or at >= len(machine.clock):
            return "plain"
        return words.look_of_state(machine.record.states[at], machine.clock[at])

    def _state_row(self, node: Node, machine: LiveMachine, width: int) -> Row:
        shape = machine.record.states[node.state]
        tick = machine.clock[node.state] if node.state < len(machine.clock) else 0
        look = words.look_of_state(shape, tick)
        if machine.record.source == "gone":
            look = "faint"
        sign = "─" if tick % 2 == 0 else "!" if is_error_state(shape.name) else "●"
        name_room = self._name_cells(width)
        glow = self.view.glow(machine, node.state)
        doubt = words.TRUST_SIGN.get(machine.record.source, " ").strip()
        return [
            (node.prefix[:2], "faint"),
            (sign, "faint" if sign == "─" else look),
            (pad(shape.name, name_room), look),
            (" M" if shape.multi else "  ", look),
            ("|", "faint"),
            (words.number(tick), f"{look} bold on {glow}" if glow else look),
            (doubt, words.TRUST_LOOK.get(machine.record.source, "plain")),
        ]

    @staticmethod
    def _tick_cells(machine: LiveMachine) -> int:
        return len(words.number(max(machine.clock, default=0)))

    # Guides.

    def _make_guides(self, machine: LiveMachine | None) -> None:
        """How the selected state relates to the others that are on show, drawn beside them."""
        self._guides = {}
        at = machine.index.get(self.view.state) if machine is not None else None
        if machine is None or at is None:
            return
        rows = {node.state: place for place, node in enumerate(self.nodes) if node.kind == "state"}
        said = {state: spans for state, spans in self._related(machine, at).items() if state in rows}
        if at not in rows or not said:
            return
        places = {rows[state]: spans for state, spans in said.items()}
        mine = rows[at]
        first, last = min(mine, *places), max(mine, *places)
        for place in range(first, last + 1):
            end = "┐┘"[place == last] if place in (first, last) else "┤"
            if place == mine:
                self._guides[place] = [("─" + end, "bright")]
            elif place in places:
                start = "┌└"[place == last] if place in (first, last) else "├"
                self._guides[place] = [(" " + start, "grey"), *places[place]]
            else:
                self._guides[place] = [(" │", "faint")]

    @staticmethod
    def _related(machine: LiveMachine, at: int) -> dict[int, list[Span]]:
        """In words: what the state does to each other one, and the others to it."""
        shapes = machine.record.states
        mine = shapes[at]
        said: dict[int, list[Span]] = {}
        for other, shape in enumerate(shapes):
            for relation in RELATIONS if other != at else ():
                to_it = shape.name in getattr(mine, relation.lower())
                from_it = mine.name in getattr(shape, relation.lower())
                if to_it or from_it:
                    words_of = _BOTH if to_it and from_it else _ACTIVE if to_it else _PASSIVE
                    said.setdefault(other, []).append((f" {words_of[relation]}", _RELATION_LOOK[relation]))
        return said

    # What keys do.

    def moved_by_hand(self) -> None:
        """The state under the cursor is the selected one everywhere."""
        self.select_under_cursor()

    def select_under_cursor(self) -> None:
        """Select the state the cursor is on, or none."""
        if self.cursor >= len(self.nodes) or self._machine is None:
            return
        node = self.nodes[self.cursor]
        if node.kind == "reference" or node.kind == "state":
            self.view.select_state(node.text)
        else:
            self.view.select_state("")

    def toggle_at(self, index: int) -> None:
        """Open or close a state; from a reference go to the state itself."""
        if index >= len(self.nodes) or self._machine is None:
            return
        node = self.nodes[index]
        if node.kind == "reference":
            for place, other in enumerate(self.nodes):
                if other.kind == "state" and other.text == node.text:
                    self.go(place, centre=True)
                    self.select_under_cursor()
                    return
        elif node.state >= 0:
            name = self._machine.names[node.state]
            self.expanded[name] = not self.expanded.get(name)
            self.update()

    def toggle_all(self) -> None:
        """Close all when any is open, else open all."""
        if self._machine is None:
            return
        any_open = any(self.expanded.get(name) for name in self._machine.names)
        self.expanded = {} if any_open else dict.fromkeys(self._machine.names, True)
        self.update()

    def search_text(self, index: int) -> str:
        """State names and references."""
        node = self.nodes[index]
        return node.text if node.kind in ("state", "reference", "relation", "tag") else ""

    def row_text(self, index: int) -> str:
        """Copied: the state's name and tick."""
        node = self.nodes[index]
        if node.kind == "state" and self._machine is not None and node.state < len(self._machine.clock):
            return f"{node.text} {self._machine.clock[node.state]}"
        return node.text


_RELATION_LOOK = {"Add": "inactive", "Require": "active", "Remove": "error", "After": "grey"}
_ACTIVE = {"Add": "added", "Require": "required", "Remove": "removed", "After": "before"}
_BOTH = {"Add": "⇄ adds", "Require": "⇄ requires", "Remove": "⇄ removes", "After": "⇄ after"}
_PASSIVE = {"Add": "adds", "Require": "requires", "Remove": "removes", "After": "after"}


def _children(shape: StateShape, index: int, prefix: str) -> list[Node]:
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


def _searchable(shape: StateShape) -> str:
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
