"""Who we are: an ed25519 key, the peer id that follows from it, and the file that keeps it.

The file holds libp2p's own form of a private key (peer-ids spec: protobuf of key type and seed + public
key), so a Go peer can use the same file. Importing this does not import libp2p.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import SigningKey

from ampubsub.transport.address import base58_encode
from ampubsub.transport.interface import TransportError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_PRIVATE_HEADER = b"\x08\x01\x12\x40"
_PUBLIC_HEADER = b"\x08\x01\x12\x20"
_IDENTITY_MULTIHASH = b"\x00\x24"


@contextmanager
def used(path: Path | None) -> Iterator[None]:
    """Hold a key file while a transport is open: of two programs with one identity each hears only the other's end.

    Raises `TransportError` when another one holds it. Where files cannot be locked nothing is held.
    """
    if path is None or fcntl is None:
        yield
        return
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransportError(
                f"The identity in {path} is in use by another program: stop it, or use another file"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield


@dataclass(frozen=True, slots=True)
class Identity:
    """An ed25519 identity."""

    seed: bytes
    """The 32 secret bytes."""
    public: bytes
    """The 32 public bytes."""

    @classmethod
    def new(cls, seed: bytes | None = None) -> Identity:
        """Make a new identity, or the one that follows from `seed` (32 bytes)."""
        secret = secrets.token_bytes(32) if seed is None else seed
        if len(secret) != 32:
            raise TransportError(f"An ed25519 seed has 32 bytes, not {len(secret)}")
        return cls(secret, bytes(SigningKey(secret).verify_key))

    @classmethod
    def keep(cls, path: Path) -> Identity:
        """Read the identity in `path`; make one there (readable by its owner only) if there is none.

        Programs that start at the same time end up with the same one.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            identity = cls.new()
            if identity.write(path):
                return identity
            if not path.exists():
                raise TransportError(f"Cannot read the key file {path}: it is a link to nowhere") from None
            return cls.keep(path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise TransportError(f"Cannot read the key file {path}: {why}") from error
        if len(data) != 68 or not data.startswith(_PRIVATE_HEADER):
            raise TransportError(
                f"{path} is not an ed25519 key in libp2p's form: move it away, and a new one is made"
            )
        identity = cls.new(data[4:36])
        if identity.public != data[36:]:
            raise TransportError(f"{path} is damaged: its public key does not belong to its secret one")
        return identity

    def write(self, path: Path) -> bool:
        """Write the identity to a new file `path`, for its owner only; False if there is one already.

        The file appears as a whole: nobody reads half of it.
        """
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_PRIVATE_HEADER + self.seed + self.public)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(fresh, path)
            finally:
                os.unlink(fresh)
        except FileExistsError:
            return False
        except OSError as error:
            raise TransportError(f"Cannot write the key file {path}: {error.strerror or error}") from error
        return True

    @property
    def peer_id(self) -> str:
        """Base58 peer id: the public key itself, as an identity multihash (peer-ids spec)."""
        return base58_encode(peer_id_bytes(self.public))


def peer_id_bytes(public: bytes) -> bytes:
    """The peer id of an ed25519 public key as bytes."""
    return _IDENTITY_MULTIHASH + _PUBLIC_HEADER + public


def ed25519_of(peer_id: bytes) -> bytes | None:
    """The ed25519 public key inside a peer id; None if it holds another kind of key or only a hash."""
    if len(peer_id) == 38 and peer_id.startswith(_IDENTITY_MULTIHASH + _PUBLIC_HEADER):
        return peer_id[6:]
    return None


def marshalled_public(public: bytes) -> bytes:
    """An ed25519 public key as messages and identify carry it."""
    return _PUBLIC_HEADER + public
