"""The doctor: what is wrong, since when, who says so, how sure, what it means and what to do.

Findings have names (`CHECKS`, told in `docs/doctor.md`). Each stands on records that one can jump to. The doctor reads a
moment and the records of the last two minutes before it, so it works now, at any moment, and on a recording; it keeps nothing
and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from amdbg_tui.answers import machine_checks, peer_checks
from amdbg_tui.answers.case import Case, Confidence, Seen
from amdbg_tui.history import History
from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.live import Live

WINDOW_S = 120.0
MOST_OF_A_KIND = 50
"""Findings of one name; a topic may have thousands of peers."""


class Severity(IntEnum):
    """How bad, worst highest."""

    INFO = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the doctor knows of."""

    name: str
    severity: Severity
    meaning: str
    remedy: str
    look: Callable[[Case], Iterator[Seen]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong."""

    check: Check
    seen: Seen

    @property
    def name(self) -> str:
        """The check's name."""
        return self.check.name

    @property
    def severity(self) -> Severity:
        """How bad."""
        return self.check.severity


_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR

CHECKS: tuple[Check, ...] = (
    Check(
        "cut-off", _ERROR, "we hear from nobody any more; what is shown is as it was",
        "look at this computer's network and at the addresses that were dialled", peer_checks.cut_off,
    ),
    Check(
        "partition", _ERROR, "the network fell into parts that do not hear each other; each part goes on by itself",
        "look for what these peers have in common: a host, a switch, a relay peer that died", peer_checks.partition,
    ),
    Check(
        "peer-dead", _ERROR, "it ended, or cannot be reached, without saying bye; its machines are as they were then",
        "look at its process and its host; it shows up by itself when it is back", peer_checks.dead,
    ),
    Check(
        "flapping", _WARNING, "its connection is lost and found again and again",
        "look at the way to it (a full link, a sleeping device) and whether its loop is blocked",
        peer_checks.flapping,
    ),
    Check(
        "restarts", _ERROR, "its program ends and is started again in a loop",
        "read the output of the program: it ends soon after it starts", peer_checks.restarts,
    ),
    Check(
        "mute-go", _WARNING, "asyncmachine-go v0.15 to v0.19 cannot read what other peers tell, and asks again for ever",
        "run it with the pubsub of v0.14 or with a release that mends it; its own telemetry (am-dbg) tells all here",
        peer_checks.mute,
    ),
    Check(
        "flood", _ERROR, "it says so much that others' news wait",
        "mute it, or cut off the neighbour that brings it; find the machine that changes so often", peer_checks.flood,
    ),
    Check(
        "dropped", _WARNING, "a part of what it says is not taken in, for the reasons named",
        "compare its version with ours; the reasons are told in docs/protocol.md", peer_checks.dropped,
    ),
    Check(
        "impostor", _ERROR, "it says what only a liar or a broken program says",
        "mute it; if it should be honest, look at its version", peer_checks.impostor,
    ),
    Check(
        "identity-twice", _ERROR, "two programs seem to run with one identity file",
        "give each its own identity", peer_checks.identity_twice,
    ),
    Check(
        "same-name", _INFO, "two peers call themselves alike; they are told apart by the end of their ids",
        "give one another name", peer_checks.same_name,
    ),
    Check(
        "slow", _WARNING, "its loop is busy, or the way to it is long",
        "look for a handler that blocks its loop, and at its host's load", peer_checks.slow,
    ),
    Check(
        "hearsay-only", _WARNING, "others name it, but nothing that it said itself comes here",
        "dial it directly; it may be long dead", peer_checks.hearsay_only,
    ),
    Check(
        "no-mesh", _WARNING, "messages reach us by gossip only, seconds late",
        "connect to more peers; look whether the topic's name is the same", peer_checks.no_mesh,
    ),
    Check(
        "own-budget", _WARNING, "our own news wait until the budget has room",
        "expose fewer machines, or those that change less often", peer_checks.own_budget,
    ),
    Check(
        "too-large", _ERROR, "a machine of ours is not shown to others",
        "split its schema, or shorten its names and tags", peer_checks.too_large,
    ),
    Check(
        "behind", _WARNING, "others know later clocks than we do, and their owner was not heard",
        "wait some seconds; if it lasts, look at the way to its peer", machine_checks.behind,
    ),
    Check(
        "wavering", _WARNING, "messages are lost on the way, and repaired late",
        "look at the way to its peer", machine_checks.wavering,
    ),
    Check(
        "schema-mismatch", _WARNING, "replicas of one machine run different versions of it",
        "update those that differ; compare them with 'ampubsub-tui compare'", machine_checks.schemas_differ,
    ),
    Check(
        "in-error", _ERROR, "nobody handled the error, or it cannot be handled",
        "ask 'ampubsub-tui why' for its cause; its program must take the error state back", machine_checks.in_error,
    ),
    Check(
        "handler-timeout", _ERROR, "a handler blocked its machine for too long and was given up",
        "make it async, or move its work elsewhere", machine_checks.timeouts,
    ),
    Check(
        "queue-stands", _ERROR, "the machine does not go on: a handler of it has not returned",
        "look where its program hangs", machine_checks.queue_stands,
    ),
    Check(
        "own-error", _ERROR, "something failed in our own peer",
        "read the error in its topic machine", machine_checks.own_error,
    ),
    Check(
        "clock-set-back", _WARNING, "the order of records is right, their times are not",
        "trust the numbers; let the clock be kept by NTP", machine_checks.clock_set,
    ),
    Check(
        "not-recorded", _WARNING, "the recording has a hole",
        "look at the disk", machine_checks.not_recorded,
    ),
)  # fmt: skip
"""All that the doctor knows of, in the order in which findings of one severity are told."""


def examine(live: Live, cursor: Cursor, window_s: float = WINDOW_S) -> list[Finding]:
    """All findings at a moment, the worst first."""
    case = Case(live, cursor, window_s)
    found = [
        Finding(check, seen)
        for check in CHECKS
        for seen, _ in zip(check.look(case), range(MOST_OF_A_KIND), strict=False)
    ]
    return sorted(found, key=lambda finding: -finding.severity)


def examine_history(history: History, number: int | None = None) -> list[Finding]:
    """All findings now, or as of a record."""
    return examine(history.live if number is None else history.at(number), history.cursor())


def badge(findings: Sequence[Finding]) -> tuple[str, Severity | None]:
    """A few characters for a status line, and how bad the worst is; empty when all is well."""
    if not findings:
        return "", None
    worst = max(finding.severity for finding in findings)
    names = dict.fromkeys(finding.name for finding in findings if finding.severity is worst)
    first, *others = names
    return f"{first}{f' +{len(findings) - 1}' if len(findings) > 1 or others else ''}", worst


__all__ = [
    "CHECKS",
    "Check",
    "Confidence",
    "Finding",
    "Seen",
    "Severity",
    "badge",
    "examine",
    "examine_history",
]
