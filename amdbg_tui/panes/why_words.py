"""The facts of a record as plain sentences. A sentence is a row of spans, so state names keep their look. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from amdbg_tui.history.live import Moment
from amdbg_tui.history.records import StepRecord, TransitionRecord
from amdbg_tui.panes import words
from amdbg_tui.panes.reasons import Reasons, active_names, handler_name, reasons_of
from amdbg_tui.widgets.paint import Row, Span

VERB = {"add": "add", "remove": "remove", "set": "set", "clock": "clock change", "eval": "evaluate"}


def names(states: Sequence[str], look: str = "bright bold") -> list[Span]:
    """State names with commas between."""
    spans: list[Span] = []
    for place, state in enumerate(states):
        if place:
            spans.append((", " if place < len(states) - 1 else " and ", "plain"))
        spans.append((state, look))
    return spans or [("no states", "grey")]


def explain(moment: Moment) -> list[Row]:
    """The whole answer, most important first: outcome, reason, who asked, what relations and handlers did."""
    record = moment.record
    if record.derived:
        return outcome(moment) + _derived(record)
    found = reasons_of(moment)
    return [*outcome(moment), *because(moment, found), asked(record)]


def outcome(moment: Moment) -> list[Row]:
    """What came of it."""
    record = moment.record
    found = words.changes_of(moment.names, record.before, record.after)
    if not record.accepted:
        verb = "could be done" if record.check else "was done"
        return [[("Canceled", "error bold"), (f": nothing {verb}.", "plain")]]
    if record.check:
        return [[("It could be done", "inactive bold"), (" (a check; nothing was changed).", "plain")]]
    if not found:
        return [[("Accepted", "inactive bold"), (", but no tick moved: it was so already.", "plain")]]
    rows: list[Row] = []
    for sign, text, look in (("+", " became active.", "active"), ("-", " became inactive.", "inactive")):
        states = [name for kind, name, _ in found if kind == sign]
        if states:
            rows.append([*names(states, f"{look} bold"), (text, "plain")])
    active = active_names(moment.names, record.after)
    for name, ticks in [(name, ticks) for kind, name, ticks in found if kind == "·"]:
        if name in active:
            what = "was entered again" if not record.derived else "was entered again, or went off and on"
        else:
            what = "went on and off again"
        rows.append([(name, "multi bold"), (f" {what} (+{ticks} ticks).", "plain")])
    return rows


def _derived(record: TransitionRecord) -> list[Row]:
    said = {
        "first-hand": "its own peer said so",
        "hearsay": "hearsay: another peer said so",
        "stale": "the clock is stale, news were missed",
        "gone": "its peer is gone",
    }.get(record.trust, record.trust)
    teller = f" ({words.short_id(record.source)})" if record.source else ""
    return [
        [
            ("Derived", "hearsay bold"),
            (" from a clock that changed; ", "plain"),
            (said + teller, "plain"),
            (".", "plain"),
        ],
        [
            (
                "Who asked, steps, handlers and arguments are known to the machine's own peer only: not available here.",
                "grey",
            )
        ],
    ]


def because(moment: Moment, found: Reasons) -> list[Row]:
    """Which handler or relation decided."""
    record = moment.record
    rows: list[Row] = []
    if record.error:
        rows.append([("Error: ", "error bold"), (record.error, "error")])
    if found.refused_by:
        rows.append([("The handler ", "plain"), (found.refused_by, "error bold"), (" said no.", "plain")])
    before = active_names(moment.names, record.before)
    for state, need in found.unmet:
        row: Row = [*names([state]), (" requires ", "active"), *names([need])]
        if record.accepted:
            went = need in before
            row.append((", which went too." if went else ", which was not active.", "plain"))
        else:
            row.append((", which would not stay." if need in before else ", which was not active.", "plain"))
        rows.append(row)
    for other, state in found.removed:
        rows.append([*names([other]), (" removes ", "error"), *names([state]), (".", "plain")])
    for other, state in found.passing:
        row = [*names([other]), (" removes ", "error"), *names([state]), (", then went itself.", "plain")]
        rows.append(row)
    for state, other in found.added:
        rows.append([*names([state]), (" adds ", "inactive"), *names([other]), (".", "plain")])
    if not record.accepted and not rows:
        why = "no steps were recorded" if not record.steps else "the steps do not say it"
        rows.append([(f"What was in the way is not known here: {why}.", "grey")])
    return rows


def asked(record: TransitionRecord) -> Row:
    """Who asked for what."""
    called: list[Span] = [(f"{VERB.get(record.kind, record.kind)} ", "plain"), *names(record.called)]
    if record.auto:
        return [
            ("By itself", "bright bold"),
            (": ", "plain"),
            *called,
            (" was tried, because Auto is set.", "plain"),
        ]
    if record.by_hand:
        return [("You asked", "own bold"), (" to ", "plain"), *called, (".", "plain")]
    if record.source:
        machine, transition, time = source_of(record)
        where = f" in its transition {transition}" if transition else ""
        when = f" at t{time}" if time else ""
        return [(machine, "own bold"), (f" asked{where}{when} to ", "plain"), *called, (".", "plain")]
    return [("Its program asked to ", "plain"), *called, (".", "plain")]


def source_of(record: TransitionRecord) -> tuple[str, str, str]:
    """(machine, transition id, time) of who asked; empty what is not known."""
    machine, _, rest = record.source.partition("/")
    transition, _, time = rest.partition("/")
    return machine, transition, time.removeprefix("t")


def step_words(step: StepRecord) -> Row:
    """One step in words: `called Ready`, `DBReady require Start`, `handler ReadyState`."""
    if step.kind == "rel":
        return [*names([step.from_state]), (f" {step.detail} ", "grey"), *names([step.to_state])]
    if step.kind == "handler":
        return [("handler ", "grey"), (handler_name(step), "bright bold")]
    word = {"activate": "on", "deactivate": "off", "deactivate-passive": "stays off"}.get(
        step.kind, step.kind
    )
    return [(f"{word} ", "grey"), *names([step.to_state or step.from_state])]
