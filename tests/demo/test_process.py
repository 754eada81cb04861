"""The demo's child process comes up on real QUIC, and never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest
import trio

from amdbg_tui.demo import TOPIC, DemoError, DemoProcess, DemoSettings
from amdbg_tui.demo.cast import CHILD_PEERS, own_cast
from ampubsub import Topic

pytestmark = pytest.mark.network

LISTEN = ["/ip4/127.0.0.1/udp/0/quic-v1"]

PARENT = """
import threading
from amdbg_tui.demo import DemoProcess
demo = DemoProcess()
demo.start()
print(demo.process_id, *demo.addresses(), flush=True)
threading.Event().wait()
"""


@pytest.mark.trio
async def test_the_own_peer_sees_the_machines_of_the_four_others_and_the_root_exposes_nothing() -> None:
    wanted = sorted(name for names in CHILD_PEERS.values() for name in names)
    with DemoProcess() as demo:
        addresses = await trio.to_thread.run_sync(demo.addresses)
        cast = own_cast()
        async with Topic(TOPIC, expose=cast.machines, listen=LISTEN, connect=addresses) as topic:
            changed = trio.Event()
            topic.watch(lambda event: changed.set())
            with trio.fail_after(60):
                while sorted(machine.remote_id for machine in topic.network_machines) != wanted:
                    await changed.wait()
                    changed = trio.Event()
            root = addresses[0].rpartition("/")[2]
            owners = {machine.owner for machine in topic.network_machines}
            assert len(owners) == len(CHILD_PEERS)
            assert root not in owners
    assert not psutil.pid_exists(demo.process_id or 0)


def test_the_child_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline().split()[0]))
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    child.wait(15)
    assert not child.is_running()


def test_a_child_that_does_not_come_up_says_why() -> None:
    demo = DemoProcess(DemoSettings(seed="no number"))  # type: ignore[arg-type]
    try:
        with pytest.raises(DemoError, match="did not start: ValueError: invalid literal"):
            demo.addresses()
    finally:
        demo.stop()
