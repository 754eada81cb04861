"""`Topic`: one peer of a topic. Shares machines with all other peers, and follows theirs.

The face of the room: it joins the protocol (`protocol.py`), its driver, the topic machine and the replicas.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from random import Random
from types import MappingProxyType, TracebackType
from typing import Self

import trio

from ampubsub.machine import Machine, Result, Waiter
from ampubsub.remote import NetworkMachine, trusts
from ampubsub.topic import changes
from ampubsub.topic.compose import unsayable
from ampubsub.topic.constants import BYE_LINGER_S, HANDLER_TIMEOUT_S
from ampubsub.topic.driver import Driver
from ampubsub.topic.errors import NotFoundError, NotRunningError, StartError, TopicError
from ampubsub.topic.events import Noticed, Source, TopicEvent
from ampubsub.topic.exposures import ExposeError, Exposures, describe, told_time
from ampubsub.topic.filters import ListFilters, filter_machines
from ampubsub.topic.host import Host
from ampubsub.topic.metrics import Metrics
from ampubsub.topic.peers import PeerInfo
from ampubsub.topic.protocol import Protocol
from ampubsub.topic.replicas import Replicas
from ampubsub.topic.running import Running
from ampubsub.topic.settings import TopicSettings
from ampubsub.topic.standing import PeersView
from ampubsub.topic.window import Window, topic_machine
from ampubsub.transport.interface import Transport

DEBUG_VARIABLE = "AM_PUBSUB_DBG"
"""Environment: when set, network machines are shown to the tracers of the parent machine (as in Go: to the debugger)."""

_WATCHERS = logging.getLogger("ampubsub.watchers")

Watcher = Callable[[TopicEvent], None]


class Topic:
    """A peer of the topic `name`.

    Args:
        name: The topic's name; it is the GossipSub topic as well.
        expose: Machines to share from the start.
        listen: Multiaddrs to listen on. With none, the peer only dials.
        connect: Multiaddrs to dial, each ending in `/p2p/PEERID`. A first peer, a *root*, has none.
        settings: All delays, limits and budgets.
        transport: The network to use; by default libp2p with a new identity.
        host: An open host to share with other topics, instead of `transport`.
        parent: The parent machine of the topic machine.
        peer_name: What to call ourselves; told to others.
        peer_names: Names for other peers, by peer id (Go: `HostToPeer`). Can be changed with `name_peer`.
        suffix: End of the topic machine's id, `ps-NAME-SUFFIX`; random by default.
        seed: Makes every random choice repeatable.

    Use it as `async with Topic(...) as topic:`: it starts, connects and joins in the background, and leaves and
    disposes of itself at the end. What it does is visible in `topic.machine`, whose states can be waited for.
    """

    machine: Machine
    """The topic machine, `ps-NAME-SUFFIX`: all that this peer does is a transition of it."""

    def __init__(
        self,
        name: str,
        *,
        expose: Sequence[Machine] = (),
        listen: Sequence[str] = (),
        connect: Sequence[str] = (),
        settings: TopicSettings | None = None,
        transport: Transport | None = None,
        host: Host | None = None,
        parent: Machine | None = None,
        peer_name: str = "",
        peer_names: Mapping[str, str] | None = None,
        suffix: str = "",
        seed: int | None = None,
    ) -> None:
        settings = settings or TopicSettings()
        if host is None:
            host = Host(transport if transport is not None else _default_transport())
        if settings.secret is not None:
            host.seal(settings.secret)
        random = Random(seed)  # delays only; nothing secret comes from it
        net = host.transport
        self._name, self._settings, self._host, self._peer_name = name, settings, host, peer_name
        self._watchers: dict[object, Watcher] = {}
        self._protocol = Protocol(
            name=name,
            peer_id=host.peer_id,
            settings=settings,
            random=random,
            open_signed=partial(net.open_signed, name),
            open_record=net.open_address_record,
        )
        self._protocol.beliefs.names.update(peer_names or {})
        self._running = Running(name, host, settings, tuple(listen), tuple(connect))
        machine_id = f"ps-{name}-{suffix or secrets.token_hex(2)}"
        self.machine = self._running.machine = topic_machine(machine_id, name, parent, self._running)
        self._window = Window(self._protocol, self.machine)
        self._driver = self._running.driver = Driver(
            self._protocol, host, publish=self._publish, showed=self._showed, failed=self._failed
        )
        self._exposures = Exposures(self._changed, self._redescribed, self._exposed_machine_went)
        self._running.clear_exposures = self._exposures.clear
        show = bool(os.environ.get(DEBUG_VARIABLE))
        self._replicas = Replicas(self._protocol.beliefs, self.machine, random, self._driver.now, show=show)
        self._metrics: Metrics | None = None
        if settings.metrics:
            names = self._protocol.beliefs.names
            self._metrics = Metrics(f"{self.machine.id}-metrics", names, self.machine)
        self._runner: trio.CancelScope | None = None
        self._nursery: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._tags_seen_s = 0.0
        try:
            self.expose_many(expose)
        except ExposeError:
            self._exposures.clear()
            raise

    # -- life

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            raise TopicError(f"topic {self.name} is in use already")
        if self.machine.is_disposed:
            raise TopicError(f"topic {self.name} was disposed of: make a new one")
        self._runner = trio.CancelScope(shield=True)
        manager = trio.open_nursery()
        nursery = await manager.__aenter__()
        self._nursery = manager
        try:
            ready = trio.Event()
            nursery.start_soon(self._own_machine, ready)
            with trio.CancelScope(shield=True):
                await ready.wait()
            self._start()
        except BaseException:
            self._runner.cancel()
            await manager.__aexit__(None, None, None)
            self._runner = self._nursery = None
            raise
        return self

    async def _own_machine(self, ready: trio.Event) -> None:
        """Run the topic machine's handlers, shielded: who cancels the block shall not keep us from saying bye."""
        from ampubsub.machine import trio_adapter

        assert self._runner is not None
        with self._runner:
            async with trio_adapter.own(self.machine):
                ready.set()
                await trio.sleep_forever()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        runner, manager = self._runner, self._nursery
        try:
            with trio.CancelScope(shield=True):
                await self._dispose()
        finally:
            self._runner = self._nursery = None
            if runner is not None and manager is not None:
                runner.cancel()
                await manager.__aexit__(None, None, None)  # what the block raised goes on as it is

    def _start(self) -> None:
        if self.machine.not_("Start") and self.machine.add("Start") == Result.CANCELED:
            raise StartError(f"topic {self.name}: give an address to listen on or to dial")

    async def start(self) -> None:
        """Open the host, connect and join in the background; returns once the host is open. Idempotent.

        Needed after `stop` only: `async with` starts by itself. Raises `StartError` with the address and the reason.
        """
        self._need_owner()
        self._start()
        await self._reach("Started")

    async def join(self) -> None:
        """Take part in the topic; returns once joined. Idempotent. Starts when needed.

        Raises `StartError` when the topic cannot be joined, or is stopped meanwhile. Waits for as long as nobody can
        be reached.
        """
        await self.start()
        await self._reach("Connected", or_error=False)
        if self.machine.not_("Joined", "Joining"):
            self.machine.add("Joining")
        await self._reach("Joined")

    async def leave(self) -> None:
        """Say bye and stop taking part; the host stays open and connected. Idempotent.

        The bye is the last word: what changes after it is not told any more.
        """
        if self.machine.is_("Joined"):
            says_bye = bool(self._exposures) and not self._settings.silent
            self._driver.local(changes.Leaving())
            if says_bye:
                with trio.move_on_after(HANDLER_TIMEOUT_S):
                    await self._driver.sent()
                if self._running.connections():
                    await trio.sleep(BYE_LINGER_S)
        active = [state for state in ("Joined", "Joining") if self.machine.is_(state)]
        if active:
            self.machine.remove(*active)

    async def stop(self) -> None:
        """Leave, and close the host. `start` begins again. Idempotent."""
        await self.leave()
        if self.machine.is_("Start"):
            self.machine.add("Disconnecting")
            self.machine.remove("Start")
            self.machine.remove("Disconnecting")
        await self._running.closed.wait()

    async def dispose(self) -> None:
        """Stop for good: machines are exposed no longer, replicas end, the topic machine is disposed of. Idempotent."""
        await self._dispose()

    async def _dispose(self) -> None:
        if self.machine.is_disposed:
            return
        await self.stop()
        self.machine.add("Disposing")
        self._exposures.clear()
        self._replicas.end(f"topic {self.name} was disposed of")
        if self._metrics is not None:
            self._metrics.machine.dispose()
        self.machine.dispose()

    # -- what we are

    @property
    def name(self) -> str:
        """The topic's name."""
        return self._name

    @property
    def peer_id(self) -> str:
        """Our peer id (base58)."""
        return self._host.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses at which others can dial us, each ending in `/p2p/PEERID`. Empty while not started."""
        return self._host.transport.addresses if self._host.is_open else ()

    @property
    def host(self) -> Host:
        """The host, which other topics may share."""
        return self._host

    @property
    def settings(self) -> TopicSettings:
        """The settings in force."""
        return self._settings

    @property
    def metrics(self) -> Machine | None:
        """The metrics machine, when `TopicSettings.metrics` is set."""
        return self._metrics.machine if self._metrics else None

    # -- our machines

    def expose(self, machine: Machine) -> int:
        """Share a machine with all peers; returns its index, which is never used again for another.

        Raises `ExposeError` for a machine that is exposed already or disposed of, for the topic machine itself, and
        for what other peers would drop by the limits in the settings: too many machines, states, tags, too long names.
        """
        return self._expose(machine)

    def expose_many(self, machines: Iterable[Machine]) -> tuple[int, ...]:
        """Share several machines, told together; returns their indexes. All or none: raises as `expose` does."""
        done: list[Machine] = []
        try:
            indexes = []
            for machine in machines:
                indexes.append(self._expose(machine))
                done.append(machine)
            return tuple(indexes)
        except ExposeError:
            for machine in done:
                self.unexpose(machine)
            raise

    def _expose(self, machine: Machine, instead_of: int = 0) -> int:
        if machine is self.machine or (self._metrics and machine is self._metrics.machine):
            raise ExposeError(
                f"machine {machine.id!r} changes with each message: it cannot be told of by its own topic"
            )
        if machine.is_disposed:
            raise ExposeError(f"machine {machine.id!r} is disposed of: expose one that lives")
        if len(self._exposures) - instead_of >= self._settings.max_machines_per_peer:
            limit = self._settings.max_machines_per_peer
            raise ExposeError(
                f"machine {machine.id!r}: a peer may expose {limit} machines; unexpose one first"
            )
        info = describe(machine, self._told_name)
        if reason := unsayable(info, self._settings):
            raise ExposeError(f"machine {machine.id!r} cannot be exposed: {reason}")
        index = self._exposures.add(machine)
        self._driver.local(changes.Exposed(index, info))
        return index

    def unexpose(self, machine: Machine) -> None:
        """Stop sharing a machine; others are told. Raises `ExposeError` when it is not exposed."""
        index = self._exposures.remove(machine)
        self._driver.local(changes.Unexposed(index, told_time(machine)))

    def replace(self, old: Machine, new: Machine) -> int:
        """Share `new` instead of `old`, under a new index: a peer that missed the change cannot mix them up."""
        self._exposures.index(old)
        index = self._expose(new, instead_of=1)
        self.unexpose(old)
        return index

    @property
    def exposed(self) -> Mapping[int, Machine]:
        """Our machines by index."""
        return MappingProxyType(self._exposures.machines)

    # -- others' machines

    async def list_machines(
        self, filters: ListFilters | None = None, *, source: Source | None = None
    ) -> list[NetworkMachine]:
        """Machines of other peers that match, as live replicas, ordered by peer id and index.

        Args:
            filters: What they shall be like; by default all but those that are gone.
            source: The least trust: `Source.FIRST_HAND` leaves out hearsay and what is stale.

        While not joined, those known from before are listed as they are: stale.
        """
        await trio.lowlevel.checkpoint()
        if self.machine.is_("Joined"):
            self.machine.add("ListMachines")
        return self._listed(filters or ListFilters(), source)

    def _listed(self, filters: ListFilters, source: Source | None) -> list[NetworkMachine]:
        found = filter_machines(self._replicas.by_key.values(), filters)
        if source is None:
            return found
        return [machine for machine in found if trusts(machine.source, source)]

    async def find(
        self,
        filters: ListFilters | None = None,
        *,
        id: str = "",
        source: Source = Source.FIRST_HAND,
        timeout: float | None = None,
    ) -> NetworkMachine:
        """Wait for a machine that matches, and return it; of several the first by peer id and index.

        Args:
            filters: What it shall be like.
            id: Its id, instead of `filters`.
            source: The least trust in it.
            timeout: Seconds to wait; by default for ever.

        Raises `NotFoundError` after `timeout`, and `StartError` when the topic cannot start or stops meanwhile.
        """
        self._need_owner()
        wanted = filters or ListFilters(id_exact=id)
        happened = trio.Event()
        unwatch = self.watch(lambda event: happened.set())
        stopped = self.machine.when_not("Start")
        stopped.on_done(lambda _: happened.set())
        try:
            with trio.move_on_after(float("inf") if timeout is None else timeout):
                while not (found := self._listed(wanted, source)):
                    if self.machine.not_("Start"):
                        raise StartError(str(self.machine.err or f"topic {self.name} was stopped"))
                    await happened.wait()
                    happened = trio.Event()
                return found[0]
        finally:
            unwatch()
            stopped.cancel()
        raise NotFoundError(f"topic {self.name}: no machine matched {id or wanted} within {timeout} s")

    @property
    def network_machines(self) -> tuple[NetworkMachine, ...]:
        """All replicas, without a transition of the topic machine: for who looks often."""
        return tuple(self._replicas.by_key.values())

    def network_machine(self, key: tuple[str, int]) -> NetworkMachine | None:
        """The replica of the machine at (peer id, index), or None."""
        return self._replicas.by_key.get(key)

    # -- other peers

    @property
    def peers(self) -> Mapping[str, PeerInfo]:
        """What is known of each peer, ourselves included, as of the moment an entry is read."""
        return PeersView(
            self._protocol,
            self._host,
            self._driver.now,
            lambda: self.machine.is_("Connected"),
            self._peer_name,
        )

    @property
    def dropped(self) -> Mapping[str, int]:
        """Input that was thrown away, by reason, the transport's included."""
        counts: Counter[str] = self._protocol.beliefs.dropped + Counter(self._driver.transport_dropped())
        return MappingProxyType(dict(counts))

    def name_peer(self, peer_id: str, name: str) -> None:
        """Call a peer by a name of our choice; the empty string takes it back."""
        self._driver.local(changes.Named(peer_id, name))

    def mute(self, peer_id: str, *, through: bool = False) -> None:
        """Take nothing of a peer any longer; with `through`, nothing either that it hands on for others."""
        self._driver.local(changes.Muted(peer_id, True, through))

    def unmute(self, peer_id: str) -> None:
        """Listen to a peer again."""
        self._driver.local(changes.Muted(peer_id, False))

    async def disconnect(self, peer_id: str) -> None:
        """Close the connections to a peer and dial it no longer. It may dial us: mute it to hear nothing of it."""
        self._need_owner()
        await self._host.transport.disconnect(peer_id)

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """Have `callback` called with every event, in order, in the peer's thread. Returns what ends it.

        It must return quickly. What it raises is logged (logger `ampubsub.watchers`, which Python shows on stderr unless
        told otherwise) and told to all watchers as a `Noticed`; it harms nobody else.
        """
        token = object()
        self._watchers[token] = callback
        return lambda: self._watchers.pop(token, None) and None

    async def events(self, *, most: int = 1000) -> AsyncIterator[TopicEvent]:
        """Every event from now on, in order, until the topic is disposed of.

        Of one who reads slowly at most `most` wait; more are lost, and a `Noticed` says how many.
        """
        send, receive = trio.open_memory_channel[TopicEvent](most)
        lost = 0

        def put(event: TopicEvent) -> None:
            nonlocal lost
            try:
                if lost:
                    send.send_nowait(
                        Noticed("warning", f"{lost} events were lost: they were read too slowly")
                    )
                    lost = 0
                send.send_nowait(event)
            except trio.WouldBlock:
                lost += 1

        unwatch = self.watch(put)
        disposed = self.machine.when_disposed()
        disposed.on_done(lambda _: send.close())
        try:
            async for event in receive:
                yield event
        finally:
            unwatch()

    # -- inside

    def _publish(self, event: TopicEvent) -> None:
        self._replicas.take(event)
        for watcher in list(self._watchers.values()):
            try:
                watcher(event)
            except Exception as error:  # a watcher's fault must not stop the peer
                _WATCHERS.exception("a watcher of topic %s failed at %r", self.name, event)
                if not isinstance(event, Noticed):
                    text = f"a watcher of topic {self.name} failed at {type(event).__name__}: {error!r}"
                    self._publish(Noticed("error", text))

    def _showed(self) -> None:
        if self._metrics is not None:
            names = self._protocol.beliefs.names
            while self._protocol.hearing.heard_of:
                what, peer_id = self._protocol.hearing.heard_of.popleft()
                self._metrics.tick(what, peer_id, names.get(peer_id, ""))
        self._look_at_tags()
        self._window.show()

    def _look_at_tags(self) -> None:
        now = self._driver.now()
        if now - self._tags_seen_s >= 1.0:
            self._tags_seen_s = now
            for machine in self._exposures.retagged():
                self._redescribed(machine)

    def _failed(self, what: str, error: Exception) -> None:
        if what == "network":
            self.machine.add_err_state("ErrNetwork", error)
        else:
            self.machine.add_err(error)

    def _changed(self, index: int, machine: Machine) -> None:
        self._driver.local(changes.Changed(index, told_time(machine)))

    def _exposed_machine_went(self, machine: Machine) -> None:
        if machine in self._exposures:
            self.unexpose(machine)

    def _redescribed(self, machine: Machine) -> None:
        """An exposed machine has another schema or other tags: tell, or take back what others would drop in silence."""
        if machine not in self._exposures:
            return
        info = describe(machine, self._told_name)
        if reason := unsayable(info, self._settings):
            text = f"machine {machine.id!r} changed and is exposed no longer: {reason}"
            self._driver.publish_all([Noticed("error", text)])
            self.unexpose(machine)
        else:
            self._driver.local(changes.Exposed(self._exposures.index(machine), info))

    @property
    def _told_name(self) -> str:
        return self._peer_name if self._settings.tell_name else ""

    def _need_owner(self) -> None:
        if self._runner is None:
            raise NotRunningError(f"topic {self.name}: use it inside of `async with topic:`")

    async def _reach(self, state: str, *, or_error: bool = True) -> None:
        """Wait for a state; raise `StartError` when the topic is stopped first, or gets into an error."""
        machine = self.machine
        if or_error and machine.not_(state) and machine.is_("Exception"):
            machine.remove("Exception")
        reached, stopped = machine.when(state), machine.when_not("Start")
        failed = machine.when_err() if or_error else Waiter("no error")
        await _first_of(reached, stopped, failed)
        if reached.done:
            return
        if failed.done and machine.err is not None:
            raise StartError(str(machine.err)) from machine.err
        raise StartError(f"topic {self.name} was stopped before it was {state}")


def _default_transport() -> Transport:
    from ampubsub.transport.libp2p import Libp2pTransport

    return Libp2pTransport()


async def _first_of(*waiters: Waiter) -> None:
    """Return as soon as one of the waiters is done."""
    done = trio.Event()
    for waiter in waiters:
        waiter.on_done(lambda *_: done.set())
    try:
        await done.wait()
    finally:
        for waiter in waiters:
            waiter.cancel()
