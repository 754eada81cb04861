"""One peer in detail: where it is, how it is reached, what came and went, what was dropped and why."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from amdbg_tui.history.live import Live, LivePeer
from amdbg_tui.history.records import PeerDetailRecord
from amdbg_tui.panes import words
from amdbg_tui.panes.pane import Pane
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.paint import Row, Span, wrap

LABEL_CELLS = 14
STATUS_WORDS = {
    "self": "you",
    "joined": "connected, on the topic",
    "relayed": "on the topic, heard through others: not connected to us",
    "hearsay": "known through others only",
    "stale": "out of reach for a short while",
    "gone": "gone",
}


VERDICT_LOOKS = {
    "alive": "active",
    "doubted": "stale",
    "cut off": "stale",
    "crashed": "error",
    "expelled": "error",
}
"""How the verdict on a peer's life looks; all others grey."""


class PeerPane(Pane):
    """The selected peer."""

    pane_name = "peer"
    hints = ("copy", "copy.address", "peer.mute", "peer.hide", "peer.cut_off", "pane.peer")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.rows: list[Row] = []
        self._peer_id = ""
        self._values: dict[int, str] = {}
        """By row: the value it belongs to."""

    @property
    def is_wanted(self) -> bool:
        """While a peer is looked at as a whole."""
        return self.view.machine_key is None

    def show(self, now: Live) -> None:
        """The selected peer as of the moment."""
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

    def action_turn(self) -> None:
        """The peer as a whole, or the first of its machines again."""
        view = self.view
        if view.machine_key is not None:
            view.select_machine(None, view.machine_key.peer_id)
            self.changed()
            self.post_message(self.Wants("pane('peer')"))
            return
        machines = [machine for machine in view.now.machines_of(view.peer_id) if not machine.is_topic]
        if machines:
            view.select_machine(machines[0].key)
            self.changed()
            self.post_message(self.Wants("pane('states')"))

    def row_count(self) -> int:
        """Lines of text."""
        return len(self.rows)

    def row_version(self, index: int) -> Hashable:
        """The text itself."""
        return tuple(self.rows[index])

    def build_row(self, index: int, width: int) -> Row:
        """One line."""
        return self.rows[index]

    @property
    def shows_cursor(self) -> bool:
        """Only while it is read."""
        return self.has_focus

    def _fact(self, label: str, value: Sequence[Span] | str) -> list[Row]:
        spans: list[Span] = [(value, "bright")] if isinstance(value, str) else list(value)
        width = max(LABEL_CELLS + 10, self.size.width - 1)
        rows = wrap([(label.ljust(LABEL_CELLS), "grey"), *spans], width, " " * LABEL_CELLS)
        whole = "".join(text for text, _ in spans).strip()
        self._values |= {id(row): whole for row in rows}
        return rows

    def _life(self, detail: PeerDetailRecord) -> list[Row]:
        """Does it live, why we think so, and who says so."""
        if not detail.verdict:
            return []
        rows = self._fact("life", [(detail.verdict, VERDICT_LOOKS.get(detail.verdict, "grey"))])
        if detail.verdict_reason:
            rows += self._fact("", [(detail.verdict_reason, "grey")])
        if detail.witnesses:
            rows += self._fact("seen by", ", ".join(map(self._called, detail.witnesses)))
        elif detail.verdict != "alive":
            rows += self._fact("seen by", [("nobody now", "grey")])
        return rows

    def _called(self, peer_id: str) -> str:
        peer = self.view.now.peers.get(peer_id)
        if peer is not None and peer.record.status == "self":
            return "us"
        return (peer.record.name if peer is not None else "") or f"…{peer_id[-8:]}"

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
        machines = self.view.now.machines_of(record.peer_id)
        exposed = sum(1 for machine in machines if not machine.is_topic and machine.record.source != "gone")
        rows += self._fact("machines", f"{exposed} exposed")
        if detail is None and record.status == "self":
            connection = self.view.now.connection
            rows.append([])
            rows += self._own_addresses(connection.addresses if connection is not None else ())
            return rows
        if detail is None:
            rows.append([])
            rows += self._fact("", [("The transport has told nothing about this peer yet.", "grey")])
            return rows
        rows.append([])
        if record.status == "self":
            rows += self._own_addresses(detail.addresses)
        else:
            for place, address in enumerate(detail.addresses or ("not known",)):
                whole = (
                    address
                    if "/p2p/" in address or not detail.addresses
                    else f"{address}/p2p/{record.peer_id}"
                )
                rows += self._fact("addresses" if place == 0 else "", whole)
            rows += self._way(peer)
        if record.status != "self":
            rows += self._life(detail)
            if detail.how_found:
                rows += self._fact("found", detail.how_found)
            rows += self._fact("transport", detail.transport or [("not connected", "grey")])
            rows += self._fact("round trip", words.span_words(detail.round_trip_s))
            rows += self._fact("last heard", words.ago(detail.last_heard_s, self.view.wall_s))
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

    def _own_addresses(self, addresses: Sequence[str]) -> list[Row]:
        """Where others reach us, as a line they can paste."""
        if not addresses:
            return self._fact("addresses", [("none: nobody can dial us; start with --listen", "grey")])
        rows: list[Row] = []
        for place, address in enumerate(addresses):
            rows += self._fact("addresses" if place == 0 else "", address)
        rows += self._fact("join us with", join_line(addresses, self.view.peer_id))
        return [*rows, *self._fact("", [("f2 copies that line", "grey")])]

    def _way(self, peer: LivePeer) -> list[Row]:
        """Through whom it is heard, and how much it sends."""
        rows: list[Row] = []
        through = peer.detail.through if peer.detail is not None else ""
        if through:
            other = self.view.now.peers.get(through)
            rows += self._fact(
                "heard through", words.peer_title(other.record) if other else words.short_id(through)
            )
        floods = self.view.floods
        if self.view.is_live and peer.record.peer_id in floods.rates:
            came, dropped = floods.rates[peer.record.peer_id]
            look = "error bold" if floods.floods(peer.record.peer_id) else "bright"
            words_of = f"{came:.1f} messages a second, {dropped:.1f} of them dropped"
            rows += self._fact("sends", [(words_of, look)])
            if look != "bright":
                rows += self._fact("", [("it floods: alt+d hides it, f9 mutes it, f10 cuts it off", "error")])
        if peer.detail is not None and peer.detail.muted:
            rows += self._fact("muted", [("yes: no news are taken from it", "stale")])
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


def join_line(addresses: Sequence[str], peer_id: str) -> str:
    """The command with which others join us, whole."""
    address = next((one for one in addresses if "/quic" in one), addresses[0]) if addresses else ""
    if address and "/p2p/" not in address:
        address += f"/p2p/{peer_id}"
    return f"ampubsub-tui join {address}" if address else ""
