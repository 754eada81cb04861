"""The tables of `docs/performance.md` that `python -m benchmarks.scale --draw` writes, with goals and old figures beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

Row = Mapping[str, object]

OLD_SETTLE = {20: "1.1 s", 50: "1.1 s", 100: "1.1 s; 225 s CPU", 200: "10.8 s; 234 s CPU; 905 MB"}
"""Before the core was redrawn: the same graph but with three hubs, no loss."""
OLD_ATTACKS = {
    "11 identities, 80 messages a second each": "change p99 20 s",
    "2,000 identities claim later clocks": "stale 96 % of the time",
    "old signed news said again": "change p99 19 s",
    "20,000 invented machines": "newcomers unknown for an hour",
    "a new identity each message": "newcomers locked out for 11 hours",
    "later clocks of others": "not measured",
}


def _number(value: object, unit: str = "", digits: int = 2) -> str:
    if value is None:
        return "never"
    if isinstance(value, float):
        return f"{value:,.{digits}f}{unit}"
    return f"{value}{unit}"


def _size(value: object) -> str:
    if not isinstance(value, (int, float)):
        return "never"
    for unit in ("B", "KiB", "MiB"):
        if value < 1024 or unit == "MiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return ""


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _settle(rows: list[Row]) -> list[str]:
    head = ["peers", "loss", "all first-hand everywhere", "a change everywhere p50 / p99", "idle, in all"]
    head += ["idle, each peer", "wrong at the end", "CPU to settle", "memory", "before"]
    return _table(
        head,
        [
            [
                f"{row['peers']:,}",
                f"{100 * float(str(row['loss'])):.0f} %",
                _number(row["all_first_hand_s"], " s"),
                f"{_number(row['change_p50_s'])} / {_number(row['change_p99_s'])} s",
                _number(row["idle_messages_per_s"], " messages/s", 1),
                f"{_size(row['idle_bytes_per_s_per_peer'])}/s",
                f"{row['wrong_at_the_end']}",
                _number(row["cpu_settle_s"], " s", 1),
                _number(row["memory_mb"], " MB", 0),
                OLD_SETTLE.get(int(str(row["peers"])), "not possible") if not row["loss"] else "",
            ]
            for row in rows
        ],
    )


def _joiner(rows: list[Row]) -> list[str]:
    head = [
        "settled topic",
        "it knows all",
        "all know it",
        "bytes it heard",
        "its CPU",
        "topic messages by all",
        "before",
    ]
    return _table(
        head,
        [
            [
                f"{row['peers']:,} × 3 × {row['states']} states",
                _number(row["newcomer_knows_all_s"], " s"),
                _number(row["newcomer_known_by_all_s"], " s"),
                _size(row["bytes"]),
                _number(row["cpu_s"], " s"),
                f"{row['said']}",
                "3 to 28 min at 1,000, by reading",
            ]
            for row in rows
        ],
    )


def _killed(rows: list[Row]) -> list[str]:
    head = ["peers", "loss", "first doubt", "doubted by all", "others doubted meanwhile", "before"]
    return _table(
        head,
        [
            [
                f"{row['peers']:,}",
                f"{100 * float(str(row['loss'])):.0f} %",
                _number(row["first_doubt_s"], " s", 1),
                _number(row["doubted_by_all_s"], " s", 1),
                f"{row['false_doubts']}",
                "50-54 s (12 and 30 peers)",
            ]
            for row in rows
        ],
    )


def _attack(rows: list[Row]) -> list[str]:
    head = ["attack through one neighbour", "honest change p50 / p99", "not all first-hand"]
    head += ["a newcomer knows all", "most entries in a peer", "before"]
    return _table(
        head,
        [
            [
                f"{row['attack']}",
                f"{_number(row['change_p50_s'])} / {_number(row['change_p99_s'])} s",
                f"{100 * float(str(row['not_first_hand_share'])):.0f} % of the time",
                _number(row["newcomer_knows_all_s"], " s"),
                f"{row['most_entries']:,}",
                OLD_ATTACKS.get(str(row["attack"]), ""),
            ]
            for row in rows
        ],
    )


def _repair(rows: list[Row]) -> list[str]:
    return _table(
        ["entries", "stale", "repaired after", "frames", "bytes", "before"],
        [
            [
                f"{row['entries']:,}",
                f"{row['stale']}",
                _number(row["repaired_s"], " s"),
                f"{row['frames']}",
                _size(row["bytes"]),
                "a sweep of 45 s at 1,000 peers",
            ]
            for row in rows
        ],
    )


PARTS: tuple[tuple[str, str, Callable[[list[Row]], list[str]]], ...] = (
    (
        "settle",
        "Cold start (goals: < 5 s, p99 < 1 s, < 30 messages/s, < 4 KiB/s; CPU 100 < 20 s, 1,000 < 600 s)",
        _settle,
    ),
    ("joiner", "A newcomer in a settled topic (goals: < 2 s, < 1 MB, < 3 s of CPU)", _joiner),
    (
        "killed",
        "Killed without a word (goals: doubted by all < 10 s at 100, < 15 s at 1,000 or 50 % loss)",
        _killed,
    ),
    ("attack", "Attacks (goals: p99 < 1 s, a newcomer < 5 s)", _attack),
    ("repair", "Repair between two neighbours (goals: 2 round trips, < 20 KiB)", _repair),
)


def draw_rows(rows: Iterable[Row], page: Path) -> None:
    """Replace the drawn part of a page; parts that were not measured this time keep what they show."""
    text = page.read_text()
    for part, title, table in PARTS:
        good = [row for row in rows if row.get("part") == part and "failed" not in row]
        if not good:
            continue
        begin, end = f"<!-- scale {part} -->", f"<!-- end of scale {part} -->"
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        text = f"{before}{begin}\n**{title}**\n\n" + "\n".join(table(good)) + f"{end}{after}"
    page.write_text(text)
