"""The Go peer, for each version of asyncmachine-go that the tests meet."""

from __future__ import annotations

from pathlib import Path

from tests.go_programs import GoUnavailableError, go_program

__all__ = ["GoUnavailableError", "go_peer_binary"]

SOURCE = Path(__file__).parent / "go"

TOOLCHAINS = {"v0.13.0": "go1.24.9", "v0.18.0": "go1.24.9", "v0.19.1": "auto"}
"""Go from 1.25 on makes the old quic-go of v0.13.0 and v0.18.0 panic; v0.19.1 itself wants Go 1.25."""

TAGS = {"v0.13.0": "am13", "v0.18.0": "am18", "v0.19.1": "am19"}


def go_peer_binary(version: str) -> Path:
    """Path of the Go peer on asyncmachine-go `version`, built when it is missing or its source changed."""
    files = [path for path in SOURCE.iterdir() if path.suffix == ".go" or path.stem == version]
    flags = [f"-modfile={version}.mod", "-tags", TAGS[version]]
    return go_program(SOURCE, f"gopeer-{version}", files, toolchain=TOOLCHAINS[version], flags=flags)
