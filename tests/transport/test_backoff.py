"""How long to wait before a peer is tried again."""

from __future__ import annotations

from ampubsub.transport.backoff import Backoff


def backoff() -> Backoff:
    return Backoff(first_s=0.5, longest_s=20, settled_s=5, eager_s=60, eager_longest_s=2)


def waits(backoff: Backoff, tries: int, away_s: float) -> list[float]:
    return [backoff.next(away_s) for _ in range(tries)]


def test_a_peer_that_does_not_answer_is_tried_often_for_a_while() -> None:
    tried = backoff()
    tried.lost(100, thrown_out=False)
    assert waits(tried, 5, away_s=59) == [0.5, 1, 2, 2, 2]


def test_then_ever_more_rarely_up_to_a_bound() -> None:
    tried = backoff()
    tried.lost(100, thrown_out=False)
    assert waits(tried, 8, away_s=60) == [0.5, 1, 2, 4, 8, 16, 20, 20]


def test_who_throws_us_out_is_tried_ever_more_rarely_from_the_start() -> None:
    tried = backoff()
    found = []
    for _ in range(5):
        tried.lost(4.9, thrown_out=True)
        found.append(tried.next(0))
    assert found == [0.5, 1, 2, 4, 8]


def test_a_connection_that_lasted_makes_a_new_start() -> None:
    tried = backoff()
    for _ in range(5):
        tried.lost(4.9, thrown_out=True)
        tried.next(0)
    tried.lost(5, thrown_out=True)
    assert waits(tried, 4, away_s=0) == [0.5, 1, 2, 2]


def test_a_peer_that_crashes_soon_after_it_came_is_no_peer_that_throws_us_out() -> None:
    tried = backoff()
    for _ in range(5):
        tried.lost(1, thrown_out=False)
        assert tried.next(0) == 0.5
