"""Pubsub: services too late, repeated sequence numbers, a leaked thread, a costly record, queues of 32."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from libp2p.host.exceptions import HostException
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from libp2p.pubsub import gossipsub as gossipsub_module
from libp2p.pubsub import pubsub as pubsub_module
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.tools.anyio_service import background_trio_service

from ampubsub.transport.libp2p.plan import Parts
from ampubsub.transport.libp2p.settings import TransportSettings


@asynccontextmanager
async def run_before_listening(parts: Parts) -> AsyncIterator[None]:
    """Run pubsub, router and network around a block that listens.

    py-libp2p's `host.run` listens first, and a stream that comes in before the other two run ends the host.
    """
    async with (
        background_trio_service(parts.pubsub),
        background_trio_service(parts.router),
        background_trio_service(parts.network),
    ):
        await parts.pubsub.wait_until_ready()
        yield


def first_sequence_number() -> int:
    """The counter starts at whole seconds, so a restart with the same key can reuse numbers.

    Others would take the new messages for seen ones. go-libp2p-pubsub starts at nanoseconds, as we do.
    """
    return time.time_ns()


def stop_cache_thread(parts: Parts) -> None:
    """Each Pubsub's cache of seen messages starts a thread that nothing ever ends."""
    parts.pubsub.seen_messages.stop()


def send_no_peer_record(parts: Parts) -> None:
    """A signed peer record, in no GossipSub spec, rides on every RPC and costs 40 % of the CPU time.

    The functions that write and read it are names of two modules: they are replaced once for the process
    and change nothing for hosts other than ours.
    """
    parts.host.ampubsub_sends_no_peer_record = True  # type: ignore[attr-defined]
    hello = parts.pubsub.get_hello_packet
    parts.pubsub.get_hello_packet = lambda: without_empty_record(hello())  # type: ignore[method-assign]
    modules: list[Any] = [gossipsub_module, pubsub_module]
    for module in modules:
        write = module.env_to_send_in_RPC
        if not hasattr(write, "ampubsub_original"):
            module.env_to_send_in_RPC = _unless_ours(write, 0, (b"", False))
            module.maybe_consume_signed_record = _unless_ours(module.maybe_consume_signed_record, 1, True)


def without_empty_record(packet: rpc_pb2.RPC) -> rpc_pb2.RPC:
    """Leave an empty record out altogether: py-libp2p drops a whole RPC whose record is there and no record."""
    if not packet.senderRecord:
        packet.ClearField("senderRecord")
    return packet


def _unless_ours(original: Callable[..., Any], host_at: int, answer: Any) -> Any:
    def replaced(*args: Any) -> Any:
        ours = getattr(args[host_at], "ampubsub_sends_no_peer_record", False)
        return answer if ours else original(*args)

    replaced.ampubsub_original = original  # type: ignore[attr-defined]
    return replaced


def open_streams_again(parts: Parts) -> None:
    """A pubsub stream whose negotiation fails, as when its connection is just replaced, is never opened again.

    Such a peer stays connected and hears nothing. py-libp2p tries again after errors of the network, not after those of
    the host above it. A peer that does not speak GossipSub is left alone.
    """
    open_once = parts.pubsub._handle_new_peer

    async def handle_new_peer(peer_id: ID) -> None:
        try:
            await open_once(peer_id)
        except HostException as error:
            if "not supported" in str(error.__cause__):
                raise
            raise SwarmException(str(error)) from error

    parts.pubsub._handle_new_peer = handle_new_peer  # type: ignore[method-assign]


def widen_send_queues(queue: RpcQueue, settings: TransportSettings) -> None:
    """Each peer's queue of outgoing RPCs holds 32; what is more is dropped in silence."""
    queue._queue.max_size = settings.send_queue


def reregister(pubsub: Pubsub, peer_id: ID) -> None:
    """Open a new pubsub stream to a peer whose old one was on a connection that ended.

    py-libp2p keeps writing into the dead stream as long as any connection to the peer stands, so a peer
    that restarts with the same identity gets nothing for 30 s. What the peer subscribed to stays known:
    its own stream to us may be well.
    """
    pubsub.peers.pop(peer_id, None)
    queue = pubsub.peer_queues.pop(peer_id, None)
    if queue is not None:
        queue.close()
    pubsub.router.remove_peer(peer_id)
    pubsub._schedule_peer_stream_retry(peer_id)
