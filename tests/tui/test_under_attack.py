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
    Record,
    StateShape,
    replace,
)
from amdbg_tui.node.commands import CutOff, Mute
from amdbg_tui.panes.toasts import MOST_AT_ONCE, Toasts
from amdbg_tui.widgets.paint import Row
from tests.tui.fixed_history import NOW, fixed_history
from tests.tui.pictures import AnsweringNode
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


def flood_of(peers: int, each: int) -> list[Record]:
    made: list[Record] = [ConnectionRecord(NOW, "joined", "demo", "us")]
    for at in range(peers):
        peer = f"peer-{at:03}"
        made.append(PeerRecord(NOW, peer, "joined", peer))
        made += [
            MachineRecord(NOW, MachineKey(peer, slot), f"m-{at}-{slot}", SHAPES, "first-hand", clock=(0,))
            for slot in range(each)
        ]
    return made


def test_a_key_costs_the_same_few_rows_however_many_machines_strangers_invent() -> None:
    painted = {}
    for machines in (30, 2_250):
        history = history_of(flood_of(9, machines // 9))

        async def act(app: App, pilot: Pilot[int], machines: int = machines) -> None:
            pane = app.panes["machines"]
            built = [0]
            build, rebuild = pane.build_row, pane._rebuild  # type: ignore[union-attr]

            def counted(index: int, width: int) -> Row:
                built[0] += 1
                return build(index, width)

            rebuilt = [0]

            def again() -> None:
                rebuilt[0] += 1
                rebuild()

            pane.build_row, pane._rebuild = counted, again  # type: ignore[method-assign,union-attr]
            for key in ("down", "up", "2", "3", "1"):
                await pilot.press(key)
                await pilot.pause()
            painted[machines] = built[0]
            assert rebuilt[0] == 0

        run(act, history=history)
    assert painted[2_250] <= painted[30] + 40


def test_300_restarts_at_once_are_one_frame_and_not_300() -> None:
    history = history_of(flood_of(3, 100))

    async def act(app: App, pilot: Pilot[int]) -> None:
        before = app.frames.painted
        again = [record for record in flood_of(3, 100) if isinstance(record, MachineRecord)]
        history.append([replace(record, machine_id=record.machine_id + "-b") for record in again])
        history.append(
            [notice(f"machine {record.machine_id}: it restarted", record.key.peer_id) for record in again]
        )
        await until(pilot, lambda: app.frames.painted > before)
        await pilot.pause()
        assert app.frames.painted - before <= 3
        assert len(app._notifications) <= MOST_AT_ONCE

    run(act, history=history, least_frame_s=0.05)


def test_one_sees_who_floods_and_through_whom_and_can_hide_and_mute_him() -> None:
    def figures(at_s: float, count: int) -> PeerDetailRecord:
        return PeerDetailRecord(
            at_s, "far", messages_in=(("updates", count),), dropped=(("generic", count),), through="near"
        )

    near = PeerDetailRecord(NOW, "near", ("/ip4/10.0.0.1/udp/1/quic-v1",), "quic-v1", 0.01)
    history = history_of(
        [ConnectionRecord(NOW, "joined", "demo", "us"), *machine("near", "lamp"), near, *machine("far", "oven"),
         figures(NOW, 0)]
    )  # fmt: skip
    node = AnsweringNode()

    async def act(app: App, pilot: Pilot[int]) -> None:
        history.append([figures(NOW + 1, 80)])
        await until(pilot, lambda: "far floods: 160 messages a second, through near" in text_of(app))
        assert "! 160/s" in text_of(app)
        app.go_to_peer("far")
        await pilot.press("1", "f9")
        await until(pilot, lambda: Mute("far") in node.calls)
        await until(pilot, lambda: "floods" not in text_of(app).splitlines()[1])
        await pilot.press("f10")
        assert not any(isinstance(call, CutOff) for call in node.calls)
        await pilot.press("f10")
        assert CutOff("far") in node.calls
        await pilot.press("alt+d")
        await pilot.pause()
        assert "far" in app.view.hidden
        assert "oven" not in "".join(
            app.panes["machines"].search_text(at) for at in range(len(app.panes["machines"].lines))
        )  # type: ignore[union-attr]

    run(act, history=history, node=node, size=(150, 45))
