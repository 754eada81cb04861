"""The help on `?`: every sign at the left, every key at the right, made from the key map as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import ModalScreen

from amdbg_tui import keymap
from amdbg_tui.history.log_lines import LEVEL_NAMES
from amdbg_tui.panes import words
from amdbg_tui.settings import PROGRAM
from amdbg_tui.widgets.paint import Row, pad
from amdbg_tui.widgets.text_list import TextList

KEY_CELLS = 16
NARROW_CELLS = 118
"""Below this width two columns would cut the texts."""
_LEVELS = [f"{at} {name}" for at, name in enumerate(LEVEL_NAMES)]


def version() -> str:
    """Of the program that runs."""
    from importlib import metadata

    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def head(text: str) -> list[Row]:
    """A section's title."""
    return [[], [(text, "active bold")]]


def signs() -> list[Row]:
    """The legends."""
    rows: list[Row] = [[("Machines", "active bold")]]
    for status, text in (
        ("self", "you"),
        ("joined", "connected, on the topic"),
        ("hearsay", "known or heard through others: not connected"),
        ("stale", "out of reach for a moment"),
        ("gone", "has left"),
    ):
        rows.append([(f"  {words.PEER_SIGN[status]}  ", words.PEER_LOOK[status]), (f"peer: {text}", "plain")])
    for source in ("hearsay", "stale", "gone"):
        look = words.TRUST_LOOK[source]
        rows.append(
            [(f"  {words.TRUST_SIGN[source]}  ", look), (f"clock: {words.TRUST_WORDS[source]}", "plain")]
        )
    rows += [
        [("  -  ", "faint"), ("nested: a child of the machine above", "plain")],
        [("  R  ", "grey"), ("Ready is active; S: Start is active", "plain")],
        [("  E  ", "error bold"), ("an error state is active", "plain")],
        [(" |9  ", "active"), ("transitions seen so far", "plain")],
        [("  ◆  ", "own"), ("your own machine", "plain")],
        [(" |9  ", "recent"), ("an error within its last 100 transitions", "plain")],
        *head("States"),
        [("  ├──Name   |2", "inactive"), ("  inactive: its tick is even", "plain")],
        [("  ├─●Name   |3", "active"), ("  active: its tick is odd", "plain")],
        [("  ├─●Name  M|5", "multi"), ("  multi, active", "plain")],
        [("  ├─!ErrIt  |1", "error"), ("  an error, active", "plain")],
        [("            ", "plain"), ("|3", "bold on glow"), ("  glows: it ticked just now", "plain")],
        [("  ──┤ ├─ ", "grey"), ("       how the lit state relates to others", "plain")],
        *head("Records"),
        [("  ▌ ", "executed"), ("executed", "plain")],
        [("  ✗ ", "canceled"), ("canceled", "plain")],
        [("  · ", "empty"), ("accepted, but no tick moved", "plain")],
        [("  ? ", "empty"), ("a check: could it be done?", "plain")],
        [("  ≈ ", "executed"), ("derived from a clock of somebody else's machine", "plain")],
        *head("Lanes, a column a stretch of time"),
        [
            ("  ━ ", "active"),
            ("active  ", "plain"),
            ("· ", "faint"),
            ("inactive  ", "plain"),
            ("+ ", "active bold"),
            ("on  ", "plain"),
            ("- ", "inactive"),
            ("off", "plain"),
        ],
        [
            ("  2 ", "multi bold"),
            ("ticked so often in it  ", "plain"),
            ("✗ ", "error bold"),
            ("asked for, refused", "plain"),
        ],
        [("  ┃ ", "stale bold"), ("the moment; what is newer is dim", "plain")],
        *head("Rain, a column a record"),
        [
            ("  2 ", "active bold"),
            ("active, touched  ", "plain"),
            ("1 ", "active"),
            ("active  ", "plain"),
            (". ", "faint"),
            ("inactive", "plain"),
        ],
        [
            ("  | ", "inactive"),
            ("went off  ", "plain"),
            ("c ", "error bold"),
            ("called in vain  ", "plain"),
            ("* ", "inactive"),
            ("touched", "plain"),
        ],
        *head("Matrix and steps"),
        [
            ("  r ", "active"),
            ("requires  ", "plain"),
            ("R ", "error bold"),
            ("removes  ", "plain"),
            ("a ", "active"),
            ("adds  ", "plain"),
            ("f ", "active"),
            ("after", "plain"),
        ],
        [
            ("  c ", "bright"),
            ("called  ", "plain"),
            ("+ - ", "bright"),
            ("on, off  ", "plain"),
            ("* ", "bright"),
            ("handler  ", "plain"),
            ("◂ ", "bright"),
            ("at its target  ", "plain"),
            ("! ", "bright"),
            ("refused", "plain"),
        ],
        *head("Time bar"),
        [
            ("  ! ", "error bold"),
            ("error  ", "plain"),
            ("✗ ", "canceled"),
            ("refused  ", "plain"),
            ("m ", "own bold"),
            ("bookmark  ", "plain"),
            ("░ ", "stale"),
            ("records are missing", "plain"),
        ],
        *head("Filter of records"),
        [("  paid !paid ", "bright"), ("with, without the text", "plain")],
        [("  state: kind: by: arg: handler: ", "bright"), ("", "plain")],
        [("  machine: peer: ", "bright"), ("what to look in", "plain")],
        [("  is:refused error executed auto ...", "bright"), ("", "plain")],
        *head("About"),
        [(f"  {PROGRAM} {version()}", "plain")],
        [("  Levels of the log ", "grey"), (", ".join(_LEVELS[:4]), "plain")],
        [("                    ", "grey"), (", ".join(_LEVELS[4:]), "plain")],
    ]
    return rows


def keys(remapped: Mapping[str, str]) -> list[Row]:
    """The key map by groups."""
    rows: list[Row] = []
    for group in keymap.GROUPS:
        rows += head(group) if rows else [[(group, "active bold")]]
        for key in keymap.KEYMAP:
            if key.group == group:
                shown = keymap.shown_keys(key.id, remapped)
                rows.append([("  " + pad(shown, KEY_CELLS), "bright"), (key.help, "plain")])
    rows += [
        *head("In every list"),
        [("  " + pad("a … z", KEY_CELLS), "bright"), ("Search as you type (machines, states).", "plain")],
        [("  " + pad("↑ ↓ PgUp PgDn", KEY_CELLS), "bright"), ("Move; Home and End to the ends.", "plain")],
        [("  " + pad("shift+← shift+→", KEY_CELLS), "bright"), ("Sideways, when rows are longer.", "plain")],
        [("  " + pad("j k g G", KEY_CELLS), "bright"), ("Move, where letters do not search.", "plain")],
        [("  " + pad("enter", KEY_CELLS), "bright"), ("Open: a machine, a state, a record.", "plain")],
        [
            ("  " + pad("mouse", KEY_CELLS), "bright"),
            ("Click, again to open; drag to select.", "plain"),
        ],
        [],
        [("Keys can be changed by name in the settings file:", "grey")],
        [('  [keys]  "change.add" = "f2"', "grey")],
    ]
    return rows


class HelpScreen(ModalScreen[None]):
    """Keys and signs over the panes: side by side, or one above the other where it is narrow."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen Horizontal { width: 94%; max-width: 150; height: 92%; max-height: 90; }
    HelpScreen #help-keys { width: 10fr; }
    HelpScreen #help-signs { width: 9fr; }
    HelpScreen TextList { width: 1fr; border: solid $frame; }
    HelpScreen TextList:focus { border: double $frame-focused; }
    HelpScreen.-narrow Horizontal { layout: vertical; width: 96%; height: 100%; }
    HelpScreen.-narrow TextList { width: 1fr; height: 1fr; }
    HelpScreen.-narrow #help-keys { height: 2fr; }
    """
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (NARROW_CELLS, "-broad")]  # noqa: RUF012 - as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", show=False),
    ]

    def __init__(self, remapped: Mapping[str, str]) -> None:
        super().__init__()
        self.remapped = remapped

    def compose(self) -> ComposeResult:
        """Keys and signs."""
        with Horizontal():
            yield TextList(keys(self.remapped), id="help-keys")
            yield TextList(signs(), id="help-signs")

    def on_mount(self) -> None:
        """Show the rows."""
        for id, title in (("help-keys", "Keys"), ("help-signs", "Signs")):
            pane = self.query_one(f"#{id}", TextList)
            pane.border_title = Content(title)
            pane.sync()
        self.query_one("#help-keys").focus()

    def on_click(self, event: events.Click) -> None:
        """A click beside it closes."""
        if event.widget is self:
            self.dismiss()
