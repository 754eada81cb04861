"""GossipSub's traffic: what arrives is checked and delivered, what we say is signed and sent.

Takes the place of py-libp2p's own read and send loops, in which a peer's invalid protobuf or key ends the
whole host, every message costs a task, and what is dropped is not counted. Mesh upkeep, IHAVE and IWANT
stay with py-libp2p's router.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import INetStream
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import RpcQueue

from ampubsub.transport.interface import Check, MessageReceived, TransportError, Verdict
from ampubsub.transport.libp2p.events import EventQueue
from ampubsub.transport.libp2p.frames import FrameReader, FrameTooLargeError, framed
from ampubsub.transport.libp2p.identity import Identity
from ampubsub.transport.libp2p.messages import Message, Signer, author_of, refusal, sequence_of
from ampubsub.transport.libp2p.outlet import Outlet
from ampubsub.transport.libp2p.pace import Pace
from ampubsub.transport.libp2p.peers import Traffic
from ampubsub.transport.libp2p.plan import Applier, Parts
from ampubsub.transport.libp2p.seen import SeenMessages
from ampubsub.transport.libp2p.workarounds import gossipsub, pubsub, swarm

log = logging.getLogger("ampubsub.transport")

_FRAMES_A_TURN = 8
_MAX_CONTROL_ENTRIES = 128
_MAX_IDS = 5000
_WRITE_BYTES = 16384


@dataclass(slots=True)
class Hooks:
    """What the session wants to know of."""

    offended: Callable[[ID, str, float], None]
    """A peer sent something wrong: peer, reason, weight (`fatal` disconnects at once)."""
    topics_changed: Callable[[ID], None]
    """A peer's subscriptions may have changed."""
    reader_ended: Callable[[ID], None]
    """The last stream on which a peer sends to us ended."""
    stuck: Callable[[ID], None]
    """A peer reads nothing."""
    refused: Callable[[ID], bool]
    """Whether a peer is banned."""
    traffic: Callable[[ID], Traffic]
    """Where to count what goes over a peer's streams."""


FATAL = float("inf")


@dataclass(slots=True)
class _Budget:
    tokens: float
    since: float = field(default_factory=trio.current_time)


class Gossip:
    """Sends and receives for the topics we joined."""

    def __init__(
        self,
        parts: Parts,
        identity: Identity,
        events: EventQueue,
        hooks: Hooks,
        applier: Applier,
        checks: Mapping[str, Check],
    ) -> None:
        self.joined: set[str] = set()
        self.readers: dict[ID, dict[object, trio.CancelScope]] = {}
        """Who is being read, one stream of each connection. (go-libp2p-pubsub: one of each peer; but while two
        connections stand, nobody knows yet which of their streams will go on.)"""
        self._parts = parts
        self._settings = parts.settings
        self._pubsub = parts.pubsub
        self._router = parts.router
        self._events = events
        self._hooks = hooks
        self._flood = applier.uses(gossipsub.flood_own_messages)
        self._wide = applier.uses(pubsub.widen_send_queues)
        ours = applier.uses(pubsub.first_sequence_number)
        self._signer = Signer(identity, pubsub.first_sequence_number() if ours else parts.pubsub.counter)
        self._budgets: dict[ID, _Budget] = {}
        self._checks = checks
        self._pace = Pace(self._settings.coalesce_above, self._settings.coalesce_longest_s)
        self._seen = SeenMessages(self._settings.seen_ttl_s, self._settings.max_seen)
        self._install()

    def _install(self) -> None:
        parts = self._parts
        parts.pubsub.seen_messages = self._seen  # type: ignore[assignment]
        parts.pubsub.handle_sending_messages = self._send  # type: ignore[method-assign]
        for protocol in parts.router.get_protocols():
            parts.host.set_stream_handler(protocol, self._read)

    # Topics

    async def join(self, topic: str) -> None:
        """Announce that we take part, and build a mesh. Idempotent."""
        if topic not in self.joined:
            self.joined.add(topic)
            await self._pubsub.subscribe(topic)

    async def leave(self, topic: str) -> None:
        """Announce that we leave. Idempotent."""
        if topic in self.joined:
            self.joined.discard(topic)
            await self._pubsub.unsubscribe(topic)

    def publish(self, topic: str, data: bytes) -> None:
        """Sign `data` and queue it for the peers of the topic."""
        if topic not in self.joined:
            raise TransportError(f"Cannot publish to topic {topic!r}: join it first")
        if len(data) > self._settings.max_message_bytes:
            raise TransportError(
                f"Cannot publish {len(data)} bytes to topic {topic!r}: "
                f"the limit is {self._settings.max_message_bytes}"
            )
        message = self._signer.message(topic, data)
        self._seen.add(message.from_id + message.seqno)
        targets = set(self._router.mesh.get(topic, ()))
        if self._flood:
            targets |= gossipsub.flood_own_messages(self._parts, topic)
        self._forward(message, targets)

    def _forward(self, message: Message, targets: set[ID]) -> None:
        self._router.mcache.put(message)
        if not targets:
            return
        frame = framed(rpc_pb2.RPC(publish=[message]).SerializeToString())
        queues = self._pubsub.peer_queues
        self._pace.queued(len(targets))
        for peer in targets:
            queue = queues.get(peer)
            if queue is None:
                continue
            if queue.push(frame):  # type: ignore[arg-type]
                self._hooks.traffic(peer).messages_out += 1
            else:
                self._events.drop(str(peer), "send-queue-full")

    # Sending

    async def _send(self, peer_id: ID, stream: INetStream, queue: RpcQueue) -> None:
        """Write what is queued for one peer, several RPCs at once, until its stream or queue ends."""
        if self._wide:
            pubsub.widen_send_queues(queue, self._settings)
        outlet = Outlet(stream)
        traffic = self._hooks.traffic(peer_id)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._give_up_when_stuck, peer_id, outlet, nursery.cancel_scope)
            try:
                while (item := await queue.pop()) is not None:
                    due = self._pace.write_at()
                    if due > trio.current_time():
                        await trio.sleep_until(due)
                    output = bytearray(_frame_of(item))
                    while len(output) < _WRITE_BYTES and (item := queue._queue.pop()) is not None:
                        output += _frame_of(item)
                    await outlet.write(bytes(output))
                    traffic.bytes_out += len(output)
            except Exception as error:
                log.debug("pubsub stream to %s ended: %r", peer_id, error)
                if self._pubsub.peers.get(peer_id) is stream:
                    self._pubsub._handle_dead_peer(peer_id)
            nursery.cancel_scope.cancel()

    async def _give_up_when_stuck(self, peer_id: ID, outlet: Outlet, sending: trio.CancelScope) -> None:
        await outlet.until_stuck(self._settings.write_timeout_s)
        self._hooks.stuck(peer_id)
        sending.cancel()

    # Receiving

    async def _read(self, stream: INetStream) -> None:
        """Read one peer's RPCs until the stream ends or the peer sends what cannot be read."""
        peer = stream.muxed_conn.peer_id
        if self._hooks.refused(peer):
            await swarm.reset_quietly(stream)
            return
        connection = stream.muxed_conn
        before = self.readers.get(peer, {}).get(connection)
        if before is not None:
            before.cancel()
        with trio.CancelScope() as scope:
            self.readers.setdefault(peer, {})[connection] = scope
            try:
                await self._read_frames(stream, peer)
            finally:
                reading = self.readers.get(peer, {})
                if reading.get(connection) is scope:
                    del reading[connection]
                    if not reading:
                        self.readers.pop(peer, None)
                        self._budgets.pop(peer, None)
                        self._hooks.reader_ended(peer)
                with swarm.briefly(1):
                    await swarm.reset_quietly(stream)

    async def _read_frames(self, stream: INetStream, peer: ID) -> None:
        frames = FrameReader(stream, self._settings.max_rpc_bytes, self._settings.unfinished_frame_s)
        traffic = self._hooks.traffic(peer)
        try:
            handled = 0
            while (frame := await frames.next()) is not None:
                handled += 1
                if handled % _FRAMES_A_TURN == 0:
                    # Whoever sends much does not keep the others from being heard.
                    await trio.lowlevel.checkpoint()
                rpc = rpc_pb2.RPC()
                rpc.ParseFromString(frame)
                traffic.bytes_in += len(frame)
                traffic.messages_in += len(rpc.publish)
                await self._handle(rpc, peer)
        except DecodeError:
            self._hooks.offended(peer, "bad-protobuf", FATAL)
        except FrameTooLargeError:
            self._hooks.offended(peer, "oversize", FATAL)
        except Exception as error:  # streams end with errors of several libraries
            log.debug("pubsub stream of %s ended: %r", peer, error)

    async def _handle(self, rpc: rpc_pb2.RPC, peer: ID) -> None:
        if rpc.publish:
            for message in rpc.publish:
                self._handle_message(message, peer)
        if rpc.subscriptions:
            self._handle_subscriptions(rpc, peer)
        if rpc.HasField("control"):
            self._restrict_control(rpc.control, peer)
            try:
                await self._router.handle_rpc(rpc, peer)
            except Exception as error:
                log.debug("control message of %s dropped: %r", peer, error)
                self._hooks.offended(peer, "bad-control", 1)

    def _handle_message(self, message: Message, peer: ID) -> None:
        topic = next((topic for topic in message.topicIDs if topic in self.joined), None)
        if topic is None:
            return
        message_id = message.from_id + message.seqno
        if self._seen.has(message_id):
            return
        if not self._within_budget(peer):
            self._events.drop(str(peer), "flood")
            return
        if len(message.data) > self._settings.max_message_bytes:
            self._events.drop(str(peer), "oversize")  # Go's limit is higher: the neighbour is not to blame
            return
        wrong = refusal(message)
        if wrong is not None:
            if wrong.relay_to_blame:
                self._hooks.offended(peer, wrong.reason, 1)
            else:
                self._events.drop(str(peer), wrong.reason)
            return
        self._seen.add(message_id)
        if message.from_id == self._signer.author:
            return
        heard = MessageReceived(
            topic,
            author_of(message.from_id),
            message.data,
            str(peer),
            sequence_of(message.seqno),
            message.SerializeToString(),
        )
        verdict = self._verdict(heard)
        if verdict is not Verdict.ACCEPT:
            if verdict is Verdict.REJECT:
                self._hooks.offended(peer, "rejected", 1)
            return
        self._events.put(heard)
        targets = set(self._router.mesh.get(topic, ()))
        targets.discard(peer)
        targets.discard(ID(message.from_id))
        self._forward(message, targets)

    def _verdict(self, heard: MessageReceived) -> Verdict:
        check = self._checks.get(heard.topic)
        if check is None:
            return Verdict.ACCEPT
        try:
            return check(heard)
        except Exception:
            log.exception("The check of topic %r failed on a message of %s", heard.topic, heard.author)
            self._events.dropped["check-failed"] += 1
            return Verdict.IGNORE

    def _within_budget(self, peer: ID) -> bool:
        """A bucket for each neighbour, refilled at `max_message_rate`."""
        budget = self._budgets.get(peer)
        if budget is None:
            budget = self._budgets[peer] = _Budget(self._settings.message_burst)
        now = trio.current_time()
        refill = (now - budget.since) * self._settings.max_message_rate
        budget.tokens = min(self._settings.message_burst, budget.tokens + refill)
        budget.since = now
        if budget.tokens < 1:
            return False
        budget.tokens -= 1
        return True

    def _handle_subscriptions(self, rpc: rpc_pb2.RPC, peer: ID) -> None:
        if len(rpc.subscriptions) > 2 * self._settings.max_topics_per_peer:
            self._hooks.offended(peer, "too-many-topics", 1)
            return
        for subscription in rpc.subscriptions:
            if len(subscription.topicid) > self._settings.max_topic_length:
                self._hooks.offended(peer, "bad-topic", 1)
            else:
                self._pubsub.handle_subscription(peer, subscription)
        self._hooks.topics_changed(peer)

    def _restrict_control(self, control: rpc_pb2.ControlMessage, peer: ID) -> None:
        """Keep only what concerns our topics and is of a believable size; never dial whom others name."""
        for entries in (control.graft, control.prune, control.ihave, control.iwant):
            if len(entries) > _MAX_CONTROL_ENTRIES:
                self._hooks.offended(peer, "control-flood", 1)
                control.Clear()
                return
        for name in ("prune", "ihave"):
            entries = getattr(control, name)
            ours = [entry for entry in entries if entry.topicID in self.joined]
            if len(ours) < len(entries):
                control.ClearField(name)
                getattr(control, name).extend(ours)
        for prune in control.prune:
            prune.ClearField("peers")
        asked: list[Any] = [*control.ihave, *control.iwant]
        for wanted in asked:
            if len(wanted.messageIDs) > _MAX_IDS:
                self._hooks.offended(peer, "control-flood", 1)
                del wanted.messageIDs[_MAX_IDS:]


def _frame_of(item: rpc_pb2.RPC | bytes) -> bytes:
    return item if isinstance(item, bytes) else framed(pubsub.without_empty_record(item).SerializeToString())
