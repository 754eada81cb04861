"""Who lives, by whose witness, and how others grow old: doubted, then gone, then forgotten. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ampubsub.topic.beliefs import Beliefs
from ampubsub.topic.constants import (
    GO_HEARTBEAT_S,
    GOSSIP_INTERVAL_MAX_S,
    GOSSIP_INTERVAL_PER_SPEAKER_S,
    GOSSIP_INTERVAL_S,
    HEALTH_MAX,
    MESSAGE_LIFE_S,
    PING_AFTER_S,
    SILENCE_MAX_S,
    SILENCES,
    SILENT_AFTER_S,
)
from ampubsub.topic.events import LifeVerdict, PeerStatus
from ampubsub.topic.links import LinkMap, Loss, peer_hash
from ampubsub.topic.peers import RemotePeer, Witness
from ampubsub.transport.interface import DisconnectCause

_LOSSES_KEPT = 16
_LOSS_TOLD_S = 60.0
_LOSS_OF = {
    DisconnectCause.CLOSED: Loss.CLOSED,
    DisconnectCause.LOST: Loss.LOST,
    DisconnectCause.OURS: Loss.CLOSED,
    DisconnectCause.EXPELLED: Loss.EXPELLED,
}
_WORDS = {
    Loss.CLOSED: "closed its connection without a bye",
    Loss.LOST: "its connection was lost",
    Loss.SILENT: f"has been silent for more than {SILENT_AFTER_S:g} s",
    Loss.LEFT: "left the topic",
    Loss.EXPELLED: "was thrown out",
    Loss.RESTARTED: "restarted",
}


@dataclass(slots=True)
class Neighbour:
    """A peer with a connection to us."""

    since_s: float
    agent: str = ""
    direct: bool = False
    """It speaks the private stream, and the stream stands."""
    opened_s: float = 0.0
    frame_s: float = 0.0
    """When the last frame of it came."""
    spoke: bool = False
    """It said something on its stream; a silent observer never does."""
    fed: bool = False
    """It never asks, so it was told all that we know."""
    silent: bool = False
    """Its stream has been silent for too long: we are no witness of it any longer."""


def gossip_interval(speakers: int) -> float:
    """Seconds between two gossips of a peer like us, among so many that speak."""
    return min(max(GOSSIP_INTERVAL_S, GOSSIP_INTERVAL_PER_SPEAKER_S * speakers), GOSSIP_INTERVAL_MAX_S)


class Life:
    """Neighbours, links, and what follows for the lives of all peers."""

    def __init__(self, beliefs: Beliefs) -> None:
        self.beliefs = beliefs
        self.settings = beliefs.settings
        self.neighbours: dict[str, Neighbour] = {}
        self.map = LinkMap(beliefs.self_id)
        self.health = 1.0
        """By how much our limits are lengthened: more than 1 after our own loop stood still."""
        self._lost: dict[str, tuple[float, Loss]] = {}
        self._witnesses: dict[str, list[str]] = {}

    # -- neighbours

    def streams(self) -> list[str]:
        """Neighbours with a private stream."""
        return [peer_id for peer_id, neighbour in self.neighbours.items() if neighbour.direct]

    def linked(self) -> list[str]:
        """Neighbours that take part in the topic and are not silent: we are their witness."""
        peers = self.beliefs.peers
        return [
            peer_id
            for peer_id, neighbour in self.neighbours.items()
            if not neighbour.silent and (peer := peers.get(peer_id)) is not None and peer.connected
        ]

    def connected(self, peer_id: str, agent: str, now: float) -> None:
        """A connection stands."""
        if peer_id not in self.neighbours:
            self.neighbours[peer_id] = Neighbour(now, agent)

    def opened(self, peer_id: str, now: float) -> None:
        """A private stream stands."""
        neighbour = self.neighbours.setdefault(peer_id, Neighbour(now))
        neighbour.direct, neighbour.silent = True, False
        neighbour.opened_s = neighbour.frame_s = now

    def frame(self, peer_id: str, now: float) -> bool:
        """A frame came. Says whether its sender was believed silent."""
        neighbour = self.neighbours.get(peer_id)
        if neighbour is None:
            return False
        neighbour.frame_s, neighbour.spoke = now, True
        was_silent, neighbour.silent = neighbour.silent, False
        return was_silent

    def ended(self, peer_id: str, cause: DisconnectCause, now: float) -> None:
        """The last connection to a peer ended."""
        if self.neighbours.pop(peer_id, None) is not None:
            self._note_loss(peer_id, _LOSS_OF[cause], now)

    def restarted(self, peer_id: str, now: float) -> None:
        """A neighbour began a new life under lower numbers."""
        self._note_loss(peer_id, Loss.RESTARTED, now)

    def left(self, peer_id: str, now: float) -> None:
        """A connected peer said that it takes part no longer."""
        self._note_loss(peer_id, Loss.LEFT, now)

    def came(self, peer_id: str, now: float) -> None:
        """A connected peer takes part in the topic."""
        self.connected(peer_id, "", now)
        self._lost.pop(peer_id, None)

    def has_left(self, peer_id: str) -> bool:
        """It said lately that it takes part no longer."""
        return peer_id in self._lost and self._lost[peer_id][1] == Loss.LEFT

    def _note_loss(self, peer_id: str, loss: Loss, now: float) -> None:
        self._lost.pop(peer_id, None)
        self._lost[peer_id] = (now, loss)
        while len(self._lost) > _LOSSES_KEPT:
            del self._lost[next(iter(self._lost))]

    def late(self, lag_s: float, now: float) -> None:
        """Our own loop stood still for so long: what others said meanwhile is still to be read."""
        self.health = min(HEALTH_MAX, max(self.health, 1.0) + lag_s / SILENT_AFTER_S)
        for neighbour in self.neighbours.values():
            neighbour.frame_s = max(neighbour.frame_s, now - PING_AFTER_S)

    def to_ping(self, now: float) -> list[str]:
        """Neighbours silent for so long that they are asked to say something. Marks those silent for too long."""
        asked = []
        limit = SILENT_AFTER_S * min(self.health, 1.5)
        for peer_id, neighbour in self.neighbours.items():
            if not neighbour.direct or not neighbour.spoke:
                continue
            silence = now - neighbour.frame_s
            if silence > PING_AFTER_S:
                asked.append(peer_id)
            if silence > limit and not neighbour.silent:
                neighbour.silent = True
                self._note_loss(peer_id, Loss.SILENT, now)
        return asked

    def calm(self) -> None:
        """A beat went by in time."""
        self.health = max(1.0, self.health - 0.1)

    # -- links

    def own_links(self, now: float) -> bool:
        """Bring what we tell of our links up to date. Says whether it is news."""
        linked = self.linked()
        for peer_id in [
            p
            for p, (at, loss) in self._lost.items()
            if now - at > _LOSS_TOLD_S or (p in linked and loss is not Loss.RESTARTED)
        ]:
            del self._lost[peer_id]
        return self.map.tell_own(linked, ((peer_id, loss) for peer_id, (_, loss) in self._lost.items()))

    # -- verdicts

    def judge(self, now: float) -> None:
        """After links changed: who has a witness lives, who lost its last one is doubted at once."""
        beliefs = self.beliefs
        for peer_id in beliefs.peers:
            self.map.name(peer_id)
        before, self._witnesses = self._witnesses, self.map.reached(self.linked())
        reached = self._witnesses
        for peer_id in before:
            if peer_id not in reached:  # what it told of its links is no news when it comes back
                self.map.told.pop(peer_id, None)
        losses: dict[bytes, int] | None = None
        for peer_id, peer in list(beliefs.peers.items()):
            if peer_id in reached:
                self._witnessed(peer, reached[peer_id], now)
            elif peer.had_witness and peer.lost_s is None and peer.status is not PeerStatus.GONE:
                if losses is None:
                    losses = self.map.losses()
                    losses.update((peer_hash(p), int(loss)) for p, (_, loss) in self._lost.items())
                peer.lost_s = now
                peer.may_restart = True
                self._doubt(peer, losses.get(peer_hash(peer_id)), now)

    def _witnessed(self, peer: RemotePeer, by: list[str], now: float) -> None:
        if peer.said_bye >= 0:
            return
        peer.had_witness, peer.lost_s, peer.doubted = True, None, False
        peer.verdict = LifeVerdict.ALIVE
        peer.verdict_reason = (
            "it is connected to us" if by[0] == self.beliefs.self_id else "others hear from it"
        )
        if peer.status is PeerStatus.GONE:
            self.beliefs.missing.add(peer.peer_id, now)
        heard = peer.heard_s is not None or peer.connected
        self.beliefs.set_status(peer, PeerStatus.JOINED if heard else PeerStatus.HEARSAY, "", now)

    def _doubt(self, peer: RemotePeer, loss: int | None, now: float) -> None:
        """It lost its last witness."""
        peer.verdict = LifeVerdict.DOUBTED
        if loss is None:
            reason = "nobody hears from it any longer"
            if peer.peer_id in self.map.told and not self.linked():
                reason = "we are cut off"
            peer.verdict = LifeVerdict.CUT_OFF
        else:
            reason = _WORDS[Loss(loss)]
            if loss == Loss.EXPELLED:
                peer.verdict = LifeVerdict.EXPELLED
            elif loss == Loss.LEFT:
                peer.verdict = LifeVerdict.LEFT
        peer.verdict_reason = reason
        self.beliefs.stale(
            peer, f"it {reason}" if not reason.startswith(("its", "nobody", "we")) else reason, now
        )
        if peer.verdict is not LifeVerdict.LEFT:
            self.beliefs.missing.add(peer.peer_id, now)  # nobody is buried unasked

    def cut_off(self, reason: str, now: float) -> None:
        """We hear from nobody any longer: all that we know is stale, from now on."""
        for peer in self.beliefs.peers.values():
            if peer.status not in (PeerStatus.GONE, PeerStatus.STALE):
                peer.lost_s = now
                peer.verdict, peer.verdict_reason = LifeVerdict.CUT_OFF, reason
                self.beliefs.stale(peer, reason, now)

    def witnesses(self, peer_id: str, now: float) -> tuple[Witness, ...]:
        """Who hears from a peer directly, as far as we know."""
        found = []
        for witness in self._witnesses.get(peer_id, ()):
            neighbour = self.neighbours.get(peer_id)
            ago = SILENT_AFTER_S
            if witness == self.beliefs.self_id:
                if neighbour is None:
                    continue
                ago = now - max(neighbour.frame_s, neighbour.since_s if not neighbour.direct else 0.0)
            found.append(Witness(witness, ago))
        return tuple(found)

    # -- growing old

    def silence_allowed(self, peer: RemotePeer) -> float:
        """How long a peer without a witness may say nothing before it is stale."""
        if peer.lost_s is not None and peer.peer_id in self.map.told:
            return MESSAGE_LIFE_S * self.health
        speakers = self.beliefs.speakers()
        expected = gossip_interval(speakers) if peer.tells_itself else GO_HEARTBEAT_S * speakers
        longest = max(SILENCE_MAX_S, self.settings.stale_after_s)
        return min(max(self.settings.stale_after_s, SILENCES * expected), longest)

    def expire(self, now: float, *, joined: bool) -> None:
        """Let time pass for all peers. While we take part in nothing, nobody is buried."""
        beliefs, settings = self.beliefs, self.settings
        beliefs.judge_late(now)
        for peer in list(beliefs.peers.values()):
            age = now - peer.since_s
            if peer.status is PeerStatus.GONE:
                if age > settings.forget_after_s:
                    self.map.forget(peer.peer_id)
                    beliefs.forget(peer)
            elif peer.status is PeerStatus.STALE:
                if joined and age > settings.gone_after_s:
                    self._bury(peer, now)
            elif peer.peer_id not in self._witnesses and not peer.connected:
                last = max(peer.heard_s or 0.0, peer.mentioned_s if peer.heard_s is None else 0.0)
                if now - last > self.silence_allowed(peer):
                    peer.doubted = peer.heard_s is None
                    peer.verdict = LifeVerdict.DOUBTED
                    peer.verdict_reason = f"nothing heard of it for {now - last:.0f} s"
                    beliefs.stale(peer, peer.verdict_reason, now)
                    if peer.heard_s is not None:
                        beliefs.missing.add(peer.peer_id, now)
        for peer_id in [p for p in self.map.told if p not in beliefs.peers and p not in self._witnesses]:
            self.map.forget(peer_id)

    def _bury(self, peer: RemotePeer, now: float) -> None:
        if peer.verdict in (LifeVerdict.DOUBTED, LifeVerdict.ALIVE, LifeVerdict.UNKNOWN):
            peer.verdict = LifeVerdict.CRASHED
            peer.verdict_reason = f"{peer.reason}, and it did not come back"
        self.beliefs.retire(peer, f"out of reach: {peer.reason}", now)
