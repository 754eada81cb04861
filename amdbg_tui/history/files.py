"""History files of the state folder: one for each run, the newest few kept."""

from __future__ import annotations

import os
import time
from pathlib import Path

SIDE_FILES = ("", "-wal", "-shm")


def new_history_file(folder: Path, keep: int) -> Path:
    """A path for this run, `20260402-181512-PID.db`; older files beyond `keep` are deleted.

    A file whose process still runs is left alone. Raises `OSError` when the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    old = [path for path in sorted(folder.glob("*.db"), reverse=True) if not _is_in_use(path)]
    for path in old[max(keep, 0) :]:
        for side in SIDE_FILES:
            path.with_name(path.name + side).unlink(missing_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return folder / f"{stamp}-{os.getpid()}.db"


def _is_in_use(path: Path) -> bool:
    pid = path.stem.rpartition("-")[2]
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
