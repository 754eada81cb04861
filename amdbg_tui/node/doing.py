"""Does what the person asks of the peer: mutations of own machines, previews, watching, dialling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import trio

from amdbg_tui.history.records import CommandRecord, MachineKey, NoticeRecord, Record
from amdbg_tui.node.commands import (
    MUTATIONS,
    Command,
    CommandError,
    Connect,
    CutOff,
    Disconnect,
    Forecast,
    Mutate,
    Mute,
    Outcome,
    PickTopic,
    Preview,
    Unmute,
    Watch,
)
from amdbg_tui.node.telling import Telling
from amdbg_tui.node.translate import show_arguments, show_steps
from amdbg_tui.node.why import why_canceled, why_refused
from amdbg_tui.safe_text import TEXT_CELLS, safe_text
from ampubsub.machine import Machine, MachineGoneError, MutationKind, Result
from ampubsub.topic import Topic
from ampubsub.transport.address import parse_dial_address

KINDS = {"add": MutationKind.ADD, "remove": MutationKind.REMOVE, "set": MutationKind.SET}


class Doing:
    """Carries out commands, in the peer's thread."""

    def __init__(self, topic: Topic, telling: Telling, feed: Callable[[Sequence[Record]], None]) -> None:
        self._topic = topic
        self._telling = telling
        self._feed = feed

    async def do(self, command: Command) -> object:
        """Do one command. Raises `CommandError` in words for the person."""
        match command:
            case Mutate():
                return self._mutate(command)
            case Preview():
                return self._preview(command)
            case Watch():
                await self._watch(command)
                return None
            case Connect():
                return await self._connect(command.address)
            case Disconnect():
                transport = self._topic.host.transport
                transport.forget(command.peer_id)
                await transport.disconnect(command.peer_id)
                return None
            case Mute(peer_id=peer_id):
                self._topic.mute(peer_id)
                return None
            case Unmute(peer_id=peer_id):
                self._topic.unmute(peer_id)
                return None
            case CutOff(peer_id=peer_id):
                await self._cut_off(peer_id)
                return None
            case PickTopic():
                raise CommandError(f"topic {safe_text(self._topic.name)} was joined already")

    async def _cut_off(self, peer_id: str) -> None:
        """Close the connections, dial it no longer, and take nothing of it should it dial us."""
        transport = self._topic.host.transport
        if peer_id not in transport.connected_peers():
            raise CommandError(
                "that peer is not connected to us: what it says comes through others. Mute it, or cut off whom it comes through"
            )
        self._topic.mute(peer_id)
        transport.forget(peer_id)
        await self._topic.disconnect(peer_id)

    def _own(self, key: MachineKey, kind: str, states: Sequence[str]) -> tuple[Machine, tuple[str, ...]]:
        machine = self._telling.own(key)
        shown = self._telling.shown.get(key)
        if machine is None or shown is None:
            name = shown.record.machine_id if shown else "this machine"
            raise CommandError(
                f"{name} belongs to another peer: only its owner can change it. Watch it instead"
            )
        if kind not in MUTATIONS:
            raise CommandError(f"there is no mutation “{safe_text(kind)}”; known are {', '.join(MUTATIONS)}")
        if not states and kind != "set":
            raise CommandError("name at least one state")
        return machine, shown.real(states)

    def _mutate(self, command: Mutate) -> Outcome:
        machine, states = self._own(command.key, command.kind, command.states)
        kind = _real_kind(machine, command.kind, states)
        tracer = self._telling.tracers[command.key]
        tracer.expect(kind, states)
        args = dict(command.args)
        try:
            result = _run(machine, kind, states, args)
        finally:
            tracer.forget()
        outcome = self._outcome(machine, kind, result, command.key)
        shown_args = show_arguments(args)
        self._feed(
            (
                CommandRecord(
                    time.time(),
                    command.key,
                    command.kind,
                    command.states,
                    shown_args,
                    outcome.result,
                    outcome.reason,
                ),
            )
        )
        return outcome

    def _outcome(self, machine: Machine, kind: MutationKind, result: Result, key: MachineKey) -> Outcome:
        seen = self._telling.tracers[key].seen
        transition_id = seen.id if seen is not None else ""
        if result.is_queued:
            return Outcome(
                str(result), f"the machine is busy; it runs as number {int(result)}", transition_id
            )
        if result == Result.EXECUTED:
            same = seen is not None and seen.time_before == seen.time_after
            return Outcome(str(result), "nothing changed: it was so already" if same else "", transition_id)
        if seen is None:
            return Outcome(str(result), "the machine takes no mutations now (disposed, or backing off)")
        return Outcome(str(result), safe_text(why_canceled(machine, seen), TEXT_CELLS), transition_id)

    def _preview(self, command: Preview) -> Forecast:
        machine, states = self._own(command.key, command.kind, command.states)
        kind = _real_kind(machine, command.kind, states)
        plan = machine.preview(kind, *states)
        reason = ""
        if not plan.accepted:
            reason = why_refused(machine, plan)
        elif not plan.enters and not plan.exits:
            reason = "nothing would change"
        return Forecast(
            plan.accepted,
            _in_order(machine, plan.enters) if plan.accepted else (),
            _in_order(machine, plan.exits) if plan.accepted else (),
            safe_text(reason, TEXT_CELLS),
            show_steps(plan.steps),
        )

    async def _watch(self, command: Watch) -> None:
        view = self._telling.view_of(command.key)
        shown = self._telling.shown.get(command.key)
        if view is None or shown is None:
            raise CommandError("that machine is gone")
        if not command.states:
            raise CommandError("name at least one state")
        waiter = view.when(*shown.real(command.states))
        name, states = shown.record.machine_id, " and ".join(command.states)

        def tell(severity: str, text: str) -> None:
            self._feed((NoticeRecord(time.time(), severity, text, command.key.peer_id),))

        if waiter.done:
            tell("info", f"{name}: {states} is active already")
            return
        waiter.on_done(lambda done: tell(*_end_of_watch(done.error, name, states)))
        await trio.lowlevel.checkpoint()

    async def _connect(self, address: str) -> str:
        parse_dial_address(address)
        return await self._topic.host.transport.connect(address)


def _in_order(machine: Machine, names: Iterable[str]) -> tuple[str, ...]:
    """Harmless names in the order of the schema."""
    return tuple(map(safe_text, sorted(names, key=machine.index)))


def _real_kind(machine: Machine, kind: str, states: tuple[str, ...]) -> MutationKind:
    """Toggle removes the states when all are active, else adds them (as `Machine.toggle` does)."""
    if kind == "toggle":
        return MutationKind.REMOVE if machine.is_(*states) else MutationKind.ADD
    return KINDS[kind]


def _run(machine: Machine, kind: MutationKind, states: tuple[str, ...], args: Mapping[str, object]) -> Result:
    do = {MutationKind.ADD: machine.add, MutationKind.REMOVE: machine.remove, MutationKind.SET: machine.set}[
        kind
    ]
    return do(*states, args=args or None)


def _end_of_watch(error: BaseException | None, name: str, states: str) -> tuple[str, str]:
    if error is None:
        return "info", f"{name}: {states} is active now"
    if isinstance(error, MachineGoneError):
        return "warning", f"{name} is gone: {states} will not come"
    return "warning", f"{name}: watching {states} ended"
