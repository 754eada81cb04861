"""The command `doctor`: what is wrong with a topic, or was at a moment of a recording."""

from __future__ import annotations

from datetime import datetime

import click

from amdbg_tui.headless.asking import AT, opened
from amdbg_tui.headless.commands import COST, common
from amdbg_tui.headless.statuses import FOUND, NOT_FOUND


@click.command("doctor", short_help="Say what is wrong, since when, and what to do.")
@common
@AT
def doctor(named: tuple[str, ...], topic: str, wait_s: float, as_json: bool, at_number: int | None) -> int:
    """Name what is wrong with a topic or was in a recording, with the records that show it.

    Status 0 when nothing is wrong, 1 when something is.
    """
    from amdbg_tui.answers.doctor import examine
    from amdbg_tui.headless.lines import time_text, write_json

    with opened(named, topic, wait_s, at_number) as (source, live):
        findings = examine(live, source.history.cursor())
    for finding in findings:
        seen = finding.seen
        if as_json:
            key = seen.key
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
                    "index": key.slot if key else None,
                    "meaning": finding.check.meaning,
                    "remedy": finding.check.remedy,
                },
            )
            continue
        since = datetime.fromtimestamp(seen.since_s).strftime("%H:%M:%S")
        click.echo(f"{finding.severity.name.lower():<8} {finding.name:<16} {seen.subject}: {seen.text}")
        records = ", ".join(map(str, seen.evidence[:6])) + (" ..." if len(seen.evidence) > 6 else "")
        click.echo(f"         since {since}, {seen.confidence.value}; records {records}")
        click.echo(f"         it means: {finding.check.meaning}")
        click.echo(f"         do: {finding.check.remedy}")
    if not findings and not as_json:
        click.echo("nothing is wrong that the records tell")
    return NOT_FOUND if findings else FOUND


doctor.help = f"{doctor.help}\n\n{COST}"
