"""Reading messages in the one form that Go and we write, fast; whatever differs from it is left to `reader.py`.

The form: structs as maps with all fields in order, no key twice, ticks as nine bytes, text as msgpack text.
Position by position it is compared with that form, so that nothing is accepted that was only guessed to be so:
what `read` returns is what the whole rule gives. Sizes are checked before anything is built. Schemas and states
are kept by their bytes: the thousand machines of one kind share one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from struct import error as struct_error
from typing import Any

import msgpack

from ampubsub.machine import State
from ampubsub.wire.limits import Limits
from ampubsub.wire.memory import Memory
from ampubsub.wire.messages import (
    NO_NAMES,
    ByeMachine,
    Info,
    Message,
    MsgBye,
    MsgGossip,
    MsgInfo,
    MsgReqInfo,
    MsgReqUpdates,
    MsgUpdates,
    Ticks,
)

_NIL = 0xC0
_BOOLEANS = (0xC2, 0xC3)
_HIGHEST_TICK = 2**64 - 1
_TICK_BYTES = 9
_STATE_FIELDS = ("Auto", "Multi", "Require", "Add", "Remove", "After", "Tags")
_SEVEN_FIELDS = 0x87
_INFO_START = b"\x86\xa2Id"
_SCHEMA = b"\xa6Schema"
_STATES = b"\xa6States"
_MTIME = b"\xa5MTime"
_TAGS = b"\xa4Tags"
_PARENT = b"\xa6Parent"
_BYE_START = b"\x83\xa7PeerBye"
_ID = b"\xa2Id"
_GOSSIPS = b"\xabPeerGossips"

_MOST_TICKS = 4_096
_LONGEST_STATE = 2_048
"""Bytes. msgpack makes room for as many items as an array announces, at each depth: longer states, which may announce
more, are left to the whole rule, which believes no length."""
_REMEMBERED_SCHEMAS = 2_048
_REMEMBERED_BYTES = 1_000_000
_REMEMBERED_STATES = 4_096


class _DiffersError(Exception):
    """The message is not in this form, or beyond a limit: the whole rule decides."""


@lru_cache(maxsize=64)
def _ticks_form(count: int) -> tuple[bytes, Callable[[bytes], tuple[Any, ...]]]:
    """The codes of so many ticks, and what reads their numbers."""
    return b"\xcf" * count, Struct(">" + "xQ" * count).unpack


class _Payload:
    """Bytes being read: each step takes what it expects, or raises."""

    __slots__ = ("_unpacker", "data", "skip", "tell", "unpack")

    def __init__(self, data: bytes, position: int) -> None:
        unpacker: Any = msgpack.Unpacker(
            raw=False,
            unicode_errors="surrogateescape",
            strict_map_key=False,
            use_list=False,
            max_buffer_size=len(data),
        )
        unpacker.feed(data)
        if position:
            unpacker.read_bytes(position)
        self.data = data
        self._unpacker = unpacker
        self.tell: Callable[[], int] = unpacker.tell
        self.skip: Callable[[], None] = unpacker.skip
        self.unpack: Callable[[], Any] = unpacker.unpack

    def expect(self, wanted: bytes) -> None:
        if self._unpacker.read_bytes(len(wanted)) != wanted:
            raise _DiffersError

    def is_nil(self) -> bool:
        if self.data[self.tell()] != _NIL:
            return False
        self.skip()
        return True

    def map_size(self, most: int) -> int:
        size: int = self._unpacker.read_map_header()
        if size > most:
            raise _DiffersError
        return size

    def array_size(self, most: int) -> int:
        size: int = self._unpacker.read_array_header()
        if size > most:
            raise _DiffersError
        return size

    def text(self, most_bytes: int) -> str:
        code = self.data[self.tell()]
        if not (0xA0 <= code <= 0xBF or 0xD9 <= code <= 0xDB):
            raise _DiffersError
        text: str = self.unpack()
        if 4 * len(text) > most_bytes and _length(text) > most_bytes:
            raise _DiffersError
        return text

    def texts(self, most: int, most_bytes: int) -> tuple[str, ...] | None:
        if self.is_nil():
            return None
        text = self.text
        return tuple([text(most_bytes) for _ in range(self.array_size(most))])

    def integer(self, most: int) -> int:
        code = self.data[self.tell()]
        if code > 0x7F and not 0xCC <= code <= 0xCF:
            raise _DiffersError
        number: int = self.unpack()
        if number > most:
            raise _DiffersError
        return number

    def ticks(self, most: int) -> Ticks | None:
        if self.is_nil():
            return None
        count = self.array_size(min(most, _MOST_TICKS))
        codes, numbers = _ticks_form(count)
        chunk = self._unpacker.read_bytes(_TICK_BYTES * count)
        if chunk[::_TICK_BYTES] != codes:
            raise _DiffersError
        return numbers(chunk)


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


class CanonicalReader:
    """Reads payloads within some limits, one after the other."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._schemas = Memory(_REMEMBERED_SCHEMAS, _REMEMBERED_BYTES)
        self._known_state = lru_cache(maxsize=_REMEMBERED_STATES)(self._state)

    def read(self, data: bytes) -> Message | None:
        """The message, or None when it is not in this form or not within the limits."""
        start, read = _KINDS.get(data[6:10], _NO_KIND)
        if read is None or not data.startswith(start):
            return None
        try:
            payload = _Payload(data, len(start))
            message = read(self, payload)
            return message if payload.tell() == len(data) else None
        except (_DiffersError, msgpack.UnpackException, ValueError, IndexError, struct_error):
            return None

    # -- messages ----------------------------------------------------------------------------------

    def _info_message(self, payload: _Payload) -> Message:
        infos = self._peers(payload, self._info)
        payload.expect(_GOSSIPS)
        return MsgInfo(infos, self._peers(payload, self._sum))

    def _updates(self, payload: _Payload) -> Message:
        return MsgUpdates(self._peers(payload, self._ticks))

    def _gossip(self, payload: _Payload) -> Message:
        return MsgGossip(self._peers(payload, self._sum))

    def _peer_ids(self, payload: _Payload) -> tuple[str, ...] | None:
        return payload.texts(self._limits.peers, self._limits.name_bytes)

    def _request_info(self, payload: _Payload) -> Message:
        return MsgReqInfo(self._peer_ids(payload))

    def _request_updates(self, payload: _Payload) -> Message:
        return MsgReqUpdates(self._peer_ids(payload))

    def _bye_message(self, payload: _Payload) -> Message:
        return MsgBye(self._machines(payload, self._bye))

    # -- maps --------------------------------------------------------------------------------------

    def _peers(self, payload: _Payload, value: Callable[[_Payload], Any]) -> dict[str, Any] | None:
        if payload.is_nil():
            return None
        peers: dict[str, Any] = {}
        for _ in range(payload.map_size(self._limits.peers)):
            peer = payload.text(self._limits.name_bytes)
            if peer in peers:
                raise _DiffersError
            peers[peer] = self._machines(payload, value)
        return peers

    def _machines(self, payload: _Payload, value: Callable[[_Payload], Any]) -> dict[int, Any] | None:
        if payload.is_nil():
            return None
        machines: dict[int, Any] = {}
        highest = self._limits.machine_index
        for _ in range(payload.map_size(self._limits.machines)):
            index = payload.integer(highest)
            if index in machines:
                raise _DiffersError
            machines[index] = value(payload)
        return machines

    # -- what stands in them -----------------------------------------------------------------------

    def _sum(self, payload: _Payload) -> int:
        return payload.integer(_HIGHEST_TICK)

    def _ticks(self, payload: _Payload) -> Ticks | None:
        return payload.ticks(self._limits.states)

    def _info(self, payload: _Payload) -> Info | None:
        if payload.is_nil():
            return None
        limits = self._limits
        payload.expect(_INFO_START)
        name = payload.text(limits.name_bytes)
        schema, states = self._schema_and_states(payload)
        payload.expect(_MTIME)
        mtime = payload.ticks(limits.states)
        payload.expect(_TAGS)
        tags = payload.texts(limits.tags, limits.tag_bytes)
        payload.expect(_PARENT)
        return Info(name, schema, states, mtime, tags, payload.text(limits.name_bytes))

    def _bye(self, payload: _Payload) -> ByeMachine:
        payload.expect(_BYE_START)
        peer_bye = payload.unpack() if payload.data[payload.tell()] in _BOOLEANS else None
        if peer_bye is None:
            raise _DiffersError
        payload.expect(_ID)
        name = payload.text(self._limits.name_bytes)
        payload.expect(_MTIME)
        return ByeMachine(peer_bye, name, payload.ticks(self._limits.states))

    # -- schemas, by their bytes -------------------------------------------------------------------

    def _schema_and_states(self, payload: _Payload) -> tuple[dict[str, State] | None, tuple[str, ...] | None]:
        start = payload.tell()
        payload.expect(_SCHEMA)
        schema_at = payload.tell()
        payload.skip()
        schema_end = payload.tell()
        payload.expect(_STATES)
        states_at = payload.tell()
        payload.skip()
        end = payload.tell()
        both = payload.data[start:end]
        known: tuple[dict[str, State] | None, tuple[str, ...] | None] | None = self._schemas.get(both)
        if known is None:
            schema = self._schema(both[schema_at - start : schema_end - start])
            names = _Payload(both[states_at - start :], 0)
            known = schema, names.texts(self._limits.states, self._limits.name_bytes)
            self._schemas.put(both, known)
        return known

    def _schema(self, data: bytes) -> dict[str, State] | None:
        payload = _Payload(data, 0)
        if payload.is_nil():
            return None
        schema: dict[str, State] = {}
        tell, skip, known = payload.tell, payload.skip, self._known_state
        for _ in range(payload.map_size(self._limits.states)):
            name = payload.text(self._limits.name_bytes)
            if name in schema:
                raise _DiffersError
            start = tell()
            skip()
            schema[name] = known(data[start : tell()])
        return schema

    def _state(self, data: bytes) -> State:
        if data[0] != _SEVEN_FIELDS or len(data) > _LONGEST_STATE:
            raise _DiffersError
        value = msgpack.unpackb(data, raw=False, unicode_errors="surrogateescape", use_list=False)
        if tuple(value) != _STATE_FIELDS:
            raise _DiffersError
        auto, multi, *lists = value.values()
        if type(auto) is not bool or type(multi) is not bool:
            raise _DiffersError
        return State(auto, multi, *[() if names is None else self._relation(names) for names in lists])

    def _relation(self, names: Any) -> tuple[str, ...]:
        if type(names) is not tuple or len(names) > self._limits.relations:
            raise _DiffersError
        most_bytes = self._limits.name_bytes
        for name in names:
            if type(name) is not str or (4 * len(name) > most_bytes and _length(name) > most_bytes):
                raise _DiffersError
        return names or NO_NAMES


_Read = Callable[[CanonicalReader, _Payload], Message]
_NO_KIND: tuple[bytes, _Read | None] = (b"", None)
_KINDS: dict[bytes, tuple[bytes, _Read | None]] = {
    start[6:10]: (start, read)
    for start, read in (
        (b"\x83\xa4Type\xa4info\xa8PeerInfo", CanonicalReader._info_message),
        (b"\x82\xa4Type\xa7updates\xaaPeerClocks", CanonicalReader._updates),
        (b"\x82\xa4Type\xa6gossip" + _GOSSIPS, CanonicalReader._gossip),
        (b"\x82\xa4Type\xa7reqinfo\xa7PeerIds", CanonicalReader._request_info),
        (b"\x82\xa4Type\xaarequpdates\xa7PeerIds", CanonicalReader._request_updates),
        (b"\x82\xa4Type\xa3bye\xa5Machs", CanonicalReader._bye_message),
    )
}
"""How each kind of message begins, with what reads the rest; by the four bytes that tell them apart."""
