"""Peers of asyncmachine-go v0.13.0, the last version whose peers work with each other, and ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from ampubsub import Topic
from ampubsub.topic import PeerStatus, Source
from tests.interop.machines import as_described, lamp, machine
from tests.interop.programs import GoPeer, Line, PythonPeer, in_thread
from tests.interop.python_side import by_id, listed, told
from tests.interop.transcript import Transcript

LISTEN = ["/ip4/127.0.0.1/udp/0/quic-v1"]
TOPIC = "interop"

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("interop"), pytest.mark.timeout(900)]


def assert_same_machine(seen: Line, wanted: dict[str, object]) -> None:
    """What a peer lists is what was exposed."""
    assert seen["schema"] == wanted["schema"]
    assert seen["states"] == wanted["states"]


async def follow_both_ways(topic: Topic, go: GoPeer, theirs: str, ours: str) -> None:
    """Each side sees the other's machine as it is, and then a change of it as it happens."""
    remote = (await listed(topic, theirs))[theirs]
    wanted = lamp(theirs)
    assert {name: as_described(state) for name, state in remote.schema.items()} == wanted["schema"]
    assert list(remote.state_names) == wanted["states"]
    assert set(wanted["tags"]) <= set(remote.tags)
    assert remote.source is Source.FIRST_HAND
    assert remote.owner == go.peer_id
    assert tuple(remote.time()) == (0, 1, 0, 1, 0, 0)

    answer = await in_thread(go.add, theirs, "On")
    with trio.fail_after(15):
        await remote.when("On")
    assert tuple(remote.time()) == tuple(answer["time"])

    seen = await in_thread(go.wait_machines, lambda machines: ours in machines, ours)
    assert_same_machine(seen[ours], lamp(ours))
    mine = next(exposed for exposed in topic.exposed.values() if exposed.id == ours)
    mine.add("Flicker")
    mine.add("Flicker")
    mine.add("On")
    seen = await in_thread(
        go.wait_machines, lambda machines: machines[ours]["time"] == list(mine.time()), f"{ours} as it is now"
    )
    assert set(seen[ours]["active"]) == {"Power", "On", "Warm", "Flicker"}


@pytest.mark.trio
async def test_python_joins_a_go_root_and_each_follows_the_other(
    go_peer: Callable[..., GoPeer], transcript: Transcript
) -> None:
    go = await in_thread(go_peer, "go-root")
    await in_thread(go.start, TOPIC, [lamp("hall", active=("Power",))])
    ours = machine(lamp("attic", active=("Power",)))
    async with Topic(TOPIC, expose=[ours], listen=LISTEN, connect=go.addresses) as topic:
        told(topic, transcript)
        await follow_both_ways(topic, go, "hall", "attic")
        assert (await in_thread(go.health))["errors"] == 0
    # We said bye and closed: the Go peer sees us leave at once.
    await in_thread(
        go.wait_for, lambda line: line.get("state") == "PeerLeft" and line.get("peer"), "that we left"
    )


@pytest.mark.trio
async def test_a_go_peer_joins_a_python_root_and_each_follows_the_other(
    go_peer: Callable[..., GoPeer], transcript: Transcript
) -> None:
    ours = machine(lamp("attic", active=("Power",)))
    async with Topic(TOPIC, expose=[ours], listen=LISTEN) as topic:
        told(topic, transcript)
        with trio.fail_after(20):
            await topic.join()
        go = await in_thread(go_peer, "go-leaf")
        await in_thread(go.start, TOPIC, [lamp("hall", active=("Power",))], topic.addresses)
        await follow_both_ways(topic, go, "hall", "attic")
        assert (await in_thread(go.health))["errors"] == 0


@pytest.mark.trio
async def test_three_go_peers_that_know_each_other_only_through_a_python_root_list_each_other(
    go_peer: Callable[..., GoPeer], transcript: Transcript
) -> None:
    ids = ["cellar", "hall", "kitchen"]
    async with Topic(TOPIC, listen=LISTEN) as root:
        told(root, transcript)
        with trio.fail_after(20):
            await root.join()
        peers = [await in_thread(go_peer, f"go-{name}") for name in ids]
        for peer, name in zip(peers, ids, strict=True):
            await in_thread(peer.start, TOPIC, [lamp(name, active=("Power",))], root.addresses)
        await listed(root, *ids)
        for peer, name in zip(peers, ids, strict=True):
            others = set(ids) - {name}
            seen = await in_thread(peer.wait_machines, others.issubset, " and ".join(sorted(others)), 60)
            for other in others:
                assert_same_machine(seen[other], lamp(other))
            assert (await in_thread(peer.health))["peers"] == [root.peer_id]
        await in_thread(peers[0].add, ids[0], "On")
        for peer in peers[1:]:
            await in_thread(
                peer.wait_machines, lambda machines: "On" in machines[ids[0]]["active"], "the change, relayed"
            )
        assert by_id(root)[ids[0]].is_("On")


def test_two_go_and_two_python_peers_list_all_through_a_kill_and_a_comeback(
    go_peer: Callable[..., GoPeer], python_peer: Callable[[str], PythonPeer]
) -> None:
    ids = ("go-1", "go-2", "py-1", "py-2")
    go_1, go_2 = go_peer("go-1"), go_peer("go-2")
    py_1, py_2 = python_peer("py-1"), python_peer("py-2")
    go_1.start(TOPIC, [lamp("go-1")])
    for peer in (py_1, go_2, py_2):
        peer.start(TOPIC, [lamp(peer.name)], connect=go_1.addresses)
    for peer in (go_1, go_2, py_1, py_2):
        others = set(ids) - {peer.name}
        seen = peer.wait_machines(others.issubset, "all others", 60)
        for other in others:
            assert_same_machine(seen[other], lamp(other))

    py_2.kill()
    go_2.kill()
    again = python_peer("py-2-again")
    again.start(TOPIC, [lamp("py-2", active=("Power",))], connect=go_1.addresses)
    again.wait_machines({"go-1", "py-1"}.issubset, "those that live", 60)
    for peer in (go_1, py_1):
        seen = peer.wait_machines(
            lambda machines: "py-2" in machines and "Power" in machines["py-2"]["active"],
            "py-2 as it came back",
            60,
            again.peer_id,
        )
        assert_same_machine(seen["py-2"], lamp("py-2"))

    # Nobody said bye: that they are dead is noticed by their silence.
    for dead in (go_2, py_2):
        py_1.wait_for(
            lambda line, dead=dead: (
                line.get("peer") == dead.peer_id and line.get("status") == PeerStatus.GONE
            ),
            f"that {dead.name} is gone",
            120,
        )
    again.wait_machines(
        lambda machines: "go-2" not in machines, "go-2 no more, though the Go peer tells of it for ever", 150
    )
    assert set(py_1.machines()) == {"go-1", "py-2"}
    assert py_1.machines()["py-2"]["owner"] == again.peer_id
    assert go_1.health()["errors"] == 0
