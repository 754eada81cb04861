"""How others are found and who may take part: what of `--mdns`, `--bootstrap`, `--identity` and `--secret` became,
carried out beside a topic. Everything is checked for its form before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ampubsub.discovery import Seeking
    from ampubsub.discovery.mdns import MdnsSettings
    from ampubsub.seal import Secret
    from ampubsub.transport.interface import Transport

SECRET_LOOK_S = 2.0
"""How often the secret's file is looked at."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Ways to others, and to keep strangers out. The defaults: none."""

    mdns: MdnsSettings | None = None
    """Announce ourselves on this network, and look for others."""
    listed: tuple[str, ...] = ()
    """Addresses of bootstrap lists."""
    books: Path | None = None
    """The folder of address books."""
    identity: Path | None = None
    """The file of a lasting identity; None: a new one each time."""
    allow: Path | None = None
    """The file of peer ids that alone may connect."""
    deny: Path | None = None
    """The file of peer ids that may not."""
    secret_file: Path | None = None
    secret: Secret | None = None
    """What was in it."""

    def make_transport(self) -> Transport:
        """libp2p, with the identity and the secret. Raises `TransportError` for a key file that cannot be used."""
        from ampubsub.transport.libp2p import Libp2pTransport
        from ampubsub.transport.libp2p.settings import TransportSettings

        settings = TransportSettings(key_file=self.identity, allow_file=self.allow, deny_file=self.deny)
        return self.around(Libp2pTransport(settings))

    def around(self, transport: Transport) -> Transport:
        """A transport, sealed when there is a secret."""
        if self.secret is None:
            return transport
        from ampubsub.seal import SealedTransport

        return SealedTransport(transport, self.secret)

    def seeking(
        self, transport: Transport, topic: str, dialled: tuple[str, ...], notice: Callable[[str], None]
    ) -> Seeking:
        """What seeks the peers of a topic; run it beside the topic."""
        from ampubsub.discovery import AddressBook, Seeking, topic_tag
        from ampubsub.seal import SealedTransport

        name = topic
        if isinstance(transport, SealedTransport):
            name = transport.wire_names(topic)[
                0
            ]  # neither tag nor file name is made of a secret topic's name
        return Seeking(
            transport,
            topic,
            dialled=dialled,
            listed=self.listed,
            book=None if self.books is None else AddressBook(self.books, name),
            mdns=self.mdns,
            tag=topic_tag(name),
            notice=notice,
        )

    async def follow_secret(self, transport: Transport, notice: Callable[[str], None]) -> None:
        """Use the keys in the secret's file, also when it changes. Until cancelled."""
        import trio

        from ampubsub.seal import SealedTransport, SecretError, read_secret

        if not isinstance(transport, SealedTransport) or self.secret_file is None:
            return
        seen = _stamp(self.secret_file)
        while True:
            await trio.sleep(SECRET_LOOK_S)
            stamp = _stamp(self.secret_file)
            if stamp == seen:
                continue
            seen = stamp
            try:
                secret = read_secret(self.secret_file)
            except SecretError as error:
                notice(f"the keys stay as they are: {error}")
                continue
            if secret != transport.secret:
                await transport.rekey(secret)
                notice(f"the keys were changed: {secret.ids[0]} seals now, {len(secret.ids)} open")


def _stamp(path: Path) -> Any:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size, status.st_mode
