"""What we miss: machines we do not know, clocks that are behind, clocks that came too early. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random

from ampubsub.machine import Time
from ampubsub.topic.peers import Key
from ampubsub.topic.settings import TopicSettings


@dataclass(slots=True)
class Question:
    """One peer to ask for."""

    since_s: float
    due_s: float
    """Not to be asked for before this."""
    ours_s: float
    """When it is our turn, whatever others do."""
    asked: int = 0
    """How often we asked for it."""
    confirm: bool = False
    """Others told us already; only the owner's own word is missing."""


@dataclass(frozen=True, slots=True)
class EarlyClock:
    """A clock of a machine that is not known yet."""

    clock: Time
    teller: str
    sequence: int


class Questions:
    """Peers to ask for, each ever more rarely, and never soon after somebody else asked for it."""

    def __init__(self, settings: TopicSettings) -> None:
        self._settings = settings
        self._open: OrderedDict[str, Question] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, peer_id: str) -> bool:
        return peer_id in self._open

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def add(self, peer_id: str, now: float, wait_s: float = 0.0) -> bool:
        """There is something to ask about a peer, not before `wait_s`. Says whether that is new."""
        question = self._open.get(peer_id)
        if question is not None:
            if not question.asked:
                question.due_s = min(question.due_s, now + wait_s)
                question.ours_s = min(question.ours_s, now + wait_s)
            return False
        self._open[peer_id] = Question(now, now + wait_s, now + wait_s)
        while len(self._open) > self._settings.events_remembered:
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
                wait = self._settings.ask_again_s * (2**question.asked + pace - 1)
                wait = min(wait, self._settings.ask_again_max_s)
                question.due_s = question.ours_s = max(question.due_s, now + wait)
                question.asked = min(question.asked + 1, 30)

    def others_asked(self, peer_ids: Iterable[str], now: float, pace: float = 1.0) -> None:
        """Somebody else asked for these: wait for the answer, but once only, or who asks all the time would silence us."""
        wait = pace * self._settings.ask_again_s
        for peer_id in peer_ids:
            question = self._open.get(peer_id)
            if question is not None:
                question.due_s = max(question.due_s, min(now, question.ours_s) + wait)

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
        fewer_first = random.random() < self._settings.fewer_first
        known_first = (len(known) < len(unknown)) is fewer_first
        if known and (known_first or not unknown):
            return known[: min(at_most, self._settings.relay_many - 1)]
        return unknown[:at_most]

    def next_due(self) -> float | None:
        """When the earliest question is due; None when nothing is asked."""
        return min((question.due_s for question in self._open.values()), default=None)


class Missing:
    """What we miss, in three parts: peers, updates, and clocks that came before their machine."""

    def __init__(self, settings: TopicSettings) -> None:
        self._settings = settings
        self.peers = Questions(settings)
        self.late = Questions(settings)
        """Peers with machines that are behind."""
        self._early: OrderedDict[Key, EarlyClock] = OrderedDict()

    @property
    def early_peers(self) -> set[str]:
        """Peers of which clocks came early."""
        return {key[0] for key in self._early}

    def peer(self, peer_id: str, now: float, wait_s: float = 0.0) -> bool:
        """We do not know (all) machines of a peer."""
        return self.peers.add(peer_id, now, wait_s)

    def found(self, peer_id: str) -> None:
        """A peer's machines are known."""
        self.peers.settle(peer_id)

    def updates(self, peer_id: str, now: float, wait_s: float = 0.0) -> bool:
        """A clock of a peer's machine is behind, or only hearsay."""
        return self.late.add(peer_id, now, wait_s)

    def updated(self, peer_id: str) -> None:
        """No machine of the peer is behind any longer."""
        self.late.settle(peer_id)

    def forget(self, peer_id: str) -> None:
        """The peer is gone: nothing of it is missing."""
        self.peers.settle(peer_id)
        self.late.settle(peer_id)
        for key in [key for key in self._early if key[0] == peer_id]:
            del self._early[key]

    def keep_early(self, key: Key, ticks: tuple[int, ...], teller: str, sequence: int) -> bool:
        """Keep a clock until its machine is known: the owner's word, then the larger sum. False when full."""
        old = self._early.get(key)
        new = EarlyClock(Time(ticks), teller, sequence)
        if old is None and len(self._early) >= self._settings.max_early_clocks:
            return False
        if old is None or _rank(key, new) >= _rank(key, old):
            self._early[key] = new
        return True

    def take_early(self, key: Key) -> EarlyClock | None:
        """The clock that came early for a machine that is known now."""
        return self._early.pop(key, None)


def _rank(key: Key, early: EarlyClock) -> tuple[bool, int, int]:
    return early.teller == key[0], early.sequence, early.clock.sum()
