"""mDNS both ways with go-libp2p's own service, in a network of this test's own that has loopback alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.go_programs import GoUnavailableError, go_program

pytestmark = [pytest.mark.interop, pytest.mark.network, pytest.mark.timeout(600)]
SOURCE = Path(__file__).parent / "mdns"
ALONE = "ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo && exec "
"""Loopback of a new network namespace, with the multicast flag that Go's service looks for."""


def alone(*command: str) -> list[str]:
    return ["unshare", "--map-root-user", "--net", "sh", "-c", ALONE + '"$@"', "sh", *command]


@pytest.fixture(scope="module")
def go_peer() -> Path:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip, to keep Go's mDNS off the network")
    tried = subprocess.run(alone("true"), capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network namespace can be made here: {tried.stderr.strip()}")
    try:
        files = [path for path in SOURCE.iterdir() if path.is_file()]
        return go_program(SOURCE, "mdns-v0.42.0", files, toolchain="go1.24.9")
    except GoUnavailableError as error:
        pytest.skip(str(error))


def test_go_and_python_find_each_other_and_each_reads_all_addresses_of_the_other(go_peer: Path) -> None:
    done = subprocess.run(
        alone(sys.executable, "-m", "tests.interop.mdns_side", str(go_peer)),
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    kinds = sorted(address.split("/")[3] for address in told["python_found"]["addresses"])
    assert kinds == ["tcp", "udp"]
    assert told["python_found"]["peer_id"] == told["go_id"]
    assert told["go_found"]["peer_id"] == told["python_id"]
    assert [address.split("/p2p/")[0] for address in told["go_found"]["addresses"]] == [
        address.split("/p2p/")[0] for address in told["python_addresses"]
    ]
    assert told["go_dialled_python"]
    assert told["python_dialled_go"]
