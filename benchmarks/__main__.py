"""`python -m benchmarks`: every benchmark, one after the other, each in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

BENCHMARKS = (
    "machine",
    "wire",
    "transport",
    "discovery",
    "peer",
    "history",
    "answers",
    "telemetry",
    "tui",
)


def main() -> int:
    """Run them all; the exit status counts those that failed."""
    failed = 0
    for name in BENCHMARKS:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            continue
        print(f"\n== {name} ==", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
