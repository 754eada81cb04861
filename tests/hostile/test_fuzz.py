"""Fuzzing what others may send: nothing but a named drop may come of it, and the peer goes on.

A plain run tries a few thousand messages; `make fuzz` (AMPUBSUB_FUZZ=long) more than a hundred thousand.
"""

from __future__ import annotations

import os
import random
from typing import Any

import msgpack
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as repeat
from hypothesis import strategies as st
from trio.testing import MockClock

from ampubsub import Machine, State, Topic, TopicSettings, wire
from ampubsub.transport.memory import MemoryNetwork

LONG = os.environ.get("AMPUBSUB_FUZZ") == "long"
MESSAGES = 60_000 if LONG else 1_500
"""Messages of each decoder test."""
DAYS = 200 if LONG else 3
"""Days of a whole peer, each with `A_DAY` messages."""
A_DAY = 600

quick = settings(
    max_examples=MESSAGES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

names = st.sampled_from(
    (
        "12D3KooWpeer",
        "me",
        "",
        "A",
        "B",
        "Exception",
        "On",
        "x" * 256,
        "x" * 257,
        "\x1b[31m",
        "\u202eevil",
        "\udcff",
        "\0",
        "A,B",
        "peer-name:",
        "peer-name:\ud800",
        "_hide",
        "HandlerABC",
        "__init__",
        "ErrOn",
    )
)
ticks = st.one_of(st.integers(0, 5), st.sampled_from((2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)))
anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.text(max_size=8),
        st.binary(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=8), st.integers(-9, 9)), inner, max_size=4),
    ),
    max_leaves=12,
)
state = st.one_of(
    st.fixed_dictionaries(
        {
            "Auto": st.booleans(),
            "Multi": st.booleans(),
            **{
                name: st.one_of(st.none(), st.lists(names, max_size=2))
                for name in ("Require", "Add", "Remove", "After", "Tags")
            },
        }
    ),
    anything,
)
info = st.one_of(
    st.fixed_dictionaries(
        {
            "Id": names,
            "Schema": st.one_of(st.dictionaries(names, state, max_size=3), anything),
            "States": st.one_of(st.lists(names, max_size=3), anything),
            "MTime": st.one_of(st.lists(ticks, max_size=3), anything),
            "Tags": st.one_of(st.none(), st.lists(names, max_size=2), anything),
            "Parent": names,
        }
    ),
    anything,
)
index = st.one_of(st.integers(0, 3), st.integers(-2, 2**64 - 1))


def peers(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.none(),
        st.dictionaries(names, st.one_of(st.dictionaries(index, value, max_size=3), anything), max_size=3),
    )


almost = st.one_of(
    st.fixed_dictionaries({"Type": st.just("info"), "PeerInfo": peers(info), "PeerGossips": peers(ticks)}),
    st.fixed_dictionaries({"Type": st.just("updates"), "PeerClocks": peers(st.lists(ticks, max_size=4))}),
    st.fixed_dictionaries({"Type": st.just("gossip"), "PeerGossips": peers(st.one_of(ticks, anything))}),
    st.fixed_dictionaries(
        {"Type": st.sampled_from(("reqinfo", "requpdates")), "PeerIds": st.one_of(st.lists(names), anything)}
    ),
    st.fixed_dictionaries({"Type": st.just("bye"), "Machs": st.dictionaries(index, anything, max_size=3)}),
    st.fixed_dictionaries({"Type": anything}),
)


openings = st.sampled_from(
    (b"\x91", b"\x92", b"\x81\xa1a", b"\x81", b"\xdc\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc7")
)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """Bytes that look like a message, with a wound or two."""
    data = bytearray(
        msgpack.packb(draw(almost), use_bin_type=draw(st.booleans()), unicode_errors="surrogatepass")
    )
    for _ in range(draw(st.integers(0, 2))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                data[place] = draw(st.integers(0, 255))
            case 1:
                del data[place:]
            case 2:
                data[place:place] = draw(st.binary(min_size=1, max_size=4))
            case 3:
                data[place:place] = draw(openings) * draw(st.sampled_from((2, 100, 400, 1_000, 1_100)))
            case _:
                data += data[place:]
    return bytes(data)


def decode(data: bytes, limits: wire.Limits | None) -> wire.Message | None:
    refusal = None
    try:
        return wire.decode(data, limits)
    except wire.WireError as error:
        refusal = error
    assert refusal.reason
    assert str(refusal)
    return None


@quick
@given(st.one_of(payloads(), st.binary(max_size=200)))
def test_fuzz_the_decoder_only_ever_refuses_by_name(data: bytes) -> None:
    decode(data, wire.Limits())
    found = decode(data, None)
    if found is not None:
        assert wire.encode(wire.decode(wire.encode(found))) == wire.encode(found)


@pytest.mark.parametrize("depth", [100, 10_000, 400_000])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a", b"\x81\xa4Type"])
def test_fuzz_nesting_without_end_is_refused(opening: bytes, depth: int) -> None:
    assert decode(opening * depth, wire.Limits()) is None


@pytest.mark.parametrize("depth", [400, 500, 1_000, 1_100])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1a"])
def test_fuzz_nesting_that_is_cut_short_in_an_unknown_field_is_refused(opening: bytes, depth: int) -> None:
    data = b"\x82\xa4Type\xa6gossip\xa1x" + opening * depth
    assert decode(data, wire.Limits()) is None
    assert decode(data, None) is None


def _day(seed: int) -> list[bytes]:
    """One day's messages, drawn from the same strategies."""
    found: list[bytes] = []

    @settings(max_examples=A_DAY, deadline=None, database=None, derandomize=False,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @repeat(seed)
    @given(payloads())
    def collect(data: bytes) -> None:
        found.append(data)

    collect()
    random.Random(seed).shuffle(found)
    return found


@pytest.mark.trio
@pytest.mark.parametrize("seed", range(DAYS))
async def test_fuzz_a_whole_peer_goes_on_whatever_it_hears(seed: int, mock_clock: MockClock) -> None:
    mock_clock.autojump_threshold = 0
    network = MemoryNetwork(seed=seed)
    lamp = Machine({"On": State(), "Power": State()}, id="lamp", states=["Exception", "On", "Power"])
    generous = TopicSettings(messages_per_peer=100_000, messages_in_total=100_000)
    async with Topic(
        "home", expose=[lamp], listen=["/memory/a"], transport=network.transport("a"), settings=generous
    ) as a:
        await a.machine.when("Joined")
        async with Topic(
            "home",
            listen=["/memory/b"],
            connect=a.addresses,
            transport=network.transport("b"),
            settings=generous,
        ) as b:
            await b.machine.when("MsgInfo")
            villain = network.transport("villain")
            async with villain.opened():
                await villain.connect(a.addresses[0])
                await villain.join("home")
                for number, data in enumerate(_day(seed)):
                    await villain.publish("home", data.replace(b"me", a.peer_id.encode()[:2]))
                    if number % 20 == 0:
                        await trio.sleep(0.1)
                await trio.sleep(2)
                lamp.add("On")
                with trio.fail_after(30):
                    while not (found := [m for m in await b.list_machines() if m.key[0] == a.peer_id]):
                        await trio.sleep(1)
                    await found[0].when("On")
                assert [machine.remote_id for machine in found] == ["lamp"]
                assert a.machine.not_("Exception"), a.machine.err
                assert b.machine.not_("Exception"), b.machine.err
                dropped = sum(a.peers[villain.peer_id].dropped.values())
                assert dropped > A_DAY // 10
                assert len(b.peers) < 50
