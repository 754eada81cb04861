"""asyncmachine peers for Python: state machines, and a libp2p topic that shares them.

The names below are imported from their rooms at first use: `import ampubsub.machine` loads neither trio nor libp2p.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ampubsub.machine import Event as Event
    from ampubsub.machine import Machine as Machine
    from ampubsub.machine import MachineView as MachineView
    from ampubsub.machine import Result as Result
    from ampubsub.machine import State as State
    from ampubsub.machine import Time as Time
    from ampubsub.machine import Tracer as Tracer
    from ampubsub.remote import NetworkMachine as NetworkMachine
    from ampubsub.topic import Host as Host
    from ampubsub.topic import ListFilters as ListFilters
    from ampubsub.topic import PeerInfo as PeerInfo
    from ampubsub.topic import Source as Source
    from ampubsub.topic import Topic as Topic
    from ampubsub.topic import TopicError as TopicError
    from ampubsub.topic import TopicSettings as TopicSettings
    from ampubsub.topic import discover_topics as discover_topics

_ROOMS = {
    "ampubsub.machine": ("Event", "Machine", "MachineView", "Result", "State", "Time", "Tracer"),
    "ampubsub.remote": ("NetworkMachine",),
    "ampubsub.topic": (
        "Host",
        "ListFilters",
        "PeerInfo",
        "Source",
        "Topic",
        "TopicError",
        "TopicSettings",
        "discover_topics",
    ),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    room = _HOME.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
