"""How each peer stands, as a mapping: `Topic.peers`. Entries are made when read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ampubsub.topic.core import Core
from ampubsub.topic.events import PeerStatus
from ampubsub.topic.peers import PeerInfo, RemotePeer


class PeersView(Mapping[str, PeerInfo]):
    """A live, read-only view: peer id to what is known of the peer. We ourselves come first."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def __getitem__(self, peer_id: str) -> PeerInfo:
        if peer_id == self._core.peer_id:
            return self._ourselves()
        return self._other(self._core.registry.peers[peer_id])

    def __iter__(self) -> Iterator[str]:
        yield self._core.peer_id
        yield from list(self._core.registry.peers)

    def __len__(self) -> int:
        return 1 + len(self._core.registry.peers)

    def _ourselves(self) -> PeerInfo:
        core = self._core
        return PeerInfo(
            peer_id=core.peer_id,
            status=PeerStatus.SELF,
            name=core.registry.names.get(core.peer_id, core.peer_name),
            connected=core.machine.is_("Connected"),
            machines=len(core.exposures),
            messages_out=MappingProxyType(dict(core.messages_out)),
        )

    def _other(self, peer: RemotePeer) -> PeerInfo:
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
            asked_again=self._core.told.again.get(peer.peer_id, 0),
        )
