"""`ampubsub-tui dbg`: be the debugger of programs that set `AM_DBG_ADDR`, without any topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from amdbg_tui.input_error import InputError

if TYPE_CHECKING:
    from amdbg_tui.history import History
    from amdbg_tui.node import Node
    from amdbg_tui.node.debugger import DebuggerNode

DEFAULT_ADDRESS = "127.0.0.1:6831"


def listening(history: History, address: str, beside: Node | None = None) -> DebuggerNode:
    """A debugger that listens already. Raises `InputError` for an address that cannot be used."""
    from amdbg_tui.node.debugger import DebuggerNode
    from ampubsub.telemetry.environment import DebuggerAddressError, read_address
    from ampubsub.telemetry.receiver import ListenAddressError

    try:
        node = DebuggerNode(history.feed, *read_address(address), beside)
        node.listen()
    except (DebuggerAddressError, ListenAddressError) as error:
        raise InputError(str(error)) from error
    return node


@click.command("dbg", short_help="Debug programs that set AM_DBG_ADDR.")
@click.argument("address", default=DEFAULT_ADDRESS, metavar="[HOST:PORT]")
@click.option("--theme", default="", metavar="NAME", help="Colours, for this run.")
def dbg(address: str, theme: str) -> int:
    """Open the screen on programs of any language that set AM_DBG_ADDR=HOST:PORT (default 127.0.0.1:6831).

    They tell what a topic never does: each transition with its steps, handlers, log and arguments. There is no
    authentication in this protocol: it listens on loopback unless told otherwise.
    """
    from amdbg_tui.cli import _need_a_terminal, _settings
    from amdbg_tui.settings import Locations

    places = Locations()
    settings = _settings(places, theme)
    _need_a_terminal("dbg", "")
    from amdbg_tui.app import App
    from amdbg_tui.lifecycle import open_history, run

    history = open_history(places, settings.history)
    try:
        node = listening(history, address)
    except InputError:
        history.close()
        raise
    app = App(history, node, settings=settings, locations=places)
    return run(app, history, node, places, mouse=settings.mouse)
