"""The stream of records: following, filters, log lines under their record, reading back, and what it says when there is nothing."""

from __future__ import annotations

import re

from textual.pilot import Pilot

from amdbg_tui.app import App
from amdbg_tui.history.records import MachineKey, MachineRecord, TransitionRecord, replace
from amdbg_tui.panes.records import RecordsPane
from tests.tui.fixed_history import LIGHT, NOW, ORDER, SCHEMAS, STREET, fixed_history
from tests.tui.screens import history_of, run, text_of, until


def ticked(tick: int, key: MachineKey = LIGHT, at_s: float = NOW) -> TransitionRecord:
    before = (1, 1, tick, 0, 0, 0, 0)
    after = (1, 1, tick + 1, 0, 0, 0, 0)
    return TransitionRecord(
        at_s, key, "", "clock", (), True, before, after, derived=True, source=STREET, trust="first-hand"
    )


def light() -> MachineRecord:
    return MachineRecord(NOW - 100, LIGHT, "light", SCHEMAS["light"], "first-hand", clock=(0,) * 7)


def records_of(app: App) -> RecordsPane:
    pane = app.panes["records"]
    assert isinstance(pane, RecordsPane)
    return pane


def ticks(app: App) -> list[int]:
    return [moment.record.after[2] for moment in records_of(app).window.moments]


def test_new_records_come_at_the_end_until_one_holds_still() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("end", "3")
        history.append([ticked(20)])
        await until(pilot, lambda: ticks(app)[-1] == 21)
        await pilot.press("space")
        held = app.view.machine
        assert held is not None
        clock = held.clock
        history.append([ticked(21), ticked(22)])
        await until(pilot, lambda: "· 2 newer" in text_of(app))
        assert app.view.machine is not None
        assert app.view.machine.clock == clock
        await pilot.press("space")
        await until(pilot, lambda: app.view.machine.clock[2] == 23)  # type: ignore[union-attr]

    run(act, history=history)


def test_moving_up_goes_into_the_past_and_the_end_key_comes_back() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "up")
        assert not app.view.is_live
        await pilot.press("end")
        assert app.view.is_live

    run(act)


def test_log_lines_unfold_under_their_record_by_level() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        assert "[handler:0]" not in text_of(app).split("Why")[0]
        await pilot.press("]", "3")
        await pilot.pause()
        assert "log ops" in text_of(app)
        assert any(
            "[handler:0] PackedState" in records_of(app).row_text(at)
            for at in range(records_of(app).row_count())
        )
        await pilot.press("[", "[", "[")
        await pilot.pause()
        assert all(place == 0 or place < 100 for _, place, _, _ in records_of(app).rows)

    run(act)


def test_the_scope_goes_from_machine_to_peer_to_everything() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3")
        titles = []
        for _ in range(3):
            found = re.search(r"Records · (\S+)", text_of(app))
            assert found is not None
            titles.append(found.group(1))
            await pilot.press("alt+w")
            await pilot.pause()
        assert titles == ["order-4711", "demo-you", "everything"]

    run(act)


def test_a_filter_narrows_highlights_and_escape_drops_it() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "/")
        await pilot.press(*"declined")
        await until(pilot, lambda: "like declined" in text_of(app))
        pane = records_of(app)
        assert {row[0].record.error for row in pane.rows} == {"PaymentRefused: card 4111 was declined"}
        lit = [text for text, look in pane.build_row(1, 100) if "reverse" in look]
        assert lit == ["declined"]
        assert "1 of 9" in text_of(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.focused is pane
        await pilot.press("escape")
        await until(pilot, lambda: "like declined" not in text_of(app))
        assert app.focused is pane

    run(act)


def test_a_filter_without_a_match_says_so_and_how_to_drop_it() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "/", *"nowhere", "enter")
        await until(pilot, lambda: "nothing like nowhere here: esc clears" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: len(records_of(app).window.moments) == 9)

    run(act)


def test_a_filter_that_is_not_understood_says_what_it_knows() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "/", *"stat:Paid")
        await until(pilot, lambda: "there is no field stat" in text_of(app))

    run(act, size=(160, 45))


def test_refused_ones_are_found_by_a_word() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "/", *"is:refused", "enter")
        await until(pilot, lambda: len(records_of(app).window.moments) == 1)
        assert not records_of(app).window.moments[0].record.accepted

    run(act)


def test_only_the_records_of_a_state_or_without_canceled_ones() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", *["down"] * 6, "alt+y")
        await pilot.pause()
        assert app.view.state == "Packed"
        assert len(records_of(app).window.moments) == 2
        await pilot.press("alt+z")
        await pilot.pause()
        assert len(records_of(app).window.moments) == 1

    run(act)


def test_any_record_can_be_reached_by_scrolling_back_and_on_again() -> None:
    history = history_of([light(), *(ticked(tick) for tick in range(9_000))])

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape", "3")
        pane = records_of(app)
        for _ in range(40):
            pane.cursor = 1
            pane.moved_by_hand()
            if not pane.window.more_before:
                break
        assert ticks(app)[0] == 1
        assert len(pane.window.moments) <= 3_300
        assert not app.view.is_live
        for _ in range(40):
            pane.cursor = len(pane.rows) - 1
            pane.moved_by_hand()
            if not pane.window.more_after:
                break
        assert ticks(app)[-1] == 9_000

    run(act, history=history)


def test_the_wheel_at_the_first_row_reads_older_records() -> None:
    history = history_of([light(), *(ticked(tick) for tick in range(900))])

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape", "3")
        pane = records_of(app)
        before = len(pane.window.moments)
        pane.reached_top()
        assert len(pane.window.moments) > before

    run(act, history=history)


def test_home_goes_to_the_first_record_that_is_kept_at_once() -> None:
    history = history_of([light(), *(ticked(tick) for tick in range(2_000))])

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape", "3", "home")
        await pilot.pause()
        assert app.view.machine is not None
        assert app.view.machine.clock[2] == 1

    run(act, history=history)


def test_a_rare_match_far_back_is_found_without_a_key_being_pressed() -> None:
    rare = replace(ticked(0), after=(1, 1, 0, 1, 0, 0, 0), before=(1, 1, 0, 0, 0, 0, 0))
    history = history_of([light(), rare, *(ticked(tick) for tick in range(26_000))])

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape", "3", "/", *"redamber", "enter")
        await until(pilot, lambda: records_of(app).search_on() or bool(records_of(app).window.moments), 100)
        for _ in range(20):
            records_of(app).search_on()
        app.update_panes()
        assert [moment.record.after[3] for moment in records_of(app).window.moments] == [1]

    run(act, history=history)


def test_a_flood_keeps_the_list_bounded_and_the_newest_in_sight() -> None:
    history = history_of([light()])

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape", "3")
        for start in range(0, 6_000, 1_000):
            history.append([ticked(tick) for tick in range(start, start + 1_000)])
            app.frame()
            await pilot.pause()
        assert ticks(app)[-1] == 6_000
        assert len(records_of(app).rows) <= 3_300
        assert records_of(app).cursor == len(records_of(app).rows) - 1

    run(act, history=history)


def test_rows_that_other_machines_push_out_of_a_refresh_are_read_from_the_recording() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        assert app.view.machine_key == ORDER
        clock = app.view.live.machines[ORDER].clock
        after = (*clock[:-1], clock[-1] + 2)
        mine = TransitionRecord(NOW, ORDER, "m", "add", ("Reminded",), True, clock, after)
        history.append([mine, *(ticked(tick) for tick in range(20, 4_020))])
        app.frame()
        await pilot.pause()
        assert records_of(app).window.moments[-1].record.after == after

    run(act, history=history)


def test_the_topic_machine_is_a_machine_like_any_other() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("up")
        await pilot.pause()
        text = text_of(app)
        assert "topic-demo · 13 states" in text
        assert "+MsgReceived" in text

    run(act, size=(160, 45))


def test_automatic_records_that_came_to_nothing_are_left_out_unless_asked_for() -> None:
    history = fixed_history()
    clock = history.live.machines[ORDER].clock
    vain = TransitionRecord(NOW, ORDER, "v", "add", ("Shipped",), False, clock, clock, auto=True)
    history.append([vain])

    async def act(app: App, pilot: Pilot[int]) -> None:
        last = lambda: records_of(app).window.moments[-1].record  # noqa: E731
        assert last() != vain
        await pilot.press("alt+u")
        await until(pilot, lambda: last() == vain)
        await pilot.press("alt+u")
        await until(pilot, lambda: not any(moment.record.auto for moment in records_of(app).window.moments))

    run(act, history=history)


def test_old_records_keep_the_names_of_their_time() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        record = app.view.live.machines[ORDER].record
        renamed = tuple(
            replace(shape, name=f"New{shape.name}", require=(), add=(), remove=(), after=())
            for shape in record.states
        )
        history.append([replace(record, states=renamed, clock=(0,) * len(renamed))])
        await until(pilot, lambda: "NewPacked" in text_of(app))
        await pilot.press("3")
        rows = [records_of(app).row_text(at) for at in range(records_of(app).row_count())]
        assert any("+Packed -Paid" in row for row in rows)
        assert not any("+NewPacked" in row for row in rows)

    run(act, history=history)


def test_nothing_is_cut_in_a_row_at_any_width() -> None:
    wanted = {"+Packed", "-Paid", "by=mo", "boxes=2", "hand"}
    for width in (69, 80, 100, 120, 150, 220):

        async def act(app: App, pilot: Pilot[int]) -> None:
            await pilot.press("3")
            await pilot.pause()
            pane = records_of(app)
            last = pane.window.moments[-1].number
            rows = [at for at in range(pane.row_count()) if pane.rows[at][0].number == last]
            texts = ["".join(text for text, _ in pane.build_row(at, pane.row_width)) for at in rows]
            assert all(len(text.rstrip()) <= pane.row_width for text in texts), (pane.row_width, texts)
            assert wanted <= set(" ".join(texts).split()), texts

        run(act, size=(width, 24 if width < 100 else 45))
