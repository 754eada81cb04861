"""`ampubsub-tui peer`: take part without a screen. One JSON line with id and addresses, then one per event; mutations of its
own machines are read from standard input (`peer_input.py`).

Text of others stays JSON text: everything that is not plain ASCII is escaped, so the lines are harmless on a
terminal. Ends with a bye on Ctrl-C, SIGTERM or SIGHUP, and when nobody reads its output any more.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict, fields
from typing import Any

import trio

from amdbg_tui import output
from amdbg_tui.node import JoinRequest
from amdbg_tui.node.commands import CommandError
from amdbg_tui.peer_input import LONGEST_LINE, carry_out, lines, parse_line
from ampubsub.machine import Machine, Tracer, Transition, trio_adapter
from ampubsub.topic import Host, Topic, TopicSettings
from ampubsub.topic.events import (
    ClockChanged,
    MachineExposed,
    MachineGone,
    MachineLabelled,
    MachineReplaced,
    MachineSourceChanged,
    Noticed,
    PeerChanged,
    TopicEvent,
)
from ampubsub.transport.interface import TransportError

WRONG_INPUT = 2
EVENT_WORDS: Mapping[type[Any], str] = {
    PeerChanged: "peer",
    MachineExposed: "machine",
    MachineSourceChanged: "source",
    MachineReplaced: "replaced",
    MachineLabelled: "labelled",
    MachineGone: "gone",
    ClockChanged: "clock",
    Noticed: "notice",
}
"""The word in `event` of each line."""


class CannotTakePart(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The peer cannot start or find a topic; the text says why, in one line."""


def run_peer(request: JoinRequest) -> int:
    """Run until told to stop.

    The exit status: 0, 2 when it could not take part, 74 when its lines could not be written; one line on stderr
    says why.
    """
    status = 0
    peer = _Peer(request)
    try:
        trio.run(peer.run)
    except* (CannotTakePart, TransportError) as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        text = " ".join(str(error).split())
        print(f"ampubsub-tui: {text.encode('ascii', 'backslashreplace').decode()}", file=sys.stderr)
        status = WRONG_INPUT
    if peer.failure is not None and not status:
        text, status = output.give_up(peer.failure)
        if text:
            print(f"ampubsub-tui: {text}", file=sys.stderr)
    return status


def line(event: str, **values: Any) -> str:
    """One line of output."""
    return json.dumps({"event": event, **values}, ensure_ascii=True)


class _LocalClock(Tracer):
    """Tells the clock of an own machine after each transition that changed it."""

    def __init__(self, tell: Callable[[str], None], peer_id: str, index: int) -> None:
        self.tell = tell
        self.key = [peer_id, index]

    def transition_end(self, transition: Transition) -> None:
        """Tell it."""
        if transition.time_after != transition.time_before and not transition.mutation.check:
            self.tell(
                line(
                    "clock",
                    key=self.key,
                    before=transition.time_before,
                    after=transition.time_after,
                    source="local",
                    teller=self.key[0],
                )
            )


class _Peer:
    def __init__(self, request: JoinRequest) -> None:
        self.request = request
        self._lines, self._to_print = trio.open_memory_channel[str](4096)
        self._unprinted = 0
        self.failure: OSError | None = None
        """Why lines could not be written."""
        self._told_to_end = False
        self._step = trio.CancelScope()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_signals)
            nursery.start_soon(self._print)
            await self._take_part()
            nursery.cancel_scope.cancel()

    @contextmanager
    def _until_told_to_end(self) -> Iterator[None]:
        """Only what waits is cancelled when we are told to end: the bye needs the network for a moment more."""
        self._step = trio.CancelScope()
        if self._told_to_end:
            self._step.cancel()
        with self._step:
            yield

    def _end(self) -> None:
        self._told_to_end = True
        self._step.cancel()

    async def _take_part(self) -> None:
        request = self.request
        host = Host(request.doors.make_transport())
        async with host.opened(request.listen):
            self.tell(line("ready", peer_id=host.peer_id, addresses=host.transport.addresses))
            name = request.topic
            with self._until_told_to_end():
                name = name or await self._only_topic(host)
                await self._reach_somebody(host)
            if self._told_to_end:
                return
            topic = Topic(
                name,
                expose=request.expose,
                connect=request.addresses,
                settings=TopicSettings(silent=request.silent),
                host=host,
                peer_name=request.name,
            )
            seeking = request.doors.seeking(host.transport, name, request.addresses, self._notice)
            host.how_found = seeking.how_found
            topic.watch(lambda event: self._tell_event(topic, event))
            for index, machine in topic.exposed.items():
                machine.bind_tracer(_LocalClock(self.tell, host.peer_id, index))
            machines = [machine for machine in request.expose if machine.spawn is None]
            async with topic, trio_adapter.own(*machines) as nursery:
                host.subscribe(name, seeking.take)
                nursery.start_soon(seeking.run)
                nursery.start_soon(request.doors.follow_secret, host.transport, self._notice)
                nursery.start_soon(self._listen, topic)
                await self._stay(topic)
                nursery.cancel_scope.cancel()

    async def _stay(self, topic: Topic) -> None:
        with self._until_told_to_end():
            await topic.machine.when("Joined")
            self.tell(line("joined", topic=topic.name))
            await trio.sleep_forever()

    async def _listen(self, topic: Topic) -> None:
        """Do what is asked on standard input, one line after the other; each gets one answer."""
        async with aclosing(lines()) as typed:
            async for number, text in typed:
                if text is not None and (not text.strip() or text.lstrip().startswith("#")):
                    continue
                try:
                    if text is None:
                        raise CommandError(f"a line of more than {LONGEST_LINE:,} bytes")
                    answer = carry_out(topic.exposed, topic.peer_id, parse_line(text))
                except CommandError as error:
                    answer = {"result": "wrong", "reason": str(error)}
                await self._lines.send(line("answer", line=number, **answer))

    def _notice(self, text: str) -> None:
        self.tell(line("notice", text=text))

    async def _only_topic(self, host: Host) -> str:
        offered = await host.discover(
            self.request.addresses or self.request.doors.listed[:8],
            patience_s=self.request.settings.topics_patience_s,
        )
        if not offered:
            raise CannotTakePart("the dialled peer takes part in no topic; name one with --topic NAME")
        if len(offered) > 1:
            names = ", ".join(repr(name) for name in sorted(offered))
            raise CannotTakePart(
                f"the dialled peer takes part in several topics: choose with --topic: {names}"
            )
        return next(iter(offered))

    async def _reach_somebody(self, host: Host) -> None:
        """Without a screen to explain it, a peer that reaches nobody at first ends with the reason."""
        failed: list[TransportError] = []
        for address in self.request.addresses:
            try:
                await host.transport.connect(address)
            except TransportError as error:
                failed.append(error)
        if failed and len(failed) == len(self.request.addresses):
            raise failed[0]

    def tell(self, text: str) -> None:
        """Have a line printed; a reader that is too slow misses lines and is told how many."""
        try:
            if self._unprinted:
                self._lines.send_nowait(line("missed", lines=self._unprinted))
                self._unprinted = 0
            self._lines.send_nowait(text)
        except trio.WouldBlock:
            self._unprinted += 1

    def _tell_event(self, topic: Topic, event: TopicEvent) -> None:
        values = {field.name: getattr(event, field.name) for field in fields(event)}
        if isinstance(event, PeerChanged):
            values["how_found"] = topic.host.how_found(event.peer_id)
        if isinstance(event, MachineExposed):
            machine: Any = topic.network_machine(event.key) or topic.exposed.get(event.key[1])
            if machine is not None:
                values.update(_described(machine))
        self.tell(line(EVENT_WORDS.get(type(event), type(event).__name__), **values))

    async def _print(self) -> None:
        async for text in self._to_print:
            try:
                await trio.to_thread.run_sync(_write_line, text)
            except OSError as error:
                self.failure = error
                self._end()
                return

    async def _watch_signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for _ in signals:
                self._end()
                return


def _write_line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _described(machine: Machine) -> dict[str, Any]:
    """What a machine is, in asyncmachine's own words."""
    states: Sequence[str] = machine.state_names
    return {
        "states": states,
        "schema": {name: {k: v for k, v in asdict(machine.schema[name]).items() if v} for name in states},
        "tags": machine.tags,
        "clock": machine.time(),
    }
