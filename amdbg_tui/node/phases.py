"""How our own peer stands, told in phases and plain words: which address, why, what to try."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from amdbg_tui.history.records import ConnectionRecord, Record
from amdbg_tui.safe_text import TEXT_CELLS, safe_text
from ampubsub.machine import MachineView
from ampubsub.transport.interface import Transport

ADVICE = "Check that the address is the one that peer printed. Dialling goes on by itself."
"""What the reason of a failed dial does not say itself."""


class Phases:
    """Makes a `ConnectionRecord` whenever something about our standing changes."""

    def __init__(self, feed: Callable[[Sequence[Record]], None], set_failure: Callable[[str], None]) -> None:
        self.topic = ""
        self.addresses: tuple[str, ...] = ()
        """Those we dial."""
        self.was_joined = False
        self.was_connected = False
        self.has_failed = False
        self._feed = feed
        self._set_failure = set_failure
        self._transport: Transport | None = None
        self._last: ConnectionRecord | None = None
        self._is_leaving = False

    def opened(self, transport: Transport) -> None:
        """The host listens: our id and addresses are known from now on."""
        self._transport = transport

    def tell(self, phase: str, detail: str = "", topics: tuple[str, ...] = ()) -> None:
        """Say how we stand, unless that is known already. Nothing but `closed` comes after `leaving`."""
        if self._is_leaving and phase != "closed":
            return
        self._is_leaving = phase in ("leaving", "closed")
        if phase in ("joining", "joined"):
            self.was_connected, self.has_failed = True, False
            self._set_failure("")
        self.was_joined = self.was_joined or phase == "joined"
        transport = self._transport
        told = (
            phase,
            self.topic,
            transport.peer_id if transport else "",
            transport.addresses if transport and phase != "closed" else (),
            "\n".join(safe_text(line, TEXT_CELLS) for line in detail.split("\n")),
            topics,
        )
        last = self._last
        if last is None or told != (
            last.phase, last.topic, last.peer_id, last.addresses, last.detail, last.topics_offered
        ):  # fmt: skip
            self._last = ConnectionRecord(time.time(), *told)
            self._feed([self._last])

    def tell_connecting(self) -> None:
        """The first dial is on its way."""
        self.tell("connecting", f"dialling {' and '.join(self.addresses)}" if self.addresses else "")

    def fail(self, why: str, advice: str) -> None:
        """It does not work, and waiting alone may not help."""
        self.has_failed = True
        why = safe_text(why, TEXT_CELLS)
        if not self.was_connected:
            self._set_failure(why)
        self.tell("failed", f"{why[:1].upper()}{why[1:]}\n{advice}")

    def fail_to_connect(self, reasons: Sequence[str]) -> None:
        """None of the addresses could be reached so far."""
        self.fail("; ".join(reasons), ADVICE)

    def tells_error_of(self, topic_machine: MachineView) -> bool:
        """Whether the topic machine's last error is what `failed` is about: the first connection failed."""
        return not self.was_connected and topic_machine.is_("Connecting", "ErrConnecting")

    def look_at(self, topic_machine: MachineView, error: str) -> None:
        """Tell what the topic machine's states mean. `error` is its last error in words."""
        active = topic_machine.is_
        if active("Joined"):
            self.tell("joined")
        elif active("ErrJoining"):
            self.fail(error or "the topic could not be joined", "Leave and try again.")
        elif active("Joining") or active("Connected"):
            self.tell("joining")
        elif active("Connecting"):
            if self.was_connected:
                self.tell("reconnecting", error or "every connection was lost; dialling again")
            elif self.tells_error_of(topic_machine):
                self.fail_to_connect([error or "nobody answered. Is that peer running?"])
            elif not self.has_failed:
                self.tell_connecting()
