"""Every filter of `list_machines`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ampubsub import ListFilters
from ampubsub.topic import Source

pytestmark = pytest.mark.trio


@pytest.fixture
async def garden(village, knows):
    """A tree of machines at one peer, a single one at another."""
    house = village.lamp("house", tags=["kind:building"])
    floor = village.lamp("floor", parent=house)
    rooms = [village.lamp(f"room{number}", parent=floor, tags=["kind:room", "warm"]) for number in (1, 2)]
    shed = village.lamp("shed", tags=["kind:building"])
    async with village.topic("root") as root:
        await root.machine.when("Joined")
        async with (
            village.topic("a", house, floor, *rooms, to=root.addresses) as a,
            village.topic("b", shed, to=root.addresses) as b,
        ):
            await village.until(lambda: knows(root, "house", "floor", "room1", "room2", "shed"))
            yield root, a, b


async def ids(topic, **filters) -> list[str]:
    return sorted(machine.remote_id for machine in await topic.list_machines(ListFilters(**filters)))


async def test_by_id(garden, autojump_clock) -> None:
    root, _, _ = garden
    assert await ids(root, id_exact="room1") == ["room1"]
    assert await ids(root, id_exact="room") == []
    assert await ids(root, id_partial="oo") == ["floor", "room1", "room2"]
    assert await ids(root, id_regexp="^(ps-)?room[0-9]") == ["room1", "room2"]
    assert await ids(root, id_regexp=re.compile("ED$", re.I)) == ["shed"]
    (replica,) = await root.list_machines(ListFilters(id_exact="shed"))
    assert await ids(root, id_exact=replica.id) == ["shed"]


async def test_by_peer_and_parent(garden, autojump_clock) -> None:
    root, _, b = garden
    assert await ids(root, peer_id=b.peer_id) == ["shed"]
    assert await ids(root, parent="floor") == ["room1", "room2"]
    assert await ids(root, parent="house") == ["floor"]
    assert await ids(root, parent="house", depth_level=2) == ["floor", "room1", "room2"]
    assert len(await ids(root, parent=root.machine.id)) == 5, "every replica is a child of the topic machine"


async def test_by_depth_and_children(garden, autojump_clock) -> None:
    root, _, _ = garden
    assert await ids(root, depth_level=0) == ["house", "shed"]
    assert await ids(root, depth_level=1) == ["floor", "house", "shed"]
    assert await ids(root, children_min=1) == ["floor", "house"]
    assert await ids(root, children_min=2) == ["floor"]
    assert await ids(root, children_max=0) == ["room1", "room2", "shed"]


async def test_by_tags_and_source(garden, autojump_clock) -> None:
    root, _, _ = garden
    assert await ids(root, tags=("warm",)) == ["room1", "room2"]
    assert await ids(root, tags=("kind:", "warm")) == ["room1", "room2"]
    assert await ids(root, tags=("kind:building",)) == ["house", "shed"]
    assert await ids(root, sources=(Source.STALE,)) == []
    assert len(await ids(root)) == 5


async def test_filters_add_up(garden, autojump_clock) -> None:
    root, a, _ = garden
    assert await ids(root, peer_id=a.peer_id, tags=("kind:",), children_max=0, id_partial="1") == ["room1"]


async def test_listing_while_not_joined_shows_what_was_known_as_stale(garden, autojump_clock) -> None:
    root, _, _ = garden
    await root.leave()
    machines = await root.list_machines()
    assert {machine.source for machine in machines} == {Source.STALE}


async def test_parents_that_go_round_in_circles_end_and_nothing_is_its_own_child(
    village, autojump_clock
) -> None:
    own = [village.lamp("self", parent="self"), village.lamp("x", parent="y"), village.lamp("y", parent="x")]
    chain = [village.lamp(f"deep{number}", parent=f"deep{number - 1}") for number in range(250)]
    async with village.topic("a", *own, *chain) as a, village.topic("twin", village.lamp("x")) as twin:
        await a.machine.when("Joined")
        async with village.topic("b", to=(*a.addresses, *twin.addresses)) as b:
            await village.until(lambda: len(b.network_machines) == 254)

            async def names(**filters: Any) -> list[str]:
                return [machine.remote_id for machine in await b.list_machines(ListFilters(**filters))]

            assert sorted(await names(depth_level=0)) == ["deep0", "self", "x"]
            assert await names(parent="self") == []
            assert await names(parent="x", depth_level=1000) == ["y"]
            assert await names(id_partial="x", children_min=1) == ["x"], (
                "its twin at another peer has no child"
            )
            assert len(await names(parent="deep0", depth_level=1000)) == 249
            assert await names(parent="deep7", depth_level=0) == ["deep8"], "0 is not set, as in Go"
