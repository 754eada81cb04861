from __future__ import annotations

from textual.pilot import Pilot

from amdbg_tui.app import App
from tests.tui.fixed_history import LIGHT, ORDER
from tests.tui.screens import run, text_of, words_of


def test_the_first_screen_shows_machines_under_peers_beside_states_and_log() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        text = text_of(app)
        assert "◆ demo-you" in text
        assert "Machines:9" in text
        assert "- worker-1" in text
        assert "order-4711 · 12 states" in text
        assert "├─●Start" in text
        assert "+Packed -Paid" in text
        assert "● LIVE" in text
        assert "Packed removes Paid." in text
        assert "#demo ● joined · 5 peers" in text

    run(look)


def test_an_own_machine_is_chosen_first_and_the_cursor_chooses_others() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        assert app.view.machine_key == ORDER
        await pilot.press("end")
        assert app.view.machine_key == LIGHT
        await pilot.pause()
        assert "TrafficLight · 7 states" in text_of(app)

    run(look)


def test_doubt_is_a_sign_and_a_word_not_only_a_colour() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        text = text_of(app)
        assert "expense-2207 ~ R|4" in words_of(app)
        assert "sensor-boiler ? ER|47" in words_of(app)
        assert "hearsay" in text
        assert "stale" in text
        app.view.select_machine(app.panes["machines"].lines[8].key)  # type: ignore[union-attr]
        app.update_panes()
        await pilot.pause()
        await pilot.pause()
        text = text_of(app)
        assert "hearsay: said by another peer only" in text
        assert "1~" in text  # on the clock itself

    run(look)


def test_letters_find_nested_machines_too() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("w", "o", "r", "k", "e", "r", "-", "2")
        await pilot.pause()
        machine = app.view.machine
        assert machine is not None
        assert machine.record.machine_id == "worker-2"

    run(look)
