"""What others would drop in silence is refused where it is asked for, in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from ampubsub import ListFilters, Machine, State, TopicSettings, wire
from ampubsub.topic import ExposeError
from ampubsub.topic.compose import fitting, message_room, split_clocks


def disposed() -> Machine:
    machine = Machine({}, id="dead")
    machine.dispose()
    return machine


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Machine({f"S{i}": State() for i in range(1100)}, id="big"), "states-count"),
        (lambda: Machine({}, id="x" * 257), "machine-id"),
        (lambda: Machine({"S" * 257: State()}, id="long"), "state-name"),
        (lambda: Machine({}, id="tagged", tags=[f"t{i}" for i in range(100)]), "tags"),
        (lambda: Machine({f"{i:0250}": State() for i in range(900)}, id="fat"), "bytes"),
        (disposed, "disposed of"),
    ],
)
@pytest.mark.trio
async def test_a_machine_that_others_would_drop_is_refused_when_it_is_exposed(
    village, autojump_clock, make: Callable[[], Machine], words: str
) -> None:
    async with village.topic("a") as a:
        machine = make()
        with pytest.raises(ExposeError, match=words):
            a.expose(machine)
        assert not a.exposed


@pytest.mark.trio
async def test_a_full_peer_refuses_one_more_machine_but_still_replaces_one(village, autojump_clock) -> None:
    first, second, third = (village.lamp(name) for name in ("first", "second", "third"))
    async with village.topic("a", first, second, settings=TopicSettings(max_machines_per_peer=2)) as a:
        with pytest.raises(ExposeError, match="a peer may expose 2 machines"):
            a.expose(third)
        a.replace(first, third)
        assert list(a.exposed.values()) == [second, third]


@pytest.mark.trio
async def test_a_topic_that_refuses_a_machine_at_birth_lets_go_of_the_others(village, autojump_clock) -> None:
    good = village.lamp("good")
    before = len(good.tracers.transition_end)
    with pytest.raises(ExposeError):
        village.topic("a", good, disposed())
    assert len(good.tracers.transition_end) == before


def test_much_gossip_never_leaves_our_own_machines_without_room() -> None:
    gossips = {f"peer{number}": dict.fromkeys(range(256), 7) for number in range(256)}
    kept = fitting(gossips, TopicSettings().max_message_bytes - message_room(TopicSettings()))
    assert 0 < len(kept) < 256


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"id_regexp": "("}, "id_regexp '(' is no regular expression"),
        ({"depth_level": -1}, "depth_level is -1"),
        ({"children_min": 3, "children_max": 1}, "children_min 3 is above children_max 1"),
    ],
)
def test_a_filter_that_can_match_nothing_is_refused_before_it_reaches_the_topic(
    filters: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        ListFilters(**filters)


def test_many_large_clocks_go_in_several_messages_each_within_the_limit_and_none_is_lost() -> None:
    settings = TopicSettings()
    clocks = {peer: dict.fromkeys(range(100), ((1 << 64) - 1,) * 1024) for peer in ("one", "two")}
    parts = list(split_clocks(clocks, settings))
    assert all(len(wire.encode(part)) <= settings.max_message_bytes for part in parts)
    told = [
        (peer, index) for part in parts for peer, machines in part.peer_clocks.items() for index in machines
    ]
    assert sorted(told) == [(peer, index) for peer in ("one", "two") for index in range(100)]
