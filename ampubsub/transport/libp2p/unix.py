"""Unix sockets for py-libp2p, which has none: beside TCP, with the same Noise and yamux above.

The permissions of the socket's file are the access control: its owner only, unless `unix_mode` says otherwise. A
file left over by a peer that died is removed when nobody answers there; anything else is left alone.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from libp2p.abc import IListener, ITransport
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from multiaddr import Multiaddr  # type: ignore[import-untyped]

from ampubsub.transport.address import Address
from ampubsub.transport.interface import ListenError

_BACKLOG = 128


def path_of(maddr: Multiaddr) -> str:
    """The path in a `/unix` multiaddr. It swallows what follows: the `/p2p/` part of an address to dial, too."""
    return "/" + str(maddr.value_for_protocol("unix")).lstrip("/")


def is_unix(maddr: Multiaddr) -> bool:
    """Whether a multiaddr is one of these."""
    return bool(str(maddr).startswith("/unix"))


def make_way(address: Address) -> None:
    """Remove a left-over file at an address to listen on. Raises `ListenError`, which says what is there."""
    path = address.host
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            raise ListenError(f"Cannot listen on {address}: there is no folder {folder}") from None
        return
    except OSError as error:
        raise ListenError(f"Cannot listen on {address}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"Cannot listen on {address}: a file is there, and it is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:  # somebody listens, and is busy
            pass
        except OSError as error:
            raise ListenError(f"Cannot listen on {address}: {error.strerror}") from error
    raise ListenError(f"Cannot listen on {address}: another program listens there")


class UnixStream(TrioTCPStream):
    """One connection; its remote "host" is the socket's path."""

    def __init__(self, stream: trio.SocketStream, path: str) -> None:
        super().__init__(stream)
        self._cached_remote_address = (path, 0)


class UnixListener(IListener):
    """Listens on one path."""

    def __init__(self, handler: Callable[[Any], Awaitable[None]], mode: int) -> None:
        self._handler = handler
        self._mode = mode
        self._path = ""
        self._inode = 0
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    async def listen(self, maddr: Multiaddr) -> None:
        """Listen, in a task of its own, until closed."""
        path = path_of(maddr)
        sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        before = os.umask(0o777 & ~self._mode)  # from the first moment on: nothing can slip in before a chmod
        try:
            await sock.bind(path)
        except OSError as error:
            sock.close()
            raise OpenConnectionError(f"cannot listen on {path}: {error}") from error
        finally:
            os.umask(before)
        sock.listen(_BACKLOG)
        self._path, self._inode = path, os.lstat(path).st_ino
        trio.lowlevel.spawn_system_task(self._serve, trio.SocketListener(sock))
        await trio.lowlevel.checkpoint()

    async def _serve(self, listener: trio.SocketListener) -> None:
        async def one(stream: trio.SocketStream) -> None:
            await self._handler(UnixStream(stream, self._path))

        try:
            with self._scope:
                await trio.serve_listeners(one, [listener])
        finally:
            self._ended.set()

    def get_addrs(self) -> tuple[Multiaddr, ...]:
        """Where it listens."""
        return (Multiaddr(f"/unix{self._path}"),) if self._path else ()

    async def close(self) -> None:
        """End, and remove the file if it is still ours."""
        path, self._path = self._path, ""
        if not path:
            return
        self._scope.cancel()
        await self._ended.wait()
        try:
            if os.lstat(path).st_ino == self._inode:
                os.unlink(path)
        except OSError:
            pass  # somebody tidied up before


class UnixTransport(ITransport):
    """Dials and listens on `/unix/PATH`."""

    def __init__(self, mode: int) -> None:
        self._mode = mode

    async def dial(self, maddr: Multiaddr) -> RawConnection:
        """Connect to a socket's file."""
        path = path_of(maddr).rpartition("/p2p/")[0]
        try:
            stream = await trio.open_unix_socket(path)
        except OSError as error:
            raise OpenConnectionError(f"cannot connect to {path}: {error}") from error
        return RawConnection(UnixStream(stream, path), True)

    def create_listener(self, handler_function: Callable[[Any], Awaitable[None]]) -> IListener:
        """A listener that is not listening yet."""
        return UnixListener(handler_function, self._mode)

    def can_dial(self, maddr: Multiaddr) -> bool:
        """Whether the address is one of these."""
        return is_unix(maddr)

    def can_listen(self, maddr: Multiaddr) -> bool:
        """Whether the address is one of these."""
        return is_unix(maddr)

    def protocols(self) -> list[str]:
        """The name in addresses."""
        return ["unix"]

    def listen_order(self) -> int:
        """Before the others: it needs no port."""
        return 0
