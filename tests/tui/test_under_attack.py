"""What others send by the thousand must not take the screen from the person who looks at it."""

from __future__ import annotations

from textual.pilot import Pilot

from amdbg_tui.app import App
from amdbg_tui.history.records import (
    ConnectionRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    StateShape,
)
from amdbg_tui.panes.toasts import MOST_AT_ONCE, Toasts
from tests.tui.fixed_history import NOW, fixed_history
from tests.tui.screens import history_of, run, text_of, until

SHAPES = (StateShape("On"),)


def notice(text: str, peer_id: str = "", severity: str = "warning") -> NoticeRecord:
    return NoticeRecord(NOW, severity, text, peer_id)


def machine(peer_id: str, name: str, source: str = "first-hand") -> list[PeerRecord | MachineRecord]:
    return [
        PeerRecord(NOW, peer_id, "joined", peer_id),
        MachineRecord(NOW, MachineKey(peer_id, 0), name, SHAPES, source, clock=(1,)),
    ]


def test_300_machines_that_restart_at_once_make_three_toasts_at_most() -> None:
    history = fixed_history()

    async def act(app: App, pilot: Pilot[int]) -> None:
        told: list[str] = []
        app.say = lambda text, severity="information": told.append(text)  # type: ignore[method-assign]
        history.append([notice(f"machine m-{at}: it restarted", f"peer-{at % 9}") for at in range(300)])
        app.frame()
        await pilot.pause()
        assert len(told) == MOST_AT_ONCE
        assert sum("and 33 more" in text or "and 32 more" in text for text in told[:2]) == 2
        assert "more notices" in told[-1]

    run(act, history=history)


def test_what_finds_no_room_waits_and_is_summed_up_later() -> None:
    shown = [0]
    toasts = Toasts(lambda: shown[0], lambda peer: peer.upper())
    toasts.take([notice("it restarted", "p")] * 4)
    assert [toast.text for toast in toasts.next()] == ["it restarted · and 3 more of P"]
    shown[0] = MOST_AT_ONCE
    toasts.take([notice(f"a {at}") for at in range(9)] + [notice("the disk is full", severity="error")])
    assert toasts.next() == []
    assert toasts.waiting == 10
    shown[0] = 0
    texts = [(toast.severity, toast.text) for toast in toasts.next()]
    assert texts == [
        ("error", "the disk is full"),
        ("warning", "a 0"),
        ("warning", "8 more notices, such as: a 1"),
    ]
    assert toasts.waiting == 0


def test_the_first_choice_stays_whatever_machines_others_invent() -> None:
    history = history_of([ConnectionRecord(NOW, "joined", "demo", "us"), *machine("peer-m", "garden")])

    async def act(app: App, pilot: Pilot[int]) -> None:
        assert app.view.machine_key == MachineKey("peer-m", 0)
        history.append([record for at in range(50) for record in machine(f"a-peer-{at}", f"evil-{at}")])
        await until(pilot, lambda: len(app.history.live.machines) == 51)
        app.frame()
        assert app.view.machine_key == MachineKey("peer-m", 0)

    run(act, history=history)


def test_a_filled_circle_is_said_only_of_who_is_connected() -> None:
    detail = PeerDetailRecord(NOW, "near", ("/ip4/10.0.0.1/udp/1/quic-v1",), "quic-v1", 0.01)
    history = history_of(
        [
            ConnectionRecord(NOW, "joined", "demo", "us"),
            *machine("near", "lamp"),
            detail,
            *machine("far", "oven"),
        ]
    )

    async def act(app: App, pilot: Pilot[int]) -> None:
        text = text_of(app)
        assert "● near" in text
        assert "○ far" in text
        assert "● far" not in text
        await pilot.press("home", "enter")
        await pilot.pause()
        assert "○ on the topic, heard through" in text_of(app)

    run(act, history=history, size=(180, 40))
