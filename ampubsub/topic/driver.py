"""Drives a protocol: one task reads what the host tells, one sleeps until something is due and sends it, one dials.

Nothing is decided here. A task that dies is told of and started again: what it left undone is still due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from statistics import median

import trio

from ampubsub.discovery.found import is_local
from ampubsub.topic import changes
from ampubsub.topic.constants import BATCH, INBOX, RESTART_S, ROUND_TRIPS_MEASURED
from ampubsub.topic.events import Noticed, TopicEvent
from ampubsub.topic.host import Host
from ampubsub.topic.protocol import Protocol
from ampubsub.transport.address import parse_dial_address
from ampubsub.transport.interface import (
    AddressError,
    DirectOpened,
    DirectReceived,
    Dropped,
    MessageReceived,
    PeerConnected,
    PeerDisconnected,
    PeerSubscribed,
    PeerUnsubscribed,
    TransportError,
    TransportEvent,
    Verdict,
)

DIALS_WAITING = 8
"""Told addresses that wait to be dialled; more are told again later."""
ADDRESSES_TRIED = 2
"""Of one peer."""
DIAL_S = 5.0
"""How long one told address may take."""
_MEMORY = "/memory/"


class Driver:
    """The tasks of one topic, and the way in for what happens here.

    Args:
        publish: Takes each event of the protocol, in order, at once.
        showed: Called after each batch.
        failed: Told of what a task raised, and of what the network refused.
    """

    def __init__(
        self,
        protocol: Protocol,
        host: Host,
        *,
        publish: Callable[[TopicEvent], None],
        showed: Callable[[], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self.protocol, self.host = protocol, host
        self._publish, self._showed, self._failed = publish, showed, failed
        self.connections_changed = trio.Event()
        self._inbox: deque[TransportEvent] = deque()
        self._messages = 0
        self._filled = trio.Event()
        self._due_changed = trio.Event()
        self._sleeping_until = float("inf")
        self._to_dial: deque[bytes] = deque()
        """Address records of peers that others told of."""
        self._has_to_dial = trio.Event()
        self._quiet = trio.Event()
        """Set when nothing is waiting to be sent."""
        self._dropped_by_us: dict[str, int] = {}
        self._token: trio.lowlevel.TrioToken | None = None
        self._measured_s = float("-inf")

    # -- what happens here

    def now(self) -> float:
        """Seconds on trio's clock; 0 where trio does not run."""
        try:
            return trio.current_time()
        except RuntimeError:
            return 0.0

    def local(self, change: changes.LocalChange) -> None:
        """Tell the protocol what happened here. May be called in any thread; in others it is told a moment later."""
        try:
            trio.lowlevel.current_task()
            here = True
        except RuntimeError:
            here = self._token is None
        if not here and self._token is not None:
            try:
                self._token.run_sync_soon(self._tell, change)
            except trio.RunFinishedError:
                return
            return
        self._tell(change)

    def _tell(self, change: changes.LocalChange) -> None:
        self.publish_all(self.protocol.local(self.now(), change))
        self.look()

    def publish_all(self, events: list[TopicEvent]) -> None:
        """Hand events on, in order."""
        for event in events:
            self._publish(event)

    def look(self) -> None:
        """Something may be due sooner than it was."""
        if self.protocol.next_due() < self._sleeping_until:
            self._due_changed.set()

    # -- what the host tells

    def take(self, news: TransportEvent) -> None:
        """One event of the host. Returns at once."""
        if isinstance(news, MessageReceived):
            if self._messages >= INBOX:
                self.protocol.beliefs.drop(news.author, "inbox-full")
                return
            self._messages += 1
        self._inbox.append(news)
        self._filled.set()
        if isinstance(news, PeerConnected | PeerDisconnected):
            self.connections_changed.set()
            self.connections_changed = trio.Event()

    def check(self, message: MessageReceived) -> Verdict:
        """Asked by the transport before it hands a message on."""
        return self.protocol.check(self.now(), message)

    def _step(self, news: TransportEvent) -> list[TopicEvent]:
        protocol, now = self.protocol, self.now()
        match news:
            case MessageReceived():
                self._messages -= 1
                return protocol.receive(now, news)
            case DirectReceived(peer_id, data):
                return protocol.receive_direct(now, peer_id, data)
            case DirectOpened(peer_id):
                return protocol.local(now, changes.DirectOpened(peer_id))
            case PeerConnected(peer_id):
                detail = self.host.transport.detail(peer_id)
                agent = detail.agent if detail is not None else ""
                return protocol.local(now, changes.Connected(peer_id, news.dialled, agent))
            case PeerDisconnected(peer_id, reason):
                return protocol.local(now, changes.Disconnected(peer_id, news.cause, reason))
            case PeerSubscribed(_, peer_id):
                return protocol.local(now, changes.Subscribed(peer_id))
            case PeerUnsubscribed(_, peer_id):
                return protocol.local(now, changes.Unsubscribed(peer_id))
            case Dropped(peer_id, reason):
                self._dropped_by_us[reason] = self._dropped_by_us.get(reason, 0) + 1
                return protocol.local(now, changes.TransportDropped(peer_id, reason))

    def transport_dropped(self) -> dict[str, int]:
        """What the transport threw away, by reason; what it told us of is counted by us already."""
        counts = {
            reason: count - self._dropped_by_us.get(reason, 0)
            for reason, count in self.host.transport.dropped.items()
        }
        return {reason: count for reason, count in counts.items() if count > 0}

    def begin(self) -> None:
        """The host is open: connections that stand already are told."""
        self._token = trio.lowlevel.current_trio_token()
        self._dropped_by_us.clear()
        self._inbox.clear()
        self._messages = 0
        transport = self.host.transport
        for peer_id in sorted(transport.connected_peers()):
            detail = transport.detail(peer_id)
            self.take(PeerConnected(peer_id, "", detail.dialled if detail is not None else False))
            if detail is not None and detail.direct:
                self.take(DirectOpened(peer_id))
        self.local(changes.AddressRecord(transport.address_record()))

    # -- the tasks

    async def run(self) -> None:
        """All tasks, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep, "reading", self._read)
            nursery.start_soon(self._keep, "sending", self._send)
            nursery.start_soon(self._keep, "dialling", self._dial)

    async def _keep(self, name: str, task: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await task()
            except Exception as error:
                self._publish(Noticed("error", f"the peer's {name} stopped and goes on: {error!r}"))
                self._failed(name, error)
            await trio.sleep(RESTART_S)

    async def _read(self) -> None:
        while True:
            await self._filled.wait()
            self._filled = trio.Event()
            while self._inbox:
                for _ in range(min(BATCH, len(self._inbox))):
                    self.publish_all(self._step(self._inbox.popleft()))
                    self.look()
                    await trio.lowlevel.cancel_shielded_checkpoint()
                self._showed()

    async def _send(self) -> None:
        while True:
            self._due_changed = trio.Event()
            self._sleeping_until = self.protocol.next_due()
            if self._sleeping_until > self.now():
                self._quiet.set()
                with trio.move_on_at(self._sleeping_until):
                    await self._due_changed.wait()
            self._sleeping_until = float("-inf")
            self._quiet = trio.Event()
            await self._do_due()
            self._showed()
            await trio.lowlevel.checkpoint()

    async def _do_due(self) -> None:
        self._measure()
        output = self.protocol.tick(self.now())
        self.publish_all(output.events)
        transport, name = self.host.transport, self.protocol.name
        for data in output.messages:
            try:
                await transport.publish(name, data)
            except TransportError as error:
                self._failed("network", error)
        for peer_id, frame in output.direct:
            try:
                transport.send_direct(peer_id, frame)
            except TransportError as error:
                self._failed("network", error)
        for record in output.dial:
            if len(self._to_dial) < DIALS_WAITING:
                self._to_dial.append(record)
                self._has_to_dial.set()

    async def _dial(self) -> None:
        """Dial peers that others told of. Beside the sending, which must not wait for it."""
        while True:
            await self._has_to_dial.wait()
            self._has_to_dial = trio.Event()
            while self._to_dial:
                await self._dial_told(self._to_dial.popleft())

    async def _dial_told(self, record: bytes) -> None:
        transport = self.host.transport
        opened = transport.open_address_record(record)
        if opened is None:
            return
        peer_id, addresses = opened
        for address in addresses[:ADDRESSES_TRIED]:
            whole = address if "/p2p/" in address else f"{address}/p2p/{peer_id}"
            if not _may_be_dialled(whole):
                continue
            try:
                with trio.move_on_after(DIAL_S):
                    await transport.connect(whole)
                    return
            except TransportError:
                continue

    async def sent(self) -> None:
        """Wait until all that is due now was handed to the network."""
        while self.protocol.next_due() <= self.now() or not self._quiet.is_set():
            quiet = self._quiet
            self.look()
            if not quiet.is_set():
                await quiet.wait()
            else:
                await trio.lowlevel.checkpoint()

    def _measure(self) -> None:
        """The median round trip to some neighbours, at most once a second."""
        now = self.now()
        if now - self._measured_s < 1.0 or not self.host.is_open:
            return
        self._measured_s = now
        transport = self.host.transport
        peers = sorted(transport.connected_peers())[:ROUND_TRIPS_MEASURED]
        trips = [
            detail.round_trip_s
            for detail in map(transport.detail, peers)
            if detail is not None and detail.round_trip_s is not None
        ]
        self.protocol.local(now, changes.RoundTrip(median(trips) if trips else 0.0))


def _may_be_dialled(address: str) -> bool:
    """A told address is a hint of a stranger's: only this machine and its private networks are dialled for it."""
    if address.startswith(_MEMORY):
        return True
    try:
        return is_local(parse_dial_address(address))
    except AddressError:
        return False
