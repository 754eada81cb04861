"""What a topic raises or puts into its Exception state. Each text says what happened, where, and what to do."""

from __future__ import annotations


class TopicError(Exception):
    """Something went wrong with a topic."""


class StartError(TopicError):
    """The host could not be opened, or the topic not joined."""


class ConnectError(TopicError):
    """None of the given addresses could be reached."""


class NotRunningError(TopicError):
    """The topic has no owner: use it inside of `async with topic:`."""


class NotFoundError(TopicError):
    """No machine matched in time."""
