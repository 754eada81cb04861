"""Accounts: what neighbours bring and authors say, and what we may say ourselves. Pure.

Identities are free, connections are not: what comes in is charged to the neighbour that brought it, in messages and
bytes, before anything is decoded. While there is plenty everybody has what it needs; when it gets scarce, each
neighbour that brings much is held to an equal share, so that none can take what the others need.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from ampubsub.topic.constants import BYTES_IN_TOTAL, REMEMBERED, WINDOW_S


class SlidingWindow:
    """Counts events of the last `window_s` seconds. Times never decrease."""

    __slots__ = ("_times", "window_s")

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._times: deque[float] = deque()

    def count(self, now: float) -> int:
        """How many events lie in the window that ends now."""
        times = self._times
        while times and times[0] <= now - self.window_s:
            times.popleft()
        return len(times)

    def add(self, now: float) -> None:
        """Count one event."""
        self._times.append(now)

    def allow(self, now: float, limit: int) -> bool:
        """Count one event if fewer than `limit` lie in the window; say whether."""
        if self.count(now) >= limit:
            return False
        self.add(now)
        return True

    def wait(self, now: float, limit: int) -> float:
        """Seconds until fewer than `limit` events lie in the window; 0 when that is so already."""
        over = self.count(now) - limit
        if over < 0:
            return 0.0
        if limit <= 0:
            return self.window_s
        return max(0.0, self._times[over] + self.window_s - now)


class SendBudget:
    """When the next message of ours may go.

    Two rules: never more than `own` messages in a window; and when all peers together send more than
    `topic` in a window, none of us more than its fair share of it (at least one). Of these shares `changes` messages
    are kept for what changed here, so that a burst of hellos does not hold back a clock.
    """

    def __init__(self, window_s: float, own: int, topic: int, changes: int = 0) -> None:
        self.own = own
        self.topic = topic
        self.changes = changes
        self._sent = SlidingWindow(window_s)
        self._all = SlidingWindow(window_s)
        self._changes = SlidingWindow(window_s)

    def sent(self, now: float) -> None:
        """We published one message."""
        self._sent.add(now)
        self._all.add(now)

    def heard(self, now: float) -> None:
        """Somebody else published one message."""
        self._all.add(now)

    def change_sent(self, now: float) -> None:
        """One of the messages that we published told of a change of ours."""
        self._changes.add(now)

    def wait(self, now: float, peers: int, *, for_change: bool = False) -> float:
        """Seconds until the next message may go. `peers`: how many take part, with ourselves.

        `for_change`: the message tells of a change of ours.
        """
        limit = self.own
        if self._all.count(now) >= self.topic:
            limit = min(limit, max(1, self.topic // max(1, peers)))
        wait = self._sent.wait(now, limit)
        if wait and for_change:
            kept = max(self._sent.wait(now, self.own), self._changes.wait(now, self.changes))
            return min(wait, kept)
        return wait


class _Used:
    """What was used lately: it fades, by half in about a window."""

    __slots__ = ("at_s", "bytes", "messages")

    def __init__(self, now: float) -> None:
        self.at_s, self.messages, self.bytes = now, 0.0, 0.0

    def fade(self, now: float) -> None:
        """Let time pass."""
        left = max(0.0, 1.0 - (now - self.at_s) / WINDOW_S)
        self.at_s = now
        self.messages *= left
        self.bytes *= left


class Intake:
    """Which messages are taken. Bounded in the number of neighbours and authors remembered.

    Args:
        per_author: Messages of one author in a window.
        in_total: Messages of all in a window, shared among neighbours; bytes alike (`bytes_in_total`).
    """

    def __init__(self, per_author: int, in_total: int, bytes_in_total: int = BYTES_IN_TOTAL) -> None:
        self._per_author, self._in_total, self._bytes = per_author, in_total, bytes_in_total
        self._neighbours: OrderedDict[str, _Used] = OrderedDict()
        self._authors: OrderedDict[str, SlidingWindow] = OrderedDict()

    def said(self, author: str, now: float) -> int:
        """How many messages of an author were taken in the window that ends now."""
        window = self._authors.get(author)
        return window.count(now) if window is not None else 0

    def refusal(self, neighbour: str, author: str, size: int, now: float) -> str:
        """Charge one message; the empty string, or the reason to drop it unread."""
        window = self._authors.get(author)
        if window is not None:
            self._authors.move_to_end(author)
            if window.count(now) >= self._per_author:
                return "rate-peer"
        if self._over_share(neighbour, size, now):
            return "rate-neighbour"
        if window is None:
            window = self._authors[author] = SlidingWindow(WINDOW_S)
            if len(self._authors) > REMEMBERED:
                self._authors.popitem(last=False)
        window.add(now)
        return ""

    def _over_share(self, neighbour: str, size: int, now: float) -> bool:
        mine = self._neighbours.get(neighbour)
        if mine is None:
            mine = self._neighbours[neighbour] = _Used(now)
            if len(self._neighbours) > REMEMBERED:
                self._neighbours.popitem(last=False)
        else:
            self._neighbours.move_to_end(neighbour)
        mine.fade(now)
        if mine.messages > self._in_total // 16 or mine.bytes > self._bytes // 16:
            used, sharing = self._all(now)
            if mine.messages >= self._share(self._in_total, used[0], sharing) or (
                mine.bytes and mine.bytes + size > self._share(self._bytes, used[1], sharing)
            ):
                return True
        mine.messages += 1
        mine.bytes += size
        return False

    def _all(self, now: float) -> tuple[tuple[float, float], int]:
        messages = in_bytes = 0.0
        sharing = 0
        for used in self._neighbours.values():
            used.fade(now)
            messages += used.messages
            in_bytes += used.bytes
            sharing += used.messages > 1
        return (messages, in_bytes), max(1, sharing)

    @staticmethod
    def _share(total: int, used: float, sharing: int) -> float:
        """All there is while half of it is free; an equal share otherwise."""
        return float(total) if used < total / 2 else total / sharing
