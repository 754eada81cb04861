"""The program with a peer on an in-memory network, for tests of how it is left. `python -m tests.tui.leaving_program WAY`.

WAY is `quiet`, `screen-crash`, `peer-crash`, `busy` (paints without pause) or `child` (is started by a parent that a
test kills).
"""

from __future__ import annotations

import subprocess
import sys
import time

from amdbg_tui.app import App
from amdbg_tui.lifecycle import open_history, run
from amdbg_tui.node import JoinRequest, Node
from amdbg_tui.settings import Locations, Settings
from ampubsub.transport.interface import Transport
from ampubsub.transport.memory import MemoryNetwork


def main(way: str) -> int:
    if way == "child":
        return subprocess.run(
            [sys.executable, "-m", "tests.tui.leaving_program", "quiet"], check=False
        ).returncode
    places, settings = Locations(), Settings()
    history = open_history(places, settings.history)
    node = Node(history.feed, JoinRequest(topic="demo", make_transport=lambda: _transport(way)))
    app = App(history, node, settings=settings, locations=places)
    if way == "screen-crash":
        app.call_later(app.set_timer, 1.0, lambda: [][0])
    if way == "busy":
        app.call_later(app.set_interval, 0.002, lambda: _noise(app))
    return run(app, history, node, places)


def _transport(way: str) -> Transport:
    if way == "peer-crash":
        raise RuntimeError("the peer broke")
    return MemoryNetwork(seed=1).transport("us")


def _noise(app: App) -> None:
    app.status.styles.background = f"rgb({time.monotonic_ns() % 255},0,0)"
    app.refresh(layout=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
