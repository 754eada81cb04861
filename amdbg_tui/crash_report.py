"""A report of a crash, kept in the state folder for whoever is to find out why."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
import traceback
from pathlib import Path

from amdbg_tui.settings import PROGRAM

REPORTS_KEPT = 20


def write_crash_report(error: BaseException, folder: Path) -> Path | None:
    """Keep everything that helps to understand a crash; None when it cannot be written.

    The newest 20 reports stay. Values of variables are not in it, since they may be secrets.
    """
    from importlib import metadata

    versions = []
    for package in (PROGRAM, "textual", "rich", "libp2p", "trio"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{package} {metadata.version(package)}")
    text = "\n".join([
        f"{PROGRAM} crashed at {time.strftime('%Y-%m-%d %H:%M:%S %z')}",
        f"Python {platform.python_version()} on {platform.platform()}",
        ", ".join(versions),
        f"TERM={os.environ.get('TERM', '')} COLORTERM={os.environ.get('COLORTERM', '')}",
        f"threads: {', '.join(thread.name for thread in threading.enumerate())}",
        "",
        "".join(traceback.format_exception(error)),
    ])  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("crash-*.txt"))[: -(REPORTS_KEPT - 1)]:
            old.unlink(missing_ok=True)
        path = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.write_text(text, "utf-8", errors="backslashreplace")
    except OSError:
        return None
    return path
