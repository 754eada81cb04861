"""`python -m tests.conformance FILE...`: replay files of rows, end with `N passed, M failed`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.rows import VECTORS, replay_file


def main(arguments: list[str]) -> int:
    """Replay the named files, or all that come with the project. 0 when every row holds."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print("usage: python -m tests.conformance [FILE.jsonl | FILE.jsonl.gz]...")
        return 0
    files = [Path(argument) for argument in arguments] or sorted(VECTORS.glob("*.jsonl.gz"))
    passed = failed = 0
    for file in files:
        try:
            outcomes = list(replay_file(file))
        except (OSError, ValueError) as error:
            print(f"{file}: cannot be read: {error}", file=sys.stderr)
            return 2
        bad = [outcome for outcome in outcomes if outcome.problem]
        deviating = [outcome for outcome in outcomes if outcome.deviation]
        passed += len(outcomes) - len(bad)
        failed += len(bad)
        print(f"{file.name}: {len(outcomes) - len(bad)} of {len(outcomes)} rows hold")
        for outcome in deviating:
            print(f"  deviates by design: {outcome.name}: {outcome.deviation}")
        for outcome in bad[:20]:
            print(f"  FAILED {outcome.name}: {outcome.problem}")
        if len(bad) > 20:
            print(f"  ... and {len(bad) - 20} more")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
