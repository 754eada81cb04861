"""Small things of lists, prompt, filter and keys that went wrong once."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from textual.geometry import Offset
from textual.pilot import Pilot
from textual.scrollbar import ScrollTo
from textual.selection import Selection

from amdbg_tui import keymap
from amdbg_tui.app import App
from amdbg_tui.history.records import MachineRecord, PeerDetailRecord, replace
from amdbg_tui.node.commands import Command, Outcome, Preview
from tests.tui.fixed_history import LIGHT, NOW, ORDER, STREET, fixed_history
from tests.tui.pictures import AnsweringNode
from tests.tui.screens import run, text_of, until
from tests.tui.test_records import ticked


def test_a_machine_that_takes_the_place_of_one_with_the_same_schema_is_shown_with_its_own_clock() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        record = app.history.live.machines[ORDER].record
        fresh = replace(record, machine_id="order-4712", clock=(0, 7, 8, *(0,) * 9))
        history.append([fresh])
        await until(pilot, lambda: "order-4712 ·" in text_of(app))
        assert "Start    |7" in " ".join(text_of(app).split("├─●Start")[1].split("|")) or "|7" in text_of(app)
        assert app.panes["states"].row_version(2)[1] in (0, 7, 8)

    run(act, history=history)


class SlowNode(AnsweringNode):
    """Answers a mutation only when told to."""

    def __init__(self) -> None:
        super().__init__(outcome=Outcome("canceled", "Packed requires InStock"))
        self.pending: Future[Any] = Future()

    def call(self, command: Command) -> Future[Any]:
        if isinstance(command, Preview):
            return super().call(command)
        self.calls.append(command)
        return self.pending


def test_the_answer_to_a_mutation_is_shown_even_when_one_typed_on() -> None:
    node = SlowNode()

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("+", *"Packed", "enter", *" InS")
        node.pending.set_result(node.outcome)
        await until(pilot, lambda: "Canceled: +Packed · Packed requires InStock" in text_of(app))
        assert app.prompt.line.value == "Packed InS"

    run(act, node=node)


def many() -> list[Any]:
    history = [MachineRecord(NOW - 100, LIGHT, "light", fixed_history().live.machines[LIGHT].record.states,
                             "first-hand", clock=(0,) * 7)]  # fmt: skip
    return [*history, *(ticked(tick) for tick in range(400))]


def test_dragging_the_scroll_bar_ends_following() -> None:
    history = fixed_history()
    history.append([ticked(tick) for tick in range(20, 200)])

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("end", "3")
        await pilot.pause()
        assert app.view.is_live
        app.panes["records"].post_message(ScrollTo(y=5, animate=False))
        await until(pilot, lambda: not app.view.is_live)
        app.frame()
        await pilot.pause()
        assert app.panes["records"].scroll_offset.y == 5

    run(act, history=history)


def test_slash_in_the_records_goes_back_to_the_records() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("3", "/")
        await pilot.pause()
        assert "/ records ›" in text_of(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.focused is app.panes["records"]

    run(act, size=(140, 50))


def test_the_palette_key_can_be_changed_and_clashes_are_named() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await until(
            pilot,
            lambda: any(
                "slash is given to time.live and find.filter" in n.message for n in app._notifications
            ),
        )
        await pilot.press("f9")
        await until(pilot, lambda: len(app.screen_stack) == 2)

    run(act, keys={"app.palette": "f9", "time.live": "slash"})


def test_no_key_of_the_table_clashes_with_another() -> None:
    assert keymap.clashes({}) == []


def test_what_is_marked_in_a_list_shifted_sideways_is_what_is_copied() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        pane = app.panes["records"]
        await pilot.press("3")
        whole = pane.get_selection(Selection(Offset(0, 0), Offset(60, 0)))
        assert whole is not None
        pane.shift = 8
        line = pane.render_line(0)
        offsets = [
            segment.style.meta.get("offset") for segment in line if segment.style and segment.style.meta
        ]
        assert offsets[0][0] == 8  # the first column on the screen is the ninth of the row

    run(act)


def test_a_row_of_a_peers_messages_is_copied_with_its_kind() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        app.view.select_machine(None, STREET)
        app.action_pane("peer")
        await pilot.pause()
        rows = [app.panes["peer"].row_text(at) for at in range(app.panes["peer"].row_count())]
        assert any(row.startswith("updates") for row in rows)
        assert STREET in rows

    run(act, history=history)


def test_figures_of_a_peer_do_not_sort_the_machines_anew() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        lines = app.panes["machines"].lines
        detail = app.history.live.peers[STREET].detail
        assert isinstance(detail, PeerDetailRecord)
        history.append([replace(detail, round_trip_s=0.9)])
        app.frame()
        await pilot.pause()
        assert app.panes["machines"].lines is lines
        assert "900 ms" in text_of(app)

    run(act, history=history)
