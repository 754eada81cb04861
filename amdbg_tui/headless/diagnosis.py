"""The command `doctor`: what is wrong with a topic, or was at a moment of a recording."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from amdbg_tui.headless.asking import AT, opened
from amdbg_tui.headless.commands import COST, Seconds, common
from amdbg_tui.headless.statuses import FOUND, NOT_FOUND

if TYPE_CHECKING:
    from amdbg_tui.answers.doctor import Finding
    from amdbg_tui.headless.source import Source

LOOK_S = 1.0
"""How often a topic is examined."""


@click.command("doctor", short_help="Say what is wrong, since when, and what to do.")
@common
@AT
@click.option(
    "--for",
    "for_s",
    type=Seconds(),
    default=5.0,
    metavar="DURATION",
    help="How long to look at a topic (default 5s): rates and deaths take time to see.",
)
def doctor(
    named: tuple[str, ...], topic: str, wait_s: float, as_json: bool, at_number: int | None, for_s: float
) -> int:
    """Name what is wrong with a topic or was in a recording, with the records that show it.

    On a topic each finding is printed when it is seen first, until the time is over or Ctrl-C. Status 0 when
    nothing is wrong in the end, 1 when something is.
    """
    from amdbg_tui.answers.doctor import examine

    with opened(named, topic, wait_s, at_number) as (source, live):
        if source.is_recording or at_number is not None:
            findings = examine(live, source.history.cursor())
            for finding in findings:
                _print(finding, as_json)
        else:
            findings = follow(source, as_json, for_s)
    if not findings and not as_json:
        click.echo("nothing is wrong that the records tell")
    return NOT_FOUND if findings else FOUND


def follow(source: Source, as_json: bool, for_s: float) -> list[Finding]:
    """Look again and again, and print what is new; what is found in the end."""
    from amdbg_tui.answers.doctor import examine

    told: set[tuple[str, str]] = set()
    findings: list[Finding] = []
    until = time.monotonic() + for_s
    try:
        while True:
            source.refresh()
            findings = examine(source.live, source.history.cursor())
            found = {(finding.name, finding.seen.subject): finding for finding in findings}
            for what, finding in found.items():
                if what not in told:
                    _print(finding, as_json)
            told = set(found)
            left = until - time.monotonic()
            if left <= 0:
                return findings
            time.sleep(min(LOOK_S, left))
    except KeyboardInterrupt:
        return findings


def _print(finding: Finding, as_json: bool) -> None:
    from amdbg_tui.headless.lines import time_text, write_json

    seen = finding.seen
    if as_json:
        write_json(
            "finding",
            {
                "name": finding.name,
                "severity": finding.severity.name.lower(),
                "subject": seen.subject,
                "text": seen.text,
                "since": time_text(seen.since_s),
                "confidence": seen.confidence.value,
                "evidence": list(seen.evidence),
                "peer_id": seen.peer_id,
                "index": seen.key.slot if seen.key else None,
                "meaning": finding.check.meaning,
                "remedy": finding.check.remedy,
            },
        )
        return
    since = datetime.fromtimestamp(seen.since_s).strftime("%H:%M:%S")
    records = ", ".join(map(str, seen.evidence[:6])) + (" ..." if len(seen.evidence) > 6 else "")
    click.echo(f"{finding.severity.name.lower():<8} {finding.name:<16} {seen.subject}: {seen.text}")
    click.echo(f"         since {since}, {seen.confidence.value}; records {records}")
    click.echo(f"         it means: {finding.check.meaning}")
    click.echo(f"         do: {finding.check.remedy}")


doctor.help = f"{doctor.help}\n\n{COST}"
