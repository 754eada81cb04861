"""What others may say in one message, and what becomes of the rest: each bound at its limit and one above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from ampubsub import wire
from ampubsub.machine import State
from ampubsub.wire.canonical import CanonicalReader
from ampubsub.wire.decoding import decode_by_rule

SMALL = wire.Limits(
    message_bytes=4_000,
    peers=5,
    machines=6,
    states=7,
    relations=8,
    tags=9,
    name_bytes=40,
    tag_bytes=20,
    machine_index=90,
)


def info(states: int = 2, gossips: Any = None) -> wire.MsgInfo:
    names = tuple(f"S{i}" for i in range(states))
    machine = wire.Info("m", {name: State() for name in names}, names, (0,) * states, None, "")
    return wire.MsgInfo(peer_info={"peer": {0: machine}}, peer_gossips=gossips)


def of(**changes: Any) -> wire.MsgInfo:
    fields: dict[str, Any] = {"id": "m", "schema": {"A": State()}, "states": ("A",), "mtime": (0,)}
    return wire.MsgInfo({"p": {0: wire.Info(**fields | changes)}}, {})


def some(count: int) -> tuple[str, ...]:
    return tuple(f"n{i}" for i in range(count))


def peers(value: Any) -> Callable[[int], dict[str, Any]]:
    return lambda count: dict.fromkeys(some(count), value)


def machines(value: Any) -> Callable[[int], dict[str, Any]]:
    return lambda count: {"p": dict.fromkeys(range(count), value)}


def bye(**changes: Any) -> wire.MsgBye:
    return wire.MsgBye({0: wire.ByeMachine(**changes)})


SAID: dict[str, list[Callable[[int], wire.Message]]] = {
    "peers": [
        lambda n: wire.MsgInfo(peers({0: None})(n), {}),
        lambda n: wire.MsgInfo({}, peers({0: 5})(n)),
        lambda n: wire.MsgUpdates(peers({0: (1,)})(n)),
        lambda n: wire.MsgGossip(peers({0: 5})(n)),
        lambda n: wire.MsgReqInfo(some(n)),
        lambda n: wire.MsgReqUpdates(some(n)),
    ],
    "machines": [
        lambda n: wire.MsgInfo(machines(None)(n), {}),
        lambda n: wire.MsgInfo({}, machines(5)(n)),
        lambda n: wire.MsgUpdates(machines((1,))(n)),
        lambda n: wire.MsgGossip(machines(5)(n)),
        lambda n: wire.MsgBye(dict.fromkeys(range(n), wire.ByeMachine())),
    ],
    "states": [
        lambda n: of(schema=dict.fromkeys(some(n), State())),
        lambda n: of(states=some(n)),
        lambda n: of(mtime=(3,) * n),
        lambda n: wire.MsgUpdates({"p": {0: (3,) * n}}),
        lambda n: bye(mtime=(3,) * n),
    ],
    "relations": [
        lambda n, field=field: of(schema={"A": State(**{field: some(n)})})  # type: ignore[misc]
        for field in ("require", "add", "remove", "after", "tags")
    ],
    "tags": [lambda n: of(tags=some(n))],
    "name_bytes": [
        lambda n: of(id="x" * n),
        lambda n: of(parent="x" * n),
        lambda n: of(states=("x" * n,)),
        lambda n: of(schema={"x" * n: State()}),
        lambda n: of(schema={"A": State(require=("x" * n,))}),
        lambda n: wire.MsgInfo({"x" * n: {}}, {}),
        lambda n: wire.MsgGossip({"x" * n: {}}),
        lambda n: wire.MsgReqInfo(("x" * n,)),
        lambda n: bye(id="é" * (n // 2) + "x" * (n % 2)),
    ],
    "tag_bytes": [lambda n: of(tags=("x" * n,)), lambda n: of(tags=("é" * (n // 2) + "x" * (n % 2),))],
    "machine_index": [
        lambda n: wire.MsgInfo({"p": {n: None}}, {}),
        lambda n: wire.MsgUpdates({"p": {n: (1,)}}),
        lambda n: wire.MsgGossip({"p": {n: 1}}),
        lambda n: wire.MsgBye({n: wire.ByeMachine()}),
    ],
}
REASONS = {"name_bytes": "name-too-long", "tag_bytes": "tag-too-long", "machine_index": "bad-index"}
CASES = [(bound, place) for bound, said in SAID.items() for place in range(len(said))]


def as_go_writes(message: wire.Message) -> bytes:
    return wire.encode(message)


def otherwise_written(message: wire.Message) -> bytes:
    """The same with short numbers and one field more: no form the fast way knows."""
    fields = msgpack.unpackb(wire.encode(message), strict_map_key=False, unicode_errors="surrogateescape")
    return msgpack.packb({"x": 1, **fields}, unicode_errors="surrogateescape")


def reason(data: bytes, limits: wire.Limits | None) -> str:
    """Why it is refused, the same whichever way; "" when it is taken."""
    words = []
    for decode in (wire.decode, decode_by_rule):
        try:
            decode(data, limits)
            words.append("")
        except wire.WireError as error:
            words.append(error.reason)
    assert words[0] == words[1] or words[0] == "oversize"
    return words[0]


@pytest.mark.parametrize("write", [as_go_writes, otherwise_written])
@pytest.mark.parametrize(("bound", "place"), CASES, ids=lambda value: str(value))
def test_each_bound_is_taken_at_its_limit_and_refused_one_above(
    bound: str, place: int, write: Callable[[wire.Message], bytes]
) -> None:
    most = getattr(SMALL, bound)
    say = SAID[bound][place]
    within = write(say(most))
    assert reason(within, SMALL) == ""
    assert wire.decode(within, SMALL) == say(most)
    assert (CanonicalReader(SMALL).read(within) is None) == (write is otherwise_written)
    assert reason(write(say(most + 1)), SMALL) == REASONS.get(bound, f"too-many-{bound}")
    assert reason(write(say(most + 1)), None) == ""


def test_the_bounds_that_hold_when_nothing_is_set_are_those_documented() -> None:
    assert wire.Limits() == wire.Limits(1_000_000, 1_000, 256, 1_024, 1_024, 64, 256, 256, 1_000_000)


def test_a_message_is_taken_at_its_longest_and_refused_one_byte_above() -> None:
    data = wire.encode(info(9))
    assert reason(data, wire.Limits(message_bytes=len(data))) == ""
    assert reason(data, wire.Limits(message_bytes=len(data) - 1)) == "oversize"
    assert reason(b"\x00" * 101, wire.Limits(message_bytes=100)) == "oversize"


def text(word: str) -> bytes:
    return bytes(msgpack.packb(word))


def twice(field: str, first: Any, second: Any, **others: Any) -> bytes:
    """A message with one field said twice."""
    data = b"".join(
        text(name) + msgpack.packb(value)
        for name, value in [*others.items(), (field, first), (field, second)]
    )
    return bytes([0x80 | (len(others) + 2)]) + data


@pytest.mark.parametrize(
    ("field", "kind", "keys", "value", "word"),
    [
        ("PeerInfo", "info", "names", {}, "too-many-peers"),
        ("PeerGossips", "info", "names", {}, "too-many-peers"),
        ("PeerClocks", "updates", "names", {}, "too-many-peers"),
        ("PeerGossips", "gossip", "names", {}, "too-many-peers"),
        ("Machs", "bye", "numbers", {}, "too-many-machines"),
    ],
)
def test_a_field_said_twice_does_not_pass_a_limit_in_two_halves(
    field: str, kind: str, keys: str, value: Any, word: str
) -> None:
    most = SMALL.machines if keys == "numbers" else SMALL.peers
    key: Callable[[int], Any] = int if keys == "numbers" else str
    one = {key(number): value for number in range(most - 1)}
    other = {key(number): value for number in range(most - 2, most + 1)}
    exact = {key(number): value for number in range(most - 2, most)}
    assert reason(twice(field, one, other, Type=kind), SMALL) == word
    assert reason(twice(field, one, exact, Type=kind), SMALL) == ""


def test_a_schema_said_twice_does_not_pass_the_limit_in_two_halves() -> None:
    def said(count: int) -> bytes:
        machine = twice("Schema", {f"A{i}": {} for i in range(5)}, {f"B{i}": {} for i in range(count)})
        return (
            b"\x82"
            + text("Type")
            + text("info")
            + text("PeerInfo")
            + b"\x81"
            + text("p")
            + b"\x81\x00"
            + machine
        )

    assert reason(said(3), SMALL) == "too-many-states"
    assert reason(said(2), SMALL) == ""


def test_a_peer_named_again_and_again_is_one_peer_and_the_last_word_holds() -> None:
    entries = b"".join(text("p") + msgpack.packb({0: number}) for number in range(5))
    data = b"\x82" + text("Type") + text("gossip") + text("PeerGossips") + b"\x85" + entries
    assert wire.decode(data, SMALL) == wire.MsgGossip({"p": {0: 4}})
    data = data.replace(b"\x85" + text("p"), b"\x86" + text("p") + b"\x80" + text("p"))
    assert reason(data, SMALL) == "too-many-peers"


def test_a_message_comes_back_as_it_was_said() -> None:
    said = info(30)
    assert wire.decode(wire.encode(said), wire.Limits()) == said


def test_nil_and_empty_lists_stay_apart_when_told_on() -> None:
    raw = {
        "Auto": False,
        "Multi": True,
        "Require": [],
        "Add": None,
        "Remove": ["B"],
        "After": [],
        "Tags": None,
    }
    machine = {"Id": "m", "Schema": {"A": raw}, "States": ["A"], "MTime": [0], "Tags": [], "Parent": ""}
    data = msgpack.packb({"Type": "info", "PeerInfo": {"p": {0: machine}}, "PeerGossips": None})
    for _ in range(2):  # the second time in the form Go writes
        data = wire.encode(wire.decode(data))
        again = msgpack.unpackb(data, strict_map_key=False)
        assert again["PeerInfo"]["p"][0] == machine


def test_text_that_is_not_utf8_survives_being_told_on() -> None:
    data = b"\x82\xa4Type\xa7reqinfo\xa7PeerIds\x91\xa2\xff\xfe"
    assert wire.encode(wire.decode(data)) == data


@pytest.mark.parametrize("index", [-1, 1_000_001, 2**63])
def test_an_absurd_machine_index_is_refused(index: int) -> None:
    data = msgpack.packb({"Type": "gossip", "PeerGossips": {"p": {index: 1}}})
    assert reason(data, wire.Limits()) == "bad-index"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"hello world", "generic"),
        (b"", "generic"),
        (b"\x81\xa4Type\xa4nope", "unsupported-type"),
        (b"\x82\xa4Type\xa6gossip\xabPeerGossips\x01", "wrong-type"),
        (b"\xc1", "generic"),
        (b"\x91" * 100_000, "generic"),
        (b"\x82\xa4Type\xa6gossip\xabPeerGossips" + b"\x81\xa1p" * 20_000, "generic"),
        (b"\x82\xa4Type\xa7reqinfo\xa7PeerIds\xdd\xff\xff\xff\xff", "generic"),
        (b"\x82\xa4Type\xa7updates\xaaPeerClocks\x81\xa1p\x81\x00\xdd\x00\x00\x10\x00", "generic"),
    ],
)
def test_what_is_no_message_is_named_by_a_short_word(data: bytes, word: str) -> None:
    assert reason(data, wire.Limits()) == word
