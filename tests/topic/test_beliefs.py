"""What is believed of whom: first-hand and hearsay, restarts, liars, early clocks, growing old, bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ampubsub.machine import State, Time
from ampubsub.topic import beliefs as room
from ampubsub.topic import news as judging
from ampubsub.topic.beliefs import Beliefs
from ampubsub.topic.constants import PROMOTE_AFTER_S
from ampubsub.topic.events import (
    ClockChanged,
    MachineExposed,
    MachineGone,
    MachineReplaced,
    MachineSourceChanged,
    PeerChanged,
    PeerStatus,
    Source,
    TopicEvent,
)
from ampubsub.topic.life import Life
from ampubsub.topic.news import News
from ampubsub.topic.settings import TopicSettings
from ampubsub.transport.interface import DisconnectCause
from ampubsub.wire import ByeMachine, Info

SETTINGS = TopicSettings()


def door(*clock: int, id: str = "door", states: tuple[str, ...] = ("Exception", "Open", "Locked")) -> Info:
    schema = {name: State() for name in states}
    return Info(
        id=id, schema=schema, states=states, mtime=Time(clock or [0] * len(states)), tags=(), parent=""
    )


class Ground:
    """Beliefs, lives, a clock of its own, and everything that was told."""

    def __init__(self, settings: TopicSettings = SETTINGS) -> None:
        self.beliefs = Beliefs("me", settings)
        self.life = Life(self.beliefs)
        self.now = 100.0
        self.sequence = 0

    @property
    def events(self) -> list[TopicEvent]:
        return self.beliefs.events

    def says(self, author: str, sequence: int | None = None) -> News:
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.hears(author, sequence)
        return News(self.beliefs, author, sequence, self.now)

    def hears(self, author: str, sequence: int, through: str = "", *, hello: bool = True) -> object:
        return self.beliefs.heard(author, sequence, self.now, through=through, relayed=False, hello=hello)

    def expire(self) -> None:
        self.life.expire(self.now, joined=True)

    def of(self, kind: type) -> list[TopicEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def door(self, peer: str = "owner", index: int = 0):
        machine = self.beliefs.machine((peer, index))
        assert machine is not None
        return machine


def test_the_owners_own_word_is_first_hand() -> None:
    ground = Ground()
    assert ground.says("owner").info("owner", {0: door(0, 1, 0)})
    assert ground.of(MachineExposed) == [MachineExposed(("owner", 0), "door", Source.FIRST_HAND)]
    assert ground.of(PeerChanged) == [PeerChanged("owner", PeerStatus.JOINED)]
    assert "owner" not in ground.beliefs.missing


def test_what_another_says_is_hearsay_until_the_owner_says_it() -> None:
    ground = Ground()
    ground.says("gossip").info("owner", {0: door(0, 1, 0)})
    assert ground.door().source is Source.HEARSAY
    assert "owner" in ground.beliefs.missing, "the owner will be asked to confirm"
    assert ground.says("gossip").clock(ground.door(), (0, 3, 0)), "newer hearsay moves hearsay"
    ground.says("owner").clock(ground.door(), (0, 3, 0))
    assert ground.door().source is Source.HEARSAY, (
        "the clock is true; its states may still be somebody's invention"
    )
    ground.says("owner").info("owner", {0: door(0, 3, 0)})
    assert ground.door().source is Source.FIRST_HAND
    assert "owner" not in ground.beliefs.missing


def test_an_invented_clock_is_corrected_before_the_machine_is_called_first_hand() -> None:
    ground = Ground()
    ground.says("liar").info("owner", {0: door(0, 99, 0)})
    ground.events.clear()
    ground.says("owner").info("owner", {0: door(0, 1, 0)})
    of_the_door = [event for event in ground.events if not isinstance(event, PeerChanged)]
    assert of_the_door == [
        ClockChanged(("owner", 0), Time((0, 99, 0)), Time((0, 1, 0)), Source.FIRST_HAND, "owner"),
        MachineSourceChanged(("owner", 0), Source.FIRST_HAND, ""),
    ]


def test_others_who_tell_it_again_and_again_do_not_keep_us_from_asking_the_owner() -> None:
    ground = Ground()
    for _ in range(10):
        ground.says("gossip").info("owner", {0: door(0, 1, 0)})
        ground.now += 1
    ground.beliefs.missing.settle("gossip")
    assert ground.beliefs.missing.look() == ground.now - 10 + PROMOTE_AFTER_S


def test_hearsay_never_wins_over_the_owner_but_marks_the_clock_as_behind() -> None:
    ground = Ground()
    ground.beliefs.joined("liar", ground.now)
    ground.says("owner").info("owner", {0: door(0, 1, 0)})
    assert not ground.says("liar").clock(ground.door(), (0, 99, 0))
    assert ground.door().clock == (0, 1, 0)
    assert "owner" in ground.beliefs.late
    ground.expire()
    assert ground.door().source is Source.FIRST_HAND, "news may be on its way"
    ground.now += 2
    ground.expire()
    assert ground.door().source is Source.STALE
    ground.says("owner").clock(ground.door(), (0, 2, 0))
    assert ground.door().source is Source.FIRST_HAND, "the owner refuted the claim"
    ground.says("liar").clock(ground.door(), (0, 99, 0))
    ground.now += 2
    ground.expire()
    assert ground.door().source is Source.FIRST_HAND, "a refuted claimant is not believed again"


def test_a_claim_of_one_whom_nobody_hears_directly_makes_us_ask_and_not_doubt() -> None:
    ground = Ground()
    ground.says("owner").info("owner", {0: door(0, 1, 0)})
    assert ground.says("anybody").sums({"owner": {0: 3}}) == (False, False)
    assert "owner" in ground.beliefs.late
    ground.now += 2
    ground.expire()
    assert ground.door().source is Source.FIRST_HAND


def test_a_true_claim_is_settled_by_the_owners_update() -> None:
    ground = Ground()
    ground.beliefs.joined("friend", ground.now)
    ground.says("owner").info("owner", {0: door(0, 1, 0)})
    gossip = {"owner": {0: 3}}
    assert ground.says("friend").sums(gossip) == (False, True)
    ground.now += 2
    ground.expire()
    assert ground.door().source is Source.STALE
    ground.says("owner").clock(ground.door(), (0, 2, 1))
    assert ground.door().source is Source.FIRST_HAND
    assert "owner" not in ground.beliefs.late
    assert [type(e) for e in ground.events[-2:]] == [ClockChanged, MachineSourceChanged]


def test_a_lower_clock_in_a_newer_message_is_a_restart() -> None:
    ground = Ground()
    ground.says("owner", 10).info("owner", {0: door(0, 7, 2)})
    ground.says("owner", 11).clock(ground.door(), (0, 1, 0))
    assert ground.door().clock == (0, 1, 0)
    assert [e.reason for e in ground.of(MachineReplaced)] == ["it restarted: its clock is lower"]


def test_an_older_message_is_old_news_not_a_restart() -> None:
    ground = Ground()
    ground.says("owner", 10).info("owner", {0: door(0, 7, 2)})
    assert not ground.says("owner", 9).clock(ground.door(), (0, 6, 2))
    assert not ground.says("owner", 8).clock(ground.door(), (0, 90, 2)), (
        "nor is it believed from before a restart"
    )
    assert ground.door().clock == (0, 7, 2)
    assert ground.of(MachineReplaced) == []


def test_without_sequence_numbers_time_tells_old_news_from_a_restart() -> None:
    ground = Ground()
    ground.says("owner", 0).info("owner", {0: door(0, 7, 2)})
    ground.now += 2
    assert not ground.says("owner", 0).clock(ground.door(), (0, 1, 0))
    ground.now += 10
    assert ground.says("owner", 0).clock(ground.door(), (0, 1, 0))
    assert len(ground.of(MachineReplaced)) == 1


def test_another_schema_from_the_owner_replaces_the_machine_and_from_others_does_nothing() -> None:
    ground = Ground()
    ground.says("owner").info("owner", {0: door(0, 7, 2)})
    other = door(0, 1, id="gate", states=("Exception", "Up"))
    assert not ground.says("liar").info("owner", {0: other})
    assert ground.says("owner").info("owner", {0: other})
    assert ground.door().info.id == "gate"
    assert [e.reason for e in ground.of(MachineReplaced)] == ["it has another schema now"]


def test_others_cannot_add_machines_to_a_peer_that_speaks_for_itself() -> None:
    ground = Ground()
    ground.says("owner").info("owner", {0: door()})
    assert not ground.says("liar").info("owner", {1: door(id="forged")})
    assert ground.beliefs.machine(("owner", 1)) is None
    assert "owner" in ground.beliefs.missing, "the owner is asked instead"


def test_a_clock_that_comes_before_its_machine_waits_for_it() -> None:
    ground = Ground()
    assert ground.says("owner", 5).early("owner", 0, (0, 4, 1))
    assert "owner" in ground.beliefs.missing
    ground.says("friend").info("owner", {0: door(0, 1, 0)})
    assert ground.door().clock == (0, 4, 1)
    assert ground.door().first_hand


def test_clocks_of_the_wrong_length_are_dropped_and_counted() -> None:
    ground = Ground()
    ground.says("owner").info("owner", {0: door(0, 1, 0)})
    assert not ground.says("owner").clock(ground.door(), (0, 1))
    assert not ground.says("owner").info("owner", {1: replace(door(), mtime=Time((1,)))})
    assert ground.beliefs.dropped == {"clock-length": 2}
    assert ground.beliefs.peers["owner"].dropped == {"clock-length": 2}


def test_only_the_owner_can_say_bye() -> None:
    ground = Ground()
    ground.says("owner").info("owner", {0: door(), 1: door(id="gate")})
    ground.says("liar").bye({0: ByeMachine(True, "door", Time((0, 0, 0)))})
    assert len(ground.beliefs.peers["owner"].machines) == 2
    ground.says("owner").bye({1: ByeMachine(False, "gate", Time((0, 2, 0)))})
    assert list(ground.beliefs.peers["owner"].machines) == [0]
    ground.says("owner").bye({0: ByeMachine(True, "door", Time((0, 0, 0)))})
    assert ground.beliefs.peers["owner"].status is PeerStatus.GONE
    assert [e.reason for e in ground.of(MachineGone)] == ["its peer took it back", "it said bye"]


def test_hearsay_does_not_bring_back_what_is_gone_but_its_owner_does() -> None:
    ground = Ground()
    ground.says("owner", 5).info("owner", {0: door()})
    ground.says("owner", 6).bye({0: ByeMachine(True, "door", None)})
    assert not ground.says("friend", 50).info("owner", {0: door()})
    assert ground.hears("owner", 4) is None, "a replayed message is older than the bye"
    assert ground.says("owner", 7).info("owner", {0: door()})
    assert ground.beliefs.peers["owner"].status is PeerStatus.JOINED


def test_a_taken_back_index_is_not_filled_by_an_old_message() -> None:
    ground = Ground()
    ground.says("owner", 5).info("owner", {0: door(), 1: door(id="gate")})
    ground.says("owner", 7).bye({1: ByeMachine(False, "gate", None)})
    ground.says("owner", 6).info("owner", {0: door(), 1: door(id="gate")})
    assert list(ground.beliefs.peers["owner"].machines) == [0]
    assert ground.beliefs.dropped["retired-index"] == 1


def test_the_owners_gossip_about_itself_shows_what_it_exposes_no_longer() -> None:
    ground = Ground()
    ground.says("owner").info("owner", {0: door(), 1: door(id="gate")})
    gossip = {"owner": {0: 0, 2: 5}}
    assert ground.says("owner").sums(gossip) == (True, False)
    assert list(ground.beliefs.peers["owner"].machines) == [0]
    assert "owner" in ground.beliefs.missing, "machine 2 is asked for"


def test_a_dead_peer_becomes_stale_then_gone_then_forgotten() -> None:
    ground = Ground()
    ground.life.connected("owner", "", ground.now)
    ground.beliefs.joined("owner", ground.now)
    ground.says("owner").info("owner", {0: door()})
    ground.life.judge(ground.now)
    ground.now += 10_000
    ground.expire()
    assert ground.door().source is Source.FIRST_HAND, "connected peers may be silent"
    ground.life.ended("owner", DisconnectCause.LOST, ground.now)
    ground.beliefs.peers["owner"].connected = False
    ground.life.judge(ground.now)
    assert ground.door().source is Source.STALE
    ground.now += SETTINGS.gone_after_s + 1
    ground.expire()
    assert [e.reason for e in ground.of(MachineGone)] == ["out of reach: its connection was lost"]
    assert ground.beliefs.peers["owner"].status is PeerStatus.GONE
    ground.now += SETTINGS.forget_after_s + 1
    ground.expire()
    assert ground.beliefs.peers == {}
    assert ground.beliefs.machines == 0


def test_a_peer_without_connection_lives_by_what_it_says() -> None:
    ground = Ground()
    ground.says("owner").info("owner", {0: door()})
    for _ in range(20):
        ground.now += SETTINGS.stale_after_s - 1
        ground.expire()
        ground.says("owner")
        assert ground.door().source is Source.FIRST_HAND
    ground.now += SETTINGS.stale_after_s + 1
    ground.expire()
    assert ground.door().source is Source.STALE
    ground.says("owner")
    assert ground.door().source is Source.FIRST_HAND, "it is back"


def test_a_dead_peer_that_others_name_for_ever_is_gone_in_the_end_unless_they_have_news_of_it() -> None:
    ground = Ground()
    ground.says("gossip").info("owner", {0: door(0, 1, 0)})
    for ticks in range(2, 12):
        ground.now += SETTINGS.stale_after_s - 1
        assert ground.says("gossip").clock(ground.door(), (0, ticks, 0))
        ground.expire()
        assert ground.door().source is Source.HEARSAY, "its clock moves: it lives"
    for _ in range(4 + int((SETTINGS.stale_after_s + SETTINGS.gone_after_s) / 5)):
        ground.now += 5
        ground.says("gossip").info("owner", {0: door(0, 11, 0)})
        ground.expire()
    assert ground.beliefs.peers["owner"].status is PeerStatus.GONE
    assert [e.source for e in ground.of(MachineSourceChanged)] == [Source.STALE]
    ground.says("gossip").info("owner", {0: door(0, 11, 0)})
    assert ground.beliefs.peers["owner"].status is PeerStatus.GONE, "hearsay does not bring it back"
    ground.says("owner").info("owner", {0: door(0, 11, 0)})
    assert ground.door().source is Source.FIRST_HAND


def test_one_liar_cannot_fill_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PEERS_PER_TELLER", 5)
    monkeypatch.setattr(judging, "MACHINES", 8)
    settings = replace(SETTINGS, max_peers=20, max_machines_per_peer=3)
    ground = Ground(settings)
    liar = ground.says("liar")
    for number in range(100):
        liar.info(f"invented{number}", {index: door() for index in range(10)})
    assert len(ground.beliefs.peers) == 6
    assert ground.beliefs.machines <= 8
    assert ground.beliefs.dropped["too-many-peers"] == 95
    assert ground.beliefs.dropped["too-many-machines"] > 0


def test_peers_that_speak_make_room_for_themselves_among_those_only_heard_of() -> None:
    settings = replace(SETTINGS, max_peers=10)
    ground = Ground(settings)
    liar = ground.says("liar")
    for number in range(50):
        liar.info(f"invented{number}", {0: door()})
    for number in range(9):
        assert ground.says(f"real{number}").info(f"real{number}", {0: door()})
    assert sorted(ground.beliefs.peers) == sorted(["liar", *[f"real{n}" for n in range(9)]])
    assert ground.hears("one too many", 99) is None


def test_a_peer_tells_its_name_and_ours_for_it_wins() -> None:
    ground = Ground()
    ground.beliefs.names["other"] = "given"
    ground.says("owner").info("owner", {0: replace(door(), tags=("peer-name:kitchen",))})
    ground.says("other").info("other", {0: replace(door(), tags=("peer-name:told",))})
    ground.says("other").info("owner", {0: replace(door(), tags=("peer-name:forged",))})
    assert ground.beliefs.peers["owner"].name == "kitchen"
    assert ground.beliefs.peers["other"].name == "given"


def test_malformed_machines_are_dropped_each_by_its_reason() -> None:
    ground = Ground()
    good = door()
    bad = {
        0: replace(good, id=""),
        1: replace(good, states=(), schema={}, mtime=Time()),
        2: replace(good, states=("Open", "Open", "Locked")),
        3: replace(good, schema={"Other": State()}),
        4: replace(good, mtime=Time((0, 1 << 64, 0))),
        5: replace(good, tags=("x" * 1000,)),
        -1: good,
    }
    ground.says("owner").info("owner", bad)
    assert ground.beliefs.machines == 0
    assert set(ground.beliefs.dropped) == {
        "machine-id", "states-count", "state-twice", "schema-states", "clock-range", "name-length", "machine-index"
    }  # fmt: skip
