"""Builds small Go programs that tests talk to, once per checkout.

The result lies in `bin/` beside the source's folder, with a stamp of what it was made from, so that a second run, or a
second pytest-xdist worker, finds it. `GoUnavailableError` means that Go or its modules cannot be had here; a program
that does not compile is a plain error.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

DOWNLOAD_S = 300.0
BUILD_S = 600.0


class GoUnavailableError(Exception):
    """Go, its toolchain or a module cannot be had on this machine; the text says which."""


def go_program(
    source: Path, name: str, files: Sequence[Path], *, toolchain: str, flags: Sequence[str] = ()
) -> Path:
    """Path of the program made from the folder `source`, built when it is missing or one of `files` changed."""
    go = shutil.which("go")
    if go is None:
        raise GoUnavailableError("no `go` command on the PATH")
    made_in = source.parent / "bin"
    binary = made_in / name
    stamp = made_in / f"{name}.stamp"
    made_in.mkdir(exist_ok=True)
    with _locked(made_in / ".lock"):
        made_from = _fingerprint(files)
        if not (binary.exists() and stamp.exists() and stamp.read_text() == made_from):
            _build(go, source, binary, toolchain, ["-mod=readonly", *flags])
            stamp.write_text(made_from)
    return binary


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _build(go: str, source: Path, binary: Path, toolchain: str, flags: list[str]) -> None:
    env = {**os.environ, "GOTOOLCHAIN": toolchain, "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}

    def run(command: list[str], limit_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=source, env=env, capture_output=True, text=True, timeout=limit_s, check=False
        )

    try:
        listed = run([go, "list", *flags, "-deps", "."], DOWNLOAD_S)
    except subprocess.TimeoutExpired:
        raise GoUnavailableError(
            f"the modules of {binary.name} did not come within {DOWNLOAD_S:.0f} s"
        ) from None
    if listed.returncode:
        last = (listed.stderr.strip().splitlines() or ["no output"])[-1]
        raise GoUnavailableError(f"the modules of {binary.name} cannot be had: {last}")
    made = binary.with_suffix(".new")
    built = run([go, "build", *flags, "-trimpath", "-ldflags=-s -w", "-o", str(made), "."], BUILD_S)
    if built.returncode:
        raise RuntimeError(f"{binary.name} does not build:\n{built.stderr}")
    made.replace(binary)
