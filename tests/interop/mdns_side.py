"""The Python side of `test_go_mdns`, in the network that the test made: starts the Go peer, prints one JSON line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import trio

from ampubsub.discovery import Found
from ampubsub.discovery.mdns import MdnsSettings, opened
from ampubsub.transport.libp2p import Libp2pTransport

LISTEN = ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"]
HERE = MdnsSettings(("127.0.0.1",))


async def main(go_peer: str) -> None:
    told: dict[str, Any] = {}
    process = await trio.lowlevel.open_process(
        [go_peer, "_p2p._udp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    transport = Libp2pTransport()

    async def read_go() -> None:
        assert process.stdout is not None
        rest = b""
        async for chunk in process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in map(json.loads, lines):
                if line["event"] == "ready":
                    told["go_id"] = line["peer_id"]
                elif line["peer_id"] == transport.peer_id:
                    told["go_found" if line["event"] == "found" else "go_dialled_python"] = line

    async def drain() -> None:
        async for _ in transport.events():
            pass

    with trio.fail_after(60):
        async with transport.opened(LISTEN), trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            nursery.start_soon(read_go)
            told["python_id"], told["python_addresses"] = transport.peer_id, transport.addresses
            async with opened(transport.addresses, (), HERE) as channel:
                found: Found
                async for found in channel:
                    if found.peer_id == told.get("go_id"):
                        told["python_found"] = {"peer_id": found.peer_id, "addresses": found.addresses}
                        break
                while "go_dialled_python" not in told or "go_found" not in told:
                    await trio.sleep(0.05)
            await transport.disconnect(told["go_id"])
            told["python_dialled_go"] = await transport.connect(told["python_found"]["addresses"][0])
            nursery.cancel_scope.cancel()
    process.terminate()
    print(json.dumps(told))


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
