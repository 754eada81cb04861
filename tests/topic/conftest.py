"""Peers on the in-memory network, for these tests."""

from tests.village import _knows, village

__all__ = ["_knows", "village"]
