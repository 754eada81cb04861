"""Awaiting a waiter under whichever event loop runs: trio or asyncio. Neither is imported here.

A cancelled await takes its callback back; the waiter stays for whoever else holds it, and is forgotten by its machine
when nobody does.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from threading import get_ident
from typing import Any

from ampubsub.machine.context import Waiter


def wait(waiter: Waiter) -> Generator[Any, Any, None]:
    """Wait until a waiter is done. Raises its error when it never will be, `RuntimeError` outside of an event loop."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return _under_trio(trio, waiter).__await__()
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        return _under_asyncio(asyncio, waiter).__await__()
    raise RuntimeError(
        f"waiting for {waiter.what} needs trio or asyncio: await it in one of their tasks, or use on_done"
    )


async def _under_trio(trio: Any, waiter: Waiter) -> None:
    if not waiter.done and waiter.error is None:
        happened = trio.Event()
        token, thread = trio.lowlevel.current_trio_token(), get_ident()

        def wake(_: Waiter) -> None:
            if get_ident() == thread:
                happened.set()
                return
            try:
                token.run_sync_soon(happened.set)
            except trio.RunFinishedError:
                pass  # nobody waits any more

        leave = waiter.on_done(wake)
        try:
            await happened.wait()
        finally:
            leave()
    else:
        await trio.lowlevel.checkpoint()
    if waiter.error is not None:
        raise waiter.error


async def _under_asyncio(asyncio: Any, waiter: Waiter) -> None:
    if not waiter.done and waiter.error is None:
        loop = asyncio.get_running_loop()
        happened = loop.create_future()
        thread = get_ident()

        def finish() -> None:
            if not happened.done():
                happened.set_result(None)

        def wake(_: Waiter) -> None:
            if get_ident() == thread:
                finish()
                return
            try:
                loop.call_soon_threadsafe(finish)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more

        leave = waiter.on_done(wake)
        try:
            await happened
        finally:
            leave()
    else:
        await asyncio.sleep(0)
    if waiter.error is not None:
        raise waiter.error
