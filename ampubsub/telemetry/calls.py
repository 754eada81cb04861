"""Go's `net/rpc` over gob, without I/O: calls out and answers in, or the other way round.

Each call is a header `{ServiceMethod, Seq}` and a body; each answer a header with `Error` and a body (text, or a struct without
fields after an error). Source: the documentation of Go's `net/rpc`; the method names are asyncmachine-go's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ampubsub.telemetry.gob import Decoder, Encoder, GobError, GobLimits, Kind, StructOf
from ampubsub.telemetry.gob.types import Declaration

SCHEMA_METHODS = ("RPCServer.DbgMsgSchema", "RPCServer.DbgMsgStruct")
"""The schema call since v0.15, and before."""
TRANSITION_METHOD = "RPCServer.DbgMsgTx"
FORWARDED_SCHEMA_METHOD = "RPCServer.DbgMsgSchemaFwd"
FORWARDED_TRANSITION_METHOD = "RPCServer.DbgMsgTxFwd"
METHODS = frozenset(
    {*SCHEMA_METHODS, TRANSITION_METHOD, FORWARDED_SCHEMA_METHOD, FORWARDED_TRANSITION_METHOD}
)

_REQUEST = StructOf("Request", (("ServiceMethod", Kind.STRING), ("Seq", Kind.UINT)))
_RESPONSE = StructOf("Response", (("ServiceMethod", Kind.STRING), ("Seq", Kind.UINT), ("Error", Kind.STRING)))
_ALL_IS_WELL = Encoder().encode(Kind.STRING, "")
_NOTHING = StructOf("InvalidRequest", ())


@dataclass(frozen=True, slots=True)
class Call:
    """A call that came in; its body is read by `ServerSide.body`, after the answer went out."""

    method: str
    sequence: int
    raw_body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that came in."""

    sequence: int
    error: str
    """Empty when all is well."""


class ServerSide:
    """One program's connection, as the debugger sees it."""

    def __init__(self, limits: GobLimits | None = None) -> None:
        self._decoder = Decoder(limits)
        self._encoder = Encoder()
        self._header: dict[str, Any] | None = None

    @property
    def unfinished_bytes(self) -> int:
        """Bytes of a message that is not whole yet."""
        return self._decoder.unfinished_bytes

    def feed(self, data: bytes) -> list[Call]:
        """Take bytes in; return the calls that are whole now. Raises `GobError`: the connection cannot go on."""
        decoder = self._decoder
        calls = []
        for message in decoder.messages(data):
            if self._header is not None and not decoder.is_definition(message):
                header, self._header = self._header, None
                calls.append(Call(header.get("ServiceMethod", ""), header.get("Seq", 0), message))
                continue
            number, value = decoder.read(message)
            if number < 0:
                continue
            if not isinstance(value, dict) or not isinstance(value.get("ServiceMethod", ""), str):
                raise GobError("a call without a header")
            self._header = value
        return calls

    def body(self, call: Call) -> Any:
        """The decoded body of a call. Raises `GobError`: this body is worth nothing, the connection goes on."""
        return self._decoder.read(call.raw_body)[1]

    def answer(self, call: Call) -> bytes:
        """The bytes that answer a call; a method that is not known is answered with an error, as Go does."""
        header: dict[str, Any] = {"ServiceMethod": call.method, "Seq": call.sequence}
        if call.method in METHODS:
            return self._encoder.encode(_RESPONSE, header) + _ALL_IS_WELL
        header["Error"] = f"rpc: can't find method {call.method}"
        return self._encoder.encode(_RESPONSE, header) + self._encoder.encode(_NOTHING, {})


class ClientSide:
    """One machine's connection, as its program sees it."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._decoder = Decoder(GobLimits(message_bytes=1 << 20, values=10_000))
        self._sequence = 0
        self._header: dict[str, Any] | None = None

    def call(self, method: str, declaration: Declaration, body: Any) -> bytes:
        """The bytes of one call. Wait for its answer before the next: am-dbg runs calls side by side."""
        header = {"ServiceMethod": method, "Seq": self._sequence}
        self._sequence += 1
        return self._encoder.encode(_REQUEST, header) + self._encoder.encode(declaration, body)

    def feed(self, data: bytes) -> list[Answer]:
        """Take bytes in; return the answers that are whole now. Raises `GobError`."""
        answers = []
        for _, value in self._decoder.feed(data):
            header, self._header = self._header, None
            if header is None:
                if not isinstance(value, dict):
                    raise GobError("an answer without a header")
                self._header = value
            else:
                answers.append(Answer(header.get("Seq", 0), str(header.get("Error", ""))))
        return answers
