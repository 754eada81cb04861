"""Whom the seeker dials and when: a clock of numbers, no network."""

from __future__ import annotations

from math import inf

import pytest

from ampubsub.discovery import Found, How, Seeker, SeekerSettings

TAG = "0123456789abcdef"
ME = "12D3KooWM"


def found(
    peer: str, how: How = How.MDNS, *, source: str = "", topics: tuple[str, ...] = (TAG,), addresses: int = 1
) -> Found:
    return Found(
        peer, tuple(f"{peer}-{source}-{i}" for i in range(addresses)), frozenset(topics), how, source
    )


def seeker(**settings: float) -> Seeker:
    settings = {"dials_at_once": 8, "wanted": 8, **settings}
    settings = {"most": settings["wanted"], **settings}
    return Seeker(ME, TAG, SeekerSettings(**{"dial_interval_s": 0.0, **settings}))  # type: ignore[arg-type]


def dialled(seeker: Seeker, now: float) -> list[str]:
    return [dial.peer_id for dial in seeker.due(now)]


def grown_up(**settings: float) -> Seeker:
    """One that was there for a while: it dials newcomers at once."""
    one = seeker(**settings)
    one.found(0, found("gone", How.BOOK))
    one.due(0)
    one.connected("gone")
    one.dialled(0, "gone", reached=True)
    return one


def test_who_was_there_dials_a_newcomer_at_once() -> None:
    one = grown_up()
    one.found(10, found("12D3KooWA"))
    assert dialled(one, 10) == ["12D3KooWA"]
    assert one.how_found("12D3KooWA") == "mdns"


def test_of_two_newcomers_the_smaller_id_dials_and_the_other_waits_whether_that_helped() -> None:
    one = seeker()
    one.found(0, found("12D3KooWA"))  # smaller: it will dial us
    one.found(0, found("12D3KooWZ"))
    assert dialled(one, 0) == ["12D3KooWZ"]
    assert one.next_due(0) == 1.5
    assert dialled(one, 1.49) == []
    assert dialled(one, 1.5) == ["12D3KooWA"]
    other = seeker()
    other.found(0, found("12D3KooWA"))
    other.connected("12D3KooWA", How.DIALLED_US)
    assert dialled(other, 9) == []
    assert other.how_found("12D3KooWA") == "dialled us"


def test_newcomers_wait_for_nobody_they_know_from_the_book() -> None:
    one = seeker()
    one.found(0, found("12D3KooWA", How.BOOK))
    assert dialled(one, 0) == ["12D3KooWA"]


@pytest.mark.parametrize(
    ("topics", "strangers", "dials"),
    [((), False, []), ((), True, ["p"]), (("f" * 16,), True, []), (("f" * 16, TAG), False, ["p"])],
)
def test_only_peers_of_the_topic_are_dialled_and_those_that_do_not_say_only_on_request(
    topics: tuple[str, ...], strangers: bool, dials: list[str]
) -> None:
    one = Seeker(ME, TAG, strangers=strangers)
    one.found(0, found("p", topics=topics))
    assert dialled(one, 5) == dials


def test_given_listed_and_told_peers_need_not_say_their_topic() -> None:
    for how in (How.GIVEN, How.LIST, How.BOOK, How.TOLD):
        one = seeker()
        one.found(0, found("p", how, topics=()))
        assert dialled(one, 0) == ["p"]


def test_we_do_not_dial_ourselves() -> None:
    one = seeker()
    one.found(0, found(ME, How.GIVEN))
    assert one.known == 0


def test_typed_addresses_go_first_then_the_list_the_book_the_network_and_what_others_told() -> None:
    one = grown_up(dials_at_once=1, wanted=99)
    order = [How.TOLD, How.MDNS, How.BOOK, How.LIST, How.GIVEN]
    for how in order:
        one.found(5, found(how.name, how, source="friend"))
    seen = []
    for _ in order:
        (dial,) = one.due(5)
        seen.append((dial.peer_id, dial.how))
        one.dialled(5, dial.peer_id, reached=False)
    assert seen == [
        ("GIVEN", "given"),
        ("LIST", "list"),
        ("BOOK", "book"),
        ("MDNS", "mdns"),
        ("TOLD", "told by friend"),
    ]


def test_a_failed_dial_is_tried_ever_more_rarely_and_a_stranger_forgotten() -> None:
    one = grown_up()
    one.found(100, found("dead"))
    at, waits = 100.0, []
    for _ in range(5):
        assert dialled(one, at) == ["dead"]
        one.dialled(at, "dead", reached=False)
        waits.append(one.next_due(at) - at)
        at = one.next_due(at) if one.next_due(at) < inf else at
    assert waits == [2, 4, 8, 16, inf]
    assert dialled(one, 1e9) == []
    one.found(200, found("dead"))  # it announces itself anew
    assert dialled(one, 200) == ["dead"]


def test_who_was_met_before_is_never_given_up_and_tried_every_five_minutes_at_the_least() -> None:
    one = seeker()
    one.found(0, found("friend", How.BOOK))
    at = 0.0
    for _ in range(20):
        assert dialled(one, at) == ["friend"]
        one.dialled(at, "friend", reached=False)
        assert one.next_due(at) - at <= 300
        at = one.next_due(at)
    assert at > 3_000


def test_a_reached_peer_starts_anew_with_its_waits() -> None:
    one = grown_up()
    one.found(5, found("p"))
    for _ in range(3):
        one.due(one.next_due(100))
        one.dialled(100, "p", reached=False)
    one.due(200)
    one.dialled(200, "p", reached=True)
    one.connected("p")
    one.disconnected(300, "p")
    assert dialled(one, 301.9) == []
    assert dialled(one, 302) == ["p"]
    one.dialled(302, "p", reached=False)
    assert one.next_due(302) == 304


def test_enough_is_enough_and_the_rest_is_kept_in_reserve() -> None:
    one = seeker(wanted=3)
    for number in range(6):
        one.found(0, found(f"p{number}", How.BOOK))
    assert dialled(one, 0) == ["p0", "p1", "p2"]
    for peer in ("p0", "p1", "p2"):
        one.connected(peer)
        one.dialled(0, peer, reached=True)
    assert dialled(one, 50) == []
    assert one.next_due(50) == inf
    one.disconnected(60, "p1")
    assert dialled(one, 60) == ["p3"]


def test_a_few_at_a_time_and_not_all_at_the_same_instant() -> None:
    one = Seeker(ME, TAG, SeekerSettings(dials_at_once=2, dial_interval_s=0.5))
    for number in range(4):
        one.found(0, found(f"p{number}", How.BOOK))
    assert dialled(one, 0) == ["p0"]
    assert one.next_due(0) == 0.5
    assert dialled(one, 0.5) == ["p1"]
    assert dialled(one, 1) == []
    assert one.next_due(1) == inf
    one.dialled(1, "p0", reached=False)
    assert dialled(one, 1) == ["p2"]


def test_ten_thousand_found_peers_cost_a_bounded_number_of_dials_and_hide_nobody() -> None:
    one = grown_up(wanted=20, dials_of_strangers=32, window_s=30)
    for number in range(10_000):
        one.found(10, found(f"liar{number:05}", source=f"r{number}"))
    assert one.known <= 256
    one.found(10, found("honest", source="h"))
    assert one.known <= 256
    now, dials = 10.0, []
    while now < 40:
        for dial in one.due(now):
            dials.append(dial.peer_id)
            one.dialled(now, dial.peer_id, reached=dial.peer_id == "honest")
        now += 0.1
    assert "honest" in dials[:10]
    assert len(dials) == 32
    one.found(41, found("friend", How.BOOK))
    assert "friend" in dialled(one, 41)


def test_an_honest_peer_found_before_the_flood_is_dialled_soon_too() -> None:
    one = grown_up(wanted=20)
    one.found(10, found("honest"))
    for number in range(200):
        one.found(10, found(f"liar{number:05}", source=f"r{number}"))
    assert "honest" in dialled(one, 10)


def test_a_flood_of_strangers_pushes_out_no_peer_that_was_met() -> None:
    one = seeker(peers=4)
    for number in range(4):
        one.found(0, found(f"friend{number}", How.BOOK))
    one.found(0, found("stranger"))
    assert sorted(dialled(one, 5)) == ["friend0", "friend1", "friend2", "friend3"]
    one = seeker(peers=2)
    one.found(0, found("a"))
    one.found(0, found("b"))
    one.found(0, found("friend", How.BOOK))
    assert one.known == 2
    assert "friend" in dialled(one, 5)


def test_who_claims_anothers_id_does_not_push_its_addresses_out() -> None:
    one = grown_up()
    one.found(5, found("p", source="true"))
    for number in range(10):
        one.found(5, found("p", source=f"liar{number}", addresses=16))
    (dial,) = one.due(5)
    assert dial.addresses[0] == "p-true-0"
    assert len(dial.addresses) == 16
    late = grown_up()
    for number in range(3):
        late.found(5, found("p", source=f"liar{number}", addresses=16))
    late.found(5, found("p", source="true"))
    assert "p-true-0" in late.due(5)[0].addresses[:4]


def test_a_record_that_says_goodbye_is_forgotten_but_not_what_others_say_of_the_peer() -> None:
    one = grown_up()
    one.found(5, found("p", source="r1"))
    one.found(5, found("p", How.BOOK))
    one.found(5, found("q", source="r2"))
    for source in ("r1", "r2", "unknown"):
        one.found(6, Found("", (), frozenset(), How.MDNS, source))
    assert [(dial.peer_id, dial.how) for dial in one.due(6)] == [("p", "book")]


def test_how_peers_were_found_is_remembered_while_they_are_connected_and_bounded() -> None:
    one = seeker(peers=4)
    one.connected("first", How.DIALLED_US)
    for number in range(50):
        one.connected(f"p{number}", How.DIALLED_US)
        one.disconnected(0, f"p{number}")
    assert one.how_found("first") == "dialled us"
    assert len(one._how) <= 17
    assert one.how_found("nobody") == ""


def test_beyond_what_is_wanted_one_more_is_dialled_now_and_then_lest_groups_fall_apart() -> None:
    one = seeker(wanted=2, most=4, one_more_s=10)
    for number in range(9):
        one.found(0, found(f"p{number}", How.BOOK))
    for peer in dialled(one, 0):
        one.connected(peer)
        one.dialled(0, peer, reached=True)
    assert one.next_due(1) == 10
    for at in (10.0, 20.0):
        assert dialled(one, at - 0.1) == []
        (peer,) = dialled(one, at)
        one.connected(peer)
        one.dialled(at, peer, reached=True)
    assert one.next_due(30) == inf
    assert dialled(one, 99) == []


def test_peers_that_find_the_same_ones_dial_them_in_orders_of_their_own() -> None:
    first = set()
    for number in range(12):
        one = Seeker(f"me{number}", TAG, SeekerSettings(dials_at_once=1))
        one.found(0, found("gone", How.BOOK))
        one.due(0)
        one.dialled(0, "gone", reached=True)
        one.connected("gone")
        for other in range(12):
            one.found(5, found(f"p{other}"))
        one._turn = 0
        first.update(dialled(one, 5))
    assert len(first) >= 6


def test_whoever_failed_or_is_the_oldest_of_the_strangers_makes_room() -> None:
    one = seeker(peers=3)
    for peer in ("12D3KooWX", "12D3KooWY", "12D3KooWZ"):
        one.found(0, found(peer))
    one.due(0)
    for peer in ("12D3KooWX", "12D3KooWY", "12D3KooWZ"):
        one.dialled(0, peer, reached=False)
    one.found(1, found("12D3KooWa"))
    assert one.known == 3
    assert sorted(dialled(one, 50)) == ["12D3KooWY", "12D3KooWZ", "12D3KooWa"]


def test_one_that_is_held_back_is_dialled_once_the_window_has_passed() -> None:
    one = grown_up(dials_of_strangers=1, window_s=30, first_retry_s=1_000)
    one.found(10, found("a"))
    one.found(10, found("b"))
    (first,) = dialled(one, 10)
    one.dialled(11, first, reached=False)
    assert one.next_due(12) == 40
    assert dialled(one, 39.9) == []
    assert len(dialled(one, 40.1)) == 1
