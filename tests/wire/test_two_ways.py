"""The fast way gives what Go's whole rule gives, or leaves the message to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ampubsub import wire
from ampubsub.machine import State
from ampubsub.wire.canonical import CanonicalReader
from ampubsub.wire.decoding import decode_by_rule
from tests.conformance.rows import VECTORS, read_rows
from tests.wire.messages import messages, wounded
from tests.wire.test_limits import SMALL, as_go_writes, info, otherwise_written

EXAMPLES = {"long": 60_000, "short": 150}.get(os.environ.get("AMPUBSUB_FUZZ", ""), 1_500)
many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
limits = st.sampled_from((None, wire.Limits(), SMALL))
NO_LIMITS = wire.Limits(*[2**63 - 1] * 9)
READERS = {each: CanonicalReader(each or NO_LIMITS) for each in (None, wire.Limits(), SMALL)}
"""Kept while the tests run, so that what they remember is tried too."""


def outcome(data: bytes, within: wire.Limits | None, by_rule: bool) -> tuple[str, bytes]:
    """(reason, bytes told on): equality of messages does not see nil beside empty, their bytes do."""
    try:
        return "", wire.encode((decode_by_rule if by_rule else wire.decode)(data, within))
    except wire.WireError as error:
        return error.reason, b""


@many
@given(wounded(), limits)
def test_fuzz_both_ways_agree_on_wounded_messages(data: bytes, within: wire.Limits | None) -> None:
    by_rule = outcome(data, within, by_rule=True)
    for _ in range(2):  # the second time from memory
        fast = READERS[within].read(data)
        if fast is not None:
            assert ("", wire.encode(fast)) == by_rule
        if within is None or len(data) <= within.message_bytes:
            assert outcome(data, within, by_rule=False) == by_rule


@many
@given(messages)
def test_what_go_writes_goes_the_fast_way(message: wire.Message) -> None:
    assert READERS[None].read(wire.encode(message)) == message


@pytest.mark.parametrize(("file", "fewest"), [("wire.jsonl.gz", 40), ("wire-decode.jsonl.gz", 20)])
def test_both_ways_agree_on_all_that_was_recorded_of_go(file: str, fewest: int) -> None:
    fast = 0
    for row in read_rows(Path(VECTORS) / file):
        for text in [row["hex"], *row.get("variants", [])]:
            data = bytes.fromhex(text)
            assert outcome(data, None, by_rule=False) == outcome(data, None, by_rule=True), row["name"]
            fast += READERS[None].read(data) is not None
    assert fast >= fewest


@pytest.mark.parametrize(
    "wound",
    [
        pytest.param(lambda data: data + b"\xc0", id="something behind it"),
        pytest.param(lambda data: data[:-1], id="cut short"),
        pytest.param(lambda data: data.replace(b"\xa2Id", b"\xd9\x02Id"), id="a field's name written longer"),
        pytest.param(lambda data: data.replace(b"\xa2Id", b"\xa2ID"), id="another field"),
        pytest.param(lambda data: data.replace(b"\x87\xa4Auto", b"\x88\xa4Auto\xc3\xa4Auto"), id="a field twice"),
        pytest.param(lambda data: data.replace(b"\xa4Auto\xc2\xa5Multi\xc2", b"\xa5Multi\xc2\xa4Auto\xc2"), id="order"),
        pytest.param(lambda data: data.replace(b"\xa4Auto\xc2", b"\xa4Auto\xc0"), id="nil for false"),
        pytest.param(lambda data: data.replace(b"\xa3Add\xc0", b"\xa3Add\x91\xc4\x01A"), id="bytes for text"),
        pytest.param(lambda data: data.replace(b"\xcf" + bytes(8), b"\x00"), id="short ticks"),
        pytest.param(lambda data: data.replace(b"\xa1m", b"\xc0"), id="nil for text"),
        pytest.param(lambda data: b"\xdf\x00\x00\x00\x03" + data[1:], id="a long header"),
    ],
)  # fmt: skip
def test_another_form_is_left_to_the_rule(wound: object) -> None:
    data = wire.encode(info(2, gossips={}))
    assert READERS[None].read(data) is not None
    other = wound(data)  # type: ignore[operator]
    assert other != data
    assert READERS[None].read(other) is None
    assert outcome(other, None, by_rule=False) == outcome(other, None, by_rule=True)


def test_a_state_longer_than_msgpack_should_make_room_for_is_left_to_the_rule() -> None:
    def said(count: int) -> wire.MsgInfo:
        state = State(require=tuple(f"State{i:03}" for i in range(count)))
        return wire.MsgInfo({"p": {0: wire.Info("m", {"A": state}, ("A",), (0,), None, "")}}, {})

    assert READERS[None].read(wire.encode(said(200))) == said(200)
    assert READERS[None].read(wire.encode(said(300))) is None
    assert wire.decode(wire.encode(said(300))) == said(300)


def test_the_same_bytes_again_give_the_same_message_and_equal_schemas_are_one() -> None:
    data = as_go_writes(info(5))
    assert wire.decode(data, SMALL) is wire.decode(bytes(bytearray(data)), SMALL)
    kinds = wire.encode(wire.MsgInfo({"p": dict.fromkeys(range(3), info(5).peer_info["peer"][0])}, {}))  # type: ignore[index]
    told = wire.decode(kinds).peer_info["p"]  # type: ignore[union-attr,index]
    assert told[0].schema is told[2].schema
    assert told[0].states is told[2].states


def test_what_was_taken_within_wide_limits_is_no_excuse_within_narrow_ones() -> None:
    data = as_go_writes(info(8))
    wire.decode(data)
    wire.decode(data, wire.Limits())
    with pytest.raises(wire.WireError, match="8 states in one message; 7 are taken"):
        wire.decode(data, SMALL)


def test_a_message_in_another_form_means_the_same() -> None:
    message = info(5, gossips={"q": {3: 2**64 - 1}})
    assert wire.decode(otherwise_written(message), SMALL) == message


def test_a_flood_of_different_schemas_is_not_remembered_beyond_its_bound() -> None:
    reader = CanonicalReader(wire.Limits())
    for number in range(500):
        names = tuple(f"S{number}-{i}-" + "x" * 200 for i in range(10))
        machine = wire.Info("m", {name: State() for name in names}, names, (0,) * 10, None, "")
        assert reader.read(wire.encode(wire.MsgInfo({"p": {0: machine}}, {}))) is not None
    assert 900_000 < reader._schemas.held_bytes <= 1_000_000
    assert reader._known_state.cache_info().currsize == 1
