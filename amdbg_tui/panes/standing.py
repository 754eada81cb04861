"""How our own peer stands, when that is all there is to see: starting, connecting, failed, topics to choose
from ...

Each state of affairs has its own clear screen: what is happening, why, and what to try.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from textual.message import Message

from amdbg_tui.history.live import Live
from amdbg_tui.history.records import PROGRAMS_PEER
from amdbg_tui.panes.peer import join_line
from amdbg_tui.widgets.paint import Row, width_of, wrap
from amdbg_tui.widgets.text_list import TextList

TEXT_CELLS = 76


@dataclass(frozen=True)
class Standing:
    """What to say."""

    kind: str
    """starting, connecting, joining, topics, failed, closed, alone, empty, listening."""
    title: str
    look: str
    sentences: tuple[str, ...]
    hints: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


def standing_of(live: Live, *, recorded: bool = False) -> Standing | None:
    """The screen for how things stand; None when there are machines to look at.

    `recorded`: nobody takes part any more, so what was recorded is worth looking at whatever the connection came to.
    """
    if recorded and any(not machine.is_topic for machine in live.machines.values()):
        return None
    connection = live.connection
    phase = connection.phase if connection is not None else "starting"
    detail = connection.detail if connection is not None else ""
    others = [peer for peer in live.peers.values() if peer.record.status not in ("self", "gone")]
    exposed = any(
        not machine.is_topic and (machine.record.source != "gone" or machine.key.peer_id == PROGRAMS_PEER)
        for machine in live.machines.values()
    )
    topic = f"“{connection.topic}”" if connection is not None and connection.topic else ""
    if connection is not None and connection.topics_offered and phase not in ("joined", "leaving", "closed"):
        return Standing(
            "topics",
            "Which topic?",
            "active",
            ("The peer you dialled speaks of several topics. Choose one with Enter.",),
            topics=connection.topics_offered,
        )
    if phase == "starting":
        return Standing("starting", "Starting …", "active", (detail or "Your peer is being started.",))
    if phase == "connecting":
        return Standing("connecting", "Connecting …", "active", (detail or "Waiting for an answer.",), _LEAVE)
    if phase == "failed":
        sentences = tuple(detail.split("\n")) if detail else ("The connection failed.",)
        return Standing("failed", "Not connected", "error", sentences, _LEAVE)
    if phase == "joining" and not others:
        return Standing(
            "joining", f"Joining {topic} …", "active", (detail or "Connected. Waiting to be let in.",), _LEAVE
        )
    if phase in ("leaving", "closed"):
        return Standing(
            "closed", "Leaving" if phase == "leaving" else "Left", "grey", (detail or "Bye was said.",)
        )
    if phase != "joined" or exposed:
        return None
    if connection is not None and connection.peer_id == PROGRAMS_PEER:
        return Standing(
            "listening",
            "Waiting for programs",
            "active",
            (f"{detail[:1].upper()}{detail[1:]}.",),
            ("What they tell: each transition with its steps, handlers, log and arguments.",),
        )
    if not others:
        addresses = connection.addresses if connection is not None else ()
        return Standing(
            "alone",
            f"Alone on {topic}",
            "stale",
            ("You have joined, and nobody else is here yet. Others show up by themselves when they come.",),
            (
                "Others join you with this line; f2 copies it:",
                join_line(addresses, connection.peer_id if connection is not None else ""),
            )
            if addresses
            else ("Nobody can dial you: start with --listen ADDRESS for others to come.",),
        )
    count = len(others)
    return Standing(
        "empty",
        f"Nobody exposes anything on {topic}",
        "stale",
        (
            f"{count} peer{'s are' if count > 1 else ' is'} here, but none has shown a machine so far. "
            "Machines show up by themselves when they are exposed.",
        ),
        (
            "Esc shows the peers and their own topic machines.",
            "To expose one yourself: ampubsub-tui join ADDRESS --expose FILE",
        ),
    )


_LEAVE = ("Esc shows what there is so far, ctrl+q leaves.",)


def banner_of(live: Live) -> Row | None:
    """One line above the panes, when the machines are there but something is wrong with our own
    connection."""
    connection = live.connection
    if connection is None or connection.phase in ("joined", "closed"):
        return None
    looks = {"reconnecting": "stale", "failed": "error"}
    look = looks.get(connection.phase, "active")
    words = {
        "reconnecting": "Reconnecting: what you see may be out of date",
        "failed": "Not connected",
        "leaving": "Leaving",
    }.get(connection.phase, f"{connection.phase.capitalize()} …")
    detail = connection.detail.replace("\n", " ")
    return [(f" ◐ {words}", f"bold {look}"), (f" · {detail}" if detail else "", "plain")]


class StandingPane(TextList):
    """A few sentences in the middle of the screen; topics to choose from are rows for the cursor."""

    DEFAULT_CSS = """
    StandingPane { border: solid $frame; }
    StandingPane:focus { border: double $frame-focused; }
    """

    @dataclass
    class Chosen(Message):
        """A topic was chosen."""

        topic: str

    def __init__(self) -> None:
        super().__init__(id="standing")
        self.standing: Standing | None = None
        self._topic_at: dict[int, str] = {}
        self._made_for: Hashable = None

    def show(self, standing: Standing) -> None:
        """Say this."""
        made_for = (standing, self.size)
        if made_for == self._made_for:
            return
        chosen = self._topic_at.get(self.cursor)
        self._made_for = made_for
        self.standing = standing
        self._build(standing)
        places = {topic: place for place, topic in self._topic_at.items()}
        self.cursor = places.get(chosen or "", min(self._topic_at, default=0))
        self.set_title("")
        self.rebuilt()

    def _build(self, standing: Standing) -> None:
        width = min(TEXT_CELLS, max(20, self.size.width - 4))
        rows: list[Row] = [[(standing.title, f"bold {standing.look}")], []]
        for sentence in standing.sentences:
            rows += wrap([(sentence, "plain")], width)
        rows.append([])
        topics = {}
        for topic in standing.topics:
            topics[len(rows)] = topic
            rows.append([("  # ", "faint"), (topic, "bright bold")])
        for hint in standing.hints:
            command = hint.startswith("ampubsub-tui ")  # to be copied: whole, where the screen is wide enough
            rows += wrap(
                [(hint, "bright" if command else "grey")],
                max(width, self.size.width - 2) if command else width,
            )
        top = max(0, (self.size.height - len(rows)) // 3)
        wide = max((width_of(row) for row in rows), default=0)
        left = " " * max(1, (self.size.width - wide) // 2)
        self._topic_at = {place + top: topic for place, topic in topics.items()}
        self.rows = [[] for _ in range(top)] + [[(left, "plain"), *row] for row in rows]

    @property
    def shows_cursor(self) -> bool:
        """Only where there is something to choose."""
        return bool(self._topic_at)

    def action_cursor(self, by: int) -> None:
        """The cursor moves among the topics."""
        if not self._topic_at:
            return
        places = sorted(self._topic_at)
        at = places.index(self.cursor) if self.cursor in places else 0
        self.go(places[max(0, min(len(places) - 1, at + by))])

    def action_open(self) -> None:
        """Choose the topic under the cursor."""
        topic = self._topic_at.get(self.cursor)
        if topic is not None:
            self.post_message(self.Chosen(topic))

    def resized(self) -> None:
        """Lines are broken anew."""
        if self.standing is not None:
            self.show(self.standing)
