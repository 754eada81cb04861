"""Which of several connections to one peer is kept: both sides must come to one answer."""

from __future__ import annotations

import pytest

from ampubsub.transport.libp2p import TransportSettings
from ampubsub.transport.libp2p.peers import Connection, choice_is_theirs, one_connection_per_peer


@pytest.mark.parametrize("left_dialled_first", [True, False])
@pytest.mark.parametrize("left_is_smaller", [True, False])
@pytest.mark.parametrize("age_on_the_right", [0.0, 1.9, 2.1, 7.9, 8.1, 60.0])
@pytest.mark.parametrize("lag", [0.0, 0.3, 3.0])
def test_two_peers_that_judge_ages_differently_never_close_one_connection_each(
    lag: float, age_on_the_right: float, left_is_smaller: bool, left_dialled_first: bool
) -> None:
    """The left sees the first connection `lag` seconds later than the right."""
    settings = TransportSettings()

    def choice(is_left: bool) -> str | None:
        """Which connection this side keeps, if it chooses at once."""
        since_first = lag if is_left else 0.0
        first = Connection(None, since_first, outbound=left_dialled_first == is_left, address="first")
        second = Connection(None, age_on_the_right, outbound=left_dialled_first != is_left, address="second")
        smaller = left_is_smaller == is_left
        if choice_is_theirs((first, second), smaller, settings):
            return None
        return one_connection_per_peer((first, second), smaller, settings.same_age_s).address

    choices = {choice(True), choice(False)} - {None}
    assert len(choices) == 1
