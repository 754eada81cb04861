"""Finding peers on this network by multicast DNS (RFC 6762, 6763), as go-libp2p's mdns service does it.

Service `_p2p._udp.local.`, a random instance name, one TXT string `dnsaddr=MULTIADDR` for each address (all with the
same key); ours add `at=TAG` for each topic, which Go's do not read. The package `zeroconf` does the DNS in a thread of
its own and is imported on first use. What is found is a hint: bounded, only addresses of private networks, believed in nothing.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import string
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from ampubsub.discovery.found import (
    MOST_ADDRESSES,
    MOST_TOPICS,
    Found,
    How,
    is_loopback,
    is_tag,
    sound_addresses,
)

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

SERVICE = "_p2p._udp.local."
"""go-libp2p's (`p2p/discovery/mdns`, `ServiceName`)."""
_WAITING = 256
"""Records that may wait to be looked at; more are left out."""
_LONGEST_TEXT = 4_096
_OWN_TEXT = 1_200
"""Most bytes of our TXT record: one packet."""
_PEERS_A_RECORD = 4
_ASK_MS = 1_500


class MdnsError(Exception):
    """This network cannot be asked: no interface, or no multicast. One line for a person."""


@dataclass(frozen=True, slots=True)
class MdnsSettings:
    """Where and how to look."""

    interfaces: tuple[str, ...] = ()
    """IPv4 addresses of the interfaces to use; none: all. `127.0.0.1` stays on this machine."""
    service: str = SERVICE


@asynccontextmanager
async def opened(
    addresses: Sequence[str] = (), tags: Iterable[str] = (), settings: MdnsSettings | None = None
) -> AsyncIterator[trio.MemoryReceiveChannel[Found]]:
    """Look for peers as long as the block lasts, and announce `addresses` and topics' `tags` (no addresses: only look).

    Yields a channel of `Found`. Raises `MdnsError`. Leaving says goodbye and takes about 0.3 s.
    """
    settings = settings or MdnsSettings()
    send, receive = trio.open_memory_channel[Found](_WAITING)
    token = trio.lowlevel.current_trio_token()

    def give(found: Found) -> None:
        def put() -> None:
            try:
                send.send_nowait(found)
            except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        try:
            token.run_sync_soon(put)
        except trio.RunFinishedError:
            pass

    name = "".join(random.choices(string.ascii_lowercase + string.digits, k=40))
    announcement = announced(addresses, tags)
    node = await trio.to_thread.run_sync(_Node, settings, f"{name}.{settings.service}", give)
    try:
        if announcement:
            await trio.to_thread.run_sync(node.announce, announcement)
        yield receive
    finally:
        send.close()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(node.close)


def announced(addresses: Sequence[str], tags: Iterable[str]) -> bytes:
    """The TXT record that says this; empty when there is nothing to say.

    Loopback addresses are left out when there are others. As much is said as fits into one packet.
    """
    sound = [one for known in sound_addresses(addresses, local_only=False).values() for one in known]
    addresses = [one for one in sound if not is_loopback(one)] or sound
    strings = [f"dnsaddr={address}".encode() for address in addresses[:MOST_ADDRESSES]]
    if not strings:
        return b""
    text = b""
    for one in (*strings, *(f"at={tag}".encode() for tag in tags)):
        if len(one) < 256 and len(text) + 1 + len(one) <= _OWN_TEXT:
            text += bytes([len(one)]) + one
    return text


def read_text(instance: str, text: bytes) -> list[Found]:
    """What a TXT record says. Several strings may have the same key, so it is read as it came."""
    addresses: list[str] = []
    tags: set[str] = set()
    place = 0
    text = text[:_LONGEST_TEXT]
    while place < len(text):
        length = text[place]
        one = text[place + 1 : place + 1 + length]
        if len(one) < length:
            break
        place += 1 + length
        if one.startswith(b"dnsaddr="):
            addresses.append(one[8:].decode("utf-8", "replace"))
        elif (
            one.startswith(b"at=")
            and is_tag(tag := one[3:].decode("ascii", "replace"))
            and len(tags) < MOST_TOPICS
        ):
            tags.add(tag)
    sound = sound_addresses(addresses, local_only=True)
    return [
        Found(peer, known, frozenset(tags), How.MDNS, instance)
        for peer, known in list(sound.items())[:_PEERS_A_RECORD]
    ]


class _Node:
    """zeroconf's side: lives in its threads, hands over whole records. Its methods block."""

    def __init__(self, settings: MdnsSettings, own_name: str, give: Any) -> None:
        from zeroconf import InterfaceChoice, IPVersion, ServiceBrowser, Zeroconf

        self._settings = settings
        self._own_name = own_name
        self._give = give
        chosen: Any = list(settings.interfaces) or InterfaceChoice.All
        try:
            self._zeroconf: Zeroconf = Zeroconf(interfaces=chosen, ip_version=IPVersion.V4Only)
        except (OSError, ValueError, RuntimeError) as error:
            where = f" on {', '.join(settings.interfaces)}" if settings.interfaces else ""
            raise MdnsError(
                f"mDNS cannot be used{where}: {getattr(error, 'strerror', None) or error}"
            ) from error
        try:
            self._browser = ServiceBrowser(self._zeroconf, settings.service, listener=self, delay=100)  # type: ignore[arg-type]
        except Exception as error:
            self._zeroconf.close()
            raise MdnsError(f"mDNS cannot look for {settings.service}: {error}") from error

    def announce(self, text: bytes) -> None:
        """Say where we are. A random name needs no probing, so it is said at once."""
        from zeroconf import ServiceInfo

        interfaces = self._settings.interfaces or _own_interfaces()
        info = ServiceInfo(
            self._settings.service,
            self._own_name,
            port=4001,
            server=self._own_name.split(".", 1)[0] + ".local.",
            addresses=[socket.inet_aton(interface) for interface in interfaces],
            other_ttl=120,
            properties=text,
        )
        self._zeroconf.register_service(info, cooperating_responders=True, strict=False)

    def close(self) -> None:
        """Say goodbye, and end every thread."""
        self._zeroconf.unregister_all_services()
        self._browser.cancel()
        self._zeroconf.close()

    # Called by zeroconf, in its thread.

    def add_service(self, zeroconf: Zeroconf, kind: str, name: str) -> None:
        """A record came."""
        from zeroconf import ServiceInfo

        if name == self._own_name:
            return
        info: ServiceInfo = ServiceInfo(kind, name)
        if not info.load_from_cache(zeroconf) and not info.text:
            info.request(zeroconf, _ASK_MS)  # it came without its text, which is rare
        for found in read_text(name[:64], info.text or b""):
            self._give(found)

    update_service = add_service

    def remove_service(self, zeroconf: Zeroconf, kind: str, name: str) -> None:
        """It said goodbye, or was not heard of for too long."""
        if name != self._own_name:
            self._give(Found("", (), frozenset(), How.MDNS, name[:64]))


def _own_interfaces() -> tuple[str, ...]:
    import ifaddr

    found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    others = [ip for ip in found if not ipaddress.ip_address(ip).is_loopback]
    return tuple(others or found)[:8]
