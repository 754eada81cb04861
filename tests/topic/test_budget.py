"""The message budgets: sliding windows, ours and the topic's, and what is let in."""

from __future__ import annotations

from ampubsub.topic.accounts import Intake, SendBudget, SlidingWindow
from ampubsub.topic.constants import REMEMBERED


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
    intake = Intake(per_author=3, in_total=1000)
    assert [intake.refusal("n", "loud", 9, 0.0) for _ in range(5)] == ["", "", "", "rate-peer", "rate-peer"]
    assert [intake.refusal("n", "calm", 9, 0.0) for _ in range(3)] == ["", "", ""]
    assert intake.refusal("n", "loud", 9, 5.1) == ""


def test_a_neighbour_with_many_identities_is_held_to_an_equal_share_and_the_others_are_not() -> None:
    intake = Intake(per_author=400, in_total=4000)
    refused = {"villain": 0, "honest": 0}
    for step in range(3000):  # a villain's 11 identities say 880 a second for 15 s, an honest neighbour 20
        now = step / 200
        for number in range(4):
            refused["villain"] += bool(intake.refusal("villain", f"sybil{(4 * step + number) % 11}", 50, now))
        if step % 10 == 0:
            refused["honest"] += bool(intake.refusal("honest", "friend", 50, now))
    assert refused["honest"] == 0
    assert refused["villain"] > 4000


def test_bytes_are_charged_as_messages_are() -> None:
    intake = Intake(per_author=400, in_total=4000, bytes_in_total=1_000_000)
    taken = [intake.refusal("villain", "big", 100_000, 0.0) for _ in range(64)].count("")
    assert taken <= 10
    assert intake.refusal("honest", "friend", 3_000, 0.0) == ""


def test_one_message_of_any_size_is_always_taken_of_a_calm_neighbour() -> None:
    assert Intake(per_author=400, in_total=4000, bytes_in_total=1000).refusal("n", "a", 5000, 0.0) == ""


def test_the_intake_remembers_a_bounded_number_of_authors_and_neighbours() -> None:
    intake = Intake(per_author=1, in_total=10**9)
    for number in range(2 * REMEMBERED):
        assert intake.refusal(f"n{number}", f"peer{number}", 1, 0.0) == ""
    assert len(intake._authors) == len(intake._neighbours) == REMEMBERED


def test_who_changes_identities_does_not_make_its_loud_one_forgotten() -> None:
    intake = Intake(per_author=3, in_total=10**9)
    for _ in range(3):
        intake.refusal("n", "loud", 1, 0.0)
    for number in range(REMEMBERED + 10):
        intake.refusal("n", f"new{number}", 1, 0.0)
        if number % 100 == 0:
            assert intake.refusal("n", "loud", 1, 0.0) == "rate-peer"


def test_with_more_speakers_than_the_topic_may_say_in_a_window_each_may_still_say_one() -> None:
    budget = SendBudget(5.0, own=30, topic=20)
    for _ in range(20):
        budget.heard(1.0)
    assert budget.wait(1.0, peers=50) == 0


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
