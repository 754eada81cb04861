"""The defaults promise what they say."""

from __future__ import annotations

from ampubsub.transport.libp2p import TransportSettings


def test_the_default_limits_notice_a_dead_peer_within_40_seconds() -> None:
    settings = TransportSettings()
    assert settings.ping_interval_s + settings.ping_limit_s < 40  # TCP
    assert settings.idle_timeout_s + 2 < 40  # QUIC, whose loop looks every 2 s
    assert settings.ping_interval_s < settings.idle_timeout_s / 3
