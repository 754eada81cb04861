"""What the panes look at together: the live history, what is selected, what is shown, and the window of
records.

A `View` belongs to the screen's thread. Panes read it and ask it to change; it never draws. Whatever the
person chose (machine, state, scope, filters, log level) is here once, so that all panes always speak of the
same thing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.live import Changes, Live, LiveMachine, LivePeer, Moment
from amdbg_tui.history.records import MachineKey, TransitionRecord
from amdbg_tui.panes.stream import Stream

LEVELS = ("nothing", "external", "changes", "ops", "decisions", "everything")
"""Names of the log levels, from the asyncmachine manual."""
STATE_FILTERS = ("all", "active", "changed")
AUTOS = ("*", "X", " ")
HEALTH_STATES = frozenset({"Healthcheck", "Heartbeat"})


class View:
    """The state of the screen that is not the history's."""

    def __init__(
        self,
        live: Live,
        cursor: Cursor,
        *,
        level: int = 2,
        now: Callable[[], float] = time.time,
        glow_s: float = 0.9,
    ) -> None:
        """`now` is wall-clock time in seconds; `glow_s` how long a changed tick glows."""
        self.live = live
        self.now = now
        self.glow_s = glow_s
        self.machine_key: MachineKey | None = None
        self.peer_id = ""
        self.state = ""
        self.level = level
        self.state_filter = "all"
        self.group = ""
        self.state_text = ""
        self.log_text = ""
        self.only_state = False
        self.following = True
        self.shows = {
            "canceled": True,
            "checks": False,
            "health": False,
            "topic": False,
            "gone": True,
        }
        self.autos = "*"
        """am-dbg's three values: `X` all automatic records, blank none, `*` those that were not canceled."""
        self.opened: Moment | None = None
        self.version = 0
        """Grows with everything the person chooses."""
        self._exposed: tuple[int, frozenset[MachineKey]] = (-1, frozenset())
        self.log = Stream(self, cursor, "machine")
        self.transitions = Stream(self, cursor, "all")

    # What is selected.

    @property
    def machine(self) -> LiveMachine | None:
        """The selected machine."""
        return self.live.machines.get(self.machine_key) if self.machine_key is not None else None

    @property
    def peer(self) -> LivePeer | None:
        """The selected peer, or the selected machine's."""
        return self.live.peers.get(self.peer_id)

    def select_machine(self, key: MachineKey | None, peer_id: str = "") -> None:
        """Look at a machine, or at a peer as a whole."""
        peer_id = key.peer_id if key is not None else peer_id
        if (key, peer_id) == (self.machine_key, self.peer_id):
            return
        self.machine_key, self.peer_id = key, peer_id
        self.group = ""
        self.version += 1
        for stream in self.streams:
            if stream.scope != "all":
                stream.reload()

    def select_state(self, state: str) -> None:
        """Light a state wherever it appears."""
        if state != self.state:
            self.state = state
            self.version += 1
            if self.only_state:
                self.changed()

    def changed(self) -> None:
        """What is shown is another: read the streams anew."""
        self.version += 1
        for stream in self.streams:
            stream.reload()

    # Which records.

    @property
    def exposed_machines(self) -> frozenset[MachineKey]:
        """All machines but the peers' own topic machines."""
        version = self.live.structure_version
        if self._exposed[0] != version:
            exposed = frozenset(key for key, machine in self.live.machines.items() if not machine.is_topic)
            if exposed == self._exposed[1]:  # an equal set stays the same one: filters are compared often
                exposed = self._exposed[1]
            self._exposed = (version, exposed)
        return self._exposed[1]

    @property
    def streams(self) -> tuple[Stream, Stream]:
        """The log's and the transitions'."""
        return self.log, self.transitions

    def passes(self, record: TransitionRecord) -> bool:
        """The rules that a filter of the history cannot tell: vain auto records, and health checks."""
        if self.autos == "*" and record.auto and not record.accepted:
            return False
        return self.shows["health"] or len(record.called) != 1 or record.called[0] not in HEALTH_STATES

    def take(self, changes: Changes) -> None:
        """New records came."""
        if changes.transitions or changes.rebuilt:
            for stream in self.streams:
                stream.take(changes)

    def follow(self, on: bool) -> None:
        """Follow the newest, or hold still."""
        if on == self.following:
            return
        self.following = on
        if on:
            self.changed()

    def toggle(self, what: str) -> None:
        """Show or hide a kind of records or rows."""
        if what == "auto":
            self.autos = AUTOS[(AUTOS.index(self.autos) + 1) % len(AUTOS)]
            self.changed()
            return
        self.shows[what] = not self.shows[what]
        self.changed()

    def next_state_filter(self) -> None:
        """All states, active ones, those that just changed."""
        self.state_filter = STATE_FILTERS[(STATE_FILTERS.index(self.state_filter) + 1) % len(STATE_FILTERS)]
        self.version += 1

    def next_group(self) -> None:
        """The next group of states of the schema."""
        machine = self.machine
        names = ["", *(name for name, _ in machine.record.groups)] if machine else [""]
        at = names.index(self.group) if self.group in names else 0
        self.group = names[(at + 1) % len(names)]
        self.version += 1

    def set_level(self, level: int) -> None:
        """The log level, 0 to 5."""
        self.level = max(0, min(len(LEVELS) - 1, level))
        self.version += 1

    def glow(self, machine: LiveMachine, index: int) -> str:
        """`glow`, then `fading`, then nothing: for a moment after a tick moved."""
        at = machine.changed_at[index] if index < len(machine.changed_at) else 0.0
        age = self.now() - at
        if age >= self.glow_s or age < -1.0:
            return ""
        return "glow" if age < self.glow_s / 2 else "fading"

    def glowing(self) -> bool:
        """Whether a tick of the selected machine glows."""
        machine = self.machine
        return machine is not None and self.now() - machine.last_at_s < self.glow_s + 0.2
