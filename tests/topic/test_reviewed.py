"""What the first version of the peer got wrong, one story each, told to the pure protocol under virtual time."""

from __future__ import annotations

from random import Random

import pytest

from ampubsub import wire
from ampubsub.machine import Time
from ampubsub.topic import LifeVerdict, MachineGone, MachineReplaced, PeerStatus, Source, changes
from ampubsub.topic import constants as c
from ampubsub.topic.constants import REMEMBERED
from ampubsub.transport.interface import DisconnectCause, MessageReceived
from tests.topic.net import Net, info


def star(*leaves: str, direct: bool = True) -> Net:
    """A root without machines, and leaves with one lamp each, all knowing each other."""
    net = Net()
    net.peer("root")
    for name in leaves:
        net.peer(name, info(name))
        net.link("root", name, direct=direct)
    net.run(15 if direct else 40)
    return net


# -- identities are free (1.1, 1.3, 1.11)


def test_two_thousand_identities_of_one_neighbour_do_not_lock_out_a_connected_newcomer() -> None:
    net = Net()
    root = net.peer("root", max_peers=200)
    net.link("root", "villain", direct=False)
    for number in range(2100):
        net.publish("villain", wire.MsgReqInfo(("x",)))
        author = f"sybil{number}"
        message = wire.encode(wire.MsgGossip({author: {0: 1}}))
        root.receive(net.now, MessageReceived("home", author, message, "villain", 10**18 + number))
        net.now += 0.02
    net.peer("honest", info("door"))
    net.link("root", "honest")
    net.run(2)
    assert net.source("root", "honest") == "first-hand"
    assert len(root.beliefs.peers) <= 200


def test_honest_speakers_through_another_neighbour_find_a_place_among_the_identities_of_one() -> None:
    net = Net()
    root = net.peer("root", max_peers=100)
    for number in range(300):
        message = wire.encode(wire.MsgGossip({f"sybil{number}": {0: 1}}))
        root.receive(
            number / 10, MessageReceived("home", f"sybil{number}", message, "villain", 10**18 + number)
        )
    honest = wire.encode(wire.MsgInfo({"far": {0: info("door")}}, {}))
    root.receive(31.0, MessageReceived("home", "far", honest, "friend", 10**18))
    assert net.source("root", "far") == "first-hand"


def test_however_many_speak_a_silent_one_is_doubted_within_ten_minutes() -> None:
    net = Net()
    root = net.peer("root")
    for number in range(1500):
        message = wire.encode(wire.MsgReqInfo(("x",)))
        root.receive(
            number / 50, MessageReceived("home", f"p{number}", message, f"n{number % 50}", 10**18 + number)
        )
    net.now = 30.0
    net.run(c.SILENCE_MAX_S + 2 * c.HEARTBEAT_S)
    assert root.beliefs.peers["p0"].status in (PeerStatus.STALE, PeerStatus.GONE)


def test_thirty_megabytes_of_one_neighbour_are_not_decoded() -> None:
    net = Net()
    root = net.peer("root")
    large = wire.encode(wire.MsgInfo({"villain": {i: info("x" * 200) for i in range(200)}}, {}))
    large += bytes(400_000)
    for number in range(64):
        root.receive(0.01 * number, MessageReceived("home", "villain", large, "villain", 10**18 + number))
    assert root.beliefs.dropped["rate-neighbour"] >= 40


# -- offline, far away, and gone (1.4, 1.5, R7)


def test_whoever_is_cut_off_calls_all_it_knows_stale_at_once() -> None:
    net = star("a", "b")
    assert net.source("a", "b") == "first-hand"
    net.unlink("root", "a")
    assert net.source("a", "b") == "stale"
    assert net.peers["a"].beliefs.peers["b"].verdict is LifeVerdict.CUT_OFF


def test_a_peer_whose_direct_link_ends_is_asked_before_it_is_buried_and_lives_on_through_others() -> None:
    net = Net()
    for name in ("a", "b", "hub"):
        net.peer(name, info(name))
    for one, two in (("a", "b"), ("a", "hub"), ("b", "hub")):
        net.link(one, two, direct=False)
    net.run(20)
    net.unlink("a", "b")
    net.run(25)
    assert net.source("a", "b") == "first-hand"
    net.run(300)
    assert not [e for e in net.events["a"] if isinstance(e, MachineGone)]


@pytest.mark.parametrize(
    ("cause", "verdict"),
    [(DisconnectCause.LOST, LifeVerdict.CRASHED), (DisconnectCause.EXPELLED, LifeVerdict.EXPELLED)],
)
def test_that_it_left_is_never_said_of_one_that_was_lost(
    cause: DisconnectCause, verdict: LifeVerdict
) -> None:
    net = star("a", "b")
    net.kill("b")
    net.unlink("root", "b", cause)
    peer = net.peers["root"].beliefs.peers["b"]
    assert "left" not in peer.reason
    net.run(60)
    assert peer.status is PeerStatus.GONE
    assert peer.verdict is verdict


def test_of_one_that_unsubscribed_it_is_said_that_it_left() -> None:
    net = star("a", "b")
    net.local("root", changes.Unsubscribed("b"))
    peer = net.peers["root"].beliefs.peers["b"]
    assert (peer.status, peer.verdict) == (PeerStatus.STALE, LifeVerdict.LEFT)


def test_a_killed_peer_is_doubted_by_all_within_ten_seconds_though_no_connection_ends() -> None:
    net = star("a", "b", "d")
    net.kill("b")
    net.run(9.5)
    assert {net.source(name, "b") for name in ("a", "d")} == {"stale"}
    assert net.peers["root"].beliefs.peers["b"].verdict is LifeVerdict.DOUBTED


def test_who_sees_a_connection_die_tells_the_others_at_once() -> None:
    net = star("a", "b", "d")
    net.kill("b")
    net.unlink("root", "b")
    net.run(1)
    assert {net.source(name, "b") for name in ("a", "d")} == {"stale"}


def test_the_dead_are_not_named_to_newcomers() -> None:
    net = star("a", "b")
    net.kill("b")
    net.unlink("root", "b")
    net.run(5)
    net.peer("late")
    net.link("root", "late")
    net.run(30)
    assert net.source("late", "b") == "unknown"
    assert net.source("late", "a") == "first-hand"


def test_a_peer_that_stops_for_five_seconds_now_and_then_is_never_doubted() -> None:
    net = star("a", "b")
    random = Random(5)
    for _ in range(40):
        name = random.choice(("root", "a", "b"))
        stopped = net.peers.pop(name)
        before = {other: len(net.events[other]) for other in net.events}
        held = [each for each in net._queue if each[2] == name]
        net.run(5)
        net.peers[name] = stopped
        for each in held:
            net._push(net.now, each[2], each[3], each[4])
        net.run(random.uniform(6, 20))
        for other, count in before.items():
            lost = [e for e in net.events[other][count:] if getattr(e, "source", None) is Source.STALE]
            assert not lost, (name, other, lost)


def test_witnesses_are_named_with_how_long_ago_they_heard_of_it() -> None:
    net = star("a", "b")
    (witness,) = net.peers["a"].life.witnesses("b", net.now)
    assert witness.peer_id == "root"
    assert witness.heard_directly_s_ago <= c.SILENT_AFTER_S
    (ourselves,) = net.peers["root"].life.witnesses("b", net.now)
    assert ourselves.peer_id == "root"
    assert ourselves.heard_directly_s_ago < 2


# -- numbers that fall (1.6, 1.17)


def test_a_restart_with_the_clock_set_back_is_recognised_over_a_new_connection() -> None:
    net = star("a")
    net.publish("b", wire.MsgInfo({"b": {0: info("b", 0, 0, 0, 9)}}, {}), 2 * 10**18)
    net.link("root", "b", direct=False)
    net.run(1)
    net.publish("b", wire.MsgInfo({"b": {0: info("b", 0, 0, 0, 9)}}, {}), 2 * 10**18 + 1)
    net.run(1)
    net.unlink("root", "b")
    net.run(1)
    net.link("root", "b", direct=False)
    net.publish("b", wire.MsgInfo({"b": {0: info("b", 0, 0, 1, 5)}}, {}), 10**18)
    net.run(1)
    assert net.machine("root", "b").clock == (0, 0, 1, 5)
    assert net.source("root", "b") == "first-hand"
    old = net.publish("b", wire.MsgInfo({"b": {0: info("b", 0, 0, 0, 9)}}, {}), 2 * 10**18 + 1)
    net.run(1)
    assert net.machine("root", "b").clock == (0, 0, 1, 5), f"{old.sequence} is of the earlier life"


def test_without_a_new_connection_falling_numbers_are_replays_and_counted() -> None:
    net = star("a")
    net.link("root", "b", direct=False)
    net.publish("b", wire.MsgInfo({"b": {0: info("b", 0, 0, 0, 9)}}, {}), 2 * 10**18)
    net.run(1)
    net.publish("b", wire.MsgInfo({"b": {0: info("b", 0, 0, 0, 5)}}, {}), 10**18)
    net.run(1)
    assert net.machine("root", "b").clock == (0, 0, 0, 9)
    assert net.peers["root"].beliefs.dropped["old-sequence"] == 1


def test_a_replayed_bye_does_not_end_a_peer_that_exposes_nothing_now() -> None:
    net = star("a")
    net.link("root", "b", direct=False)
    bye = wire.MsgBye({0: wire.ByeMachine(True, "b", None)})
    net.publish("b", wire.MsgInfo({"b": {0: info("b")}}, {}), 10**18)
    net.publish("b", wire.MsgInfo({"b": {}}, {}), 10**18 + 2)
    net.run(1)
    net.publish("b", bye, 10**18 + 1)
    net.run(1)
    assert net.peers["root"].beliefs.peers["b"].status is PeerStatus.JOINED


# -- a bye is the last word (R8, 1.12)


def test_after_a_bye_nothing_is_said_and_nothing_of_it_revives_the_peer() -> None:
    net = star("a", "b")
    net.local("b", changes.Changed(0, (0, 1, 0, 0)))
    net.local("b", changes.Leaving())
    began = net.now
    net.run(0.3)
    assert [type(m).__name__ for at, who, m, _ in net.said if who == "b" and at >= began] == ["MsgBye"]
    assert not [frame for frame in net.frames if frame[1] == "b" and frame[0] > began]
    net.publish("b", wire.MsgGossip({"b": {0: 1}}))
    net.run(0.5)
    assert net.peers["root"].beliefs.peers["b"].status is PeerStatus.GONE
    net.unlink("root", "b", DisconnectCause.CLOSED)
    net.run(1)
    peer = net.peers["root"].beliefs.peers["b"]
    assert (peer.status, peer.verdict, peer.reason) == (PeerStatus.GONE, LifeVerdict.LEFT, "it said bye")
    net.publish("a", wire.MsgReqInfo(("nobody",)))
    net.peer("b", info("b"))
    net.link("root", "b")
    net.run(2)
    assert net.source("root", "b") == "first-hand", "a new hello brings it back"


def test_many_machines_that_go_at_once_are_one_bye_and_the_next_change_is_not_late() -> None:
    net = Net()
    net.peer("root")
    net.peer("a", *(info(f"m{number}") for number in range(151)))
    net.link("root", "a")
    net.run(5)
    began = net.now
    for index in range(150):
        net.local("a", changes.Unexposed(index))
    net.local("a", changes.Changed(150, (0, 0, 0, 1)))
    net.run(0.5)
    assert net.count("a", wire.MsgBye, began) == 1
    assert list(net.peers["root"].beliefs.peers["a"].machines) == [150]
    assert net.machine("root", "a", 150).clock == (0, 0, 0, 1)


def test_machines_that_churn_do_not_starve_their_own_descriptions() -> None:
    net = Net()
    net.peer("root")
    net.peer("a", *(info(f"m{number}") for number in range(50)))
    net.link("root", "a")
    net.run(5)
    for step in range(400):
        net.local("a", changes.Exposed(50 + step, info(f"m{50 + step}")))
        net.local("a", changes.Unexposed(step))
        net.run(0.05)
    net.run(8)
    assert set(net.peers["root"].beliefs.peers["a"].machines) == set(range(400, 450))


# -- about ourselves only we are right (1.7, 1.10)


def test_a_later_clock_told_of_us_neither_answers_for_us_nor_stands() -> None:
    net = Net()
    net.peer("a", info("door"))
    net.peer("new")
    net.link("a", "new", direct=False)
    net.link("a", "villain", direct=False)
    net.links |= {("villain", "new"), ("new", "villain")}
    lie = wire.MsgInfo({"a": {0: info("door", 0, 1, 0, 0)}}, {})
    for _ in range(50):
        net.publish("villain", lie)
        net.run(0.2)
    assert net.source("new", "a") == "first-hand"
    assert net.machine("new", "a").clock == (0, 0, 0, 0)


def test_a_small_lie_about_all_does_not_make_them_say_much() -> None:
    net = star(*"abcdefgh", direct=False)
    net.link("root", "villain", direct=False)
    lie = wire.MsgInfo({name: {0: info("false")} for name in "abcdefgh"}, {})
    began = net.now
    for _ in range(150):
        net.publish("villain", lie)
        net.run(0.2)
    villain = sum(size for at, who, _, size in net.said if who == "villain" and at >= began)
    honest = sum(size for at, who, _, size in net.said if who != "villain" and at >= began)
    assert honest < villain / 4, (honest, villain)


def test_sums_of_ours_that_are_too_large_are_answered_with_the_true_ones() -> None:
    net = star("a", "b", direct=False)
    net.link("root", "villain", direct=False)
    for _ in range(40):
        net.publish("villain", wire.MsgGossip({"a": {0: 1 << 40}}))
        net.run(0.5)
    net.run(4)
    assert net.source("b", "a") == "first-hand"


# -- Go peers (1.13)


def test_an_owner_that_never_answers_for_clocks_is_asked_for_its_description() -> None:
    net = Net()
    net.peer("a")
    net.link("a", "go", direct=False)
    net.publish("go", wire.MsgInfo({"go": {0: info("go")}}, {}))
    net.run(1)
    net.publish("villain", wire.MsgReqInfo(("x",)))
    net.links |= {("villain", "a"), ("a", "villain")}
    net.publish("villain", wire.MsgGossip({"go": {0: 99}}))
    answered = 0
    for _ in range(60):
        net.run(1)
        asked = [m for _, who, m, _ in net.said if who == "a" and isinstance(m, wire.MsgReqInfo)]
        if any("go" in (m.peer_ids or ()) for m in asked) and not answered:
            answered = 1
            net.publish("go", wire.MsgInfo({"go": {0: info("go")}}, {}))
    assert answered
    assert net.source("a", "go") == "first-hand"


def test_the_257th_liar_is_refuted_like_the_first() -> None:
    net = star("a")
    machine = net.machine("root", "a")
    for number in range(300):
        net.link("root", f"liar{number}", direct=False)
        lie = wire.encode(wire.MsgGossip({"a": {0: 1 << 40}}))
        liar = f"liar{number}"
        net.peers["root"].receive(net.now, MessageReceived("home", liar, lie, liar, 10**18 + number))
    assert len(machine.claims) == c.CLAIMANTS
    net.run(10)
    assert net.source("root", "a") == "first-hand"
    assert len(machine.refuted) == c.CLAIMANTS


# -- nothing is kept for ever, nothing costs the square


def test_nothing_of_vanished_peers_stays() -> None:
    net = star("a")
    root = net.peers["root"]
    for number in range(50):
        name = f"guest{number}"
        net.peer(name, info(name))
        net.link("root", name)
        net.run(2)
        net.kill(name)
        net.unlink("root", name)
    net.run(root.settings.gone_after_s + root.settings.forget_after_s + 60)
    assert set(root.beliefs.peers) == {"a"}
    assert root.beliefs.machines == 1
    assert set(root.life.map.told) <= {"a"}
    assert set(root.sync.streams) == set(root.life.neighbours) == {"a"}
    assert len(root.sync.entries) <= 3


def test_updates_that_move_a_thousand_machines_look_at_each_once() -> None:
    net = Net()
    root = net.peer("root", max_machines_per_peer=1024)
    machines = {index: info(f"m{index}") for index in range(1024)}
    message = wire.encode(wire.MsgInfo({"a": machines}, {}))
    root.receive(0.0, MessageReceived("home", "a", message, "a", 10**18))
    looked = 0
    for machine in root.beliefs.peers["a"].machines.values():
        assert not machine.unsettled
    settle = root.beliefs._settle

    def counting(*args: object) -> None:
        nonlocal looked
        looked += 1
        settle(*args)

    root.beliefs._settle = counting  # type: ignore[method-assign]
    clocks = {index: Time((0, 1, 0, 0)) for index in machines}
    message = wire.encode(wire.MsgUpdates({"a": clocks}))
    root.receive(1.0, MessageReceived("home", "a", message, "a", 10**18 + 1))
    assert looked == 1024


def test_what_passed_the_check_is_remembered_for_so_many_only() -> None:
    net = Net()
    root = net.peer("root", messages_per_peer=10**6, messages_in_total=10**6)
    for number in range(2 * REMEMBERED):
        root.check(0.0, MessageReceived("home", "a", b"x", "a", 1 + number))
    assert len(root._passed) == REMEMBERED


# -- the private stream


def test_what_an_owner_signed_is_first_hand_whoever_hands_it_on_and_no_question_is_asked() -> None:
    net = star("a", "b", "d")
    began = net.now
    net.peer("late")
    net.link("root", "late")
    net.run(3)
    assert {net.source("late", name) for name in ("a", "b", "d")} == {"first-hand"}
    assert net.count("late", wire.MsgReqInfo, began) == 0
    assert not [who for at, who, m, _ in net.said if at >= began and isinstance(m, wire.MsgInfo)]


def test_an_update_that_was_lost_is_repaired_by_a_neighbour_within_moments() -> None:
    net = star("a", "b", "d")
    root = net.peers["root"]
    received = root.receive
    root.receive = lambda now, message: [] if message.author == "b" else received(now, message)  # type: ignore[method-assign]
    net.link("a", "b")
    net.run(2)
    net.local("b", changes.Changed(0, (0, 0, 0, 7)))
    net.run(6)
    assert {net.machine(name, "b").clock for name in ("root", "a", "d")} == {(0, 0, 0, 7)}


def test_a_forged_record_is_dropped_and_counted() -> None:
    from ampubsub.topic.direct import Records, encode_frame, pack

    net = star("a")
    forged = encode_frame("home", Records(pack([b"b 1 " + b"nonsense"])))
    net.peers["root"].receive_direct(net.now, "a", forged)
    assert net.peers["root"].beliefs.dropped["bad-signature"] == 1


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x94\x01\xa4home\x02\x91\x91\x01", bytes(600_000)])
def test_a_frame_that_is_none_is_dropped_and_counted_and_harms_nobody(data: bytes) -> None:
    net = star("a")
    net.peers["root"].receive_direct(net.now, "a", data)
    assert sum(net.peers["root"].beliefs.dropped.values()) == 1
    net.run(10)
    assert net.source("root", "a") == "first-hand"


def test_a_stream_speaks_for_its_own_end_only() -> None:
    from ampubsub.topic.direct import Own, encode_frame

    net = star("a", "b")
    lie = wire.encode(wire.MsgInfo({"b": {0: info("lie")}}, {"b": {0: 0}}))
    net.peers["root"].receive_direct(net.now, "a", encode_frame("home", Own(lie)))
    assert net.machine("root", "b").info.id == "b"
    assert net.peers["root"].beliefs.dropped["not-its-own"] == 1


def test_what_the_topic_says_later_than_the_stream_is_no_restart() -> None:
    net = Net()
    root = net.peer("root")
    net.peer("a", info("a"))
    net.link("root", "a")
    net.run(5)
    frames = [wire.encode(wire.MsgInfo({"a": {0: info("a", 0, 0, 0, 5)}}, {"a": {0: 5}}))]
    from ampubsub.topic.direct import Own, encode_frame

    root.receive_direct(net.now, "a", encode_frame("home", Own(frames[0])))
    net.publish("a", wire.MsgUpdates({"a": {0: Time((0, 0, 0, 4))}}))
    net.run(0.2)
    assert net.machine("root", "a").clock == (0, 0, 0, 5)
    assert not [e for e in net.events["root"] if isinstance(e, MachineReplaced)]


# -- people


def test_a_muted_peer_is_heard_no_longer_nor_what_comes_through_it() -> None:
    net = star("a", "b")
    net.local("root", changes.Muted("a"))
    net.local("a", changes.Changed(0, (0, 1, 0, 0)))
    net.local("b", changes.Changed(0, (0, 1, 0, 0)))
    net.run(1)
    assert net.machine("root", "a").clock == (0, 0, 0, 0)
    assert net.machine("root", "b").clock == (0, 1, 0, 0)
    net.local("root", changes.Muted("a", False))
    net.run(15)
    assert net.machine("root", "a").clock == (0, 1, 0, 0)
    net.local("a", changes.Muted("root", True, through=True))
    net.local("b", changes.Changed(0, (0, 2, 0, 0)))
    net.run(5)
    assert net.machine("a", "b").clock == (0, 1, 0, 0)


def test_the_same_seed_says_the_same_bytes() -> None:
    def day() -> list[object]:
        net = star("a", "b", "d")
        net.local("a", changes.Changed(0, (0, 1, 0, 0)))
        net.kill("b")
        net.run(60)
        return [(at, who, wire.encode(m)) for at, who, m, _ in net.said] + list(net.frames)

    assert day() == day()


def test_a_lost_bye_of_one_machine_is_found_out_on_the_stream_and_not_compared_for_ever() -> None:
    net = Net()
    root = net.peer("root")
    net.peer("a", info("one"), info("two"))
    net.link("root", "a")
    net.run(5)
    net.peers["a"].own.unexpose(1, None)
    net.peers["a"].own.gone.clear()  # the bye was lost
    net.run(8)
    assert set(root.beliefs.peers["a"].machines) == {0}
    assert root.sync.entries.total == net.peers["a"].sync.entries.total


def test_an_idle_topic_of_ours_says_little_and_names_only_itself() -> None:
    net = star(*"abcdefgh")
    began = net.now
    net.run(200)
    said = [(who, m) for at, who, m, _ in net.said if at > began]
    assert {type(m) for _, m in said} == {wire.MsgGossip}
    assert all(set(m.peer_gossips or {}) == {who} for who, m in said)
    assert len(said) <= 8 * 200 / 20 + 8
    frames = sum(size for at, _, _, size in net.frames if at > began)
    assert frames / 200 / 9 < 200, "bytes a second and peer"


def test_a_topic_whose_hub_died_comes_together_again_over_addresses_told_before() -> None:
    names = "abcdefgh"
    net = star(*names)
    net.run(40)
    net.kill("root")
    for name in names:
        net.unlink("root", name)
    assert net.source("a", "b") == "stale"
    net.run(90)
    assert {net.source(one, two) for one in names for two in names if one != two} == {"first-hand"}
