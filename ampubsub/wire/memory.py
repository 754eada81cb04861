"""What bytes were decoded to lately, so that the same bytes need not be decoded again. Bounded."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any


class Memory:
    """Values by bytes; the longest unused go first. Any thread may ask it."""

    __slots__ = ("_held", "_lock", "_max_bytes", "_max_values", "_values")

    def __init__(self, max_values: int, max_bytes: int) -> None:
        """At most `max_values` values, whose bytes are at most `max_bytes` long in all."""
        self._max_values = max_values
        self._max_bytes = max_bytes
        self._held = 0
        self._values: OrderedDict[bytes, Any] = OrderedDict()
        self._lock = Lock()

    def get(self, data: bytes) -> Any:
        """The value of these bytes, or None."""
        with self._lock:
            value = self._values.get(data)
            if value is not None:
                self._values.move_to_end(data)
            return value

    def put(self, data: bytes, value: Any) -> None:
        """Remember a value, which is not None. Bytes longer than all that may be kept are not."""
        if len(data) > self._max_bytes:
            return
        with self._lock:
            if data not in self._values:
                self._held += len(data)
            self._values[data] = value
            while self._held > self._max_bytes or len(self._values) > self._max_values:
                oldest, _ = self._values.popitem(last=False)
                self._held -= len(oldest)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def held_bytes(self) -> int:
        """Length of all bytes remembered."""
        return self._held
