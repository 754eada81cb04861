"""A stream of records that a pane shows: what it is of, the newest page, older ones when asked, and the
tail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Changes, Moment

if TYPE_CHECKING:
    from amdbg_tui.panes.view import View

SCOPES = ("machine", "peer", "all")


class Stream:
    """Matching transitions in order. While nobody looks it takes nothing in, and reads anew when looked
    at."""

    def __init__(
        self, view: View, cursor: Cursor, scope: str, *, page: int = 200, limit: int = 2_000
    ) -> None:
        """`page` records are read at a time; following keeps `limit`, scrolling back at most four times
        that."""
        self.view = view
        self.scope = scope
        self.page = page
        self.limit = limit
        self.moments: list[Moment] = []
        self.complete = False
        """No older ones exist."""
        self.missed = 0
        """How many came while frozen."""
        self.rebuilt_version = 0
        """Grows when rows were read anew, not only added at the end."""
        self.looked_at = False
        self._cursor = cursor
        self._first = 0

    @property
    def wanted(self) -> TransitionFilter:
        """Scope and filters as one filter of the history."""
        view = self.view
        machines, peers = None, None
        if self.scope == "machine" and view.machine_key is not None:
            machines = frozenset({view.machine_key})
        elif self.scope != "all" and view.peer_id:
            peers = frozenset({view.peer_id})
        if self.names_machines and not view.shows["topic"]:
            machines = view.exposed_machines
        return TransitionFilter(
            machines=machines,
            peers=peers,
            states=frozenset({view.state}) if view.only_state and view.state else frozenset(),
            text=view.log_text,
            accepted=None if view.shows["canceled"] else True,
            auto=None if view.autos.strip() else False,
            check=None if view.shows["checks"] else False,
        )

    @property
    def names_machines(self) -> bool:
        """Whether rows of several machines may come, so that each must say whose it is."""
        return self.scope != "machine" or self.view.machine_key is None

    @property
    def scope_words(self) -> str:
        """What it is of, for a title."""
        view = self.view
        if self.scope == "machine" and view.machine is not None:
            return view.machine.record.machine_id
        if self.scope != "all" and view.peer is not None:
            return view.peer.record.name or f"…{view.peer.record.peer_id[-8:]}"
        return "everything"

    def next_scope(self) -> None:
        """This machine, its peer, everything."""
        self.scope = SCOPES[(SCOPES.index(self.scope) + 1) % len(SCOPES)]
        self.reload()

    def look(self, on: bool) -> None:
        """The pane is seen, or not any more."""
        if on and not self.looked_at:
            self.looked_at = True
            self.reload()
        self.looked_at = on

    def reload(self) -> None:
        """Read the newest page again."""
        if not self.looked_at:
            return
        page = self._cursor.page(self.wanted, limit=self.page)
        self.moments = list(page.moments)
        self._first, self.complete = page.first, not page.more
        self.missed = 0
        self.rebuilt_version += 1

    def load_older(self) -> int:
        """Read one page before the oldest; how many came."""
        if self.complete or len(self.moments) >= 4 * self.limit:
            return 0
        page = self._cursor.page(self.wanted, before=self._first, limit=self.page)
        self._first, self.complete = page.first, not page.more
        if page.moments:
            self.moments[:0] = page.moments
            self.rebuilt_version += 1
        return len(page.moments)

    def take(self, changes: Changes) -> None:
        """New records: those that are wanted come at the end, or are counted while frozen."""
        if not self.looked_at:
            return
        if changes.rebuilt:
            if self.view.following:
                self.reload()
            return
        wanted = self.wanted
        names = self.view.live.names_of
        found = [
            moment
            for moment in changes.transitions
            if wanted.matches(moment.record, names(moment.record.key), moment.changed)
        ]
        if not self.view.following:
            self.missed += len(found)
            return
        self.moments += found
        if len(self.moments) > self.limit + self.page:
            del self.moments[: len(self.moments) - self.limit]
            self._first, self.complete = self.moments[0].number, False
            self.rebuilt_version += 1
