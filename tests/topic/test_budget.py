"""The message budgets: sliding windows, ours and the topic's, and what is let in."""

from __future__ import annotations

from ampubsub.topic.budget import IntakeBudget, SendBudget, SlidingWindow


def test_a_sliding_window_cannot_be_doubled_at_its_edge() -> None:
    window = SlidingWindow(5.0)
    assert all(window.allow(4.9, 3) for _ in range(3))
    assert not window.allow(5.1, 3), "a fixed window would begin anew here"
    assert not window.allow(9.8, 3)
    assert window.allow(9.95, 3)


def test_the_wait_ends_exactly_when_the_oldest_message_leaves_the_window() -> None:
    budget = SendBudget(5.0, own=2, topic=100)
    assert budget.wait(0.0, peers=1) == 0
    budget.sent(0.0)
    budget.sent(1.0)
    assert budget.wait(2.0, peers=1) == 3.0
    assert budget.wait(5.0, peers=1) == 0
    budget.sent(5.0)
    assert budget.wait(5.5, peers=1) == 0.5


def test_in_a_loud_topic_each_keeps_to_its_fair_share_and_a_quiet_peer_may_still_speak() -> None:
    budget = SendBudget(5.0, own=30, topic=20)
    for _ in range(20):
        budget.heard(1.0)
    assert budget.wait(1.0, peers=10) == 0, "we said nothing yet"
    budget.sent(1.0)
    budget.sent(1.0)
    assert budget.wait(1.0, peers=10) == 5.0, "our share is 20 / 10"
    assert budget.wait(6.1, peers=10) == 0, "the topic is calm again"


def test_one_loud_author_does_not_eat_the_intake_of_others() -> None:
    intake = IntakeBudget(5.0, per_author=3, in_total=10, authors=100)
    assert [intake.allow("loud", 0.0) for _ in range(5)] == ["", "", "", "rate-peer", "rate-peer"]
    assert [intake.allow("calm", 0.0) for _ in range(3)] == ["", "", ""]
    assert [intake.allow("third", 0.0) for _ in range(3)] == ["", "", ""]
    assert intake.allow("fourth", 0.0) == ""
    assert intake.allow("fifth", 0.0) == "rate-total"
    assert intake.allow("loud", 5.1) == ""


def test_the_intake_remembers_a_bounded_number_of_authors() -> None:
    intake = IntakeBudget(5.0, per_author=1, in_total=10_000, authors=10)
    for number in range(1000):
        assert intake.allow(f"peer{number}", 0.0) == ""
    assert len(intake._authors) == 10


def test_a_change_of_ours_does_not_wait_behind_a_burst_of_hellos() -> None:
    budget = SendBudget(5.0, own=30, topic=150, changes=2)
    for _ in range(200):
        budget.heard(1.0)
    for _ in range(10):
        budget.sent(1.0)
    assert budget.wait(1.5, 20) > 4.0
    for _ in range(2):
        assert budget.wait(1.5, 20, for_change=True) == 0.0
        budget.sent(1.5)
        budget.change_sent(1.5)
    assert budget.wait(1.6, 20, for_change=True) > 4.0


def test_a_change_of_ours_keeps_to_what_one_peer_may_send() -> None:
    budget = SendBudget(5.0, own=10, topic=150, changes=5)
    for _ in range(10):
        budget.sent(1.0)
    assert budget.wait(1.5, 20, for_change=True) > 4.0
