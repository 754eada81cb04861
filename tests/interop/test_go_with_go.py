"""The ground of all that follows: the Go peers built here work with each other, or not, as is said of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.machines import lamp
from tests.interop.programs import GoPeer

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("interop"), pytest.mark.timeout(900)]


def test_two_go_peers_of_v0_13_0_list_each_other_and_follow_a_change(
    go_peer: Callable[..., GoPeer],
) -> None:
    root, leaf = go_peer("go-root"), go_peer("go-leaf")
    root.start("interop", [lamp("hall")])
    leaf.start("interop", [lamp("attic", active=("Power",))], connect=root.addresses)

    seen = root.wait_machines(lambda machines: "attic" in machines, "attic")["attic"]
    assert seen["states"] == lamp("attic")["states"]
    assert seen["active"] == ["Power", "Off"]
    leaf.wait_machines(lambda machines: "hall" in machines, "hall")

    leaf.add("attic", "On")
    root.wait_machines(lambda machines: "On" in machines["attic"]["active"], "attic with On")
