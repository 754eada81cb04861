"""Why, to the root: real machines recorded as the program records them, and clocks told by the topic."""

from __future__ import annotations

import time

import pytest

from amdbg_tui.answers.cause import Causes, Grade
from amdbg_tui.history import History
from amdbg_tui.history.records import (
    PROGRAM_TRUST,
    CommandRecord,
    MachineKey,
    MachineRecord,
    MessageRecord,
    PeerRecord,
    StateShape,
    TransitionRecord,
    replace,
)
from amdbg_tui.node import translate
from amdbg_tui.node.tracer import RecordingTracer
from ampubsub.machine import Machine, State, pipes

OWN, REMOTE, PROGRAM = MachineKey("me", 0), MachineKey("peer-boiler", 0), MachineKey("program:1", 0)


@pytest.fixture
def history():
    with History(None) as history:
        yield history


def _recorded(history, slot, machine):
    key = MachineKey("me", slot)
    machine.options.record_steps = True
    history.append([translate.show_machine(key, machine, "local").record])
    machine.bind_tracer(RecordingTracer(key, lambda record: history.append([record])))
    return key


def _causes(history):
    history.refresh()
    return Causes(history.live, history.cursor())


def _texts(links):
    return [link.text for link in links]


def test_a_state_that_came_by_a_relation_of_a_called_one(history) -> None:
    lamp = Machine(
        {"On": State(add=["Bright"]), "Bright": State()}, id="lamp", states=["On", "Bright", "Exception"]
    )
    key = _recorded(history, 0, lamp)
    lamp.add("On")
    links = _causes(history).of_state(key, "Bright")
    assert _texts(links)[:3] == ["lamp.Bright became active", "On adds Bright", "lamp did: add On"]
    assert "outside of any transition" in links[-1].text
    assert links[-1].grade is Grade.UNKNOWN
    assert [link.grade for link in links[:3]] == [Grade.CERTAIN] * 3
    assert len({link.number for link in links[:3]}) == 1


def test_an_auto_state_leads_to_the_transition_before_it(history) -> None:
    lamp = Machine({"Power": State(), "On": State(auto=True, require=["Power"])}, id="lamp")
    lamp.verify_states(["Power", "On", "Exception"])
    key = _recorded(history, 0, lamp)
    lamp.add("Power")
    texts = _texts(_causes(history).of_state(key, "On"))
    assert texts[0] == "lamp.On became active"
    assert "Auto: it was tried by itself after the transition before it" in texts
    assert "lamp did: add Power" in texts


def test_a_pipe_leads_to_the_other_machine_and_to_who_asked_it(history) -> None:
    switch = Machine({"Pressed": State()}, id="switch", states=["Pressed", "Exception"])
    lamp = Machine({"On": State()}, id="lamp", states=["On", "Exception"])
    pipes.bind(switch, lamp, "Pressed", "On")
    key = _recorded(history, 0, lamp)
    _recorded(history, 1, switch)
    switch.add("Pressed")
    texts = _texts(_causes(history).of_state(key, "On"))
    assert any(text.startswith("switch asked for it in its transition") for text in texts)
    assert "switch did: add Pressed" in texts


def test_a_refusal_leads_to_what_is_missing_and_why_it_is(history) -> None:
    lamp = Machine(
        {"On": State(require=["Power"]), "Power": State(), "Cut": State(remove=["Power"])}, id="lamp"
    )
    lamp.verify_states(["On", "Power", "Cut", "Exception"])
    lamp.add("Power")
    key = _recorded(history, 0, lamp)
    lamp.add("Cut")
    lamp.add("On")
    history.refresh()
    refused = history.live.machines[key].last_transition
    texts = _texts(_causes(history).of_record(refused))
    assert texts[:5] == [
        "lamp refused: add On",
        "On requires Power, which was not active",
        "lamp.Power became inactive",
        "Cut removes Power",
        "lamp did: add Cut",
    ]


def test_a_handler_that_said_no_and_one_that_failed_are_named(history) -> None:
    def refuse(event):
        return False

    def fail(event):
        raise ValueError("no oil")

    lamp = Machine(
        {"On": State(), "Hot": State()}, id="lamp", states=["On", "Hot", "Exception"],
        handlers={"OnEnter": refuse, "HotState": fail},
    )  # fmt: skip
    key = _recorded(history, 0, lamp)
    lamp.add("On")
    history.refresh()
    refused = history.live.machines[key].last_transition
    assert "the handler OnEnter said no" in _texts(_causes(history).of_record(refused))
    lamp.add("Hot")
    texts = _texts(_causes(history).of_state(key, "Exception"))
    assert texts[2] == "with the error ValueError: no oil"
    assert texts[3:6] == [
        "error in lamp: ValueError: no oil",
        "lamp refused: add Hot",
        "the handler HotState failed",
    ]


def test_what_the_person_asked_leads_to_the_command(history) -> None:
    record = TransitionRecord(time.time(), OWN, "t1", "add", ("On",), True, (0,), (1,), by_hand=True)
    history.append(
        [
            MachineRecord(time.time(), OWN, "lamp", (StateShape("On"),), "local", clock=(0,)),
            record,
            CommandRecord(time.time(), OWN, "add", ("On",), (), "executed"),
        ]
    )
    links = _causes(history).of_state(OWN, "On")
    assert (links[-1].text, links[-1].number) == ("you asked for it", 3)


def _remote(history, **more):
    now = time.time()
    history.append(
        [
            PeerRecord(now, "peer-boiler", "joined", "boiler"),
            MachineRecord(now, REMOTE, "pump", (StateShape("Run"),), "first-hand", clock=(0,)),
            MessageRecord(now, "peer-boiler", "home", "updates", b"", via="peer-hall"),
            TransitionRecord(
                now, REMOTE, "", "clock", ("Run",), True, (0,), (1,), derived=True, source="peer-boiler",
                trust="first-hand",
            ),
        ]
    )  # fmt: skip


def test_a_clock_leads_to_the_message_and_then_the_network_does_not_tell(history) -> None:
    _remote(history)
    links = _causes(history).of_state(REMOTE, "Run")
    assert [(link.number, link.grade) for link in links] == [
        (4, Grade.REPORTED), (4, Grade.REPORTED), (3, Grade.GUESSED), (None, Grade.UNKNOWN),
    ]  # fmt: skip
    assert "boiler, its own peer, said so" in links[1].text
    assert "updates message" in links[2].text
    assert "is not told on the topic" in links[3].text


def test_a_message_of_another_author_or_too_old_is_not_blamed(history) -> None:
    _remote(history)
    now = time.time()
    for message in (
        MessageRecord(now, "peer-hall", "home", "updates", b""),
        MessageRecord(now, "peer-boiler", "home", "updates", b"", outgoing=True),
    ):
        history.append([message])
    after = TransitionRecord(
        now + 60,
        REMOTE,
        "",
        "clock",
        (),
        True,
        (1,),
        (2,),
        derived=True,
        source="peer-boiler",
        trust="first-hand",
    )
    history.append([after])
    assert all(link.grade is not Grade.GUESSED for link in _causes(history).of_state(REMOTE, "Run"))


def test_the_programs_own_telemetry_goes_on_where_the_topic_ends(history) -> None:
    _remote(history)
    now = time.time()
    history.append(
        [
            MachineRecord(now, PROGRAM, "pump", (StateShape("Run"),), PROGRAM_TRUST, clock=(0,)),
            TransitionRecord(
                now,
                PROGRAM,
                "abc",
                "add",
                ("Run",),
                True,
                (0,),
                (1,),
                source="boss/t9/7",
                trust=PROGRAM_TRUST,
            ),
        ]
    )
    links = _causes(history).of_state(REMOTE, "Run")
    assert [link.grade for link in links[2:5]] == [Grade.TOLD] * 3
    assert "boss asked for it in its transition t9" in links[4].text
    assert "nobody shows that machine here" in links[-1].text


def test_nothing_known_is_an_answer(history) -> None:
    _remote(history)
    causes = _causes(history)
    assert causes.of_record(1) == []
    assert causes.of_state(REMOTE, "Other")[0].grade is Grade.UNKNOWN
    assert causes.of_state(MachineKey("x", 1), "Run")[0].text.startswith("nobody knows")


def test_machines_that_ask_each_other_in_a_circle_end_the_chain(history) -> None:
    now = time.time()
    records = [MachineRecord(now, OWN, "a", (StateShape("X"),), "local", clock=(0,))]
    one = TransitionRecord(now, OWN, "t1", "add", ("X",), True, (0,), (1,), source="a/t2/0")
    records += [one, replace(one, transition_id="t2", source="a/t1/0", before=(1,), after=(2,))]
    history.append(records)
    links = _causes(history).of_record(2)
    assert len(links) < 10
