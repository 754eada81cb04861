"""The app's actions that move through time, and those that go to a place. The app itself is `app.py`."""

from __future__ import annotations

from textual.app import App as TextualApp
from textual.events import Paste
from textual.timer import Timer

from amdbg_tui.history.records import MachineKey
from amdbg_tui.history.store import History
from amdbg_tui.history.tables import HistoryError
from amdbg_tui.panes.filter_line import FilterLine
from amdbg_tui.panes.selection import SCHEME
from amdbg_tui.panes.view import View
from amdbg_tui.time_travel import Moved, TimeTravel

PLAY_STEP_S = 0.5


class TimeActions(TextualApp[int]):
    """What keys do with the moment. `App` gives it what it declares."""

    history: History
    view: View
    travel: TimeTravel
    filter: FilterLine
    dismissed: str
    _play_timer: Timer | None = None

    def say(self, text: str, severity: str = "information") -> None:
        """A short message in the corner; the text may be anybody's."""
        level = severity if severity in ("information", "warning", "error") else "information"
        self.notify(text, severity=level, markup=False)  # type: ignore[arg-type]

    def update_panes(self) -> None:
        """Every pane that is seen takes what changed."""

    def action_pane(self, name: str) -> None:
        """Go to a pane, and show it."""

    # Time.

    def _moved(self, moved: Moved) -> None:
        if moved.why_not:
            self.say(moved.why_not)
        self.update_panes()

    def action_record(self, by: int) -> None:
        """To a record before or after."""
        self.view.playing = False
        self._moved(self.travel.record(by))

    def action_step(self, by: int) -> None:
        """A step inside the record."""
        self.view.playing = False
        self._moved(self.travel.step(by))

    def action_jump(self, by: int) -> None:
        """By the lit state, else by many."""
        self.view.playing = False
        self._moved(self.travel.jump(by))

    def action_find_record(self, what: str, by: int) -> None:
        """To the nearest error, refused attempt or bookmark."""
        self.view.playing = False
        self._moved(self.travel.find(what, by))

    def action_record_end(self, by: int) -> None:
        """The first record, or the present."""
        records = self.travel.records
        (records.action_first if by < 0 else records.action_last)()

    def action_live(self) -> None:
        """Hold still, or back to the present."""
        self._moved(self.travel.live())

    def action_visit(self, by: int) -> None:
        """Back and forward through what was looked at."""
        if not self.view.visit(by):
            self.say("There is nothing further back." if by < 0 else "There is nothing further on.")
        self.update_panes()

    def action_play(self) -> None:
        """Play from here, or stop."""
        view = self.view
        view.playing = not view.playing
        if view.playing and view.is_live:
            view.playing = False
            self.say("This is the present: go back first, then play.")
        if self._play_timer is None and view.playing:
            self._play_timer = self.set_interval(PLAY_STEP_S, self._play)
        self.update_panes()

    def _play(self) -> None:
        view = self.view
        if view.playing:
            (self.travel.step if view.chosen.step else self.travel.record)(1)
            view.playing = not view.is_live
            self.update_panes()
        if not view.playing and self._play_timer is not None:
            self._play_timer.stop()
            self._play_timer = None

    def action_mark(self) -> None:
        """A bookmark at this moment, with a text; or take it away."""
        view = self.view
        number = view.chosen.moment
        if number is None:
            self.travel.live()
            number = view.chosen.moment
        if number is None:
            return
        try:
            if self.history.remove_bookmark(number):
                self.say("The bookmark is gone.")
            else:
                self.filter.open("mark", "", label="bookmark", at_once=False)
        except HistoryError as error:
            self.say(str(error), "error")
        self.update_panes()

    def action_go_to_prompt(self) -> None:
        """Ask where to go."""
        self.filter.open(
            "go", "", label="go to (16:58:28, -90s, 42%, t631, #404, bookmark, mach://…)", at_once=False
        )

    def go(self, text: str) -> None:
        """Go to what was typed or pasted."""
        moved = self.travel.go(text)
        if moved.moved:
            self.dismissed = self.dismissed or "address"
        self._moved(moved)

    def on_paste(self, event: Paste) -> None:
        """An address that is pasted is gone to."""
        if event.text.strip().startswith(SCHEME):
            self.go(event.text)

    def go_to_machine(self, key: MachineKey) -> None:
        """Look at a machine."""
        self.view.select_machine(key)
        self.action_pane("states")

    def go_to_peer(self, peer_id: str) -> None:
        """Look at a peer."""
        self.view.select_machine(None, peer_id)
        self.action_pane("peer")

    def go_to_state(self, name: str) -> None:
        """Light a state."""
        self.view.select_state(name)
        self.action_pane("states")

    def go_to_record(self, key: MachineKey, number: int) -> None:
        """Look at a record in its own time."""
        self.view.select_machine(key)
        self.view.go_to(number)
        self.action_pane("why")
