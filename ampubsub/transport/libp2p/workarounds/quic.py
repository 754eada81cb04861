"""QUIC: streams that die unseen, dead peers that nobody notices, certificates that clocks make invalid."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Callable
from typing import Any

import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from libp2p.network.swarm import Swarm
from libp2p.transport.quic.transport import QUICTransport

from ampubsub.transport.libp2p.plan import Parts, Plan

_ping_ids = itertools.count(1)
_JUST_NOW_S = 0.5
_ENDING_S = 5.0
"""How long the end of a connection may take to be told to all who keep it."""
_ALERTS_OF_TIME = (0x12A, 0x12D)
"""CRYPTO_ERROR (RFC 9001, 4.8) with TLS's alerts `bad_certificate` and `certificate_expired`."""
VALID_FROM = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
"""Where the clock of a board without a battery starts."""
VALID_UNTIL = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
"""RFC 5280, 4.1.2.5: the date of a certificate with no well-defined expiration."""
CLOCKS_DIFFER = "the clocks of the two machines differ by more than a minute: set them"


def let_streams_be_silent(plan: Plan) -> None:
    """py-libp2p ends a read after 30 s without data; the pubsub stream dies and nobody is told."""
    plan.quic.STREAM_READ_TIMEOUT = plan.settings.stream_read_timeout_s


def notice_dead_peers(plan: Plan) -> None:
    """The idle timeout is 600 s, and nothing is sent meanwhile. Needs `ping`, or the living go too."""
    plan.quic.idle_timeout = plan.settings.idle_timeout_s


def end_connections_in_full(parts: Parts) -> None:
    """Who ends a connection is cancelled by its own end, before the listener and the swarm are told.

    So a peer that vanishes stays in memory for ever, and nobody knows that its last connection is gone. It
    happens in whichever task found the end, mostly one of the connection's own, all of which it cancels. And
    the end that a timer brings is looked at only when the loop wakes again, 2 s later.
    """
    network: Any = parts.network
    add = network.add_conn

    async def add_conn(muxed: Any, direction: str = "unknown") -> Any:
        if hasattr(muxed, "_quic"):
            terminated = muxed._handle_connection_terminated

            async def in_full(event: Any) -> None:
                with trio.CancelScope(deadline=trio.current_time() + _ENDING_S, shield=True):
                    await terminated(event)

            timer = muxed._handle_timer_events

            async def at_once() -> None:
                await timer()
                if muxed._quic._events:
                    muxed._signal_activity()

            muxed._handle_connection_terminated = in_full
            muxed._handle_timer_events = at_once
        return await add(muxed, direction)

    network.add_conn = add_conn


def knock_often(plan: Plan) -> None:
    """A dial repeats its first packet after 0.2, 0.4, 0.8, 1.6, 3.2 s: who starts in between waits.

    So a peer that comes back while it is dialled is connected some seconds late.
    """
    plan.quic_knocks = True


def read_packets_at_once(plan: Plan) -> None:
    """A message that is received costs 12 steps of tasks, four locks, and eight looks at a timer.

    `light_quic` puts other loops in place of py-libp2p's.
    """
    plan.quic_light = True


def quic_transport(network: Swarm) -> Any:
    """The QUIC part of a host."""
    transports = network.transport_manager.get_transports()
    return next(each for each in transports if isinstance(each, QUICTransport))


def certify_for_all_times(parts: Parts) -> None:
    """A certificate is valid from a minute before the host was made, for a year.

    A peer whose clock is further behind refuses it, and after a year everybody does. Time protects nothing
    here: each host signs its own certificate, and the peer id in it says whose it is.
    """
    certify(parts.network, VALID_FROM, VALID_UNTIL)


def certify(network: Swarm, valid_from: datetime.datetime, valid_until: datetime.datetime) -> None:
    """Give the host's certificate, otherwise as it is, another time of validity."""
    transport = quic_transport(network)
    tls = transport._security_manager.tls_config
    old: x509.Certificate = tls.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(valid_from)
        .not_valid_after(valid_until)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    tls.certificate = builder.sign(tls.private_key, hashes.SHA256())
    for configuration in transport._quic_configs.values():
        configuration.certificate = tls.certificate


def tell_when_clocks_differ(network: Swarm, told: Callable[[], None]) -> None:
    """Tell of others' certificates that our clock makes invalid: py-libp2p refuses them without a word."""
    security = quic_transport(network)._security_manager
    verify = security.verify_peer_identity

    def verify_and_say(certificate: Any, expected: Any = None) -> Any:
        now = datetime.datetime.now(datetime.UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            told()
        return verify(certificate, expected)

    security.verify_peer_identity = verify_and_say


async def ping(muxed: Any) -> None:
    """Send a QUIC PING: py-libp2p never does. Its acknowledgement restarts both idle timers.

    Not to who was heard a moment ago: it was answered then, or answered us.
    """
    heard_at = getattr(muxed, "heard_at", -_JUST_NOW_S)
    if not muxed.is_closed and time.monotonic() - heard_at > _JUST_NOW_S:
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


def was_closed_by_peer(muxed: Any) -> bool:
    """Whether the peer said that it closes the connection."""
    event = getattr(muxed._quic, "_close_event", None)
    return event is not None and event.reason_phrase != "Idle timeout"


def why_closed(muxed: Any) -> str:
    """Why a connection ended, as far as QUIC knows."""
    event = getattr(muxed._quic, "_close_event", None)
    if event is None:
        return ""
    if event.reason_phrase == "Idle timeout":
        return "not heard of any more"
    if event.error_code in _ALERTS_OF_TIME or "certificate" in event.reason_phrase.lower():
        return f"the peer refuses our certificate; perhaps {CLOCKS_DIFFER}"
    return "closed by the peer"
