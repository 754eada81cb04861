"""The lines above and below the panes: address bar, switches, status bar. Pure: the app's state in, spans
out."""

from __future__ import annotations

from typing import Protocol

from amdbg_tui import keymap
from amdbg_tui.panes import words
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.bars import Switch
from amdbg_tui.widgets.paint import Row, width_of

PHASE_LOOK = {
    "joined": "inactive",
    "failed": "error",
    "reconnecting": "stale",
    "closed": "grey",
    "leaving": "grey",
}
PHASE_SIGN = {"joined": "●", "failed": "✗", "reconnecting": "◐", "closed": "×", "leaving": "×"}
HINTS = ("app.help", "app.quit", "change.add", "see.detail", "see.follow", "find.filter", "change.remove")
"""Most wanted first: there may not be room for all."""


class Standpoint(Protocol):
    """What of the app the bars show."""

    view: View
    keys: dict[str, str]


def address(app: Standpoint) -> tuple[Row, Row]:
    """`mach://peer/machine #tags` at the left; topic, phase and peers at the right."""
    view = app.view
    left: Row = [(" mach://", "grey")]
    peer = view.peer
    if peer is not None:
        left.append((words.peer_title(peer.record), words.PEER_LOOK.get(peer.record.status, "plain")))
        left.append(("/", "grey"))
    machine = view.machine
    if machine is not None:
        left.append((machine.record.machine_id, "bright bold underline"))
        if machine.record.parent_id:
            left.append((f"  of {machine.record.parent_id}", "grey"))
        if machine.record.source not in ("local", "first-hand"):
            sign = words.TRUST_SIGN.get(machine.record.source, " ")
            look = words.TRUST_LOOK.get(machine.record.source, "plain")
            left.append(
                (f"  {sign} {words.TRUST_WORDS.get(machine.record.source, machine.record.source)}", look)
            )
            if machine.record.reason:
                left.append((f", {machine.record.reason}", "grey"))
        elif machine.record.tags:
            left.append((f"  {words.tags_text(machine.record.tags)}", "grey"))
    connection = view.live.connection
    right: Row = []
    if connection is not None:
        look = PHASE_LOOK.get(connection.phase, "active")
        here = sum(1 for one in view.live.peers.values() if one.record.status not in ("self", "gone"))
        if connection.topic:
            right.append((f"  #{connection.topic} ", "bright"))
        right.append((f"{PHASE_SIGN.get(connection.phase, '◌')} {connection.phase}", look))
        right.append((f" · {here} peer{'' if here == 1 else 's'} ", "grey"))
    return left, right


def switches(app: Standpoint) -> list[Switch]:
    """am-dbg's toolbar: what is shown, with the values between brackets."""
    view = app.view

    def shown(name: str) -> Switch:
        return Switch(name, f"show('{name}')", lambda: "X" if view.shows[name] else " ")

    return [
        Switch("follow", "follow", lambda: "X" if view.following else " "),
        Switch("log", "next_level", lambda: str(view.level)),
        Switch("log of", "scope", lambda: view.log.scope),
        Switch("states", "state_filter", lambda: view.state_filter),
        Switch("only-state", "only_state", lambda: "X" if view.only_state else " "),
        shown("canceled"),
        Switch("auto", "show('auto')", lambda: view.autos),
        shown("checks"),
        shown("health"),
        shown("topic"),
        shown("gone"),
    ]


def status(app: Standpoint, width: int) -> tuple[Row, Row]:
    """What is selected and how far the clock is, then the keys that matter most."""
    view = app.view
    machine = view.machine
    left: Row = [(" ", "plain")]
    if machine is not None:
        left += [(f"t{words.number(machine.time_sum)}", "plain"), (" | ", "faint")]
        at = machine.index.get(view.state)
        if at is not None and at < len(machine.clock):
            tick = machine.clock[at]
            activity = "active" if tick % 2 else "inactive"
            left += [
                (view.state, "bold " + words.look_of_state(machine.record.states[at], tick)),
                (f" {activity}", "grey"),
                (" | ", "faint"),
                (f"idx: {at}", "grey"),
                (" | ", "faint"),
                (f"tick: {words.number(tick)}", "grey"),
                (" | ", "faint"),
            ]
    if view.streams[0].looked_at or view.streams[1].looked_at:
        left.append(("Following" if view.following else "Paused", "inactive" if view.following else "stale"))
    if left[-1] == (" | ", "faint"):
        left.pop()
    right: Row = []
    room = width - width_of(left) - 1
    for id in HINTS:
        key = keymap.BY_ID[id]
        hint: Row = [
            (f" {keymap.first_key(id, app.keys)}", "bright bold"),
            (f" {key.label.lower()} ", "grey"),
        ]
        room -= width_of(hint)
        if room >= 0:
            right += hint
    return left, right
