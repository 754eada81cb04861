"""TCP with yamux: a stopped peer is not noticed, because an unanswered ping has no consequence."""

from __future__ import annotations

import struct

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


def notice_silent_peers(plan: Plan) -> None:
    """Replace yamux's round trip loop (one ping in 30 s, answer or not) by one that gives up.

    Also offers yamux alone: the older mplex has no ping.
    """
    settings = plan.settings

    class PingingYamux(Yamux):
        ping_interval_s = settings.ping_interval_s
        ping_limit_s = settings.ping_limit_s

        async def _measure_rtt_loop(self) -> None:
            await ping_or_close(self, self.ping_interval_s, self.ping_limit_s)

    plan.muxers = {TProtocol(PROTOCOL_ID): PingingYamux}


async def ping_or_close(muxed: Yamux, interval_s: float, limit_s: float) -> None:
    """Ping until the connection ends; close it when an answer takes longer than `limit_s`."""
    while not muxed.event_shutting_down.is_set():
        muxed._ping_id += 1
        muxed._ping_event = trio.Event()
        with trio.move_on_after(limit_s) as waiting:
            muxed._ping_sent_time = trio.current_time()
            try:
                await muxed._write_frame(
                    struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, muxed._ping_id)
                )
            except Exception:
                break
            await muxed._ping_event.wait()
        if waiting.cancelled_caught:
            # The body of `Yamux.start` ends, and with it this task, once the connection is closed.
            with trio.CancelScope(shield=True):
                muxed.silent_too_long = True  # type: ignore[attr-defined]
                await muxed.secured_conn.close()
            break
        with trio.move_on_after(interval_s):
            await muxed.event_shutting_down.wait()


def round_trip(muxed: Yamux) -> float | None:
    """The smoothed round trip in seconds; None before the first answer."""
    return muxed.rtt() or None
