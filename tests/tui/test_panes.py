"""Machines, states, peers: what the panes show and how one gets about in them."""

from __future__ import annotations

from textual.pilot import Pilot

from amdbg_tui.app import App
from amdbg_tui.history.records import (
    MachineKey,
    MachineRecord,
    PeerDetailRecord,
    PeerRecord,
    StateShape,
    TransitionRecord,
    replace,
)
from amdbg_tui.safe_text import safe_text
from tests.tui.fixed_history import LIGHT, NOW, ORDER, ROOT, SCHEMAS, US, fixed_history, records
from tests.tui.screens import history_of, run, text_of, until, words_of


def test_machines_are_nested_by_parent_in_natural_order_and_circles_are_shown_all_the_same() -> None:
    shapes = (StateShape("On"),)
    parents = {"boss": "", "w-10": "boss", "w-2": "boss", "leaf": "w-2", "egg": "hen", "hen": "egg"}
    machines = [
        MachineRecord(NOW, MachineKey("p", slot), name, shapes, "first-hand", (), parent, clock=(0,))
        for slot, (name, parent) in enumerate(parents.items())
    ]
    history = history_of([PeerRecord(NOW, "p", "joined", "p"), *machines])

    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape")
        names = [
            "-" * line.depth + app.panes["machines"].search_text(at)
            for at, line in enumerate(app.panes["machines"].lines)
        ]
        assert names == ["p", "boss", "-w-2", "--leaf", "-w-10", "egg", "hen"]

    run(look, history=history)


def test_a_machine_that_errs_is_marked_within_a_frame() -> None:
    history = fixed_history()

    async def look(app: App, pilot: Pilot[int]) -> None:
        clock = app.view.live.machines[ORDER].clock
        bad = (clock[0] + 1, *clock[1:])
        history.append(
            [TransitionRecord(NOW, ORDER, "x", "add", ("Exception",), True, clock, bad, error="it burns")]
        )
        await until(pilot, lambda: "order-4711 ◆ ER|10" in words_of(app))
        assert "├─!Exception" in text_of(app)

    run(look, history=history)


def test_peers_that_go_stale_leave_and_come_change_their_sign_and_word() -> None:
    history = fixed_history()

    async def look(app: App, pilot: Pilot[int]) -> None:
        street = app.view.live.peers[LIGHT.peer_id].record
        assert "● street" in text_of(app)
        for status, sign in (("stale", "◐"), ("gone", "×"), ("joined", "●")):
            history.append([replace(street, status=status)])
            await until(pilot, lambda sign=sign: f"{sign} street" in text_of(app))  # type: ignore[misc]

    run(look, history=history)


def test_those_that_are_gone_can_be_hidden() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        assert "printer-1" in text_of(app)
        await pilot.press("f8")
        await pilot.pause()
        assert "printer" not in text_of(app)

    run(look)


def test_the_machine_filter_finds_nested_ones_and_keeps_their_peer() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("/", *"worker")
        await until(pilot, lambda: "like worker" in text_of(app))
        assert [app.panes["machines"].search_text(at) for at in range(len(app.panes["machines"].lines))] == [
            "downloads",
            "worker-1",
            "worker-2",
        ]
        await pilot.press("enter")
        await pilot.pause()
        assert app.focused is app.panes["machines"]

    run(look)


def test_a_selected_state_is_lit_wherever_it_is_named_with_guides_to_what_it_relates_to() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", "alt+e", "alt+m", "alt+m", "alt+m")
        await pilot.press(*"packed")
        await pilot.pause()
        assert app.view.state == "Packed"
        lit = [node for at, node in enumerate(app.panes["states"].nodes) if app.panes["states"].row_look(at)]
        assert sum(node.kind == "reference" and node.text == "Packed" for node in lit) >= 3
        text = text_of(app)
        assert "⇄ removes" in text
        assert "required" in text

    run(look, size=(160, 60))


def test_a_tick_that_moved_glows_and_then_stops() -> None:
    history = fixed_history()
    now = [NOW]

    async def look(app: App, pilot: Pilot[int]) -> None:
        app.view.clock = lambda: now[0]
        clock = app.view.live.machines[ORDER].clock
        history.append(
            [TransitionRecord(NOW, ORDER, "x", "add", ("Start",), True, clock, (*clock[:-1], clock[-1] + 2))]
        )
        machine = app.view.live.machines[ORDER]
        await until(pilot, lambda: app.view.glow(machine, len(clock) - 1) == "glow")
        await until(pilot, lambda: app._glow_timer is not None)
        now[0] = NOW + 0.6
        assert app.view.glow(machine, len(clock) - 1) == "fading"
        now[0] = NOW + 5
        assert app.view.glow(machine, len(clock) - 1) == ""
        await until(pilot, lambda: app._glow_timer is None)

    run(look, history=history)


def test_states_can_be_narrowed_to_active_ones_a_group_or_a_text() -> None:
    def shown(app: App) -> list[str]:
        return [node.text for node in app.panes["states"].nodes if node.kind == "state"]

    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", "alt+x")
        await pilot.pause()
        assert shown(app) == ["Start", "Ready", "Packed", "InStock", "Reminded"]
        await pilot.press("alt+x", "alt+x", "alt+g")
        await pilot.pause()
        assert shown(app) == ["Placed", "Paid", "Packed", "Shipped", "Delivered"]
        await pilot.press("alt+g", "/", *"tracked")
        await until(pilot, lambda: "like tracked" in text_of(app))
        assert shown(app) == ["Shipped", "Delivered", "Tracked"]

    run(look)


def test_enter_on_a_reference_goes_to_the_state_itself() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", *["down"] * 3, "enter", *["down"] * 3)
        assert app.panes["states"].nodes[app.panes["states"].cursor].kind == "reference"
        await pilot.press("enter")
        node = app.panes["states"].nodes[app.panes["states"].cursor]
        assert (node.kind, node.text) == ("state", "Start")

    run(look)


def test_a_dead_peer_says_who_saw_it_last_and_who_lost_it() -> None:
    detail = PeerDetailRecord(
        NOW,
        ROOT,
        verdict="doubted",
        verdict_reason="its last neighbour lost the connection",
        witnesses=(US, "12D3KooWsomebodyelse"),
    )

    async def look(app: App, pilot: Pilot[int]) -> None:
        app.view.select_machine(None, ROOT)
        await app.run_action("pane('peer')")
        await pilot.pause()
        shown = text_of(app)
        assert "doubted" in shown
        assert "its last neighbour lost" in shown
        assert "us, " in shown

    run(look, history=history_of([*records(), detail]), size=(180, 60))


def test_a_peer_shows_addresses_figures_and_what_was_dropped() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("down", "enter")
        await pilot.pause()
        text = text_of(app)
        for words in ("/ip4/127.0.0.1/udp/41008", "quic-v1", "ampubsub/0.1.0", "in our mesh", "duplicate"):
            assert words in text
        assert "last heard" in text
        await pilot.press("up", "1", "up")
        await pilot.press("alt+i")
        await pilot.pause()
        assert "/ip4/127.0.0.1/udp/52110" in text_of(app)

    run(look, size=(180, 70))


def test_names_of_others_are_shown_as_they_are_and_never_break_the_screen() -> None:
    nasty = [
        "[/x] [bold]not bold",
        safe_text("\x1b[31mred\x07\u202egnp"),
        "漢字かな交じり文" * 8,
        safe_text("e" + "\u0301" * 50),
        safe_text("x" * 10_000),
        "[link=https://example.org]click[/link]",
    ]
    shapes = tuple(StateShape(name, tags=(name,)) for name in nasty)
    clock = (1,) * len(nasty)
    made = []
    for slot, name in enumerate(nasty):
        key = MachineKey("p", slot)
        made.append(MachineRecord(NOW, key, name, shapes, "hearsay", (name,), clock=clock, reason=name))
        made.append(
            TransitionRecord(
                NOW, key, name, "add", (name,), True, (0,) * len(nasty), clock, source=f"{name}/{name}/9",
                args=((name, name),), handlers=(name,), log=((2, f"[state] +{name}"), (1, name)), error=name,
            )
        )  # fmt: skip
    history = history_of([PeerRecord(NOW, "p", "joined", nasty[0], nasty[0]), *made])

    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape")
        for at in range(len(nasty)):
            await pilot.press("down")
            await pilot.pause()
            assert app.view.machine is not None, at
        for key in (
            "2",
            "alt+e",
            "down",
            "down",
            "3",
            "enter",
            "escape",
            "4",
            "enter",
            "escape",
            "alt+i",
            "?",
        ):
            await pilot.press(key)
            await pilot.pause()
        assert "\x1b" not in text_of(app)

    for size in ((140, 40), (80, 24), (40, 10)):
        run(look, history=history, size=size)


def test_a_schema_that_changes_under_the_cursor_keeps_the_selected_state() -> None:
    history = fixed_history()

    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", *["down"] * 6)
        assert app.view.state == "Packed"
        record = app.view.live.machines[ORDER].record
        fewer = SCHEMAS["order"][2:]
        history.append([replace(record, states=fewer, clock=(1,) * len(fewer))])
        await until(pilot, lambda: "10 states" in text_of(app))
        node = app.panes["states"].nodes[app.panes["states"].cursor]
        assert node.text == "Packed"
        assert app.view.state == "Packed"

    run(look, history=history)


def test_every_size_from_tiny_to_huge_can_be_painted() -> None:
    for size in ((20, 5), (60, 20), (80, 24), (100, 30), (140, 40), (250, 70)):

        async def look(app: App, pilot: Pilot[int], size: tuple[int, int] = size) -> None:
            for key in ("1", "2", "3", "4", "enter", "escape", "+", "escape", "?", "escape"):
                await pilot.press(key)
                await pilot.pause()
            assert len(text_of(app).splitlines()) == size[1]

        run(look, size=size, history=history_of(records()))


def test_on_a_narrow_screen_the_answer_to_why_has_the_focus_and_escape_goes_back_to_the_machines() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "enter")
        await pilot.pause()
        assert app.focused is app.panes["why"]
        assert "Packed became active." in text_of(app)
        await pilot.press("escape")
        await pilot.pause()
        assert app.focused is app.panes["machines"]

    run(look, size=(80, 24))
