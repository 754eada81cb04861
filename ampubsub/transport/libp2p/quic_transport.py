"""py-libp2p's QUIC transport with a choice of what its connections are made of, and of how it dials."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import trio
from aioquic.quic.connection import QuicConnection
from libp2p.crypto.keys import PrivateKey
from libp2p.custom_types import TProtocol, TQUICConnHandlerFn
from libp2p.peer.id import ID
from libp2p.transport.quic.config import QUICTransportConfig
from libp2p.transport.quic.connection import QUICConnection
from libp2p.transport.quic.listener import QUICListener
from libp2p.transport.quic.transport import QUICTransport
from libp2p.transport.quic.utils import multiaddr_to_quic_version, quic_multiaddr_to_endpoint
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from ampubsub.transport.libp2p.light_quic import LightConnection, LightListener

_LONGEST_PAUSE_DOUBLED = 2
"""The first packet of a dial is repeated after 0.2 s and twice that, so often doubled at most: 0.8 s."""


class OurQuicTransport(QUICTransport):
    """`light`: with the loops of `light_quic`; `knocks`: with short pauses between the first packets of a dial."""

    def __init__(
        self, key: PrivateKey, config: QUICTransportConfig, *, light: bool = False, knocks: bool = False
    ) -> None:
        super().__init__(key, config=config)
        self._connection: Callable[..., QUICConnection] = LightConnection if light else QUICConnection
        self._listener: Callable[..., QUICListener] = LightListener if light else QUICListener
        self._knocks = knocks

    async def dial(self, maddr: Multiaddr) -> QUICConnection:
        """Dial an address with its `/p2p/` part; return a connection whose peer is verified."""
        host, port = quic_multiaddr_to_endpoint(maddr)
        configuration = self._quic_configs[TProtocol(f"{multiaddr_to_quic_version(maddr)}_client")]
        native = QuicConnection(configuration=copy.copy(configuration))
        connection = self._connection(
            quic_connection=native,
            remote_addr=(host, port),
            remote_peer_id=ID.from_string(maddr.get_peer_id()),
            local_peer_id=self._peer_id,
            is_initiator=True,
            maddr=maddr,
            transport=self,
            security_manager=self._security_manager,
        )
        assert self._background_nursery is not None
        async with trio.open_nursery() as nursery:
            if self._knocks:
                nursery.start_soon(_knock, connection)
            await connection.connect(self._background_nursery)
            nursery.cancel_scope.cancel()
        self._connections[f"{host}:{port}"] = connection
        return connection

    def create_listener(self, handler_function: TQUICConnHandlerFn) -> QUICListener:
        """A listener that is not listening yet."""
        configurations = {name: each for name, each in self._quic_configs.items() if name.endswith("_server")}
        listener = self._listener(
            transport=self,
            handler_function=handler_function,
            quic_configs=configurations,
            config=self._config,
            security_manager=self._security_manager,
        )
        self._listeners.append(listener)
        return listener


async def _knock(connection: Any) -> None:
    loss = connection._quic._loss
    while True:
        await trio.sleep(0.1)
        if loss._pto_count > _LONGEST_PAUSE_DOUBLED:
            loss._pto_count = _LONGEST_PAUSE_DOUBLED
            connection._signal_activity()  # its loop sleeps until the later time
