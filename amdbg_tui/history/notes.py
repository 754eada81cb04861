"""Bookmarks of a recording, and whether it is kept for good: a small JSON file beside it, `NAME.notes.json`.

The recording itself is never changed by looking at it; notes may be written even while another process
records. A file that cannot be read counts as empty and is left alone until something is noted.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIX = ".notes.json"


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A note at a record."""

    number: int
    """Of the record it is at."""
    text: str
    at_s: float = 0.0
    """Wall-clock time of the record, seconds since the epoch."""


class Notes:
    """The notes of one recording; with no path they live in memory only."""

    def __init__(self, recording: Path | None) -> None:
        self.path = None if recording is None else recording.with_name(recording.name + SUFFIX)
        self.bookmarks: list[Bookmark] = []
        """In the order of their numbers."""
        self.pinned = False
        """Never deleted to make room for newer recordings."""
        self.title = ""
        """What the person calls this recording."""
        self._read()

    def add(self, number: int, text: str, at_s: float) -> Bookmark:
        """Put a bookmark at a record, in place of one that is there. Raises `OSError` when it cannot be kept."""
        mark = Bookmark(number, " ".join(text.split()), at_s)
        self.bookmarks = sorted(
            [*(other for other in self.bookmarks if other.number != number), mark],
            key=lambda other: other.number,
        )
        self.save()
        return mark

    def remove(self, number: int) -> bool:
        """Take a bookmark away; False when there is none. Raises `OSError`."""
        left = [mark for mark in self.bookmarks if mark.number != number]
        found = len(left) < len(self.bookmarks)
        self.bookmarks = left
        if found:
            self.save()
        return found

    def pin(self, on: bool) -> None:
        """Keep this recording, or no longer. Raises `OSError`."""
        self.pinned = on
        self.save()

    def save(self) -> None:
        """Write the file as a whole: it is either the old one or the new one. Raises `OSError`."""
        if self.path is None:
            return
        content = {
            "pinned": self.pinned,
            "title": self.title,
            "bookmarks": [[mark.number, mark.text, mark.at_s] for mark in self.bookmarks],
            "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")
        fresh.replace(self.path)

    def _read(self) -> None:
        if self.path is None:
            return
        content: Any = None
        with contextlib.suppress(OSError, ValueError):
            content = json.loads(self.path.read_text("utf-8"))
        if not isinstance(content, dict):
            return
        self.pinned = content.get("pinned") is True
        self.title = str(content.get("title") or "")
        for item in content.get("bookmarks") or ():
            with contextlib.suppress(TypeError, ValueError):
                number, text, at_s = item
                self.bookmarks.append(Bookmark(int(number), str(text), float(at_s)))
        self.bookmarks.sort(key=lambda mark: mark.number)
