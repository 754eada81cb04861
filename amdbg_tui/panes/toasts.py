"""Which notices become toasts: never more than a few at a time, what is left summed up in one of them.

Notices may come by the thousand (a peer whose 256 machines restart, an attacker); a toast costs the screen
milliseconds and covers what the person looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amdbg_tui.history.records import NoticeRecord

MOST_AT_ONCE = 3
"""Toasts on the screen at a time."""
RANK = {"error": 0, "warning": 1}


@dataclass(frozen=True, slots=True)
class Toast:
    """One message in the corner."""

    text: str
    severity: str
    """information, warning or error."""


class Toasts:
    """Turns notices into toasts. `shown` says how many are on the screen now."""

    def __init__(self, shown: Callable[[], int], name_of: Callable[[str], str]) -> None:
        """`name_of` gives a peer's name for its id, as it may be shown."""
        self._shown = shown
        self._name_of = name_of
        self._waiting: dict[str, tuple[NoticeRecord, int]] = {}
        """By peer (or by text, when it is of no peer): the first notice that waits, and how many there are."""

    @property
    def waiting(self) -> int:
        """Notices that have not been shown yet."""
        return sum(count for _, count in self._waiting.values())

    def take(self, notices: Sequence[NoticeRecord]) -> None:
        """Notices came."""
        for notice in notices:
            about = notice.peer_id or notice.text
            first, count = self._waiting.get(about, (notice, 0))
            if RANK.get(notice.severity, 2) < RANK.get(first.severity, 2):
                first = notice
            self._waiting[about] = (first, count + 1)

    def next(self) -> list[Toast]:
        """What to show now; what there is no room for waits, and is summed up by the next call."""
        room = MOST_AT_ONCE - self._shown()
        if room <= 0 or not self._waiting:
            return []
        found = sorted(self._waiting.values(), key=lambda each: RANK.get(each[0].severity, 2))
        self._waiting = {}
        alone = found if len(found) <= room else found[: room - 1]
        toasts = [Toast(self._text(notice, count), _severity(notice)) for notice, count in alone]
        if left := found[len(alone) :]:
            total = sum(count for _, count in left)
            example = left[0][0]
            toasts.append(Toast(f"{total:,} more notices, such as: {example.text}", _severity(example)))
        return toasts

    def _text(self, notice: NoticeRecord, count: int) -> str:
        if count == 1:
            return notice.text
        of = f" of {self._name_of(notice.peer_id)}" if notice.peer_id else ""
        return f"{notice.text} · and {count - 1:,} more{of}"


def _severity(notice: NoticeRecord) -> str:
    return notice.severity if notice.severity in RANK else "information"
