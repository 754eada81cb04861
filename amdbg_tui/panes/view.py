"""What the panes look at together: now or then, what is selected, and which records are wanted.

A `View` belongs to the screen's thread. Panes read it and ask it to change; it never draws. `now` is one `Live` for all of
them: the present, or the whole network as of the moment that the person went to. Panes need not know which.
"""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from amdbg_tui.answers.doctor import Finding, examine
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Changes, Live, LiveMachine, LivePeer, Moment
from amdbg_tui.history.records import MachineKey
from amdbg_tui.history.store import History
from amdbg_tui.panes.flood import FloodMeter
from amdbg_tui.panes.record_filter import RecordFilter, understand_filter
from amdbg_tui.panes.selection import AddressError, Selection, address_of, find, parse_address

LEVELS = ("nothing", "external", "changes", "ops", "decisions", "everything")
"""Names of the log levels, from the asyncmachine manual."""
SCOPES = ("machine", "peer", "all")
STATE_FILTERS = ("all", "active", "changed")
AUTOS = ("*", "X", " ")
SORTS = ("name", "activity", "errors")
HEALTH_STATES = frozenset({"Healthcheck", "Heartbeat"})
VISITED_MOST = 100
MOMENTS_KEPT = 6
EXAMINED_EVERY_S = 2.0


class View:
    """The state of the screen that is not the history's."""

    def __init__(
        self,
        history: History,
        *,
        level: int = 2,
        clock: Callable[[], float] = time.time,
        glow_s: float = 0.9,
    ) -> None:
        """`clock` is wall-clock time in seconds; `glow_s` how long a changed tick glows."""
        self.history = history
        self.clock = clock
        self.glow_s = glow_s
        self.chosen = Selection()
        self.level = level
        self.scope = "machine"
        self.state_filter = "all"
        self.group = ""
        self.filter = RecordFilter()
        self.only_state = False
        self.playing = False
        self.sort = "name"
        self.shows = {"canceled": True, "checks": False, "health": False, "topic": False, "gone": True}
        self.autos = "*"
        """am-dbg's three values: `X` all automatic records, blank none, `*` those that were not canceled."""
        self.floods = FloodMeter()
        self.floods.take(history.live, history.live.peers)
        self.findings: tuple[Finding, ...] = ()
        """What the doctor said of the moment that is looked at when it was asked last, the worst first."""
        self._doctors_cursor = history.cursor()
        self._examine_at_s = 0.0
        self.hidden: set[str] = set()
        """Peers whose machines and records the person does not want to see."""
        self.version = 0
        """Grows with everything the person chooses."""
        self._past: OrderedDict[int, Live] = OrderedDict()
        self._exposed: tuple[object, frozenset[MachineKey]] = (None, frozenset())
        self._visited: list[Selection] = []
        self._visit = -1

    def examine(self) -> None:
        """Ask the doctor about the moment that is looked at, unless that was done within two seconds.

        On a topic so large that it takes long, more rarely: a fortieth of the time at most.
        """
        begun = time.monotonic()
        if begun < self._examine_at_s:
            return
        with suppress(sqlite3.Error):
            self.findings = tuple(examine(self.now, self._doctors_cursor))
        self._examine_at_s = time.monotonic() + max(EXAMINED_EVERY_S, 40 * (time.monotonic() - begun))

    # Now or then.

    @property
    def live(self) -> Live:
        """The present, whatever moment is looked at."""
        return self.history.live

    @property
    def now(self) -> Live:
        """Everything as of the moment that is looked at."""
        moment = self.chosen.moment
        if moment is None:
            return self.history.live
        found = self._past.get(moment)
        if found is None:
            found = self._past[moment] = self.history.at(moment)
            while len(self._past) > MOMENTS_KEPT:
                self._past.popitem(last=False)
        else:
            self._past.move_to_end(moment)
        return found

    @property
    def is_live(self) -> bool:
        """The present is looked at, and followed."""
        return self.chosen.moment is None

    @property
    def wall_s(self) -> float:
        """The wall-clock time that ages are counted from."""
        return self.clock() if self.is_live else self.now.wall_s

    @property
    def newer(self) -> int:
        """Records newer than the moment."""
        moment = self.chosen.moment
        return 0 if moment is None else max(0, self.history.live.newest_number - moment)

    # What is selected.

    @property
    def machine_key(self) -> MachineKey | None:
        """Of the selected machine."""
        return self.chosen.machine

    @property
    def peer_id(self) -> str:
        """Of the selected peer, or of the selected machine's."""
        return self.chosen.peer_id

    @property
    def state(self) -> str:
        """The selected state's name, lit wherever it appears."""
        return self.chosen.state

    @property
    def machine(self) -> LiveMachine | None:
        """The selected machine, as of the moment."""
        return self.now.machines.get(self.chosen.machine) if self.chosen.machine is not None else None

    @property
    def peer(self) -> LivePeer | None:
        """The selected peer, or the selected machine's, as of the moment."""
        return self.now.peers.get(self.chosen.peer_id)

    def select_machine(self, key: MachineKey | None, peer_id: str = "") -> None:
        """Look at a machine, or at a peer as a whole; the moment stays."""
        peer_id = key.peer_id if key is not None else peer_id
        if (key, peer_id) == (self.chosen.machine, self.chosen.peer_id):
            return
        self._choose(replace(self.chosen, machine=key, peer_id=peer_id))
        self.group = ""

    def select_state(self, state: str) -> None:
        """Light a state wherever it appears."""
        if state != self.chosen.state:
            self._choose(replace(self.chosen, state=state))

    def go_to(self, moment: int | None, *, step: int = 0, record: int | None = None) -> None:
        """Look at another moment, or at the present (None). `record` is what *why* speaks of: the record of the moment itself."""
        if moment is not None:
            moment = max(1, moment)
        record = record if record is not None else moment or 0
        chosen = replace(self.chosen, moment=moment, record=record, step=step)
        if chosen != self.chosen:
            self._choose(chosen)

    def _choose(self, chosen: Selection) -> None:
        self.chosen = chosen
        self.version += 1
        if self._visit >= 0 and self._visited[self._visit] == chosen:
            return
        del self._visited[self._visit + 1 :]
        last = self._visited[-1] if self._visited else None
        if last is not None and (last.machine, last.moment) == (chosen.machine, chosen.moment):
            self._visited[-1] = chosen
        else:
            self._visited.append(chosen)
        del self._visited[:-VISITED_MOST]
        self._visit = len(self._visited) - 1

    def visit(self, by: int) -> bool:
        """Back (-1) or forward (1) through what was looked at; False at the ends."""
        at = self._visit + by
        if not 0 <= at < len(self._visited):
            return False
        self._visit = at
        self.chosen = self._visited[at]
        self.version += 1
        return True

    @property
    def visits(self) -> tuple[int, int]:
        """(place, how many) in what was looked at, places from 1 on."""
        return self._visit + 1, len(self._visited)

    # Addresses.

    @property
    def address(self) -> str:
        """What is looked at, as one `mach://` address."""
        wall_s = None if self.is_live else self.now.wall_s
        return address_of(self.chosen, self.now, group=self.group, wall_s=wall_s)

    def open_address(self, text: str) -> None:
        """Look at what an address names. Raises `AddressError`."""
        address = parse_address(text)
        history = self.history
        chosen = find(address, history.live)
        moment = chosen.moment
        if address.wall_s is not None and (moment is None or moment > history.last):
            moment = history.number_at(address.wall_s) or None
        if moment is not None and not history.first <= moment <= history.last:
            raise AddressError(
                f"record {moment:,} is not in this recording: it has {history.first:,} to {history.last:,}"
            )
        record = chosen.record if chosen.record and chosen.record == moment else moment or 0
        self._choose(replace(chosen, moment=moment, record=record))
        self.group = address.group

    # Which records.

    @property
    def exposed_machines(self) -> frozenset[MachineKey]:
        """All machines but the peers' own topic machines and those of hidden peers."""
        version = (self.live.structure_version, len(self.hidden), self.shows["topic"])
        if self._exposed[0] != version:
            topic = self.shows["topic"]
            exposed = frozenset(
                key
                for key, machine in self.live.machines.items()
                if (topic or not machine.is_topic) and key.peer_id not in self.hidden
            )
            if exposed == self._exposed[1]:  # an equal set stays the same one: filters are compared often
                exposed = self._exposed[1]
            self._exposed = (version, exposed)
        return self._exposed[1]

    @property
    def names_machines(self) -> bool:
        """Whether records of several machines may come, so that each must say whose it is."""
        return self.scope != "machine" or self.chosen.machine is None

    @property
    def wanted(self) -> TransitionFilter:
        """Scope, switches and filter, as far as the history knows them."""
        machines, peers = None, None
        if self.scope == "machine" and self.chosen.machine is not None:
            machines = frozenset({self.chosen.machine})
        elif self.scope != "all" and self.chosen.peer_id:
            peers = frozenset({self.chosen.peer_id})
        if self.names_machines and not (self.shows["topic"] and not self.hidden):
            machines = self.exposed_machines
        return TransitionFilter(
            machines=machines,
            peers=peers,
            states=frozenset({self.state}) if self.only_state and self.state else frozenset(),
            text=self.filter.plain,
            accepted=None if self.shows["canceled"] else True,
            auto=None if self.autos.strip() else False,
            check=None if self.shows["checks"] else False,
        )

    def accepts(self, moment: Moment) -> bool:
        """What the history's filter cannot tell: vain automatic records, health checks, and the fields of the filter."""
        record = moment.record
        if self.autos == "*" and record.auto and not record.accepted:
            return False
        if not self.shows["health"] and len(record.called) == 1 and record.called[0] in HEALTH_STATES:
            return False
        return self.filter.matches(moment, self.names_of)

    def names_of(self, moment: Moment) -> tuple[str, str]:
        """(machine id, peer's name and id) of a record."""
        key = moment.record.key
        machine, peer = self.live.machines.get(key), self.live.peers.get(key.peer_id)
        name = peer.record.name if peer is not None else ""
        return (machine.record.machine_id if machine is not None else "", f"{name} {key.peer_id}")

    @property
    def scope_words(self) -> str:
        """What the records are of, for a title."""
        machine, peer = self.machine, self.peer
        if self.scope == "machine" and machine is not None:
            return machine.record.machine_id
        if self.scope != "all" and peer is not None:
            return peer.record.name or f"…{peer.record.peer_id[-8:]}"
        return "everything"

    @property
    def total(self) -> int:
        """How many records were ever recorded in this scope, whatever is filtered out."""
        live = self.live
        if self.scope == "machine" and self.chosen.machine is not None:
            machine = live.machines.get(self.chosen.machine)
            return machine.transitions if machine is not None else 0
        if self.scope != "all" and self.chosen.peer_id:
            return sum(
                machine.transitions
                for machine in live.machines_of(self.chosen.peer_id)
                if self.shows["topic"] or not machine.is_topic
            )
        return sum(live.machines[key].transitions for key in self.exposed_machines)

    def take(self, changes: Changes) -> None:
        """New records came."""
        if changes.details:
            self.floods.take(self.live, changes.details)

    # Switches.

    def toggle(self, what: str) -> None:
        """Show or hide a kind of records or rows."""
        if what == "auto":
            self.autos = AUTOS[(AUTOS.index(self.autos) + 1) % len(AUTOS)]
        else:
            self.shows[what] = not self.shows[what]
        self.version += 1

    def set_filter(self, text: str) -> None:
        """Only records that match."""
        self.filter = understand_filter(text)
        self.version += 1

    def next_scope(self) -> None:
        """This machine, its peer, everything."""
        self.scope = SCOPES[(SCOPES.index(self.scope) + 1) % len(SCOPES)]
        self.version += 1

    def next_state_filter(self) -> None:
        """All states, active ones, those that just changed."""
        self.state_filter = STATE_FILTERS[(STATE_FILTERS.index(self.state_filter) + 1) % len(STATE_FILTERS)]
        self.version += 1

    def next_sort(self) -> None:
        """Machines by name, by when they last changed, by errors."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
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

    # Glow.

    def glow(self, machine: LiveMachine, index: int) -> str:
        """`glow`, then `fading`, then nothing: for a moment after a tick moved. In the past: what the moment itself changed."""
        at = machine.changed_at[index] if index < len(machine.changed_at) else 0.0
        if not self.is_live:
            return "glow" if at and machine.last_at_s == at and abs(self.wall_s - at) < 1e-6 else ""
        age = self.clock() - at
        if age >= self.glow_s or age < -1.0:
            return ""
        return "glow" if age < self.glow_s / 2 else "fading"

    def glowing(self) -> bool:
        """Whether a tick of the selected machine glows and will stop by itself."""
        machine = self.machine if self.is_live else None
        return machine is not None and self.clock() - machine.last_at_s < self.glow_s + 0.2
