"""The smallest vocabulary of a machine: states, times and results."""

from __future__ import annotations

import pytest

from ampubsub.machine import Result, State, Time


def test_a_result_says_its_name_and_a_queued_one_keeps_its_tick() -> None:
    assert str(Result.EXECUTED) == "executed"
    assert str(Result.CANCELED) == "canceled"
    queued = Result(7)
    assert queued.is_queued
    assert queued == 7
    assert str(queued) == "queued"


def test_a_relation_given_as_one_string_is_refused_with_the_mend() -> None:
    with pytest.raises(TypeError, match=r"write \['Power'\]"):
        State(require="Power")  # type: ignore[arg-type]


def test_a_time_prints_its_ticks() -> None:
    assert str(Time((1, 0, 3))) == "1 0 3"
