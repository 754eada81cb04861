"""`TopicSettings.secret`: a topic of a program is sealed by one word."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from ampubsub import ListFilters, Machine, State, Topic, TopicSettings
from ampubsub.seal import SealedTransport, Secret
from ampubsub.topic import Host
from ampubsub.topic.errors import TopicError
from ampubsub.transport.memory import MemoryNetwork

pytestmark = pytest.mark.trio
SECRET = Secret((b"k" * 32,))
SEALED = TopicSettings(secret=SECRET)


async def test_topics_with_the_secret_share_machines_and_one_without_sees_nothing(
    autojump_clock: MockClock,
) -> None:
    network = MemoryNetwork(seed=1)
    door = Machine({"Open": State()}, id="door")
    async with Topic(
        "home", expose=[door], listen=["/memory/x"], transport=network.transport("a"), settings=SEALED
    ) as a:
        await a.machine.when("Joined")
        async with (
            Topic("home", connect=a.addresses, transport=network.transport("b"), settings=SEALED) as b,
            Topic("home", connect=a.addresses, transport=network.transport("c")) as c,
        ):
            await trio.sleep(15)
            assert [one.source for one in await b.list_machines(ListFilters(id_exact="door"))] == [
                "first-hand"
            ]
            assert await c.list_machines(ListFilters(id_exact="door")) == []
            assert a.peers.keys() >= {b.peer_id}


async def test_one_host_has_one_secret() -> None:
    network = MemoryNetwork(seed=1)
    host = Host(network.transport("a"))
    Topic("home", host=host, settings=SEALED)
    Topic("garden", host=host, settings=SEALED)
    assert isinstance(host.transport, SealedTransport)
    with pytest.raises(TopicError, match="sealed with another secret"):
        Topic("house", host=host, settings=TopicSettings(secret=Secret.new()))


async def test_an_open_host_is_not_sealed_afterwards() -> None:
    host = Host(MemoryNetwork(seed=1).transport("a"))
    async with host.opened(["/memory/x"]):
        with pytest.raises(TopicError, match="before it is opened"):
            Topic("home", host=host, settings=SEALED)
