"""One peer in detail: where it is, how it is reached, what came and went, what was dropped and why."""

from __future__ import annotations

from collections.abc import Sequence

from amdbg_tui.history.live import LivePeer
from amdbg_tui.panes import words
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row, Span, wrap
from amdbg_tui.widgets.text_list import TextList

LABEL_CELLS = 14
STATUS_WORDS = {
    "self": "you",
    "joined": "connected, on the topic",
    "relayed": "on the topic, heard through others: not connected to us",
    "hearsay": "known through others only",
    "stale": "out of reach for a short while",
    "gone": "gone",
}


class PeerPane(TextList):
    """The selected peer."""

    DEFAULT_CSS = """
    PeerPane { border: solid $frame; }
    PeerPane:focus { border: double $frame-focused; }
    """

    def __init__(self, view: View) -> None:
        super().__init__(id="peer")
        self.view = view
        self._peer_id = ""
        self._values: dict[int, str] = {}
        """By row: the value it belongs to."""

    def update(self) -> None:
        """Show the selected peer as it is now."""
        peer = self.view.peer
        if peer is None:
            self.rows = [[("no peer is selected", "grey")]]
            self.set_title("Peer")
        else:
            self._values = {}
            self.rows = self._build(peer)
            self.set_title(f"Peer · {words.peer_title(peer.record)}")
            if peer.record.peer_id != self._peer_id:
                self._peer_id = peer.record.peer_id
                self.cursor = 0
        self.sync()

    def _fact(self, label: str, value: Sequence[Span] | str) -> list[Row]:
        spans: list[Span] = [(value, "bright")] if isinstance(value, str) else list(value)
        width = max(LABEL_CELLS + 10, self.size.width - 1)
        rows = wrap([(label.ljust(LABEL_CELLS), "grey"), *spans], width, " " * LABEL_CELLS)
        whole = "".join(text for text, _ in spans).strip()
        self._values |= {id(row): whole for row in rows}
        return rows

    def _build(self, peer: LivePeer) -> list[Row]:
        record, detail = peer.record, peer.detail
        look = words.PEER_LOOK.get(record.status, "plain")
        connected = detail is not None and bool(detail.transport)
        sign = words.peer_sign(record.status, connected)
        status = "relayed" if record.status == "joined" and not connected else record.status
        rows: list[Row] = []
        rows += self._fact("status", [(f"{sign} {STATUS_WORDS.get(status, status)}", look)])
        if record.reason:
            rows += self._fact("", [(record.reason, "grey")])
        rows += self._fact("name", record.name or [("none given", "grey")])
        rows += self._fact("peer id", record.peer_id)
        machines = self.view.live.machines_of(record.peer_id)
        exposed = sum(1 for machine in machines if not machine.is_topic and machine.record.source != "gone")
        rows += self._fact("machines", f"{exposed} exposed")
        if detail is None and record.status == "self":
            connection = self.view.live.connection
            rows.append([])
            for place, address in enumerate(connection.addresses if connection is not None else ()):
                rows += self._fact("addresses" if place == 0 else "", address)
            return rows
        if detail is None:
            rows.append([])
            rows += self._fact("", [("The transport has told nothing about this peer yet.", "grey")])
            return rows
        rows.append([])
        for place, address in enumerate(detail.addresses or ("not known",)):
            rows += self._fact("addresses" if place == 0 else "", address)
        rows += self._fact("transport", detail.transport or [("not connected", "grey")])
        if detail.how_found:
            rows += self._fact("found", detail.how_found)
        if record.status != "self":
            rows += self._fact("round trip", words.span_words(detail.round_trip_s))
            rows += self._fact("last heard", words.ago(detail.last_heard_s, self.view.now()))
        rows += self._fact("agent", detail.agent or [("not known", "grey")])
        rows += self._fact("gossipsub", detail.gossipsub or [("not known", "grey")])
        if record.status != "self":
            mesh: list[Span] = (
                [("in our mesh", "inactive")] if detail.in_mesh else [("not in our mesh", "grey")]
            )
            rows += self._fact("mesh", mesh)
        rows += self._messages(dict(detail.messages_in), dict(detail.messages_out))
        rows.append([])
        if not detail.dropped:
            rows += self._fact("dropped", [("nothing", "grey")])
        for place, (reason, count) in enumerate(detail.dropped):
            row: list[Span] = [(f"{count:>7,}  ", "error"), (reason, "plain")]
            rows += self._fact("dropped" if place == 0 else "", row)
        return rows

    def _messages(self, came: dict[str, int], went: dict[str, int]) -> list[Row]:
        rows: list[Row] = [[], [("messages".ljust(LABEL_CELLS), "grey"), (f"{'in':>7} {'out':>7}", "grey")]]
        for kind in sorted({*came, *went}):
            counts = f"{came.get(kind, 0):>7,} {went.get(kind, 0):>7,}"
            rows.append([(f"  {kind}".ljust(LABEL_CELLS), "plain"), (counts, "bright")])
        if len(rows) == 2:
            rows.append([("".ljust(LABEL_CELLS), "grey"), ("      none yet", "grey")])
        return rows

    def row_text(self, index: int) -> str:
        """Copied: the whole value without its label, however many rows it is broken into."""
        return self._values.get(id(self.rows[index]), super().row_text(index).strip())

    def resized(self) -> None:
        """Lines are broken anew."""
        self.update()
