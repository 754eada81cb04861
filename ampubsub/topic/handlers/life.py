"""Life: start, connect, reconnect, join, upkeep, dispose."""

from __future__ import annotations

from contextlib import suppress

import trio

from ampubsub.machine import Event
from ampubsub.topic.aging import expire, gossip_interval
from ampubsub.topic.arguments import AGAIN, REJOIN, UNREACHED
from ampubsub.topic.core import Core
from ampubsub.topic.errors import ConnectError, StartError
from ampubsub.transport.interface import (
    Dropped,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    PeerSubscribed,
    PeerUnsubscribed,
    TransportError,
    TransportEvent,
)


class LifeHandlers:
    """From Start to Disposed."""

    def __init__(self, core: Core) -> None:
        self.core = core

    # -- Start

    def StartEnter(self, event: Event) -> bool:
        """There must be something to listen on or to dial."""
        core = self.core
        return bool(core.listen or core.connect or core.host.is_open)

    async def StartState(self, event: Event) -> None:
        """Open the host and keep it open until Start is removed."""
        core = self.core
        rejoin = event.args.get(REJOIN, core.settings.join_when_connected)
        before, core.closed = core.closed, trio.Event()
        core.redialling.wait_s = 0.0
        try:
            await before.wait()
            if core.name in core.host.served:
                raise StartError(f"topic {core.name} is served on this host already, under the same identity")
            if core.host.is_open:
                await self._live(event, rejoin)
                raise StartError(
                    f"topic {core.name}: the host was closed by whoever opened it; open it again and start"
                )
            async with core.host.opened(core.listen):
                await self._live(event, rejoin)
            raise StartError(f"topic {core.name}: the host ended by itself; start again")
        except TransportError as error:
            self._cannot_start(StartError(f"the host could not be opened: {error}"))
        except StartError as error:
            self._cannot_start(error)
        finally:
            core.closed.set()

    def _cannot_start(self, error: StartError) -> None:
        self.core.machine.add_err_state("ErrJoining", error)
        self.core.drop("Start")

    async def _live(self, event: Event, rejoin: bool) -> None:
        core = self.core
        unsubscribe = core.host.subscribe(core.name, self._take)
        core.host.served.add(core.name)
        try:
            core.machine.set_tags((*self._own_tags(), f"peer:{core.peer_id}"))
            core.add("Started", peer_id=core.peer_id)
            core.add("Connecting" if core.connect else "Connected", rejoin=rejoin)
            await core.host.closed.wait()
        finally:
            core.host.served.discard(core.name)
            unsubscribe()

    def StartEnd(self, event: Event) -> None:
        """Nobody is heard any longer."""
        core = self.core
        core.machine.set_tags(self._own_tags())
        core.registry.leave_all("we stopped", core.now())

    def _own_tags(self) -> tuple[str, ...]:
        return tuple(tag for tag in self.core.machine.tags if not tag.startswith("peer:"))

    # -- what the host tells

    def _take(self, news: TransportEvent) -> None:
        core = self.core
        if isinstance(news, MessageReceived):
            if news.author == core.peer_id or core.machine.not_("Joined"):
                return
            if len(core.inbox) >= core.settings.inbox:
                core.registry.drop(news.author, "inbox-full")
                return
            core.inbox.append(news)
            core.inbox_filled.set()
        elif isinstance(news, PeerSubscribed):
            if news.peer_id != core.peer_id:
                core.add("PeerJoined", peer_id=news.peer_id)
        elif isinstance(news, PeerUnsubscribed):
            core.add("PeerLeft", peer_id=news.peer_id, reason="it left the topic")
        elif isinstance(news, PeerConnected | PeerDisconnected):
            if isinstance(news, PeerDisconnected):
                core.registry.left(news.peer_id, f"its connection ended: {news.reason}", core.now())
            self._look_at_connections()
        elif isinstance(news, Dropped):
            core.registry.drop(news.peer_id, news.reason)
            core.dropped_by_transport[news.reason] += 1

    def _look_at_connections(self) -> None:
        core = self.core
        core.connections_changed.set()
        core.connections_changed = trio.Event()
        if core.connections() < core.settings.connections_to_ready:
            core.drop("Ready")

    # -- connecting

    def ConnectingEnter(self, event: Event) -> bool:
        """A first peer has nobody to dial."""
        return bool(self.core.connect)

    async def ConnectingState(self, event: Event) -> None:
        """Dial all addresses, again and again until somebody is connected."""
        core = self.core
        rejoin = event.args.get(REJOIN, True)
        if event.args.get(AGAIN):
            await self._until_connected(core.redialling.next())
        while True:
            failures = await self._dial(core.connect)
            if core.connections():
                for text in failures.values():
                    core.notice("warning", text)
                core.add("Connected", event=event, rejoin=rejoin, unreached=tuple(failures))
                return
            text = "; ".join(failures.values()) or "they take us in and close again at once"
            core.machine.add_err_state("ErrConnecting", ConnectError(text), event=event)
            await self._until_connected(core.redialling.next())

    async def _until_connected(self, at_most_s: float) -> None:
        """The network layer dials lost peers again by itself, and others may dial us."""
        with trio.move_on_after(at_most_s):
            while not self.core.connections():
                await self.core.connections_changed.wait()

    async def _dial(self, addresses: tuple[str, ...]) -> dict[str, str]:
        """Dial several addresses at once; what failed, each with its text."""
        core = self.core
        failures: dict[str, str] = {}
        limit = trio.CapacityLimiter(core.settings.dials_at_once)

        async def dial(address: str) -> None:
            async with limit:
                try:
                    await core.host.transport.connect(address)
                except TransportError as error:
                    text = str(error)
                    failures[address] = text if address in text else f"{address}: {text}"

        async with trio.open_nursery() as nursery:
            for address in addresses:
                nursery.start_soon(dial, address)
        return failures

    async def ConnectedState(self, event: Event) -> None:
        """Join, then watch the connections until none is left."""
        core = self.core
        if core.machine.is_("ErrConnecting"):
            core.machine.remove("ErrConnecting", "Exception", event=event)
        if event.args.get(REJOIN):
            core.add("Joining", event=event)
        since = core.now()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._retry, event.args.get(UNREACHED, ()))
            while not core.connect or core.connections():
                await core.connections_changed.wait()
            nursery.cancel_scope.cancel()
        core.notice("warning", "no connection is left; dialling again")
        core.redialling.lost(core.now() - since)
        core.add("Connecting", event=event, rejoin=core.machine.any("Joined", "Joining"), again=True)

    async def _retry(self, addresses: tuple[str, ...]) -> None:
        """Dial those that could not be reached at first, ever more rarely."""
        wait = self.core.settings.redial_first_s
        while addresses:
            await trio.sleep(wait * self.core.random.uniform(0.5, 1.5))
            addresses = tuple(await self._dial(addresses))
            wait = min(2 * wait, self.core.settings.redial_max_s)

    # -- joining

    async def JoiningState(self, event: Event) -> None:
        """Join the GossipSub topic."""
        core = self.core
        try:
            await core.host.transport.join(core.name)
        except TransportError as error:
            core.machine.add_err_state("ErrJoining", StartError(f"topic {core.name}: {error}"), event=event)
            core.drop("Joining")
            return
        core.add("Joined", event=event)

    async def JoinedState(self, event: Event) -> None:
        """Receive, send and keep up until we leave."""
        core = self.core
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive)
                nursery.start_soon(self._publish)
                nursery.start_soon(self._keep_up)
                for peer_id in sorted(core.host.transport.topic_peers(core.name)):
                    core.add("PeerJoined", event=event, peer_id=peer_id)
                if not core.is_observer:
                    delay = core.random.uniform(0, core.settings.hello_delay_s)
                    core.info_due.add(core.peer_id, core.now() + delay)
                    core.ensure("SendInfo", event=event)
        finally:
            with trio.move_on_after(core.settings.handler_timeout_s) as scope:
                scope.shield = True
                with suppress(TransportError):  # closed already: there is nothing left to leave
                    await core.host.transport.leave(core.name)

    def JoinedEnd(self, event: Event) -> None:
        """What was going to be said or read is not any longer."""
        core = self.core
        core.inbox.clear()
        core.outbox.clear()
        core.outbox_sent.set()
        core.registry.leave_all("we left the topic", core.now())

    async def _receive(self) -> None:
        core = self.core
        while True:
            await core.inbox_filled.wait()
            core.inbox_filled = trio.Event()
            while core.inbox:
                batch = [core.inbox.popleft() for _ in range(min(len(core.inbox), core.settings.batch))]
                core.add("ProcessMsgs", messages=batch, length=len(batch))
                await trio.lowlevel.checkpoint()

    async def _publish(self) -> None:
        core = self.core
        while True:
            await core.outbox_filled.wait()
            core.outbox_filled = trio.Event()
            while core.outbox:
                msg_type, msg = core.outbox.popleft()
                try:
                    await core.host.transport.publish(core.name, msg)
                    core.messages_out[msg_type] += 1
                except TransportError as error:
                    core.machine.add_err_state("ErrNetwork", error)
            core.outbox_sent.set()

    async def _keep_up(self) -> None:
        core = self.core
        while True:
            await trio.sleep(core.settings.heartbeat_s * core.random.uniform(0.9, 1.1))
            core.add("Heartbeat")

    # -- upkeep

    def ReadyEnter(self, event: Event) -> bool:
        """Enough connections."""
        return self.core.connections() >= self.core.settings.connections_to_ready

    def HeartbeatState(self, event: Event) -> None:
        """Let peers grow old, see what is missing, and delegate the work."""
        core = self.core
        core.machine.remove("Heartbeat", event=event)
        now = core.now()
        expire(core.registry, now)
        missing = core.registry.missing
        if not missing.peers:
            core.drop("MissPeersByGossip", event=event)
        if not missing.early_peers:
            core.drop("MissPeersByUpdates", event=event)
        if not missing.late:
            core.drop("MissUpdatesByGossip", event=event)
        for machine in core.exposures.retagged():
            core.redescribed(machine)
        if core.settings.silent:
            return
        if now - core.last_gossip_s >= gossip_interval(core.settings, len(core.registry.peers)):
            core.ensure("SendGossips", event=event)
        if missing.peers:
            core.ensure("ReqMissingPeers", event=event)
        if missing.late:
            core.ensure("ReqMissingUpdates", event=event)
        if core.exposures.dirty:
            core.ensure("SendUpdates", event=event)

    def ExceptionState(self, event: Event) -> None:
        """Tell the person."""
        error = event.machine.err
        if error is not None:
            self.core.notice("error", str(error))

    # -- disposal

    def RegisterDisposalEnter(self, event: Event) -> bool:
        """`handler` must be callable."""
        return callable(event.args.get("handler"))

    def RegisterDisposalState(self, event: Event) -> None:
        """Remember what to call."""
        self.core.disposals.append(event.args["handler"])

    def DisposingState(self, event: Event) -> None:
        """Give everything back."""
        core = self.core
        while core.disposals:
            core.disposals.pop()(core.machine.id)
        core.exposures.clear()
        core.add("Disposed", event=event)
