"""Expressions: what they mean at a moment, and what is wrong with one, with the place."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amdbg_tui.answers.expression import Expression, Touch
from amdbg_tui.answers.grammar import ExpressionError, parse
from amdbg_tui.history import History
from amdbg_tui.history.records import (
    MachineKey,
    MachineRecord,
    PeerRecord,
    StateShape,
    TransitionRecord,
)

LAMP, DOOR, OTHER = MachineKey("peer-A", 0), MachineKey("peer-B", 0), MachineKey("peer-B", 1)


def _machine(key, machine_id, *states, tags=(), source="first-hand", clock=None):
    shapes = tuple(StateShape(name) for name in states)
    return MachineRecord(
        time.time(), key, machine_id, shapes, source, tags=tags, clock=clock or (0,) * len(states)
    )


@pytest.fixture
def live():
    with History(None) as history:
        history.append(
            [
                PeerRecord(time.time() - 50, "peer-A", "joined", "boiler"),
                PeerRecord(time.time() - 50, "peer-B", "stale", "hall"),
                _machine(LAMP, "lamp", "On", "Power", tags=("room:kitchen",), clock=(1, 3)),
                _machine(
                    DOOR, "door", "Locked", "Exception", tags=("room:kitchen",), clock=(2, 1), source="stale"
                ),
                _machine(OTHER, "lamp", "On", "Power", clock=(2, 1), source="gone"),
                TransitionRecord(
                    time.time() - 3, LAMP, "t", "add", ("Power",), True, (1, 2), (1, 3), trust="first-hand"
                ),
            ]
        )
        history.refresh()
        yield history.live


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("lamp.On", True),
        ("hall/lamp.On", False),
        ("boiler/lamp.On && !door.Locked", True),
        ("lamp.On && door.Locked", False),
        ("door.Locked || lamp.Power", True),
        ("!(lamp.On || door.Locked)", False),
        ("tick(boiler/lamp.Power) > 2", True),
        ("tick(boiler/lamp.Power) == 3", True),
        ("tick(boiler/lamp.Power) != 3", False),
        ("tick(lamp.On) <= 1", True),
        ("sum(door) >= 3", True),
        ("sum(door) < 3", False),
        ("any(#room:kitchen).Exception", True),
        ("any(#room:kitchen).Nothing", False),
        ("all(lamp).Power", True),
        ("all(lamp).On", False),
        ("all(nobody).On", False),
        ("any(*).Locked", False),
        ("any(la*).On", True),
        ("error(door)", True),
        ("error(lamp)", False),
        ("stale(peer:hall)", True),
        ("stale(peer:boiler)", False),
        ("gone(peer:hall)", False),
        ("stale(door)", True),
        ("gone(hall/lamp)", True),
        ("gone(door)", False),
        ("changed(boiler/lamp.Power, within=5s)", True),
        ("changed(boiler/lamp.Power, within=500ms)", False),
        ("changed(lamp, within=1m)", True),
        ("changed(door, within=1h)", False),
        ("age(boiler/lamp) > 2s", True),
        ("age(peer:hall) > 40", True),
        ("count(lamp) == 2", True),
        ("count(lamp.On) == 1", True),
        ("nobody.On", False),
        ('"lamp".On', True),
        ("lamp . On&&lamp.Power", True),
    ],
)
def test_an_expression_means_what_it_says(live, text, answer) -> None:
    assert Expression(text).is_true(live) is answer
    assert Expression(f"!({text})").is_true(live) is not answer


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "a fact is missing"),
        ("lamp", 4, "a state is missing: write lamp.STATE"),
        ("lamp.", 5, "the state's name is missing; found the end"),
        ("lamp.On &", 8, "write &&, not &"),
        ("lamp.On lamp.Off", 8, "'lamp' is one too many"),
        ("(lamp.On", 8, "')' is missing to close the bracket"),
        ("tick(lamp.On)", 13, "compare it"),
        ("tick(lamp.On) > x", 16, "a number is missing"),
        ("tick(lamp) > 3", 9, "a state is missing"),
        ("tock(lamp.On) > 3", 0, "there is no tock(...); there are tick, sum"),
        ("changed(lamp.On)", 15, "',' is missing before within=5s"),
        ("changed(lamp.On, 5s)", 17, "write within="),
        ("changed(lamp.On, within=5)", 24, "a duration is missing"),
        ('"lamp', 0, "without its partner"),
        ("lamp.On; x", 7, "';' means nothing here"),
        ("stale(peer:)", 11, "the peer's name is missing"),
        ("!" * 40 + "lamp.On", 32, "more than 32"),
        ("x" * 2001, 0, "2001 characters"),
    ],
)
def test_a_mistake_is_shown_at_its_place(text, position, words) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert words in caught.value.problem
    assert caught.value.position == position
    assert caught.value.pointed.splitlines()[-1].index("^") == position


@settings(max_examples=300, deadline=None)
@given(st.text('lamp.On&|!()#:*/"<>=0123s ,within', max_size=60))
def test_any_text_is_read_or_refused_in_words(text) -> None:
    places = []
    try:
        parse(text)
    except ExpressionError as error:
        places.append(error.position)
    assert all(0 <= place <= len(text) for place in places)


def test_what_nobody_has_is_named(live) -> None:
    unknown = Expression("lamp.Onn && nobody.X && stale(peer:me) && #x.Y").unknown(live)
    assert unknown == ["no state 'Onn' in 'lamp'", "no machine 'nobody'", "no peer 'me'", "no machine '#x'"]
    assert Expression("lamp.On").unknown(live) == []


def test_it_hangs_on_the_states_it_names_and_knows_when_time_alone_can_change_it(live) -> None:
    assert Expression("boiler/lamp.On && door.Locked").touches(live) == {Touch(LAMP, 0), Touch(DOOR, 0)}
    assert Expression("sum(door) > 3").touches(live) == {Touch(DOOR, None)}
    assert not Expression("lamp.On").depends_on_time
    assert Expression("lamp.On || !changed(lamp, within=1s)").depends_on_time


def test_a_machine_that_comes_later_is_found() -> None:
    with History(None) as history:
        expression = Expression("lamp.On")
        assert not expression.is_true(history.live)
        history.append([_machine(LAMP, "lamp", "On", clock=(1,))])
        history.refresh()
        assert expression.is_true(history.live)
