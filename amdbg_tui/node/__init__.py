"""The peer behind the screen, in a thread of its own: start it, ask it, stop it.

    node = Node(history.feed, JoinRequest(addresses=(address,), topic="demo")) node.start()
    # after the first paint: this is when the network is imported outcome = node.call(Mutate(key, "add",
    ("On",)))   # a concurrent.futures.Future node.stop()                                    # bye is said,
    connections closed, the thread joined

What happens there comes out as records through `feed`. This package imports neither trio nor the network
until the thread runs, so that the first paint need not wait for them.
"""

from amdbg_tui.node.bridge import Node
from amdbg_tui.node.commands import CommandError
from amdbg_tui.node.join_request import JoinRequest

__all__ = ["CommandError", "JoinRequest", "Node"]
