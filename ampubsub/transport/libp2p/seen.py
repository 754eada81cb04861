"""Which message ids were seen lately: bounded, without py-libp2p's thread, on trio's clock."""

from __future__ import annotations

import trio


class SeenMessages:
    """Remembers each id for at least `ttl_s`, and at most about `limit` ids: two halves that take turns.

    Offers what py-libp2p's router asks of its cache: `has` and `add`.
    """

    def __init__(self, ttl_s: float, limit: int) -> None:
        self._ttl_s = ttl_s
        self._half = max(1, limit // 2)
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()
        self._turned = trio.current_time()

    def has(self, message_id: bytes) -> bool:
        """Whether the id was seen."""
        return message_id in self._new or message_id in self._old

    def add(self, message_id: bytes) -> bool:
        """Remember an id; True if it is new."""
        if self.has(message_id):
            return False
        now = trio.current_time()
        if now - self._turned >= self._ttl_s or len(self._new) >= self._half:
            self._old, self._new, self._turned = self._new, set(), now
        self._new.add(message_id)
        return True
