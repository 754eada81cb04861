"""gob against what Go wrote and read, and against bytes that nobody should write."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampubsub.telemetry.gob import (
    Decoder,
    Encoder,
    GobError,
    GobLimits,
    Kind,
    ListOf,
    MapOf,
    Opaque,
    StructOf,
    read_time,
    write_time,
)
from ampubsub.telemetry.gob.encoder import write_definition, write_value
from tests.telemetry.recorded import ANSWERS, CALLS, name_of, present, recorded_bytes, told


@pytest.mark.parametrize("path", CALLS, ids=name_of)
def test_every_value_of_a_recorded_connection_is_read_as_go_reads_it(path) -> None:
    values = [value for _, value in Decoder().feed(recorded_bytes(path))]
    headers, bodies = values[::2], values[1::2]
    expected = told(path)
    assert [header.get("Seq", 0) for header in headers] == [line["seq"] for line in expected]
    assert [header["ServiceMethod"] for header in headers] == [line["method"] for line in expected]
    assert [present(body) for body in bodies] == [present(line["body"]) for line in expected]


@pytest.mark.parametrize("path", [*CALLS, *ANSWERS], ids=name_of)
def test_a_recorded_stream_is_written_again_byte_for_byte(path) -> None:
    data = recorded_bytes(path)
    decoder = Decoder()
    again = []
    for message in decoder.messages(data):
        number, value = decoder.read(message)
        again.append(
            write_definition(-number, value)
            if number < 0
            else write_value(decoder.definitions, number, value)
        )
    assert b"".join(again) == data


def test_bytes_may_come_one_at_a_time() -> None:
    data = recorded_bytes(CALLS[0])
    whole = Decoder().feed(data)
    decoder = Decoder()
    assert [value for byte in data for value in decoder.feed(bytes((byte,)))] == whole
    assert decoder.unfinished_bytes == 0


_SHAPES = st.recursive(
    st.sampled_from(
        [
            (Kind.BOOL, st.booleans()),
            (Kind.INT, st.integers(-(2**63), 2**63 - 1)),
            (Kind.UINT, st.integers(0, 2**64 - 1)),
            (Kind.STRING, st.text(max_size=20)),
            (Kind.BYTES, st.binary(max_size=20)),
            (Opaque(), st.binary(min_size=1, max_size=20)),
        ]
    ),
    lambda inner: (
        inner.map(lambda shape: (ListOf(shape[0]), st.lists(shape[1], max_size=5)))
        | inner.map(
            lambda shape: (
                MapOf(Kind.STRING, shape[0]),
                st.dictionaries(st.text(max_size=5), shape[1], max_size=5),
            )
        )
    ),
    max_leaves=3,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_again(data) -> None:
    declaration, values = data.draw(_SHAPES)
    encoder, decoder = Encoder(), Decoder()
    for _ in range(3):
        value = data.draw(values)
        inside = StructOf("Outer", (("First", declaration), ("Second", Kind.INT)))
        assert decoder.feed(encoder.encode(declaration, value))[0][1] == value
        read = decoder.feed(encoder.encode(inside, {"First": value, "Second": -5}))[0][1]
        assert read["Second"] == -5
        assert read.get("First", value) == value


@pytest.mark.parametrize("at_s", [0.0, 1_795_000_000.25, -62_135_596_800.0, 253_402_300_799.0])
def test_times_are_written_and_read(at_s) -> None:
    assert read_time(write_time(at_s)) == at_s


@pytest.mark.parametrize(
    "data",
    [b"", b"\1", b"\3" + bytes(14), bytes(15), b"\1" + b"\x7f" * 14, write_time(0.0) + b"\0"],
)
def test_bytes_that_are_no_time_are_refused(data) -> None:
    with pytest.raises(GobError, match="time"):
        read_time(data)


def _defined(*fields, number=65) -> bytes:
    encoder = Encoder()
    encoder.encode(ListOf(Kind.INT), [])  # 64
    return encoder.encode(StructOf("S", fields), {})


def _nested(depth: int):
    declaration = Kind.INT
    for _ in range(depth):
        declaration = ListOf(declaration)
    return declaration


def _raw(*numbers: int) -> bytes:
    return bytes((len(numbers), *numbers))


@pytest.mark.parametrize(
    ("data", "limits", "words"),
    [
        (b"\xfc\xff\xff\xff\xff", GobLimits(), "a message of"),
        (b"\xf0\1", GobLimits(), "not a number"),
        (_raw(4, 0, 5, 5), GobLimits(), "too many"),
        (_raw(4), GobLimits(), "ends in the middle"),
        (_raw(12, 0, 100, 65), GobLimits(), "100 elements"),
        (_raw(12, 1, 1, 65), GobLimits(), "no zero byte"),
        (_raw(0x7E, 0), GobLimits(), "never defined"),
        (_raw(8, 0, 1), GobLimits(), "never defined"),
        (_defined(*((f"F{at}", Kind.INT) for at in range(65))), GobLimits(), "65 fields"),
        (Encoder().encode(ListOf(Kind.INT), [1] * 20), GobLimits(values=15), "too many values"),
        (Encoder().encode(_nested(5), [[[[[1]]]]]), GobLimits(depth=4), "nested"),
        (Encoder().encode(ListOf(ListOf(Kind.INT)), []), GobLimits(types=1), "more than 1 types"),
        (Encoder().encode(MapOf(Opaque(), Kind.INT), {}), GobLimits(), "keys"),
        (_raw(4, 0, 0xF0), GobLimits(), "cut off"),
    ],
)
def test_hostile_bytes_end_in_the_one_error(data, limits, words) -> None:
    with pytest.raises(GobError, match=words):
        Decoder(limits).feed(data)


def test_a_type_is_not_defined_twice() -> None:
    data = Encoder().encode(ListOf(Kind.INT), [1])
    decoder = Decoder()
    decoder.feed(data)
    with pytest.raises(GobError, match="not again"):
        decoder.feed(data)


def test_a_limit_itself_is_allowed() -> None:
    data = Encoder().encode(ListOf(Kind.INT), [1] * 14)
    assert Decoder(GobLimits(values=15)).feed(data)[0][1] == [1] * 14
    nested = Encoder().encode(_nested(4), [[[[1]]]])
    assert Decoder(GobLimits(depth=4)).feed(nested)[0][1] == [[[[1]]]]
    assert Decoder(GobLimits(types=1)).feed(data)[0][1] == [1] * 14
    fields = tuple((f"F{at}", Kind.INT) for at in range(64))
    assert Decoder().feed(Encoder().encode(StructOf("S", fields), {"F63": 1}))[0][1] == {"F63": 1}


def test_a_value_that_does_not_fit_its_type_is_refused_when_written() -> None:
    for declaration, value in [
        (Kind.UINT, -1),
        (Kind.UINT, 2**64),
        (Kind.STRING, 5),
        (ListOf(Kind.INT), 5),
        (Kind.INTERFACE, "text"),
    ]:
        with pytest.raises(GobError):
            Encoder().encode(declaration, value)


def test_mutated_streams_raise_nothing_but_the_one_error_and_take_no_time() -> None:
    chance = random.Random(7)
    streams = [recorded_bytes(path)[:6000] for path in CALLS]
    slowest = 0.0
    for _ in range(1500):
        data = bytearray(chance.choice(streams))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            kind = chance.randrange(4)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.randint(1, 8)]
            elif kind == 2:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
            else:
                data[at:at] = data[at : at + 40]
        started = time.process_time()
        try:
            Decoder().feed(bytes(data))
        except GobError:
            pass
        slowest = max(slowest, time.process_time() - started)
    assert slowest < 5.0, "a bound is missing"
