"""What we owe others: answers that are due, and who asks again for what it was told. Pure.

An answer that several peers could give waits a while and is dropped when somebody else gives it. Somebody who
asks for what it was told a moment ago cannot read it (asyncmachine-go v0.15 to v0.19) or is hostile: it is
answered ever more rarely.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from ampubsub.topic.settings import TopicSettings


@dataclass(slots=True)
class _Asked:
    told_s: float
    again: int = 0
    not_before_s: float = 0.0


class ToldLedger:
    """Who asked for which peer, and when it was told. Bounded; the oldest entries are forgotten."""

    def __init__(self, settings: TopicSettings) -> None:
        self._settings = settings
        self._asked: OrderedDict[tuple[str, str], _Asked] = OrderedDict()
        self.again: Counter[str] = Counter()
        """How often each peer asked for what it had just been told."""

    def may_answer(self, asker: str, subject: str, now: float) -> bool:
        """`asker` asks for `subject`. May it be answered? Counts its asking again."""
        entry = self._asked.get((asker, subject))
        if entry is None:
            return True
        self._asked.move_to_end((asker, subject))
        settings = self._settings
        wait = min(settings.told_again_s * 2**entry.again, settings.told_again_max_s)
        if now - entry.told_s > max(10 * settings.told_again_s, 2 * wait):
            del self._asked[asker, subject]
            return True
        self.again[asker] += 1
        if len(self.again) > settings.events_remembered:
            self.again.pop(next(iter(self.again)))
        if now - entry.told_s < wait:
            return False
        entry.again = min(entry.again + 1, 30)
        return True

    def told(self, asker: str, subject: str, now: float) -> None:
        """`asker` was told of `subject`, by us or by somebody else."""
        entry = self._asked.setdefault((asker, subject), _Asked(now))
        entry.told_s = now
        self._asked.move_to_end((asker, subject))
        while len(self._asked) > self._settings.events_remembered:
            self._asked.popitem(last=False)


class DueAnswers:
    """Peers to be told about, each with the time at which it is due and who wants to know."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._due: dict[str, float] = {}
        self._askers: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, subject: str) -> bool:
        return subject in self._due

    def add(self, subject: str, due_s: float, asker: str = "") -> None:
        """Somebody is to be told of `subject`; the earlier time wins."""
        if subject not in self._due and len(self._due) >= self._at_most:
            return
        self._due[subject] = min(due_s, self._due.get(subject, due_s))
        if asker:
            self._askers.setdefault(subject, set()).add(asker)

    def answered(self, subject: str) -> frozenset[str]:
        """Somebody told of `subject`: nothing is due any longer. Returns who wanted to know."""
        self._due.pop(subject, None)
        return frozenset(self._askers.pop(subject, ()))

    def next_due(self) -> float | None:
        """When the earliest answer is due; None when there is none."""
        return min(self._due.values(), default=None)

    def take(self, now: float, slack_s: float) -> dict[str, frozenset[str]]:
        """The subjects due by `now`, with those due within `slack_s` after, and who asked for each."""
        if not any(due <= now for due in self._due.values()):
            return {}
        ready = [subject for subject, due in self._due.items() if due <= now + slack_s]
        return {subject: self.answered(subject) for subject in ready}
