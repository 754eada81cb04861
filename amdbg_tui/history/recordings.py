"""The recordings of the state folder: one for each run, what each is, and which may go to make room.

A recording is `20260402-181512-PID.db`. Beside it may lie its notes (bookmarks, whether it is pinned), a lock while a
program records into it, and SQLite's own files. Those of the newest runs stay, as many and as large as the settings
say; pinned ones stay always, and runs of a few seconds never push out a longer one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amdbg_tui.history.notes import SUFFIX, Notes
from amdbg_tui.history.recorder import LOCK_SUFFIX
from amdbg_tui.history.records import RecordClass
from amdbg_tui.history.tables import HistoryError, connect_to_read, dropped_key, format_of, read_meta

SIDE_FILES = ("", "-wal", "-shm", "-journal", LOCK_SUFFIX, SUFFIX)
SHORT_S = 30.0
"""A run that lasted less is a short one."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a recording has of one class of records."""

    records: int
    first: int
    last: int
    """Numbers of the first and last record kept."""
    bytes: int
    dropped: int
    """How many were dropped because the class reached its bound."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is known of a recording without opening it to look at."""

    path: Path
    format: int = 0
    program: str = ""
    version: str = ""
    topic: str = ""
    peer_id: str = ""
    """Of the peer that recorded."""
    start_s: float = 0.0
    end_s: float = 0.0
    """Wall-clock times, seconds since the epoch."""
    is_ended: bool = False
    """It ended in order; else it was killed, or is still going on."""
    is_recorded: bool = False
    """A program records into it right now."""
    records: int = 0
    """How many there were, ever."""
    losses: int = 0
    """Records of the class loss in it: something is missing."""
    bytes: int = 0
    pinned: bool = False
    title: str = ""
    bookmarks: int = 0
    coverage: dict[RecordClass, Coverage] = field(default_factory=dict)
    trouble: str = ""
    """Why it cannot be read; empty when it can."""

    @property
    def lasted_s(self) -> float:
        """How long it is, in seconds."""
        return max(self.end_s - self.start_s, 0.0)

    @property
    def is_short(self) -> bool:
        """It lasted a few seconds only."""
        return self.lasted_s < SHORT_S


def look_at(path: Path) -> Recording:
    """What a file is. Never fails: what is wrong with it is in `trouble`."""
    notes = Notes(path)
    size = 0
    for side in ("", "-wal"):
        with contextlib.suppress(OSError):
            size += path.with_name(path.name + side).stat().st_size
    known: dict[str, Any] = {
        "bytes": size, "pinned": notes.pinned, "title": notes.title, "bookmarks": len(notes.bookmarks),
        "is_recorded": is_in_use(path),
    }  # fmt: skip
    try:
        connection = connect_to_read(path)
    except HistoryError as error:
        return Recording(path, trouble=str(error), **known)
    try:
        version = format_of(connection)
        if version != 2:
            return _older(connection, path, version, known)
        meta = read_meta(connection)
        coverage: dict[RecordClass, Coverage] = {}
        rows = connection.execute(
            "SELECT class, sum(count), min(first), max(last), sum(size), min(at_min), max(at_max) FROM blocks"
            " GROUP BY class"
        ).fetchall()
        for kind, count, first, last, kept, _, _ in rows:
            dropped = meta.get(f"dropped.{kind}", (0, 0))[0]
            coverage[RecordClass(kind)] = Coverage(count, first, last, kept, dropped)
        for kind_ in RecordClass:
            if kind_ not in coverage and (gone := meta.get(dropped_key(kind_))):
                coverage[kind_] = Coverage(0, 0, 0, 0, gone[0])
        times = [at_s for row in rows if row[0] != RecordClass.LOSS for at_s in (row[5], row[6])]
        losses = coverage.get(RecordClass.LOSS)
        return Recording(
            path, version, str(meta.get("program", "")), str(meta.get("version", "")), str(meta.get("topic", "")),
            str(meta.get("peer_id", "")), float(meta.get("start_s", min(times, default=0.0))),
            float(meta.get("end_s", max(times, default=0.0))), bool(meta.get("ended")), records=int(meta["last"]),
            losses=losses.records if losses else 0, coverage=coverage, **known,
        )  # fmt: skip
    except (sqlite3.Error, HistoryError, ValueError, LookupError, TypeError) as error:
        return Recording(path, trouble=f"cannot read {path}: {error}", **known)
    finally:
        connection.close()


def _older(connection: sqlite3.Connection, path: Path, version: int, known: dict[str, Any]) -> Recording:
    if version != 1:
        return Recording(path, version, trouble=f"{path} is of an unknown format ({version})", **known)
    start, end, count = connection.execute(
        "SELECT min(at), max(at), count(*) FROM (SELECT at FROM transitions UNION ALL SELECT at FROM others)"
    ).fetchone()
    return Recording(path, 1, start_s=start or 0.0, end_s=end or 0.0, records=count, **known)


def recordings_in(folder: Path) -> list[Recording]:
    """All recordings of a folder, the newest first."""
    return [look_at(path) for path in sorted(folder.glob("*.db"), reverse=True)]


def find(folder: Path, name: str) -> Path:
    """A recording by path, by file name, by the beginning of it, or by title. Raises `HistoryError`."""
    path = Path(name)
    if path.exists() or os.sep in name:
        return path
    found = [path for path in sorted(folder.glob("*.db")) if path.name.startswith(name)]
    found = found or [path for path in sorted(folder.glob("*.db")) if Notes(path).title == name]
    if len(found) == 1:
        return found[0]
    if not found:
        raise HistoryError(f"there is no recording {name}: see 'ampubsub-tui recordings'")
    raise HistoryError(f"{name} may be any of {', '.join(path.name for path in found)}")


def new_recording(folder: Path, keep: int, keep_bytes: int = 0) -> Path:
    """A path for this run; what is beyond the bounds is deleted. Raises `OSError` when that cannot be.

    `keep` longer runs stay and as many short ones; `keep_bytes` is what they may take together (0: any).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in superfluous(recordings_in(folder), keep, keep_bytes):
        delete(path)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return folder / f"{stamp}-{os.getpid()}.db"


def superfluous(known: Sequence[Recording], keep: int, keep_bytes: int) -> list[Path]:
    """Which of some recordings, the newest first, may go."""
    counts = {True: 0, False: 0}
    total = 0
    found: list[Path] = []
    for one in known:
        if one.pinned or one.is_recorded:
            continue
        counts[one.is_short] += 1
        total += one.bytes
        if counts[one.is_short] > keep or (keep_bytes and total > keep_bytes and not one.is_short):
            total -= one.bytes
            found.append(one.path)
    return found


def delete(path: Path) -> None:
    """Remove a recording and all that lies beside it. Raises `OSError`."""
    for side in SIDE_FILES:
        path.with_name(path.name + side).unlink(missing_ok=True)


def is_in_use(path: Path) -> bool:
    """Whether a program records into it."""
    try:
        held = path.with_name(path.name + LOCK_SUFFIX).open("rb")
    except OSError:
        return _is_in_use_by_name(path)
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _is_in_use_by_name(path: Path) -> bool:
    """Files of format 1 have no lock, but the number of their process in their name."""
    if not path.with_name(path.name + "-wal").exists():
        return False
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
