"""Peers as processes, found without an address: by mDNS on loopback, by the book, through a list, and sealed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-c", "from amdbg_tui.cli import main; main()"]
LISTEN = ["--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]
pytestmark = [pytest.mark.network, pytest.mark.timeout(120)]


class Person:
    """Somebody with settings and a state folder of their own."""

    def __init__(self, folder: Path, service: str) -> None:
        config = folder / "config" / "ampubsub-tui"
        config.mkdir(parents=True)
        (config / "settings.toml").write_text(
            f'[discovery]\ninterfaces = ["127.0.0.1"]\nservice = "{service}"\n'
        )
        self.environment = {
            **os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "state")
        }  # fmt: skip
        self.books = folder / "state" / "ampubsub-tui" / "peers"
        self.processes: list[subprocess.Popen[str]] = []

    def peer(self, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, "peer", *options], stdout=subprocess.PIPE, text=True, env=self.environment
        )
        self.processes.append(process)
        return process

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *options],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=60,
            check=False,
        )


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Callable[[], Person]]:
    people: list[Person] = []
    service = f"_am-{secrets.token_hex(4)}._udp.local."

    def person() -> Person:
        people.append(Person(tmp_path / str(len(people)), service))
        return people[-1]

    yield person
    for process in [process for one in people for process in one.processes]:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def until(process: subprocess.Popen[str], event: str, **wanted: Any) -> dict[str, Any]:
    assert process.stdout
    for text in process.stdout:
        line: dict[str, Any] = json.loads(text)
        if line["event"] == event and all(line.get(key) == value for key, value in wanted.items()):
            return line
    raise AssertionError(f"ended without {event} {wanted}")


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


def test_two_peers_without_addresses_meet_find_shows_them_and_the_book_brings_them_together_again(
    person: Callable[[], Person],
) -> None:
    anna, ben = person(), person()
    first = anna.peer("--topic", "home", "--mdns", "--identity", str(anna.books.parent / "id"))
    anna_id = until(first, "ready")["peer_id"]
    second = ben.peer("--topic", "home", "--mdns")
    ben_id = until(second, "ready")["peer_id"]
    assert until(second, "peer", peer_id=anna_id, status="joined")["how_found"] in ("dialled us", "mdns")
    assert until(first, "peer", peer_id=ben_id, status="joined")["how_found"] in ("dialled us", "mdns")

    nobody = person()
    found = nobody.run("find", "--json", "--wait", "5")
    assert found.returncode == 0, found.stderr
    records = {record["peer_id"]: record for record in map(json.loads, found.stdout.splitlines())}
    assert set(records) == {anna_id, ben_id}
    assert all(record["topics"] == ["home"] and record["answers"] for record in records.values())
    lines = nobody.run("find", "--wait", "5").stdout.splitlines()
    assert lines[-1].startswith("  ampubsub-tui join /ip4/127.0.0.1/udp/")
    assert lines[-1].endswith(" --topic home")
    assert not nobody.books.exists()  # who looks has met nobody

    dialler, other = (anna, ben) if list(anna.books.glob("[!.]*")) else (ben, anna)
    (book,) = dialler.books.glob("[!.]*")
    assert book.stat().st_mode & 0o777 == 0o600
    ended = first if dialler is anna else second
    end(ended)
    again = dialler.peer("--topic", "home")  # no address, no mDNS
    other_id = ben_id if other is ben else anna_id
    assert until(again, "peer", peer_id=other_id, status="joined")["how_found"] == "book"
    known = nobody.run("find", "--json", "--wait", "0.3")
    assert known.returncode in (0, 1)


def test_a_list_brings_us_to_a_topic_and_an_identity_is_kept(
    person: Callable[[], Person], tmp_path: Path
) -> None:
    anna, ben = person(), person()
    key = str(tmp_path / "anna.id")
    root = anna.peer("--topic", "home", "--identity", key, *LISTEN)
    ready = until(root, "ready")
    (tmp_path / "list").write_text(f"# hubs\n{ready['addresses'][0]}\n")
    leaf = ben.peer("--topic", "home", "--bootstrap", str(tmp_path / "list"))
    assert until(leaf, "peer", peer_id=ready["peer_id"], status="joined")["how_found"] == "list"
    end(root)
    assert (tmp_path / "anna.id").stat().st_mode & 0o777 == 0o600
    assert until(anna.peer("--topic", "home", "--identity", key), "ready")["peer_id"] == ready["peer_id"]


def test_a_sealed_topic_is_joined_with_its_secret_and_its_name_is_nowhere(
    person: Callable[[], Person], tmp_path: Path
) -> None:
    anna, ben, eve = person(), person(), person()
    secret = str(tmp_path / "home.key")
    assert anna.run("secret", "new", secret).returncode == 0
    examples = Path(__file__).parents[2] / "examples"
    root = anna.peer("--topic", "home", "--secret", secret, "--mdns", "--expose", str(examples / "shop.toml"))
    ready = until(root, "ready")
    until(root, "joined", topic="home")
    leaf = ben.peer("--topic", "home", "--secret", secret, "--mdns")
    until(leaf, "machine", machine_id="order")
    stranger = eve.peer(ready["addresses"][0], "--topic", "home")
    until(stranger, "joined")
    seen = json.loads(eve.run("find", "--json", "--topic", "home", "--wait", "5").stdout.splitlines()[0])
    assert "home" not in seen["topics"]
    assert all(name.startswith("am1-") for name in seen["topics"])
    for one in (anna, ben):
        for book in one.books.glob("*") if one.books.exists() else ():
            assert "home" not in book.read_text()
    end(stranger)
    assert "order" not in (stranger.stdout.read() if stranger.stdout else "")
