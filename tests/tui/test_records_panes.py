"""Log and transitions: following, freezing, filters, levels, scope, and why something happened."""

from __future__ import annotations

import re

from textual.pilot import Pilot

from amdbg_tui.app import App
from amdbg_tui.history.records import MachineKey, MachineRecord, TransitionRecord
from tests.tui.fixed_history import LIGHT, NOW, ORDER, SCHEMAS, STREET, fixed_history
from tests.tui.screens import history_of, run, text_of, until


def ticked(tick: int, key: MachineKey = LIGHT) -> TransitionRecord:
    before = (1, 1, tick, 0, 0, 0, 0)
    after = (1, 1, tick + 1, 0, 0, 0, 0)
    return TransitionRecord(
        NOW, key, "", "clock", (), True, before, after, derived=True, source=STREET, trust="first-hand"
    )


def test_new_records_come_at_the_end_until_it_is_frozen() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("end", "4")
        history.append([ticked(20)])
        await until(pilot, lambda: app.transitions.rows[-1][0].record.at_s == NOW)
        await pilot.press("space")
        rows = len(app.transitions.rows)
        history.append([ticked(21), ticked(22)])
        await until(pilot, lambda: "Paused · 2 new" in text_of(app))
        assert len(app.transitions.rows) == rows
        await pilot.press("space")
        await until(pilot, lambda: app.transitions.rows[-1][0].record.after[2] == 23)

    run(act, history=history)


def test_moving_up_in_the_log_freezes_and_the_end_key_follows_again() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "up")
        assert not app.view.following
        await pilot.press("end")
        assert app.view.following

    run(act)


def test_levels_show_more_and_less_of_the_log() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        assert "[handler:0]" not in text_of(app)
        await pilot.press("]")
        await pilot.pause()
        assert "Log:ops" in text_of(app)
        assert "[handler:0] PackedState" in text_of(app)
        await pilot.press("[", "[")
        await pilot.pause()
        assert "Log:external" in text_of(app)
        assert "[state]" not in text_of(app)

    run(act)


def test_the_scope_goes_from_machine_to_peer_to_everything() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3")
        titles = []
        for _ in range(3):
            found = re.search(r"Log:changes · (\S+)", text_of(app))
            assert found is not None
            titles.append(found.group(1))
            await pilot.press("alt+w")
            await pilot.pause()
        assert titles == ["order-4711", "demo-you", "everything"]

    run(act)


def test_a_filter_narrows_the_log_to_a_text_and_escape_drops_it() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "/")
        await pilot.press(*"declined")
        await until(pilot, lambda: "like declined" in text_of(app))
        assert {row[0].record.error for row in app.log_pane.rows} == {
            "PaymentRefused: card 4111 was declined"
        }
        await pilot.press("escape")
        await until(pilot, lambda: "like declined" not in text_of(app))
        assert app.focused is app.log_pane

    run(act)


def test_only_the_records_of_a_state_or_without_canceled_ones() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("2", *["down"] * 6, "alt+y")
        await pilot.pause()
        assert app.view.state == "Packed"
        assert len(app.log_pane.rows) == 2
        await pilot.press("alt+z")
        await pilot.pause()
        assert len(app.log_pane.rows) == 1

    run(act)


def test_a_canceled_transition_says_which_relation_was_in_the_way() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "up", "up", "enter")
        await pilot.pause()
        text = text_of(app)
        assert "Canceled: nothing was done." in text
        assert "Packed requires InStock, which was not active." in text
        assert "You asked to add Packed." in text
        await pilot.press("escape")
        await pilot.pause()
        assert "Canceled: nothing was done." not in text_of(app)

    run(act)


def test_an_executed_transition_tells_states_relations_handlers_and_arguments() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "enter")
        await pilot.pause()
        text = text_of(app)
        assert "Packed became active." in text
        assert "Packed removes Paid." in text
        assert "Handlers, in order: PaidExit → PackedEnter → PackedState" in text
        assert "boxes 2" in text

    run(act)


def test_a_derived_record_does_not_pretend_to_know_more() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("end", "3", "enter")
        await pilot.pause()
        text = text_of(app)
        assert "Derived from a clock that changed; its own peer said so" in text
        assert "not available here" in text

    run(act)


def test_older_records_are_read_when_one_scrolls_to_the_first() -> None:
    machine = MachineRecord(NOW - 100, LIGHT, "light", SCHEMAS["light"], "first-hand", clock=(0,) * 7)
    history = history_of([machine, *(ticked(tick) for tick in range(700))])

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape", "4")
        assert len(app.transitions.rows) == 200
        await pilot.press("home")
        await until(pilot, lambda: len(app.transitions.rows) == 400)
        await pilot.press("home")
        await until(pilot, lambda: len(app.transitions.rows) == 600)
        await pilot.press("home", "home")
        await until(pilot, lambda: len(app.transitions.rows) == 700)
        assert not app.view.following

    run(act, history=history)


def test_a_flood_keeps_the_list_bounded_and_the_newest_in_sight() -> None:
    machine = MachineRecord(NOW - 100, LIGHT, "light", SCHEMAS["light"], "first-hand", clock=(0,) * 7)
    history = history_of([machine])

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("escape", "4")
        for start in range(0, 6_000, 1_000):
            history.append([ticked(tick) for tick in range(start, start + 1_000)])
            app.frame()
            await pilot.pause()
        assert app.transitions.rows[-1][0].record.after[2] == 6_000
        assert len(app.transitions.rows) <= 3_000
        assert app.view.live.machines[LIGHT].transitions == 6_000

    run(act, history=history)


def test_the_topic_machine_is_a_machine_like_any_other() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        assert app.view.machine_key == ORDER
        await pilot.press("up")
        await pilot.pause()
        text = text_of(app)
        assert "topic-demo · Schema:13" in text
        assert "+MsgReceived +ProcessMsgs" in text

    run(act)


def test_automatic_records_that_came_to_nothing_are_left_out_unless_asked_for() -> None:
    history = fixed_history()
    clock = history.live.machines[ORDER].clock
    vain = TransitionRecord(NOW, ORDER, "v", "add", ("Shipped",), False, clock, clock, auto=True)
    history.append([vain])

    async def act(app: App, pilot: Pilot[int]) -> None:
        last = lambda: app.log_pane.rows[-1][0].record  # noqa: E731
        assert last() != vain
        await pilot.press("alt+u")
        await until(pilot, lambda: last() == vain)
        await pilot.press("alt+u")
        await until(pilot, lambda: not any(row[0].record.auto for row in app.log_pane.rows))

    run(act, history=history)
