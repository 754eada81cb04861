"""The peer: a pure protocol, what drives it, the topic machine that shows it, and the face of it all.

Public names are imported from their files at first use, so that `ampubsub.topic.events` loads no network.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ampubsub.topic.errors import ConnectError as ConnectError
    from ampubsub.topic.errors import NotFoundError as NotFoundError
    from ampubsub.topic.errors import NotRunningError as NotRunningError
    from ampubsub.topic.errors import StartError as StartError
    from ampubsub.topic.errors import TopicError as TopicError
    from ampubsub.topic.events import ClockChanged as ClockChanged
    from ampubsub.topic.events import LifeVerdict as LifeVerdict
    from ampubsub.topic.events import MachineExposed as MachineExposed
    from ampubsub.topic.events import MachineGone as MachineGone
    from ampubsub.topic.events import MachineLabelled as MachineLabelled
    from ampubsub.topic.events import MachineReplaced as MachineReplaced
    from ampubsub.topic.events import MachineSourceChanged as MachineSourceChanged
    from ampubsub.topic.events import Noticed as Noticed
    from ampubsub.topic.events import PeerChanged as PeerChanged
    from ampubsub.topic.events import PeerStatus as PeerStatus
    from ampubsub.topic.events import Source as Source
    from ampubsub.topic.events import TopicEvent as TopicEvent
    from ampubsub.topic.exposures import ExposeError as ExposeError
    from ampubsub.topic.filters import ListFilters as ListFilters
    from ampubsub.topic.host import Host as Host
    from ampubsub.topic.host import discover_topics as discover_topics
    from ampubsub.topic.peers import PeerInfo as PeerInfo
    from ampubsub.topic.peers import Witness as Witness
    from ampubsub.topic.settings import TopicSettings as TopicSettings
    from ampubsub.topic.topic import Topic as Topic

_FILES = {
    "errors": (
        "ConnectError",
        "NotFoundError",
        "NotRunningError",
        "StartError",
        "TopicError",
    ),
    "events": (
        "ClockChanged",
        "LifeVerdict",
        "MachineExposed",
        "MachineGone",
        "MachineLabelled",
        "MachineReplaced",
        "MachineSourceChanged",
        "Noticed",
        "PeerChanged",
        "PeerStatus",
        "Source",
        "TopicEvent",
    ),
    "exposures": ("ExposeError",),
    "filters": ("ListFilters",),
    "host": ("Host", "discover_topics"),
    "peers": ("PeerInfo", "Witness"),
    "settings": ("TopicSettings",),
    "topic": ("Topic",),
}
_HOME = {name: file for file, names in _FILES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    file = _HOME.get(name)
    if file is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"ampubsub.topic.{file}"), name)
    globals()[name] = value
    return value
