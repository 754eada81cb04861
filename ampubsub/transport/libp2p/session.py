"""One opened host: its life from listening to the last closed connection, its peers, and its events."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import trio
from libp2p.abc import INetStream, INetwork, INotifee
from libp2p.peer.id import ID
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from ampubsub.transport.address import Address
from ampubsub.transport.interface import (
    Check,
    DisconnectCause,
    ListenError,
    PeerConnected,
    PeerDetail,
    PeerDisconnected,
    PeerSubscribed,
    PeerUnsubscribed,
    TransportError,
)
from ampubsub.transport.libp2p import logs, peers, records, unix
from ampubsub.transport.libp2p.dialing import Dialer
from ampubsub.transport.libp2p.direct import Direct
from ampubsub.transport.libp2p.events import EventQueue
from ampubsub.transport.libp2p.gossip import Gossip, Hooks
from ampubsub.transport.libp2p.identity import Identity
from ampubsub.transport.libp2p.peers import Connection, Peer, Strikes, Traffic
from ampubsub.transport.libp2p.plan import Applier, build, new_plan
from ampubsub.transport.libp2p.settings import TransportSettings
from ampubsub.transport.libp2p.workarounds import FOR_PARTS, FOR_PLANS, pubsub, quic, swarm, tcp
from ampubsub.transport.peer_lists import PeerLists

log = logging.getLogger("ampubsub.transport")


class Session:
    """A host with everything that belongs to it. Made by `open_session`, in a trio task."""

    def __init__(
        self,
        settings: TransportSettings,
        identity: Identity,
        applier: Applier,
        events: EventQueue,
        checks: Mapping[str, Check],
    ) -> None:
        logs.route_foreign_loggers()
        logs.silence_root_logging()
        plan = new_plan(settings, identity)
        applier.all(FOR_PLANS, plan)
        self._keys = plan.keys
        self.parts = build(plan)
        applier.all(FOR_PARTS, self.parts)
        self.lists = PeerLists.of(settings.allow_file, settings.deny_file)
        self.lists.read()
        if self.lists.any:
            swarm.ask_before_adding(self.parts.network, self._refuse)
        quic.tell_when_clocks_differ(self.parts.network, self._clocks_differ)
        self.events = events
        self.peers: dict[ID, Peer] = {}
        self._settings = settings
        self._identity = identity
        self._applier = applier
        self._connections: dict[int, Connection] = {}
        self._strikes: dict[ID, Strikes] = {}
        self._banned: dict[ID, float] = {}
        self._silent: set[ID] = set()
        self._nursery: trio.Nursery | None = None
        self._ready = trio.Event()
        self._stop = trio.Event()
        hooks = Hooks(
            offended=self._offended,
            topics_changed=self._topics_changed,
            reader_ended=self._reader_ended,
            stuck=lambda peer: self._start(self.disconnect, peer, "does not read"),
            refused=self.is_banned,
            traffic=self._traffic,
        )
        self.gossip = Gossip(self.parts, identity, self.events, hooks, applier, checks)
        self.direct = Direct(self.parts.host, settings, events, self.peers.get, self._offended)
        self.dialer = Dialer(self)
        peers.answer_identify(self.parts.host, settings.agent)
        self._lost_stream = self.parts.pubsub._handle_dead_peer
        self.parts.pubsub._handle_dead_peer = self._stream_lost  # type: ignore[method-assign]
        self.parts.network.register_notifee(_Notifee(self))

    # Life

    @asynccontextmanager
    async def running(self, listen: Sequence[Address]) -> AsyncIterator[None]:
        """Run the host and listen. Leaving closes every connection so that others notice at once."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_host, listen)
            try:
                await self._ready.wait()
                yield
            finally:
                self._stop.set()

    async def _run_host(self, listen: Sequence[Address]) -> None:
        """Run until told to stop. Shielded: a host cancelled from outside would close nothing properly."""
        parts = self.parts
        with trio.CancelScope(shield=True) as scope:
            async with pubsub.run_before_listening(parts):
                try:
                    async with trio.open_nursery() as nursery:
                        self._nursery = nursery
                        for address in listen:
                            await self._listen(address)
                        nursery.start_soon(self._keep_alive)
                        if self.lists.any:
                            nursery.start_soon(self._watch_lists)
                        self._ready.set()
                        await self._stop.wait()
                        self._nursery = None
                        nursery.cancel_scope.cancel()
                finally:
                    self._nursery = None
                    scope.deadline = trio.current_time() + self._settings.close_timeout_s
                    if self._applier.uses(swarm.close_all):
                        await swarm.close_all(parts)

    async def _listen(self, address: Address) -> None:
        if address.transport == "unix":
            unix.make_way(address)
        elif self._applier.uses(swarm.refuse_port_in_use):
            swarm.refuse_port_in_use(address)
        if not await self.parts.network.listen(Multiaddr(address.base)):
            raise ListenError(f"Cannot listen on {address}: the network layer refused it")

    @property
    def is_closing(self) -> bool:
        """Whether the session is about to end."""
        return self._nursery is None

    def _start(self, task: object, *args: object) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(task, *args)  # type: ignore[arg-type]

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep(self._settings.ping_interval_s)
            for connection in list(self._connections.values()):
                if connection.is_quic and self._applier.uses(quic.ping):
                    try:
                        await quic.ping(connection.link.muxed_conn)
                    except Exception as error:
                        log.debug("ping failed: %r", error)

    # Connections

    def connected(self, connection: Connection) -> None:
        """py-libp2p announces a connection."""
        peer_id = connection.link.muxed_conn.peer_id
        if self.is_closing or self.is_banned(peer_id):
            self._start(connection.close, "refused")
            return
        self._connections[id(connection.link)] = connection
        peer = self.peers.get(peer_id)
        if peer is None:
            peer = self.peers[peer_id] = Peer(peer_id, trio.current_time())
            self._start(self._welcome, peer)
        peer.connections.append(connection)
        muxed = connection.link.muxed_conn
        if not connection.is_quic:
            tcp.notice_goodbyes(muxed)
        if not connection.is_quic and self._applier.uses(tcp.notice_silent_peers):
            self._start(tcp.notice_silent_peers, muxed, self._settings)
        if connection.is_quic and self._applier.uses(quic.notice_close_at_once):
            quic.notice_close_at_once(muxed, lambda: self._start(connection.link.close))
        if len(peer.connections) > 1 and self._applier.uses(peers.one_connection_per_peer):
            self._start(self._keep_one, peer)

    def disconnected(self, swarm_connection: object) -> None:
        """py-libp2p announces that a connection ended."""
        connection = self._connections.pop(id(swarm_connection), None)
        if connection is None:
            return
        if connection.is_quic and self._applier.uses(quic.end_accepting):
            quic.end_accepting(connection.link.muxed_conn)
        peer = self.peers[connection.link.muxed_conn.peer_id]
        peer.connections.remove(connection)
        if peer.connections:
            self._move_stream(peer)
            return
        del self.peers[peer.id]
        why = connection.why_ended()
        if peer.announced:
            self.events.put(PeerDisconnected(str(peer.id), why, connection.cause_of_end()))
        for topic in sorted(peer.topics):
            self.events.put(PeerUnsubscribed(topic, str(peer.id)))
        self.dialer.ended(str(peer.id), why)
        peer.welcomed.set()
        peer.ended.set()
        if not self.is_closing:
            self._start(self._redial, peer, connection)

    async def _redial(self, peer: Peer, last: Connection) -> None:
        lasted_s = trio.current_time() - peer.since
        thrown_out = last.cause_of_end() is DisconnectCause.CLOSED
        await self.dialer.redial(str(peer.id), lasted_s, thrown_out=thrown_out)

    def _clocks_differ(self) -> None:
        self.events.dropped["certificate-time"] += 1
        log.warning("Refused a peer whose certificate is not valid now: %s", quic.CLOCKS_DIFFER)

    async def _welcome(self, peer: Peer) -> None:
        """Learn what a new peer is and tell of it."""
        for tries in range(self._settings.identify_tries):
            if peer.id not in self.peers:
                return
            if await peers.identify(self.parts.host, peer, self._settings.identify_timeout_s):
                break
            self._announce(peer)
            await trio.sleep(0.1 * 2**tries)
        peer.welcomed.set()
        self._announce(peer)
        await self.direct.keep_open(peer)

    def _announce(self, peer: Peer) -> None:
        if not peer.announced and self.peers.get(peer.id) is peer:
            peer.announced = True
            newest = peer.connections[-1]
            self.events.put(PeerConnected(str(peer.id), newest.address, newest.outbound))

    async def _keep_one(self, peer: Peer) -> None:
        """Close all but one connection to a peer; one side chooses, so that not both are closed."""
        ours_is_smaller = self.parts.pubsub.my_id.to_bytes() < peer.id.to_bytes()
        await trio.sleep(self._settings.handshake_grace_s)
        if peers.choice_is_theirs(peer.connections, ours_is_smaller, self._settings):
            await trio.sleep(self._settings.their_choice_s)
        live = [each for each in peer.connections if not each.link.is_closed]
        if len(live) < 2:
            return
        kept = peers.one_connection_per_peer(live, ours_is_smaller, self._settings.same_age_s)
        for connection in live:
            if connection is not kept:
                await connection.close("replaced by a newer connection")

    def _move_stream(self, peer: Peer) -> None:
        """Open a new pubsub stream if the old one was on a connection that ended."""
        stream = self.parts.pubsub.peers.get(peer.id)
        if stream is None or not self._applier.uses(pubsub.reregister):
            return
        if all(stream.muxed_conn is not each.link.muxed_conn for each in peer.connections):
            pubsub.reregister(self.parts.pubsub, peer.id)

    async def disconnect(
        self, peer_id: ID, why: str = "closed by us", cause: DisconnectCause = DisconnectCause.OURS
    ) -> None:
        """Close all connections to a peer."""
        peer = self.peers.get(peer_id)
        if peer is None:
            return
        async with trio.open_nursery() as nursery:
            for connection in list(peer.connections):
                nursery.start_soon(connection.close, why, cause)

    # Pubsub streams and subscriptions

    def _stream_lost(self, peer_id: ID) -> None:
        """py-libp2p lost its pubsub stream to a peer."""
        if peer_id in self.peers and self._applier.uses(pubsub.reregister):
            pubsub.reregister(self.parts.pubsub, peer_id)
        else:
            self._lost_stream(peer_id)

    def _reader_ended(self, peer_id: ID) -> None:
        if peer_id in self.peers and peer_id not in self._silent:
            self._silent.add(peer_id)
            self._start(self._forget_unless_heard, peer_id)

    async def _forget_unless_heard(self, peer_id: ID) -> None:
        """Forget what a peer subscribed to, unless it opens another stream soon."""
        await trio.sleep(self._settings.resubscribe_grace_s)
        self._silent.discard(peer_id)
        if peer_id in self.peers and peer_id not in self.gossip.readers:
            self.parts.pubsub._forget_all_subscriptions(peer_id)
            self._topics_changed(peer_id)

    def _topics_changed(self, peer_id: ID) -> None:
        peer = self.peers.get(peer_id)
        if peer is None:
            return
        peer.welcomed.set()
        self._announce(peer)
        topics = self.topics_of(peer_id)
        for topic in sorted(topics - peer.topics):
            self.events.put(PeerSubscribed(topic, str(peer_id)))
        for topic in sorted(peer.topics - topics):
            self.events.put(PeerUnsubscribed(topic, str(peer_id)))
        peer.topics = set(topics)

    def address_record(self, addresses: Sequence[str]) -> bytes:
        """`addresses`, signed by us."""
        return records.sealed(self._keys.private_key, addresses)

    def topics_of(self, peer_id: ID) -> frozenset[str]:
        """The topics a peer announced."""
        members = self.parts.pubsub.peer_topics
        return frozenset(topic for topic in members if peer_id in members[topic])

    # Offenders

    def is_banned(self, peer_id: ID) -> bool:
        """Whether a peer is refused for what it sent."""
        until = self._banned.get(peer_id)
        if until is None:
            return False
        if trio.current_time() >= until:
            del self._banned[peer_id]
            return False
        return True

    def _offended(self, peer_id: ID, reason: str, weight: float) -> None:
        self.events.drop(str(peer_id), reason)
        if self.is_banned(peer_id):
            return
        strikes = self._strikes.get(peer_id)
        if strikes is None:
            if len(self._strikes) >= 4 * self._settings.max_connections:
                self._strikes.clear()
            strikes = self._strikes[peer_id] = Strikes()
        if strikes.add(weight, self._settings.strike_memory_s) >= self._settings.max_strikes:
            del self._strikes[peer_id]
            self._start(self._expel, peer_id, f"sent wrong input: {reason}")

    async def _expel(self, peer_id: ID, why: str) -> None:
        """Disconnect a peer and refuse it for a while."""
        log.warning("Peer %s %s: disconnected and refused for %g s", peer_id, why, self._settings.ban_s)
        if len(self._banned) >= 4 * self._settings.max_connections:
            self._banned.clear()
        self._banned[peer_id] = trio.current_time() + self._settings.ban_s
        await self.disconnect(peer_id, why, DisconnectCause.EXPELLED)

    # Lists of peers

    def _refuse(self, peer_id: ID, inbound: bool) -> str:
        refusal = self.lists.refusal(str(peer_id))
        if refusal and inbound:
            self.events.drop(str(peer_id), refusal)
        return self.lists.says(refusal) if refusal else ""

    async def _watch_lists(self) -> None:
        """Read the lists again when they change, and part from those who may no longer be here."""
        told = ""
        while True:
            await trio.sleep(self._settings.lists_interval_s)
            changed = await trio.to_thread.run_sync(self.lists.read_again)
            if self.lists.wrong != told:
                told = self.lists.wrong
                if told:
                    log.warning("%s; the list as it was holds", told)
            if not changed:
                continue
            for peer_id in list(self.peers):
                refusal = self.lists.refusal(str(peer_id))
                if refusal:
                    self.events.drop(str(peer_id), refusal)
                    why = f"refused: {self.lists.says(refusal)}"
                    self._start(self.disconnect, peer_id, why, DisconnectCause.EXPELLED)

    # Reading

    def _traffic(self, peer_id: ID) -> Traffic:
        peer = self.peers.get(peer_id)
        return Traffic() if peer is None else peer.traffic

    def detail(self, peer_id: ID) -> PeerDetail | None:
        """What is known of a connected peer."""
        peer = self.peers.get(peer_id)
        if peer is None or not peer.connections:
            return None
        newest = peer.connections[-1]
        mesh = self.parts.router.mesh
        protocol = str(self.parts.router.peer_protocol.get(peer_id, ""))
        return PeerDetail(
            peer_id=str(peer_id),
            addresses=tuple(each.address for each in peer.connections if each.address),
            transport=newest.carrier,
            round_trip_s=newest.round_trip(),
            agent=peer.agent,
            protocols=peer.protocols,
            gossipsub=protocol.removeprefix("/meshsub/").removesuffix(".0"),
            in_mesh={topic: peer_id in mesh.get(topic, ()) for topic in sorted(self.gossip.joined)},
            connections=len(peer.connections),
            connected_since=peer.since,
            dialled=newest.outbound,
            direct=self.direct.stands(peer_id),
            bytes_in=peer.traffic.bytes_in,
            bytes_out=peer.traffic.bytes_out,
            messages_in=peer.traffic.messages_in,
            messages_out=peer.traffic.messages_out,
        )


class _Notifee(INotifee):
    """Passes py-libp2p's announcements on."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def connected(self, network: INetwork, conn: object) -> None:
        self._session.connected(Connection.of(conn))

    async def disconnected(self, network: INetwork, conn: object) -> None:
        self._session.disconnected(conn)

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        pass

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        pass

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        pass

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        pass


@asynccontextmanager
async def open_session(
    settings: TransportSettings,
    identity: Identity,
    applier: Applier,
    events: EventQueue,
    checks: Mapping[str, Check],
    listen: Sequence[Address],
) -> AsyncIterator[Session]:
    """Run a session around a block. What the block raises passes through as it is, not in a group."""
    session = Session(settings, identity, applier, events, checks)
    raised: BaseException | None = None
    try:
        async with session.running(listen):
            try:
                yield session
            except BaseException as error:
                if _is_cancellation(error):
                    raise
                raised = error
    except BaseExceptionGroup as group:
        raise _plain(group) from group
    if raised is not None:
        raise raised


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_cancellation(each) for each in error.exceptions)
    return isinstance(error, (trio.Cancelled, GeneratorExit))


def _plain(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that matters of a group that libp2p's services and nurseries made."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        else:
            leaves.append(error)
    ours = [error for error in leaves if isinstance(error, TransportError)]
    if ours:
        return ours[0]
    if any(isinstance(error, trio.Cancelled) or not isinstance(error, Exception) for error in leaves):
        return group
    return TransportError(f"The network stopped: {leaves[0]!r}")
