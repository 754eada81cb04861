"""Listens for programs that set `AM_DBG_ADDR`, beside a topic's peer or alone, and makes records of what they tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from amdbg_tui.history.records import PROGRAMS_PEER, ConnectionRecord, NoticeRecord, Record
from amdbg_tui.node.bridge import Node
from amdbg_tui.node.commands import Command, CommandError
from amdbg_tui.node.programs import Programs
from ampubsub.telemetry.receiver import Receiver

PROGRAMS_TOPIC = "programs"
"""What stands where a topic's name stands when there is no topic."""


class DebuggerNode:
    """The node behind a screen that also is a debugger. The same face as `Node`.

    Args:
        feed: Where records go (`History.feed`).
        host, port: Where programs find us.
        beside: The topic's peer, when a topic is joined too.

    `listen` raises `ListenAddressError` before anything else was begun.
    """

    def __init__(
        self,
        feed: Callable[[Sequence[Record]], None],
        host: str,
        port: int,
        beside: Node | None = None,
    ) -> None:
        self.beside = beside
        self._feed = feed
        self._receiver = Receiver(Programs(feed).heard, host, port)

    @property
    def address(self) -> str:
        """What programs set `AM_DBG_ADDR` to."""
        return f"{self._receiver.host}:{self._receiver.port}"

    def listen(self) -> None:
        """Begin to hear programs. Raises `ListenAddressError`."""
        self._receiver.start()

    def start(self) -> None:
        """Start the topic's peer, and say where we listen."""
        now = time.time()
        text = f"programs that set AM_DBG_ADDR={self.address} are shown here"
        records: list[Record] = [NoticeRecord(now, "info", text)]
        if self._receiver.is_open_to_others:
            warning = f"{self.address} can be reached from other hosts, and nobody is asked who they are"
            records.append(NoticeRecord(now, "warning", warning))
        if self.beside is not None:
            self.beside.start()
        else:
            records.append(ConnectionRecord(now, "joined", PROGRAMS_TOPIC, PROGRAMS_PEER, detail=text))
        self._feed(records)

    def call(self, command: Command) -> Future[Any]:
        """Have the topic's peer do something. Machines of programs cannot be changed from here."""
        if self.beside is not None:
            return self.beside.call(command)
        future: Future[Any] = Future()
        future.set_exception(CommandError("no topic is joined: machines of programs are looked at only"))
        return future

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop listening, and the topic's peer. False when that was not done in time."""
        self._receiver.close()
        return self.beside is None or self.beside.stop(timeout_s)

    @property
    def failure(self) -> str:
        """Why no topic was ever joined; empty when all is well, or none was asked for."""
        return self.beside.failure if self.beside is not None else ""

    @property
    def crash(self) -> BaseException | None:
        """What ended the topic's peer against its will."""
        return self.beside.crash if self.beside is not None else None
