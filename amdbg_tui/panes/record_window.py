"""A window of the recording: the matching records around the moment that is looked at, read as one moves.

At most a few thousand rows are held; those that scroll away at one end are read again when one comes back, so that any record can
be reached. A search that finds little goes on in small stretches, one a call, until it has looked at everything: "none" is said
only then.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Changes, Moment

PAGE = 300
HELD = 3_000
"""Most records held."""
STRETCH_S = 0.03
"""A search takes at most about this long at a time."""


class RecordWindow:
    """Matching records in order, with what is known of those beyond both ends."""

    def __init__(self, cursor: Callable[[], Cursor]) -> None:
        self._cursor = cursor
        self.moments: list[Moment] = []
        self.wanted = TransitionFilter()
        self.accepts: Callable[[Moment], bool] = lambda moment: True
        self.more_before = False
        """There are older records that were not looked at yet."""
        self.more_after = False
        self.version = 0
        """Grows when rows came in front or all were read anew; not with new ones at the end."""
        self.forgotten = 0
        """How many of the oldest were let go because newer ones came."""
        self._before = 0
        self._after = 0

    @property
    def is_tail(self) -> bool:
        """The newest record is in the window."""
        return not self.more_after

    @property
    def is_whole(self) -> bool:
        """All there is, is here."""
        return not self.more_before and not self.more_after

    def load(self, around: int | None) -> None:
        """Read anew: the newest records, or those on both sides of a number."""
        self.moments = []
        self.version += 1
        page = self._cursor().page(self.wanted, before=None if around is None else around + 1, limit=PAGE)
        self.moments = [moment for moment in page.moments if self.accepts(moment)]
        self._before, self.more_before = page.first, page.more
        self._after, self.more_after = page.last, False
        if around is not None:
            self._after, self.more_after = around, True
            self.newer()
        self.search_on()

    def search_on(self) -> bool:
        """Look further back while there is too little to show; True when there is still more to look at."""
        end = time.monotonic() + STRETCH_S
        while self.more_before and len(self.moments) < PAGE // 3 and time.monotonic() < end:
            self.older()
        return self.more_before and len(self.moments) < PAGE // 3

    def older(self) -> int:
        """Read one page of older records; how many came."""
        if not self.more_before:
            return 0
        page = self._cursor().page(self.wanted, before=self._before, limit=PAGE)
        found = [moment for moment in page.moments if self.accepts(moment)]
        self._before, self.more_before = page.first, page.more
        if found:
            self.moments[:0] = found
            self.version += 1
            if len(self.moments) > HELD:
                del self.moments[HELD:]
                self._after, self.more_after = self.moments[-1].number, True
        return len(found)

    def newer(self) -> int:
        """Read one page of newer records; how many came."""
        if not self.more_after:
            return 0
        page = self._cursor().page(self.wanted, after=self._after, limit=PAGE)
        found = [moment for moment in page.moments if self.accepts(moment)]
        self._after, self.more_after = page.last, page.more
        if found:
            self.moments += found
            self._forget_oldest()
        return len(found)

    def take(self, changes: Changes) -> None:
        """New records: those that are wanted come at the end, when the end is in the window."""
        if changes.rebuilt or changes.gap:
            if self.is_tail:
                self.load(None)
            return
        if not self.is_tail:
            return
        wanted, accepts = self.wanted, self.accepts
        found = [
            moment
            for moment in changes.transitions
            if moment.number > self._after
            and wanted.matches(moment.record, moment.names, moment.changed)
            and accepts(moment)
        ]
        if changes.transitions:
            self._after = max(self._after, changes.transitions[-1].number)
        if found:
            self.moments += found
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        if len(self.moments) > HELD + PAGE:
            self.forgotten += len(self.moments) - HELD
            del self.moments[: len(self.moments) - HELD]
            self._before, self.more_before = self.moments[0].number, True

    def index_at(self, number: int) -> int:
        """The last record up to a number; -1 when all are newer."""
        low, high = 0, len(self.moments)
        while low < high:
            middle = (low + high) // 2
            if self.moments[middle].number <= number:
                low = middle + 1
            else:
                high = middle
        return low - 1

    def covers(self, number: int) -> bool:
        """Whether the nearest record at or before a number is certainly in the window."""
        if not self.moments:
            return self.is_whole
        return (number >= self.moments[0].number or not self.more_before) and (
            number <= self.moments[-1].number or not self.more_after
        )
