"""A peer of ampubsub driven over pipes, for tests that kill one: `python -m tests.interop.python_peer`.

Takes the commands of `go/main.go` (start, add, remove, list, health, quit) and answers alike. Ends with its stdin.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import trio

from ampubsub import Topic
from ampubsub.machine import Machine
from ampubsub.topic import PeerChanged, TopicEvent, TopicSettings
from tests.interop.machines import as_described, machine

Line = dict[str, Any]


def say(line: Line) -> None:
    print(json.dumps(line), flush=True)


class Driven:
    """The one topic of this process."""

    def __init__(self) -> None:
        self.topic: Topic | None = None
        self.machines: dict[str, Machine] = {}
        self.started = trio.Event()
        self.over = trio.Event()
        self.request: Line = {}

    async def run(self) -> None:
        """The topic's life, from `start` to `quit`."""
        await self.started.wait()
        request = self.request
        self.machines = {described["id"]: machine(described) for described in request["machines"]}
        async with Topic(
            request["topic"],
            expose=list(self.machines.values()),
            listen=request["listen"],
            connect=request["connect"],
            peer_name=request["name"],
            settings=TopicSettings(gone_after_s=5),
        ) as self.topic:
            self.topic.watch(self.tell)
            with trio.fail_after(30):
                await self.topic.join()
            say({"seq": request["seq"], "peer": self.topic.peer_id, "addresses": list(self.topic.addresses)})
            await self.over.wait()

    def tell(self, event: TopicEvent) -> None:
        line: Line = {"event": type(event).__name__, "text": str(event)}
        if isinstance(event, PeerChanged):
            line |= {"peer": event.peer_id, "status": event.status}
        say(line)

    def answer(self, request: Line) -> Line | None:
        if request["cmd"] == "start":
            self.request = request
            self.started.set()
            return None
        assert self.topic, "not started"
        match request["cmd"]:
            case "add" | "remove" as kind:
                mutated = self.machines[request["machine"]]
                result = getattr(mutated, kind)(*request["states"])
                return {"result": str(result), "time": list(mutated.time())}
            case "list":
                machines = [
                    self.listed(each)
                    for each in self.topic.network_machines
                    if request["peer_id"] in ("", each.owner)
                ]
                return {"machines": machines}
            case "health":
                peers = {peer: str(info.status) for peer, info in self.topic.peers.items()}
                return {"active": list(self.topic.machine.active_states()), "statuses": peers}
        return {}

    def listed(self, each: Any) -> Line:
        return {
            "id": each.remote_id,
            "schema": {name: as_described(state) for name, state in each.schema.items()},
            "states": list(each.state_names),
            "tags": list(each.tags),
            "time": list(each.time()),
            "active": list(each.active_states()),
            "source": str(each.source),
            "owner": each.owner,
        }


async def main() -> None:
    driven = Driven()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(driven.run)
        say({"event": "ready"})
        while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            request = json.loads(line)
            answer = driven.answer(request)
            if answer is not None:
                say({"seq": request["seq"], **answer})
            if request["cmd"] == "quit":
                break
        driven.over.set()
        if not driven.started.is_set():
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
