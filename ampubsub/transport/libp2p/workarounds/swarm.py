"""Host and swarm: what a peer can crash, what connects by itself, hidden limits, shared ports, closing."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import Any

import trio
from libp2p.abc import IMuxedConn, INetStream
from libp2p.crypto.x25519 import create_new_key_pair as create_new_x25519_key_pair
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.rcmgr.connection_limits import ConnectionLimits
from libp2p.rcmgr.manager import ResourceLimits, ResourceManager
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport

from ampubsub.transport.address import Address
from ampubsub.transport.interface import ListenError
from ampubsub.transport.libp2p.plan import Parts, Plan

log = logging.getLogger("ampubsub.transport")


def encrypt_always(plan: Plan) -> None:
    """py-libp2p accepts unencrypted TCP connections too, whose peer id nobody has proved. Noise only."""
    noise = NoiseTransport(plan.keys, noise_privkey=create_new_x25519_key_pair().private_key)
    plan.security = {NOISE: noise}


def lift_hidden_limits(plan: Plan) -> None:
    """The default resource manager refuses everybody for 60 s after five failures, and the 257th peer."""
    most = plan.settings.max_connections
    plan.quic.min_connections = plan.quic.low_watermark = 0
    plan.quic.max_connections = plan.quic.high_watermark = most
    plan.resources = ResourceManager(
        limits=ResourceLimits(max_connections=2 * most, max_streams=64 * most),
        connection_limits=ConnectionLimits(max_established_per_peer=8, max_established_total=most),
        enable_metrics=False,
        enable_circuit_breaker=False,
        enable_graceful_degradation=False,
        enable_rate_limiting=False,
    )


def connect_only_when_told(parts: Parts) -> None:
    """Below half of the highest number of connections py-libp2p dials whatever it has heard of."""

    async def never_start() -> None:
        pass

    parts.network.auto_connector.start = never_start  # type: ignore[method-assign]


def contain_stream_handlers(parts: Parts) -> None:
    """An exception in the handler of any stream, identify and ping included, ends the whole host."""
    handle = parts.network.common_stream_handler

    async def contained(stream: INetStream) -> None:
        try:
            await handle(stream)
        except Exception as error:
            log.debug("stream of %s dropped: %r", stream.muxed_conn.peer_id, error)
            with trio.move_on_after(1):
                await reset_quietly(stream)

    parts.network.set_stream_handler(contained)


def briefly(seconds: float) -> trio.CancelScope:
    """A scope for tidying up: cancellation from outside waits, but for so many seconds at most."""
    return trio.CancelScope(deadline=trio.current_time() + seconds, shield=True)


async def reset_quietly(stream: INetStream) -> None:
    """Reset a stream whose state is unknown."""
    try:
        await stream.reset()
    except Exception as error:
        log.debug("stream already gone: %r", error)


def ask_before_adding(network: Any, refuse: Callable[[ID, bool], str]) -> None:
    """Ask about each peer once its id is proved, before anything is told to or taken from it.

    py-libp2p's own gate knows addresses only. `refuse` gets the peer and whether it dialled us, and says why not.
    """
    add = network.add_conn

    async def add_conn(muxed: Any, direction: str = "unknown") -> Any:
        why = refuse(muxed.peer_id, direction == "inbound")
        if why:
            with briefly(1):
                await muxed.close()
            raise SwarmException(f"{muxed.peer_id} is refused: {why}")
        return await add(muxed, direction)

    network.add_conn = add_conn


def free_inbound_slots(parts: Parts) -> None:
    """An inbound connection keeps its task and its slot until the host ends.

    So a host accepts `max_connections` connections in its life, however short, and then nobody.
    """
    network: Any = parts.network

    async def handle_until_closed(raw: Any, maddr: Any, event: Any) -> None:
        try:
            if isinstance(raw, IMuxedConn):
                connection = await network.add_conn(raw, direction="inbound")
                await connection.event_closed.wait()
                return
            muxed = await network.upgrade_inbound_raw_conn(RawConnection(raw, False), maddr)
            await muxed.event_closed.wait()
        except Exception as error:
            log.debug("inbound connection failed: %r", error)
        finally:
            with briefly(1):
                await raw.close()

    network._do_handle_inbound_connection = handle_until_closed


def never_dial_on_the_side(parts: Parts) -> None:
    """Opening a stream to a lost peer dials it, and a failure blocks all dialling of it for 60 s.

    Our own dialling goes by address (`Swarm.dial_addr`), past that negative cache.
    """

    async def refuse(peer_id: ID) -> Any:
        raise SwarmException(f"not connected to {peer_id}")

    parts.network.dial_peer = refuse  # type: ignore[method-assign]


def identify_later(parts: Parts) -> None:
    """The host's own identify runs once, outside every nursery, often before the handshake is done.

    `peers.identify` does it, again if need be, and keeps what the peer says it is.
    """
    parts.host._schedule_identify = lambda peer_id, *, reason: None  # type: ignore[attr-defined]


def refuse_port_in_use(address: Address) -> None:
    """py-libp2p shares ports (SO_REUSEPORT): a second program on a port takes half of its packets, unseen.

    Binding without sharing finds out. Raises `ListenError`.
    """
    if address.port == 0:
        return
    family = socket.AF_INET6 if address.family == "ip6" else socket.AF_INET
    kind = socket.SOCK_DGRAM if address.transport == "quic-v1" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise listen_error(address, error) from error


def listen_error(address: Address, error: OSError) -> ListenError:
    """Say which address could not be opened, why, and what to try."""
    hint = {
        errno.EADDRINUSE: "another program uses the port: choose another one, or 0 for any free port",
        errno.EACCES: "the port needs more rights: choose one above 1023, or 0 for any free port",
        errno.EADDRNOTAVAIL: "the address is not one of this host: use 0.0.0.0 for all of them",
    }.get(error.errno or 0, error.strerror or str(error))
    return ListenError(f"Cannot listen on {address}: {hint}")


async def close_all(parts: Parts) -> None:
    """Leaving `host.run()` closes nothing, and closing takes 0.1 s and more for each connection in turn."""
    async with trio.open_nursery() as nursery:
        for connection in parts.network.get_connections():
            nursery.start_soon(connection.close)
    await parts.host.close()
