"""The app's actions on other peers: mute, cut off; and on the peer's own machine. The app itself is `app.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from amdbg_tui.app_time import TimeActions
from amdbg_tui.node.commands import Command, CommandError, CutOff, Mute, Unmute
from amdbg_tui.panes import words
from amdbg_tui.panes.prompt import Asks

SURE_WITHIN_S = 4.0
"""A key that cannot be taken back must be pressed twice within this time."""


class Peer(Asks, Protocol):
    """The peer behind the screen: `amdbg_tui.node.Node`."""

    def start(self) -> None:
        """Start it; called after the first paint."""


class PeerActions(TimeActions):
    """What keys do with peers. `App` gives it what it declares."""

    node: Peer | None
    muted: set[str]
    """Peers that the person muted."""
    _sure: tuple[str, float] = ("", 0.0)

    def name_of(self, peer_id: str) -> str:
        """A peer as it is called on the screen."""
        peer = self.history.live.peers.get(peer_id)
        return words.peer_title(peer.record) if peer is not None else words.short_id(peer_id)

    def action_ask_of_peer(self, what: str, peer_id: str) -> None:
        """Mute a peer, take its news again, or cut it off; the peer's room has to know how."""
        peer = self.history.live.peers.get(peer_id)
        if peer is None or peer.record.status == "self":
            self.say("Put the cursor on another peer, or on a machine of it.")
            return
        if self.node is None:
            self.say("Nobody takes part here: this is a recording. Hiding works.")
            return
        name = self.name_of(peer_id)
        if what == "mute":
            muted = peer_id in self.muted
            command: Command = Unmute(peer_id) if muted else Mute(peer_id)
            done = (
                f"News of {name} are taken again."
                if muted
                else f"{name} is muted: no news are taken from it."
            )
            self._then(
                self.node.call(command), done, lambda: self.muted.symmetric_difference_update({peer_id})
            )
            return
        now = time.monotonic()
        if self._sure[0] != peer_id or now - self._sure[1] > SURE_WITHIN_S:
            self._sure = (peer_id, now)
            self.say(
                f"Press the same key again to cut {name} off: the connection is closed for good.", "warning"
            )
            return
        self._then(self.node.call(CutOff(peer_id)), f"{name} is cut off.", lambda: None)

    def _then(self, asked: Future[Any], done: str, act: Callable[[], object]) -> None:
        async def wait() -> None:
            try:
                await asyncio.wrap_future(asked)
            except CommandError as error:
                self.say(str(error), "warning")
            else:
                act()
                self.say(done)
            self.update_panes()

        self.run_worker(wait())
