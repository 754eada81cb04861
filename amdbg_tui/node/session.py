"""The peer's side of the bridge, under trio: find the topic, join it, tell everything, do what is asked,
leave.

Everything here runs in the peer's thread. A session ends when it was asked to stop, saying bye first; a
session that cannot go on (no such listen address, no topic to join) says so and waits to be stopped, so
that the person can read why.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import trio

from amdbg_tui.history.records import NoticeRecord, Record
from amdbg_tui.node.commands import Command, CommandError, PickTopic
from amdbg_tui.node.doing import Doing
from amdbg_tui.node.join_request import JoinRequest
from amdbg_tui.node.phases import Phases
from amdbg_tui.node.telling import Telling
from amdbg_tui.safe_text import TEXT_CELLS, safe_text
from ampubsub.machine import trio_adapter
from ampubsub.topic import Host, Topic, TopicSettings
from ampubsub.transport.interface import TransportError

REDIAL_FIRST_S, REDIAL_MOST_S = 1.0, 30.0


def run_session(session: Session, on_ready: Callable[[], None]) -> None:
    """Run a session until it ends, in this thread."""
    trio.run(session.run, on_ready)


class Session:
    """One peer from its start to its bye. Only `submit` and `request_stop` are for other threads."""

    def __init__(
        self,
        join: JoinRequest,
        feed: Callable[[Sequence[Record]], None],
        set_failure: Callable[[str], None],
    ) -> None:
        self.join = join
        self.phases = Phases(feed, set_failure)
        self._feed = feed
        self._pending: set[Future[Any]] = set()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._limit = trio.CancelScope()
        self._work = trio.CancelScope()
        self._stop = trio.Event()
        self._picked = ""
        self._was_picked = trio.Event()
        self._host: Host | None = None
        self._doing: Doing | None = None

    # For other threads.

    def submit(self, command: Command, future: Future[Any]) -> None:
        """Do a command and answer it."""
        self._from_outside(lambda: self._begin(command, future), lambda: _refuse(future))

    def request_stop(self) -> None:
        """Say bye and end, within the time that settings allow."""
        self._from_outside(self._begin_to_stop, lambda: None)

    def _from_outside(self, job: Callable[[], None], too_late: Callable[[], None]) -> None:
        try:
            if self._token is not None:
                self._token.run_sync_soon(job)
                return
        except trio.RunFinishedError:
            pass
        too_late()

    # The peer's life.

    async def run(self, on_ready: Callable[[], None]) -> None:
        """From start to bye."""
        self._token = trio.lowlevel.current_trio_token()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self.phases.tell("starting")
                on_ready()
                with self._limit:
                    await self._live()
                nursery.cancel_scope.cancel()
        finally:
            self.phases.tell("closed")
            for future in self._pending:
                _refuse(future)

    async def _live(self) -> None:
        make = self.join.make_transport
        transport = self.join.doors.make_transport() if make is None else self.join.doors.around(make())
        self._host = host = Host(transport)
        try:
            async with host.opened(self.join.listen):
                self.phases.opened(transport)
                with self._work:
                    await self._find_addresses()
                    self.phases.addresses = self.join.addresses
                    topic = await self._find_topic(host)
                if not self._stop.is_set():
                    await self._take_part(host, topic)
        except* TransportError as group:
            self._give_up(group)
            await self._stop.wait()

    def _give_up(self, group: BaseExceptionGroup[TransportError]) -> None:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.phases.fail(str(error), "Choose another --listen address, or leave it out.")

    async def _find_addresses(self) -> None:
        find = self.join.find_addresses
        if find is not None:
            try:
                addresses = await trio.to_thread.run_sync(find, abandon_on_cancel=True)  # type: ignore[call-arg]  # older stubs
            except Exception as error:  # whatever it is: its text is for the person
                self.phases.fail(str(error) or type(error).__name__, "Leave with ctrl+q and try again.")
                await self._stop.wait()
                return
            self.join = replace(self.join, addresses=addresses)

    async def _find_topic(self, host: Host) -> str:
        """The topic that was asked for, or else one that the dialled peers announce."""
        if self.join.topic:
            return self.join.topic
        offered: dict[str, set[str]] = {}
        wait = REDIAL_FIRST_S
        while not offered:
            if not self.phases.has_failed:
                self.phases.tell_connecting()
            try:
                offered = await host.discover(
                    self.join.addresses or self.join.doors.listed[:8],
                    patience_s=self.join.settings.topics_patience_s,
                )
            except TransportError as error:
                self.phases.fail_to_connect([str(error)])
            else:
                if not offered:
                    self.phases.fail(
                        "the peer is there, but takes part in no topic",
                        "Name the topic with --topic NAME, or wait: it is asked again.",
                    )
            if not offered:
                await trio.sleep(wait)
                wait = min(2 * wait, REDIAL_MOST_S)
        if len(offered) == 1:
            return next(iter(offered))
        return await self._pick(sorted(offered))

    async def _pick(self, topics: list[str]) -> str:
        shown = {safe_text(name): name for name in topics}
        self.phases.tell("connecting", "several topics are offered: choose one", topics=tuple(shown))
        while self._picked not in shown:
            await self._was_picked.wait()
            self._was_picked = trio.Event()
        return shown[self._picked]

    async def _take_part(self, host: Host, name: str) -> None:
        join = self.join
        self.phases.topic = safe_text(name)
        settings = TopicSettings(silent=join.silent)
        topic = Topic(
            name,
            expose=join.expose,
            connect=join.addresses,
            settings=settings,
            host=host,
            peer_name=join.name,
        )
        seeking = join.doors.seeking(host.transport, name, join.addresses, self._notice)
        host.how_found = seeking.how_found
        telling = Telling(topic, self._feed, self.phases, join.name)
        try:
            self._doing = Doing(topic, telling, self._feed)
            async with topic, self._owned() as nursery:
                nursery.start_soon(telling.sample_details, join.settings.detail_interval_s)
                host.subscribe(name, seeking.take)
                nursery.start_soon(seeking.run)
                nursery.start_soon(join.doors.follow_secret, host.transport, self._notice)
                await self._stop.wait()
                self.phases.tell("leaving")
                nursery.cancel_scope.cancel()
        finally:
            telling.end()

    def _notice(self, text: str) -> None:
        self._feed((NoticeRecord(time.time(), "warning", safe_text(text, TEXT_CELLS), ""),))

    @asynccontextmanager
    async def _owned(self) -> AsyncIterator[trio.Nursery]:
        """Give our machines' async handlers an owner: the join request's own, or else this session."""
        machines = (
            () if self.join.live else [machine for machine in self.join.expose if machine.spawn is None]
        )
        async with trio_adapter.own(*machines) as nursery:
            if self.join.live is not None:
                nursery.start_soon(self.join.live)
            yield nursery

    # Commands.

    def _begin(self, command: Command, future: Future[Any]) -> None:
        if self._nursery is None or self._stop.is_set():
            _refuse(future)
            return
        if future.set_running_or_notify_cancel():
            self._pending.add(future)
            self._nursery.start_soon(self._do, command, future)

    async def _do(self, command: Command, future: Future[Any]) -> None:
        try:
            answer = await self._answer(command)
        except CommandError as error:
            future.set_exception(error)
        except Exception as error:  # whatever a machine or the network throws is an answer, not an end
            future.set_exception(CommandError(safe_text(f"{type(error).__name__}: {error}", 500)))
        else:
            future.set_result(answer)
        finally:
            self._pending.discard(future)
            if not future.done():
                future.set_exception(CommandError("the peer has left"))

    async def _answer(self, command: Command) -> object:
        if isinstance(command, PickTopic) and self._doing is None:
            self._picked = command.topic
            self._was_picked.set()
            return None
        if self._doing is None:
            raise CommandError("not joined yet: wait for the connection")
        return await self._doing.do(command)

    def _begin_to_stop(self) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        self._work.cancel()
        self._limit.deadline = trio.current_time() + self.join.settings.leave_timeout_s


def _refuse(future: Future[Any]) -> None:
    if not future.done():
        if not future.running():
            future.set_running_or_notify_cancel()
        if not future.cancelled():
            future.set_exception(CommandError("the peer has left"))
