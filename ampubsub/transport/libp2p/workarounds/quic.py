"""QUIC: streams that die unseen, and dead peers that nobody notices."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from ampubsub.transport.libp2p.plan import Plan

_ping_ids = itertools.count(1)


def let_streams_be_silent(plan: Plan) -> None:
    """py-libp2p ends a read after 30 s without data; the pubsub stream dies and nobody is told."""
    plan.quic.STREAM_READ_TIMEOUT = plan.settings.stream_read_timeout_s


def notice_dead_peers(plan: Plan) -> None:
    """The idle timeout is 600 s, and nothing is sent meanwhile. Needs `ping`, or the living go too."""
    plan.quic.idle_timeout = plan.settings.idle_timeout_s


async def ping(muxed: Any) -> None:
    """Send a QUIC PING: py-libp2p never does. Its acknowledgement restarts both idle timers."""
    if not muxed.is_closed:
        muxed._quic.send_ping(next(_ping_ids))
        await muxed._transmit()


def notice_close_at_once(muxed: Any, closed: Callable[[], None]) -> None:
    """A peer's CONNECTION_CLOSE is acted upon only when aioquic's draining ends, some 2 s later."""
    receive = muxed._quic.receive_datagram

    def receive_and_look(data: bytes, addr: Any, now: float) -> None:
        receive(data, addr, now=now)
        if muxed._quic._close_event is not None:
            muxed._quic.receive_datagram = receive
            closed()

    muxed._quic.receive_datagram = receive_and_look


def end_accepting(muxed: Any) -> None:
    """A connection that we close leaves the task behind that waits for its next stream."""
    muxed._stream_accept_event.set()


def round_trip(muxed: Any) -> float | None:
    """The smoothed round trip in seconds as QUIC's loss recovery measures it; None before the first."""
    loss = muxed._quic._loss
    return float(loss._rtt_smoothed) if loss._rtt_initialized else None


def unacknowledged(stream: Any) -> int:
    """Bytes written to a stream that the peer has not acknowledged; 0 if it is not QUIC."""
    size = getattr(stream.muxed_stream, "send_buffer_size", None)
    return int(size()) if size is not None else 0


def why_closed(muxed: Any) -> str:
    """Why a connection ended, as far as QUIC knows."""
    event = getattr(muxed._quic, "_close_event", None)
    if event is None:
        return ""
    if event.reason_phrase == "Idle timeout":
        return "not heard of any more"
    return "closed by the peer"
