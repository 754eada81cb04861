"""The machines, grouped under their peers: `dashes for nesting`, am-dbg's flags, `|123+` counters, trust
and health."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache

from amdbg_tui.history.live import Live, LiveMachine
from amdbg_tui.history.records import MachineKey, PeerRecord
from amdbg_tui.panes import words
from amdbg_tui.panes.pane import Pane
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row, clip, pad, width_of

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


class MachinesPane(Pane):
    """Peers and their machines. The cursor's row is what the other panes show."""

    pane_name = "machines"
    searchable = True
    can_filter = True
    hints = ("find.sort", "see.fold", "find.filter", "change.add", "peer.hide", "peer.mute", "machine.next")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.lines: list[Line] = []
        self.folded: set[str] = set()
        self.text = ""
        self.by_hand = False
        """The person has chosen a row."""
        self._made_for: Hashable = None
        self._at: dict[Line, int] = {}
        self._sorted_s = 0.0
        self._shared: set[str] = set()
        """Names that several peers call themselves by."""

    # Rows.

    def show(self, now: Live) -> None:
        """Peers and machines as of the moment; cheap when nothing changed."""
        view = self.view
        made_for = (
            now.moment, now.structure_version, self.text, view.shows["gone"], view.sort, self._activity(now),
            frozenset(self.folded), frozenset(view.hidden),
        )  # fmt: skip
        if made_for != self._made_for:
            self._made_for = made_for
            self._rebuild()
        elif not self.by_hand and self._line_of_selection() not in (None, self.current()):
            self.show_selected()
        sort = "" if view.sort == "name" else f" · by {view.sort}"
        then = "" if view.is_live else f" · at {words.clock_time(view.wall_s)[:8]}"
        count = f"Machines:{len(now.machines)}"
        self.set_title(count + sort + then, key=made_for)
        if not self.search:
            hidden = f"{len(view.hidden)} hidden" if view.hidden else ""
            like = f"like {self.text}" if self.text else ""
            nothing = "nothing " if self.text and not self.lines else ""
            text = " · ".join(
                part for part in (nothing + like + (": esc clears" if like else ""), hidden) if part
            )
            self.set_subtitle(text)
        self.sync()

    def _activity(self, now: Live) -> Hashable:
        """Sorted by activity or errors, the order changes once a second at most."""
        if self.view.sort == "name":
            return 0
        second = int(self.view.clock()) if now.moment is None else now.moment
        return (second, now.clock_version) if second != self._sorted_s else second

    def _rebuild(self) -> None:
        held = self.lines[self.cursor] if self.cursor < len(self.lines) else None
        self.lines = self._build_lines()
        self._at = {line: index for index, line in enumerate(self.lines)}
        wanted = self._line_of_selection() or held
        if wanted in self._at:
            self.cursor = self._at[wanted]
        self.rebuilt()

    def _line_of_selection(self) -> Line | None:
        key, peer_id = self.view.machine_key, self.view.peer_id
        if key is None:
            return next((line for line in self.lines if line.key is None and line.peer_id == peer_id), None)
        return next((line for line in self.lines if line.key == key), None)

    def _build_lines(self) -> list[Line]:
        live = self.view.now
        peers = sorted((peer.record for peer in live.peers.values()), key=self._peer_rank)
        wanted = self.text.casefold()
        lines: list[Line] = []
        self._shared = {name for name, count in Counter(peer.name for peer in peers).items() if count > 1}
        for peer in peers:
            if (peer.status == "gone" and not self.view.shows["gone"]) or peer.peer_id in self.view.hidden:
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
            if peer.peer_id not in self.folded or wanted:
                lines.extend(nested)
        return lines

    def _peer_rank(self, peer: PeerRecord) -> tuple[object, ...]:
        name = (peer.status != "self", *_natural(words.peer_title(peer)))
        if self.view.sort == "name":
            return name
        machines = self.view.now.machines_of(peer.peer_id)
        return (
            min((self._rank(machine)[0] for machine in machines if not machine.is_topic), default=1.0),
            *name,
        )

    def _rank(self, machine: LiveMachine) -> tuple[float, tuple[object, ...]]:
        name = (machine.key.slot >= 0, *_natural(machine.record.machine_id))
        if self.view.sort == "activity":
            return -machine.last_at_s, name
        if self.view.sort == "errors":
            recent = machine.last_error if machine.recently_in_error else 0
            return -1e9 * machine.in_error - recent, name
        return 0.0, name

    def _machines_of(self, peer_id: str) -> list[LiveMachine]:
        machines = self.view.now.machines_of(peer_id)
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
            for machine in sorted(children.get(parent, ()), key=self._rank):
                if machine.key not in placed:
                    placed.add(machine.key)
                    lines.append(Line(peer_id, machine.key, depth))
                    if depth < DEEPEST:
                        place(machine.record.machine_id, depth + 1)

        place("", 0)
        # Parents in a circle, or nested deeper than anybody reads: shown all the same.
        lines.extend(Line(peer_id, machine.key) for machine in machines if machine.key not in placed)
        return lines

    def row_count(self) -> int:
        """Peers and machines."""
        return len(self.lines)

    def row_version(self, index: int) -> Hashable:
        """What the row shows."""
        line, now = self.lines[index], self.view.now
        if line.key is None:
            peer = now.peers.get(line.peer_id)
            flood = (
                self.view.floods.rates.get(line.peer_id) if self.view.floods.floods(line.peer_id) else None
            )
            return (
                now.moment,
                peer.version if peer else 0,
                now.detail_version,
                self.view.peer_id == line.peer_id,
                flood,
            )
        machine = now.machines.get(line.key)
        more = (
            self.view.live.machines[line.key].transitions
            if not self.view.is_live and line.key in self.view.live.machines
            else 0
        )
        return (now.moment, machine.version if machine else 0, self.view.machine_key == line.key, more)

    def build_row(self, index: int, width: int) -> Row:
        """A peer's line or a machine's."""
        line = self.lines[index]
        return self._peer_row(line.peer_id, width) if line.key is None else self._machine_row(line, width)

    def _peer_row(self, peer_id: str, width: int) -> Row:
        known = self.view.now.peers.get(peer_id)
        if known is None:
            return [(words.short_id(peer_id), "faint")]
        peer, detail = known.record, known.detail
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
        floods = self.view.is_live and self.view.floods.floods(peer_id)
        if floods:
            came, dropped = self.view.floods.rates[peer_id]
            right = f"! {came + dropped:.0f}/s"
        name = words.peer_title(peer)
        room = width - 3 - len(right)
        sign = "▸" if peer_id in self.folded else words.peer_sign(peer.status, connected)
        row: Row = [(sign + " ", look), (clip(name, room), f"{look} bold")]
        if (
            peer.name in self._shared and peer.status != "self"
        ):  # told apart by their ids, whatever they call themselves
            right = words.short_id(peer_id)
            row[1] = (clip(name, width - 3 - len(right)), f"{look} bold")
        elif peer.name and room - width_of(row) >= 9:
            row.append((" " + words.short_id(peer_id), "faint"))
        gap = width - width_of(row) - len(right)
        return [
            *row,
            (" " * max(1, gap), "plain"),
            (right, "error bold" if floods else look if peer.status != "joined" else "grey"),
        ]

    def _machine_row(self, line: Line, width: int) -> Row:
        assert line.key is not None
        machine = self.view.now.machines.get(line.key)
        if machine is None:
            return [(f"  {line.key.slot}", "faint")]
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
            (pad(self._count_text(machine), COUNT_CELLS - 1), look),
        ]

    def _count_text(self, machine: LiveMachine) -> str:
        """How many records so far, with `+` when there are newer ones."""
        newest = self.view.live.machines.get(machine.key)
        newer = (
            not self.view.is_live
            and newest is not None
            and newest.last_transition > (self.view.chosen.moment or 0)
        )
        count = words.number(machine.transitions)
        return (count if len(count) < COUNT_CELLS - 1 else f"{machine.transitions // 1000:,}k") + (
            "+" if newer else ""
        )

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
        line, now = self.lines[index], self.view.now
        if line.key is not None:
            machine = now.machines.get(line.key)
            return machine.record.machine_id if machine is not None else ""
        peer = now.peers.get(line.peer_id)
        return peer.record.name or line.peer_id if peer is not None else line.peer_id

    @property
    def filter_text(self) -> str:
        """What names must be like."""
        return self.text

    def set_filter(self, text: str) -> str:
        """Only machines and peers like this."""
        self.text = text
        return ""

    # What keys do.

    def moved_by_hand(self) -> None:
        """The row under the cursor is what the other panes show."""
        line = self.current()
        if line is not None:
            self.by_hand = True
            self.view.select_machine(line.key, line.peer_id)
            self.changed()

    def opened(self, index: int) -> None:
        """Go to its states, or to the peer's details; a folded peer is unfolded."""
        line = self.lines[index] if index < len(self.lines) else None
        if line is None:
            return
        self.moved_by_hand()
        if line.key is None and line.peer_id in self.folded:
            self.folded.discard(line.peer_id)
        else:
            self.post_message(self.Wants("pane('states')" if line.key is not None else "pane('peer')"))

    def action_step_machine(self, by: int) -> None:
        """Move to the next or previous machine, peers skipped."""
        index = self.cursor + by
        while 0 <= index < len(self.lines):
            if self.lines[index].key is not None:
                self.go(index)
                self.moved_by_hand()
                return
            index += by

    def action_sort(self) -> None:
        """By name, activity, errors."""
        self.view.next_sort()
        self.changed()

    def action_fold(self) -> None:
        """Fold the peer under the cursor, or unfold it."""
        line = self.current()
        if line is not None:
            self.folded ^= {line.peer_id}
            if line.peer_id in self.folded:
                self.view.select_machine(None, line.peer_id)
            self.changed()

    def action_hide(self) -> None:
        """Hide the peer under the cursor with its records; on an own machine, or when it is hidden, show all again."""
        line = self.current()
        peer = self.view.now.peers.get(line.peer_id) if line is not None else None
        if line is None or peer is None or peer.record.status == "self":
            if self.view.hidden:
                self.view.hidden.clear()
                self.view.version += 1
                self.notify("All peers are shown again.", markup=False)
        else:
            self.view.hidden.add(line.peer_id)
            self.view.version += 1
            name = words.peer_title(peer.record)
            self.notify(
                f"{name} is hidden, with its records; the same key on yourself shows all again.", markup=False
            )
        self.changed()

    def action_mute(self) -> None:
        """Take no news from the peer under the cursor, or take them again."""
        self._ask_of_peer("mute")

    def action_cut_off(self) -> None:
        """Close the connection to the peer under the cursor."""
        self._ask_of_peer("cut_off")

    def _ask_of_peer(self, what: str) -> None:
        line = self.current()
        peer_id = line.peer_id if line is not None else ""
        self.post_message(self.Wants(f"ask_of_peer({what!r}, {peer_id!r})"))

    def show_selected(self) -> None:
        """Bring the cursor to what is selected."""
        line = self._line_of_selection()
        if line is not None and line in self._at:
            self._set_count(len(self.lines))
            self.go(self._at[line], centre=True)

    def current(self) -> Line | None:
        """The row under the cursor."""
        return self.lines[self.cursor] if self.cursor < len(self.lines) else None

    def row_text(self, index: int) -> str:
        """Copied: the whole peer id, or peer and machine."""
        line = self.lines[index]
        return line.peer_id if line.key is None else f"mach://{line.peer_id}/{self.search_text(index)}"


@lru_cache(maxsize=20_000)
def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(words.natural(text))
