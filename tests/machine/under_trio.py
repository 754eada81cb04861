"""Async tests of the machine: each runs in a trio of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any

import trio


def under_trio(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test to its end."""

    @wraps(test)
    def run(*args: Any, **named: Any) -> None:
        trio.run(partial(test, *args, **named))

    return run
