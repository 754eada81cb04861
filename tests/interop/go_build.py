"""Builds the Go peer once per checkout, for each version of asyncmachine-go that the tests meet.

The result lies in `tests/interop/bin/` beside a stamp of what it was made from, so that a second run, or a
second pytest-xdist worker, finds it. `GoUnavailableError` means that Go or its modules cannot be had here; a
program that does not compile is a plain error.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "go"
BIN = HERE / "bin"

TOOLCHAINS = {"v0.13.0": "go1.24.9", "v0.18.0": "go1.24.9", "v0.19.1": "auto"}
"""Go from 1.25 on makes the old quic-go of v0.13.0 and v0.18.0 panic; v0.19.1 itself wants Go 1.25."""

TAGS = {"v0.13.0": "am13", "v0.18.0": "am18", "v0.19.1": "am19"}

DOWNLOAD_S = 300.0
BUILD_S = 600.0


class GoUnavailableError(Exception):
    """Go, its toolchain or a module cannot be had on this machine; the text says which."""


def go_peer_binary(version: str) -> Path:
    """Path of the Go peer on asyncmachine-go `version`, built when it is missing or its source changed."""
    go = shutil.which("go")
    if go is None:
        raise GoUnavailableError("no `go` command on the PATH")
    binary = BIN / f"gopeer-{version}"
    stamp = BIN / f"gopeer-{version}.stamp"
    BIN.mkdir(exist_ok=True)
    with _locked(BIN / ".lock"):
        made_from = _fingerprint(version)
        if not (binary.exists() and stamp.exists() and stamp.read_text() == made_from):
            _build(go, version, binary)
            stamp.write_text(made_from)
    return binary


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint(version: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCE.iterdir()):
        if path.suffix == ".go" or path.stem == version:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _build(go: str, version: str, binary: Path) -> None:
    flags = ["-mod=readonly", f"-modfile={version}.mod", "-tags", TAGS[version]]
    env = {**os.environ, "GOTOOLCHAIN": TOOLCHAINS[version], "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    try:
        listed = _run([go, "list", *flags, "-deps", "."], env, DOWNLOAD_S)
    except subprocess.TimeoutExpired:
        raise GoUnavailableError(
            f"asyncmachine-go {version} did not come within {DOWNLOAD_S:.0f} s"
        ) from None
    if listed.returncode:
        last = (listed.stderr.strip().splitlines() or ["no output"])[-1]
        raise GoUnavailableError(f"the modules of asyncmachine-go {version} cannot be had: {last}")
    made = binary.with_suffix(".new")
    built = _run([go, "build", *flags, "-trimpath", "-ldflags=-s -w", "-o", str(made), "."], env, BUILD_S)
    if built.returncode:
        raise RuntimeError(f"the Go peer on asyncmachine-go {version} does not build:\n{built.stderr}")
    made.replace(binary)


def _run(command: list[str], env: dict[str, str], limit_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=SOURCE, env=env, capture_output=True, text=True, timeout=limit_s, check=False
    )
