"""Single things that may happen on a topic, each with the library's protocol and a bound in virtual seconds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ampubsub.topic.events import (
    MachineExposed,
    MachineSourceChanged,
    PeerChanged,
    PeerStatus,
    Source,
    TopicEvent,
)
from benchmarks.simulator.graph import star
from benchmarks.simulator.machines import LightMachine
from benchmarks.simulator.peer import Peer
from benchmarks.simulator.town import Town
from benchmarks.simulator.villains import VillainHost

TRUSTED = (Source.FIRST_HAND, Source.HEARSAY)


def settled(peers: int, **kwargs) -> Town:
    town = Town(peers, states=6, **kwargs)
    town.start_all()
    assert town.until(town.all_know_all, 20) is not None, "they never settled"
    town.network.schedule.run(town.now + 5)
    return town


def trusts(peer: Peer, owner: str) -> bool:
    return any(belief.source in TRUSTED for belief in peer.beliefs() if belief.key[0] == owner)


def recorder(town: Town) -> list[tuple[float, Peer, TopicEvent]]:
    seen: list[tuple[float, Peer, TopicEvent]] = []
    town.watch = lambda peer, event: seen.append((town.now, peer, event))
    return seen


@pytest.mark.parametrize("loss", [0.0, 0.05])
@pytest.mark.parametrize("peers", [2, 5, 30])
def test_all_know_all_first_hand_within_5_s_after_the_last_joined_and_a_change_within_1_s(
    peers: int, loss: float
) -> None:
    town = Town(peers, loss=loss, states=6)
    town.start_all()
    assert town.until(town.all_know_all, 5) is not None
    town.network.schedule.run(town.now + 5)
    took = town.spread_of_changes(20, 0.5, 5)
    assert took[int(0.99 * len(took))] < 1
    assert town.wrong() == 0


@pytest.mark.parametrize(("how", "within_s"), [("crash", 12), ("reset", 5), ("bye", 1)])
def test_an_end_is_known_to_all_in_time_and_only_a_bye_is_called_one(how: str, within_s: float) -> None:
    town = settled(30)
    victim = town.peers[12]
    seen = recorder(town)
    victim.finish(how)
    living = [peer for peer in town.peers if peer is not victim]
    assert town.until(lambda: not any(trusts(peer, victim.peer_id) for peer in living), within_s) is not None
    town.network.schedule.run(town.now + 60)
    reasons = {
        e.reason
        for _, _, e in seen
        if isinstance(e, PeerChanged) and e.peer_id == victim.peer_id and e.reason
    }
    assert reasons
    assert all(("bye" in reason) is (how == "bye") for reason in reasons), reasons


def test_a_bye_is_the_last_word() -> None:
    town = settled(30)
    victim = town.peers[12]
    seen = recorder(town)
    victim.finish("bye")
    town.network.schedule.run(town.now + 60)
    for owner in town.peers:
        mine = [
            e for _, p, e in seen if p is owner and isinstance(e, PeerChanged) and e.peer_id == victim.peer_id
        ]
        assert all(event.status is PeerStatus.GONE for event in mine), mine
    again = [e for _, _, e in seen if isinstance(e, MachineExposed) and e.key[0] == victim.peer_id]
    assert not again


def test_the_dead_are_not_told_to_newcomers() -> None:
    town = settled(20)
    victims = town.peers[8:11]
    for victim in victims:
        victim.finish("crash")
    town.network.schedule.run(town.now + 30)
    newcomer = town.new_peer(20)
    for number in (1, 2, 3):
        newcomer.dial(town.peers[number].peer_id)
    seen = recorder(town)
    newcomer.start()
    town.network.schedule.run(town.now + 30)
    dead = {victim.peer_id for victim in victims}
    exposed = [e for _, p, e in seen if p is newcomer and isinstance(e, MachineExposed) and e.key[0] in dead]
    assert not [event for event in exposed if event.source in TRUSTED]
    assert not [peer_id for peer_id in dead if trusts(newcomer, peer_id)]


def test_cut_off_from_all_everything_is_stale_and_comes_back_soon_after() -> None:
    town = settled(12)
    lonely = town.peers[5]
    town.network.partition([[lonely.peer_id]])
    others = [peer.peer_id for peer in town.peers if peer is not lonely]
    assert town.until(lambda: not any(trusts(lonely, other) for other in others), 12) is not None
    town.network.heal()
    assert town.until(town.all_know_all, 45) is not None
    assert town.wrong() == 0


@pytest.mark.parametrize("how", ["crash", "bye"])
@pytest.mark.parametrize("clock_back_s", [0.0, 60.0, 86_400.0])
def test_a_restart_under_the_same_identity_is_known_by_its_new_clock_also_when_the_systems_clock_went_back(
    how: str, clock_back_s: float
) -> None:
    town = settled(12)
    victim = town.peers[5]
    for _ in range(9):
        victim.change(0, town.random)
    town.network.schedule.run(town.now + 3)
    victim.finish(how)
    town.network.schedule.run(town.now + 4)
    machines = {index: LightMachine(f"m5-{index}", 6) for index in range(3)}
    again = Peer(
        town.network,
        "peer 5 again",
        victim.peer_id,
        machines,
        town.heard,
        wall_s=1.8e9 - clock_back_s,
        make=type(victim.core),
    )
    town.peers[5] = again
    town.first_hand[again.peer_id] = set()
    for other in victim.dials or {town.peers[0].peer_id: 0.5}:
        again.dial(other)
    again.start()
    again.change(1, town.random)

    def right() -> bool:
        return town.wrong() == 0

    assert town.until(right, 15, 0.5) is not None


def test_a_star_that_lost_its_hub_finds_together_by_the_addresses_it_learnt() -> None:
    town = settled(8, dials=star(8))
    hub, *leaves = town.peers
    hub.finish("crash")
    town.network.schedule.run(town.now + 45)
    leaves[3].change(0, town.random)
    town.network.schedule.run(town.now + 3)
    key, clock = (leaves[3].peer_id, 0), leaves[3].machines[0].clock
    for leaf in leaves:
        if leaf is not leaves[3]:
            belief = leaf.belief(key)
            assert belief is not None
            assert (belief.clock, belief.source) == (clock, Source.FIRST_HAND)


ATTACKS: list[tuple[str, float]] = [
    ("sybils", 200.0),
    ("fresh_identities", 20.0),
    ("false_sums", 20.0),
    ("false_clocks", 50.0),
    ("false_infos", 20.0),
    ("no_machines", 20.0),
    ("replays", 100.0),
    ("invented_peers", 5.0),
    ("invented_machines", 0.5),
    ("byes", 50.0),
    ("questions", 50.0),
    ("garbage", 100.0),
]


@pytest.mark.parametrize(("kind", "rate"), ATTACKS, ids=[kind for kind, _ in ATTACKS])
def test_through_one_neighbours_attack_changes_take_less_than_1_s_and_a_newcomer_less_than_5(
    kind: str, rate: float
) -> None:
    town = settled(6)
    villain = VillainHost(town.network, kind, town.peers[1].peer_id, rate, "attack")
    villain.honest = [peer.peer_id for peer in town.peers]
    villain.run()
    town.network.schedule.run(town.now + 5)
    took = town.spread_of_changes(10, 0.5, 3)
    assert took[int(0.99 * len(took))] < 1
    newcomer = town.new_peer(6)
    for number in (1, 3, 5):
        newcomer.dial(town.peers[number].peer_id)
    newcomer.start()
    honest = set(villain.honest)
    wanted = 6 * town.machines
    knows = town.until(
        lambda: sum(key[0] in honest for key in town.first_hand[newcomer.peer_id]) >= wanted, 5
    )
    assert knows is not None
    known: Callable[[], bool] = lambda: all(  # noqa: E731
        sum(key[0] == newcomer.peer_id for key in town.first_hand[peer.peer_id]) == town.machines
        for peer in town.peers
    )
    assert town.until(known, 5) is not None
    assert villain.said >= 5


def test_a_hundred_false_claims_do_not_make_a_machine_stale() -> None:
    town = settled(6)
    seen = recorder(town)
    villain = VillainHost(town.network, "false_sums", town.peers[1].peer_id, 10.0, "attack")
    villain.honest = [peer.peer_id for peer in town.peers]
    villain.run()
    town.network.schedule.run(town.now + 12)
    honest = set(villain.honest)
    changed = [e for _, _, e in seen if isinstance(e, MachineSourceChanged) and e.key[0] in honest]
    doubted = [event for event in changed if event.source is Source.STALE]
    assert not doubted
