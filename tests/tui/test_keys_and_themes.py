from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widget import Widget

from amdbg_tui import keymap, themes
from amdbg_tui.app import App
from amdbg_tui.panes.registry import BARS, PANES
from amdbg_tui.settings import Locations, Settings
from amdbg_tui.widgets.text_list import TextList
from tests.tui.fixed_history import NOW, fixed_history
from tests.tui.screens import run, text_of, until


def test_every_key_of_the_table_does_something_the_app_can_do() -> None:
    owners = {kind.pane_name: kind for kind in (*PANES, *BARS)}
    for key in keymap.KEYMAP:
        name = re.split(r"\(", key.action)[0]
        owner = owners[key.pane] if key.pane else App
        if key.pane == "machines" or not key.pane or key.pane in owners:
            assert hasattr(owner, f"action_{name}"), key.id
        assert key.group in keymap.GROUPS


def test_no_key_is_given_twice_and_single_letters_stay_free_for_searching() -> None:
    assert keymap.clashes({}) == []
    everywhere = [name for key in keymap.KEYMAP if not key.local for name in key.keys.split(",")]
    assert not [name for name in everywhere if len(name) == 1 and name.isalpha()]
    searching = {kind.pane_name for kind in PANES if kind.searchable}
    assert not [key.id for key in keymap.KEYMAP if key.local and key.pane in searching]


def test_the_help_is_made_from_the_table_and_names_changed_keys() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("f8")
        await pilot.pause()
        pane = app.screen.query_one("#help-keys", TextList)
        shown = "\n".join("".join(part for part, _ in row) for row in pane.rows)
        assert "  f8  " in shown
        assert "\n  ? " not in shown
        for key in keymap.KEYMAP:
            assert key.help in shown
        await pilot.press("escape")
        await pilot.pause()
        assert "order-4711 · 12 states" in text_of(app)

    run(look, keys={"app.help": "f8"})


def test_a_key_can_be_changed_and_the_old_one_is_free() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("alt+w")
        assert app.view.scope == "machine"
        await pilot.press("f7")
        assert app.view.scope == "peer"

    run(look, keys={"find.scope": "f7"})


def test_a_changed_key_without_a_meaning_is_named() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await until(pilot, lambda: any("no key called see.nothing" in n.message for n in app._notifications))

    run(look, keys={"see.nothing": "f7"})


def test_the_palette_finds_commands_and_themes() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        titles = [command.title for command in app.get_system_commands(app.screen)]
        assert "Live (space alt+v)" in titles
        assert "Theme: high-contrast" in titles
        await pilot.press("ctrl+p", *"theme: light")
        await pilot.pause(0.5)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.theme == "light")

    run(look)


def test_the_toolbar_is_used_without_a_mouse() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        app.switches.focus()
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: app.view.level == 3)
        await pilot.press("left", "left", "enter")
        await until(pilot, lambda: app.view.shows["gone"] is False)
        app.transport.focus()
        await pilot.press("right", "right", "enter")
        await until(pilot, lambda: not app.view.is_live)

    run(look)


def test_every_bundled_theme_is_whole_and_has_every_role() -> None:
    found, broken = themes.load_themes([themes.bundled_folder()])
    assert not broken
    assert {"dark", "light", "high-contrast", "terminal"} <= set(found)
    roles = set(found["dark"].variables)
    for theme in found.values():
        assert roles <= set(theme.variables), theme.name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("primary = 'nocolour'", "primary = 'nocolour' is not a colour"),
        ("primary = 3", "must be a colour in quotes"),
        ("primary = 'red'\n[variables]\nlit = 'x'", "variables.lit = 'x' is not a colour"),
        ("background = 'red'", "primary is missing"),
        ("primary = 'red'\ncolour = 'red'", "no use for colour"),
        ("primary = ", "Invalid value"),
        ("primary = 'red'\ndark = 'yes'", "dark must be true or false"),
    ],
)
def test_a_broken_theme_is_left_out_and_named_with_its_fault(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    found, broken = themes.load_themes([themes.bundled_folder(), tmp_path])
    assert "mine" not in found
    assert words in str(broken[0])
    assert "mine.toml" in str(broken[0])


def test_ones_own_theme_is_used_and_what_it_leaves_out_is_the_dark_themes(tmp_path: Path) -> None:
    folder = tmp_path / "themes"
    folder.mkdir()
    (folder / "mine.toml").write_text("primary = '#123456'\n[variables]\nstate-active = '#ff00ff'\n")
    (folder / "broken.toml").write_text("primary = 'nocolour'")
    locations = Locations(config=tmp_path, state=tmp_path)

    async def look(app: App, pilot: Pilot[int]) -> None:
        assert app.theme == "mine"
        assert app.paint.style("active").color.triplet.hex == "#ff00ff"  # type: ignore[union-attr]
        assert app.paint.style("inactive").color.triplet.hex == "#4fbf5f"  # type: ignore[union-attr]
        await until(pilot, lambda: any("broken.toml" in n.message for n in app._notifications))

    run(look, settings=Settings(theme="mine"), locations=locations)


def test_a_theme_that_does_not_exist_is_said_and_the_dark_one_used() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        assert app.theme == "dark"
        await until(pilot, lambda: any("no theme nope" in n.message for n in app._notifications))

    run(look, theme="nope")


def test_themes_change_while_it_runs() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        before = app.paint
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert app.theme != "dark"
        assert app.paint is not before

    run(look)


def test_the_row_under_the_cursor_is_copied() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("alt+c")
        assert app.clipboard.endswith("/order-4711")
        await pilot.press("2", "down", "alt+c")
        assert app.clipboard == "Exception 2"

    run(look)


def test_what_was_selected_with_the_mouse_is_copied_before_ctrl_c_leaves() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.mouse_down(app.panes["records"], offset=(3, 2))
        await pilot.hover(app.panes["records"], offset=(15, 2))
        await pilot.mouse_up(app.panes["records"], offset=(15, 2))
        await pilot.pause()
        await pilot.press("ctrl+c")
        assert app.clipboard.startswith("58:")
        assert app.is_running
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert app.return_code == 0

    run(look)


def test_nothing_ticks_while_nothing_happens() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        await pilot.pause(0.3)
        painted = app.frames.painted
        await pilot.pause(0.5)
        assert app.frames.painted == painted
        assert app._glow_timer is None

    run(look, history=fixed_history(), now=lambda: NOW + 100)


def test_a_change_of_focus_paints_the_two_panes_and_not_the_whole_screen() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        screen, whole = app.screen, []
        refresh = screen.refresh

        def watched(*regions: Region, **how: bool) -> Widget:
            if not regions:
                whole.append(how)
            return refresh(*regions, **how)

        screen.refresh = watched  # type: ignore[method-assign]
        framed = []
        for _ in range(5):
            await pilot.press("tab")
            await pilot.pause()
            framed.append(text_of(app).count("╔"))
            assert app.focused is not None
            assert app.focused.has_focus
        assert sorted(framed) == [0, 1, 1, 1, 1]  # a toolbar has no frame
        assert whole == []

    run(look)
