"""Dialling by address, and redialling of known peers with back-off and jitter."""

from __future__ import annotations

import logging
import random
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio
from libp2p.peer.id import ID
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from ampubsub.transport.address import Address
from ampubsub.transport.backoff import Backoff
from ampubsub.transport.interface import AddressError, DialError
from ampubsub.transport.libp2p.workarounds import quic

if TYPE_CHECKING:
    from ampubsub.transport.libp2p.session import Session

log = logging.getLogger("ampubsub.transport")

_PORTS = {"quic-v1": ", and is its UDP port open", "tcp": ", and is its TCP port open"}


class ThrownOutError(DialError):
    """A peer took our connection and closed it at once."""


@dataclass(slots=True, eq=False)
class Known:
    """A peer that was dialled once."""

    backoff: Backoff
    addresses: list[Address] = field(default_factory=list)
    redialling: trio.CancelScope | None = None


class Dialer:
    """Dials addresses for one session. A peer dialled once is known, until it is forgotten."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._settings = session.parts.settings
        self._known: dict[str, Known] = {}
        self._dialling: dict[str, trio.Event] = {}
        self._ended: dict[str, str] = {}
        """Why connections to peers being dialled ended."""

    async def connect(self, address: Address) -> str:
        """Dial one address unless its peer is connected; return the peer id. Raises `DialError`."""
        peer_id = address.peer_id
        if peer_id == str(self._session.parts.pubsub.my_id):
            raise AddressError(f"{address} is our own address")
        while (other := self._dialling.get(peer_id)) is not None:
            await other.wait()
        if ID.from_string(peer_id) not in self._session.peers:
            done = self._dialling[peer_id] = trio.Event()
            try:
                await self._dial(address)
            finally:
                del self._dialling[peer_id]
                self._ended.pop(peer_id, None)
                done.set()
        known = self._known.get(peer_id)
        if known is None:
            known = self._known[peer_id] = Known(self._new_backoff())
        if address not in known.addresses:
            known.addresses.insert(0, address)
            del known.addresses[4:]
        return peer_id

    def _new_backoff(self) -> Backoff:
        settings = self._settings
        return Backoff(
            settings.redial_base_s,
            settings.redial_max_s,
            settings.redial_settled_s,
            settings.redial_eager_s,
            min(settings.redial_eager_max_s, settings.redial_max_s),
        )

    def ended(self, peer_id: str, why: str) -> None:
        """The last connection to a peer ended."""
        if peer_id in self._dialling:
            self._ended[peer_id] = why

    def forget(self, peer_id: str) -> None:
        """Stop redialling a peer."""
        known = self._known.pop(peer_id, None)
        if known is not None and known.redialling is not None:
            known.redialling.cancel()

    async def redial(self, peer_id: str, lasted_s: float, *, thrown_out: bool) -> None:
        """Dial a known peer again and again, in the end ever more rarely, until it is connected or forgotten.

        `lasted_s` is how long the connection lasted, `thrown_out` whether the other side closed it: who accepts
        us only to close again is not dialled at once.
        """
        known = self._known.get(peer_id)
        if known is None or known.redialling is not None:
            return
        jitter = self._settings.redial_jitter
        known.backoff.lost(lasted_s, thrown_out=thrown_out)
        since = trio.current_time()
        with trio.CancelScope() as known.redialling:
            try:
                while True:
                    wait_s = known.backoff.next(trio.current_time() - since)
                    await trio.sleep(wait_s * random.uniform(1 - jitter, 1 + jitter))
                    for address in list(known.addresses):
                        try:
                            await self.connect(address)
                            return
                        except ThrownOutError as error:
                            log.debug("redial: %s", error)
                            known.backoff.unwanted = True
                        except DialError as error:
                            log.debug("redial: %s", error)
            finally:
                known.redialling = None

    async def _dial(self, address: Address) -> None:
        peer_id = ID.from_string(address.peer_id)
        if self._session.is_banned(peer_id):
            raise DialError(f"Cannot dial {address}: the peer is refused for a while for what it sent")
        refusal = self._session.lists.refusal(address.peer_id)
        if refusal:
            raise DialError(f"Cannot dial {address}: {self._session.lists.says(refusal)}")
        timeout_s = self._settings.dial_timeout_s
        target = address
        try:
            with trio.fail_after(timeout_s):
                target = await _resolve(address)
                await self._session.parts.network.dial_addr(Multiaddr(target.base), peer_id)
        except trio.TooSlowError:
            raise DialError(
                f"Cannot dial {address}: no answer in {timeout_s:g} s. Is the peer running there"
                f"{_PORTS.get(address.transport, '')}?"
            ) from None
        except DialError:
            raise
        except Exception as error:
            raise DialError(f"Cannot dial {address}: {_reason(error, timeout_s)}") from error
        await self._welcomed(address, peer_id)

    async def _welcomed(self, address: Address, peer_id: ID) -> None:
        """Wait for the peer's first word. Who refuses us does so after the handshake: the dial itself succeeds."""
        peer = self._session.peers.get(peer_id)
        if peer is not None:
            with trio.move_on_after(self._settings.welcome_s):
                await peer.welcomed.wait()
        if peer_id not in self._session.peers:
            why = self._ended.get(str(peer_id), "closed by the peer")
            raise ThrownOutError(
                f"Cannot dial {address}: the connection stood and ended at once ({why}). Perhaps the peer refuses "
                f"us for what we sent or by a list, has too many connections, or {quic.CLOCKS_DIFFER}"
            )


async def _resolve(address: Address) -> Address:
    """Replace a DNS name by its first IP address."""
    if address.family in ("ip4", "ip6", "unix"):
        return address
    family = {"dns4": socket.AF_INET, "dns6": socket.AF_INET6}.get(address.family, socket.AF_UNSPEC)
    try:
        found = await trio.socket.getaddrinfo(address.host, address.port, family, socket.SOCK_STREAM)
    except OSError as error:
        raise DialError(
            f"Cannot dial {address}: the name {address.host} is unknown ({error.strerror})"
        ) from None
    return address.resolved(str(found[0][4][0]))


def _reason(error: BaseException, timeout_s: float) -> str:
    """What went wrong, for a person, out of a chain of library errors."""
    chain: list[str] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(chain) < 16:
        at = waiting.pop(0)
        if at is not None:
            chain.append(f"{type(at).__name__} {at}")
            waiting.append(at.__cause__ or at.__context__)
            waiting.extend(at.exceptions if isinstance(at, BaseExceptionGroup) else ())
    lowered = " ".join(chain).lower()
    if "mismatch" in lowered:
        return "another peer answers there. Use the address that the wanted peer prints now"
    if "certificate not yet valid" in lowered or "certificate has expired" in lowered:
        return f"its certificate is not valid now: {quic.CLOCKS_DIFFER}"
    if "timed out" in lowered or "timeout" in lowered:
        return f"no answer in {timeout_s:g} s. Is the peer running there, and is its port open?"
    if "no such file" in lowered:
        return "there is no such socket. Is the peer running?"
    if "permission denied" in lowered:
        return "the permissions of the socket's file do not let us in"
    if "refused" in lowered:
        return "nothing listens there (connection refused)"
    if "unreachable" in lowered:
        return "the network has no way to it (unreachable)"
    if "maximum connections" in lowered:
        return "we have as many connections as `max_connections` allows"
    if "denied" in lowered:
        return "the connection limits refused it"
    return str(error) or type(error).__name__
