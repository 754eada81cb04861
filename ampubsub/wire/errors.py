"""What is wrong with a message."""

from __future__ import annotations


class WireError(Exception):
    """A message that is not taken. `reason` is a short stable word to count by; the text is for people."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or reason)
        self.reason = reason
