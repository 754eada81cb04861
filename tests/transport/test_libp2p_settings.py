"""The defaults promise what they say."""

from __future__ import annotations

from ampubsub.transport.libp2p import TransportSettings


def test_the_default_limits_notice_a_dead_peer_within_10_seconds_and_keep_one_that_stops_for_5() -> None:
    settings = TransportSettings()
    assert settings.ping_interval_s + settings.ping_limit_s < 10  # TCP
    assert settings.idle_timeout_s < 10  # QUIC
    assert settings.ping_limit_s > 5 + settings.ping_interval_s
    assert settings.idle_timeout_s > 5 + 2 * settings.ping_interval_s
