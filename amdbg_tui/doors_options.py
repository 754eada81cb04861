"""The options of `join` and `peer` that say how others are found and who may take part, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amdbg_tui.input_error import InputError
from amdbg_tui.settings import DiscoverySettings, Locations

if TYPE_CHECKING:
    from amdbg_tui.node.doors import Doors

LOOPBACK = "127.0.0.1"


def doors_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options themselves."""
    for option in (
        click.option(
            "--secret",
            default="",
            metavar="FILE",
            type=click.Path(),
            help="Seal the topic: only who holds this secret takes part (“secret new FILE”).",
        ),
        click.option(
            "--deny",
            default="",
            metavar="FILE",
            type=click.Path(),
            help="Peer ids that may not connect, one a line. Read again when it changes.",
        ),
        click.option(
            "--allow",
            default="",
            metavar="FILE",
            type=click.Path(),
            help="Peer ids that alone may connect, one a line. Read again when it changes.",
        ),
        click.option(
            "--identity",
            default="",
            metavar="FILE",
            type=click.Path(),
            help="Keep the peer id in FILE, for the next time too. Made when it is not there.",
        ),
        click.option(
            "--bootstrap",
            multiple=True,
            metavar="FILE|ADDR",
            type=click.Path(),
            help="More addresses to try: one, or a file with one a line. May be repeated.",
        ),
        click.option(
            "--mdns/--no-mdns",
            default=None,
            help="Announce this peer on the network and find others there. Off unless set.",
        ),
    ):
        command = option(command)
    return command


def make_doors(
    places: Locations,
    settings: DiscoverySettings,
    *,
    mdns: bool | None,
    bootstrap: tuple[str, ...],
    identity: str,
    secret: str,
    allow: str,
    deny: str,
) -> Doors:
    """What was asked for, each part checked. Raises `InputError`."""
    from amdbg_tui.node.doors import Doors
    from ampubsub.discovery.address_list import AddressListError, read_addresses

    listed: dict[str, None] = {}
    held = None
    try:
        for spec in (*settings.bootstrap, *bootstrap):
            listed |= dict.fromkeys(read_addresses(spec))
        if identity:
            from ampubsub.transport.interface import TransportError
            from ampubsub.transport.libp2p.identity import Identity

            _need_private_file(Path(identity))
            try:
                Identity.keep(Path(identity))
            except TransportError as error:
                raise InputError(str(error)) from error
        if secret:
            from ampubsub.seal import SecretError, read_secret

            try:
                held = read_secret(Path(secret))
            except SecretError as error:
                raise InputError(str(error)) from error
    except AddressListError as error:
        raise InputError(str(error)) from error
    wanted = settings.mdns if mdns is None else mdns
    return Doors(
        mdns=mdns_settings(settings) if wanted else None,
        listed=tuple(listed),
        books=places.books if settings.book else None,
        identity=Path(identity) if identity else None,
        allow=_peer_list(allow),
        deny=_peer_list(deny),
        secret_file=Path(secret) if secret else None,
        secret=held,
    )


def _peer_list(name: str) -> Path | None:
    if not name:
        return None
    from ampubsub.transport.interface import TransportError
    from ampubsub.transport.peer_lists import PeerList

    try:
        PeerList(Path(name)).read()
    except TransportError as error:
        raise InputError(str(error)) from error
    return Path(name)


def mdns_settings(settings: DiscoverySettings) -> Any:
    """mDNS as the settings have it. Raises `InputError`."""
    import ipaddress
    import re

    from ampubsub.discovery.mdns import MdnsSettings

    for interface in settings.interfaces:
        try:
            ipaddress.IPv4Address(interface)
        except ValueError:
            raise InputError(
                f"discovery.interfaces: {interface!r} is no IPv4 address of an interface, such as 192.168.1.7"
            ) from None
    if not re.fullmatch(r"_[a-z0-9-]{1,14}[a-z0-9]\._udp\.local\.", settings.service):
        raise InputError(
            f"discovery.service: {settings.service!r} is no mDNS service, such as _p2p._udp.local. with at most 15 letters"
        )
    return MdnsSettings(settings.interfaces, settings.service)


def listen_for(settings: DiscoverySettings, *, mdns: bool) -> tuple[str, ...]:
    """Where to listen when nothing was said: who announces itself to a network must be reachable from there."""
    stays_here = not mdns or set(settings.interfaces) == {LOOPBACK}
    return (f"/ip4/{LOOPBACK if stays_here else '0.0.0.0'}/udp/0/quic-v1",)


def _need_private_file(path: Path) -> None:
    """That an identity, where there is one, is a file that only its owner may read."""
    import stat

    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return  # whoever reads it says why
    if not stat.S_ISREG(mode):
        raise InputError(f"the identity {path} is no file")
    if mode & 0o077:
        raise InputError(f"others may read the identity in {path}: chmod 600 it, or name a new file")
