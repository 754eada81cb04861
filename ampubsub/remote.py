"""`NetworkMachine`: a read-only replica of a machine that another peer exposes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any
from weakref import WeakSet

from ampubsub.machine import (
    Context,
    Event,
    Exported,
    MachineError,
    MachineView,
    Result,
    State,
    StateName,
    Waiter,
)


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


_TRUST = {Source.GONE: 0, Source.STALE: 1, Source.HEARSAY: 2, Source.FIRST_HAND: 3, Source.LOCAL: 4}
_DISTRUSTED_KEPT = 256


def trusts(source: Source, least: Source) -> bool:
    """Is what comes from `source` to be trusted at least like `least`? Hearsay counts more than what is stale."""
    return _TRUST[source] >= _TRUST[least]


class NetworkMachine(MachineView):
    """A live replica: checks, waits, state contexts and texts work as on a local machine.

    Waits believe what the machine's own peer said: one begun while there is only hearsay, or while the machine is stale,
    begins to look once there is better; `source=Source.HEARSAY` believes anybody.

    It follows the clock that its peer tells, so several transitions may come as one step: a wait for a state that was
    on only for a moment may miss it, `when_time` and `when_ticks` do not; the context of a Multi state ends when it is
    seen inactive. Mutations return `Result.CANCELED`, and `refusal` says why. Once the machine is gone every wait raises
    `MachineGoneError` with the reason.

    What peers do not tell cannot be asked: the text of an error (`err` says that there is one), arguments and queue
    ticks (`when_args` and `when_queue` end with an error in words). What runs at its peer only is not here at all:
    the queue and what is in it (`queue`, `is_queued`, `will_be` ...), the order of handlers (`active_order`), previews,
    handlers, tracers, `eval`, breakpoints, `set_tags` and the like, `import_`, and `dispose`, since it ends with its peer.
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
            tags=_replica_tags(remote_id, tags),
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
        self._distrusted: list[tuple[Waiter, Source, Callable[[], Waiter]]] = []
        """Waits for more trust than there is, each with how to begin it."""
        self._tick_waits: WeakSet[Waiter] = WeakSet()
        self._apply_clock(clock)

    @property
    def owner(self) -> str:
        """Peer id of who exposes it."""
        return self.key[0]

    @property
    def label(self) -> str:
        """The machine's id at its peer, fit for a terminal: what cannot be printed is written as an escape."""
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in self.remote_id
        )

    # -- waits, by trust

    def when(
        self, *states: StateName, ctx: Context | None = None, source: Source = Source.FIRST_HAND
    ) -> Waiter:
        """Done once all states are active at the same time, by a clock of at least this source. Raises `UnknownStateError`."""
        names = self._known(states)
        what = f"{self.id} to have {' '.join(names)} active"
        return self._trusting(source, what, lambda: super(NetworkMachine, self).when(*states, ctx=ctx))

    def when_not(
        self, *states: StateName, ctx: Context | None = None, source: Source = Source.FIRST_HAND
    ) -> Waiter:
        """Done once none of the states is active, by a clock of at least this source. Raises `UnknownStateError`."""
        names = self._known(states)
        what = f"{self.id} to have {' '.join(names)} inactive"
        return self._trusting(source, what, lambda: super(NetworkMachine, self).when_not(*states, ctx=ctx))

    def when_time(
        self,
        states: Sequence[StateName],
        times: Sequence[int],
        ctx: Context | None = None,
        source: Source = Source.FIRST_HAND,
    ) -> Waiter:
        """Done once each state has reached its tick, by a clock of at least this source.

        Ends with `MachineError` when the machine restarts: its ticks begin anew. Raises `SchemaError`.
        """
        names = self._known(states)
        what = f"{self.id} to reach {' '.join(map(str, times))} for {' '.join(names)}"
        make = super().when_time
        waiter = self._trusting(source, what, lambda: make(states, times, ctx))
        if not waiter.done:
            self._tick_waits.add(waiter)
        return waiter

    def _trusting(self, least: Source, what: str, make: Callable[[], Waiter]) -> Waiter:
        if self.is_disposed or trusts(self.source, least):
            return make()
        if len(self._distrusted) >= _DISTRUSTED_KEPT:
            self._distrusted = [each for each in self._distrusted if not _is_over(each[0])]
        waiter = self._waiter(what)
        self._distrusted.append((waiter, least, make))
        return waiter

    def _begin_trusted(self) -> None:
        """The trust may have grown: waits that asked for it begin."""
        if not self._distrusted:
            return
        ready = [each for each in self._distrusted if trusts(self.source, each[1])]
        self._distrusted = [each for each in self._distrusted if not trusts(self.source, each[1])]
        for waiter, _, make in ready:
            if not _is_over(waiter):
                _follow(make(), waiter)

    # -- mutations, which are refused

    @property
    def refusal(self) -> str:
        """Why it cannot be changed."""
        if self.is_disposed:
            return f"machine {self.remote_id} is gone"
        return f"machine {self.remote_id} belongs to peer {self.owner}: only there can it be changed"

    def add(self, *states: str, args: Mapping[str, Any] | None = None, event: Event | None = None) -> Result:
        """Refused."""
        return Result.CANCELED

    remove = set = toggle = add

    def can_add(self, *states: str, args: Mapping[str, Any] | None = None) -> Result:
        """Refused."""
        return Result.CANCELED

    can_remove = can_add

    def add_err(
        self,
        error: BaseException | None,
        args: Mapping[str, Any] | None = None,
        event: Event | None = None,
    ) -> Result:
        """Refused."""
        return Result.CANCELED

    def add_err_state(
        self,
        state: str,
        error: BaseException | None,
        args: Mapping[str, Any] | None = None,
        event: Event | None = None,
    ) -> Result:
        """Refused."""
        return Result.CANCELED

    # -- what a machine can be asked, and a peer does not tell

    @property
    def err(self) -> MachineError | None:
        """An error in words while Exception is active: the text of the real one stays at its peer. Else None."""
        if not self.is_err():
            return None
        return MachineError(
            f"machine {self.remote_id} of peer {self.owner} has an error: its text is known there only"
        )

    @property
    def states_verified(self) -> bool:
        """Always: the peer tells the index order."""
        return True

    @property
    def has_handlers(self) -> bool:
        """Never: handlers run at its peer."""
        return False

    @property
    def transition(self) -> None:
        """Always None: what comes over the network is over already."""
        return None

    @property
    def queue_len(self) -> int:
        """Always 0: nothing can be queued here."""
        return 0

    @property
    def machine_tick(self) -> int:
        """Always 0: how often the machine was imported is not told."""
        return 0

    def export(self) -> Exported:
        """The clock as it is known here, to be imported by a machine with the remote id. Queue ticks are 0."""
        return Exported(self.remote_id, self.state_names, self.time(), 0, 0)

    def on_dispose(self, callback: Callable[[NetworkMachine], object]) -> None:
        """Call `callback(machine)` when no more news will come; now, if it is so already."""

        def call(_: Waiter) -> None:
            callback(self)

        self.when_disposed().on_done(call)

    def when_args(self, state: StateName, args: Mapping[str, Any], ctx: Context | None = None) -> Waiter:
        """Ends at once with `MachineError`: arguments are not told. Raises `UnknownStateError`."""
        self._known((state,))
        return self._never(f"{self.id} to enter {state} with {dict(args)}", "arguments")

    def when_queue(self, tick: int) -> Waiter:
        """Done at once for what is not queued; any later queue tick ends with `MachineError`: they are not told."""
        if tick <= Result.CANCELED:
            return super().when_queue(0)
        return self._never(f"{self.id} to reach queue tick {int(tick)}", "queue ticks")

    def _never(self, what: str, untold: str) -> Waiter:
        waiter = self._waiter(what)
        if not self._closed(waiter):
            waiter.fail(
                MachineError(f"{what}: peers do not tell {untold}; wait for a state or a tick instead")
            )
        return waiter

    # -- for the topic that keeps it

    def follow(self, clock: Sequence[int], source: Source, now: float) -> None:
        """Take over a clock that was told, and tell whoever waits."""
        self.source, self.last_news_s = source, now
        self._apply_clock(clock)
        self._begin_trusted()

    def restart(self, clock: Sequence[int], source: Source, now: float) -> None:
        """The machine began anew: everything was off, then came to this clock."""
        waits, self._tick_waits = list(self._tick_waits), WeakSet()
        for waiter in waits:
            waiter.fail(MachineError(f"{waiter.what}: it restarted, and its ticks began anew"))
        self._apply_clock([0] * len(self.state_names))
        self.follow(clock, source, now)

    def relabel(self, tags: Iterable[str], remote_parent: str) -> None:
        """The machine has other tags, or another parent."""
        self._tags = _replica_tags(self.remote_id, tags)
        self.remote_parent = remote_parent

    def trust(self, source: Source) -> None:
        """The trust in the clock changed."""
        self.source = source
        self._begin_trusted()

    def end(self, reason: str) -> None:
        """No more news will come: waits end with `reason`."""
        self.source = Source.GONE
        self._end(reason)
        waits, self._distrusted = self._distrusted, []
        for waiter, _, _ in waits:
            self._end_waiter(waiter)


def _is_over(waiter: Waiter) -> bool:
    return waiter.done or waiter.error is not None


def _follow(inner: Waiter, outer: Waiter) -> None:
    """`outer` ends as `inner` does; given up, it gives up that."""

    def ended(waiter: Waiter) -> None:
        if waiter.error is not None:
            outer.fail(waiter.error)
        else:
            outer.finish()

    inner.on_done(ended)
    outer.on_done(lambda _: inner.cancel())


def _replica_tags(remote_id: str, tags: Iterable[str]) -> tuple[str, ...]:
    """Those of a replica (as in Go), then the machine's own; each once."""
    return tuple(dict.fromkeys(("pubsub-worker", f"src-id:{remote_id}", *tags)))
