"""The key map: one table of every key of the program.

Bindings, the toolbar, the help on `?` and the command palette are made from it; a person changes keys by id
in the settings file. Keys are am-dbg's where it has one. Single letters stay free, because letters search
in the lists; `+ - = ~` open the prompt as the log writes changes: `+Added -Removed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Key:
    """One thing to do, and the keys for it."""

    id: str
    """Stable name, used in the settings file."""
    keys: str
    """Textual's names of the keys, with commas between."""
    action: str
    label: str
    """Two or three words, for the toolbar and the palette."""
    help: str
    """One sentence."""
    group: str
    priority: bool = False
    """Works in every pane and prompt, before the pane's own keys."""


GROUPS = ("See", "Find", "Change", "Move", "Program")

KEYMAP: tuple[Key, ...] = (
    Key("pane.machines", "1", "pane('machines')", "Machines", "Go to the machines.", "Move"),
    Key("pane.schema", "2", "pane('schema')", "States", "Go to the states of the machine.", "Move"),
    Key("pane.log", "3", "pane('log')", "Log", "Go to the log.", "Move"),
    Key("pane.transitions", "4", "pane('transitions')", "Transitions", "Go to the transitions.", "Move"),
    Key("pane.next", "tab", "next_pane", "Next pane", "Go to the next pane.", "Move"),
    Key("pane.previous", "shift+tab", "previous_pane", "Previous pane", "Go to the pane before.", "Move"),
    Key(
        "machine.next",
        "ctrl+n",
        "machine(1)",
        "Next machine",
        "To the machine below.",
        "Move",
    ),
    Key(
        "machine.previous",
        "ctrl+b",
        "machine(-1)",
        "Previous machine",
        "To the machine above.",
        "Move",
    ),
    Key("app.back", "escape", "back", "Back", "Close, else to the machines.", "Move"),
    Key("change.add", "+,alt+a", "prompt('add')", "Add", "Add states to the machine.", "Change"),
    Key("change.remove", "-", "prompt('remove')", "Remove", "Remove states from the machine.", "Change"),
    Key("change.set", "=", "prompt('set')", "Set", "Set exactly these states.", "Change"),
    Key("change.toggle", "~", "prompt('toggle')", "Toggle", "Toggle states of the machine.", "Change"),
    Key(
        "change.repeat",
        "full_stop",
        "repeat",
        "Repeat",
        "What you did last, once more.",
        "Change",
    ),
    Key("find.filter", "slash", "filter", "Filter", "Show only what matches, in this pane.", "Find"),
    Key(
        "find.scope",
        "alt+w",
        "scope",
        "Scope",
        "Records of the machine, its peer, or all.",
        "Find",
    ),
    Key(
        "find.states",
        "alt+x",
        "state_filter",
        "States shown",
        "States: all, active, or just changed.",
        "Find",
    ),
    Key("find.group", "alt+g", "group", "Group", "Next group of states of the schema.", "Find"),
    Key("find.state", "alt+y", "only_state", "Only this state", "Only records that touch the state.", "Find"),
    Key("see.follow", "space", "follow", "Freeze", "Freeze or follow the newest.", "See"),
    Key("see.tail", "alt+v", "tail", "Follow", "Follow the newest.", "See"),
    Key("see.more", "right_square_bracket", "level(1)", "More log", "One log level more.", "See"),
    Key("see.less", "left_square_bracket", "level(-1)", "Less log", "One log level less.", "See"),
    Key("see.canceled", "alt+z", "show('canceled')", "Canceled", "Show or hide canceled records.", "See"),
    Key(
        "see.auto", "alt+u", "show('auto')", "Auto", "Automatic records: all, none, not the canceled.", "See"
    ),
    Key("see.checks", "alt+k", "show('checks')", "Checks", "Show or hide checks (can add?).", "See"),
    Key("see.health", "alt+b", "show('health')", "Health", "Show or hide health checks.", "See"),
    Key("see.topic", "alt+m", "show('topic')", "Topic", "Show or hide what topic machines do.", "See"),
    Key("see.gone", "alt+d", "show('gone')", "Gone", "Show or hide peers that are gone.", "See"),
    Key("see.expand", "alt+e", "expand", "Expand", "Open or close all states.", "See"),
    Key("see.detail", "alt+o", "detail", "Why", "Open or close: why did this happen?", "See"),
    Key("see.peer", "alt+i", "peer", "Peer", "Details of the peer.", "See"),
    Key("see.narrow", "alt+t", "narrow", "Narrow", "One pane at a time.", "See"),
    Key("copy", "alt+c", "copy", "Copy", "Copy the row, through the terminal.", "Program"),
    Key("app.help", "question_mark,f1", "help", "Help", "Every key and sign.", "Program"),
    Key("app.palette", "ctrl+p", "command_palette", "Commands", "Find a command by name.", "Program"),
    Key("app.theme", "alt+j", "next_theme", "Theme", "Next colour theme.", "Program"),
    Key("app.suspend", "ctrl+z", "suspend_process", "Suspend", "Back to the shell; fg returns.", "Program"),
    Key("app.quit", "ctrl+q", "quit", "Quit", "Say bye to the topic and leave.", "Program", priority=True),
    Key(
        "app.interrupt",
        "ctrl+c",
        "interrupt",
        "Copy or quit",
        "Copy the selection; without one, leave.",
        "Program",
        priority=True,
    ),
)
BY_ID = {key.id: key for key in KEYMAP}

GLYPHS = {
    "full_stop": ".",
    "slash": "/",
    "question_mark": "?",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "space": "space",
    "escape": "esc",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "tilde": "~",
}


def bindings() -> list[Binding]:
    """The table as Textual's bindings of the app."""
    return [
        Binding(key.keys, key.action, key.label, id=key.id, show=False, priority=key.priority)
        for key in KEYMAP
    ]


def shown_keys(id: str, remapped: Mapping[str, str]) -> str:
    """The keys for `id` as a person writes them: `alt+v`, `+`, `?`."""
    keys = remapped.get(id) or BY_ID[id].keys
    return " ".join(GLYPHS.get(name.strip(), name.strip()) for name in keys.split(","))


def first_key(id: str, remapped: Mapping[str, str]) -> str:
    """The first of them, for places with little room."""
    return shown_keys(id, remapped).split(" ")[0]


def unknown_ids(remapped: Mapping[str, str]) -> list[str]:
    """Ids of a settings file that name nothing."""
    return sorted(set(remapped) - set(BY_ID))


def clashes(remapped: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Keys that two or more things to do want, with the ids of those: only the last one would get it."""
    wanted: dict[str, list[str]] = {}
    for key in KEYMAP:
        for name in (remapped.get(key.id) or key.keys).split(","):
            wanted.setdefault(name.strip(), []).append(key.id)
    return [(name, ids) for name, ids in wanted.items() if len(ids) > 1]
