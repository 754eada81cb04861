"""`Transport` on py-libp2p 0.8.1: QUIC v1 and TCP (noise, yamux), GossipSub 1.1.

Importing this package does not import libp2p, which takes most of a second: `opened` does.
`workarounds` holds, one small function each, what py-libp2p needs to stay well.
"""

from ampubsub.transport.libp2p.identity import Identity
from ampubsub.transport.libp2p.settings import TransportSettings
from ampubsub.transport.libp2p.transport import Libp2pTransport

__all__ = ["Identity", "Libp2pTransport", "TransportSettings"]
