from __future__ import annotations

from textual.pilot import Pilot

from amdbg_tui.app import App
from amdbg_tui.node.commands import Forecast, Mutate, Outcome, Preview, Watch
from amdbg_tui.panes.entry import candidates, complete, understand
from tests.tui.fixed_history import LIGHT, ORDER
from tests.tui.pictures import AnsweringNode
from tests.tui.screens import run, text_of, until

NAMES = ("Start", "Ready", "Shipped", "ErrShip", "InStock")


def test_states_come_first_then_typed_arguments() -> None:
    entry = understand('Start, Ready boxes=2 by="mo k" rush=true', NAMES)
    assert entry.states == ("Start", "Ready")
    assert entry.args == (("boxes", 2), ("by", "mo k"), ("rush", True))
    assert entry.error == ""


def test_an_unknown_state_is_named_with_what_was_meant() -> None:
    assert understand("Redy ", NAMES).error == "there is no state Redy; did you mean Ready?"
    assert understand("", NAMES).error == "type the name of a state"


def test_completion_prefers_beginnings_and_leaves_out_what_was_given() -> None:
    entry = understand("Start sh", NAMES)
    assert candidates(entry, NAMES) == ["Shipped", "ErrShip"]
    assert complete("Start sh", entry, "Shipped") == "Start Shipped "
    assert "Start" not in candidates(understand("Start ", NAMES), NAMES)


def test_a_state_is_previewed_before_and_explained_after_it_was_added() -> None:
    node = AnsweringNode(
        forecast=Forecast(True, ("Shipped", "Tracked"), ("Packed",)),
        outcome=Outcome("canceled", "the handler ShippedEnter said no"),
    )

    async def act(app: App, pilot: Pilot[int]) -> None:
        assert node.started == 1
        await pilot.press("+", "s", "h", "tab")
        assert app.prompt.line.value == "Shipped "
        await until(pilot, lambda: "would activate Shipped and Tracked and deactivate Packed" in text_of(app))
        assert Preview(ORDER, "add", ("Shipped",)) in node.calls
        await pilot.press("n", "=", "1", "enter")
        await until(pilot, lambda: "Canceled: +Shipped · the handler ShippedEnter said no" in text_of(app))
        assert node.calls[-1] == Mutate(ORDER, "add", ("Shipped",), (("n", 1),))
        await pilot.press("escape")
        await pilot.pause()
        assert not app.prompt.display
        assert app.focused is not None

    run(act, node=node)


def test_what_was_done_comes_back_with_the_arrow_and_can_be_repeated() -> None:
    node = AnsweringNode()

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("-", "up")
        assert app.prompt.line.value == "Packed by=mo boxes=2"
        assert app.prompt.kind == "add"
        await pilot.press("up")
        assert app.prompt.line.value == "InStock"
        await pilot.press("down", "down")
        assert app.prompt.line.value == ""
        await pilot.press("escape", ".")
        assert app.prompt.line.value == "Packed by=mo boxes=2"
        assert not any(isinstance(call, Mutate) for call in node.calls)

    run(act, node=node)


def test_a_sign_typed_first_changes_what_is_asked() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("+", "-")
        await pilot.pause()
        assert app.prompt.kind == "remove"
        assert app.prompt.line.value == ""
        assert "- remove order-4711" in text_of(app)

    run(act, node=AnsweringNode())


def test_somebody_elses_machine_is_watched_instead_and_the_prompt_says_why() -> None:
    node = AnsweringNode()

    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("end")
        await pilot.press("+")
        await pilot.pause()
        assert "Only its own peer (street) can change it" in text_of(app)
        await pilot.press(*"Green", "enter")
        await until(pilot, lambda: "Watching" in text_of(app))
        assert node.calls == [Watch(LIGHT, ("Green",))]

    run(act, node=node)


def test_without_a_peer_nothing_can_be_changed_and_it_says_so() -> None:
    async def act(app: App, pilot: Pilot[int]) -> None:
        await pilot.press("+")
        await pilot.pause()
        assert "this is a history that was recorded" in text_of(app)

    run(act)
