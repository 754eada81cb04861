"""The lines above and below the panes: address, mode, switches, hints. Pure: the view in, spans out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amdbg_tui import keymap
from amdbg_tui.answers.doctor import Severity, badge
from amdbg_tui.panes import words
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.bars import Switch
from amdbg_tui.widgets.paint import Row, clip, width_of

PHASE_LOOK = {
    "joined": "inactive",
    "failed": "error",
    "reconnecting": "stale",
    "closed": "grey",
    "leaving": "grey",
}
PHASE_SIGN = {"joined": "●", "failed": "✗", "reconnecting": "◐", "closed": "×", "leaving": "×"}
SEVERITY_LOOK = {Severity.INFO: "grey", Severity.WARNING: "stale", Severity.ERROR: "error bold"}
GENERAL_HINTS = ("app.help", "time.live", "time.before", "pane.next", "app.palette", "app.quit")
NARROW_CELLS = 100


def mode(view: View, width: int) -> Row:
    """`● LIVE`, or `◀ AT 16:58:28.174 · 404 newer`: said in words, with a sign, in green or amber."""
    if view.is_live:
        return [("● LIVE", "inactive bold")]
    sign = "▶ PLAY" if view.playing else "◀ AT"
    at = words.clock_time(view.wall_s)
    text = f"{sign} {at if width >= NARROW_CELLS else at[:8]}"
    if width >= NARROW_CELLS:
        text += f" · {view.newer:,} newer"
    return [(text, "stale bold")]


def address(view: View, width: int) -> tuple[Row, Row]:
    """`mach://peer/machine/record/step #tags` at the left; mode, topic, phase and peers at the right."""
    narrow = width < NARROW_CELLS
    left: Row = [(" " if narrow else " mach://", "grey")]
    peer, machine, chosen = view.peer, view.machine, view.chosen
    if peer is not None:
        left.append((words.peer_title(peer.record), words.PEER_LOOK.get(peer.record.status, "plain")))
        left.append(("/", "grey"))
    if machine is not None:
        left.append((machine.record.machine_id, "bright bold underline"))
        if not view.is_live and chosen.record:
            left.append((f"/{chosen.record}" + (f"/{chosen.step}" if chosen.step else ""), "grey"))
        if machine.record.parent_id:
            left.append((f"  of {machine.record.parent_id}", "grey"))
        source = machine.record.source
        if source not in ("local", "first-hand"):
            look = words.TRUST_LOOK.get(source, "plain")
            left.append(
                (f"  {words.TRUST_SIGN.get(source, ' ')} {words.TRUST_WORDS.get(source, source)}", look)
            )
            if machine.record.reason:
                left.append((f", {machine.record.reason}", "grey"))
        elif machine.record.tags:
            left.append((f"  {_tags(view)}", "grey"))
    connection = view.live.connection
    right: Row = [("  ", "plain"), *mode(view, width)]
    if not view.is_live and not narrow:
        right.append((f" · {words.ago(view.wall_s, view.clock())}", "grey"))
    if connection is not None:
        look = PHASE_LOOK.get(connection.phase, "active")
        here = sum(1 for one in view.live.peers.values() if one.record.status not in ("self", "gone"))
        if connection.topic:
            right.append((f"  #{clip(connection.topic, 24)} ", "bright"))
        sign = PHASE_SIGN.get(connection.phase, "◌")
        right.append(
            (sign if narrow and connection.phase == "joined" else f"{sign} {connection.phase}", look)
        )
        right.append((f" · {here} peer{'' if here == 1 else 's'} ", "grey"))
    return left, right


def _tags(view: View) -> str:
    """Own tags, then those of the ancestors."""
    machine = view.machine
    assert machine is not None
    own = words.tags_text(machine.record.tags)
    by_id = {other.record.machine_id: other for other in view.now.machines_of(machine.key.peer_id)}
    above: list[str] = []
    parent = by_id.get(machine.record.parent_id)
    while parent is not None and len(above) < 4 and parent is not machine:
        above += [tag for tag in parent.record.tags if tag not in above]
        parent = by_id.get(parent.record.parent_id)
    return f"{own} ... {words.tags_text(above)}" if above else own


def transport(view: View) -> list[Switch]:
    """am-dbg's transport keys."""

    def push(icon: str, label: str, action: str) -> Switch:
        return Switch(label, action, lambda: icon, push=True)

    return [
        push("⇤", "first", "record_end(-1)"),
        push("◀", "jump", "jump(-1)"),
        push("◁", "record", "record(-1)"),
        push("<", "step", "step(-1)"),
        Switch("live", "live", lambda: "●" if view.is_live else " "),
        push("▷", "record", "record(1)"),
        push(">", "step", "step(1)"),
        push("▶", "jump", "jump(1)"),
        push("⇥", "newest", "record_end(1)"),
        Switch("play", "play", lambda: "▶" if view.playing else " "),
        push("!", "error", "find_record('error', -1)"),
        push("✗", "refused", "find_record('refusal', -1)"),
        push("m", "mark", "mark"),
        push("↶", "back", "visit(-1)"),
        push("↷", "on", "visit(1)"),
    ]


def switches(view: View) -> list[Switch]:
    """am-dbg's filters, with the values between brackets."""

    def shown(name: str) -> Switch:
        return Switch(name, f"show('{name}')", lambda: "X" if view.shows[name] else " ")

    return [
        Switch("log", "in_pane('records', 'next_level')", lambda: str(view.level)),
        Switch("of", "in_pane('records', 'scope')", lambda: view.scope),
        Switch("states", "in_pane('states', 'state_filter')", lambda: view.state_filter),
        Switch("group", "in_pane('states', 'group')", lambda: view.group or "all"),
        Switch("only state", "in_pane('records', 'only_state')", lambda: "X" if view.only_state else " "),
        shown("canceled"),
        Switch("auto", "show('auto')", lambda: view.autos),
        shown("checks"),
        shown("health"),
        shown("topic"),
        shown("gone"),
        Switch("sort", "in_pane('machines', 'sort')", lambda: view.sort),
    ]


def status(view: View, width: int, hints: Sequence[str], keys: Mapping[str, str]) -> tuple[Row, Row]:
    """The mode first, which is the last thing to go; then what is selected; then the keys of the pane that has the focus."""
    machine = view.machine
    left: Row = [(" ", "plain"), *mode(view, width)]
    trouble = view.history.trouble
    if trouble:
        left += [(" │ ", "faint"), ("NOT RECORDED", "error bold")]
    text, worst = badge(view.findings)
    if worst is not None:
        left += [(" │ ", "faint"), (f"✚ {text}", SEVERITY_LOOK[worst])]
    if machine is not None:
        at = machine.index.get(view.state)
        if at is not None and at < len(machine.clock):
            tick = machine.clock[at]
            activity = "active" if tick % 2 else "inactive"
            left += [
                (" │ ", "faint"),
                (clip(view.state, 24), "bold " + words.look_of_state(machine.record.states[at], tick)),
                (f" {activity}", "grey"),
                (f" · idx {at} · tick {words.number(tick)}", "grey"),
            ]
        left += [(" │ ", "faint"), (f"t{words.number(machine.time_sum)}", "plain")]
    right: Row = []
    room = width - width_of(left) - 1
    for id in dict.fromkeys((*GENERAL_HINTS[:1], *hints, *GENERAL_HINTS[1:])):
        key = keymap.BY_ID[id]
        hint: Row = [
            (f" {keymap.first_key(id, keys)}", "bright bold"),
            (f" {key.label.lower()} ", "grey"),
        ]
        if width_of(hint) > room:
            break
        room -= width_of(hint)
        right += hint
    return left, right
