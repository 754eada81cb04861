"""Our own life, as transitions of the topic machine: start, connect, reconnect, join, leave, dispose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import trio

from ampubsub.machine import Event, Machine
from ampubsub.topic import changes
from ampubsub.topic.constants import (
    DIALS_AT_ONCE,
    HANDLER_TIMEOUT_S,
    REDIAL_FIRST_S,
    REDIAL_MAX_S,
    REDIAL_SETTLED_S,
)
from ampubsub.topic.driver import Driver
from ampubsub.topic.errors import ConnectError, StartError
from ampubsub.topic.events import Noticed
from ampubsub.topic.host import Host
from ampubsub.topic.settings import TopicSettings
from ampubsub.transport.backoff import Backoff
from ampubsub.transport.interface import TransportError


class Running:
    """Handlers of the topic machine: what a peer is."""

    machine: Machine
    driver: Driver

    def __init__(
        self,
        name: str,
        host: Host,
        settings: TopicSettings,
        listen: tuple[str, ...],
        connect: tuple[str, ...],
    ) -> None:
        self.name, self.host, self.settings = name, host, settings
        self.listen, self.connect = listen, connect
        self.closed = trio.Event()
        """The host is closed, as far as we opened it."""
        self.closed.set()
        self.redialling = Backoff(REDIAL_FIRST_S, REDIAL_MAX_S, REDIAL_SETTLED_S)
        """Waits before we dial again when no connection is left."""
        self.clear_exposures: Callable[[], None]
        self._disposals: list[Callable[[str], object]] = []
        """What to call at disposal, with the machine's id."""

    def connections(self) -> int:
        """How many peers are connected to us."""
        return len(self.host.transport.connected_peers()) if self.host.is_open else 0

    def _drop(self, *states: str) -> None:
        active = [state for state in states if self.machine.is_(state)]
        if active:
            self.machine.remove(*active)

    # -- Start

    def StartEnter(self, event: Event) -> bool:
        """There must be something to listen on or to dial."""
        return bool(self.listen or self.connect or self.host.is_open)

    async def StartState(self, event: Event) -> None:
        """Open the host and keep it open until Start is removed."""
        rejoin = event.args.get("rejoin", self.settings.join_when_connected)
        before, self.closed = self.closed, trio.Event()
        self.redialling.wait_s = 0.0
        host = self.host
        try:
            await before.wait()
            if self.name in host.served:
                raise StartError(f"topic {self.name} is served on this host already, under the same identity")
            while host.is_opening and not host.is_open:
                await host.settled()  # another topic of this host opens it for both
            if host.is_open:
                await self._live(rejoin)
                raise StartError(
                    f"topic {self.name}: the host was closed by whoever opened it; open it again and start"
                )
            async with host.opened(self.listen):
                await self._live(rejoin)
            raise StartError(f"topic {self.name}: the host ended by itself; start again")
        except TransportError as error:
            self._cannot_start(StartError(f"the host could not be opened: {error}"))
        except StartError as error:
            self._cannot_start(error)
        finally:
            self.closed.set()

    def _cannot_start(self, error: StartError) -> None:
        self.machine.add_err_state("ErrJoining", error)
        self._drop("Start")

    async def _live(self, rejoin: bool) -> None:
        host, driver = self.host, self.driver
        unsubscribe = host.subscribe(self.name, driver.take)
        host.served.add(self.name)
        host.transport.check_with(self.name, driver.check)
        try:
            driver.begin()
            self.machine.set_tags((*self._own_tags(), f"peer:{host.peer_id}"))
            self.machine.add("Started", args={"peer_id": host.peer_id})
            self.machine.add("Connecting" if self.connect else "Connected", args={"rejoin": rejoin})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(driver.run)
                nursery.start_soon(self._watch_connections)
                await host.closed.wait()
                nursery.cancel_scope.cancel()
        finally:
            host.transport.check_with(self.name, None)
            host.served.discard(self.name)
            unsubscribe()

    async def _watch_connections(self) -> None:
        while True:
            await self.driver.connections_changed.wait()
            if self.connections() < self.settings.connections_to_ready:
                self._drop("Ready")
            elif self.machine.is_("Joined") and self.machine.not_("Ready"):
                self.machine.add("Ready")

    def StartEnd(self, event: Event) -> None:
        """Nobody is heard any longer."""
        self.machine.set_tags(self._own_tags())
        self.driver.local(changes.Left("we stopped", stopped=True))

    def _own_tags(self) -> tuple[str, ...]:
        return tuple(tag for tag in self.machine.tags if not tag.startswith("peer:"))

    # -- connecting

    def ConnectingEnter(self, event: Event) -> bool:
        """A first peer has nobody to dial."""
        return bool(self.connect)

    async def ConnectingState(self, event: Event) -> None:
        """Dial all addresses, again and again until somebody is connected."""
        rejoin = event.args.get("rejoin", True)
        if event.args.get("again"):
            await self._until_connected(self.redialling.next())
        while True:
            failures = await self._dial(self.connect)
            if self.connections():
                for text in failures.values():
                    self._notice("warning", text)
                args = {"rejoin": rejoin, "unreached": tuple(failures)}
                self.machine.add("Connected", args=args, event=event)
                return
            text = "; ".join(failures.values()) or "they take us in and close again at once"
            self.machine.add_err_state("ErrConnecting", ConnectError(text), event=event)
            await self._until_connected(self.redialling.next())

    async def _until_connected(self, at_most_s: float) -> None:
        """The network layer dials lost peers again by itself, and others may dial us."""
        with trio.move_on_after(at_most_s):
            while not self.connections():
                await self.driver.connections_changed.wait()

    async def _dial(self, addresses: tuple[str, ...]) -> dict[str, str]:
        """Dial several addresses at once; what failed, each with its text."""
        failures: dict[str, str] = {}
        limit = trio.CapacityLimiter(DIALS_AT_ONCE)

        async def dial(address: str) -> None:
            async with limit:
                try:
                    await self.host.transport.connect(address)
                except TransportError as error:
                    text = str(error)
                    failures[address] = text if address in text else f"{address}: {text}"

        async with trio.open_nursery() as nursery:
            for address in addresses:
                nursery.start_soon(dial, address)
        return failures

    async def ConnectedState(self, event: Event) -> None:
        """Join, then watch the connections until none is left."""
        if self.machine.is_("ErrConnecting"):
            self.machine.remove("ErrConnecting", "Exception", event=event)
        if event.args.get("rejoin"):
            self.machine.add("Joining", event=event)
        since = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._retry, event.args.get("unreached", ()))
            while not self.connect or self.connections():
                await self.driver.connections_changed.wait()
            nursery.cancel_scope.cancel()
        self._notice("warning", "no connection is left; dialling again")
        self.redialling.lost(trio.current_time() - since)
        rejoin = self.machine.any("Joined", "Joining")
        self.machine.add("Connecting", args={"rejoin": rejoin, "again": True}, event=event)

    async def _retry(self, addresses: tuple[str, ...]) -> None:
        """Dial those that could not be reached at first, ever more rarely."""
        wait, random = REDIAL_FIRST_S, self.driver.protocol.random
        while addresses:
            await trio.sleep(wait * random.uniform(0.5, 1.5))
            addresses = tuple(await self._dial(addresses))
            wait = min(2 * wait, REDIAL_MAX_S)

    # -- joining

    async def JoiningState(self, event: Event) -> None:
        """Join the GossipSub topic."""
        try:
            await self.host.transport.join(self.name)
        except TransportError as error:
            self.machine.add_err_state("ErrJoining", StartError(f"topic {self.name}: {error}"), event=event)
            self._drop("Joining")
            return
        self.machine.add("Joined", event=event)

    async def JoinedState(self, event: Event) -> None:
        """Take part until we leave."""
        transport = self.host.transport
        try:
            self.driver.local(changes.Joined(tuple(sorted(transport.topic_peers(self.name)))))
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(HANDLER_TIMEOUT_S) as scope:
                scope.shield = True
                with suppress(TransportError):  # closed already: there is nothing left to leave
                    await transport.leave(self.name)

    def JoinedEnd(self, event: Event) -> None:
        """What was going to be said or read is not any longer."""
        self.driver.local(changes.Left())

    def ReadyEnter(self, event: Event) -> bool:
        """Enough connections."""
        return self.connections() >= self.settings.connections_to_ready

    def ExceptionState(self, event: Event) -> None:
        """Tell the person."""
        error = event.machine.err
        if error is not None:
            self._notice("error", str(error))

    def _notice(self, severity: str, text: str) -> None:
        self.driver.publish_all([Noticed(severity, text)])

    # -- disposal

    def RegisterDisposalEnter(self, event: Event) -> bool:
        """`handler` must be callable."""
        return callable(event.args.get("handler"))

    def RegisterDisposalState(self, event: Event) -> None:
        """Remember what to call."""
        self._disposals.append(event.args["handler"])

    def DisposingState(self, event: Event) -> None:
        """Give everything back."""
        while self._disposals:
            self._disposals.pop()(self.machine.id)
        self.clear_exposures()
        self.machine.add("Disposed", event=event)
