"""How things stand when there is little to see: each state of affairs has its own clear screen."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from amdbg_tui.app import App
from amdbg_tui.history.records import ConnectionRecord, MachineKey, MachineRecord, PeerRecord, Record
from amdbg_tui.node.commands import PickTopic
from tests.tui.fixed_history import NOW, ROOT, SCHEMAS, TOPIC_MACHINE, US, records
from tests.tui.pictures import AnsweringNode
from tests.tui.screens import history_of, run, text_of

ME: list[Record] = [
    PeerRecord(NOW, US, "self", "me"),
    MachineRecord(NOW, TOPIC_MACHINE, "topic-demo", SCHEMAS["topic"], "local", clock=(0,) * 13),
]


def standing(phase: str, detail: str = "", topics: tuple[str, ...] = ()) -> ConnectionRecord:
    return ConnectionRecord(NOW, phase, "demo", US, ("/ip4/127.0.0.1/udp/5/quic-v1",), detail, topics)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "Starting"),
        ([standing("connecting", "dialling /ip4/10.0.0.7/udp/1/quic-v1")], "dialling /ip4/10.0.0.7"),
        ([standing("failed", "10.0.0.7: no answer.\nIs the peer running?")], "Is the peer running?"),
        ([standing("joining")], "Joining “demo”"),
        ([standing("joined")], "Alone on “demo”"),
        (
            [standing("joined"), PeerRecord(NOW, ROOT, "joined", "root")],
            "Nobody exposes anything on “demo”",
        ),
        ([standing("closed")], "Bye was said"),
    ],
)
def test_every_state_of_affairs_has_its_own_words(more: list[Record], words: str) -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        assert words in text_of(app)

    run(look, history=history_of([*ME, *more]))


def test_a_debugger_of_programs_says_where_it_listens_and_keeps_those_that_ended() -> None:
    waiting = ConnectionRecord(NOW, "joined", "programs", "programs", detail="programs are shown here")

    async def look(app: App, pilot: Pilot[int]) -> None:
        assert "Waiting for programs" in text_of(app)
        assert "Programs are shown here" in text_of(app)

    run(look, history=history_of([waiting]))
    lamp = MachineRecord(NOW, MachineKey("programs", 0), "lamp", SCHEMAS["topic"], "gone", clock=(1,) * 13)

    async def look_again(app: App, pilot: Pilot[int]) -> None:
        assert "Waiting for programs" not in text_of(app)
        assert "lamp" in text_of(app)

    run(look_again, history=history_of([waiting, PeerRecord(NOW, "programs", "joined", "programs"), lamp]))


def test_escape_shows_the_topic_machine_while_nobody_else_is_there() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        assert "topic-demo · 13 states" not in text_of(app)
        await pilot.press("escape")
        await pilot.pause()
        assert "topic-demo · 13 states" in text_of(app)

    run(look, history=history_of([*ME, standing("failed", "no answer")]))


def test_of_several_topics_one_is_chosen() -> None:
    node = AnsweringNode()

    async def look(app: App, pilot: Pilot[int]) -> None:
        assert "Which topic?" in text_of(app)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert node.calls == [PickTopic("orders")]

    run(look, history=history_of([standing("connecting", topics=("demo", "orders"))]), node=node)


def test_the_first_machine_that_comes_ends_the_empty_screen() -> None:
    history = history_of([*ME, standing("joined")])

    async def look(app: App, pilot: Pilot[int]) -> None:
        key = MachineKey(ROOT, 0)
        history.append(
            [
                PeerRecord(NOW, ROOT, "joined", "root"),
                MachineRecord(NOW, key, "lamp", SCHEMAS["worker"], "first-hand", clock=(1, 0, 0, 0)),
            ]
        )
        await pilot.pause(0.1)
        assert "lamp · 4 states" in text_of(app)
        assert app.view.machine_key == key

    run(look, history=history)


def test_a_lost_connection_is_told_above_the_panes_that_stay() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        text = text_of(app)
        assert "Reconnecting: what you see may be out of date · lost root 4 s ago" in text
        assert "order-4711 · 12 states" in text

    run(look, history=history_of([*records(), standing("reconnecting", "lost root 4 s ago")]))


def test_a_recording_of_a_finished_run_opens_as_a_normal_screen() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        text = text_of(app)
        assert "order-4711 · 12 states" in text
        assert "Bye was said" not in text
        await pilot.press("left")
        await pilot.pause()
        assert "◀ AT" in text_of(app)

    run(look, history=history_of([*records(), standing("closed")]))


def test_a_recording_that_cannot_be_written_is_said_as_long_as_it_lasts() -> None:
    history = history_of(records())

    async def look(app: App, pilot: Pilot[int]) -> None:
        assert history._recorder is not None
        history._recorder.trouble = "the disk is full"
        app.update_panes()
        await pilot.pause()
        text = text_of(app)
        assert "✗ Not recorded: the disk is full" in text
        assert "NOT RECORDED" in text.splitlines()[-1]
        history._recorder.trouble = ""
        app.update_panes()
        await pilot.pause()
        assert "Not recorded" not in text_of(app)

    run(look, history=history)


def test_who_is_alone_sees_the_line_that_others_paste_and_copies_it_with_one_key() -> None:
    async def look(app: App, pilot: Pilot[int]) -> None:
        assert "ampubsub-tui join /ip4/127.0.0.1/udp/5/quic-v1" in text_of(app)
        await pilot.press("f2")
        assert app.clipboard == f"ampubsub-tui join /ip4/127.0.0.1/udp/5/quic-v1/p2p/{US}"

    run(look, history=history_of([*ME, standing("joined")]))
