"""Programs under test in processes of their own: JSON lines over pipes, every wait bounded in time.

`Program` starts a command and collects its JSON lines; `GoPeer` drives the Go peer (`go/main.go`) with
commands and answers, `PythonPeer` one of ours. All are plain blocking classes; a trio test calls them through `in_thread`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from tests.interop.transcript import Transcript

Line = dict[str, Any]

LISTEN = "/ip4/127.0.0.1/udp/0/quic-v1"
ANSWER_S = 15.0
END_S = 10.0


class Program:
    """One child process whose stdout is JSON lines. Its stderr and other text go to the transcript only."""

    def __init__(
        self, name: str, command: Sequence[str], transcript: Transcript, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.transcript = transcript
        self.lines: list[Line] = []
        self._heard = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, **(env or {})},
        )
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_stdout(self) -> None:
        assert self.process.stdout
        for text in self.process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                self.transcript.note(self.name, text.rstrip())
                continue
            self.transcript.note(self.name, self.in_words(line, text.rstrip()))
            with self._heard:
                self.lines.append(line)
                self._heard.notify_all()
        with self._heard:
            self._ended = True
            self._heard.notify_all()

    def in_words(self, line: Line, text: str) -> str:
        """How a line stands in the transcript; a list of machines is shortened to ids and what is active."""
        return text

    def _read_stderr(self) -> None:
        assert self.process.stderr
        for text in self.process.stderr:
            self.transcript.note(self.name, "! " + text.rstrip())

    def say(self, line: Line) -> None:
        """Write one JSON line to the program's stdin."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def wait_for(self, wanted: Callable[[Line], bool], what: str, limit_s: float = ANSWER_S) -> Line:
        """The first line, said already or soon, for which `wanted` holds."""
        deadline = time.monotonic() + limit_s
        seen = 0
        with self._heard:
            while True:
                for line in self.lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if self._ended:
                    raise AssertionError(f"{self.name} ended without {what}")
                if left <= 0:
                    raise AssertionError(f"{self.name} did not say {what} within {limit_s:.0f} s")
                self._heard.wait(left)

    def kill(self) -> None:
        """Kill with SIGKILL: no goodbye of any kind."""
        self.transcript.note(self.name, "(killed with -9)")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(END_S)

    def terminate(self, limit_s: float = END_S) -> int:
        """SIGTERM; the exit status."""
        self.transcript.note(self.name, "(told to end with SIGTERM)")
        self.process.terminate()
        return self.process.wait(limit_s)

    def close(self) -> None:
        """End it in whatever way works. Idempotent."""
        if self.process.poll() is None:
            if self.process.stdin:
                try:
                    self.process.stdin.close()
                except OSError:
                    pass
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(END_S)
        for reader in self._readers:
            reader.join(END_S)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    pass


class Peer(Program):
    """A peer that takes commands and answers them, as `go/main.go` and `python_peer.py` do."""

    def __init__(self, name: str, command: Sequence[str], transcript: Transcript) -> None:
        super().__init__(name, command, transcript)
        self._seq = itertools.count(1)
        self.peer_id = ""
        self.addresses: list[str] = []
        self.wait_for(lambda line: line.get("event") == "ready", "ready", 60)

    def in_words(self, line: Line, text: str) -> str:
        if "machines" not in line:
            return text
        seen = sorted(
            f"{source_id(m)} {m['active']} {m['time']} {m.get('source', '')}".rstrip()
            for m in line["machines"]
        )
        return "lists " + (", ".join(seen) or "nothing")

    def call(self, cmd: str, limit_s: float = ANSWER_S, **fields: Any) -> Line:
        """Send one command and return its answer; an error in it is raised."""
        seq = next(self._seq)
        self.say({"seq": seq, "cmd": cmd, **fields})
        answer = self.wait_for(lambda line: line.get("seq") == seq, f"an answer to {cmd}", limit_s)
        if answer.get("error") and cmd != "health":
            raise AssertionError(f"{self.name}: {cmd} failed: {answer['error']}")
        return answer

    def start(
        self,
        topic: str,
        machines: Sequence[Mapping[str, Any]] = (),
        connect: Sequence[str] = (),
        listen: Sequence[str] = (LISTEN,),
    ) -> None:
        """Start, connect and join; without `connect` it is a root."""
        answer = self.call(
            "start",
            limit_s=40,
            topic=topic,
            name=self.name,
            machines=list(machines),
            connect=list(connect),
            listen=list(listen),
        )
        self.peer_id = answer["peer"]
        self.addresses = answer["addresses"]

    def add(self, machine: str, *states: str) -> Line:
        return self.call("add", machine=machine, states=states)

    def remove(self, machine: str, *states: str) -> Line:
        return self.call("remove", machine=machine, states=states)

    def machines(self, peer_id: str = "") -> dict[str, Line]:
        """The machines of other peers that it lists, by the id they have at home."""
        listed = self.call("list", peer_id=peer_id)["machines"]
        return {source_id(machine): machine for machine in listed}

    def health(self) -> Line:
        """Errors and neighbours, as its own state machine says."""
        return self.call("health")

    def wait_machines(
        self,
        wanted: Callable[[dict[str, Line]], bool],
        what: str,
        limit_s: float = 30.0,
        peer_id: str = "",
    ) -> dict[str, Line]:
        """List again and again until `wanted` holds of the list."""
        deadline = time.monotonic() + limit_s
        while True:
            listed = self.machines(peer_id)
            if wanted(listed):
                return listed
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} did not list {what} within {limit_s:.0f} s: {listed}")
            time.sleep(0.1)  # A Go peer has no event for it.


class GoPeer(Peer):
    """A peer of asyncmachine-go's pkg/pubsub."""

    def __init__(self, name: str, binary: Path, transcript: Transcript) -> None:
        super().__init__(name, [str(binary)], transcript)


class PythonPeer(Peer):
    """A peer of ampubsub in a process of its own (`python_peer.py`)."""

    def __init__(self, name: str, transcript: Transcript) -> None:
        super().__init__(name, [sys.executable, "-m", "tests.interop.python_peer"], transcript)


def source_id(machine: Line) -> str:
    """The id at home of a machine that a peer lists: Go keeps it in a tag."""
    tags = (tag.removeprefix("src-id:") for tag in machine["tags"] if tag.startswith("src-id:"))
    return str(next(tags, machine["id"]))


async def in_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a blocking call of a program without holding up trio."""
    return await trio.to_thread.run_sync(lambda: call(*args, **kwargs), abandon_on_cancel=True)
