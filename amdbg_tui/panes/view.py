"""What the panes look at together: the live history, what is selected, what is shown, and the window of
records.

A `View` belongs to the screen's thread. Panes read it and ask it to change; it never draws. Whatever the
person chose (machine, state, scope, filters, log level) is here once, so that all panes always speak of the
same thing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Changes, Live, LiveMachine, LivePeer, Moment
from amdbg_tui.history.records import MachineKey, TransitionRecord

LEVELS = ("nothing", "external", "changes", "ops", "decisions", "everything")
"""Names of the log levels, from the asyncmachine manual."""
SCOPES = ("machine", "peer", "all")
STATE_FILTERS = ("all", "active", "changed")
HEALTH_STATES = frozenset({"Healthcheck", "Heartbeat"})


@dataclass
class Window:
    """The matching transitions that the log and the transitions pane hold: the newest, and older ones when
    asked."""

    cursor: Cursor
    limit: int = 2_000
    """Most rows kept while following; scrolling back may hold twice as many."""
    page: int = 500
    moments: list[Moment] = field(default_factory=list)
    complete: bool = False
    """No older ones exist."""
    missed: int = 0
    """How many came while frozen."""
    version: int = 0
    rebuilt_version: int = 0
    """Grows when rows were read anew, not only added at the end."""
    _first: int = 0

    def reload(self, wanted: TransitionFilter) -> None:
        """Read the newest page again."""
        page = self.cursor.page(wanted, limit=self.page)
        self.moments = list(page.moments)
        self._first, self.complete = page.first, not page.more
        self.missed = 0
        self.version += 1
        self.rebuilt_version += 1

    def load_older(self, wanted: TransitionFilter) -> int:
        """Read one page before the oldest; how many came."""
        if self.complete or len(self.moments) >= 2 * self.limit:
            return 0
        page = self.cursor.page(wanted, before=self._first, limit=self.page)
        self._first, self.complete = page.first, not page.more
        if page.moments:
            self.moments[:0] = page.moments
            self.version += 1
            self.rebuilt_version += 1
        return len(page.moments)

    def add(self, moments: list[Moment]) -> None:
        """New ones at the end; the oldest go when there are too many."""
        self.moments += moments
        if len(self.moments) > self.limit + self.page:
            del self.moments[: len(self.moments) - self.limit]
            self._first, self.complete = self.moments[0].number, False
            self.rebuilt_version += 1
        self.version += 1


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
        self.scope = "machine"
        self.level = level
        self.state_filter = "all"
        self.group = ""
        self.state_text = ""
        self.log_text = ""
        self.only_state = False
        self.following = True
        self.shows = {"canceled": True, "auto": True, "checks": False, "health": False, "gone": True}
        self.opened: Moment | None = None
        self.version = 0
        """Grows with everything the person chooses."""
        self.window = Window(cursor)

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
        self.changed()

    def select_state(self, state: str) -> None:
        """Light a state wherever it appears."""
        if state != self.state:
            self.state = state
            self.version += 1
            if self.only_state:
                self.window.reload(self.wanted)

    def changed(self) -> None:
        """What is shown is another: read the window anew."""
        self.version += 1
        self.window.reload(self.wanted)

    # Which records.

    @property
    def wanted(self) -> TransitionFilter:
        """The scope and filters of log and transitions, as one filter."""
        machines, peers = None, None
        if self.scope == "machine" and self.machine_key is not None:
            machines = frozenset({self.machine_key})
        elif self.scope != "all" and self.peer_id:
            peers = frozenset({self.peer_id})
        return TransitionFilter(
            machines=machines,
            peers=peers,
            states=frozenset({self.state}) if self.only_state and self.state else frozenset(),
            text=self.log_text,
            accepted=None if self.shows["canceled"] else True,
            auto=None if self.shows["auto"] else False,
            check=None if self.shows["checks"] else False,
        )

    @property
    def scope_words(self) -> str:
        """What the log is of."""
        if self.scope == "machine" and self.machine is not None:
            return self.machine.record.machine_id
        if self.scope != "all" and self.peer is not None:
            return self.peer.record.name or self.peer.record.peer_id[-8:]
        return "everything"

    def passes(self, record: TransitionRecord) -> bool:
        """The rule that the history cannot answer: health checks are left out unless asked for."""
        return self.shows["health"] or len(record.called) != 1 or record.called[0] not in HEALTH_STATES

    def take(self, changes: Changes) -> None:
        """New records came: those that are wanted go to the window, or are counted while frozen."""
        if changes.rebuilt:
            if self.following:
                self.window.reload(self.wanted)
            return
        if not changes.transitions:
            return
        wanted = self.wanted
        names = self.live.names_of
        found = [
            moment
            for moment in changes.transitions
            if wanted.matches(moment.record, names(moment.record.key), moment.changed)
        ]
        if self.following:
            if found:
                self.window.add(found)
        else:
            self.window.missed += len(found)

    def follow(self, on: bool) -> None:
        """Follow the newest, or hold still."""
        if on == self.following:
            return
        self.following = on
        self.version += 1
        if on:
            self.window.reload(self.wanted)

    def toggle(self, what: str) -> None:
        """Show or hide a kind of records or rows."""
        self.shows[what] = not self.shows[what]
        self.changed()

    def next_scope(self) -> None:
        """This machine, its peer, everything."""
        self.scope = SCOPES[(SCOPES.index(self.scope) + 1) % len(SCOPES)]
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
        self.window.rebuilt_version += 1

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
