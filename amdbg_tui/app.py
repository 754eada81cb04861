"""The App: layout, frames and what the keys do. Panes draw, the view remembers, the history tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Protocol

from textual.app import App as TextualApp
from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Event, Key
from textual.filter import LineFilter, NoColor
from textual.reactive import Reactive
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from amdbg_tui import keymap, themes
from amdbg_tui.frames import FRAME_S, Frames
from amdbg_tui.garbage import Collector
from amdbg_tui.history.live import Changes, LiveMachine
from amdbg_tui.history.store import History
from amdbg_tui.layout import arrange, keep_focus, seen
from amdbg_tui.node.commands import PickTopic
from amdbg_tui.panes import status, words
from amdbg_tui.panes.filter_line import FilterLine
from amdbg_tui.panes.help import HelpScreen
from amdbg_tui.panes.log import LogPane
from amdbg_tui.panes.machines import MachinesPane
from amdbg_tui.panes.peer import PeerPane
from amdbg_tui.panes.prompt import Asks, Prompt, text_of_command
from amdbg_tui.panes.records import RecordsPane
from amdbg_tui.panes.schema import SchemaPane
from amdbg_tui.panes.standing import StandingPane, standing_of
from amdbg_tui.panes.toasts import Toasts
from amdbg_tui.panes.transition_detail import TransitionDetail
from amdbg_tui.panes.transitions import TransitionsPane
from amdbg_tui.panes.view import View
from amdbg_tui.settings import Locations, Settings
from amdbg_tui.widgets.bars import Bar, Toolbar
from amdbg_tui.widgets.paint import Paint
from amdbg_tui.widgets.virtual_list import VirtualList

GLOW_STEP_S = 0.15
SECOND_S = 1.0


class Peer(Asks, Protocol):
    """The peer behind the screen: `amdbg_tui.node.Node`."""

    def start(self) -> None:
        """Start it; called after the first paint."""


class MainScreen(Screen[None], inherit_bindings=False):
    """The one screen; its keys are the app's table and nothing else."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """The two panes concerned paint themselves; Textual would paint all of the screen, before they know."""


class App(TextualApp[int]):
    """The terminal debugger over a history, with or without a peer behind it."""

    TITLE = "ampubsub-tui"
    CSS = """
    Screen { background: $background; color: $foreground; }
    #content { height: 1fr; }
    #machines { width: 24%; min-width: 30; max-width: 52; }
    #middle { width: 3fr; }
    #right { width: 5fr; }
    #middle.-broad { width: 2fr; }
    #right.-broad { width: 6fr; }
    #standing { width: 8fr; }
    #records { height: 3fr; }
    #records > * { width: 1fr; height: 1fr; }
    #records.-broad { layout: horizontal; }
    VirtualList {
        border-title-color: $text-grey;
        border-subtitle-color: $text-grey;
        scrollbar-color: $frame;
        scrollbar-color-hover: $frame-focused;
        scrollbar-color-active: $frame-focused;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
    }
    VirtualList:focus { border-title-color: $frame-focused; border-title-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings()]
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        history: History,
        node: Peer | None = None,
        *,
        settings: Settings | None = None,
        locations: Locations | None = None,
        now: Callable[[], float] = time.time,
        least_frame_s: float = FRAME_S,
    ) -> None:
        """`node` is started after the first paint; `now` is wall-clock time in seconds."""
        self.paint = Paint({})
        self.settings = settings or Settings()
        folders = [themes.bundled_folder(), *([locations.themes] if locations is not None else [])]
        found, self.broken_themes = themes.load_themes(folders)
        self._defaults = found[themes.DEFAULT_THEME].variables
        super().__init__()
        self.history = history
        self.node = node
        self.now = now
        self.keys = dict(self.settings.keys)
        self.view = View(history.live, history.cursor(), now=now)
        self.frames = Frames(self.frame, least_s=least_frame_s)
        self.records_shown = "log"
        self.pane_shown = "machines"
        self.forced_narrow = False
        self.middle_shown = "schema"
        self.dismissed = ""
        self._chose = False
        self._chose_for = -1
        self._glow_timer: Timer | None = None
        self._collector = Collector()
        self.toasts = Toasts(lambda: len(self._notifications), self._name_of)
        for one in found.values():
            self.register_theme(one)
        self.theme_names = list(found)
        self.theme = self._first_theme(self.settings.theme)

    # Themes.

    def _first_theme(self, wanted: str) -> str:
        if self.no_color:
            return "terminal"
        return wanted if wanted in self.available_themes else themes.DEFAULT_THEME

    def get_line_filters(self) -> Sequence[LineFilter]:
        """With `NO_COLOR` no colours at all; Textual itself would still paint greys."""
        return [NoColor()] if self.no_color else super().get_line_filters()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Roles that a theme leaves out are the dark theme's."""
        return dict(self._defaults)

    def _new_paint(self) -> None:
        self.paint = Paint(self.get_css_variables(), attributes_only=self.current_theme.ansi)
        for widget in self.screen.query(Widget):
            widget.refresh()

    def on_theme_changed(self) -> None:
        """Another theme, another paint."""
        self._new_paint()

    # Layout.

    def get_default_screen(self) -> Screen[None]:
        """Our own screen, with our own keys only."""
        return MainScreen(id="_default")

    def compose(self) -> ComposeResult:
        """Address bar, banner, the panes, toolbar, status bar."""
        view = self.view
        self.address = Bar(id="address")
        self.banner = Bar(id="banner")
        self.machines = MachinesPane(view)
        self.schema = SchemaPane(view)
        self.peer = PeerPane(view)
        self.standing = StandingPane()
        self.log_pane = LogPane(view)
        self.transitions = TransitionsPane(view)
        self.detail = TransitionDetail(view)
        self.middle, self.right = Vertical(id="middle"), Vertical(id="right")
        self.records = Vertical(id="records")
        self.prompt = Prompt(view, self.node)
        self.filter = FilterLine()
        self.toolbar = Toolbar(status.switches(self), id="toolbar")
        self.status = Bar(id="status")
        yield self.address
        yield self.banner
        with Horizontal(id="content"):
            yield self.machines
            with self.middle:
                yield self.schema
                yield self.peer
            with self.right:
                with self.records:
                    yield self.log_pane
                    yield self.transitions
                yield self.detail
            yield self.standing
        yield self.prompt
        yield self.filter
        yield self.toolbar
        yield self.status

    def on_mount(self) -> None:
        """Begin to paint."""
        few_colours = self.console.color_system == "standard" and not self.is_headless
        if few_colours and self.settings.theme == themes.DEFAULT_THEME:
            self.theme = "terminal"
        self._new_paint()
        self.theme_changed_signal.subscribe(self, lambda _: self.on_theme_changed())
        self.app_resume_signal.subscribe(self, lambda _: self.screen.refresh(layout=True))
        self.set_keymap(self.keys)
        self.history.on_fresh = self.frames.wake
        self.frames.start()
        self.set_interval(SECOND_S, self._second)
        self.machines.focus()
        self.frame()
        if self.node is not None:
            self.call_after_refresh(self.node.start)
        if not self.is_headless:
            self.call_after_refresh(self._collector.begin)
        for broken in self.broken_themes:
            self.say(str(broken), "warning")
        if self.settings.theme not in self.available_themes:
            self.say(
                f"there is no theme {self.settings.theme}; known are {', '.join(self.theme_names)}", "warning"
            )
        for id in keymap.unknown_ids(self.keys):
            self.say(f"settings: there is no key called {id}; ? lists them", "warning")
        for name, ids in keymap.clashes(self.keys):
            self.say(f"settings: {name} is given to {' and '.join(ids)}: only one of them has it", "warning")

    async def on_event(self, event: Event) -> None:
        """Note when somebody presses a key, then go on as ever."""
        if isinstance(event, Key):
            self._collector.key_pressed()
        await super().on_event(event)

    def on_unmount(self) -> None:
        """No frames from now on."""
        self.history.on_fresh = None
        self.frames.stop()

    def say(self, text: str, severity: str = "information") -> None:
        """A short message in the corner; the text may be anybody's."""
        level = severity if severity in ("information", "warning", "error") else "information"
        self.notify(text, severity=level, markup=False)  # type: ignore[arg-type]

    def on_resize(self) -> None:
        """Another size may need another layout."""
        arrange(self)
        self.call_after_refresh(self.update_panes)

    # Frames.

    def frame(self) -> None:
        """Take in what is fresh, and paint what changed."""
        changes = self.history.refresh()
        self.view.take(changes)
        self._choose_first(changes)
        self.update_panes()
        if not changes.rebuilt:
            self.toasts.take(changes.notices)
        self._toast()
        if self.view.glowing() and self._glow_timer is None:
            self._glow_timer = self.set_interval(GLOW_STEP_S, self._glow)

    def _toast(self) -> None:
        for toast in self.toasts.next():
            self.say(toast.text, toast.severity)

    def _name_of(self, peer_id: str) -> str:
        peer = self.history.live.peers.get(peer_id)
        return words.peer_title(peer.record) if peer is not None else words.short_id(peer_id)

    def _choose_first(self, changes: Changes) -> None:
        """Until the person chooses, the first machine worth seeing is: an own one, else any but topic machines.

        A choice stays while its machine lives, whatever comes later: nobody else decides what is looked at.
        """
        live = self.history.live
        if self._chose or live.structure_version == self._chose_for:
            return
        self._chose_for = live.structure_version

        def rank(machine: LiveMachine) -> tuple[bool, bool]:
            return machine.is_topic, not machine.is_own

        held = self.view.machine
        alive = [machine for machine in live.machines.values() if machine.record.source != "gone"]
        best = min(alive, key=lambda machine: (*rank(machine), machine.key), default=None)
        if best is None:
            return
        if held is None or held.record.source == "gone" or rank(best) < rank(held):
            self.view.select_machine(best.key)
            self.machines.update()
            self.machines.show(best.key)

    def update_panes(self) -> None:
        """Every pane that is seen takes what changed; each is cheap when nothing did."""
        arrange(self)
        if self.machines.display:
            self.machines.update()
        for pane in (self.schema, self.peer, self.log_pane, self.transitions, self.detail):
            if seen(pane):
                pane.update()
        self.toolbar.update()
        self.address.show(*status.address(self))
        self.status.show(*status.status(self, self.size.width))

    def _glow(self) -> None:
        self.schema.update()
        if not self.view.glowing() and self._glow_timer is not None:
            self._glow_timer.stop()
            self._glow_timer = None

    def _second(self) -> None:
        """Ages grow, and titles that were held back catch up."""
        if not self.is_headless:
            self._collector.second()
        self._toast()
        self.update_panes()

    # What the panes tell.

    def on_virtual_list_moved(self, event: VirtualList.Moved) -> None:
        """The cursor moved: what it is on is what the others show."""
        if event.list is self.machines:
            self._select_row()
        elif isinstance(event.list, RecordsPane) and self.view.opened is not None:
            self.view.opened = event.list.current()
        self.update_panes()

    def _select_row(self) -> None:
        line = self.machines.current()
        if line is None:
            return
        self._chose = self._chose or self.focused is self.machines
        self.view.select_machine(line.key, line.peer_id)
        self.middle_shown = "schema" if line.key is not None else "peer"

    def on_virtual_list_opened(self, event: VirtualList.Opened) -> None:
        """Enter, or the second click."""
        pane = event.list
        if pane is self.machines:
            self._chose = True
            self._select_row()
            self._dismiss()
            self.action_pane(self.middle_shown)
        elif pane is self.schema:
            self.schema.toggle_at(event.index)
        elif isinstance(pane, RecordsPane):
            self.action_detail()
        self.update_panes()

    def on_toolbar_pressed(self, event: Toolbar.Pressed) -> None:
        """A switch is a key with a name."""
        self.call_later(self.run_action, event.action)

    # Keys.

    def _records(self) -> RecordsPane:
        if isinstance(self.focused, RecordsPane):
            return self.focused
        return self.log_pane if self.log_pane.display else self.transitions

    def _dismiss(self) -> None:
        standing = standing_of(self.history.live)
        if standing is not None and standing.kind not in ("topics", "closed"):
            self.dismissed = standing.kind

    def action_pane(self, name: str) -> None:
        """Go to a pane, and show it."""
        if name in ("log", "transitions"):
            self.records_shown = name
            if name == "log" and self.view.level == 0:
                self.view.set_level(2)
        elif name in ("schema", "peer"):
            name = self.middle_shown = "peer" if self.view.machine_key is None else name
        self.pane_shown = name
        self.update_panes()
        self.screen.set_focus(self.query_one(f"#{name}"))
        self.call_after_refresh(self.update_panes)

    def action_next_pane(self) -> None:
        """Tab."""
        self.screen.focus_next()

    def action_previous_pane(self) -> None:
        """Shift and Tab."""
        self.screen.focus_previous()

    def action_machine(self, by: int) -> None:
        """The next or previous machine, from any pane."""
        self._chose = True
        if self.machines.step_machine(by):
            self._select_row()
            self.update_panes()

    async def action_back(self) -> None:
        """Close what is open, else go to the machines."""
        if self.view.opened is not None:
            self._close_detail()
        elif self.standing.display:
            self._dismiss()
            self.update_panes()
        elif self.middle_shown == "peer" and self.view.machine_key is not None:
            self.action_pane("schema")
        else:
            self.action_pane("machines")

    def _close_detail(self) -> None:
        self.view.opened = None
        self.action_pane(self.records_shown)

    def action_follow(self) -> None:
        """Freeze, or follow again."""
        self.view.follow(not self.view.following)
        self.update_panes()

    def action_tail(self) -> None:
        """Follow the newest."""
        self.view.follow(True)
        self.update_panes()

    def action_level(self, by: int) -> None:
        """More or less log."""
        self.view.set_level(self.view.level + by)
        self.update_panes()

    def action_next_level(self) -> None:
        """The next level, round the end."""
        self.view.set_level((self.view.level + 1) % 6)
        self.update_panes()

    def action_show(self, what: str) -> None:
        """Show or hide a kind of records or rows."""
        self.view.toggle(what)
        self.update_panes()

    def action_scope(self) -> None:
        """This machine, its peer, everything."""
        self._records().stream.next_scope()
        self.update_panes()

    def action_state_filter(self) -> None:
        """All states, active ones, those that just changed."""
        self.view.next_state_filter()
        self.update_panes()

    def action_group(self) -> None:
        """The next group of states."""
        self.view.next_group()
        self.update_panes()

    def action_only_state(self) -> None:
        """Only records that touch the selected state."""
        if not self.view.state and not self.view.only_state:
            self.say("Select a state first: its records are what is left.")
            return
        self.view.only_state = not self.view.only_state
        self.view.changed()
        self.update_panes()

    def action_expand(self) -> None:
        """Open or close all states."""
        self.schema.toggle_all()

    def action_detail(self) -> None:
        """Why did this happen? Open or close the answer."""
        if self.view.opened is not None and not isinstance(self.focused, RecordsPane):
            self._close_detail()
            return
        moment = self._records().current()
        if moment is None:
            self.say("There is no record to open yet.")
            return
        if self.view.opened is not None and self.view.opened.number == moment.number:
            self._close_detail()
            return
        self.view.opened = moment
        self.view.follow(False)
        if isinstance(self.focused, RecordsPane):
            self.records_shown = str(self.focused.id)
        self.pane_shown = "detail"
        self.update_panes()

    # Changing by hand.

    def action_prompt(self, kind: str) -> None:
        """Ask which states to add, remove, set or toggle."""
        machine = self.view.machine
        if machine is None:
            self.say("Choose a machine first: the cursor is on a peer.")
            return
        text = ""
        if self.focused is self.schema and self.view.state in machine.index:
            text = self.view.state + " "
        self.prompt.open(kind, machine, text)

    def action_repeat(self) -> None:
        """Ask again for what was done last; nothing happens before Enter."""
        done = self.history.live.commands
        machine = self.history.live.machines.get(done[-1].key) if done else None
        if machine is None:
            self.say("You have not done anything yet.")
            return
        self.machines.show(machine.key)
        self.prompt.open(done[-1].kind, machine, text_of_command(done[-1]))

    def on_prompt_closed(self) -> None:
        """Back to the pane one came from."""
        keep_focus(self)

    def action_filter(self) -> None:
        """Narrow the pane that has the focus."""
        focused = self.focused
        if focused is self.machines:
            self.filter.open("machines", self.machines.filter_text)
        elif isinstance(focused, RecordsPane):
            self.filter.open(str(focused.id), self.view.log_text)
        else:
            self.action_pane("schema")
            self.filter.open("states", self.schema.filter_text)

    def on_filter_line_changed(self, event: FilterLine.Changed) -> None:
        """Narrow a pane."""
        if event.pane == "machines":
            self.machines.filter_text = event.text
        elif event.pane == "states":
            self.schema.filter_text = event.text
        elif event.text != self.view.log_text:
            self.view.log_text = event.text
            self.view.changed()
        self.update_panes()

    def on_filter_line_closed(self, event: FilterLine.Closed) -> None:
        """Back to the pane."""
        panes = {"machines": self.machines, "states": self.schema, "transitions": self.transitions}
        self.screen.set_focus(panes.get(event.pane, self.log_pane))

    def on_standing_pane_chosen(self, event: StandingPane.Chosen) -> None:
        """Join the topic that was chosen."""
        if self.node is not None:
            self.node.call(PickTopic(event.topic))

    def action_help(self) -> None:
        """Every key and sign."""
        self.push_screen(HelpScreen(self.keys))

    def action_peer(self) -> None:
        """Open or close the details of the peer."""
        self.action_pane(
            "schema" if self.middle_shown == "peer" and self.view.machine_key is not None else "peer"
        )

    def action_narrow(self) -> None:
        """One pane at a time, on any screen."""
        self.forced_narrow = not self.forced_narrow
        self.update_panes()

    def action_next_theme(self) -> None:
        """The next colour theme."""
        names = [name for name in self.theme_names if name != "terminal"] or self.theme_names
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]

    def action_copy(self) -> None:
        """Copy the row under the cursor, through the terminal (OSC 52)."""
        focused = self.focused
        text = (
            focused.row_text(focused.cursor)
            if isinstance(focused, VirtualList) and focused.row_count()
            else ""
        )
        if text:
            self.copy_to_clipboard(text)
            self.say(f"Copied: {text if len(text) < 60 else text[:57] + '…'}")

    def action_interrupt(self) -> None:
        """Copy what is selected, else leave."""
        selected = self.screen.get_selected_text()
        if selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
            self.say("Copied.")
        else:
            self.exit(0)

    async def action_quit(self) -> None:
        """Leave."""
        self.exit(0)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette has everything the keys have, and the themes by name."""
        for key in keymap.KEYMAP:
            if key.id not in ("app.palette", "app.interrupt"):
                yield SystemCommand(
                    f"{key.label} ({keymap.shown_keys(key.id, self.keys)})",
                    key.help,
                    self._runner(key.action),
                )
        for name in self.theme_names:
            yield SystemCommand(f"Theme: {name}", "Change the colours.", self._theme_setter(name))

    def _runner(self, action: str) -> Callable[[], None]:
        def run() -> None:
            self.call_later(self.run_action, action)

        return run

    def _theme_setter(self, name: str) -> Callable[[], None]:
        def change() -> None:
            self.theme = name

        return change
