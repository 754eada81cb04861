"""Writes wait for a common beat when much is to be sent, and for nothing else."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from ampubsub.transport.interface import MessageReceived
from ampubsub.transport.libp2p import Libp2pTransport, TransportSettings
from ampubsub.transport.libp2p.outlet import Outlet
from ampubsub.transport.libp2p.pace import Pace
from tests.transport.loopback import QUIC, TOPIC, event_of, until


async def queue(pace: Pace, rate: int, seconds: float) -> None:
    for _ in range(int(seconds * 100)):
        pace.queued(rate // 100)
        await trio.sleep(0.01)


def wait_of(pace: Pace) -> float:
    return pace.write_at() - trio.current_time()


@pytest.mark.trio
async def test_little_is_written_at_once_and_much_at_a_beat_that_grows_with_it(
    autojump_clock: MockClock,
) -> None:
    pace = Pace(above=400, longest_s=0.1)
    await queue(pace, 400, 2)
    assert wait_of(pace) == 0
    longest = []
    for rate in (800, 1600, 10_000):
        await queue(pace, rate, 2)
        waits = []
        for _ in range(60):
            waits.append(wait_of(pace))
            await trio.sleep(0.003)
        longest.append(max(waits))
    assert longest == pytest.approx([0.02, 0.06, 0.1], abs=0.008)


@pytest.mark.trio
async def test_a_burst_is_no_load(autojump_clock: MockClock) -> None:
    pace = Pace(above=400, longest_s=0.1)
    for _ in range(20):
        pace.queued(10)
        assert wait_of(pace) == 0
        await trio.sleep(0.001)
    await trio.sleep(1)
    pace.queued(1)
    assert wait_of(pace) == 0


@pytest.mark.trio
async def test_all_wait_for_the_same_beat(autojump_clock: MockClock) -> None:
    pace = Pace(above=400, longest_s=0.1)
    await queue(pace, 1600, 2)
    first = pace.write_at()
    await trio.sleep((first - trio.current_time()) / 2)
    assert pace.write_at() == pytest.approx(first)


@pytest.mark.trio
async def test_when_the_load_has_gone_nothing_waits(autojump_clock: MockClock) -> None:
    pace = Pace(above=400, longest_s=0.1)
    await queue(pace, 1600, 2)
    assert pace.write_at() > trio.current_time()
    await trio.sleep(1.1)
    assert wait_of(pace) == 0


@pytest.mark.trio
@pytest.mark.network
async def test_a_busy_sender_writes_several_messages_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    writes = 0
    write = Outlet.write

    async def counted(self: Outlet, data: bytes) -> None:
        nonlocal writes
        writes += 1
        await write(self, data)

    monkeypatch.setattr(Outlet, "write", counted)
    root, leaf = Libp2pTransport(), Libp2pTransport(TransportSettings(coalesce_above=10))
    async with root.opened([QUIC]), leaf.opened([]):
        for each in (root, leaf):
            await each.join(TOPIC)
        await leaf.connect(root.addresses[0])
        await until(lambda: leaf.topic_peers(TOPIC) == {root.peer_id})
        for number in range(200):
            if number == 100:
                writes = 0
            await leaf.publish(TOPIC, b"%d" % number)
            await trio.sleep(0.01)
        await event_of(root, MessageReceived, lambda heard: heard.data == b"199")
        assert writes < 50
