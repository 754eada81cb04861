"""Queries: listing network machines."""

from __future__ import annotations

from ampubsub.machine import Event
from ampubsub.topic.core import Core
from ampubsub.topic.filters import ListFilters, filter_machines


class QueryHandlers:
    """ListMachines."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def ListMachinesEnter(self, event: Event) -> bool:
        """There must be a list to put the answer into."""
        return isinstance(event.args.get("reply"), list)

    def ListMachinesState(self, event: Event) -> None:
        """Put the machines that match into `reply`."""
        core = self.core
        core.machine.remove("ListMachines", event=event)
        filters = event.args.get("filters") or ListFilters()
        event.args["reply"].extend(filter_machines(core.replicas.values(), filters))
