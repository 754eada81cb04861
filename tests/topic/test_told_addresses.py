"""Addresses that others told are hints: private networks are dialled, the wide internet is not."""

from __future__ import annotations

import pytest

from ampubsub.topic.driver import _may_be_dialled

PEER = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"


@pytest.mark.parametrize(
    ("address", "dialled"),
    [
        (f"/ip4/127.0.0.1/udp/4001/quic-v1/p2p/{PEER}", True),
        (f"/ip4/192.168.1.7/tcp/4001/p2p/{PEER}", True),
        (f"/ip4/10.1.2.3/udp/4001/quic-v1/p2p/{PEER}", True),
        (f"/ip4/8.8.8.8/udp/4001/quic-v1/p2p/{PEER}", False),
        (f"/ip6/2001:4860:4860::8888/tcp/4001/p2p/{PEER}", False),
        ("/ip4/127.0.0.1/tcp/4001", False),
        ("nonsense", False),
        ("/memory/boiler/p2p/boiler", True),
    ],
)
def test_only_this_machine_and_private_networks_are_dialled_on_a_strangers_word(address, dialled) -> None:
    assert _may_be_dialled(address) is dialled
