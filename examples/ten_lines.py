"""Exposes a machine in ten lines: `python examples/ten_lines.py [ADDRESS...]`, the addresses of any peers."""

import sys

import trio

from ampubsub import Machine, State, Topic

lamp = Machine({"On": State(remove=("Off",)), "Off": State(remove=("On",), auto=True)}, id="lamp")


async def main() -> None:
    async with Topic("demo", expose=[lamp], listen=["/ip4/127.0.0.1/udp/0/quic-v1"], connect=sys.argv[1:]):
        while True:
            lamp.toggle("On")
            await trio.sleep(1)


trio.run(main)
