"""What the command palette finds beside commands: machines, states, peers, and records by what they say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import Hit, Hits, Provider
from textual.content import Content

from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.panes import looks, words
from amdbg_tui.panes.selection import SCHEME
from amdbg_tui.widgets.paint import text_of

if TYPE_CHECKING:
    from amdbg_tui.app import App

MACHINES_MOST, STATES_MOST, RECORDS_MOST = 2_000, 400, 8
RECORD_SCORE = 0.2


class Places(Provider):
    """Everything one can go to."""

    async def search(self, query: str) -> Hits:
        """What matches the letters typed."""
        app = cast("App", self.app)
        view, now = app.view, app.view.now
        if query.startswith(SCHEME):
            yield Hit(1.0, Content(query), lambda: app.go(query), help="Go to this address.")
            return
        matcher = self.matcher(query)

        def hit(text: str, what: str, go: Callable[[], None]) -> Hit | None:
            score = matcher.match(text)
            return Hit(score, Content(text), go, help=what) if score > 0 else None

        for machine in list(now.machines.values())[:MACHINES_MOST]:
            peer = now.peers.get(machine.key.peer_id)
            of = words.peer_title(peer.record) if peer is not None else words.short_id(machine.key.peer_id)
            key = machine.key
            if found := hit(machine.record.machine_id, f"Machine of {of}", partial(app.go_to_machine, key)):
                yield found
        for peer_id, peer in list(now.peers.items()):
            if found := hit(words.peer_title(peer.record), "Peer", partial(app.go_to_peer, peer_id)):
                yield found
        for name in (view.machine.names if view.machine is not None else ())[:STATES_MOST]:
            if found := hit(name, "State of the selected machine", partial(app.go_to_state, name)):
                yield found
        if len(query) >= 3:
            page = view.history.cursor().page(
                TransitionFilter(text=query, machines=view.exposed_machines), limit=RECORDS_MOST
            )
            for moment in reversed(page.moments):
                text = f"{words.clock_time(moment.record.at_s)} {text_of(looks.change(moment, ''))}"
                number, key = moment.number, moment.record.key
                yield Hit(
                    RECORD_SCORE, Content(text), partial(app.go_to_record, key, number),
                    help=f"Record {number:,} of {view.names_of(moment)[0]}",
                )  # fmt: skip
