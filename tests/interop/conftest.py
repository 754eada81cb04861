"""Fixtures of the interop tests: Go peers, Python peers as processes, and the transcript of a test.

The transcript is printed when a test fails, always with `-s`, and is kept in the folder named by
AMPUBSUB_TRANSCRIPTS when that is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.go_build import GoUnavailableError, go_peer_binary
from tests.interop.programs import GoPeer, Program, PythonPeer
from tests.interop.transcript import Transcript


@pytest.fixture
def transcript(request: pytest.FixtureRequest) -> Iterator[Transcript]:
    heard = Transcript()
    yield heard
    text = f"--- {request.node.name}\n{heard}\n"
    print(text)
    if folder := os.environ.get("AMPUBSUB_TRANSCRIPTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{request.node.name}.txt").write_text(text)


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Whatever is put here is ended after the test."""
    started: list[Program] = []
    yield started
    for program in started:
        program.close()


@pytest.fixture
def go_peer(transcript: Transcript, programs: list[Program]) -> Callable[..., GoPeer]:
    """Start a Go peer: `go_peer("go-root")`, `go_peer("watched", version="v0.18.0")`."""

    def start(name: str, version: str = "v0.13.0") -> GoPeer:
        try:
            binary = go_peer_binary(version)
        except GoUnavailableError as reason:
            if os.environ.get("CI") == "true":
                pytest.fail(f"CI must run the interop tests: {reason}")
            pytest.skip(f"interop needs Go: {reason}")
        peer = GoPeer(name, binary, transcript)
        programs.append(peer)
        return peer

    return start


@pytest.fixture
def python_peer(transcript: Transcript, programs: list[Program]) -> Callable[[str], PythonPeer]:
    """Start a Python peer in a process of its own: `python_peer("py-1")`."""

    def start(name: str) -> PythonPeer:
        peer = PythonPeer(name, transcript)
        programs.append(peer)
        return peer

    return start
