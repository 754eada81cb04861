"""The key map: one table of every key of the program.

Bindings, the toolbars, the hints, the help on `?` and the command palette are made from it; a person changes keys by id in the
settings file. Keys are am-dbg's where it has one. Single letters stay free where letters search (machines, states);
`+ - = ~` open the prompt as the log writes changes: `+Added -Removed`.
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
    pane: str = ""
    """Whose action it is; empty: the program's."""
    local: bool = False
    """Works only while that pane has the focus."""
    priority: bool = False
    """Works in every pane and prompt, before the pane's own keys."""


GROUPS = ("Time", "See", "Find", "Change", "Move", "Program")

KEYMAP: tuple[Key, ...] = (
    # Time.
    Key("time.live", "space,alt+v", "live", "Live", "Hold still here, or back to the present.", "Time"),
    Key("time.before", "left", "record(-1)", "Record before", "To the record before.", "Time"),
    Key("time.after", "right", "record(1)", "Record after", "To the record after.", "Time"),
    Key("time.step_before", "alt+j", "step(-1)", "Step before", "A step back inside the record, and on.", "Time"),
    Key("time.step_after", "alt+k", "step(1)", "Step after", "A step forward inside the record, and on.", "Time"),
    Key("time.jump_before", "alt+h,alt+left", "jump(-1)", "Jump back",
        "To the last record of the lit state, else 50 back.", "Time"),
    Key("time.jump_after", "alt+l,alt+right", "jump(1)", "Jump on",
        "To the next record of the lit state, else 50 on.", "Time"),
    Key("time.error_before", "exclamation_mark,left_curly_bracket", "find_record('error',-1)", "Error before",
        "To the last error before.", "Time"),
    Key("time.error_after", "right_curly_bracket", "find_record('error',1)", "Error after", "To the next error.", "Time"),
    Key("time.refused_before", "left_parenthesis", "find_record('refusal',-1)", "Refused before",
        "To the last refused attempt before.", "Time"),
    Key("time.refused_after", "right_parenthesis", "find_record('refusal',1)", "Refused after",
        "To the next refused attempt.", "Time"),
    Key("time.mark", "alt+b", "mark", "Bookmark", "Put a bookmark at this moment, or take it away.", "Time"),
    Key("time.mark_before", "less_than_sign", "find_record('bookmark',-1)", "Bookmark before",
        "To the bookmark before.", "Time"),
    Key("time.mark_after", "greater_than_sign", "find_record('bookmark',1)", "Bookmark after",
        "To the bookmark after.", "Time"),
    Key("time.go", "ctrl+g", "go_to_prompt", "Go to", "A time, a tick, a percentage, a bookmark, an address.", "Time"),
    Key("time.play", "f5", "play", "Play", "Record by record, two a second; again stops.", "Time"),
    Key("time.back", "backspace,alt+comma", "visit(-1)", "Back", "Back to what you looked at before.", "Time"),
    Key("time.forward", "alt+full_stop", "visit(1)", "Forward", "Forward again.", "Time"),
    Key("time.zoom_in", "z", "zoom(-1)", "Zoom in", "A shorter stretch of time.", "Time", "time", True),
    Key("time.zoom_out", "Z,x", "zoom(1)", "Zoom out", "A longer stretch of time.", "Time", "time", True),
    # Move.
    Key("pane.machines", "1", "pane('machines')", "Machines", "Go to the machines.", "Move"),
    Key("pane.states", "2", "pane('states')", "States", "Go to the states of the machine.", "Move"),
    Key("pane.records", "3", "pane('records')", "Records", "Go to the records.", "Move"),
    Key("pane.why", "4,alt+o", "pane('why')", "Why", "Go to the answer: why did this happen?", "Move"),
    Key("pane.time", "5", "pane('time')", "Time bar", "Go to the time bar.", "Move"),
    Key("pane.peer", "alt+i", "turn", "Peer", "Details of the peer, or back to its machine.", "Move", "peer"),
    Key("pane.next", "tab", "next_pane", "Next pane", "Go to the next pane.", "Move"),
    Key("pane.previous", "shift+tab", "previous_pane", "Previous pane", "Go to the pane before.", "Move"),
    Key("machine.next", "ctrl+n", "step_machine(1)", "Next machine", "To the machine below.", "Move", "machines"),
    Key("machine.previous", "ctrl+u", "step_machine(-1)", "Previous machine", "To the machine above.", "Move", "machines"),
    Key("app.back", "escape", "back", "Back", "Close, drop the filter, else to the machines.", "Move"),
    # Change.
    Key("change.add", "+", "prompt('add')", "Add", "Add states to the machine.", "Change"),
    Key("change.remove", "-", "prompt('remove')", "Remove", "Remove states from the machine.", "Change"),
    Key("change.set", "=", "prompt('set')", "Set", "Set exactly these states.", "Change"),
    Key("change.toggle", "~", "prompt('toggle')", "Toggle", "Toggle states of the machine.", "Change"),
    Key("change.repeat", "full_stop", "repeat", "Repeat", "Ask for the last change again.", "Change"),
    Key("peer.mute", "f9", "mute", "Mute", "Take no news from this peer, or take them again.", "Change", "machines"),
    Key("peer.hide", "alt+d,delete", "hide", "Hide", "Hide this peer and its records, or show all again.",
        "Change", "machines"),
    Key("peer.cut_off", "f10", "cut_off", "Cut off", "Close the connection to this peer for good.", "Change", "machines"),
    # Find.
    Key("find.filter", "slash", "filter", "Filter", "Show only what matches, in this pane.", "Find"),
    Key("find.next", "n", "record(1)", "Next match", "To the next record that matches.", "Find", "records", True),
    Key("find.previous", "N", "record(-1)", "Match before", "To the match before.", "Find", "records", True),
    Key("find.scope", "alt+w", "scope", "Scope", "Records of the machine, its peer, or all.", "Find", "records"),
    Key("find.states", "alt+x", "state_filter", "States shown", "States: all, active, or just changed.", "Find", "states"),
    Key("find.group", "alt+g", "group", "Group", "Next group of states of the schema.", "Find", "states"),
    Key("find.state", "alt+y", "only_state", "Only this state", "Only records that touch the lit state.", "Find", "records"),
    Key("find.sort", "alt+a", "sort", "Sort", "Machines by name, activity or errors.", "Find", "machines"),
    # See.
    Key("see.lanes", "alt+m", "mode", "Lanes", "Lanes, rain, matrix, or names only.", "See", "states"),
    Key("see.rain", "alt+r", "rain", "Rain", "Rain, or back.", "See", "states"),
    Key("see.zoom_in", "ctrl+up,alt+equals_sign", "zoom(-1)", "Zoom in", "Lanes of a shorter time.", "See", "states"),
    Key("see.zoom_out", "ctrl+down,alt+minus", "zoom(1)", "Zoom out", "Lanes of a longer time.", "See", "states"),
    Key("see.pan_before", "ctrl+left", "pan(-1)", "Pan back", "Lanes of an earlier time.", "See", "states"),
    Key("see.pan_after", "ctrl+right", "pan(1)", "Pan on", "Lanes of a later time.", "See", "states"),
    Key("see.beside", "alt+s", "beside", "Beside", "Keep this machine's lanes beside others, or no longer.", "See", "states"),
    Key("see.expand", "alt+e", "expand", "Expand", "Open or close all.", "See"),
    Key("see.fold", "alt+f", "fold", "Fold", "Fold the peer's machines away, or unfold.", "See", "machines"),
    Key("see.more", "right_square_bracket", "level(1)", "More log", "One log level more.", "See", "records"),
    Key("see.less", "left_square_bracket", "level(-1)", "Less log", "One log level less.", "See", "records"),
    Key("see.canceled", "alt+z", "show('canceled')", "Canceled", "Show or hide canceled records.", "See"),
    Key("see.auto", "alt+u", "show('auto')", "Auto", "Automatic records: all, none, not the canceled.", "See"),
    Key("see.checks", "f6", "show('checks')", "Checks", "Show or hide checks (can add?).", "See"),
    Key("see.health", "f7", "show('health')", "Health", "Show or hide health checks.", "See"),
    Key("see.topic", "alt+t", "show('topic')", "Topic", "Show or hide what topic machines do.", "See"),
    Key("see.gone", "f8", "show('gone')", "Gone", "Show or hide peers that are gone.", "See"),
    Key("see.narrow", "alt+0", "narrow", "One pane", "One pane at a time, on any screen.", "See"),
    # Program.
    Key("copy", "alt+c", "copy", "Copy", "Copy the row, through the terminal.", "Program"),
    Key("copy.address", "f2", "copy_join", "Copy join line", "Copy the line with which others join you.", "Program"),
    Key("copy.mach", "f3", "copy_address", "Copy address", "Copy what you look at as one mach:// address.", "Program"),
    Key("app.help", "question_mark,f1", "help", "Help", "Every key and sign.", "Program"),
    Key("app.palette", "ctrl+p", "command_palette", "Commands", "Find a command, machine, state or peer by name.",
        "Program"),
    Key("app.theme", "ctrl+t", "next_theme", "Theme", "Next colour theme.", "Program"),
    Key("app.suspend", "ctrl+z", "suspend_process", "Suspend", "Back to the shell; fg returns.", "Program"),
    Key("app.quit", "ctrl+q", "quit", "Quit", "Say bye to the topic and leave.", "Program", priority=True),
    Key("app.interrupt", "ctrl+c", "interrupt", "Copy or quit", "Copy the selection; without one, leave.", "Program",
        priority=True),
)  # fmt: skip
BY_ID = {key.id: key for key in KEYMAP}

GLYPHS = {
    "full_stop": ".",
    "slash": "/",
    "question_mark": "?",
    "exclamation_mark": "!",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "left_parenthesis": "(",
    "right_parenthesis": ")",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "space": "space",
    "escape": "esc",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "tilde": "~",
    "left": "←",
    "right": "→",
    "comma": ",",
}


def bindings() -> list[Binding]:
    """The table as Textual's bindings of the app: all but what only works inside a pane."""
    return [
        Binding(key.keys, _global_action(key), key.label, id=key.id, show=False, priority=key.priority)
        for key in KEYMAP
        if not key.local
    ]


def bindings_of(pane: str) -> list[Binding]:
    """Keys that only work while a pane has the focus."""
    return [
        Binding(key.keys, key.action, key.label, id=key.id, show=False)
        for key in KEYMAP
        if key.local and key.pane == pane
    ]


def _global_action(key: Key) -> str:
    if not key.pane:
        return key.action
    name, _, arguments = key.action.partition("(")
    more = f", {arguments.rstrip(')')}" if arguments else ""
    return f"in_pane('{key.pane}', '{name}'{more})"


def action_of(key: Key) -> str:
    """What to run for a key from anywhere."""
    return _global_action(key)


def shown_keys(id: str, remapped: Mapping[str, str]) -> str:
    """The keys for `id` as a person writes them: `alt+v`, `+`, `?`."""
    keys = remapped.get(id) or BY_ID[id].keys
    return " ".join(_shown(name.strip()) for name in keys.split(","))


def _shown(name: str) -> str:
    head, plus, last = name.rpartition("+")
    return head + plus + GLYPHS.get(last, last) if last else name


def first_key(id: str, remapped: Mapping[str, str]) -> str:
    """The first of them, for places with little room."""
    return shown_keys(id, remapped).split(" ")[0]


def unknown_ids(remapped: Mapping[str, str]) -> list[str]:
    """Ids of a settings file that name nothing."""
    return sorted(set(remapped) - set(BY_ID))


def clashes(remapped: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Keys that two or more things to do want, with the ids of those: only the last one would get it.

    A key of one pane does not clash with one of another: they are never both in reach.
    """
    wanted: dict[str, list[Key]] = {}
    for key in KEYMAP:
        for name in (remapped.get(key.id) or key.keys).split(","):
            wanted.setdefault(name.strip(), []).append(key)
    found = []
    for name, keys in wanted.items():
        places = [key.pane if key.local else "" for key in keys]
        if len(keys) > 1 and ("" in places or len(set(places)) < len(places)):
            found.append((name, [key.id for key in keys]))
    return found
