"""Async handlers under trio: the tasks of a machine. Imported by whoever owns one; the machine itself knows no loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import trio

from ampubsub.machine.errors import MachineError
from ampubsub.machine.handlers import Handler
from ampubsub.machine.machine import Machine
from ampubsub.machine.transition import Event


@asynccontextmanager
async def own(*machines: Machine) -> AsyncIterator[trio.Nursery]:
    """Give machines an owner for the length of the block: their async handlers run as tasks of it.

    A handler's task is cancelled when its state's tick changes, and all of them at the end of the block. An
    exception in one becomes the machine's (`add_err`). Raises `MachineError` when a machine has an owner.
    """
    for machine in machines:
        if machine.spawn is not None:
            raise MachineError(f"{machine.id} has an owner already: its async handlers run there")
    async with trio.open_nursery() as nursery:
        for machine in machines:
            machine.spawn = _spawner(nursery)
        try:
            yield nursery
        finally:
            for machine in machines:
                machine.spawn = None
            nursery.cancel_scope.cancel()


def _spawner(nursery: trio.Nursery) -> Any:
    def spawn(handler: Handler, event: Event) -> None:
        scope = trio.CancelScope()
        machine = event.machine
        undo: list[Callable[[], None]] = []
        state = event.name.removesuffix("State") if event.name.endswith("State") else ""
        if state in machine.schema:
            # Ends with this activation, and with the next one of a Multi state.
            undo.append(machine.state_context(state).on_done(scope.cancel))
            again = machine.when_ticks(state, 1)
            undo.append(again.on_done(lambda _: scope.cancel()))
        nursery.start_soon(_run, handler, event, scope, undo, name=f"{machine.id}.{event.name}")

    return spawn


async def _run(
    handler: Handler, event: Event, scope: trio.CancelScope, undo: Iterable[Callable[[], None]]
) -> None:
    try:
        with scope:
            try:
                await handler(event)
            except Exception as error:
                event.machine.add_err(error, event=event)
    finally:
        for each in undo:
            each()
