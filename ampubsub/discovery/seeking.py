"""Seeking beside a topic: sources are asked, the seeker decides, the transport dials. Two kinds of task, one owner.

    seeking = Seeking(host.transport, "home", book=book, mdns=MdnsSettings(), addresses=given)
    async with trio.open_nursery() as nursery:
        host.subscribe("home", seeking.take)
        nursery.start_soon(seeking.run)

A peer that was dialled and takes no part in the topic is left again, and one that cannot be reached is not dialled by
the transport for ever: it knows only those who are of the topic.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

import trio

from ampubsub.discovery.book import AddressBook
from ampubsub.discovery.found import Found, How, topic_tag
from ampubsub.discovery.mdns import MdnsError, MdnsSettings, opened
from ampubsub.discovery.seeker import Dial, Seeker, SeekerSettings
from ampubsub.transport.interface import (
    PeerConnected,
    PeerDisconnected,
    PeerSubscribed,
    PeerUnsubscribed,
    Transport,
    TransportError,
    TransportEvent,
)

log = logging.getLogger("ampubsub.discovery")
_DIAL_S = 12.0
_LONELY_S = 10.0
_SUBSCRIBES_S = 3.0
"""So long a reached peer may take to say that it takes part in the topic."""


class Seeking:
    """Seeks the peers of one topic on an open transport."""

    def __init__(
        self,
        transport: Transport,
        topic: str,
        *,
        given: Sequence[str] = (),
        dialled: Sequence[str] = (),
        listed: Sequence[str] = (),
        book: AddressBook | None = None,
        mdns: MdnsSettings | None = None,
        strangers: bool = False,
        settings: SeekerSettings | None = None,
        tag: str = "",
        notice: Callable[[str], None] | None = None,
    ) -> None:
        """`given` and `listed` are addresses; so are those `dialled`, by the topic itself. `mdns` None: this network is neither asked nor told anything.

        `tag` replaces the topic's own (a sealed topic's is made of its wire name). `notice` gets what a person should
        know, in words.
        """
        self._transport = transport
        self._topic = topic
        self._tag = tag or topic_tag(topic)
        self._given = {How.GIVEN: tuple(given), How.LIST: tuple(listed)}
        self._book = book
        self._mdns = mdns
        self._notice = notice or log.info
        self._seeker = Seeker(transport.peer_id, self._tag, settings, strangers=strangers)
        self._changed = trio.Event()
        self._reached: dict[str, tuple[str, ...]] = {}
        """Where peers answered a dial of ours."""
        self._dialled: dict[str, tuple[str, ...]] = {}
        for text in dialled:
            self._dialled[_peer_of(text)] = (*self._dialled.get(_peer_of(text), ()), text)
        self._members = trio.Event()

    def how_found(self, peer_id: str) -> str:
        """How a peer was found; see `Seeker.how_found`."""
        return self._seeker.how_found(peer_id)

    @property
    def seeker(self) -> Seeker:
        """Who decides."""
        return self._seeker

    def take(self, event: TransportEvent) -> None:
        """A sink for `Host.subscribe`: what happens to connections."""
        if isinstance(event, PeerConnected):
            if event.dialled and event.peer_id in self._dialled:
                reached = [
                    text for text in self._dialled[event.peer_id] if text.startswith(f"{event.address}/")
                ]
                self._reached[event.peer_id] = tuple(reached) or self._dialled[event.peer_id]
        elif isinstance(event, PeerSubscribed) and event.topic == self._topic:
            self._member(event.peer_id)
        elif (isinstance(event, PeerUnsubscribed) and event.topic == self._topic) or isinstance(
            event, PeerDisconnected
        ):
            self._seeker.disconnected(trio.current_time(), event.peer_id)
        else:
            return
        self._wake()

    def _member(self, peer_id: str) -> None:
        usual = How.GIVEN if peer_id in self._dialled else How.DIALLED_US
        self._seeker.connected(peer_id, self._seeker.how_found(peer_id) or usual)
        addresses = self._reached.get(peer_id)
        if addresses and self._book is not None:
            self._write(self._book, peer_id, addresses)
        self._members.set()
        self._members = trio.Event()

    def _write(self, book: AddressBook, peer_id: str, addresses: tuple[str, ...]) -> None:
        try:
            book.met(peer_id, addresses)
        except OSError as error:
            self._notice(f"the address book {book.path} cannot be written: {error.strerror or error}")
            self._book = None

    def found(self, found: Found) -> None:
        """Take a hint, of whichever source."""
        self._seeker.found(trio.current_time(), found)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def run(self) -> None:
        """Seek until cancelled. Once in each opening of the transport."""
        for peer_id in self._transport.topic_peers(self._topic):
            detail = self._transport.detail(peer_id)
            if detail is not None and detail.dialled and peer_id in self._dialled:
                self._reached[peer_id] = self._dialled[peer_id]
            self._member(peer_id)
        async with trio.open_nursery() as nursery:
            for how, addresses in self._given.items():
                for text in addresses:
                    self.found(Found(_peer_of(text), (text,), frozenset(), how, text))
            if self._book is not None:
                nursery.start_soon(self._open_book, self._book)
            if self._mdns is not None:
                nursery.start_soon(self._look_around, self._mdns)
            while True:
                changed = self._changed
                now = trio.current_time()
                for dial in self._seeker.due(now):
                    nursery.start_soon(self._dial, dial)
                with trio.move_on_at(max(self._seeker.next_due(now), now)):
                    await changed.wait()

    async def _open_book(self, book: AddressBook) -> None:
        """Try those met before; when addresses were given, only if nobody was met there for a while."""
        while self._dialled:
            with trio.move_on_after(_LONELY_S) as waiting:
                await self._members.wait()
            if waiting.cancelled_caught and not self._transport.topic_peers(self._topic):
                break
        for found in book.read():
            self.found(found)

    async def _look_around(self, settings: MdnsSettings) -> None:
        try:
            async with opened(self._transport.addresses, [self._tag], settings) as channel:
                async for found in channel:
                    self.found(found)
        except MdnsError as error:
            self._notice(str(error))

    async def _dial(self, dial: Dial) -> None:
        reached = False
        try:
            for address in dial.addresses:
                if dial.peer_id in self._transport.connected_peers():
                    break
                with trio.move_on_after(_DIAL_S):
                    try:
                        await self._transport.connect(address)
                    except TransportError as error:
                        log.debug("%s: %s", dial.how, error)
                        continue
                    self._reached[dial.peer_id] = (address,)
                    break
            if dial.peer_id in self._transport.connected_peers():
                reached = await self._takes_part(dial.peer_id)
                if not reached and dial.peer_id in self._reached:
                    with suppress(TransportError):  # it may be closing
                        await self._transport.disconnect(dial.peer_id)
        finally:
            if not reached:
                self._transport.forget(dial.peer_id)
                self._reached.pop(dial.peer_id, None)
            self._seeker.dialled(trio.current_time(), dial.peer_id, reached=reached)
            self._wake()

    async def _takes_part(self, peer_id: str) -> bool:
        until = trio.current_time() + _SUBSCRIBES_S
        while peer_id not in self._transport.topic_peers(self._topic):
            if peer_id not in self._transport.connected_peers() or trio.current_time() >= until:
                return False
            with trio.move_on_at(min(until, trio.current_time() + 0.25)):
                await self._members.wait()
        return True


def _peer_of(address: str) -> str:
    return address.rsplit("/", 1)[-1]
