"""The memory of seen message ids: long enough, not for ever, and bounded."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from ampubsub.transport.libp2p.seen import SeenMessages

pytestmark = pytest.mark.trio


async def test_an_id_is_new_once(autojump_clock: MockClock) -> None:
    seen = SeenMessages(ttl_s=10, limit=100)
    assert not seen.has(b"a")
    assert seen.add(b"a")
    assert seen.has(b"a")
    assert not seen.add(b"a")
    assert not seen.has(b"b")


async def test_an_id_is_kept_for_its_time_and_forgotten_after_twice_that(autojump_clock: MockClock) -> None:
    seen = SeenMessages(ttl_s=10, limit=100)
    await trio.sleep(9)
    seen.add(b"a")
    for number in range(9):  # others keep coming
        await trio.sleep(1)
        seen.add(b"other %d" % number)
    assert seen.has(b"a"), "9 s old"
    for number in range(13):
        await trio.sleep(1)
        seen.add(b"more %d" % number)
    assert not seen.has(b"a"), "22 s old"


async def test_the_newest_are_kept_when_there_are_too_many(autojump_clock: MockClock) -> None:
    seen = SeenMessages(ttl_s=10, limit=100)
    for number in range(1000):
        seen.add(b"%d" % number)
        assert len(seen._new) + len(seen._old) <= 100
    assert all(seen.has(b"%d" % number) for number in range(951, 1000))
    assert not seen.has(b"800")
