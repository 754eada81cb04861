"""`ampubsub-tui peer` as a process: JSON lines until a signal, one line and status 2 when it cannot take part."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMAND = [sys.executable, "-c", "from amdbg_tui.cli import main; main()", "peer"]
LISTEN = ["--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(120)]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def until(process: subprocess.Popen[str], event: str, **wanted: Any) -> dict[str, Any]:
    """Read lines up to the one that is wanted."""
    assert process.stdout
    for text in process.stdout:
        line: dict[str, Any] = json.loads(text)
        if line["event"] == event and all(line.get(key) == value for key, value in wanted.items()):
            return line
    raise AssertionError(f"ended without {event} {wanted}")


def test_two_peers_see_each_other_and_a_signal_ends_them_with_a_bye(
    started: list[subprocess.Popen[str]],
) -> None:
    def start(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    root = start("--topic", "shop", "--expose", str(EXAMPLES / "shop.toml"), *LISTEN)
    ready = until(root, "ready")
    leaf = start(ready["addresses"][0], "--expose", str(EXAMPLES / "expenses.toml"), *LISTEN)
    leaf_id = until(leaf, "ready")["peer_id"]
    until(leaf, "machine", machine_id="order")
    until(root, "machine", machine_id="expense")

    leaf.send_signal(signal.SIGTERM)
    assert leaf.wait(15) == 0
    gone = until(root, "gone", machine_id="expense")
    assert (gone["key"], gone["reason"]) == ([leaf_id, 0], "it said bye")
    root.send_signal(signal.SIGINT)
    assert root.wait(15) == 0


def test_an_unreachable_address_is_one_line_and_status_2() -> None:
    address = "/ip4/127.0.0.1/udp/9/quic-v1/p2p/12D3KooWB7A2nDYqUjYBST1r2yn6GTkN25mbQkCUFd676nN93u8U"
    ended = subprocess.run([*COMMAND, address], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "127.0.0.1" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_there_is_a_word_for_every_event_of_a_topic() -> None:
    from typing import get_args

    from amdbg_tui.peer_command import EVENT_WORDS
    from ampubsub.topic.events import TopicEvent

    assert set(EVENT_WORDS) == set(get_args(TopicEvent))
