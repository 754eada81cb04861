"""How each peer stands, as a mapping: `Topic.peers`. Entries are made when read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from ampubsub.topic.events import LifeVerdict, PeerStatus
from ampubsub.topic.host import Host
from ampubsub.topic.peers import PeerInfo, RemotePeer
from ampubsub.topic.protocol import Protocol


class PeersView(Mapping[str, PeerInfo]):
    """A live, read-only view: peer id to what is known of the peer. We ourselves come first."""

    def __init__(
        self,
        protocol: Protocol,
        host: Host,
        now: Callable[[], float],
        is_connected: Callable[[], bool],
        name: str,
    ) -> None:
        self._protocol, self._host, self._now = protocol, host, now
        self._is_connected, self._name = is_connected, name

    def __getitem__(self, peer_id: str) -> PeerInfo:
        if peer_id == self._protocol.peer_id:
            return self._ourselves()
        return self._other(self._protocol.beliefs.peers[peer_id])

    def __iter__(self) -> Iterator[str]:
        yield self._protocol.peer_id
        yield from list(self._protocol.beliefs.peers)

    def __len__(self) -> int:
        return 1 + len(self._protocol.beliefs.peers)

    def _ourselves(self) -> PeerInfo:
        protocol = self._protocol
        return PeerInfo(
            peer_id=protocol.peer_id,
            status=PeerStatus.SELF,
            name=protocol.beliefs.names.get(protocol.peer_id, self._name),
            connected=self._is_connected(),
            machines=len(protocol.own),
            messages_out=MappingProxyType(dict(protocol.speaking.messages_out)),
            verdict=LifeVerdict.ALIVE,
        )

    def _other(self, peer: RemotePeer) -> PeerInfo:
        protocol, now = self._protocol, self._now()
        detail = self._host.transport.detail(peer.peer_id) if self._host.is_open and peer.connected else None
        neighbour = protocol.life.neighbours.get(peer.peer_id)
        directly: float | None = None
        if neighbour is not None and neighbour.spoke:
            directly = now - neighbour.frame_s
        elif peer.through == peer.peer_id and peer.heard_s is not None:
            directly = now - peer.heard_s
        return PeerInfo(
            peer_id=peer.peer_id,
            status=peer.status,
            name=peer.name,
            reason=peer.reason,
            connected=peer.connected,
            machines=len(peer.machines),
            last_heard_s=peer.heard_s,
            introduced_by=peer.introduced_by,
            messages_in=MappingProxyType(dict(peer.messages_in)),
            dropped=MappingProxyType(dict(peer.dropped)),
            asked_again=protocol.speaking.told.again.get(peer.peer_id, 0),
            verdict=peer.verdict,
            verdict_reason=peer.verdict_reason,
            witnesses=protocol.life.witnesses(peer.peer_id, now),
            heard_directly_s=directly,
            through=peer.through,
            agent=detail.agent if detail is not None else peer.agent,
            round_trip_s=detail.round_trip_s if detail is not None else None,
            muted=peer.muted,
            bytes_in=detail.bytes_in if detail is not None else 0,
            bytes_out=detail.bytes_out if detail is not None else 0,
            how_found=self._host.how_found(peer.peer_id),
        )
