"""What the tests do with a `Topic` of their own process: tell the transcript, wait for machines and peers."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ampubsub import NetworkMachine, Topic
from ampubsub.topic import TopicEvent
from tests.interop.transcript import Transcript


def told(topic: Topic, transcript: Transcript, name: str = "python") -> Topic:
    """Write every event of a topic into the transcript."""

    def note(event: TopicEvent) -> None:
        transcript.note(name, str(event))

    topic.watch(note)
    transcript.note(name, f"is {topic.peer_id}")
    return topic


async def until(topic: Topic, holds: Callable[[], bool], what: str, limit_s: float = 30.0) -> None:
    """Wait for events of a topic until `holds`."""
    happened = trio.Event()

    def wake(_: TopicEvent) -> None:
        happened.set()

    stop = topic.watch(wake)
    try:
        with trio.move_on_after(limit_s):
            while not holds():
                await happened.wait()
                happened = trio.Event()
    finally:
        stop()
    assert holds(), f"{what} did not happen within {limit_s:.0f} s"


def by_id(topic: Topic) -> dict[str, NetworkMachine]:
    """The machines of others by the id that they have at home."""
    return {machine.remote_id: machine for machine in topic.network_machines}


async def listed(topic: Topic, *ids: str, limit_s: float = 30.0) -> dict[str, NetworkMachine]:
    """Wait until machines of these ids are listed."""
    await until(topic, lambda: set(ids) <= set(by_id(topic)), f"listing {', '.join(ids)}", limit_s)
    return by_id(topic)
