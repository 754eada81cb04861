"""`NetworkMachine`: a read-only replica of a machine that another peer exposes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from ampubsub.machine import MachineView, Result, State


class Source(StrEnum):
    """Where our picture of a machine comes from, and so how far to trust its clock."""

    LOCAL = "local"
    FIRST_HAND = "first-hand"
    """Said by the machine's own peer."""
    HEARSAY = "hearsay"
    """Said by another peer only."""
    STALE = "stale"
    """Known to be behind (updates are missing), or its peer is out of reach."""
    GONE = "gone"
    """Its peer said bye or has been out of reach too long. No more news will come."""


class NetworkMachine(MachineView):
    """A live replica: checks, waits, state contexts and texts work as on a local machine.

    It follows the clock that its peer tells, so several transitions may come as one step: a wait for a state that was
    on only for a moment may miss it, `when_time` and `when_ticks` do not. Mutations return `Result.CANCELED`, and
    `refusal` says why. Once the machine is gone every wait raises `MachineGoneError` with the reason.
    """

    def __init__(
        self,
        remote_id: str,
        schema: Mapping[str, State],
        states: Sequence[str],
        clock: Sequence[int],
        *,
        key: tuple[str, int],
        source: Source,
        news_s: float,
        tags: Iterable[str] = (),
        remote_parent: str = "",
        parent_id: str = "",
        suffix: str = "",
    ) -> None:
        super().__init__(
            f"ps-{remote_id}-{suffix}",
            schema,
            states,
            tags=("pubsub-worker", f"src-id:{remote_id}", *tags),
            parent_id=parent_id,
        )
        self.remote_id = remote_id
        """The machine's id at its peer; `id` is that of this replica, `ps-ID-RANDOM`."""
        self.remote_parent = remote_parent
        """Id of the machine's parent at its peer; empty when it has none."""
        self.key = key
        """(peer id, index): its address on the wire, never reused while its peer lives."""
        self.source = source
        """How far to trust the clock."""
        self.last_news_s = news_s
        """When the clock was told last, on trio's clock."""
        self._apply_clock(clock)

    @property
    def owner(self) -> str:
        """Peer id of who exposes it."""
        return self.key[0]

    # -- mutations, which are refused

    @property
    def refusal(self) -> str:
        """Why it cannot be changed."""
        if self.is_disposed:
            return f"machine {self.remote_id} is gone"
        return f"machine {self.remote_id} belongs to peer {self.owner}: only there can it be changed"

    def add(self, *states: str, args: Mapping[str, Any] | None = None) -> Result:
        """Refused."""
        return Result.CANCELED

    def remove(self, *states: str, args: Mapping[str, Any] | None = None) -> Result:
        """Refused."""
        return Result.CANCELED

    def set(self, *states: str, args: Mapping[str, Any] | None = None) -> Result:
        """Refused."""
        return Result.CANCELED

    def toggle(self, *states: str, args: Mapping[str, Any] | None = None) -> Result:
        """Refused."""
        return Result.CANCELED

    def can_add(self, *states: str, args: Mapping[str, Any] | None = None) -> Result:
        """Refused."""
        return Result.CANCELED

    def can_remove(self, *states: str, args: Mapping[str, Any] | None = None) -> Result:
        """Refused."""
        return Result.CANCELED

    def add_err(self, error: Exception | None) -> Result:
        """Refused."""
        return Result.CANCELED

    def add_err_state(self, state: str, error: Exception | None) -> Result:
        """Refused."""
        return Result.CANCELED

    # -- for the topic that keeps it

    def follow(self, clock: Sequence[int], source: Source, now: float) -> None:
        """Take over a clock that was told, and tell whoever waits."""
        self.source, self.last_news_s = source, now
        for name, before, after in zip(self.state_names, self._clock, clock, strict=True):
            if before & after & 1 and after != before and not self.schema[name].multi:
                self._end_context(name)  # it was off in between
        self._apply_clock(clock)

    def restart(self, clock: Sequence[int], source: Source, now: float) -> None:
        """The machine began anew: everything was off, then came to this clock."""
        self._apply_clock([0] * len(self.state_names))
        self.follow(clock, source, now)

    def trust(self, source: Source) -> None:
        """The trust in the clock changed."""
        self.source = source

    def end(self, reason: str) -> None:
        """No more news will come: waits end with `reason`."""
        self.source = Source.GONE
        self._end(reason)

    def _end_context(self, state: str) -> None:
        context = self.subscriptions.contexts.pop(state, None)
        if context is not None:
            context.cancel()
