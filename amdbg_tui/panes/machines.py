"""The machines, grouped under their peers: `dashes for nesting`, am-dbg's flags, `|123+` counters, trust
and health."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.records import MachineKey
from amdbg_tui.panes import words
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row, clip, pad, width_of
from amdbg_tui.widgets.virtual_list import VirtualList

COUNT_CELLS = 7
"""Room for `|` and the number of records."""
FLAG_CELLS = 2
DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A row: a peer (no key) or a machine under it, `depth` levels deep."""

    peer_id: str
    key: MachineKey | None = None
    depth: int = 0


class MachinesPane(VirtualList):
    """Peers and their machines. The cursor's row is what the other panes show."""

    searchable = True
    DEFAULT_CSS = """
    MachinesPane { border: solid $frame; }
    MachinesPane:focus { border: double $frame-focused; }
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="machines")
        self.view = view
        self.lines: list[Line] = []
        self.filter_text = ""
        self._made_for: Hashable = None
        self._at: dict[Line, int] = {}
        self._sums: dict[MachineKey, tuple[int, int]] = {}
        self._sum = 0

    # Rows.

    def resized(self) -> None:
        """Another size may have room for more."""
        self.update()

    def update(self) -> None:
        """Take what changed in the view; cheap when nothing did."""
        made_for = (self.view.live.structure_version, self.filter_text, self.view.shows["gone"])
        if made_for != self._made_for:
            self._made_for = made_for
            self._rebuild()
        live = self.view.live
        total = self._total()
        self.set_title(f"Machines:{len(live.machines)} T:{words.number(total)}", key=made_for)
        if not self.search:
            self.set_subtitle(f"like {self.filter_text}" if self.filter_text else "")
        self.sync()

    def _rebuild(self) -> None:
        held = self.lines[self.cursor] if self.cursor < len(self.lines) else None
        self.lines = self._build_lines()
        self._at = {line: index for index, line in enumerate(self.lines)}
        wanted = self._line_of_selection() or held
        if wanted in self._at:
            self.cursor = self._at[wanted]
        self.rebuilt()

    def _line_of_selection(self) -> Line | None:
        key = self.view.machine_key
        return next((line for line in self.lines if line.key == key), None) if key is not None else None

    def _build_lines(self) -> list[Line]:
        live = self.view.live
        peers = sorted(
            (peer.record for peer in live.peers.values()),
            key=lambda peer: (peer.status != "self", words.natural(words.peer_title(peer))),
        )
        wanted = self.filter_text.casefold()
        lines: list[Line] = []
        for peer in peers:
            if peer.status == "gone" and not self.view.shows["gone"]:
                continue
            nested = self._nest(peer.peer_id, self._machines_of(peer.peer_id))
            if wanted and wanted not in f"{peer.name} {peer.peer_id}".casefold():
                nested = [
                    line
                    for line in nested
                    if line.key is not None and wanted in live.machines[line.key].record.machine_id.casefold()
                ]
                if not nested:
                    continue
            lines.append(Line(peer.peer_id))
            lines.extend(nested)
        return lines

    def _machines_of(self, peer_id: str) -> list[LiveMachine]:
        machines = self.view.live.machines_of(peer_id)
        return machines if self.view.shows["gone"] else [m for m in machines if m.record.source != "gone"]

    def _nest(self, peer_id: str, machines: list[LiveMachine]) -> list[Line]:
        ids = {machine.record.machine_id for machine in machines}
        children: dict[str, list[LiveMachine]] = {}
        for machine in machines:
            parent = machine.record.parent_id
            known = parent in ids and parent != machine.record.machine_id
            children.setdefault(parent if known else "", []).append(machine)
        lines: list[Line] = []
        placed: set[MachineKey] = set()

        def place(parent: str, depth: int) -> None:
            for machine in sorted(
                children.get(parent, ()),
                key=lambda one: (one.key.slot >= 0, words.natural(one.record.machine_id)),
            ):
                if machine.key not in placed:
                    placed.add(machine.key)
                    lines.append(Line(peer_id, machine.key, depth))
                    if depth < DEEPEST:
                        place(machine.record.machine_id, depth + 1)

        place("", 0)
        # Parents in a circle, or nested deeper than anybody reads: shown all the same.
        lines.extend(Line(peer_id, machine.key) for machine in machines if machine.key not in placed)
        return lines

    def _total(self) -> int:
        """The sum of all ticks; kept per machine, because most did not move since the last frame."""
        for key, machine in self.view.live.machines.items():
            held = self._sums.get(key)
            if held is None or held[0] != machine.version:
                time_sum = machine.time_sum
                self._sum += time_sum - (held[1] if held else 0)
                self._sums[key] = (machine.version, time_sum)
        return self._sum

    def row_count(self) -> int:
        """Peers and machines."""
        return len(self.lines)

    def row_version(self, index: int) -> Hashable:
        """What the row shows."""
        line = self.lines[index]
        if line.key is None:
            peer = self.view.live.peers[line.peer_id]
            return (peer.version, self.view.peer_id == line.peer_id)
        machine = self.view.live.machines[line.key]
        return (
            machine.version,
            self.view.machine_key == line.key,
            self.view.live.peers[line.peer_id].version,
        )

    def build_row(self, index: int, width: int) -> Row:
        """A peer's line or a machine's."""
        line = self.lines[index]
        return self._peer_row(line.peer_id, width) if line.key is None else self._machine_row(line, width)

    def _peer_row(self, peer_id: str, width: int) -> Row:
        peer = self.view.live.peers[peer_id].record
        detail = self.view.live.peers[peer_id].detail
        look = words.PEER_LOOK.get(peer.status, "plain")
        connected = detail is not None and bool(detail.transport)
        right = "relayed" if peer.status == "joined" and not connected else ""
        if peer.status == "self":
            right = "you"
        elif peer.status in ("hearsay", "stale", "gone"):
            right = peer.status
        elif detail is not None and detail.round_trip_s is not None:
            right = words.span_words(detail.round_trip_s)
        if detail is not None and detail.transport and peer.status in ("self", "joined") and width >= 30:
            right = f"{detail.transport} {right}".rstrip()
        name = words.peer_title(peer)
        room = width - 3 - len(right)
        row: Row = [(words.peer_sign(peer.status, connected) + " ", look), (clip(name, room), f"{look} bold")]
        if peer.name and room - width_of(row) >= 9:
            row.append((" " + words.short_id(peer_id), "faint"))
        gap = width - width_of(row) - len(right)
        return [*row, (" " * max(1, gap), "plain"), (right, look if peer.status != "joined" else "grey")]

    def _machine_row(self, line: Line, width: int) -> Row:
        assert line.key is not None
        machine = self.view.live.machines[line.key]
        source = machine.record.source
        flags = machine.flags
        if machine.in_error:
            flags = "E" + flags[1:]
        sign = words.PEER_SIGN["self"] if machine.is_own else words.TRUST_SIGN.get(source, " ")
        dashes = "  " + "-" * line.depth + (" " if line.depth else "")
        name_room = width - len(dashes) - FLAG_CELLS - COUNT_CELLS - 3
        look = self._look(machine)
        chosen = " bold underline" if self.view.machine_key == line.key else ""
        name = clip(machine.record.machine_id, name_room)
        return [
            (dashes, "faint"),
            (name, look + chosen),
            (pad("", name_room - width_of([(name, "")]) + 1), "plain"),
            (sign + " ", words.TRUST_LOOK.get(source, "plain")),
            (f"{flags:>{FLAG_CELLS}}", "error bold" if "E" in flags else "grey"),
            ("|", "faint"),
            (pad(words.number(machine.transitions), COUNT_CELLS - 1), look),
        ]

    @staticmethod
    def _look(machine: LiveMachine) -> str:
        if machine.record.source == "gone":
            return "faint"
        if machine.in_error:
            return "error"
        if machine.recently_in_error:
            return "recent"
        if machine.record.source in ("stale", "hearsay"):
            return words.TRUST_LOOK[machine.record.source]
        return "own" if machine.is_own else "active"

    # Finding.

    def search_text(self, index: int) -> str:
        """Names and ids; nested machines without their dashes."""
        line = self.lines[index]
        if line.key is not None:
            return self.view.live.machines[line.key].record.machine_id
        peer = self.view.live.peers[line.peer_id].record
        return peer.name or peer.peer_id

    def step_machine(self, by: int) -> bool:
        """Move to the next or previous machine, peers skipped."""
        index = self.cursor + by
        while 0 <= index < len(self.lines):
            if self.lines[index].key is not None:
                self.go(index)
                return True
            index += by
        return False

    def show(self, key: MachineKey) -> None:
        """Bring the cursor to a machine."""
        for index, line in enumerate(self.lines):
            if line.key == key:
                self.go(index, centre=True)
                return

    def current(self) -> Line | None:
        """The row under the cursor."""
        return self.lines[self.cursor] if self.cursor < len(self.lines) else None

    def row_text(self, index: int) -> str:
        """Copied: the whole peer id, or peer and machine."""
        line = self.lines[index]
        if line.key is None:
            return line.peer_id
        return f"mach://{line.peer_id}/{self.view.live.machines[line.key].record.machine_id}"
