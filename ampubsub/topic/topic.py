"""`Topic`: one peer of a topic. Shares machines with all other peers, and follows theirs."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from random import Random
from types import MappingProxyType, TracebackType
from typing import Self

import trio

from ampubsub import wire
from ampubsub.machine import LogLevel, Machine, Options, Result, Waiter
from ampubsub.remote import NetworkMachine
from ampubsub.states import TOPIC_GROUPS, TOPIC_SCHEMA, TOPIC_STATES
from ampubsub.topic.arguments import log_arguments
from ampubsub.topic.compose import fitting_bye, unsayable
from ampubsub.topic.core import Core
from ampubsub.topic.errors import NotRunningError, StartError, TopicError
from ampubsub.topic.events import MachineExposed, MachineGone, Source, TopicEvent
from ampubsub.topic.exposures import ExposeError, Exposures
from ampubsub.topic.filters import ListFilters, filter_machines
from ampubsub.topic.handlers.discovery import DiscoveryHandlers
from ampubsub.topic.handlers.life import LifeHandlers
from ampubsub.topic.handlers.messages import MessageHandlers
from ampubsub.topic.handlers.queries import QueryHandlers
from ampubsub.topic.handlers.sync import SyncHandlers
from ampubsub.topic.host import Host
from ampubsub.topic.metrics import Metrics
from ampubsub.topic.peers import PeerInfo
from ampubsub.topic.replicas import Replicas
from ampubsub.topic.settings import TopicSettings
from ampubsub.topic.standing import PeersView
from ampubsub.transport.interface import Transport

LOG_VARIABLE = "AM_PUBSUB_LOG"
"""Environment: when set, the topic machine logs what it does (as in Go)."""
DEBUG_VARIABLE = "AM_PUBSUB_DBG"
"""Environment: when set, network machines are shown to the tracers of the parent machine (as in Go: to the debugger)."""

_LOGGER = logging.getLogger("ampubsub.topic")
_LOGGER.addHandler(logging.NullHandler())

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
        core = Core(
            name,
            host,
            settings,
            listen=listen,
            connect=connect,
            peer_name=peer_name,
            random=random,
            publish_event=self._publish,
        )
        self._core = core
        self._watchers: dict[object, Watcher] = {}
        self._owner: AsyncExitStack | None = None
        core.registry.names.update(peer_names or {})
        core.exposures = Exposures(core.changed, self._redescribed, self._exposed_machine_went)
        core.redescribed = self._redescribed
        self.machine = core.machine = _topic_machine(
            f"ps-{name}-{suffix or secrets.token_hex(2)}", name, TopicHandlers(core), settings, parent
        )
        self._replicas = Replicas(core, show=bool(os.environ.get(DEBUG_VARIABLE)))
        if settings.metrics:
            core.metrics = Metrics(f"{self.machine.id}-metrics", core.registry.names, self.machine)
        try:
            for machine in expose:
                self.expose(machine)
        except ExposeError:
            core.exposures.clear()
            raise

    # -- life

    async def __aenter__(self) -> Self:
        if self._owner is not None:
            raise TopicError(f"topic {self.name} is in use already")
        if self.machine.is_disposed:
            raise TopicError(f"topic {self.name} was disposed of: make a new one")
        from ampubsub.machine import trio_adapter

        async with AsyncExitStack() as stack:
            await stack.enter_async_context(trio_adapter.own(self.machine))
            self.machine.add("Start")
            self._owner = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stack, self._owner = self._owner, None
        try:
            with trio.CancelScope(shield=True):
                await self._dispose()
        finally:
            if stack is not None:
                await stack.__aexit__(kind, error, trace)

    async def start(self) -> None:
        """Open the host, connect and join in the background; returns once the host is open. Idempotent.

        Needed after `stop` only: `async with` starts by itself. Raises `StartError` with the address and the reason.
        """
        self._need_owner()
        if self.machine.not_("Start") and self.machine.add("Start") == Result.CANCELED:
            raise StartError(f"topic {self.name}: give an address to listen on or to dial")
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
        """Say bye and stop taking part; the host stays open and connected. Idempotent."""
        core = self._core
        if self.machine.is_("Joined") and self._say_bye(list(core.exposures.machines), leaving=True):
            with trio.move_on_after(core.settings.handler_timeout_s):
                while core.outbox:
                    await core.outbox_sent.wait()
            if core.connections():
                await trio.sleep(core.settings.bye_linger_s)
        self._core.drop("Joined", "Joining")

    async def stop(self) -> None:
        """Leave, and close the host. `start` begins again. Idempotent."""
        await self.leave()
        if self.machine.is_("Start"):
            self.machine.add("Disconnecting")
            self.machine.remove("Start")
            self.machine.remove("Disconnecting")
        await self._core.closed.wait()

    async def dispose(self) -> None:
        """Stop for good: machines are exposed no longer, replicas end, the topic machine is disposed of. Idempotent."""
        await self._dispose()

    async def _dispose(self) -> None:
        if self.machine.is_disposed:
            return
        await self.stop()
        self.machine.add("Disposing")
        self._replicas.end(f"topic {self.name} was disposed of")
        if self._core.metrics is not None:
            self._core.metrics.machine.dispose()
        self.machine.dispose()

    # -- what we are

    @property
    def name(self) -> str:
        """The topic's name."""
        return self._core.name

    @property
    def peer_id(self) -> str:
        """Our peer id (base58)."""
        return self._core.peer_id

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses at which others can dial us, each ending in `/p2p/PEERID`. Empty while not started."""
        return self._core.host.transport.addresses if self._core.host.is_open else ()

    @property
    def host(self) -> Host:
        """The host, which other topics may share."""
        return self._core.host

    @property
    def settings(self) -> TopicSettings:
        """The settings in force."""
        return self._core.settings

    @property
    def metrics(self) -> Machine | None:
        """The metrics machine, when `TopicSettings.metrics` is set."""
        return self._core.metrics.machine if self._core.metrics else None

    # -- our machines

    def expose(self, machine: Machine) -> int:
        """Share a machine with all peers; returns its index, which is never used again for another.

        Raises `ExposeError` for a machine that is exposed already or disposed of, for the topic machine itself, and
        for what other peers would drop by the limits in the settings: too many machines, states, tags, too long names.
        """
        return self._expose(machine)

    def _expose(self, machine: Machine, instead_of: int = 0) -> int:
        core = self._core
        if machine is self.machine or (core.metrics and machine is core.metrics.machine):
            raise ExposeError(
                f"machine {machine.id!r} changes with each message: it cannot be told of by its own topic"
            )
        if machine.is_disposed:
            raise ExposeError(f"machine {machine.id!r} is disposed of: expose one that lives")
        if len(core.exposures) - instead_of >= core.settings.max_machines_per_peer:
            limit = core.settings.max_machines_per_peer
            raise ExposeError(
                f"machine {machine.id!r}: a peer may expose {limit} machines; unexpose one first"
            )
        if reason := self._unsayable(machine):
            raise ExposeError(f"machine {machine.id!r} cannot be exposed: {reason}")
        index = core.exposures.add(machine)
        self._publish(MachineExposed((core.peer_id, index), machine.id, Source.LOCAL))
        self._describe_soon()
        return index

    def unexpose(self, machine: Machine) -> None:
        """Stop sharing a machine; others are told. Raises `ExposeError` when it is not exposed."""
        core = self._core
        index = core.exposures.index(machine)
        if self.machine.is_("Joined"):
            self._say_bye([index], leaving=False)
        core.exposures.remove(machine)
        self._publish(MachineGone((core.peer_id, index), machine.id, "exposed no longer"))

    def replace(self, old: Machine, new: Machine) -> int:
        """Share `new` instead of `old`, under a new index: a peer that missed the change cannot mix them up."""
        self._core.exposures.index(old)
        index = self._expose(new, instead_of=1)
        self.unexpose(old)
        return index

    @property
    def exposed(self) -> Mapping[int, Machine]:
        """Our machines by index."""
        return MappingProxyType(self._core.exposures.machines)

    # -- others' machines

    async def list_machines(self, filters: ListFilters | None = None) -> list[NetworkMachine]:
        """Machines of other peers that match, as live replicas, ordered by peer id and index.

        While not joined, those known from before are listed as they are: stale.
        """
        filters = filters or ListFilters()
        reply: list[NetworkMachine] = []
        await trio.lowlevel.checkpoint()
        if self.machine.add("ListMachines", args={"filters": filters, "reply": reply}) == Result.CANCELED:
            return filter_machines(self._core.replicas.values(), filters)
        return reply

    @property
    def network_machines(self) -> tuple[NetworkMachine, ...]:
        """All replicas, without a transition of the topic machine: for who looks often."""
        return tuple(self._core.replicas.values())

    def network_machine(self, key: tuple[str, int]) -> NetworkMachine | None:
        """The replica of the machine at (peer id, index), or None."""
        return self._core.replicas.get(key)

    # -- other peers

    @property
    def peers(self) -> Mapping[str, PeerInfo]:
        """What is known of each peer, ourselves included, as of the moment an entry is read."""
        return PeersView(self._core)

    @property
    def dropped(self) -> Mapping[str, int]:
        """Input that was thrown away, by reason, the transport's included."""
        return MappingProxyType(dict(self._core.registry.dropped + self._core.transport_dropped()))

    def name_peer(self, peer_id: str, name: str) -> None:
        """Call a peer by a name of our choice; the empty string takes it back."""
        registry = self._core.registry
        registry.names.pop(peer_id, None)
        if name:
            registry.names[peer_id] = name
        if (peer := registry.peers.get(peer_id)) is not None:
            registry.rename(peer, name)

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """Have `callback` called with every event, in order, in the peer's thread. Returns what ends it.

        It must return quickly. What it raises is logged (logger `ampubsub.topic`) and harms nobody else.
        """
        token = object()
        self._watchers[token] = callback
        return lambda: self._watchers.pop(token, None) and None

    # -- inside

    def _publish(self, event: TopicEvent) -> None:
        self._replicas.take(event)
        for watcher in list(self._watchers.values()):
            try:
                watcher(event)
            except Exception:  # a watcher's fault must not stop the peer
                _LOGGER.exception("a watcher of topic %s failed at %r", self.name, event)

    def _exposed_machine_went(self, machine: Machine) -> None:
        if any(exposed is machine for exposed in self._core.exposures.machines.values()):
            self.unexpose(machine)

    def _redescribed(self, machine: Machine) -> None:
        """An exposed machine has another schema or other tags: tell, or take back what others would drop in silence."""
        core = self._core
        if not any(exposed is machine for exposed in core.exposures.machines.values()):
            return
        if reason := self._unsayable(machine):
            core.notice("error", f"machine {machine.id!r} changed and is exposed no longer: {reason}")
            self.unexpose(machine)
        else:
            self._describe_soon()

    def _unsayable(self, machine: Machine) -> str:
        core = self._core
        return unsayable(core.exposures.info(machine, core.told_name), core)

    def _describe_soon(self) -> None:
        core = self._core
        if self.machine.is_("Joined") and not core.settings.silent:
            core.info_due.add(core.peer_id, core.now() + core.settings.update_delay_s)
            core.hurry()
            core.ensure("SendInfo")

    def _say_bye(self, indexes: Sequence[int], *, leaving: bool) -> bool:
        core = self._core
        if core.settings.silent or not indexes:
            return False
        core.send("bye", wire.encode(fitting_bye(core, indexes, leaving)))
        return True

    def _need_owner(self) -> None:
        if self._owner is None:
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


class TopicHandlers(LifeHandlers, MessageHandlers, DiscoveryHandlers, SyncHandlers, QueryHandlers):
    """All concerns in one binding: a machine asks every binding for every handler name."""


def _topic_machine(
    machine_id: str,
    name: str,
    handlers: TopicHandlers,
    settings: TopicSettings,
    parent: Machine | None,
) -> Machine:
    return Machine(
        TOPIC_SCHEMA,
        id=machine_id,
        states=TOPIC_STATES,
        groups=TOPIC_GROUPS,
        handlers=handlers,
        tags=(f"pubsub:{name}",),
        parent=parent,
        options=Options(
            handler_timeout_s=settings.handler_timeout_s,
            log_args=log_arguments,
            logger=_log,
            log_level=LogLevel.OPERATIONS if os.environ.get(LOG_VARIABLE) else LogLevel.NOTHING,
        ),
    )


def _log(level: LogLevel, text: str) -> None:
    _LOGGER.info("%s", text)


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
