"""One moment for the whole screen: every pane obeys it, and there are many ways to get there."""

from __future__ import annotations

from textual.pilot import Pilot

from amdbg_tui.app import App
from amdbg_tui.panes.machines import MachinesPane
from amdbg_tui.panes.states import StatesPane
from amdbg_tui.panes.states_tree import matrix_cells
from amdbg_tui.panes.time_bar import TimeBar
from amdbg_tui.panes.why import WhyPane
from tests.tui.fixed_history import LIGHT, NOW, ORDER, START, fixed_history
from tests.tui.screens import history_of, run, text_of, until
from tests.tui.test_records import records_of, ticked

BIG = (150, 45)


def bar_of(app: App) -> TimeBar:
    bar = app.panes["time"]
    assert isinstance(bar, TimeBar)
    return bar


def states_of(app: App) -> StatesPane:
    pane = app.panes["states"]
    assert isinstance(pane, StatesPane)
    return pane


def why_of(app: App) -> WhyPane:
    pane = app.panes["why"]
    assert isinstance(pane, WhyPane)
    return pane


def why_text(app: App) -> str:
    return "\n".join("".join(text for text, _ in row) for row in why_of(app).rows)


def at_s(app: App) -> float:
    return app.view.now.wall_s


async def to_the_refused_one(pilot: Pilot[int]) -> None:
    await pilot.press("(")
    await pilot.pause()


def test_every_pane_shows_the_same_moment() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        assert "● LIVE" in text_of(app)
        await to_the_refused_one(pilot)
        text = text_of(app)
        assert "◀ AT 23:59:29.000" in text
        assert "newer" in text
        assert "at 23:59:29" in text.splitlines()[1]  # machines
        assert "Canceled: nothing was done." in why_text(app)
        machine = app.view.machine
        assert machine is not None
        assert machine.is_active("Paid")
        assert not machine.is_active("InStock")
        assert "├─●Paid" in text
        assert "├──InStock" in text
        assert "· t10" in text
        pane = records_of(app)
        newest = pane.window.moments[-1].number
        rows = [at for at in range(pane.row_count()) if pane.rows[at][0].number == newest]
        assert {look for at in rows for _, look in pane.build_row(at, 60)} == {"faint"}

    run(act, size=BIG)


def test_flags_and_states_of_other_machines_and_peers_follow_the_moment() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        now = text_of(app)
        assert "◐ sensors" in now
        app.go("23:58:02")
        await pilot.pause()
        then = text_of(app)
        assert "◐ sensors" not in then
        assert "● printer" in then or "○ printer" in then
        assert "order-4711         ◆   " in then  # not ready yet: no flag

    run(act, size=BIG)


def test_records_step_by_step_and_back_to_the_present() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        seen = []
        for _ in range(3):
            await pilot.press("left")
            seen.append(round(at_s(app) - START))
        assert seen == [111, 98, 89]
        await pilot.press("right", "right")
        assert round(at_s(app) - START) == 111
        await pilot.press("right")
        assert app.view.is_live
        await pilot.press("right")
        await until(pilot, lambda: any("This is the present" in n.message for n in app._notifications))

    run(act, size=BIG)


def test_steps_walk_through_a_record_and_across_its_borders_both_ways() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("left", "2", "alt+j")
        await pilot.pause()
        steps = app.view.history.moment(app.view.chosen.record).record.steps  # type: ignore[union-attr]
        assert app.view.chosen.step == len(steps) == 9
        assert "step 9 of 9" in text_of(app)
        assert "▶" in why_text(app)
        shown = [node.text for node in states_of(app).nodes if node.kind == "state"]
        assert set(shown[:4]) == {"Ready", "Paid", "Packed", "InStock"}  # what it touched comes first
        for _ in range(8):
            await pilot.press("alt+j")
        assert app.view.chosen.step == 1
        first = app.view.chosen.record
        await pilot.press("alt+j")
        assert app.view.chosen.record < first
        await pilot.press("alt+k")
        assert (app.view.chosen.record, app.view.chosen.step) == (first, 1)
        await pilot.press("alt+k", "escape")
        assert app.view.chosen.step == 0

    run(act, size=BIG)


def test_jumps_go_by_the_lit_state_else_by_fifty() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", *"packed", "alt+h")
        assert round(at_s(app) - START) == 111
        await pilot.press("alt+h")
        assert round(at_s(app) - START) == 89  # asked for and refused counts
        await pilot.press("alt+l")
        assert round(at_s(app) - START) == 111

    run(act, size=BIG)

    history = history_of(
        [fixed_history().live.machines[LIGHT].record, *(ticked(t, at_s=NOW - 200 + t) for t in range(200))]
    )

    async def fifty(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape", "alt+h")
        first = app.view.machine.clock[2]  # type: ignore[union-attr]
        await pilot.press("alt+h")
        assert app.view.machine.clock[2] == first - 50  # type: ignore[union-attr]
        await pilot.press("alt+l")
        assert app.view.machine.clock[2] == first  # type: ignore[union-attr]

    run(fifty, history=history, size=BIG)


def test_errors_and_refusals_are_found_by_a_key_and_when_there_is_none_it_says_so() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("!")
        assert round(at_s(app) - START) == 41
        await pilot.press("}")
        await until(
            pilot,
            lambda: any("There is no error of order-4711 after" in n.message for n in app._notifications),
        )
        await pilot.press(")")
        assert round(at_s(app) - START) == 89

    run(act, size=BIG)


def test_a_moment_is_typed_as_a_time_a_share_a_tick_a_number_or_how_long_ago() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+g", *"23:59:30", "enter")
        await pilot.pause()
        assert 88 <= at_s(app) - START <= 90
        for text, seconds in (("50%", 60), ("t10", 58), ("0%", 0), ("100%", 119)):
            app.go(text)
            assert abs(at_s(app) - START - seconds) <= 1.5, (text, at_s(app) - START)
        app.go("-30s")
        assert abs(at_s(app) - START - 89) <= 2
        app.go("#100")
        assert app.view.chosen.moment == 100
        app.go("next tuesday")
        await until(
            pilot, lambda: any("next tuesday: write 16:58:28" in n.message for n in app._notifications)
        )

    run(act, size=BIG)


def test_bookmarks_are_put_found_shown_and_taken_away() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await to_the_refused_one(pilot)
        number = app.view.chosen.moment
        await pilot.press("alt+b", *"odd", "enter")
        await pilot.pause()
        assert [(mark.number, mark.text) for mark in app.history.bookmarks] == [(number, "odd")]
        await pilot.press("space", "<")
        assert app.view.chosen.moment == number
        await pilot.press("left", "left", "left")
        await pilot.pause()
        assert "m" in "".join(text for text, _ in bar_of(app)._marks_row())
        app.go("odd")
        assert app.view.chosen.moment == number
        await pilot.press("alt+b")
        assert app.history.bookmarks == []

    run(act, size=BIG)


def test_one_looks_back_while_the_network_goes_on_and_plays_to_the_present() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("left", "left")
        held = app.view.chosen.moment
        history.append([ticked(tick) for tick in range(20, 60)])
        app.frame()
        await pilot.pause()
        assert app.view.chosen.moment == held
        assert app.history.live.machines[LIGHT].clock[2] == 60
        await pilot.press("f5")
        assert app.view.playing
        assert "▶ PLAY" in text_of(app) or app.view.playing
        for _ in range(4):
            app._play()
        assert app.view.is_live
        assert not app.view.playing

    run(act, history=history, size=BIG)


def test_back_and_forward_go_through_what_was_looked_at() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        first = app.view.chosen
        await pilot.press("left")
        await pilot.press("1", "end")
        second = app.view.chosen
        assert second.machine == LIGHT
        await pilot.press("alt+comma")
        assert app.view.chosen.machine == ORDER
        await pilot.press("alt+comma")
        assert (app.view.chosen.machine, app.view.chosen.moment) == (first.machine, None)
        await pilot.press("alt+full_stop", "alt+full_stop")
        assert app.view.chosen == second

    run(act, size=BIG)


def test_another_machine_is_opened_at_the_same_moment() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await to_the_refused_one(pilot)
        moment = app.view.chosen.moment
        await pilot.press("1", "end")
        await pilot.pause()
        assert app.view.machine_key == LIGHT
        assert app.view.chosen.moment == moment
        current = records_of(app).current()
        assert current is not None
        assert current.record.key == LIGHT
        assert current.number <= (moment or 0)
        assert abs(current.record.at_s - at_s(app)) < 10

    run(act, size=BIG)


def test_an_address_that_was_copied_brings_everything_back() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", *"packed")
        await to_the_refused_one(pilot)
        await pilot.press("f3")
        address = app.clipboard
        assert address.startswith("mach://12D3KooWDemoSelf")
        assert "state=Packed" in address
        chosen = app.view.chosen
        await pilot.press("space", "1", "end")
        assert app.view.chosen != chosen
        app.go(address)
        assert app.view.chosen == chosen
        app.go("mach://street/TrafficLight")
        assert app.view.machine_key == LIGHT
        app.go("mach://nobody/here")
        await until(pilot, lambda: any("no peer nobody here" in n.message for n in app._notifications))

    run(act, size=BIG)


def test_the_time_bar_has_density_marks_and_a_cursor_and_is_clicked_dragged_and_wheeled() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        bar = bar_of(app)
        marks = "".join(text for text, _ in bar._marks_row())
        assert "!" in marks
        assert "✗" in marks or marks.count("!") >= 2
        assert sum(bucket.records for bucket in bar.buckets) == app.history.live.transitions
        await pilot.click(bar, offset=(60, 1))
        await pilot.pause()
        assert not app.view.is_live
        clicked = app.view.chosen.moment
        assert bar.head in (58, 59)
        bar.go_to_column(20)
        await pilot.pause()
        assert app.view.chosen.moment < clicked  # type: ignore[operator]
        before = records_of(app).window.index_at(app.view.chosen.moment or 0)
        await app.run_action("record(5)")
        assert records_of(app).window.index_at(app.view.chosen.moment or 0) in (before + 4, before + 5)
        bar.go_to_column(len(bar.buckets) - 1)
        assert app.view.is_live

    run(act, size=BIG)


def test_the_time_bar_zooms_around_the_moment() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await to_the_refused_one(pilot)
        await pilot.press("5", *["z"] * 5)
        await pilot.pause()
        begin, end = bar_of(app).span_s
        assert end - begin <= 61
        assert begin <= at_s(app) <= end

    run(act, size=BIG)


def test_the_time_bar_reads_the_recording_now_and_then_and_not_with_every_key() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        read = bar_of(app).read
        for _ in range(30):
            await pilot.press("left")
        assert bar_of(app).read - read <= 1

    run(act, size=BIG)


def test_lanes_say_by_signs_when_a_state_was_active() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", "ctrl+down")
        await pilot.pause()
        lanes = states_of(app).lanes
        machine = app.view.machine
        assert machine is not None

        def cells(name: str) -> str:
            return "".join(text for text, _ in lanes.rows[machine.index[name]])

        assert cells("Packed").count("✗") == 1
        assert cells("Packed").count("+") == 1
        assert cells("Packed").rstrip().endswith("━") or "+" in cells("Packed")[-8:]
        assert cells("Paid").replace("·", "").startswith("+━")
        assert cells("Paid").rstrip("· ").endswith("-")
        assert "━" not in cells("Shipped")
        await to_the_refused_one(pilot)
        assert "┃" in "".join(text for text, _ in states_of(app).lanes.rows[0])

    run(act, size=BIG)


def test_lanes_zoom_and_pan_and_a_click_on_one_goes_to_that_record() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        pane = states_of(app)
        wide = pane.lanes.end_s - pane.lanes.begin_s
        await pilot.press("2", "ctrl+up")
        assert pane.lanes.end_s - pane.lanes.begin_s < wide
        end = pane.lanes.end_s
        await pilot.press("ctrl+left")
        assert pane.lanes.end_s < end
        await pilot.press("ctrl+right", "ctrl+down", "ctrl+down")
        machine = app.view.machine
        assert machine is not None
        row = next(at for at, node in enumerate(pane.nodes) if node.text == "Packed" and node.kind == "state")
        column = pane._lane_column(machine, pane.row_width)
        cells = "".join(text for text, _ in pane.lanes.rows[machine.index["Packed"]])
        assert pane.clicked(row, column + cells.index("✗"))
        assert app.view.state == "Packed"
        assert round(at_s(app) - START) == 89

    run(act, size=BIG)


def test_rain_has_am_dbgs_signs_a_record_a_column() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", "alt+r")
        await pilot.pause()
        lanes, machine = states_of(app).lanes, app.view.machine
        assert machine is not None
        rows = {
            name: "".join(text for text, _ in lanes.rows[at]).rstrip() for name, at in machine.index.items()
        }
        assert rows["Packed"] == "......c.2"
        assert rows["Placed"] == ".2111|..."
        assert rows["Paid"][-1] == "|"
        assert "rain" in text_of(app)
        await pilot.press("alt+r")
        assert states_of(app).mode == "lanes"

    run(act, size=BIG)


def test_the_matrix_shows_relations_and_names_only_has_guides() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", "alt+m", "alt+m")
        await pilot.pause()
        assert states_of(app).mode == "matrix"
        pane, machine = states_of(app), app.view.machine
        assert machine is not None
        cells = [text.strip() for text, _ in matrix_cells(machine, machine.index["Packed"], "", 60)]
        assert cells[machine.index["InStock"]] == "r"
        assert cells[machine.index["Paid"]] == "R"
        assert cells[machine.index["Packed"]] == "╲"
        await pilot.press("alt+m", "alt+m")
        assert pane.mode == "lanes"

    run(act, size=BIG)


def test_several_machines_stand_on_one_axis() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", "alt+s", "1", "end")
        await pilot.pause()
        assert app.view.machine_key == LIGHT
        pane = states_of(app)
        beside = [node.text for node in pane.nodes if node.kind == "beside"]
        assert "Packed" in beside
        assert pane._beside_lanes[ORDER].begin_s == pane.lanes.begin_s
        assert "order-4711" in text_of(app)

    run(act, size=(150, 60))


def test_why_leads_to_what_it_came_from_and_backspace_back() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await to_the_refused_one(pilot)
        await pilot.press("4")
        pane = why_of(app)
        assert "Packed requires InStock, which was not active." in why_text(app)
        assert "It may work after" in why_text(app)
        row = next(row for row, target in pane.targets.items() if target.record and not target.step)
        here = app.view.chosen.moment
        pane.go(row)
        await pilot.press("enter")
        assert app.view.chosen.moment < here  # type: ignore[operator]
        await pilot.press("backspace")
        assert app.view.chosen.moment == here

    run(act, size=BIG)


def test_what_would_help_is_one_key_from_the_prompt() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await to_the_refused_one(pilot)
        pane = why_of(app)
        row = next(row for row, target in pane.targets.items() if target.states)
        await pilot.press("4")
        pane.go(row)
        await pilot.press("enter")
        await pilot.pause()
        assert app.prompt.display
        assert app.prompt.line.value == "InStock "

    run(act, size=BIG)


def test_opening_why_moves_no_other_pane() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        regions = {name: pane.region for name, pane in app.panes.items() if pane.display}
        await pilot.press("3", "up", "enter")
        await pilot.pause()
        assert app.focused is why_of(app)
        assert {name: pane.region for name, pane in app.panes.items() if pane.display} == regions

    run(act, size=BIG)


def test_machines_sort_by_activity_and_errors_and_peers_fold() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        pane = app.panes["machines"]
        assert isinstance(pane, MachinesPane)

        def first() -> str:
            return next(
                pane.search_text(at) for at, line in enumerate(pane.lines) if line.key and line.key.slot >= 0
            )

        await pilot.press("alt+a")
        await pilot.pause()
        assert "by activity" in text_of(app)
        await pilot.press("alt+a")
        await pilot.pause()
        assert first() == "sensor-boiler"
        await pilot.press("alt+a", "home", "alt+f")
        await pilot.pause()
        assert "▸ demo-you" in text_of(app)
        assert "order-4711" not in [pane.search_text(at) for at in range(len(pane.lines))]

    run(act, size=BIG)


def test_the_mode_is_the_last_thing_a_narrow_screen_drops() -> None:
    for width in (40, 60, 80, 100, 120):

        async def act(app: App, pilot: Pilot[int]) -> None:
            assert "● LIVE" in text_of(app).splitlines()[-1]
            await pilot.press("left")
            await pilot.pause()
            assert "◀ AT 23:59:51" in text_of(app).splitlines()[-1]

        run(act, size=(width, 24))
