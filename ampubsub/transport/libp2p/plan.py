"""How one libp2p host is made: a plan that workarounds may change, and the parts that come of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

from libp2p import new_host
from libp2p.abc import IHost
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.custom_types import TProtocol
from libp2p.network.config import RetryConfig
from libp2p.network.swarm import Swarm
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.rcmgr.manager import ResourceManager
from libp2p.transport.quic.config import QUICTransportConfig
from libp2p.transport.tcp.tcp import TCP

from ampubsub.transport.libp2p.identity import Identity
from ampubsub.transport.libp2p.quic_transport import OurQuicTransport
from ampubsub.transport.libp2p.settings import TransportSettings
from ampubsub.transport.libp2p.unix import UnixTransport

_Target = TypeVar("_Target")


@dataclass(slots=True)
class Plan:
    """What `build` will make. Starts with py-libp2p's defaults; workarounds of a plan change it."""

    settings: TransportSettings
    keys: KeyPair
    quic: QUICTransportConfig = field(default_factory=QUICTransportConfig)
    """Also carries the limits of all connections, TCP's too (it is a `ConnectionConfig`)."""
    quic_light: bool = False
    quic_knocks: bool = False
    security: dict[TProtocol, Any] | None = None
    muxers: dict[TProtocol, Any] | None = None
    resources: ResourceManager | None = None
    retry: RetryConfig = field(default_factory=lambda: RetryConfig(max_retries=0))
    gossip: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Parts:
    """A host that was made and not yet started. Workarounds of parts change its objects."""

    settings: TransportSettings
    host: IHost
    network: Swarm
    pubsub: Pubsub
    router: GossipSub


class Applier:
    """Applies workarounds, except those named in `without` (tests that show what each is for)."""

    def __init__(self, without: Collection[str] = ()) -> None:
        self._without = frozenset(without)

    def uses(self, workaround: Callable[..., Any]) -> bool:
        """Whether a workaround is to be applied."""
        return workaround.__name__ not in self._without

    def all(self, workarounds: Collection[Callable[[_Target], None]], target: _Target) -> None:
        """Apply workarounds to a plan or to parts, in order."""
        for workaround in workarounds:
            if self.uses(workaround):
                workaround(target)


def new_plan(settings: TransportSettings, identity: Identity) -> Plan:
    """A plan with py-libp2p's defaults and our identity and GossipSub degrees."""
    plan = Plan(settings, create_new_key_pair(identity.seed))
    plan.gossip = {
        "protocols": [TProtocol(f"/meshsub/1.{minor}.0") for minor in (2, 1, 0)],
        "degree": settings.degree,
        "degree_low": settings.degree_low,
        "degree_high": settings.degree_high,
        "gossip_window": settings.gossip_window,
        "gossip_history": settings.gossip_history,
        "prune_back_off": settings.prune_backoff_s,
        "unsubscribe_back_off": settings.unsubscribe_backoff_s,
    }
    plan.quic.CONNECTION_HANDSHAKE_TIMEOUT = settings.dial_timeout_s
    plan.quic.STREAM_WRITE_TIMEOUT = 1e9  # a slow peer is not a dead one: see `outlet`
    plan.quic.STREAM_SEND_BUFFER_HIGH_WATERMARK = settings.unacknowledged_bytes
    plan.quic.STREAM_SEND_BUFFER_LOW_WATERMARK = settings.unacknowledged_bytes // 2
    plan.quic.inbound_upgrade_timeout = settings.dial_timeout_s
    plan.quic.outbound_upgrade_timeout = settings.dial_timeout_s
    return plan


def build(plan: Plan) -> Parts:
    """Make the host, its GossipSub router and its pubsub, none of them running."""
    quic = OurQuicTransport(plan.keys.private_key, plan.quic, light=plan.quic_light, knocks=plan.quic_knocks)
    host = new_host(
        key_pair=plan.keys,
        transports=[quic, TCP(), UnixTransport(plan.settings.unix_mode)],
        enable_quic=True,
        quic_transport_opt=plan.quic,
        sec_opt=plan.security,
        muxer_opt=plan.muxers,
        resource_manager=plan.resources,
        disable_identify_address_discovery=True,
    )
    network = host.get_network()
    assert isinstance(network, Swarm)
    network.retry_config = plan.retry
    router = GossipSub(**plan.gossip)
    pubsub = Pubsub(
        host,
        router,
        strict_signing=True,
        max_inbound_rpc_size=plan.settings.max_rpc_bytes,
        max_subscriptions_per_peer=plan.settings.max_topics_per_peer,
    )
    return Parts(plan.settings, host, network, pubsub, router)
