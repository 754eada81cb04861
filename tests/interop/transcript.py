"""What every program of a test said, in the order in which it was heard, for people to read."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field

PEER_ID = re.compile(r"12D3Koo\w{39}(\w{6})")


@dataclass
class Transcript:
    """Lines with the seconds since the start and the name of who spoke. Safe to write from any thread.

    What a program repeats word for word, such as the same list asked for again, is written once; peer ids
    are shortened to their last six letters.
    """

    started: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    last: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, who: str, text: str) -> None:
        text = PEER_ID.sub(r"..\1", text)
        with self.lock:
            if self.last.get(who) == text:
                return
            self.last[who] = text
            self.lines.append(f"{time.monotonic() - self.started:7.2f}  {who:<12} {text}")

    def __str__(self) -> str:
        with self.lock:
            return "\n".join(self.lines)
