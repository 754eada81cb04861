"""Every msgpack code at every kind of place: what it is read as, or Go's words for refusing it, whole and cut short.

The expectations come from the format's own table (msgpack spec) and vmihailenco/msgpack v5.4.1, not from the reader.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import pytest

from ampubsub import wire
from ampubsub.wire.decoding import decode_by_rule, message_of, message_type

U64 = 1 << 64
REFUSED = object()


def sample(code: int) -> tuple[list[bytes], Any]:
    """(the reads in which a whole value with this code is taken, its value)."""
    first = bytes([code])
    match code:
        case _ if code <= 0x7F:
            return [first], code
        case _ if code <= 0x8F:
            return [first, *[b"\x01"] * (2 * (code & 15))], {}
        case _ if code <= 0x9F:
            return [first, *[b"\x01"] * (code & 15)], []
        case _ if code <= 0xBF:
            return [first, b"x" * (code & 31)], "x" * (code & 31)
        case 0xC0:
            return [first], None
        case 0xC2 | 0xC3:
            return [first], code == 0xC3
        case 0xC4 | 0xD9:
            return [first, b"\x03", b"abc"], "abc"
        case 0xC5 | 0xDA:
            return [first, b"\x00\x03", b"abc"], "abc"
        case 0xC6 | 0xDB:
            return [first, b"\x00\x00\x00\x03", b"abc"], "abc"
        case 0xC7 | 0xC8 | 0xC9:
            return [first, bytes([0] * ((1 << (code - 0xC7)) - 1) + [3]), b"\x05", b"abc"], REFUSED
        case 0xCA:
            return [first, struct.pack(">f", 1.0)], REFUSED
        case 0xCB:
            return [first, struct.pack(">d", 1.0)], REFUSED
        case _ if 0xCC <= code <= 0xCF:
            size = 1 << (code - 0xCC)
            return [first, b"\xff" * size], (1 << (8 * size)) - 1
        case _ if 0xD0 <= code <= 0xD3:
            return [first, b"\xff" * (1 << (code - 0xD0))], -1
        case _ if 0xD4 <= code <= 0xD8:
            return [first, b"\x05", bytes(1 << (code - 0xD4))], REFUSED
        case 0xDC:
            return [first, b"\x00\x01", b"\x01"], []
        case 0xDD:
            return [first, b"\x00\x00\x00\x01", b"\x01"], []
        case 0xDE:
            return [first, b"\x00\x01", b"\x01", b"\x01"], {}
        case 0xDF:
            return [first, b"\x00\x00\x00\x01", b"\x01", b"\x01"], {}
    return [first], code - 256


def text(word: str) -> bytes:
    return bytes(msgpack.packb(word))


def said(kind: str, field: str, before: bytes) -> bytes:
    return b"\x82" + text("Type") + text(kind) + text(field) + before


P0 = b"\x81\xa1p\x81\x00"
PLACES: dict[str, tuple[str, bytes, str]] = {
    "string/bytes length": ("MsgReqInfo", said("reqinfo", "PeerIds", b"\x91"), "PeerIds"),
    "uint64": ("MsgGossip", said("gossip", "PeerGossips", P0), "PeerGossips"),
    "int64": ("MsgGossip", said("gossip", "PeerGossips", b"\x81\xa1p\x81"), "PeerGossips"),
    "bool": ("MsgBye", said("bye", "Machs", b"\x81\x00\x81\xa7PeerBye"), "Machs"),
}
CODES = [code for code in range(256) if code != 0xC1]


def read(place: str, code: int) -> Any:
    """What Go reads a value with this code as, at a place of this kind."""
    value = sample(code)[1]
    match place:
        case "string/bytes length":
            return "" if value is None else value if isinstance(value, str) else REFUSED
        case "bool":
            return bool(value) if value is None or isinstance(value, bool) else REFUSED
        case "uint64":
            return 0 if value is None else value % U64 if type(value) is int else REFUSED
    if value is None:
        return 0
    return (value + U64 // 2) % U64 - U64 // 2 if type(value) is int else REFUSED


def inner(values: dict[str, Any], place: str) -> Any:
    field = values[PLACES[place][2]]
    match place:
        case "string/bytes length":
            return field[0]
        case "bool":
            return field[0].peer_bye
        case "uint64":
            return field["p"][0]
    return next(iter(field["p"]))


@pytest.mark.parametrize("place", PLACES)
def test_a_scalar_of_every_code_is_read_or_refused_as_go_does(place: str) -> None:
    kind, start, _ = PLACES[place]
    for code in CODES:
        data = start + b"".join(sample(code)[0]) + b"\x05" * (place == "int64")
        found = wire.decode_as(kind, data)
        expected = read(place, code)
        if expected is REFUSED:
            assert found.error is not None, f"{code:x}"
            assert (found.error.reason, str(found.error)) == (
                "wrong-type",
                f"msgpack: invalid code={code:x} decoding {place}",
            )
        else:
            assert found.error is None, f"{code:x}: {found.error}"
            assert inner(found.values, place) == expected, f"{code:x}"


@pytest.mark.parametrize("place", PLACES)
def test_a_scalar_cut_short_is_told_in_gos_words(place: str) -> None:
    kind, start, _ = PLACES[place]
    for code in CODES:
        if read(place, code) is REFUSED:
            continue
        reads = [part for part in sample(code)[0] if part]
        whole = b"".join(reads)
        ends = {sum(map(len, reads[:number])) for number in range(len(reads))}
        for length in range(len(whole)):
            found = wire.decode_as(kind, start + whole[:length])
            assert found.error is not None
            word = "EOF" if length in ends else "unexpected EOF"
            assert (found.error.reason, str(found.error)) == ("truncated", word), (code, length)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("code", [0x81, 0x8F, 0x91, 0x9F, 0xDC, 0xDD, 0xDE, 0xDF])
def test_a_container_where_a_scalar_belongs_is_refused_before_it_is_read(place: str, code: int) -> None:
    kind, start, _ = PLACES[place]
    found = wire.decode_as(kind, start + bytes([code]))
    assert found.error is not None
    assert found.error.reason == "wrong-type"


def test_a_list_of_every_code_is_read_or_refused_as_go_does() -> None:
    start = said("reqinfo", "PeerIds", b"")
    for code in range(256):
        found = wire.decode_as("MsgReqInfo", start + bytes([code]) + bytes(16))
        if code in (0xC0, 0x90) or code in (0xDC, 0xDD):  # of no items: the length is nothing but zeros
            assert (found.error, found.values["PeerIds"]) == (None, None if code == 0xC0 else ())
        elif 0x91 <= code <= 0x9F:
            assert str(found.error) == "msgpack: invalid code=0 decoding string/bytes length"
        else:
            assert found.error is not None
            assert found.error.reason == "wrong-type"
            assert str(found.error) == f"msgpack: invalid code={code:x} decoding array length"


def test_a_map_of_every_code_is_read_or_refused_as_go_does() -> None:
    start = said("gossip", "PeerGossips", b"")
    for code in range(256):
        found = wire.decode_as("MsgGossip", start + bytes([code]) + bytes(20))
        if code in (0xC0, 0x80, 0xDE, 0xDF):
            assert (found.error, found.values["PeerGossips"]) == (None, None if code == 0xC0 else {})
        elif 0x81 <= code <= 0x8F:
            assert str(found.error) == "msgpack: invalid code=0 decoding string/bytes length"
        elif 0xC7 <= code <= 0xC9 or 0xD4 <= code <= 0xD8:  # Go skips an ext's head and looks again
            assert str(found.error) == "msgpack: unexpected code=0 decoding map length"
        else:
            assert found.error is not None
            assert found.error.reason == "wrong-type"
            assert str(found.error) == f"msgpack: unexpected code={code:x} decoding map length"


@pytest.mark.parametrize("code", [0xDC, 0xDD, 0xDE, 0xDF])
def test_a_length_cut_short_is_told_in_gos_words(code: int) -> None:
    kind, field = ("MsgReqInfo", "PeerIds") if code < 0xDE else ("MsgGossip", "PeerGossips")
    start = said("reqinfo", field, b"")
    size = 2 if code in (0xDC, 0xDE) else 4
    for length in range(size + 1):
        found = wire.decode_as(
            kind, start + bytes([code]) + bytes(length - (length == size)) + b"\x01" * (length == size)
        )
        assert found.error is not None
        assert found.error.reason == "truncated"
        assert str(found.error) == ("unexpected EOF" if 0 < length < size else "EOF")


SKIPPED = [
    b"\xc0", b"\x05", b"\x93\x01\x02\x03", b"\x82\x01\x92\x01\x02\x03\x04", b"\xdc\x00\x02\x01\x02", b"\xd9\x03abc",
    b"\xdd\x00\x00\x00\x01\x05", b"\xde\x00\x01\x01\x02", b"\xdf\x00\x00\x00\x01\x01\x02", b"\xcf" + bytes(8),
    b"\xc4\x01x", b"\xc7\x02\x05ab", b"\xd6\x05abcd", b"\x90", b"\x80", b"\x91\x90", b"\x91\x80", b"\x92\xa2ab\xa2cd",
    b"\x8f" + b"\x01" * 30, b"\x9f" + b"\x01" * 15,
]  # fmt: skip


@pytest.mark.parametrize("value", SKIPPED, ids=bytes.hex)
def test_an_unknown_field_is_skipped_whole_and_missed_when_cut(value: bytes) -> None:
    start = b"\x82" + text("x")
    rest = text("Type") + text("gossip")
    assert wire.decode_as("Msg", start + value + rest).values == {"Type": "gossip"}
    for length in range(len(value)):
        for limits in (None, wire.Limits()):
            found = wire.decode_as("Msg", start + value[:length], limits)
            assert found.error is not None
            assert found.error.reason == "truncated"
            if limits is not None:
                assert str(found.error) == "EOF"
            else:
                assert str(found.error) in ("EOF", "unexpected EOF")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (b"\x92\x01", "EOF"),
        (b"\x92\x01\xd9\x05a", "unexpected EOF"),
        (b"\x81\x01", "EOF"),
        (b"\x81\x01\xcd\x01", "unexpected EOF"),
        (b"\x92\x92\x01\x02\xcd\x01", "unexpected EOF"),
        (b"\x92\x90\xcd\x01", "unexpected EOF"),
        (b"\x92\x80\xcd\x01", "unexpected EOF"),
        (b"\x82\x01\x81\x02\x03\x04\xcd\x01", "unexpected EOF"),
        (b"\xdc\x00\x02\x01", "EOF"),
        (b"\xdd\x00\x00\x00\x02\x01", "EOF"),
        (b"\xde\x00\x01\x01", "EOF"),
        (b"\xdf\x00\x00\x00\x01\x01", "EOF"),
        (b"\xdc\x00\x02\x01\xcd\x01", "unexpected EOF"),
        (b"\xdd\x00\x00\x00\x02\x01\xcd\x01", "unexpected EOF"),
        (b"\xde\x00\x01\x01\xcd\x01", "unexpected EOF"),
        (b"\xdf\x00\x00\x00\x01\x01\xcd\x01", "unexpected EOF"),
        (b"\x9f" + b"\x01" * 14 + b"\xcd\x01", "unexpected EOF"),
        (b"\x8f" + b"\x01" * 29 + b"\xcd\x01", "unexpected EOF"),
    ],
)
def test_where_a_skipped_value_ends_decides_gos_word(value: bytes, word: str) -> None:
    found = wire.decode_as("Msg", b"\x82" + text("x") + value)
    assert found.error is not None
    assert (found.error.reason, str(found.error)) == ("truncated", word)


@pytest.mark.parametrize("limits", [None, wire.Limits()])
def test_broken_values_are_malformed_wherever_they_stand(limits: wire.Limits | None) -> None:
    skipped = wire.decode_as("Msg", b"\x81" + text("x") + b"\xc1", limits)
    assert skipped.error is not None
    assert (skipped.error.reason, str(skipped.error)) == (
        "malformed",
        "msgpack: a value to skip is broken or nested too deep",
    )
    for place, (kind, start, _) in PLACES.items():
        found = wire.decode_as(kind, start + b"\xc1", limits)
        assert found.error is not None, place
        assert (found.error.reason, str(found.error)) == ("malformed", "msgpack: invalid code=c1")


@pytest.mark.parametrize("head", [b"\x92", b"\xdc\x00\x02", b"\xdd\x00\x00\x00\x02"])
def test_a_struct_by_position_needs_exactly_its_fields(head: bytes) -> None:
    start = said("bye", "Machs", b"\x81\x00")
    good = head[:-1] + bytes([head[-1] + 1]) + b"\xc3\xa1m\x91\x05"
    assert wire.decode_as("MsgBye", start + good).values["Machs"] == {0: wire.ByeMachine(True, "m", (5,))}
    found = wire.decode_as("MsgBye", start + head + b"\xc3\xa1m")
    assert found.error is not None
    assert (found.error.reason, str(found.error)) == (
        "wrong-type",
        "msgpack: number of fields in array-encoded struct has changed",
    )
    assert wire.decode_as("MsgBye", start + b"\x90").values["Machs"] == {0: wire.ByeMachine()}
    assert wire.decode_as("MsgBye", start + b"\xc0").values["Machs"] == {0: wire.ByeMachine()}


def test_the_embedded_struct_answers_to_its_own_name_in_the_whole_message_only() -> None:
    data = b"\x81" + text("Msg") + b"\x81" + text("Type") + text("gossip")
    assert wire.decode_as("MsgGossip", data).values == {"Type": "gossip"}
    assert wire.decode_as("Msg", data).values == {}
    assert message_type(data) == "unsupported"


def test_an_unknown_go_type_is_no_decoding_at_all() -> None:
    with pytest.raises(ValueError, match="MsgNope is no message type"):
        wire.decode_as("MsgNope", b"\x80")


def test_messages_are_made_of_what_was_read() -> None:
    assert message_of("Msg", {"Type": "x"}) == wire.Msg("x")
    assert message_of("Msg", {}) == wire.Msg("")
    assert message_of("MsgReqInfo", {"PeerIds": ("a",)}) == wire.MsgReqInfo(("a",))
    assert message_type(b"\x80") == "unsupported"
    assert message_type(b"\xc1") == "generic"
    assert message_type(b"\x81" + text("Type") + text("bye")) == "MsgBye"


@pytest.mark.parametrize(
    ("data", "text_"),
    [
        (b"\x00" * 11, "a message of 11 bytes; 10 are taken"),
        (b"\xc1", "not a message of this protocol: msgpack: unexpected code=c1 decoding map length"),
        (b"\x81\xa4Type\xa3\x1b[m", "unsupported msg type: '\\x1b[m'"),
    ],
)
def test_errors_of_a_message_say_what_is_wrong(data: bytes, text_: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode(data, wire.Limits(message_bytes=10))
    assert str(caught.value) == text_


@pytest.mark.parametrize(
    ("message", "text_"),
    [
        (wire.MsgReqInfo(("xxxxx",)), "a name of 5 bytes; 4 are taken"),
        (wire.MsgGossip({"p": {7: 1}}), "a machine's index is 7; 0 to 6 are taken"),
        (wire.MsgReqInfo(("a", "b", "c")), "3 peers in one message; 2 are taken"),
        (wire.MsgInfo({"p": {0: wire.Info(tags=("xxxx",))}}), "a tag of 4 bytes; 3 are taken"),
    ],
)
def test_errors_of_limits_name_what_came_and_what_is_taken(message: wire.Message, text_: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        decode_by_rule(wire.encode(message), wire.Limits(name_bytes=4, machine_index=6, peers=2, tag_bytes=3))
    assert str(caught.value) == text_


def test_an_error_without_a_text_is_its_reason() -> None:
    assert str(wire.WireError("oversize")) == "oversize"


@pytest.mark.parametrize("count", [0, 15, 16, 65_535, 65_536])
def test_lists_of_every_length_are_written_as_msgpack_has_it(count: int) -> None:
    data = wire.encode(wire.MsgReqInfo(("",) * count))
    assert data == said("reqinfo", "PeerIds", msgpack.packb([""] * count))
    assert wire.decode(data) == wire.MsgReqInfo(("",) * count)


@pytest.mark.parametrize("length", [0, 31, 32, 255, 256, 65_535, 65_536])
def test_texts_of_every_length_are_written_as_msgpack_has_it(length: int) -> None:
    data = wire.encode(wire.MsgReqInfo(("x" * length,)))
    assert data == said("reqinfo", "PeerIds", msgpack.packb(["x" * length]))
    assert wire.decode(data) == wire.MsgReqInfo(("x" * length,))


@pytest.mark.parametrize("tick", [-1, U64])
def test_a_tick_that_is_no_tick_is_not_written(tick: int) -> None:
    with pytest.raises(struct.error):
        wire.encode(wire.MsgUpdates({"p": {0: (tick,)}}))
