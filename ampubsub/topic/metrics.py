"""The metrics machine of a peer: a machine whose states tick as peers are heard (Go: `Topic.MachMetrics`).

`Peer` ticks with every message read. `Info`, `Gossip` and `Update` tick with everything told of any peer, and for each
named peer there are `NAMEInfo`, `NAMEGossip` and `NAMEUpdate`. All are Multi: the number of ticks is twice the number
of times, less one.
"""

from __future__ import annotations

from collections.abc import Mapping

from ampubsub.machine import Machine, State

KINDS = ("Info", "Gossip", "Update")


class Metrics:
    """Counts in the ticks of a machine, so that a debugger shows them."""

    def __init__(self, machine_id: str, names: Mapping[str, str], parent: Machine) -> None:
        multi = State(multi=True)
        self._named = {name for name in names.values() if name.isidentifier()}
        states = ["Peer", *KINDS, *(f"{name}{kind}" for name in sorted(self._named) for kind in KINDS)]
        self.machine = Machine(
            dict.fromkeys(states, multi),
            id=machine_id,
            states=["Exception", *states],
            parent=parent,
            tags=("metrics",),
        )

    def tick(self, what: str, peer_id: str, name: str) -> None:
        """Something was heard of a peer."""
        states = [what]
        if name in self._named and what in KINDS:
            states.append(f"{name}{what}")
        self.machine.add(*states)
