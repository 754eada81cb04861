"""How panes put things into words and signs: times, ticks, trust, short ids. No colour alone ever says
something."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from amdbg_tui.history.filters import is_error_state
from amdbg_tui.history.records import PeerRecord, StateShape
from amdbg_tui.widgets.paint import clip

TRUST_SIGN = {"local": " ", "first-hand": " ", "hearsay": "~", "stale": "?", "gone": "×"}
"""One cell beside every clock: how far to trust it."""
TRUST_LOOK = {"local": "own", "first-hand": "plain", "hearsay": "hearsay", "stale": "stale", "gone": "faint"}
TRUST_WORDS = {
    "local": "your own machine",
    "first-hand": "said by its own peer",
    "hearsay": "hearsay: said by another peer only",
    "stale": "stale: news are missing",
    "gone": "gone: no more news will come",
}


def peer_sign(status: str, connected: bool) -> str:
    """`●` is said only of who is connected to us; who is heard through others is `○`."""
    return "○" if status == "joined" and not connected else PEER_SIGN.get(status, "○")


PEER_SIGN = {"self": "◆", "joined": "●", "hearsay": "○", "stale": "◐", "gone": "×"}
PEER_LOOK = {"self": "own", "joined": "inactive", "hearsay": "hearsay", "stale": "stale", "gone": "faint"}

_DIGITS = re.compile(r"(\d+)")


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts `w-2` before `w-10`."""
    return [
        (0, int(part), "") if part.isdecimal() and len(part) < 19 else (1, 0, part)
        for part in _DIGITS.split(text.casefold())
        if part
    ]


def short_id(peer_id: str) -> str:
    """A peer id as people compare them: its last eight letters, because the first ones are alike."""
    return peer_id if len(peer_id) <= 10 else f"…{peer_id[-8:]}"


def peer_title(peer: PeerRecord) -> str:
    """A peer's name, or its short id."""
    return peer.name or short_id(peer.peer_id)


def look_of_state(state: StateShape, tick: int) -> str:
    """am-dbg's colours: golden when active, greenish yellow when also multi, red for errors, else green."""
    if tick % 2 == 0:
        return "inactive"
    if is_error_state(state.name):
        return "error"
    return "multi" if state.multi else "active"


def number(value: int) -> str:
    """With thousands separators."""
    return f"{value:,}"


def clock_time(at_s: float) -> str:
    """Wall-clock time of day to the millisecond, in the time zone of this terminal."""
    whole = int(at_s)
    return f"{time.strftime('%H:%M:%S', time.localtime(whole))}.{int((at_s - whole) * 1000):03d}"


def span_words(seconds: float | None) -> str:
    """A length of time in two or three words' room: `850 µs`, `12 ms`, `3.2 s`, `4 min`, `2 h`."""
    if seconds is None:
        return "not known"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def ago(at_s: float | None, now_s: float) -> str:
    """How long ago, in words."""
    if at_s is None:
        return "never"
    passed = now_s - at_s
    if passed < 1:
        return "just now"
    return f"{int(passed)} s ago" if passed < 60 else f"{span_words(passed)} ago"


def tags_text(tags: Sequence[str], width: int = 200) -> str:
    """Tags as am-dbg writes them."""
    return clip(" ".join(f"#{tag}" for tag in tags), width)


def changes_of(
    names: Sequence[str], before: Sequence[int], after: Sequence[int]
) -> list[tuple[str, str, int]]:
    """What a clock change did: (sign, state, ticks) with sign `+` became active, `-` inactive, `·` ticked on.

    A state that was switched off and on again between two clocks ticked on by two.
    """
    found = []
    for index, tick in enumerate(after):
        earlier = before[index] if index < len(before) else 0
        if tick != earlier:
            name = names[index] if index < len(names) else f"#{index}"
            same = tick % 2 == earlier % 2
            found.append(("·" if same else "+" if tick % 2 else "-", name, tick - earlier))
    return sorted(found, key=lambda change: "+-·".index(change[0]))
