"""Which machines a command is about: the filters of `ListFilters`, on the machines of a moment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from amdbg_tui.answers.expression import Expression
from amdbg_tui.history.live import Live, LiveMachine
from amdbg_tui.history.records import TOPIC_SLOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """All that is given must match. Names and meanings are those of `ampubsub.ListFilters`."""

    id_exact: str = ""
    id_partial: str = ""
    id_regexp: str = ""
    parent: str = ""
    peer: str = ""
    """A peer's name, or the end of its id."""
    tags: tuple[str, ...] = ()
    """All of these; one that ends in `:` matches any value."""
    sources: tuple[str, ...] = ()
    """One of these; by default all but gone."""
    active: str = ""
    """This state is active."""
    topic_machines: bool = False
    """Peers' own topic machines too."""

    def machines(self, live: Live) -> list[LiveMachine]:
        """The machines that match, by peer and index."""
        pattern = re.compile(self.id_regexp) if self.id_regexp else None
        return [
            machine
            for _, machine in sorted(live.machines.items())
            if self._matches(machine, live) and (pattern is None or pattern.search(machine.record.machine_id))
        ]

    def _matches(self, machine: LiveMachine, live: Live) -> bool:
        record = machine.record
        if record.key.slot == TOPIC_SLOT and not self.topic_machines:
            return False
        peer = live.peers.get(record.key.peer_id)
        if self.peer and not (
            record.key.peer_id.endswith(self.peer) or (peer and peer.record.name == self.peer)
        ):
            return False
        if self.active and not machine.is_active(self.active):
            return False
        return (
            (record.source in self.sources if self.sources else record.source != "gone")
            and self.id_exact in ("", record.machine_id)
            and self.id_partial in record.machine_id
            and self.parent in ("", record.parent_id)
            and all(_has_tag(record.tags, tag) for tag in self.tags)
        )


def _has_tag(tags: Iterable[str], wanted: str) -> bool:
    if wanted.endswith(":"):
        return any(tag.startswith(wanted) for tag in tags)
    return wanted in tags


def named_nowhere(expression: Expression, live: Live) -> str:
    """A warning for an expression that names what nobody has; empty when all is known."""
    unknown = expression.unknown(live)
    return f"nobody has it yet: {', '.join(unknown)}" if unknown else ""
