"""The demo network: a root that exposes nothing and five peers whose machines live, on loopback QUIC.

Four of the five and the root run in a child process (`process.DemoProcess`); the fifth is the person's own
peer, whose machines come from `cast.own_cast`. `network.demo_network` runs the child's part under any trio.
"""

from amdbg_tui.demo.process import DemoError, DemoProcess
from amdbg_tui.demo.settings import TOPIC, DemoSettings

__all__ = ["TOPIC", "DemoError", "DemoProcess", "DemoSettings"]
