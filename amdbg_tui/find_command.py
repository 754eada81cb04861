"""`ampubsub-tui find`: who is on this network, and whom of the address books one still reaches. It announces nothing.

For two seconds mDNS is asked, and whoever answers is dialled, as fast as they are found, to see which topics it takes
part in: by a peer of our own that has a new identity, listens nowhere and takes part in nothing. Then the books.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import trio

from amdbg_tui.safe_text import safe_text
from ampubsub.discovery.book import read_books
from ampubsub.discovery.found import Found, How, is_loopback, topic_tag
from ampubsub.discovery.mdns import MdnsError, MdnsSettings, opened
from ampubsub.transport.interface import PeerConnected, PeerSubscribed, Transport, TransportError

MOST_PEERS = 64
"""Peers shown, and dialled."""
DIALS_AT_ONCE = 8
DIAL_S = 3.0
TELLS_S = 1.0
"""So long a reached peer may take to say its topics."""
BOOK_PEERS = 8
"""Peers of one book that are tried."""
TEXT_CELLS = 60


@dataclass(slots=True)
class Seen:
    """One peer as far as it is known."""

    peer_id: str
    how: How
    addresses: tuple[str, ...]
    tags: frozenset[str] = frozenset()
    topics: set[str] = field(default_factory=set)
    agent: str = ""
    answers: bool | None = None
    """None: not dialled."""
    why_not: str = ""
    at: str = ""
    """The address at which it answered."""


@dataclass(slots=True)
class Look:
    """One look around."""

    mdns: MdnsSettings
    books: Mapping[str, Mapping[str, tuple[str, ...]]]
    wait_s: float = 2.0
    names: tuple[str, ...] = ()
    """Topics whose announcements are to be recognised by name."""
    make_transport: Callable[[], Transport] | None = None
    peers: dict[str, Seen] = field(default_factory=dict)
    trouble: str = ""
    """Why the network could not be asked."""
    told: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, whenever a peer says who it is or a topic of its."""

    async def run(self) -> None:
        """Look for `wait_s`, then try the books."""
        known = {topic_tag(name): name for name in (*self.books, *self.names)}
        async with trio.open_nursery() as dialling:
            to_dial, dials = trio.open_memory_channel[Seen](MOST_PEERS)
            async with to_dial:
                try:
                    async with opened((), (), self.mdns) as channel:
                        # Only now: importing the network takes a second, in which answers wait in the channel.
                        until = trio.current_time() + self.wait_s
                        dialling.start_soon(self._ask, dials)
                        with trio.move_on_at(until):
                            async for found in channel:
                                self._found(found, known, to_dial)
                        self._found_so_far(channel, known, to_dial)
                except MdnsError as error:
                    self.trouble = str(error)
                    dialling.start_soon(self._ask, dials)
                for topic, peers in self.books.items():
                    for peer_id, addresses in list(peers.items())[:BOOK_PEERS]:
                        found = Found(peer_id, addresses, frozenset([topic_tag(topic)]), How.BOOK)
                        self._found(found, known, to_dial)

    def _found_so_far(
        self,
        channel: trio.MemoryReceiveChannel[Found],
        known: Mapping[str, str],
        to_dial: trio.MemorySendChannel[Seen],
    ) -> None:
        """What came while this task had no turn: on a busy machine, all of it."""
        while True:
            try:
                self._found(channel.receive_nowait(), known, to_dial)
            except (trio.WouldBlock, trio.EndOfChannel):
                return

    def _found(self, found: Found, known: Mapping[str, str], to_dial: trio.MemorySendChannel[Seen]) -> None:
        seen = self.peers.get(found.peer_id)
        if seen is None:
            if not found.addresses or len(self.peers) >= MOST_PEERS:
                return
            seen = self.peers[found.peer_id] = Seen(found.peer_id, found.how, found.addresses)
            to_dial.send_nowait(seen)
        seen.tags |= found.topics
        seen.topics.update(known[tag] for tag in found.topics if tag in known)

    async def _ask(self, dials: trio.MemoryReceiveChannel[Seen]) -> None:
        """Dial whoever is found. The reader of events belongs to it, for the queue is bounded."""
        transport = (self.make_transport or _libp2p)()
        limit = trio.CapacityLimiter(DIALS_AT_ONCE)
        async with transport.opened(()), trio.open_nursery() as readers:
            readers.start_soon(self._hear, transport)
            async with trio.open_nursery() as nursery:
                async for seen in dials:
                    nursery.start_soon(self._dial, transport, seen, limit)
            readers.cancel_scope.cancel()

    async def _dial(self, transport: Transport, seen: Seen, limit: trio.CapacityLimiter) -> None:
        async with limit:
            seen.answers, reasons = False, []
            for address in seen.addresses[:4]:
                try:
                    with trio.fail_after(DIAL_S):
                        await transport.connect(address)
                except trio.TooSlowError:
                    reasons.append("no answer")
                except TransportError as error:
                    reasons.append(str(error).rpartition(": ")[2] or str(error))
                else:
                    seen.answers, seen.at = True, address
                    break
            if not seen.answers:
                transport.forget(seen.peer_id)
                only_here = all(map(is_loopback, seen.addresses))
                seen.why_not = (
                    "it listens on loopback only" if only_here and seen.how is How.MDNS else reasons[0]
                )
                return
            with trio.move_on_after(TELLS_S):
                while not (transport.topics_of(seen.peer_id) and _agent(transport, seen.peer_id)):
                    await self.told.wait()
            seen.topics.update(transport.topics_of(seen.peer_id))
            seen.agent = _agent(transport, seen.peer_id)
            await transport.disconnect(seen.peer_id)

    async def _hear(self, transport: Transport) -> None:
        async for event in transport.events():
            if isinstance(event, PeerSubscribed | PeerConnected):
                self.told.set()
                self.told = trio.Event()


def _libp2p() -> Transport:
    from ampubsub.transport.libp2p import Libp2pTransport

    return Libp2pTransport()


def _agent(transport: Transport, peer_id: str) -> str:
    detail = transport.detail(peer_id)
    return detail.agent if detail is not None else ""


def find(
    mdns: MdnsSettings, books: Path, *, wait_s: float, names: tuple[str, ...], as_json: bool, program: str
) -> int:
    """Look, and print. The exit status: 0, or 1 when nobody was found."""
    look = Look(mdns, read_books(books), wait_s, names)
    if not as_json:
        where = ", ".join(mdns.interfaces) or "every interface"
        click.echo(f"looking on {where} for {wait_s:g} s ...", err=True)
    trio.run(look.run)
    order = {True: 0, None: 1, False: 2}
    peers = sorted(look.peers.values(), key=lambda seen: (order[seen.answers], seen.how, seen.peer_id))
    if as_json:
        for seen in peers:
            click.echo(json.dumps(as_record(seen)))
        if look.trouble:
            click.echo(json.dumps({"trouble": look.trouble}))
    else:
        for line in as_lines(peers, look.trouble, program):
            click.echo(line)
    return 0 if peers else 1


def as_record(seen: Seen) -> dict[str, Any]:
    """One peer for programs."""
    return {
        "peer_id": seen.peer_id,
        "how_found": str(seen.how),
        "addresses": seen.addresses,
        "answers": seen.answers,
        "why_not": seen.why_not,
        "topics": sorted(seen.topics),
        "unknown_topics": sorted(_unknown(seen)),
        "agent": seen.agent,
    }


def as_lines(peers: list[Seen], trouble: str, program: str) -> Iterable[str]:
    """All peers for a person: a table, and what to type next."""
    if trouble:
        yield trouble
    if not peers:
        yield "nobody was found. Peers are seen when they run with --mdns, or when they were met before."
        return
    rows = [("PEER", "FOUND", "ANSWERS", "TOPICS", "ADDRESS")]
    for seen in peers:
        topics = [safe_text(name, TEXT_CELLS) for name in sorted(seen.topics)]
        topics += [f"(unknown {tag[:4]})" for tag in sorted(_unknown(seen))]
        answers = "yes" if seen.answers else f"no: {safe_text(seen.why_not, TEXT_CELLS)}"
        rows.append(
            (
                "…" + seen.peer_id[-8:],
                str(seen.how),
                answers,
                ", ".join(topics) or "-",
                seen.at or seen.addresses[0],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        yield "  ".join((*(row[column].ljust(widths[column]) for column in range(4)), row[4]))
    yield from join_lines(peers, program)


def join_lines(peers: Iterable[Seen], program: str) -> Iterable[str]:
    """The commands to copy: one for each topic that can be reached."""
    offered: dict[str, str] = {}
    for seen in peers:
        for name in sorted(seen.topics):
            if seen.answers and safe_text(name, 250) == name and name.isprintable():
                offered.setdefault(name, seen.at)
    if offered:
        yield ""
        yield "to join:"
    for name, address in sorted(offered.items()):
        yield f"  {program} join {address} --topic {shlex.quote(name)}"


def _unknown(seen: Seen) -> frozenset[str]:
    return seen.tags - {topic_tag(name) for name in seen.topics}
