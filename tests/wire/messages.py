"""Messages drawn at random, to be written as Go writes them, and wounds for their bytes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ampubsub import wire
from ampubsub.machine import State
from ampubsub.wire.messages import NO_NAMES

words = st.sampled_from(
    ("A", "B", "Exception", "", "é", "\udcff", "ᇤAuto", "x" * 31, "x" * 32, "x" * 40, "x" * 41, "Auto")
)
ticks = st.one_of(st.integers(0, 300), st.sampled_from((2**63 - 1, 2**63, 2**64 - 1)))
clocks = st.one_of(st.none(), st.lists(ticks, max_size=9).map(tuple))
names = st.one_of(st.none(), st.lists(words, max_size=9).map(tuple))
relations = st.one_of(st.just(()), st.just(NO_NAMES), st.lists(words, max_size=3).map(tuple))
states = st.builds(State, st.booleans(), st.booleans(), relations, relations, relations, relations, relations)
infos = st.one_of(
    st.none(),
    st.builds(
        wire.Info,
        words,
        st.one_of(st.none(), st.dictionaries(words, states, max_size=8)),
        names,
        clocks,
        names,
        words,
    ),
)
indexes = st.one_of(st.integers(0, 3), st.sampled_from((90, 91, 127, 128, 65_536, 2**63 - 1)))


def by_peer(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    by_index = st.one_of(st.none(), st.dictionaries(indexes, value, max_size=7))
    return st.one_of(st.none(), st.dictionaries(words, by_index, max_size=6))


messages: st.SearchStrategy[wire.Message] = st.one_of(
    st.builds(wire.MsgInfo, by_peer(infos), by_peer(ticks)),
    st.builds(wire.MsgUpdates, by_peer(clocks)),
    st.builds(wire.MsgGossip, by_peer(ticks)),
    st.builds(wire.MsgReqInfo, names),
    st.builds(wire.MsgReqUpdates, names),
    st.builds(
        wire.MsgBye,
        st.one_of(
            st.none(),
            st.dictionaries(indexes, st.builds(wire.ByeMachine, st.booleans(), words, clocks), max_size=7),
        ),
    ),
)

CODES = bytes((0x00, 0x7F, 0x80, 0x81, 0x82, 0x86, 0x87, 0x88, 0x90, 0x91, 0xA0, 0xA1, 0xC0, 0xC1, 0xC2, 0xC3,
               0xC4, 0xC7, 0xCA, 0xCC, 0xCD, 0xCF, 0xD0, 0xD3, 0xD4, 0xD9, 0xDC, 0xDD, 0xDE, 0xDF, 0xE0, 0xFF))  # fmt: skip


@st.composite
def wounded(draw: st.DrawFn) -> bytes:
    """A message as Go writes it, with up to three wounds: other codes, parts doubled, cut out or moved."""
    data = bytearray(wire.encode(draw(messages)))
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            break
        start = draw(st.integers(0, len(data) - 1))
        part = data[start : start + draw(st.integers(1, 24))]
        match draw(st.integers(0, 5)):
            case 0:
                data[start] = draw(st.sampled_from(CODES))
            case 1:
                data[start] = (data[start] + draw(st.sampled_from((-1, 1)))) % 256
            case 2:
                data[start:start] = part
            case 3:
                del data[start : start + len(part)]
            case 4:
                place = draw(st.integers(0, len(data)))
                data[place:place] = part
            case _:
                data[start:start] = draw(st.sampled_from(CODES)).to_bytes(1, "big")
    return bytes(data)
