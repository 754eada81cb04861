"""The states of one machine: am-dbg's tree with aligned ticks, and beside it what each state did, as lanes.

Four ways to fill the room at the right: lanes by time, rain (a record a column), the matrix of relations, or names only with
guides that say how the lit state relates to the others. While one steps through a record the touched states come first, with a
sign for each step so far. `├─●` marks an active state where there are no colours, `├─!` an error. A tick that moved glows.
"""

from __future__ import annotations

from collections.abc import Hashable

from rich.cells import cell_len

from amdbg_tui.history.filters import is_error_state
from amdbg_tui.history.live import Changes, Live, LiveMachine, Moment
from amdbg_tui.history.records import MachineKey
from amdbg_tui.panes import lanes as lane
from amdbg_tui.panes import words
from amdbg_tui.panes.pane import Pane
from amdbg_tui.panes.states_tree import (
    Node,
    children,
    guides,
    matrix_cells,
    relation_sentence,
    search_words,
    steps_of,
    touched,
)
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row, Span, clip, pad, width_of, wrap

MODES = ("lanes", "rain", "matrix", "names")
GUIDE_CELLS = 14
"""Room for the guides, when there is so much."""
LEAST_LANES = 8
"""Fewer columns than this are not worth drawing."""
DEFAULT_SPAN = 4
BESIDE_MOST = 4


class StatesPane(Pane):
    """The states of the selected machine."""

    pane_name = "states"
    searchable = True
    can_filter = True
    hints = (
        "see.lanes",
        "find.states",
        "see.zoom_in",
        "see.pan_before",
        "time.jump_before",
        "see.expand",
        "find.filter",
    )

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.nodes: list[Node] = []
        self.expanded: dict[str, bool] = {}
        self.text = ""
        self.mode = "lanes"
        self.span = DEFAULT_SPAN
        """Which of `lanes.SPANS_S` the lanes show."""
        self.shifted = 0
        """How many quarters of the width the lanes are panned back."""
        self.besides: list[MachineKey] = []
        """Machines whose lanes stay beside those of the selected one, on the same axis."""
        self.lanes = lane.Lanes()
        self._beside_lanes: dict[MachineKey, lane.Lanes] = {}
        self._sources: dict[MachineKey, lane.LaneSource] = {}
        self._lanes_for: Hashable = None
        self._made_for: Hashable = None
        self._machine: LiveMachine | None = None
        self._record: Moment | None = None
        self._width = 0
        self._first = (0, 0.0)
        self._widest = 0
        self._guides: dict[int, list[Span]] = {}

    @property
    def is_wanted(self) -> bool:
        """While a machine is selected."""
        return self.view.machine_key is not None

    # What there is to show.

    def take(self, changes: Changes) -> None:
        """Records of the machines whose lanes are held."""
        for source in self._sources.values():
            source.take(changes)

    def show(self, now: Live) -> None:
        """The selected machine as of the moment."""
        view = self.view
        machine = view.machine
        self._record = self._stepped()
        made_for: Hashable = None
        if machine is not None:
            moving = view.state_filter != "all"
            made_for = (
                machine.key,
                machine.record.machine_id,
                machine.record.states,
                machine.record.tags,
                view.group,
                view.state_filter,
                (now.moment, machine.version) if moving else 0,
                self.text,
                tuple(name for name, open_ in self.expanded.items() if open_),
                tuple(at for at in range(len(machine.names)) if view.glow(machine, at)) if moving else 0,
                (self._record.number, view.chosen.step) if self._record is not None else 0,
                self.mode,
                tuple(self.besides),
                self._sentence_key(),
                self.size.width,
            )
        if made_for != self._made_for:
            other = self._machine is None or machine is None or self._machine.key != machine.key
            self._made_for = made_for
            self._machine = machine
            self._rebuild(machine, other)
        self._machine = machine
        self._guides = {}
        if machine is not None and self.mode == "names" and (at := machine.index.get(view.state)) is not None:
            rows = {node.state: place for place, node in enumerate(self.nodes) if node.kind == "state"}
            self._guides = guides(machine, at, rows)
        self._make_lanes(now, machine)
        self._show_title(now, machine)
        self.sync()

    def _sentence_key(self) -> Hashable:
        machine, at = self.view.machine, None
        if machine is not None:
            at = machine.index.get(self.view.state)
        if machine is None or at is None or self.mode == "names":
            return None
        needs = machine.record.states[at].require
        return (at, tuple(machine.is_active(name) for name in needs))

    def _stepped(self) -> Moment | None:
        """The record one steps through, when it is one of the selected machine."""
        chosen = self.view.chosen
        if not chosen.step or not chosen.record:
            return None
        moment = self.view.history.moment(chosen.record)
        return moment if moment is not None and moment.record.key == chosen.machine else None

    def _show_title(self, now: Live, machine: LiveMachine | None) -> None:
        if machine is None:
            self.set_title("States")
            self.set_subtitle("")
            return
        about = f" · {len(machine.names)} states · t{words.number(machine.time_sum)}"
        name = clip(machine.record.machine_id, max(8, self.size.width - len(about) - 4))
        self.set_title(
            name + about,
            key=(machine.key, machine.record.machine_id, now.moment, len(machine.names), self.size.width),
        )
        if not self.search:
            trust = words.TRUST_WORDS.get(machine.record.source, machine.record.source)
            sign = words.TRUST_SIGN.get(machine.record.source, " ").strip()
            self.set_subtitle(clip(f"{sign} {trust}".strip(), self.size.width - 6))

    def _rebuild(self, machine: LiveMachine | None, other: bool) -> None:
        held = self.nodes[self.cursor] if self.cursor < len(self.nodes) else None
        self.nodes = self._build(machine) if machine is not None else []
        names = max((cell_len(name) for name in machine.names), default=4) if machine is not None else 4
        self._width = min(max(names, 6), 60)
        self._widest = max((cell_len(node.prefix + node.text) for node in self.nodes), default=0)
        if other:
            places = {node.text: place for place, node in enumerate(self.nodes) if node.kind == "state"}
            root = next((place for place, node in enumerate(self.nodes) if node.kind == "root"), 0)
            self.cursor = places.get(self.view.state, root)
        elif held is not None:
            last = max(0, len(self.nodes) - 1)
            found = {(node.kind, node.text, node.owner): place for place, node in enumerate(self.nodes)}
            self.cursor = found.get((held.kind, held.text, held.owner), min(self.cursor, last))
        self.rebuilt()

    def _shown_states(self, machine: LiveMachine) -> list[int]:
        shapes = machine.record.states
        found = list(range(len(shapes)))
        for name, indexes in machine.record.groups if self.view.group else ():
            if name == self.view.group:
                found = sorted(i for i in indexes if 0 <= i < len(shapes))
        if self.view.state_filter == "active":
            found = [i for i in found if i < len(machine.clock) and machine.clock[i] % 2]
        elif self.view.state_filter == "changed":
            found = [i for i in found if self.view.glow(machine, i)]
        if self.text:
            found = [i for i in found if self.text.casefold() in search_words(shapes[i])]
        if self._record is not None:
            first = touched(self._record.record)
            found.sort(key=lambda i: shapes[i].name not in first)
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
        if self.text:
            title += f" · like {self.text}"
        nodes.append(Node("root", "", title))
        shown = self._shown_states(machine)
        for place, index in enumerate(shown):
            last = place == len(shown) - 1
            shape = machine.record.states[index]
            nodes.append(Node("state", "└──" if last else "├──", shape.name, index, shape.name))
            if self.expanded.get(shape.name):
                nodes.extend(children(shape, index, "   " if last else "│  "))
        if not shown:
            nodes.append(Node("nothing", "└──", "no state to show; alt+x shows all"))
        for key in self.besides:
            if key != machine.key:
                nodes += self._beside_nodes(key)
        return [*nodes, *self._sentence(machine)]

    def _beside_nodes(self, key: MachineKey) -> list[Node]:
        other = self.view.now.machines.get(key)
        if other is None:
            return []
        nodes = [Node("nothing", "", ""), Node("beside-title", "", other.record.machine_id, -1, repr(key))]
        for at, name in enumerate(other.names):
            nodes.append(Node("beside", "├──" if at < len(other.names) - 1 else "└──", name, at, repr(key)))
        return nodes

    def _sentence(self, machine: LiveMachine) -> list[Node]:
        """Under lanes: what the lit state has to do with others, in one or two lines."""
        at = machine.index.get(self.view.state)
        if at is None or self.mode == "names" or self.size.width < 30:
            return []
        rows = wrap(relation_sentence(machine, at), self.row_width, "  ")
        return [Node("nothing", "", ""), *(Node("say", "", str(place), at) for place in range(len(rows)))]

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
        drawn = self._lanes_for if node.kind in ("state", "beside", "root", "beside-title") else 0
        return (
            node, tick, glow, self._is_lit(node), tuple(self._guides.get(index, ())), machine.record.source, drawn,
            self.view.chosen.step,
        )  # fmt: skip

    # What a row looks like.

    def _is_lit(self, node: Node) -> bool:
        state = self.view.state
        if not state or self._machine is None or node.kind in ("beside", "say"):
            return False
        if node.kind == "reference" and node.text == state:
            return True
        return 0 <= node.state < len(self._machine.names) and self._machine.names[node.state] == state

    def row_look(self, index: int) -> str:
        """The selected state is lit, with all below it and wherever it is named."""
        return "on lit" if self._is_lit(self.nodes[index]) else ""

    def build_row(self, index: int, width: int) -> Row:
        """One row of the tree, with what is at its right."""
        node, machine = self.nodes[index], self._machine
        if machine is None:
            return [(node.text, "grey")]
        if node.kind == "say":
            rows = wrap(relation_sentence(machine, node.state), self.row_width, "  ")
            place = int(node.text)
            return rows[place] if place < len(rows) else []
        if node.kind == "state":
            row = self._state_row(node, machine, width)
            return [*row, *self._right_of(node, machine, row, index, width)]
        if node.kind.startswith("beside"):
            return self._beside_row(node, width)
        if node.kind == "root":
            return self._root_row(node, machine, width)
        look = {"tags": "grey", "tag": "grey", "nothing": "grey"}.get(node.kind, "plain")
        if node.kind == "reference":
            look = self._look_of(node.text)
        row = [(node.prefix, "faint"), (node.text, look)]
        return self._with_guides(row, index, width)

    def _right_of(self, node: Node, machine: LiveMachine, row: Row, index: int, width: int) -> Row:
        """Right of a state's tick."""
        if self._record is not None:
            signs = steps_of(self._record.record, node.text, self.view.chosen.step)
            return [
                (" " * max(1, self._lane_column(machine, width) - width_of(row)), "plain"),
                (signs, "bright bold"),
            ]
        if self.mode == "names":
            return self._with_guides(row, index, width)[len(row) :]
        room = self._lane_room(machine, width)
        if room < LEAST_LANES:
            return []
        gap = (" " * max(1, self._lane_column(machine, width) - width_of(row)), "plain")
        if self.mode == "matrix":
            return [gap, *matrix_cells(machine, node.state, self.view.state, room)]
        return [gap, *self.lanes.rows.get(node.state, [])]

    def _root_row(self, node: Node, machine: LiveMachine, width: int) -> Row:
        row: Row = [(node.text, "plain")]
        room = self._lane_room(machine, width)
        if room < LEAST_LANES or self.mode == "names":
            return row
        if self._record is not None:
            about = f"step {self.view.chosen.step} of {len(self._record.record.steps)}"
        elif self.mode == "matrix":
            about = "".join(f"{at:>3}" for at in range(min(len(machine.names), room // 3)))
        elif self.mode == "rain":
            about = f"rain · {len(self.lanes.numbers)} records"
        else:
            about = f"−{words.span_words(lane.SPANS_S[self.span])} · {self._column_words()} a column"
        return [
            *row,
            (" " * max(1, self._lane_column(machine, width) - width_of(row)), "plain"),
            (clip(about, room), "grey"),
        ]

    def _column_words(self) -> str:
        return words.span_words((self.lanes.end_s - self.lanes.begin_s) / max(1, self.lanes.columns))

    def _with_guides(self, row: Row, index: int, width: int) -> Row:
        found = self._guides.get(index)
        if not found or self._machine is None:
            return row
        gap = self._guide_column(width) - width_of(row)
        return [*row, (" " * gap, "plain"), *found] if gap >= 0 else row

    def _beside_row(self, node: Node, width: int) -> Row:
        key = next((key for key in self.besides if repr(key) == node.owner), None)
        other = self.view.now.machines.get(key) if key is not None else None
        if key is None or other is None or self._machine is None:
            return [(node.text, "grey")]
        if node.kind == "beside-title":
            return [(node.text, "bright bold"), ("  beside · alt+s there lets go", "grey")]
        row = self._state_row(node, other, width)
        drawn = self._beside_lanes.get(key)
        cells = drawn.rows.get(node.state, []) if drawn is not None else []
        return [
            *row,
            (" " * max(1, self._lane_column(self._machine, width) - width_of(row)), "plain"),
            *cells,
        ]

    def _name_cells(self, width: int) -> int:
        return min(self._width, max(8, width - 3 - 9))

    def _lane_column(self, machine: LiveMachine, width: int) -> int:
        """Where lanes begin: right of the longest tick."""
        return 3 + self._name_cells(width) + 3 + self._tick_cells(machine) + 2

    def _lane_room(self, machine: LiveMachine, width: int) -> int:
        return width - self._lane_column(machine, width)

    def _guide_column(self, width: int) -> int:
        """Right of the longest tick, or of the longest row that is open when there is room for that."""
        assert self._machine is not None
        return max(self._lane_column(self._machine, width), min(self._widest + 1, width - GUIDE_CELLS))

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
        glow = self.view.glow(machine, node.state)
        doubt = words.TRUST_SIGN.get(machine.record.source, " ").strip()
        if self._record is not None and shape.name in self._record.record.called:
            look += " underline"
        return [
            (node.prefix[:2], "faint"),
            (sign, "faint" if sign == "─" else look),
            (pad(shape.name, self._name_cells(width)), look),
            (" M" if shape.multi else "  ", look),
            ("|", "faint"),
            (words.number(tick), f"{look} bold on {glow}" if glow else look),
            (doubt, words.TRUST_LOOK.get(machine.record.source, "plain")),
        ]

    @staticmethod
    def _tick_cells(machine: LiveMachine) -> int:
        return len(words.number(max(machine.clock, default=0)))

    # Lanes.

    def _make_lanes(self, now: Live, machine: LiveMachine | None) -> None:
        """Draw the lanes anew when time went on by a column, a record came, or something else is wanted."""
        if machine is None or self.mode not in ("lanes", "rain") or self._record is not None:
            self._lanes_for = (now.moment, self.mode)
            return
        room = self._lane_room(machine, self.row_width)
        if room < LEAST_LANES:
            self._lanes_for = None
            return
        moment = now.moment
        columns = room if moment is None else room - 1
        span_s = lane.SPANS_S[self.span]
        column_s = span_s / columns
        present_s = self.view.clock() if moment is None else max(self.view.live.at_s, now.wall_s)
        moment_s = present_s if moment is None else now.wall_s
        end_s = moment_s if moment is None else min(moment_s + lane.NEWER_SHARE * span_s, present_s)
        end_s = (int(end_s / column_s) + 1) * column_s - self.shifted * span_s / 4
        begin_s = end_s - span_s
        keys = [machine.key, *(key for key in self.besides if key != machine.key and key in now.machines)]
        self._sources = {key: self._sources.get(key) or lane.LaneSource(key) for key in keys}
        cursor = self.view.history.cursor()
        for source in self._sources.values():
            if self.mode == "lanes":
                source.cover(cursor, begin_s, end_s, moment, self._recorded_s())
            else:
                source.cover(cursor, 0.0, 0.0, moment)
        versions = tuple(source.version for source in self._sources.values())
        made_for = (
            self.mode, tuple(keys), versions, moment, columns, round(begin_s, 6), machine.record.states,
        )  # fmt: skip
        if made_for == self._lanes_for:
            return
        self._lanes_for = made_for
        drawn = {}
        for key, source in self._sources.items():
            of = now.machines[key]
            if self.mode == "rain":
                drawn[key] = lane.by_record(of, source.moments, columns, moment=moment)
            else:
                drawn[key] = lane.by_time(
                    of, source.moments, begin_s, end_s, columns,
                    known_s=source.known_s, present_s=present_s, moment=moment, moment_s=moment_s,
                )  # fmt: skip
        self.lanes = drawn.pop(machine.key)
        self._beside_lanes = drawn

    def _recorded_s(self) -> float:
        """When the recording began: what was before it is not known here."""
        first = self.view.history.first
        if first != self._first[0]:
            self._first = (first, self.view.history.time_of(first))
        return self._first[1]

    # What keys do.

    def action_mode(self) -> None:
        """Lanes, rain, matrix, names."""
        self.mode = MODES[(MODES.index(self.mode) + 1) % len(MODES)]
        self.changed()

    def action_rain(self) -> None:
        """Rain, or back to the lanes."""
        self.mode = "lanes" if self.mode == "rain" else "rain"
        self.changed()

    def action_zoom(self, by: int) -> None:
        """A shorter or longer time."""
        self.span = max(0, min(len(lane.SPANS_S) - 1, self.span + by))
        self.changed()

    def action_pan(self, by: int) -> None:
        """An earlier or later time."""
        self.shifted = max(0, self.shifted - by)
        self.changed()

    def action_beside(self) -> None:
        """Keep the selected machine's lanes, whatever is selected next; or let them go."""
        key = self.view.machine_key
        if key is None:
            return
        if key in self.besides:
            self.besides.remove(key)
        else:
            self.besides = [*self.besides, key][-BESIDE_MOST:]
        self.changed()

    def action_state_filter(self) -> None:
        """All states, active ones, those that just changed."""
        self.view.next_state_filter()
        self.changed()

    def action_group(self) -> None:
        """The next group of states."""
        self.view.next_group()
        self.changed()

    def action_expand(self) -> None:
        """Close all when any is open, else open all."""
        if self._machine is None:
            return
        any_open = any(self.expanded.get(name) for name in self._machine.names)
        self.expanded = {} if any_open else dict.fromkeys(self._machine.names, True)
        self.changed()

    @property
    def filter_text(self) -> str:
        """What states must be like."""
        return self.text

    def set_filter(self, text: str) -> str:
        """Only states like this."""
        self.text = text
        return ""

    def moved_by_hand(self) -> None:
        """The state under the cursor is the selected one everywhere."""
        self.select_under_cursor()
        self.changed()

    def select_under_cursor(self) -> None:
        """Select the state the cursor is on, or none."""
        if self.cursor >= len(self.nodes) or self._machine is None:
            return
        node = self.nodes[self.cursor]
        if node.kind != "say":
            self.view.select_state(node.text if node.kind in ("reference", "state") else "")

    def opened(self, index: int) -> None:
        """Open or close a state; from a reference go to the state itself."""
        if index >= len(self.nodes) or self._machine is None:
            return
        node = self.nodes[index]
        if node.kind == "reference":
            for place, other in enumerate(self.nodes):
                if other.kind == "state" and other.text == node.text:
                    self.go(place, centre=True)
                    self.moved_by_hand()
                    return
        elif node.state >= 0 and not node.kind.startswith(("beside", "say")):
            name = self._machine.names[node.state]
            self.expanded[name] = not self.expanded.get(name)
            self.changed()

    def clicked(self, index: int, column: int) -> bool:
        """A click on a lane goes to the record there."""
        machine = self._machine
        if (
            machine is None
            or self.mode not in ("lanes", "rain")
            or self.nodes[index].kind not in ("state", "beside")
        ):
            return False
        at = column - self._lane_column(machine, self.row_width)
        if at < 0:
            return False
        if 0 <= self.lanes.head < at:
            at -= 1
        numbers = self.lanes.numbers
        known = (
            [number for number in numbers[: at + 1] if number]
            if self.mode == "lanes"
            else numbers[at : at + 1]
        )
        if not known:
            return False
        self.go(index)
        self.select_under_cursor()
        self.view.go_to(known[-1])
        self.changed()
        return True

    def search_text(self, index: int) -> str:
        """State names and references."""
        node = self.nodes[index]
        return node.text if node.kind in ("state", "reference", "relation", "tag") else ""

    def row_text(self, index: int) -> str:
        """Copied: the state's name and tick."""
        node = self.nodes[index]
        if node.kind == "state" and self._machine is not None and node.state < len(self._machine.clock):
            return f"{node.text} {self._machine.clock[node.state]}"
        return super().row_text(index) if node.kind == "say" else node.text
