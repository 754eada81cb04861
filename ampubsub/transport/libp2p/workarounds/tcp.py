"""TCP with yamux: a stopped peer is not noticed, because an unanswered ping has no consequence."""

from __future__ import annotations

import struct
from typing import Any

import trio
from libp2p.custom_types import TProtocol
from libp2p.stream_muxer.yamux.yamux import (
    FLAG_SYN,
    PROTOCOL_ID,
    TYPE_PING,
    YAMUX_HEADER_FORMAT,
    Yamux,
)

from ampubsub.transport.libp2p.plan import Plan
from ampubsub.transport.libp2p.settings import TransportSettings


def speak_yamux_only(plan: Plan) -> None:
    """Offer yamux alone: the older mplex, offered too, has no ping and no flow control."""
    plan.muxers = {TProtocol(PROTOCOL_ID): Yamux}


def notice_goodbyes(muxed: Any) -> None:
    """Whether a peer said that it goes away, or its connection was cut, ends in the same: tell them apart.

    Yamux's loop sets `event_shutting_down` before it tidies up only when a GO_AWAY came.
    """
    tidy_up = muxed._cleanup_on_error

    async def look_and_tidy_up() -> None:
        muxed.said_goodbye = muxed.event_shutting_down.is_set()
        await tidy_up()

    muxed._cleanup_on_error = look_and_tidy_up


def was_closed_by_peer(muxed: Any) -> bool:
    """Whether the peer said that it closes the connection."""
    return getattr(muxed, "said_goodbye", False) and not getattr(muxed, "silent_too_long", False)


def why_closed(muxed: Any) -> str:
    """Why a connection ended."""
    if getattr(muxed, "silent_too_long", False):
        return "not heard of any more"
    return "closed by the peer" if was_closed_by_peer(muxed) else "connection lost"


async def notice_silent_peers(muxed: Any, settings: TransportSettings) -> None:
    """Ping until the connection ends; close it when an answer takes longer than `ping_limit_s`.

    Yamux itself pings once in 30 s and goes on whether an answer comes or not. The two share the event:
    the answer to either shows that the peer lives.
    """
    while not muxed.event_shutting_down.is_set():
        answered = muxed._ping_event = trio.Event()
        muxed._ping_id += 1
        with trio.move_on_after(settings.ping_limit_s) as waiting:
            muxed._ping_sent_time = trio.current_time()
            try:
                await muxed._write_frame(
                    struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, muxed._ping_id)
                )
            except Exception:
                return
            await answered.wait()
        if waiting.cancelled_caught and muxed._ping_event is answered:
            muxed.silent_too_long = True
            await muxed.secured_conn.close()
            return
        with trio.move_on_after(settings.ping_interval_s):
            await muxed.event_shutting_down.wait()


def round_trip(muxed: Any) -> float | None:
    """The smoothed round trip in seconds; None before the first answer."""
    return muxed.rtt() or None
