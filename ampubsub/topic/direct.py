"""The frames of the private stream `/ampubsub/sync/1`: bytes from values and back, bounded and checked. Pure.

A frame is one msgpack array: version, the topic's name, a kind, its fields. What is not understood is ignored, so that
later versions may say more. Go peers never see any of it.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from typing import Any

import msgpack

from ampubsub.topic.constants import FRAME_BYTES, NAME_CHARS, RECORD_RAW_BYTES
from ampubsub.topic.links import HASH_BYTES, MOST_LINKS, Links

VERSION = 1
BUCKETS = 256
PARTS = 16
SUM_BYTES = 8
ROW_BYTES = 28
_MOST_RAW = 4 * RECORD_RAW_BYTES
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 21}]


class FrameError(ValueError):
    """A frame that cannot be used; the text is a short stable word."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life, with the sum and number of all entries. `answer`: say something at once."""

    total: int
    count: int
    answer: bool = False
    kind = 1


@dataclass(frozen=True, slots=True)
class TellLinks:
    """Links of peers."""

    links: tuple[tuple[str, Links], ...]
    kind = 2


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of all 256 ranges."""

    sums: bytes
    kind = 3


@dataclass(frozen=True, slots=True)
class Parts:
    """Ranges that differ, each with the sums of its 16 parts."""

    parts: tuple[tuple[int, bytes], ...]
    kind = 4


@dataclass(frozen=True, slots=True)
class Rows:
    """All entries of ranges (numbers below 256) or parts (256 + 16 x range + part), 28 bytes each."""

    ranges: tuple[tuple[int, bytes], ...]
    kind = 5


@dataclass(frozen=True, slots=True)
class Want:
    """Entries asked for: key (8 bytes) and the mark of the description that is known (4 bytes) each."""

    keys: bytes
    kind = 6


@dataclass(frozen=True, slots=True)
class Records:
    """Signed messages of the topic, as their authors signed them, packed."""

    packed: bytes
    kind = 7


@dataclass(frozen=True, slots=True)
class Own:
    """A message of the topic that the neighbour says of itself here; the stream itself is the proof."""

    data: bytes
    kind = 8


@dataclass(frozen=True, slots=True)
class Addresses:
    """Signed address records of peers."""

    records: tuple[bytes, ...]
    kind = 9


Frame = Beat | TellLinks | Sums | Parts | Rows | Want | Records | Own | Addresses


def encode_frame(topic: str, frame: Frame) -> bytes:
    """A frame's bytes."""
    fields: list[Any]
    match frame:
        case Beat(total, count, answer):
            fields = [total, count, answer]
        case TellLinks(links):
            fields = [
                [peer, one.number, b"".join(one.to), [list(lost) for lost in one.lost]] for peer, one in links
            ]
        case Parts(ranges) | Rows(ranges):
            fields = [list(each) for each in ranges]
        case Sums(data) | Want(data) | Records(data) | Own(data):
            fields = [data]
        case Addresses(records):
            fields = list(records)
    packed: bytes = msgpack.packb([VERSION, topic, frame.kind, fields], use_bin_type=True)
    return packed


def decode_frame(topic: str, data: bytes) -> Frame | None:
    """What a frame says; None for another topic, version or kind. Raises `FrameError`."""
    if len(data) > FRAME_BYTES:
        raise FrameError("frame-size")
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True)
        version, name, kind, fields = value
        if version != VERSION or name != topic:
            return None
        return _frame(kind, fields)
    except FrameError:
        raise
    except Exception as error:  # whatever a hostile neighbour puts together
        raise FrameError("bad-frame") from error


def _frame(kind: int, fields: list[Any]) -> Frame | None:
    match kind:
        case Beat.kind:
            total, count, answer = fields
            return Beat(_number(total), _number(count), bool(answer))
        case TellLinks.kind:
            return TellLinks(tuple(_links(*each) for each in fields))
        case Sums.kind:
            return Sums(_bytes(fields[0], BUCKETS * SUM_BYTES))
        case Parts.kind:
            return Parts(tuple((_range(n, BUCKETS), _bytes(s, PARTS * SUM_BYTES)) for n, s in fields))
        case Rows.kind:
            return Rows(
                tuple((_range(n, BUCKETS * (PARTS + 1)), _many(rows, ROW_BYTES)) for n, rows in fields)
            )
        case Want.kind:
            return Want(_many(fields[0], HASH_BYTES + 4))
        case Records.kind:
            return Records(_many(fields[0], 1))
        case Own.kind:
            return Own(_many(fields[0], 1))
        case Addresses.kind:
            return Addresses(tuple(_many(record, 1) for record in fields))
    return None


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise FrameError("bad-frame")
    return value


def _range(value: Any, below: int) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise FrameError("bad-frame")
    return value


def _bytes(value: Any, size: int) -> bytes:
    if type(value) is not bytes or len(value) != size:
        raise FrameError("bad-frame")
    return value


def _many(value: Any, size: int) -> bytes:
    if type(value) is not bytes or len(value) % size:
        raise FrameError("bad-frame")
    return value


def _links(peer: Any, number: Any, to: Any, lost: Any) -> tuple[str, Links]:
    hashes = _many(to, HASH_BYTES)
    if type(peer) is not str or not 0 < len(peer) <= NAME_CHARS or len(hashes) > MOST_LINKS * HASH_BYTES:
        raise FrameError("bad-frame")
    if len(lost) > MOST_LINKS:
        raise FrameError("bad-frame")
    return peer, Links(
        _number(number),
        tuple(hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)),
        tuple((_bytes(who, HASH_BYTES), _range(loss, 6)) for who, loss in lost),
    )


def pack(messages: list[bytes]) -> bytes:
    """Signed messages packed together: what repeats, such as schemas, costs next to nothing."""
    return lzma.compress(msgpack.packb(messages, use_bin_type=True), lzma.FORMAT_RAW, filters=_FILTERS)


def unpack(packed: bytes) -> list[bytes]:
    """The signed messages of a pack. Raises `FrameError` for what is no pack or too large."""
    try:
        raw = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS).decompress(packed, _MOST_RAW)
        messages = msgpack.unpackb(raw, raw=False)
        return [_many(message, 1) for message in messages]
    except FrameError:
        raise
    except Exception as error:
        raise FrameError("bad-records") from error
