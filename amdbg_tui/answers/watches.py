"""Watches: expressions followed record by record, so that not even a state of one record's length is missed.

A set of watches keeps a `Live` of its own, the *shadow*, and an index from machine and state to the watches that hang on it: a
record costs as much as the watches that it concerns. A watch *hits* when its expression becomes true. Names are looked up
anew when machines or peers come, or change name or schema; clocks and sources need no looking up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from amdbg_tui.answers.expression import Bound, Directory, Expression
from amdbg_tui.history import History
from amdbg_tui.history.live import Live
from amdbg_tui.history.moments import NOBODY, Generation, Moment, Numbered
from amdbg_tui.history.records import MachineKey, MachineRecord, PeerDetailRecord, PeerRecord

MOST_HITS = 1_000
"""Hits that a set of watches remembers; the oldest go first."""
MOST_WATCHES = 5_000
MOST_MARKS = 100
"""Bookmarks that one watch makes."""
MARK, PAUSE, RING, RUN = "mark", "pause", "ring", "run"
ACTIONS = (MARK, PAUSE, RING, RUN)
"""What may be done on a hit: a bookmark, pause the screen, ring the bell, run the watch's command."""


class WatchError(ValueError):
    """A watch that cannot be. One line."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """A watch as it is kept."""

    expression: str
    actions: tuple[str, ...] = (MARK,)
    """Some of `ACTIONS`."""
    command: str = ""
    """Run by the shell on a hit when `run` is among the actions; told by environment variables (`commands.py`)."""
    on: bool = True

    def __post_init__(self) -> None:
        unknown = [action for action in self.actions if action not in ACTIONS]
        if unknown:
            raise WatchError(f"there is no action {unknown[0]!r}; there are {', '.join(ACTIONS)}")
        if (RUN in self.actions) is not bool(self.command.strip()):
            raise WatchError("a watch that runs a command names it, and only such a watch")


class Hit(NamedTuple):
    """A watch became true."""

    watch: Watch
    number: int
    """Of the record that made it so; of the newest one when time alone did."""
    at_s: float


@dataclass(slots=True, eq=False)
class Watch:
    """One watch of a set."""

    settings: WatchSettings
    expression: Expression
    is_true: bool = False
    hits: int = 0
    last_number: int = 0
    """Of the record of its newest hit; 0: none yet."""
    bound: Bound | None = field(default=None, repr=False)


class Watches:
    """A set of watches. Belongs to one thread; feed it every record once, in order.

    Args:
        live: Everything as of the record before the first that is fed; it is copied.
        on_hit: Called for each hit, while records are fed.
    """

    def __init__(
        self, live: Live, on_hit: Callable[[Hit], None] | None = None, *, most_hits: int = MOST_HITS
    ) -> None:
        self.on_hit = on_hit
        self.hits: deque[Hit] = deque(maxlen=most_hits)
        """The newest, oldest first: what a time bar marks."""
        self.watches: list[Watch] = []
        """In the order in which they were added."""
        self._by_state: dict[MachineKey, dict[int, list[Watch]]] = {}
        self._by_clock: dict[MachineKey, list[Watch]] = {}
        self._by_machine: dict[MachineKey, list[Watch]] = {}
        self._by_peer: dict[str, list[Watch]] = {}
        self._by_time: list[Watch] = []
        self._stale_names = True
        self._shadow = _copied(live)

    def resume(self, live: Live) -> None:
        """Go on from another moment, when records between were missed. What is true there is no hit."""
        self._shadow = _copied(live)
        self._stale_names = True
        self._look_up()

    # -- the list

    def add(self, settings: WatchSettings) -> Watch:
        """Begin to watch. What is true already is no hit. Raises `ExpressionError` and `WatchError`."""
        if len(self.watches) >= MOST_WATCHES:
            raise WatchError(f"there are {MOST_WATCHES:,} watches already: end one first")
        watch = Watch(settings, Expression(settings.expression))
        self.watches.append(watch)
        self._stale_names = True
        return watch

    def change(self, watch: Watch, settings: WatchSettings) -> None:
        """Give a watch another expression or other actions. Raises `ExpressionError`, and then nothing changes."""
        if settings.expression != watch.settings.expression:
            watch.expression = Expression(settings.expression)
            watch.is_true, watch.hits, watch.last_number, watch.bound = False, 0, 0, None
        watch.settings = settings
        self._stale_names = True

    def end(self, watch: Watch) -> None:
        """Watch it no longer; its hits stay in the list. Raises `ValueError` when it is not in the set."""
        self.watches.remove(watch)
        self._stale_names = True

    # -- following

    def feed(self, entries: Iterable[Numbered]) -> list[Hit]:
        """Take in records; the hits they made, in order."""
        found: list[Hit] = []
        waiting: list[Numbered] = []
        if self._stale_names:
            self._look_up()
        by_state, by_clock = self._by_state, self._by_clock
        for entry in entries:
            waiting.append(entry)
            if type(entry) is Moment and not self._stale_names:
                key = entry.record.key
                states, whole = by_state.get(key), by_clock.get(key)
                if states is None and whole is None:
                    continue
                concerned: list[Watch] = list(whole) if whole else []
                if states is not None:
                    for at in entry.changed:
                        here = states.get(at)
                        if here:
                            concerned += here
                if not concerned:
                    continue
            else:
                concerned = self._concerned(entry)
                if not concerned and not self._stale_names:
                    continue
            self._shadow.apply(waiting)
            waiting.clear()
            if self._stale_names:
                self._look_up(found, entry)
            else:
                self._look(concerned, entry.number, entry.record.at_s, found)
        if waiting:
            self._shadow.apply(waiting)
        return found

    def look_at_time(self) -> list[Hit]:
        """Look at the watches that time alone can turn; the hits. Call it a few times a second."""
        found: list[Hit] = []
        if self._stale_names:
            self._look_up()
        self._look(self._by_time, self._shadow.newest_number, self._shadow.wall_s, found)
        return found

    def _concerned(self, entry: Numbered) -> list[Watch]:
        """Watches that a record concerns; notes when names must be looked up again."""
        record = entry.record
        if isinstance(record, MachineRecord):
            known = self._shadow.machines.get(record.key)
            if known is None or _told_apart(known.generation, entry):
                self._stale_names = True
            return self._by_machine.get(record.key, [])
        if isinstance(record, PeerRecord):
            peer = self._shadow.peers.get(record.peer_id)
            if peer is None or peer.record.name != record.name:
                self._stale_names = True
            return self._by_peer.get(record.peer_id, [])
        if isinstance(record, PeerDetailRecord):
            if record.peer_id not in self._shadow.peers:
                self._stale_names = True
            return self._by_peer.get(record.peer_id, [])
        return []

    def _look(self, watches: Iterable[Watch], number: int, at_s: float, found: list[Hit]) -> None:
        shadow = self._shadow
        for watch in watches:
            assert watch.bound is not None
            answer = watch.bound.test(shadow)
            if answer is not watch.is_true:
                watch.is_true = answer
                if answer:
                    watch.hits += 1
                    watch.last_number = number
                    hit = Hit(watch, number, at_s)
                    self.hits.append(hit)
                    found.append(hit)
                    if self.on_hit is not None:
                        self.on_hit(hit)

    def _look_up(self, found: list[Hit] | None = None, entry: Numbered | None = None) -> None:
        """Bind all expressions and make the index anew."""
        self._stale_names = False
        for index in (self._by_state, self._by_clock, self._by_machine, self._by_peer):
            index.clear()
        self._by_time = []
        directory = Directory(self._shadow)
        fresh: list[Watch] = []
        for watch in self.watches:
            if not watch.settings.on:
                continue
            if watch.bound is None:
                fresh.append(watch)
            watch.bound = watch.expression.bound(directory)
            self._index(watch, watch.bound)
        known = [watch for watch in self.watches if watch.settings.on and watch not in fresh]
        if found is not None and entry is not None:
            self._look(known, entry.number, entry.record.at_s, found)
        else:
            fresh += known
        for watch in fresh:  # what is so already is no hit
            assert watch.bound is not None
            watch.is_true = watch.bound.test(self._shadow)

    def _index(self, watch: Watch, bound: Bound) -> None:
        whole = {touch.key for touch in bound.touches if touch.state is None}
        for key in whole:
            self._by_clock.setdefault(key, []).append(watch)
        for touch in bound.touches:
            if touch.state is not None and touch.key not in whole:
                self._by_state.setdefault(touch.key, {}).setdefault(touch.state, []).append(watch)
        for key in bound.machines:
            self._by_machine.setdefault(key, []).append(watch)
        for peer_id in bound.peers:
            self._by_peer.setdefault(peer_id, []).append(watch)
        if watch.expression.depends_on_time:
            self._by_time.append(watch)


def mark(history: History, hit: Hit) -> bool:
    """Put a bookmark at a hit, for the first 100 hits of a watch; False for those after. Raises `HistoryError`."""
    if hit.watch.hits > MOST_MARKS:
        return False
    history.add_bookmark(hit.number, f"watch: {hit.watch.settings.expression}")
    return True


def _told_apart(known: Generation, entry: Numbered) -> bool:
    generation = entry.generation
    return generation is not NOBODY and known is not generation and known != generation


def _copied(live: Live) -> Live:
    shadow = live.copy()
    shadow.is_recording = live.is_recording
    return shadow


def watches_of(settings: Iterable[WatchSettings], watches: Watches) -> Mapping[str, str]:
    """Add kept watches to a set; expression to problem, for those that cannot be."""
    problems = {}
    for each in settings:
        try:
            watches.add(each)
        except ValueError as error:
            problems[each.expression] = str(error)
    return problems
