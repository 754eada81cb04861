"""Waiting and async handlers under trio. Imported at the first await only; the machine itself knows no loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import get_ident
from typing import Any

import trio

from ampubsub.machine.context import Waiter
from ampubsub.machine.errors import MachineError
from ampubsub.machine.handlers import Handler
from ampubsub.machine.machine import Machine
from ampubsub.machine.transition import Event


async def wait(waiter: Waiter) -> None:
    """Wait until a waiter is done. Raises its error when it never will be; cancellation gives the wait up."""
    if not waiter.done and waiter.error is None:
        happened = trio.Event()
        token = trio.lowlevel.current_trio_token()

        thread = get_ident()

        def wake(_: Waiter) -> None:
            if get_ident() == thread:
                happened.set()
                return
            try:
                token.run_sync_soon(happened.set)
            except trio.RunFinishedError:
                pass  # nobody waits any more

        waiter.on_done(wake)
        await happened.wait()
    else:
        await trio.lowlevel.checkpoint()
    if waiter.error is not None:
        raise waiter.error


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
        state = event.name.removesuffix("State") if event.name.endswith("State") else ""
        if state in machine.schema:
            # Ends with this activation, and with the next one of a Multi state.
            machine.state_context(state).on_done(scope.cancel)
            again = machine.when_ticks(state, 1)
            again.on_done(lambda _: scope.cancel())
        nursery.start_soon(_run, handler, event, scope, name=f"{machine.id}.{event.name}")

    return spawn


async def _run(handler: Handler, event: Event, scope: trio.CancelScope) -> None:
    with scope:
        try:
            await handler(event)
        except Exception as error:
            event.machine.add_err(error, event=event)
