"""Where answers come from: a topic that is joined silently, or a recording. Both are a `History`.

A `Source` is used in one thread. `wait` returns when something is new, `refresh` brings `live` up to date.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from amdbg_tui.history import History, HistoryError
from amdbg_tui.history.live import Changes, Live
from amdbg_tui.node import JoinRequest, Node
from amdbg_tui.settings import Locations, PeerSettings
from ampubsub.transport.address import parse_dial_address
from ampubsub.transport.interface import AddressError

if TYPE_CHECKING:
    from ampubsub.transport.interface import Transport

SETTLED_S = 0.6
"""Nothing new for so long after joining: what is there is known."""


class SourceError(Exception):
    """What was named can be neither dialled nor opened, or nobody answers. The text is one line."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How waiting for a topic ended."""

    joined: bool
    reason: str = ""


class Source:
    """A history, and the peer that fills it when it is a topic's."""

    def __init__(self, history: History, node: Node | None) -> None:
        self.history = history
        self._node = node
        self._news = threading.Event()
        history.on_fresh = self._news.set

    @property
    def live(self) -> Live:
        """The newest of everything, as of the last `refresh`."""
        return self.history.live

    @property
    def is_recording(self) -> bool:
        """It is a file: nothing more comes."""
        return self._node is None

    def refresh(self) -> Changes:
        """Bring `live` up to date; what changed."""
        self._news.clear()
        return self.history.refresh()

    def wait(self, timeout_s: float) -> bool:
        """Until something is new; False when the time was over first."""
        return self._news.wait(max(0.0, timeout_s))

    def settle(self, timeout_s: float) -> Reached:
        """Wait until the topic is joined and nothing new was heard for a moment. Raises `SourceError`.

        `SourceError` when nobody could be reached and the time is over.
        """
        if self._node is None:
            return Reached(True)
        until = time.monotonic() + timeout_s
        quiet_since = time.monotonic()
        while (now := time.monotonic()) < until:
            changes = self.refresh()
            if changes.peers or changes.machines or changes.clocks or changes.connection:
                quiet_since = now
            connection = self.live.connection
            phase = connection.phase if connection else "starting"
            if phase == "closed" or (phase == "failed" and connection and connection.topics_offered):
                break
            if phase == "joined" and self.live.peers and now - quiet_since >= SETTLED_S:
                return Reached(True)
            self.wait(min(until - now, SETTLED_S / 2))
        connection = self.live.connection
        if connection is not None and connection.phase == "joined":
            return Reached(True, f"still hearing news after {timeout_s:g} s")
        raise SourceError(self._why(timeout_s))

    def _why(self, timeout_s: float) -> str:
        connection = self.live.connection
        if connection is not None and connection.topics_offered:
            offered = ", ".join(connection.topics_offered)
            return f"that peer takes part in several topics: name one with --topic; it offers {offered}"
        failure = self._node.failure if self._node else ""
        detail = connection.detail.split("\n")[0] if connection else ""
        return failure or f"not joined within {timeout_s:g} s" + (f": {detail}" if detail else "")


@contextmanager
def open_source(
    named: tuple[str, ...],
    topic: str = "",
    *,
    path: Path | None = None,
    settings: PeerSettings | None = None,
    make_transport: Callable[[], Transport] | None = None,
) -> Iterator[Source]:
    """A topic through these addresses, or the one recording that is named. Raises `SourceError`.

    `path` is where to record; by default in memory only.
    """
    if all(name.startswith("/") and "/p2p/" in name for name in named) and named:
        with _joined(named, topic, path, settings or PeerSettings(), make_transport) as source:
            yield source
        return
    if len(named) != 1:
        raise SourceError("name one recording, or addresses that end in /p2p/PEERID")
    from amdbg_tui.history.recordings import find

    try:
        history = History.open(find(Locations().history, named[0]))
    except HistoryError as error:
        raise SourceError(str(error)) from error
    with history:
        yield Source(history, None)


@contextmanager
def _joined(
    addresses: tuple[str, ...],
    topic: str,
    path: Path | None,
    settings: PeerSettings,
    make_transport: Callable[[], Transport] | None,
) -> Iterator[Source]:
    try:
        for address in addresses:
            parse_dial_address(address)
    except AddressError as error:
        raise SourceError(str(error)) from error
    settings = replace(settings, silent=True)
    request = JoinRequest(addresses, topic, silent=True, settings=settings, make_transport=make_transport)
    try:
        history = History(path)
    except HistoryError as error:
        raise SourceError(str(error)) from error
    with history:
        node = Node(history.feed, request)
        source = Source(history, node)
        node.start()
        try:
            yield source
        finally:
            node.stop()
            history.on_fresh = None
