"""What we miss and what we owe: questions to ask, answers that are due, who was told, clocks that came early. Pure.

A question waits a while and is dropped when somebody else asks it; an answer that several could give waits and is
dropped when somebody else gives it. Who asks for what it was told a moment ago cannot read it (asyncmachine-go v0.15
to v0.19) or is hostile: it is answered ever more rarely.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random

from ampubsub.topic.constants import (
    ASK_AGAIN_MAX_S,
    ASK_AGAIN_S,
    EARLY_CLOCKS,
    FEWER_FIRST,
    RELAY_MANY,
    REMEMBERED,
    TOLD_AGAIN_MAX_S,
    TOLD_AGAIN_S,
)
from ampubsub.topic.peers import Key


@dataclass(slots=True)
class Question:
    """One peer to ask for."""

    due_s: float
    """Not to be asked for before this."""
    ours_s: float
    """When it is our turn, whatever others do."""
    asked: int = 0
    """How often we asked for it."""
    confirm: bool = False
    """Others told us already; only the owner's own word is missing."""


class Questions:
    """Peers to ask for, each ever more rarely, and never soon after somebody else asked for it."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Question] = OrderedDict()
        self.soonest_s = float("inf")
        """Nothing is due before this; `look` makes it exact."""

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, peer_id: str) -> bool:
        return peer_id in self._open

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def times_asked(self, peer_id: str) -> int:
        """How often we asked for a peer since it was missed."""
        question = self._open.get(peer_id)
        return question.asked if question is not None else 0

    def add(self, peer_id: str, now: float, wait_s: float = 0.0) -> bool:
        """There is something to ask about a peer, not before `wait_s`. Says whether that is new."""
        question = self._open.get(peer_id)
        if question is not None:
            if not question.asked:
                question.due_s = min(question.due_s, now + wait_s)
                question.ours_s = min(question.ours_s, now + wait_s)
                self.soonest_s = min(self.soonest_s, question.due_s)
            return False
        self.soonest_s = min(self.soonest_s, now + wait_s)
        self._open[peer_id] = Question(now + wait_s, now + wait_s)
        while len(self._open) > REMEMBERED:
            self._open.popitem(last=False)
        return True

    def confirm(self, peer_id: str, now: float, wait_s: float) -> None:
        """Others told us what we asked for: its owner is asked after a while, however often others tell it again."""
        question = self._open.get(peer_id)
        if question is None:
            self.add(peer_id, now, wait_s)
            question = self._open[peer_id]
        elif not question.confirm:
            question.due_s = question.ours_s = now + wait_s
        question.confirm = True

    def settle(self, peer_id: str) -> bool:
        """The answer came. Says whether there was a question."""
        return self._open.pop(peer_id, None) is not None

    def asked(self, peer_ids: Iterable[str], now: float, pace: float = 1.0) -> None:
        """We asked for these: wait for the answer, twice as long each time."""
        for peer_id in peer_ids:
            question = self._open.get(peer_id)
            if question is not None:
                wait = min(ASK_AGAIN_S * (2**question.asked + pace - 1), ASK_AGAIN_MAX_S)
                question.due_s = question.ours_s = max(question.due_s, now + wait)
                question.asked = min(question.asked + 1, 30)

    def others_asked(self, peer_ids: Iterable[str], now: float, pace: float = 1.0) -> None:
        """Somebody else asked for these: wait for the answer, but once only, or who asks all the time would silence us."""
        for peer_id in peer_ids:
            question = self._open.get(peer_id)
            if question is not None:
                question.due_s = max(question.due_s, min(now, question.ours_s) + pace * ASK_AGAIN_S)

    def due(
        self, now: float, random: Random, at_most: int, teller: Callable[[str], str] = lambda peer_id: peer_id
    ) -> list[str]:
        """A fair choice of the peers to ask for now: those asked for least, and as many of each teller.

        Those that only need their owner's word are few at a time, so that the owners answer and not who knows them all.
        """
        ready = [peer_id for peer_id, question in self._open.items() if question.due_s <= now]
        random.shuffle(ready)
        ready.sort(key=lambda peer_id: self._open[peer_id].asked)
        told: Counter[str] = Counter()
        turns: dict[str, int] = {}
        for peer_id in ready:
            told[teller(peer_id)] += 1
            turns[peer_id] = told[teller(peer_id)]
        ready.sort(key=turns.__getitem__)
        known = [peer_id for peer_id in ready if self._open[peer_id].confirm]
        unknown = [peer_id for peer_id in ready if not self._open[peer_id].confirm]
        # Mostly the fewer first, so that neither kind can drown the other.
        known_first = (len(known) < len(unknown)) is (random.random() < FEWER_FIRST)
        if known and (known_first or not unknown):
            return known[: min(at_most, RELAY_MANY - 1)]
        return unknown[:at_most]

    def look(self) -> float:
        """When the earliest question is due; infinity when nothing is asked."""
        self.soonest_s = min((question.due_s for question in self._open.values()), default=float("inf"))
        return self.soonest_s


@dataclass(slots=True)
class _Asked:
    told_s: float
    again: int = 0


class ToldLedger:
    """Who asked for which peer, and when it was told. Bounded; the oldest entries are forgotten."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, str], _Asked] = OrderedDict()
        self.again: Counter[str] = Counter()
        """How often each peer asked for what it had just been told."""

    def may_answer(self, asker: str, subject: str, now: float) -> bool:
        """`asker` asks for `subject`. May it be answered? Counts its asking again."""
        entry = self._asked.get((asker, subject))
        if entry is None:
            return True
        self._asked.move_to_end((asker, subject))
        wait = min(TOLD_AGAIN_S * 2**entry.again, TOLD_AGAIN_MAX_S)
        if now - entry.told_s > max(10 * TOLD_AGAIN_S, 2 * wait):
            del self._asked[asker, subject]
            return True
        self.again[asker] += 1
        if len(self.again) > REMEMBERED:
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
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)


class DueAnswers:
    """Peers to be told about, each with the time at which it is due and who wants to know. Bounded."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._askers: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, subject: str) -> bool:
        return subject in self._due

    def add(self, subject: str, due_s: float, asker: str = "") -> None:
        """Somebody is to be told of `subject`; the earlier time wins."""
        if subject not in self._due and len(self._due) >= REMEMBERED:
            return
        self._due[subject] = min(due_s, self._due.get(subject, due_s))
        if asker:
            self._askers.setdefault(subject, {})[asker] = None

    def answered(self, subject: str) -> tuple[str, ...]:
        """Somebody told of `subject`: nothing is due any longer. Returns who wanted to know."""
        self._due.pop(subject, None)
        return tuple(self._askers.pop(subject, ()))

    def next_due(self) -> float:
        """When the earliest answer is due; infinity when there is none."""
        return min(self._due.values(), default=float("inf"))

    def take(self, now: float, slack_s: float) -> dict[str, tuple[str, ...]]:
        """The subjects due by `now`, with those due within `slack_s` after, and who asked for each."""
        if not any(due <= now for due in self._due.values()):
            return {}
        ready = [subject for subject, due in self._due.items() if due <= now + slack_s]
        return {subject: self.answered(subject) for subject in ready}

    def clear(self) -> None:
        """Owe nothing."""
        self._due.clear()
        self._askers.clear()


@dataclass(frozen=True, slots=True)
class EarlyClock:
    """A clock of a machine that is not known yet."""

    clock: tuple[int, ...]
    teller: str
    sequence: int
    signed: bytes = b""


class EarlyClocks:
    """Clocks that came before their machine. Bounded; the owner's word first, then the larger sum."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, EarlyClock] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: Key, new: EarlyClock) -> bool:
        """Keep a clock until its machine is known. False when full."""
        old = self._kept.get(key)
        if old is None and len(self._kept) >= EARLY_CLOCKS:
            return False
        if old is None or _rank(key, new) >= _rank(key, old):
            self._kept[key] = new
        return True

    def take(self, key: Key) -> EarlyClock | None:
        """The clock that came early for a machine that is known now."""
        return self._kept.pop(key, None)

    def forget(self, peer_id: str) -> None:
        """The peer is gone."""
        for key in [key for key in self._kept if key[0] == peer_id]:
            del self._kept[key]


def _rank(key: Key, early: EarlyClock) -> tuple[bool, int, int]:
    return early.teller == key[0], early.sequence, sum(early.clock)
