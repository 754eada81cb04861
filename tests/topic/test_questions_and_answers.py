"""Asking for what is missing, and answering: ever more rarely, and not when somebody else did."""

from __future__ import annotations

from random import Random

import pytest

from ampubsub.topic import questions as room
from ampubsub.topic.questions import DueAnswers, EarlyClock, EarlyClocks, Questions, ToldLedger


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ASK_AGAIN_MAX_S", 16.0)
    monkeypatch.setattr(room, "TOLD_AGAIN_S", 5.0)
    monkeypatch.setattr(room, "TOLD_AGAIN_MAX_S", 60.0)
    monkeypatch.setattr(room, "REMEMBERED", 10)
    monkeypatch.setattr(room, "EARLY_CLOCKS", 2)


def test_a_missing_peer_is_asked_for_ever_more_rarely() -> None:
    questions = Questions()
    questions.add("door", 0.0)
    asked_at = []
    for tenth in range(0, 600):
        now = tenth / 10
        for peer in questions.due(now, Random(1), 5):
            asked_at.append(now)
            questions.asked([peer], now)
    assert asked_at == [0.0, 2.0, 6.0, 14.0, 30.0, 46.0]


def test_a_question_of_somebody_else_counts_as_ours() -> None:
    questions = Questions()
    questions.add("door", 0.0)
    questions.others_asked(["door", "never heard of"], 0.0)
    assert questions.due(1.9, Random(1), 5) == []
    assert questions.due(2.0, Random(1), 5) == ["door"]


def test_others_who_ask_all_the_time_cannot_keep_us_from_asking() -> None:
    questions = Questions()
    questions.add("door", 0.0)
    asked_at = []
    for tenth in range(600):
        now = tenth / 10
        questions.others_asked(["door"], now)
        if questions.due(now, Random(1), 5):
            asked_at.append(now)
            questions.asked(["door"], now)
    assert asked_at == [2.0, 6.0, 12.0, 22.0, 40.0, 58.0]


def test_on_a_slow_network_an_answer_is_waited_for_longer() -> None:
    quick, slow = Questions(), Questions()
    for questions, pace in ((quick, 1.0), (slow, 4.0)):
        questions.add("door", 0.0)
        questions.asked(["door"], 0.0, pace)
    assert quick.due(2.0, Random(1), 5) == ["door"]
    assert slow.due(7.9, Random(1), 5) == []
    assert slow.due(8.0, Random(1), 5) == ["door"]


def test_those_asked_for_least_come_first() -> None:
    questions = Questions()
    for peer in "abcd":
        questions.add(peer, 0.0)
    questions.asked("ab", 0.0)
    assert set(questions.due(3.0, Random(7), 2)) == {"c", "d"}


def test_questions_are_bounded() -> None:
    questions = Questions()
    for number in range(100):
        questions.add(f"p{number}", 0.0)
    assert len(questions) == 10


def test_early_clocks_are_bounded_and_the_owner_is_believed_first() -> None:
    early = EarlyClocks()
    assert early.keep(("p", 0), EarlyClock((9, 9), "liar", 9))
    assert early.keep(("p", 0), EarlyClock((1, 0), "p", 3))
    assert early.keep(("p", 0), EarlyClock((8, 8), "liar", 9))
    assert early.keep(("p", 1), EarlyClock((1,), "p", 3))
    assert not early.keep(("p", 2), EarlyClock((1,), "p", 3)), "full"
    kept = early.take(("p", 0))
    assert kept is not None
    assert (kept.clock, kept.teller) == ((1, 0), "p")
    assert early.take(("p", 0)) is None
    early.forget("p")
    assert len(early) == 0, "a peer that is gone keeps no place"


def test_the_memories_of_the_told_and_of_who_asks_again_are_bounded() -> None:
    ledger = ToldLedger()
    for number in range(100):
        ledger.told(f"asker{number}", "me", 0.0)
        ledger.may_answer(f"asker{number}", "me", 0.5)
    assert len(ledger._asked) == 10
    assert len(ledger.again) == 10


def test_who_asks_again_for_what_it_was_told_is_answered_ever_more_rarely() -> None:
    ledger = ToldLedger()
    answered_at = []
    for second in range(0, 300, 5):
        if ledger.may_answer("deaf", "me", float(second)):
            answered_at.append(second)
            ledger.told("deaf", "me", float(second))
    assert answered_at == [0, 5, 15, 35, 75, 135, 195, 255]
    assert ledger.again["deaf"] > 40


def test_who_asks_once_in_a_while_is_always_answered() -> None:
    ledger = ToldLedger()
    for minute in range(5):
        assert ledger.may_answer("calm", "me", minute * 60.0)
        ledger.told("calm", "me", minute * 60.0)
    assert ledger.again["calm"] == 0


def test_an_answer_given_by_somebody_else_is_not_given_again() -> None:
    due = DueAnswers()
    due.add("door", 1.0, "asker")
    due.add("lamp", 1.05, "asker")
    due.add("lamp", 3.0, "other")
    assert due.next_due() == 1.0
    assert due.answered("door") == ("asker",)
    assert due.take(1.0, slack_s=0.1) == {}, "nothing is due before the first time"
    assert due.take(1.05, slack_s=0.1) == {"lamp": ("asker", "other")}
    assert due.next_due() == float("inf")


def test_due_answers_are_bounded() -> None:
    due = DueAnswers()
    for number in range(30):
        due.add(f"p{number}", 1.0)
    assert len(due) == 10
