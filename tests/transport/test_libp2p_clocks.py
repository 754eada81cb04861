"""Clocks that differ: no matter between peers of ours; towards others the reason is said in words.

A certificate begins a minute before its maker's clock: one that begins later, or has ended, is what a peer with
another clock would show.
"""

from __future__ import annotations

import datetime
import logging

import pytest
import trio

from ampubsub.transport.interface import DialError, PeerConnected
from ampubsub.transport.libp2p import Libp2pTransport
from ampubsub.transport.libp2p.workarounds import quic
from tests.transport.bare import bare_host
from tests.transport.loopback import QUIC, event_of, holds, parts_of, until

pytestmark = [pytest.mark.trio, pytest.mark.network]

A_MINUTE, A_YEAR, TEN_YEARS = (
    datetime.timedelta(minutes=1),
    *(datetime.timedelta(days=d) for d in (366, 3660)),
)


def as_if_its_clock_was(transport: Libp2pTransport, off_by: datetime.timedelta) -> None:
    """Give an open transport the certificate that py-libp2p would have made at another time."""
    made = datetime.datetime.now(datetime.UTC) + off_by
    quic.certify(parts_of(transport).network, made - A_MINUTE, made + datetime.timedelta(days=365))


@pytest.mark.parametrize("off_by", [2 * A_MINUTE, A_YEAR, -A_YEAR])
async def test_dialling_another_peer_with_another_clock_says_that_clocks_differ(
    off_by: datetime.timedelta,
) -> None:
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([QUIC]), leaf.opened([]):
        as_if_its_clock_was(root, off_by)
        with pytest.raises(DialError, match="clocks of the two machines differ by more than a minute"):
            await leaf.connect(root.addresses[0])


async def test_another_peer_with_another_clock_that_dials_us_is_refused_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """To it the dial seems to succeed. Ours say then why it may be; of the refusal we tell."""
    root, leaf = Libp2pTransport(), Libp2pTransport()
    async with root.opened([QUIC]), leaf.opened([]):
        as_if_its_clock_was(leaf, 2 * A_MINUTE)
        with (
            caplog.at_level(logging.WARNING, "ampubsub"),
            pytest.raises(DialError, match=r"ended at once .*clocks"),
        ):
            await leaf.connect(root.addresses[0])
        await until(lambda: root.dropped.get("certificate-time", 0) > 0)
        assert "clocks of the two machines differ" in caplog.text
        assert not await holds(lambda: bool(leaf.connected_peers()), within_s=1), "nor is it dialled again"


@pytest.mark.parametrize("off_by", [TEN_YEARS, -TEN_YEARS])
async def test_our_peers_take_each_other_whatever_the_time(
    off_by: datetime.timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificates checked at another time than they were made: by py-libp2p's own check and by aioquic's."""
    root, leaf = Libp2pTransport(), Libp2pTransport()
    now = datetime.datetime.now(datetime.UTC)
    async with root.opened([QUIC]), leaf.opened([]):

        class Later(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
                return now + off_by

        monkeypatch.setattr(datetime, "datetime", Later)
        await leaf.connect(root.addresses[0])
        await event_of(root, PeerConnected)
        assert not await holds(lambda: not leaf.connected_peers(), within_s=0.5)


async def test_who_is_thrown_out_at_once_is_told_so() -> None:
    """A dial that the other side undoes right after the handshake is no success."""
    leaf = Libp2pTransport()
    async with bare_host(QUIC) as root, leaf.opened([]):
        closing = root.parts.network.add_conn

        async def add_and_close(muxed: object, direction: str = "unknown") -> object:
            await muxed.close()  # type: ignore[attr-defined]
            return await closing(muxed, direction)  # type: ignore[arg-type]

        root.parts.network.add_conn = add_and_close  # type: ignore[method-assign, assignment]
        with trio.fail_after(5), pytest.raises(DialError, match="the connection stood and ended at once"):
            await leaf.connect(root.addresses[0])
