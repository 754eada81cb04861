"""`python -m amdbg_tui.demo.child SEED`: the demo's child process. Ends when its stdin does.

The first line it prints is JSON: `{"addresses": [...]}` of the root.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys

import trio

from amdbg_tui.demo.network import demo_network
from amdbg_tui.demo.settings import DemoSettings


async def main(seed: int) -> None:
    """Run the network until the parent is gone or asks for the end."""
    async with trio.open_nursery() as nursery:
        ended = trio.Event()
        nursery.start_soon(_watch_parent, ended)
        nursery.start_soon(_watch_signals, ended)
        async with demo_network(DemoSettings(seed=seed)) as addresses:
            print(json.dumps({"addresses": addresses}), flush=True)
            await ended.wait()
        nursery.cancel_scope.cancel()


async def _watch_parent(ended: trio.Event) -> None:
    """The parent holds the other end of stdin, and nobody else does."""
    stdin = trio.lowlevel.FdStream(os.dup(sys.stdin.fileno()))
    async with stdin:
        while await stdin.receive_some():
            pass
    ended.set()


async def _watch_signals(ended: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            ended.set()


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else DemoSettings().seed)
