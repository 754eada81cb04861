"""The App: frames, the keys that are everybody's, and what panes want. Panes draw, the view remembers, the history tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.app import App as TextualApp
from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Container, Horizontal
from textual.events import Event, Key
from textual.filter import LineFilter, NoColor
from textual.reactive import Reactive
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from amdbg_tui import keymap, layout, themes
from amdbg_tui.app_peers import Peer as Peer
from amdbg_tui.app_peers import PeerActions
from amdbg_tui.frames import FRAME_S, Frames
from amdbg_tui.garbage import Collector
from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.store import History
from amdbg_tui.history.tables import HistoryError
from amdbg_tui.node.commands import PickTopic
from amdbg_tui.palette import Places
from amdbg_tui.panes import status
from amdbg_tui.panes.filter_line import FilterLine
from amdbg_tui.panes.help import HelpScreen
from amdbg_tui.panes.pane import Pane, PaneBase
from amdbg_tui.panes.peer import join_line
from amdbg_tui.panes.prompt import Prompt, text_of_command
from amdbg_tui.panes.records import RecordsPane
from amdbg_tui.panes.registry import BARS, PANES
from amdbg_tui.panes.standing import Standing, StandingPane, banner_of, standing_of
from amdbg_tui.panes.time_bar import TimeBar
from amdbg_tui.panes.toasts import Toasts
from amdbg_tui.panes.view import View
from amdbg_tui.settings import Locations, Settings
from amdbg_tui.time_travel import TimeTravel
from amdbg_tui.widgets.bars import Bar, Toolbar
from amdbg_tui.widgets.paint import Paint, Row
from amdbg_tui.widgets.virtual_list import VirtualList

GLOW_STEP_S = 0.15
SECOND_S = 1.0


class MainScreen(Screen[None], inherit_bindings=False):
    """The one screen; its keys are the app's table and nothing else."""

    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = layout.HORIZONTAL  # type: ignore[misc]
    VERTICAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = layout.VERTICAL  # type: ignore[misc]
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """The two panes concerned paint themselves; Textual would paint all of the screen, before they know."""


class App(PeerActions):
    """The terminal debugger over a history, with or without a peer behind it."""

    TITLE = "ampubsub-tui"
    CSS = layout.css(kind.pane_name for kind in PANES)
    BINDINGS: ClassVar[list[BindingType]] = [*keymap.bindings()]
    COMMANDS = TextualApp.COMMANDS | {Places}
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
        address: str = "",
    ) -> None:
        """`node` is started after the first paint; `now` is wall-clock time in seconds; `address` a `mach://` to open."""
        self.paint = Paint({})
        self.settings = settings or Settings()
        folders = [themes.bundled_folder(), *([locations.themes] if locations is not None else [])]
        found, self.broken_themes = themes.load_themes(folders)
        self._defaults = found[themes.DEFAULT_THEME].variables
        super().__init__()
        self.history = history
        self.node: Peer | None = node
        self.keys = dict(self.settings.keys)
        self.view = View(history, clock=now)
        self.panes: dict[str, Pane | TimeBar] = {
            **{kind.pane_name: kind(self.view) for kind in PANES},
            **{kind.pane_name: kind(self.view) for kind in BARS},
        }
        self.travel = TimeTravel(
            self.view, next(pane for pane in self.panes.values() if isinstance(pane, RecordsPane))
        )
        self.frames = Frames(self.frame, least_s=least_frame_s)
        self.toasts = Toasts(lambda: len(self._notifications), self.name_of)
        self.pane_shown = next(iter(self.panes))
        self.dismissed = ""
        self._open_address = address
        self._chose_for = -1
        self.muted = set()
        self._glow_timer: Timer | None = None
        self._collector = Collector()
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

    # The screen.

    def get_default_screen(self) -> Screen[None]:
        """Our own screen, with our own keys only."""
        return MainScreen(id="_default")

    def compose(self) -> ComposeResult:
        """Address bar, banner, the panes, time bar, toolbars, status bar."""
        view = self.view
        self.address = Bar(id="address")
        self.banner = Bar(id="banner")
        self.content = Container(id="content")
        self.standing = StandingPane()
        self.prompt = Prompt(view, self.node)
        self.filter = FilterLine()
        self.transport = Toolbar(status.transport(view), id="transport")
        self.switches = Toolbar(status.switches(view), id="switches")
        self.status = Bar(id="status")
        yield self.address
        yield self.banner
        with Horizontal(id="middle"):
            with self.content:
                yield from (pane for pane in self.panes.values() if isinstance(pane, Pane))
            yield self.standing
        yield from (pane for pane in self.panes.values() if not isinstance(pane, Pane))
        yield self.prompt
        yield self.filter
        yield self.transport
        yield self.switches
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
        self.frame()
        self.screen.set_focus(self.panes[self.pane_shown])
        if self._open_address:
            self.go(self._open_address)
        if self.node is not None:
            self.call_after_refresh(self.node.start)
        if not self.is_headless:
            self.call_after_refresh(self._collector.begin)
        self._tell_faults_of_settings()

    def _tell_faults_of_settings(self) -> None:
        for broken in self.broken_themes:
            self.say(str(broken), "warning")
        if self.settings.theme not in self.available_themes:
            known = ", ".join(self.theme_names)
            self.say(f"there is no theme {self.settings.theme}; known are {known}", "warning")
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

    def on_resize(self) -> None:
        """Another size may need another layout."""
        self.call_after_refresh(self.update_panes)

    # Frames.

    def frame(self) -> None:
        """Take in what is fresh, and paint what changed."""
        changes = self.history.refresh()
        self.view.take(changes)
        for pane in self.panes.values():
            pane.take(changes)
        self._choose_first()
        self.update_panes()
        if not changes.rebuilt:
            self.toasts.take(changes.notices)
        self._toast()
        if self.view.glowing() and self._glow_timer is None:
            self._glow_timer = self.set_interval(GLOW_STEP_S, self._glow)

    def _toast(self) -> None:
        for toast in self.toasts.next():
            self.say(toast.text, toast.severity)

    def _choose_first(self) -> None:
        """Until the person chooses, the first machine worth seeing is: an own one, else any but topic machines.

        A choice stays while its machine lives, whatever comes later: nobody else decides what is looked at.
        """
        live = self.history.live
        if live.structure_version == self._chose_for or getattr(self.panes["machines"], "by_hand", False):
            return
        self._chose_for = live.structure_version
        best = first_choice(live.machines.values(), self.view.machine)
        if best is not None and self.view.is_live:
            self.view.select_machine(best.key)

    def update_panes(self) -> None:
        """Every pane that is seen takes what changed; each is cheap when nothing did."""
        self._arrange()
        now = self.view.now
        for pane in self.panes.values():
            if seen(pane):
                pane.show(now)
        width = self.size.width
        self.transport.update()
        self.switches.update()
        self.address.show(*status.address(self.view, width))
        hints = self.focused.hints if isinstance(self.focused, PaneBase) else ()
        self.status.show(*status.status(self.view, width, hints, self.keys))

    def _arrange(self) -> None:
        """Which panes are seen; sizes are the style sheet's."""
        standing = self._standing()
        alone = standing is not None
        beside = standing is not None and standing.kind in ("empty", "alone")
        screen = self.screen_stack[0]
        for name in self.panes:
            screen.set_class(name == self.pane_shown, f"-on-{name}")
        screen.set_class(not self.view.is_live, "-past")
        screen.set_class(beside, "-beside")
        for place in layout.PLACES:
            wanted = next((name for name in place if self.panes[name].is_wanted), place[0])
            for name in place:
                self.panes[name].set_class(name != wanted, "-away")
        self.content.display = not alone or beside
        self.standing.display = alone
        for name, pane in self.panes.items():
            if not isinstance(pane, Pane):
                pane.display = not alone and name in self.panes
        self.transport.display = not alone
        self.switches.set_class(alone and not beside, "-away")
        banner = self._banner(alone and not beside)
        self.banner.display = banner is not None
        if banner is not None:
            self.banner.show(banner)
        if standing is not None:
            self.standing.show(standing)
        self._keep_focus()

    def _standing(self) -> Standing | None:
        found = standing_of(self.history.live, recorded=self.node is None)
        return found if found is not None and found.kind != self.dismissed else None

    def _banner(self, alone: bool) -> Row | None:
        if self.history.trouble:
            return [(" ✗ Not recorded: ", "error bold"), (self.history.trouble, "plain")]
        if alone:
            return None
        return banner_of(self.history.live) or self._flood_banner()

    def _flood_banner(self) -> Row | None:
        """Who floods, through whom, and what to do about it."""
        worst = [peer for peer in self.view.floods.worst() if peer not in self.view.hidden | self.muted]
        if not worst:
            return None
        rates = self.view.floods.rates
        peer = self.history.live.peers.get(worst[0])
        through = peer.detail.through if peer is not None and peer.detail is not None else ""
        text = f" {self.name_of(worst[0])} floods: {sum(rates[worst[0]]):.0f} messages a second"
        if through and through != worst[0]:
            text += f", through {self.name_of(through)}"
        if len(worst) > 1:
            text += f" · and {len(worst) - 1} more"
        keys = self.keys
        hide, mute, cut = (keymap.first_key(id, keys) for id in ("peer.hide", "peer.mute", "peer.cut_off"))
        return [
            (" !", "error bold"),
            (text, "bright"),
            (f" · on it: {hide} hides, {mute} mutes, {cut} cuts off", "grey"),
        ]

    def _keep_focus(self) -> None:
        """When the pane with the focus is not seen any more, another one takes it."""
        focused = self.focused
        if len(self.screen_stack) > 1 or (focused is not None and seen(focused)):
            return
        wanted = self.panes[self.pane_shown]
        first = next((pane for pane in (self.standing, wanted, *self.panes.values()) if seen(pane)), None)
        if first is not None:
            self.screen.set_focus(first)

    def _glow(self) -> None:
        self.update_panes()
        if not self.view.glowing() and self._glow_timer is not None:
            self._glow_timer.stop()
            self._glow_timer = None

    def _second(self) -> None:
        """Ages grow, titles that were held back catch up, and a search for rare records goes on."""
        if not self.is_headless:
            self._collector.second()
            self.view.examine()
        self._toast()
        self.travel.records.search_on()
        self.update_panes()

    # What panes tell.

    def on_pane_base_changed(self) -> None:
        """The person chose something in a pane."""
        self.update_panes()

    async def on_pane_base_wants(self, event: PaneBase.Wants) -> None:
        """A pane wants an action of the program."""
        await self.run_action(event.action)

    def on_toolbar_pressed(self, event: Toolbar.Pressed) -> None:
        """A switch is a key with a name."""
        self.call_later(self.run_action, event.action)

    def on_descendant_focus(self) -> None:
        """The pane with the focus is the one a narrow screen shows; its keys are in sight."""
        focused = self.focused
        if isinstance(focused, Pane):
            self.pane_shown = focused.pane_name
        self.update_panes()

    # Moving among panes.

    def action_pane(self, name: str) -> None:
        """Go to a pane, and show it."""
        for place in layout.PLACES:
            if name in place:
                name = next((one for one in place if self.panes[one].is_wanted), name)
        if isinstance(self.panes[name], Pane):
            self.pane_shown = name
        self.update_panes()
        self.screen.set_focus(self.panes[name])
        self.call_after_refresh(self.update_panes)

    async def action_in_pane(self, name: str, action: str, *arguments: object) -> None:
        """An action of a pane, from anywhere."""
        getattr(self.panes[name], f"action_{action}")(*arguments)

    def action_expand(self) -> None:
        """Open or close all, in the pane that has the focus if it can, else in the states."""
        pane = self.focused if hasattr(self.focused, "action_expand") else self.panes["states"]
        pane.action_expand()  # type: ignore[union-attr]

    def action_next_pane(self) -> None:
        """To the next pane."""
        self.screen.focus_next()

    def action_previous_pane(self) -> None:
        """To the pane before."""
        self.screen.focus_previous()

    async def action_back(self) -> None:
        """Drop the filter of the pane, close what is open, else go to the machines."""
        focused = self.focused
        standing = self._standing()
        if standing is not None and standing.kind != "topics":
            self.dismissed = standing.kind
            self.update_panes()
        elif isinstance(focused, Pane) and focused.can_filter and focused.filter_text:
            focused.set_filter("")
            self.update_panes()
        elif self.view.chosen.step:
            self.view.go_to(self.view.chosen.moment, record=self.view.chosen.record)
            self.update_panes()
        else:
            self.action_pane("machines")

    def action_show(self, what: str) -> None:
        """Show or hide a kind of records or rows."""
        self.view.toggle(what)
        self.update_panes()

    def action_narrow(self) -> None:
        """One pane at a time, on any screen."""
        self.screen.toggle_class("-one")
        self.call_after_refresh(self.update_panes)

    # Changing by hand.

    def action_prompt(self, kind: str, states: str = "") -> None:
        """Ask which states to add, remove, set or toggle."""
        key = self.view.machine_key
        machine = self.history.live.machines.get(key) if key is not None else None
        if machine is None:
            self.say("Choose a machine first: the cursor is on a peer.")
            return
        text = states + " " if states else ""
        if not text and self.focused is self.panes["states"] and self.view.state in machine.index:
            text = self.view.state + " "
        self.prompt.open(kind, machine, text)

    def action_repeat(self) -> None:
        """Ask again for what was done last; nothing happens before Enter."""
        done = self.history.live.commands
        machine = self.history.live.machines.get(done[-1].key) if done else None
        if machine is None:
            self.say("You have not changed anything yet.")
            return
        self.view.select_machine(machine.key)
        self.prompt.open(done[-1].kind, machine, text_of_command(done[-1]))

    def on_prompt_closed(self) -> None:
        """Back to the pane one came from."""
        self._keep_focus()

    # Filters.

    def action_filter(self) -> None:
        """Narrow the pane that has the focus."""
        focused = self.focused
        pane = focused if isinstance(focused, Pane) and focused.can_filter else self.travel.records
        if pane is not focused:
            self.action_pane(pane.pane_name)
        self.filter.open(pane.pane_name, pane.filter_text)

    def on_filter_line_changed(self, event: FilterLine.Changed) -> None:
        """Narrow a pane."""
        pane = self.panes.get(event.pane)
        if pane is not None and pane.filter_text != event.text:
            self.filter.complain(pane.set_filter(event.text))
        self.update_panes()

    def on_filter_line_entered(self, event: FilterLine.Entered) -> None:
        """A place to go to, or the text of a bookmark."""
        if event.pane == "go":
            self.go(event.text)
        elif event.pane == "mark" and self.view.chosen.moment is not None:
            try:
                self.history.add_bookmark(self.view.chosen.moment, event.text or "bookmark")
            except HistoryError as error:
                self.say(str(error), "error")
            self.update_panes()

    def on_filter_line_closed(self, event: FilterLine.Closed) -> None:
        """Back to the pane."""
        pane = self.panes.get(event.pane) or self.panes[self.pane_shown]
        self.screen.set_focus(pane)

    def on_standing_pane_chosen(self, event: StandingPane.Chosen) -> None:
        """Join the topic that was chosen."""
        if self.node is not None:
            self.node.call(PickTopic(event.topic))

    # The program.

    def action_help(self) -> None:
        """Every key and sign."""
        self.push_screen(HelpScreen(self.keys))

    def action_next_theme(self) -> None:
        """The next colour theme."""
        names = [name for name in self.theme_names if name != "terminal"] or self.theme_names
        at = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(at + 1) % len(names)]
        self.say(f"Theme: {self.theme}")

    def action_copy(self) -> None:
        """Copy the row under the cursor, through the terminal (OSC 52)."""
        focused = self.focused
        if isinstance(focused, VirtualList) and focused.row_count():
            self._copy(focused.row_text(focused.cursor))

    def action_copy_join(self) -> None:
        """Copy the line with which others join us."""
        connection = self.history.live.connection
        line = join_line(connection.addresses, connection.peer_id) if connection is not None else ""
        if line:
            self._copy(line)
        else:
            self.say("Nobody can dial this peer: start it with --listen.")

    def action_copy_address(self) -> None:
        """Copy what is looked at as one address."""
        self._copy(self.view.address)

    def _copy(self, text: str) -> None:
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
            if key.id not in ("app.palette", "app.interrupt") and not key.local:
                title = f"{key.label} ({keymap.shown_keys(key.id, self.keys)})"
                yield SystemCommand(title, key.help, self._runner(keymap.action_of(key)))
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


def seen(widget: Widget) -> bool:
    """Whether a widget and all it stands in are displayed."""
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def first_choice(machines: Iterable[LiveMachine], held: LiveMachine | None) -> LiveMachine | None:
    """The machine to look at before anybody chose; None: the one that is held stays."""

    def rank(machine: LiveMachine) -> tuple[bool, bool]:
        return machine.is_topic, not machine.is_own

    alive = [machine for machine in machines if machine.record.source != "gone"]
    best = min(alive, key=lambda machine: (*rank(machine), machine.key), default=None)
    if best is None or (held is not None and held.record.source != "gone" and rank(best) >= rank(held)):
        return None
    return best
