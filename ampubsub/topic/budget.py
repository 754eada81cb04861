"""Message budgets: a sliding window for us, one for the topic, and one per author of what comes in. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque


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

    def sent_in_window(self, now: float) -> int:
        """How many messages we sent in the window that ends now."""
        return self._sent.count(now)


class IntakeBudget:
    """How many messages are processed: per author and in total. Bounded in the number of authors."""

    def __init__(self, window_s: float, per_author: int, in_total: int, authors: int) -> None:
        self._window_s = window_s
        self._per_author = per_author
        self._in_total = in_total
        self._authors_limit = authors
        self._total = SlidingWindow(window_s)
        self._authors: OrderedDict[str, SlidingWindow] = OrderedDict()

    def count(self, author: str, now: float) -> int:
        """How many messages of an author were processed in the window that ends now."""
        window = self._authors.get(author)
        return window.count(now) if window is not None else 0

    def allow(self, author: str, now: float) -> str:
        """Count one message of `author`; the empty string, or the reason to drop it."""
        window = self._authors.get(author)
        if window is None:
            window = self._authors[author] = SlidingWindow(self._window_s)
            if len(self._authors) > self._authors_limit:
                self._authors.popitem(last=False)
        else:
            self._authors.move_to_end(author)
        if window.count(now) >= self._per_author:
            return "rate-peer"
        if not self._total.allow(now, self._in_total):
            return "rate-total"
        window.add(now)
        return ""
