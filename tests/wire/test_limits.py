"""What others may say in one message, and what becomes of the rest."""

from __future__ import annotations

import msgpack
import pytest

from ampubsub import wire
from ampubsub.machine import State


def info(states: int = 2, **changes: object) -> wire.MsgInfo:
    names = tuple(f"S{i}" for i in range(states))
    machine = wire.Info(
        id="m",
        schema={name: State() for name in names},
        states=names,
        mtime=(0,) * states,
        tags=None,
        parent="",
    )
    return wire.MsgInfo(peer_info={"peer": {0: machine}}, peer_gossips=changes.get("gossips"))  # type: ignore[arg-type]


def reason(data: bytes, limits: wire.Limits) -> str:
    with pytest.raises(wire.WireError) as caught:
        wire.decode(data, limits)
    return caught.value.reason


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
    again = msgpack.unpackb(wire.encode(wire.decode(data)), strict_map_key=False)
    assert again["PeerInfo"]["p"][0] == machine


def test_text_that_is_not_utf8_survives_being_told_on() -> None:
    data = b"\x82\xa4Type\xa7reqinfo\xa7PeerIds\x91\xa2\xff\xfe"
    assert wire.encode(wire.decode(data)) == data


def test_too_long_messages_are_refused_before_they_are_read() -> None:
    assert reason(b"\x00" * 101, wire.Limits(message_bytes=100)) == "oversize"


def test_too_many_states_are_refused() -> None:
    assert reason(wire.encode(info(9)), wire.Limits(states=8)) == "too-many-states"


def test_too_many_peers_are_refused() -> None:
    said = wire.MsgReqInfo(peer_ids=tuple(f"p{i}" for i in range(11)))
    assert reason(wire.encode(said), wire.Limits(peers=10)) == "too-many-peers"


def test_a_long_name_is_refused() -> None:
    said = wire.MsgReqInfo(peer_ids=("x" * 11,))
    assert reason(wire.encode(said), wire.Limits(name_bytes=10)) == "name-too-long"


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
    ],
)
def test_what_is_no_message_is_named_by_a_short_word(data: bytes, word: str) -> None:
    assert reason(data, wire.Limits()) == word
